package virtual

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/plgd-dev/go-coap/v3/message"

	"localcloud/coap"
)

func withLED(d *Device) {
	d.Function("led", length)
	d.Variable("temp", coap.Double, value(1.5))
}

// ask asks for a describe; flags 0 is a request without query.
func (p *peer) ask(flags byte) {
	p.t.Helper()
	p.send(coap.DescribeRequest(0x7100, 0xaa, flags))
}

func TestDescribeIsAnsweredInTheFormOfTheRelease(t *testing.T) {
	const (
		app    = `{\"f\":[\"led\"],\"v\":{\"temp\":9}}`
		both   = `{\"f\":[\"led\"],\"v\":{\"temp\":9},\"p\":3,\"m\":[]}`
		system = `{\"p\":3,\"m\":[]}`
		ack    = "ACK empty id=7100"
	)
	tests := []struct {
		os    Version
		flags byte
		want  []string
	}{
		// Twice, whatever is asked.
		{Core045, 0, []string{`ACK 2.05 id=7100 tok=aa payload="` + both + `"`, `ACK 2.05 id=7100 tok=aa payload="` + app + `"`}},
		{Core045, 2, []string{`ACK 2.05 id=7100 tok=aa payload="` + both + `"`, `ACK 2.05 id=7100 tok=aa payload="` + app + `"`}},
		// In the ACK.
		{OS070, 0, []string{`ACK 2.05 id=7100 tok=aa payload="` + both + `"`}},
		{OS070, 1, []string{`ACK 2.05 id=7100 tok=aa payload="` + system + `"`}},
		{OS070, 2, []string{`ACK 2.05 id=7100 tok=aa payload="` + app + `"`}},
		{OS070, 4, []string{`ACK 2.05 id=7100 tok=aa payload="` + both + `"`}}, // it knows no metrics
		{OS152, 0, []string{`ACK 2.05 id=7100 tok=aa payload="` + both + `"`}},
		{OS152, 2, []string{`ACK 2.05 id=7100 tok=aa payload="` + app + `"`}},
		{OS152, 7, []string{`ACK 2.05 id=7100 tok=aa payload="` + both + `"`}}, // metrics only come alone
		// Apart.
		{OS231, 0, []string{ack, `CON 2.05 id=000b tok=aa payload="` + both + `"`}},
		{OS231, 1, []string{ack, `CON 2.05 id=000b tok=aa payload="` + system + `"`}},
		{OS331, 0, []string{`ACK 4.00 id=7100 tok=aa`}},
		{OS331, 1, []string{ack, `CON 2.05 id=0009 tok=aa payload="` + system + `"`}},
		{OS331, 2, []string{ack, `CON 2.05 id=0009 tok=aa payload="` + app + `"`}},
		{OS620, 0, []string{`ACK 4.00 id=7100 tok=aa`}},
		{OS620, 1, []string{ack, `CON 2.05 id=0009 tok=aa format=42 payload=61:0a19080218e8072880808005351e0000003d1e00000058848080050a20080318...`}},
		{OS620, 2, []string{ack, `CON 2.05 id=0009 tok=aa payload="` + app + `"`}},
	}
	for _, tt := range tests {
		t.Run(fmt.Sprintf("%s %d", tt.os, tt.flags), func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				_, p := meet(t, tt.os, withLED)
				p.ask(tt.flags)
				p.want(tt.want...)
				p.silent(time.Second)
			})
		})
	}
}

func TestMetricsAreThoseOfTheRelease(t *testing.T) {
	for _, tt := range []struct {
		os    Version
		bytes int // as observed
	}{{OS152, 145}, {OS231, 145}, {OS331, 145}, {OS620, 151}} {
		t.Run(string(tt.os), func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				_, p := meet(t, tt.os)
				time.Sleep(7 * time.Second)
				p.ask(coap.DescribeMetrics)
				m := p.get()
				if len(m.Payload) == 0 {
					m = p.get()
				}
				metrics, err := coap.ParseMetrics(m.Payload)
				if err != nil {
					t.Fatal(err)
				}
				if len(m.Payload) != tt.bytes || metrics[0].String() != "sys:uptime=7" {
					t.Errorf("%d bytes, want %d: %v", len(m.Payload), tt.bytes, metrics)
				}
			})
		})
	}
}

