package virtual

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/plgd-dev/go-coap/v3/message/codes"

	"localcloud/coap"
)

func TestPublishedEventOnTheWire(t *testing.T) {
	long := strings.Repeat("n", 30)
	tests := []struct {
		name string
		os   Version
		ev   Event
		want string
	}{
		{"public", OS331, Event{Name: "x"}, "5002 id b165 01 78"},
		{"private", OS331, Event{Name: "x", Private: true}, "5002 id b145 01 78"},
		{"data", OS331, Event{Name: "x", Data: []byte("hi")}, "5002 id b165 01 78 ff 6869"},
		{"a long name is one option", OS331, Event{Name: "a/" + long}, "5002 id b165 0d13 612f" + strings.Repeat("6e", 30)},
		{"a TTL of 60 is not said", OS331, Event{Name: "x", TTL: 60}, "5002 id b165 01 78"},
		{"a TTL takes three bytes", OS331, Event{Name: "x", TTL: 5}, "5002 id b165 01 78 33 000005"},
		{"a TTL takes as many bytes as it needs from 6.2 on", OS620, Event{Name: "x", TTL: 5}, "5002 id b145 01 78 31 05"},
		{"a TTL of 60 is not said from 6.2 on", OS620, Event{Name: "x", TTL: 60}, "5002 id b145 01 78"},
		{"a format is said from 6.2 on", OS620, Event{Name: "x", Data: []byte("{}"), Format: coap.FormatJSON}, "5002 id b145 01 78 11 32 ff 7b7d"},
		{"a format and a TTL", OS620, Event{Name: "x", Data: []byte("1"), Format: coap.FormatBinary, TTL: 300}, "5002 id b145 01 78 11 2a 22 012c ff 31"},
		{"empty data", OS331, Event{Name: "x", Data: []byte{}}, "5002 id b165 01 78"},
		{"empty data up to 2.x", OS231, Event{Name: "x", Data: []byte{}}, "5002 id b165 01 78 ff"},
		{"no data up to 2.x", OS231, Event{Name: "x"}, "5002 id b165 01 78"},
		{"the Core", Core045, Event{Name: "x", Data: []byte("y"), TTL: 3600, Private: true}, "5002 id b145 01 78 33 000e10 ff 79"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				d, p := meet(t, tt.os)
				if err := d.Publish(t.Context(), tt.ev); err != nil {
					t.Fatal(err)
				}
				p.wantHex(tt.want)
			})
		})
	}
}

func TestAcknowledgedEvent(t *testing.T) {
	refusal := &coap.ResponseError{}
	tests := []struct {
		name   string
		answer func(p *peer, m coap.Message)
		check  func(err error) bool
		after  time.Duration
	}{
		{"ACK", func(p *peer, m coap.Message) { p.send(coap.Ack(m.ID)) }, func(err error) bool { return err == nil }, 0},
		{"ACK with success", func(p *peer, m coap.Message) { p.send(coap.AckCode(m.ID, nil, codes.Changed)) },
			func(err error) bool { return err == nil }, 0},
		{"refused", func(p *peer, m coap.Message) { p.send(coap.AckCode(m.ID, nil, codes.TooManyRequests)) },
			func(err error) bool { return errors.As(err, &refusal) && refusal.Code == codes.TooManyRequests }, 0},
		{"reset", func(p *peer, m coap.Message) { p.send(coap.ResetMessage(m.ID)) },
			func(err error) bool { return err != nil && strings.Contains(err.Error(), "reset") }, 0},
		{"another's ACK", func(p *peer, m coap.Message) { p.send(coap.Ack(m.ID + 1)) },
			func(err error) bool { return err == ErrNoACK }, 20 * time.Second},
		{"connection lost", func(p *peer, m coap.Message) { p.link.Close() },
			func(err error) bool { return err == ErrOffline }, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				d, p := meet(t, OS331)
				result := make(chan error)
				start := time.Now()
				go func() { result <- d.Publish(t.Context(), Event{Name: "x", Data: []byte("y"), WithAck: true}) }()
				m := p.get()
				if m.Type != coap.Confirmable {
					t.Errorf("published as %s", m)
				}
				tt.answer(p, m)
				err := <-result
				if !tt.check(err) {
					t.Errorf("Publish = %v", err)
				}
				if took := time.Since(start); took != tt.after {
					t.Errorf("took %v, want %v", took, tt.after)
				}
			})
		})
	}
}

