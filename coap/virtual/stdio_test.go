package virtual

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"localcloud/coap"
)

// script is the other end of ServeStdio.
type script struct {
	t    *testing.T
	in   *io.PipeWriter
	over chan error

	mu     sync.Mutex
	lines  []string
	broken error         // what Write returns
	block  chan struct{} // Write waits for it
}

// serve runs ServeStdio for a script that has not said anything yet.
func (w *world) serve(d *Device) *script {
	r, in := io.Pipe()
	s := &script{t: w.t, in: in, over: make(chan error, 1)}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		s.over <- ServeStdio(ctx, d, r, s)
	}()
	w.t.Cleanup(func() { cancel(); in.Close(); <-done })
	return s
}

func (s *script) Write(b []byte) (int, error) {
	s.mu.Lock()
	block := s.block
	s.mu.Unlock()
	if block != nil {
		<-block
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.broken != nil {
		return 0, s.broken
	}
	if bytes.Count(b, []byte("\n")) != 1 || b[len(b)-1] != '\n' {
		s.t.Errorf("written at once: %q", b)
	}
	if !json.Valid(b) {
		s.t.Errorf("not JSON: %q", b)
	}
	s.lines = append(s.lines, strings.TrimSuffix(string(b), "\n"))
	return len(b), nil
}

func (s *script) say(lines ...string) {
	for _, line := range lines {
		fmt.Fprintln(s.in, line)
	}
	synctest.Wait()
}

// want checks all that was written since the last time.
func (s *script) want(lines ...string) {
	s.t.Helper()
	synctest.Wait()
	s.mu.Lock()
	defer s.mu.Unlock()
	if got, want := strings.Join(s.lines, "\n"), strings.Join(lines, "\n"); got != want {
		s.t.Fatalf("written:\n%s\nwant:\n%s", got, want)
	}
	s.lines = nil
}

const outOnlineLine = `{"ev":"online","id":"3a0000000000000000000001"}`

// scripted makes a device with a script online.
func scripted(t *testing.T, os Version, lines ...string) (*script, *peer, *world) {
	t.Helper()
	w := newWorld(t)
	cfg := w.config(os)
	cfg.Reconnect = true
	s := w.serve(New(cfg))
	s.say(lines...)
	p := w.greet()
	s.want(outOnlineLine)
	return s, p, w
}

func TestScriptTellsAStory(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t)
		cfg := w.config(OS331)
		cfg.Reconnect = true
		s := w.serve(New(cfg))
		s.say(
			`{"op":"function","name":"devices","ret":-5}`,
			`{"op":"variable","name":"temp","type":"int","value":7}`,
			`{"op":"subscribe","prefix":"news/"}`,
			`{"op":"publish","name":"early","data":"1"}`,
		)
		p := w.accept()
		p.get()
		p.hello()
		for range 4 {
			p.get()
		}
		p.want(`CON POST d "\x02" id=0006 tok=03 payload="{\"f\":[\"devices\"],\"v\":{\"temp\":2}}"`,
			`CON GET e/particle "u" id=0007`, `CON GET e/spark "u" id=0008`, `CON GET e/news/ id=0009`,
			`NON POST e/early id=000a payload="1"`)
		s.want(outOnlineLine)

		p.send(coap.FunctionMessage(0x7100, 1, "devices", "a \"b\" <c>"))
		p.want("ACK empty id=7100", "NON 2.04 id=000b tok=01 payload=4:fffffffb")
		s.want(`{"ev":"call","name":"devices","arg":"a \"b\" <c>"}`)

		p.send(coap.VariableMessage(0x7101, 2, "temp"))
		p.want("ACK empty id=7101", "NON 2.05 id=000c tok=02 payload=4:00000007")
		s.say(`{"op":"variable","name":"temp","type":"int","value":8}`)
		p.send(coap.VariableMessage(0x7102, 3, "temp"))
		p.want("ACK empty id=7102", "NON 2.05 id=000d tok=03 payload=4:00000008")

		p.event("news/1", "hello")
		p.event("news/2", "")
		s.want(`{"ev":"event","name":"news/1","data":"hello"}`, `{"ev":"event","name":"news/2","data":null}`)

		s.say(`{"op":"publish","name":"x","data":"y","ttl":10,"private":true,"ack":true}`)
		p.want(`CON POST E/x id=000e max-age=10 payload="y"`)
		s.want()
		p.send(coap.Ack(0x000e))
		s.want(`{"ev":"published","name":"x"}`)

		p.send(coap.SignalMessage(0x7103, 4, true))
		s.want(`{"ev":"signal","on":true}`)
		p.discard()

		s.in.Close()
		p.want("NON POST x id=0010 no-response payload=2:0102")
		p.closed()
		if err := <-s.over; err != nil {
			t.Errorf("ServeStdio = %v", err)
		}
		s.want(`{"ev":"offline"}`)
	})
}