func TestPhotonHasModulesAndMeasures(t *testing.T) {
	for _, os := range []Version{OS152, OS231, OS331} {
		bubble(t, func(t *testing.T) {
			w := newWorld(t)
			cfg := w.config(os)
			cfg.PlatformID = platformPhoton
			w.run(New(cfg))
			p := w.greet()
			ask := func(flags byte) coap.Describe {
				p.ask(flags)
				m := p.get()
				if len(m.Payload) == 0 {
					m = p.get()
				}
				d, err := coap.ParseDescribe(-1, flags, m.Payload)
				if err != nil {
					t.Fatal(err)
				}
				return d
			}
			system := ask(coap.DescribeSystem)
			if system.Platform != platformPhoton || len(system.Modules) != 3 || system.AppHash() == "" {
				t.Errorf("%s: %+v", os, system)
			}
			for _, m := range system.Modules {
				if !m.Valid() {
					t.Errorf("%s: %s is not valid", os, m)
				}
			}
			for _, m := range ask(coap.DescribeMetrics).Metrics {
				if m.Failed || m.Name() == "" {
					t.Errorf("%s: metric %s", os, m)
				}
			}
		})
	}
}

func TestDescribeOfAnUnknownPartEndsTheConnection(t *testing.T) {
	for os, flags := range map[Version]byte{OS620: 3, OS331: 0x80} {
		bubble(t, func(t *testing.T) {
			w := newWorld(t)
			over := w.run(New(w.config(os)))
			p := w.greet()
			p.ask(flags)
			p.want("ACK empty id=7100")
			p.closed()
			if err := <-over; !strings.Contains(err.Error(), "describe") {
				t.Errorf("%s: Run = %v", os, err)
			}
		})
	}
}

func TestDescribeRequestOfAnotherFormIsRefused(t *testing.T) {
	for _, tt := range []struct{ request, want string }{
		{"4001 7100 b164 41 01", "ACK 4.00 id=7100"},                       // no token
		{"4201 7100 aabb b164 41 01", "ACK 4.00 id=7100 tok=aabb"},         // a long one
		{"5101 7100 aa b164 41 01", "NON 4.00 id=0009 tok=aa"},             // not confirmable
		{"4101 7100 aa b164 41 01 81 04", "ACK 4.02 id=7100 tok=aa"},       // blocks of 256 bytes
		{"4101 7100 aa b164 41 01 81 06", "ACK 4.02 id=7100 tok=aa"},       // of 1024, where 512 are used
		{"4101 7100 aa b164 41 01 81 15", "ACK 4.04 id=7100 tok=aa"},       // the second of one
		{"4101 7100 aa b164 41 01 84 00000005", "ACK 4.02 id=7100 tok=aa"}, // no block option
	} {
		bubble(t, func(t *testing.T) {
			_, p := meet(t, OS331)
			p.sendHex(tt.request)
			p.want(tt.want)
			p.silent(time.Second)
		})
	}
}

func TestRegisteringOnlineDescribesAgain(t *testing.T) {
	bubble(t, func(t *testing.T) {
		d, p := meet(t, OS331)
		start := time.Now()
		for _, name := range []string{"a", "b", "c"} {
			d.Function(name, length)
			time.Sleep(10 * time.Millisecond)
		}
		d.Variable("v", coap.Int, value(1))
		p.want(`CON POST d "\x02" id=0009 tok=04 payload="{\"f\":[\"a\",\"b\",\"c\"],\"v\":{\"v\":2}}"`)
		if took := time.Since(start); took != redescribeWait {
			t.Errorf("after %v", took)
		}
		d.Function("a", length) // nothing new
		d.Variable("v", coap.Int, value(2))
		p.silent(time.Second)
		d.Variable("v", coap.String, value("x"))
		p.want(`CON POST d "\x02" id=000a tok=05 payload="{\"f\":[\"a\",\"b\",\"c\"],\"v\":{\"v\":4}}"`)
	})
	bubble(t, func(t *testing.T) { // the old ones cannot
		d, p := meet(t, OS152)
		d.Function("a", length)
		p.silent(time.Second)
		p.ask(coap.DescribeApplication)
		p.want(`ACK 2.05 id=7100 tok=aa payload="{\"f\":[\"a\"],\"v\":{}}"`)
	})
}