// The device's ping is answered in between: the silence is about the event only.
func TestEventsAreAcknowledgedIndependently(t *testing.T) {
	bubble(t, func(t *testing.T) {
		d, p := meet(t, OS331)
		results := make(chan string, 2)
		publish := func(name string) {
			if err := d.Publish(t.Context(), Event{Name: name, WithAck: true}); err != nil {
				results <- name + ": " + err.Error()
				return
			}
			results <- name
		}
		go publish("first")
		first := p.get()
		time.Sleep(5 * time.Second)
		go publish("second")
		p.send(coap.Ack(p.get().ID))
		if got := <-results; got != "second" {
			t.Errorf("got %q", got)
		}
		p.want("CON empty id=000b") // ping, 15 s after the ACK
		p.send(coap.Ack(0x000b))
		if got := <-results; got != "first: "+ErrNoACK.Error() {
			t.Errorf("got %q", got)
		}
		p.send(coap.Ack(first.ID)) // too late
		p.silent(time.Second)
	})
}

func TestPublishEndsWithItsContext(t *testing.T) {
	bubble(t, func(t *testing.T) {
		d, p := meet(t, OS331)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := d.Publish(ctx, Event{Name: "x", WithAck: true}); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Publish = %v", err)
		}
		p.get()
	})
}

func TestEventsThatCannotBePublished(t *testing.T) {
	tests := []struct {
		name string
		os   Version
		ev   Event
	}{
		{"no name", OS331, Event{}},
		{"long name", OS331, Event{Name: strings.Repeat("n", 65)}},
		{"long name up to 0.7", OS070, Event{Name: strings.Repeat("n", 64)}},
		{"long data", OS331, Event{Name: "x", Data: make([]byte, 865)}},
		{"long data 6.2", OS620, Event{Name: "x", Data: make([]byte, 1025)}},
		{"long data up to 0.7", OS070, Event{Name: "x", Data: make([]byte, 256)}},
		{"TTL", OS331, Event{Name: "x", TTL: 1 << 24}},
		{"format before 6.2", OS331, Event{Name: "x", Format: coap.FormatCBOR}},
		{"no such format", OS620, Event{Name: "x", Format: 1 << 16}},
		{"negative format", OS620, Event{Name: "x", Format: -1}},
		{"acknowledged on a Core", Core045, Event{Name: "x", WithAck: true}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				d, p := meet(t, tt.os)
				if err := d.Publish(t.Context(), tt.ev); err == nil || err == ErrOffline {
					t.Errorf("Publish = %v", err)
				}
				p.silent(time.Second)
			})
		})
	}
	bubble(t, func(t *testing.T) { // and the longest that can
		d, p := meet(t, OS331)
		ev := Event{Name: strings.Repeat("n", 64), Data: make([]byte, 864), TTL: 1<<24 - 1}
		if err := d.Publish(t.Context(), ev); err != nil {
			t.Error(err)
		}
		if m := p.get(); len(m.Payload) != 864 {
			t.Errorf("got %s", m)
		}
	})
}

func TestEventsKeepTheirOrder(t *testing.T) {
	bubble(t, func(t *testing.T) {
		d, p := meet(t, OS331)
		for i := range 200 {
			if _, err := d.publish(Event{Name: "n", Data: []byte{byte(i + 1)}}); err != nil {
				t.Fatal(err)
			}
		}
		for i := range 200 {
			if m := p.get(); m.Payload[0] != byte(i+1) {
				t.Fatalf("event %d is %s", i, m)
			}
		}
	})
}

func TestEventsThatAreTooManyAreRefused(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t)
		d := New(w.config(OS331))
		w.run(d)
		w.deaf()
		accepted := 0
		var last error
		for range maxOrders + 50 {
			if _, err := d.publish(Event{Name: "x"}); err == nil {
				accepted++
			} else {
				last = err
			}
		}
		if accepted != maxOrders || last != ErrBusy || d.Counts().Refused != 50 {
			t.Errorf("%d accepted, then %v; %d counted", accepted, last, d.Counts().Refused)
		}
		start := time.Now()
		for d.Online() {
			time.Sleep(time.Second)
		}
		if took := time.Since(start); took < writeTimeout-time.Second || took > writeTimeout+time.Second {
			t.Errorf("waited %v for the server to read", took)
		}
	})
}