// The device waits for the script's first lines, but not for ever.
func TestFirstLinesAreGathered(t *testing.T) {
	tests := []struct {
		name  string
		every time.Duration // between two lines
		lines int
		after time.Duration // the connection
	}{
		{"silence", 0, 0, 150 * time.Millisecond},
		{"a line", 0, 1, 150 * time.Millisecond},
		{"a pause ends it", 100 * time.Millisecond, 3, 350 * time.Millisecond},
		{"chatter does not hold it", 100 * time.Millisecond, 10, 500 * time.Millisecond},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				w := newWorld(t)
				cfg := w.config(OS331)
				cfg.Reconnect = true
				s := w.serve(New(cfg))
				start := time.Now()
				var chatter sync.WaitGroup
				t.Cleanup(chatter.Wait)
				chatter.Go(func() {
					for n := range tt.lines {
						fmt.Fprintf(s.in, `{"op":"function","name":"f%d"}`+"\n", n)
						time.Sleep(tt.every)
					}
				})
				w.connection()
				if took := time.Since(start); took != tt.after {
					t.Errorf("connects after %v, want %v", took, tt.after)
				}
			})
		})
	}
}

func TestFunctionsRegisteredOnlineMakeOneDescribe(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s, p, _ := scripted(t, OS331)
		for n := range 10 {
			s.say(fmt.Sprintf(`{"op":"function","name":"f%d"}`, n))
		}
		s.say(`{"op":"subscribe","prefix":"news/","mine":true}`)
		p.want(`CON GET e/news/ "u" id=0009`)
		m := p.get()
		if d, err := coap.ParseDescribeJSON(m.Payload); err != nil || len(d.Functions) != 10 {
			t.Errorf("device says %s", m)
		}
		p.silent(time.Second)
	})
}