func TestOldDeviceTakesOnlyWhatItCanDescribe(t *testing.T) {
	for _, os := range []Version{Core045, OS070, OS152, OS231} {
		bubble(t, func(t *testing.T) {
			w := newWorld(t)
			cfg := w.config(os)
			cfg.PlatformID = platformPhoton
			d := New(cfg)
			n := 0
			for ; n < maxRegistered; n++ {
				if err := d.Function(fmt.Sprintf("function%04d", n), length); err != nil {
					break
				}
			}
			if n == maxRegistered {
				t.Fatalf("%s: takes everything", os)
			}
			if err := d.Variable("variable0001", coap.Int, value(1)); err == nil {
				t.Errorf("%s: no room for a function, but for a variable", os)
			}
			w.run(d)
			p := w.greet()
			flags := byte(0)
			if os == OS231 {
				flags = coap.DescribeApplication
			}
			p.ask(flags)
			for {
				m := p.get()
				if len(m.Payload) == 0 {
					continue
				}
				got, err := coap.ParseDescribe(-1, 0, m.Payload)
				if err != nil || len(got.Functions) != n || n < 10 {
					t.Errorf("%s: %d of %d functions, %v", os, len(got.Functions), n, err)
				}
				if b, _ := m.Append(nil); len(b) > d.os.maxMessage {
					t.Errorf("%s: message of %d bytes", os, len(b))
				}
				if os == OS231 { // both parts are too much for it
					p.ask(0)
					p.closed()
				}
				return
			}
		})
	}
}

// large gives a device an application that is described in more than a message.
func large(d *Device) {
	for n := range 60 {
		d.Function(fmt.Sprintf("a_function_with_a_long_name_%04d", n), length)
	}
}

// block1 takes a describe that the device sends in blocks and acknowledges it.
func (p *peer) block1(os *release, first coap.Message) []byte {
	p.t.Helper()
	var whole []byte
	tokens := make(map[byte]bool)
	for m, num := first, uint32(0); ; num++ {
		b, ok := coap.Block1(m)
		if !ok || b.Num != num || m.Type != coap.Confirmable || m.Kind(coap.FromDevice) != coap.KindDescribe {
			p.t.Fatalf("block %d is %s", num, m)
		}
		if want := map[int]int{960: 512, 1152: 1024}[os.maxMessage]; b.Size() != want || b.More && len(m.Payload) != want {
			p.t.Fatalf("block %d is %s, want size %d", num, m, want)
		}
		if tokens[m.Token[0]] {
			p.t.Errorf("token %x again", m.Token)
		}
		tokens[m.Token[0]] = true
		whole = append(whole, m.Payload...)
		p.send(coap.Ack(m.ID))
		if !b.More {
			return whole
		}
		m = p.get()
	}
}

func TestLongDescribeIsSentInBlocks(t *testing.T) {
	for _, os := range []Version{OS331, OS620} {
		t.Run(string(os), func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				w := newWorld(t)
				d := New(w.config(os))
				large(d)
				w.run(d)
				p := w.accept()
				p.get()
				p.hello()
				var first coap.Message
				var others int
				for range 7 {
					m := p.get()
					if _, ok := coap.Block1(m); ok {
						first = m
					} else {
						others++
					}
				}
				if others != 6 {
					t.Fatalf("%d other messages, want 6: they do not wait for the blocks", others)
				}
				p.silent(time.Second) // the next block waits for the ACK
				// What is registered meanwhile waits for the last block.
				d.Function("meanwhile", length)
				time.Sleep(time.Second)
				d.Function("and_then", length) // both go in one
				time.Sleep(time.Second)
				got, err := coap.ParseDescribeJSON(p.block1(d.os, first))
				if err != nil || len(got.Functions) != 60 {
					t.Fatalf("%d functions, %v", len(got.Functions), err)
				}
				got, err = coap.ParseDescribeJSON(p.block1(d.os, p.get()))
				if err != nil || len(got.Functions) != 62 {
					t.Fatalf("then %d functions, %v", len(got.Functions), err)
				}
				p.silent(time.Second)
			})
		})
	}
}

func TestDescribeInBlocksEndsWithAReset(t *testing.T) {
	bubble(t, func(t *testing.T) {
		d, p := meet(t, OS331)
		large(d)
		m := p.get()
		p.send(coap.ResetMessage(m.ID))
		p.silent(time.Second)
	})
}