// Those that are not on their way when the connection ends, for whatever reason.
func TestEventsOfALostConnectionFail(t *testing.T) {
	for name, end := range map[string]func(d *Device, p *peer){
		"closed":   func(_ *Device, p *peer) { p.link.Close() },
		"rebooted": func(d *Device, _ *peer) { d.Reboot() },
		"nonsense": func(_ *Device, p *peer) { p.sendHex("ff"); p.start() },
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				w := newWorld(t)
				d := New(w.config(OS331))
				w.run(d)
				p := w.deaf()
				done, err := d.publish(Event{Name: "x"})
				if err != nil {
					t.Fatal(err)
				}
				end(d, p)
				synctest.Wait()
				select {
				case err := <-done:
					if err != ErrOffline {
						t.Errorf("event that waited: %v", err)
					}
				default:
					t.Error("event that waited waits still")
				}
				if err := d.Publish(t.Context(), Event{Name: "x"}); err != ErrOffline {
					t.Errorf("event after the end: %v", err)
				}
			})
		})
	}
}

func TestEventsComeToTheirHandlers(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var got []string
		note := func(who string) func(Event) {
			return func(ev Event) {
				data := "none"
				if ev.Data != nil {
					data = string(ev.Data)
				}
				got = append(got, who+" "+ev.Name+" "+data)
			}
		}
		_, p := meet(t, OS331, func(d *Device) {
			d.Subscribe("news/", SubscribeOptions{}, note("a"))
			d.Subscribe("news/local", SubscribeOptions{Mine: true}, note("b"))
		})
		p.event("news/world", "1")
		p.event("news/local", "2")
		p.event("news", "3") // shorter than the prefix
		p.event("other", "4")
		p.event("news/none", "")
		// In two options and confirmable: it is not acknowledged on TCP.
		p.sendHex("4002 7200 b145 04 6e657773 05 6c6f63616c 33 00003c ff 35")
		p.silent(time.Second)
		want := "a news/world 1; a news/local 2; b news/local 2; a news/none none; a news/local 5; b news/local 5"
		if s := strings.Join(got, "; "); s != want {
			t.Errorf("got  %s\nwant %s", s, want)
		}
	})
}

func TestEventFieldsArrive(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var got Event
		_, p := meet(t, OS620, func(d *Device) {
			d.Subscribe("x", SubscribeOptions{Format: 'b'}, func(ev Event) { got = ev })
		})
		p.sendHex("5002 7200 b145 01 78 11 3c 21 0a ff a0") // CBOR, 10 s
		p.silent(0)
		if got.Name != "x" || !got.Private || got.TTL != 10 || got.Format != coap.FormatCBOR || string(got.Data) != "\xa0" {
			t.Errorf("got %+v", got)
		}
	})
}

func TestHandlersGetTheFormatsTheyAskedFor(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var got []string
		note := func(who string) func(Event) { return func(Event) { got = append(got, who) } }
		_, p := meet(t, OS620, func(d *Device) {
			d.Subscribe("x", SubscribeOptions{}, note("text"))
			d.Subscribe("x", SubscribeOptions{Format: 'c'}, note("cbor"))
			d.Subscribe("x", SubscribeOptions{Format: 'b'}, note("bytes"))
		})
		for _, tt := range []struct{ option, want string }{
			{"", "text bytes"},
			{"11 32", "text bytes"}, // JSON
			{"11 3c", "cbor bytes"}, // CBOR
			{"11 2a", "bytes"},      // octets
			{"12 fde9", "bytes"},    // JSON as CBOR, 65001
		} {
			got = nil
			p.sendHex("5002 7200 b165 01 78" + tt.option + "ff 31")
			p.silent(0)
			if s := strings.Join(got, " "); s != tt.want {
				t.Errorf("option %q goes to %s, want %s", tt.option, s, tt.want)
			}
		}
	})
}