func TestScriptLines(t *testing.T) {
	tests := []struct {
		name string
		line string
		dev  []string // what the device says then
		out  string   // what is written; an error without the line number
	}{
		{"publish without data", `{"op":"publish","name":"x"}`, []string{"NON POST e/x id=0009"}, ""},
		{"publish private", `{"op":"publish","name":"x","private":true}`, []string{"NON POST E/x id=0009"}, ""},
		{"publish with TTL", `{"op":"publish","name":"x","ttl":5}`, []string{"NON POST e/x id=0009 max-age=5"}, ""},
		{"members that are not known", `{"op":"publish","name":"x","color":"red"}`, []string{"NON POST e/x id=0009"}, ""},
		{"blank line", `  `, nil, ""},
		{"carriage return", "{\"op\":\"publish\",\"name\":\"x\"}\r", []string{"NON POST e/x id=0009"}, ""},
		{"subscribe to a device", `{"op":"subscribe","prefix":"x","device":"00112233445566778899aabb"}`,
			[]string{`CON GET e/x id=0009 payload="00112233445566778899aabb"`}, ""},
		{"subscribe to everything of mine", `{"op":"subscribe","mine":true}`, []string{`CON GET e "u" id=0009`}, ""},
		{"unsubscribe", `{"op":"unsubscribe"}`, nil, ""},

		{"no JSON", `publish x`, nil, "invalid character 'p' looking for beginning of value"},
		{"half a line", `{"op":"publish"`, nil, "unexpected end of JSON input"},
		{"no object", `[1]`, nil, "json: cannot unmarshal array into Go value of type virtual.command"},
		{"no op", `{"name":"x"}`, nil, "no op"},
		{"unknown op", `{"op":"explode"}`, nil, `no op "explode"`},
		{"publish without a name", `{"op":"publish"}`, nil, "virtual: no name"},
		{"publish a long name", `{"op":"publish","name":"` + strings.Repeat("n", 65) + `"}`, nil,
			"name of 65 bytes, at most 64: virtual: longer than a device takes"},
		{"negative TTL", `{"op":"publish","name":"x","ttl":-1}`, nil,
			"json: cannot unmarshal number -1 into Go struct field command.ttl of type uint32"},
		{"function without a name", `{"op":"function"}`, nil, "function: virtual: no name"},
		{"large ret", `{"op":"function","name":"f","ret":2147483648}`, nil,
			"json: cannot unmarshal number 2147483648 into Go struct field command.ret of type int32"},
		{"negative delay", `{"op":"function","name":"f","delay_ms":-1}`, nil, "delay_ms of -1"},
		{"large delay", `{"op":"function","name":"f","delay_ms":3600001}`, nil, "delay_ms of 3600001"},
		{"subscribe to nothing", `{"op":"subscribe"}`, nil, `subscribe "": virtual: a prefix is needed to get the events of everyone`},
		{"variable without a type", `{"op":"variable","name":"v","value":1}`, nil,
			`variable "v": no type "": int, double, bool or string`},
		{"variable without a value", `{"op":"variable","name":"v","type":"int"}`, nil, `variable "v": no value`},
		{"variable that is null", `{"op":"variable","name":"v","type":"int","value":null}`, nil, `variable "v": no value`},
		{"variable of another type", `{"op":"variable","name":"v","type":"bool","value":1}`, nil,
			`variable "v": json: cannot unmarshal number into Go value of type bool`},
		{"int with a fraction", `{"op":"variable","name":"v","type":"int","value":1.5}`, nil,
			`variable "v": json: cannot unmarshal number 1.5 into Go value of type int32`},
		{"variable without a name", `{"op":"variable","type":"int","value":1}`, nil, "variable: virtual: no name"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				s, p, _ := scripted(t, OS331)
				s.say(tt.line)
				p.want(tt.dev...)
				if tt.out == "" {
					s.want()
				} else {
					text, _ := json.Marshal(tt.out)
					s.want(`{"ev":"error","error":` + string(text) + `,"line":1}`)
				}
				p.silent(time.Second)
				s.say(`{"op":"publish","name":"alive"}`) // it goes on
				if m := p.get(); !strings.Contains(m.String(), "e/alive") {
					t.Errorf("then %s", m)
				}
			})
		})
	}
}

func TestVariablesOfAllTypes(t *testing.T) {
	bubble(t, func(t *testing.T) {
		_, p, _ := scripted(t, OS331,
			`{"op":"variable","name":"i","type":"int","value":-1}`,
			`{"op":"variable","name":"d","type":"double","value":3.25}`,
			`{"op":"variable","name":"b","type":"bool","value":true}`,
			`{"op":"variable","name":"s","type":"string","value":"text"}`,
			`{"op":"variable","name":"s","type":"int","value":3}`, // another type
		)
		for name, want := range map[string]string{"i": "ffffffff", "d": "0000000000000a40", "b": "01", "s": "00000003"} {
			p.send(coap.VariableMessage(0x7100, 0xaa, name))
			p.get()
			if m := p.get(); fmt.Sprintf("%x", m.Payload) != want {
				t.Errorf("%s: %s, want %s", name, m, want)
			}
		}
	})
}

func TestScriptDisconnectsConnectsAndReboots(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s, p, w := scripted(t, OS331)
		s.say(`{"op":"disconnect"}`)
		p.want("NON POST x id=0009 no-response payload=2:0102")
		s.want(`{"ev":"offline"}`)
		s.say(`{"op":"publish","name":"waits"}`)
		time.Sleep(time.Hour)
		s.say(`{"op":"connect"}`)
		p = w.accept()
		p.get()
		p.hello()
		for range 7 {
			p.get()
		}
		p.want("NON POST e/waits id=0009")
		s.want(outOnlineLine)
		s.say(`{"op":"reboot"}`)
		p.silentUntilClosed()
		w.greet()
		s.want(`{"ev":"offline"}`, outOnlineLine)
	})
}