// blocks asks for a describe block by block.
func (p *peer) blocks(flags byte, szx uint8) (whole []byte, etag []byte) {
	p.t.Helper()
	for num := uint32(0); ; num++ {
		id := p.newID()
		if num == 0 {
			p.send(coap.DescribeRequest(id, byte(num+1), flags))
		} else {
			p.send(coap.DescribeBlockRequest(id, byte(num+1), flags, num, szx))
		}
		p.want(fmt.Sprintf("ACK empty id=%04x", id))
		m := p.get()
		b, ok := coap.Block2(m)
		if !ok || b.Num != num || b.SZX != szx || m.Token[0] != byte(num+1) || m.Type != coap.Confirmable {
			p.t.Fatalf("block %d is %s", num, m)
		}
		if num > 0 && !bytes.Equal(etag, coap.ETag(m)) {
			p.t.Errorf("block %d has another ETag: %s", num, m)
		}
		etag = coap.ETag(m)
		whole = append(whole, m.Payload...)
		p.send(coap.Ack(m.ID))
		if !b.More {
			return whole, etag
		}
	}
}

func TestLongDescribeIsAnsweredInBlocks(t *testing.T) {
	for os, szx := range map[Version]uint8{OS331: 5, OS620: 6} {
		t.Run(string(os), func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				d, p := meet(t, os, large)
				for try := range 2 {
					whole, etag := p.blocks(coap.DescribeApplication, szx)
					got, err := coap.ParseDescribeJSON(whole)
					if err != nil || len(got.Functions) != 60 {
						t.Errorf("%d functions, %v", len(got.Functions), err)
					}
					if want := []byte{byte(try + 1)}; !bytes.Equal(etag, want) {
						t.Errorf("ETag %x, want %x", etag, want)
					}
				}
				p.send(coap.DescribeBlockRequest(0x7100, 1, coap.DescribeApplication, 1, szx))
				p.want("ACK 4.04 id=7100 tok=01") // it is all taken
				_ = d
			})
		})
	}
}

// The order of options is ETag, Content-Format, Block2.
func TestLongSystemDescribeHasAFormatInEachBlock(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t)
		cfg := w.config(OS620)
		for n := range 40 {
			cfg.Modules = append(cfg.Modules, coap.Module{
				Function: coap.ModuleUser, Index: uint32(n), Version: 1, Hash: make([]byte, 32), Checked: 30, Passed: 30,
			})
		}
		w.run(New(cfg))
		p := w.greet()
		p.ask(coap.DescribeSystem)
		p.want("ACK empty id=7100")
		m := p.get()
		var order []message.OptionID
		for _, o := range m.Options {
			order = append(order, o.ID)
		}
		if fmt.Sprint(order) != fmt.Sprint([]message.OptionID{message.ETag, message.ContentFormat, message.Block2}) {
			t.Errorf("options %v in %s", order, m)
		}
	})
}

func TestDescribeInBlocksIsKeptFor90Seconds(t *testing.T) {
	bubble(t, func(t *testing.T) {
		d, p := meet(t, OS331, large)
		ask := func(num uint32) string {
			t.Helper()
			p.send(coap.DescribeBlockRequest(0x7100, 1, coap.DescribeApplication, num, 5))
			for {
				m := p.get()
				switch {
				case m.Err() != nil:
					return "refused"
				case len(m.Payload) > 0:
					return fmt.Sprint(m.Payload[:8])
				case m.Kind(coap.FromDevice) == coap.KindPing:
					p.send(coap.Ack(m.ID))
				}
			}
		}
		ask(0)
		second := ask(1)
		d.mu.Lock() // what the application has by now does not matter
		d.functions = nil
		d.mu.Unlock()
		p.send(coap.Ping(1)) // and no silence ends the connection
		time.Sleep(10 * time.Second)
		if got := ask(1); got != second {
			t.Errorf("second block is %s, before it was %s", got, second)
		}
		for range 9 {
			time.Sleep(10 * time.Second)
			p.send(coap.Ping(1))
		}
		if got := ask(1); got != "refused" {
			t.Errorf("after 90 s the second block is %s", got)
		}
	})
}