func TestServerCanRebootTheDevice(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t)
		w.run(New(w.config(OS331))) // it does not reconnect by itself
		p := w.greet()
		p.event("spark/device/reset", "something else")
		p.silent(time.Second)
		start := time.Now()
		p.event("spark/device/reset", "reboot")
		p.closed()
		w.greet()
		if took := time.Since(start); took != bootTime {
			t.Errorf("back after %v", took)
		}
	})
}

func TestLimiterIsThatOfTheFirmware(t *testing.T) {
	at := func(ms int) time.Duration { return time.Duration(ms) * time.Millisecond }
	tests := []struct {
		name string
		at   []int // ms
		want string
	}{
		{"four at once", []int{0, 0, 0, 0, 0}, "yyyyn"},
		{"refused ones count", []int{0, 0, 0, 0, 0, 500, 999, 999, 999, 1000, 1001}, "yyyynnnnnnn"},
		{"one a second", []int{0, 1000, 2000, 3000, 4000, 5000}, "yyyyyy"},
		{"four a second", []int{0, 250, 500, 750, 1000, 1250, 1500, 1750, 2000}, "yyyyyyyyy"},
		{"a little faster", []int{0, 249, 498, 747, 996, 1245}, "yyyynn"},
		{"another burst", []int{0, 0, 0, 0, 0, 1001, 1001, 1001, 1001, 1001}, "yyyynyyyyn"},
	}
	for _, tt := range tests {
		var l limiter
		got := ""
		for _, ms := range tt.at {
			got += map[bool]string{true: "y", false: "n"}[l.allow(at(ms), false)]
		}
		if got != tt.want {
			t.Errorf("%s: %s, want %s", tt.name, got, tt.want)
		}
	}
	var l limiter
	for i := range maxSystemEvents {
		if !l.allow(at(100+i), true) {
			t.Fatalf("system event %d refused", i)
		}
	}
	if l.allow(at(65535), true) {
		t.Error("system event 256 of a window allowed")
	}
	if !l.allow(at(65536), true) {
		t.Error("first system event of the next window refused")
	}
	if !l.allow(at(65536), false) {
		t.Error("system events count for the application")
	}
}

func TestPublishLimit(t *testing.T) {
	for _, limited := range []bool{false, true} {
		bubble(t, func(t *testing.T) {
			w := newWorld(t)
			cfg := w.config(OS331)
			cfg.PublishLimit = limited
			d := New(cfg)
			w.run(d)
			p := w.greet()
			for i := range 6 {
				want := error(nil)
				if limited && i >= 4 {
					want = ErrRateLimited
				}
				if err := d.Publish(t.Context(), Event{Name: "x"}); err != want {
					t.Errorf("limited %v, event %d: %v", limited, i, err)
				}
			}
			if err := d.Publish(t.Context(), Event{Name: "particle/x"}); err != nil {
				t.Errorf("limited %v, system event: %v", limited, err)
			}
			p.discard()
			p.send(coap.DescribeRequest(p.newID(), 9, coap.DescribeMetrics))
			p.get()
			metrics, err := coap.ParseMetrics(p.get().Payload)
			if err != nil {
				t.Fatal(err)
			}
			want := map[bool]uint32{true: 2, false: 0}[limited]
			for _, m := range metrics {
				if m.ID == metricLimited && m.Value != want {
					t.Errorf("limited %v: %s", limited, m)
				}
			}
			if got := d.Counts().Throttled; got != uint64(want) {
				t.Errorf("%d throttled, want %d", got, want)
			}
		})
	}
}

func TestSystemEventNames(t *testing.T) {
	for _, tt := range []struct {
		os   Version
		name string
		want bool
	}{
		{OS331, "spark/x", true}, {OS331, "sparkling", true}, {OS331, "Spark/x", false},
		{OS331, "particle/x", true}, {OS331, "news", false},
		{OS070, "particle/x", false}, {OS070, "spark", true},
		{Core045, "SPARK/x", true}, {Core045, "spar", false}, {Core045, "particle", false},
	} {
		d := New(Config{OS: tt.os})
		if got := d.isSystem(tt.name); got != tt.want {
			t.Errorf("%s: %q is a system event: %v", tt.os, tt.name, got)
		}
	}
}