func TestUnsubscribedScriptHearsNothing(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s, p, _ := scripted(t, OS331, `{"op":"subscribe","prefix":"x"}`, `{"op":"subscribe","prefix":"x"}`)
		p.event("x/1", "a")
		s.want(`{"ev":"event","name":"x/1","data":"a"}`) // once
		s.say(`{"op":"unsubscribe"}`)
		p.event("x/2", "b")
		s.want()
		s.say(`{"op":"subscribe","prefix":"x"}`)
		p.event("x/3", "c")
		s.want(`{"ev":"event","name":"x/3","data":"c"}`)
	})
}

func TestLongLinesAreErrors(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s, p, _ := scripted(t, OS331)
		fits := `{"op":"publish","name":"x","color":"` + strings.Repeat("r", maxLine-38) + `"}`
		s.say(fits, fits+" ", strings.Repeat("z", 3*maxLine), `{"op":"publish","name":"y"}`)
		p.want("NON POST e/x id=0009", "NON POST e/y id=000a")
		s.want(`{"ev":"error","error":"line of more than 65536 bytes","line":2}`,
			`{"ev":"error","error":"line of more than 65536 bytes","line":3}`)
	})
}

func TestHostileTextStaysInItsLine(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s, p, _ := scripted(t, OS331, `{"op":"subscribe","prefix":"x"}`)
		p.event("x\n{\"ev\":\"online\"}", "a\r\n\xff\x00b")
		s.want(`{"ev":"event","name":"x\n{\"ev\":\"online\"}","data":"a\r\n` + `\ufffd\u0000b"}`)
	})
}

func TestReadLine(t *testing.T) {
	bubble(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(context.Background())
		defer cancel()
		var got []string
		for line := range readLines(ctx, strings.NewReader("a\n\nb\r\nlast")) {
			got = append(got, fmt.Sprintf("%d %q %v", line.number, line.text, line.err))
		}
		want := `1 "a" <nil>; 2 "" <nil>; 3 "b" <nil>; 4 "last" <nil>`
		if s := strings.Join(got, "; "); s != want {
			t.Errorf("got %s, want %s", s, want)
		}
	})
}

// Whatever a script says, each line is answered by at most one error and the
// device goes on.
func FuzzScript(f *testing.F) {
	for _, line := range []string{
		`{"op":"function","name":"devices","ret":0,"delay_ms":10}`,
		`{"op":"variable","name":"v","type":"double","value":7.5}`,
		`{"op":"subscribe","prefix":"x","mine":true,"device":"00112233445566778899aabb"}`,
		`{"op":"publish","name":"n","data":"d","ttl":10,"private":true,"ack":true}`,
		`{"op":"unsubscribe"}`, `{"op":"reboot"}`, `{"op":"disconnect"}`, `{"op":"connect"}`,
		`{"op":"publish","name":"\u0000\ud800"}` + "\n\n{", "[]\n{}\nnull\n\"\"",
	} {
		f.Add([]byte(line))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		var out bytes.Buffer
		ctx := t.Context()
		s := &stdio{
			dev:    New(Config{}),
			output: newLineWriter(&out, func(error) {}),
			values: make(map[string]*stdioValue),
			subs:   make(map[stdioSubscription]bool),
		}
		go s.output.work()
		lines := 0
		for line := range readLines(ctx, bytes.NewReader(text)) {
			lines++
			if line.number != lines || len(line.text) > maxLine || bytes.ContainsRune(line.text, '\n') {
				t.Errorf("line %d is number %d, %d bytes", lines, line.number, len(line.text))
			}
			s.obey(ctx, line)
		}
		if err := s.output.close(ctx); err != nil {
			t.Fatal(err)
		}
		written := strings.SplitAfter(out.String(), "\n")
		if errors := written[:len(written)-1]; len(errors) > lines {
			t.Errorf("%d lines, %d errors", lines, len(errors))
		} else {
			for _, e := range errors {
				if !strings.HasPrefix(e, `{"ev":"error","error":"`) || !json.Valid([]byte(e)) {
					t.Errorf("written: %q", e)
				}
			}
		}
		d := s.dev
		if len(d.functions) > maxRegistered || len(d.variables) > maxRegistered || len(d.subscriptions) > maxRegistered ||
			len(s.pending) > maxPending {
			t.Error("more than a device holds")
		}
		if _, _, err := d.describe(time.Now(), coap.DescribeApplication); err != nil {
			t.Errorf("cannot describe itself: %v", err)
		}
	})
}
