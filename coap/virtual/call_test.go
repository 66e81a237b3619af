package virtual

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"localcloud/coap"
)

func length(arg string) int32 { return int32(len(arg)) }

func TestFunctionIsAcknowledgedThenAnswered(t *testing.T) {
	bubble(t, func(t *testing.T) {
		_, p := meet(t, OS331, func(d *Device) { d.Function("length", length) })
		p.send(coap.FunctionMessage(0x7100, 0xaa, "length", "hello"))
		p.wantHex("6000 id")
		p.wantHex("5144 id aa ff 00000005")
		p.send(coap.FunctionMessage(0x7101, 0xab, "length", ""))
		p.want("ACK empty id=7101", `NON 2.04 id=000a tok=ab payload=4:00000000`)
	})
}

func TestUnknownFunctionIsAcknowledgedAndNothingElse(t *testing.T) {
	for _, os := range Versions() {
		t.Run(string(os), func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				_, p := meet(t, os, func(d *Device) { d.Function("length", length) })
				p.send(coap.FunctionMessage(0x7100, 0xaa, "Length", "x"))
				p.want("ACK empty id=7100")
				p.silent(10 * time.Second)
			})
		})
	}
}

// On TCP a board does not look whether it had a message before.
func TestFunctionThatIsCalledTwiceByOneMessageRunsTwice(t *testing.T) {
	bubble(t, func(t *testing.T) {
		calls := 0
		_, p := meet(t, OS331, func(d *Device) {
			d.Function("count", func(string) int32 { calls++; return int32(calls) })
		})
		for want := range 2 {
			p.send(coap.FunctionMessage(0x7100, 0xaa, "count", "x"))
			p.want("ACK empty id=7100")
			if m := p.get(); len(m.Payload) != 4 || m.Payload[3] != byte(want+1) {
				t.Errorf("call %d: %s", want+1, m)
			}
		}
	})
}

func TestTooLongArgument(t *testing.T) {
	tests := []struct {
		os    Version
		limit int
		want  string // what the function gets
	}{
		{Core045, 63, "left"},
		{OS070, 63, "left"},
		{OS152, 622, "cut"},
		{OS231, 622, "cut"},
		{OS331, 864, "cut"},
		{OS620, 1024, "cut"},
	}
	for _, tt := range tests {
		t.Run(string(tt.os), func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				var got []string
				_, p := meet(t, tt.os, func(d *Device) {
					d.Function("f", func(arg string) int32 { got = append(got, arg); return 0 })
				})
				whole := strings.Repeat("a", tt.limit)
				p.send(coap.FunctionMessage(0x7100, 1, "f", whole))
				p.want("ACK empty id=7100")
				p.get()
				p.send(coap.FunctionMessage(0x7101, 2, "f", strings.Repeat("b", tt.limit+1)))
				p.want("ACK 4.00 id=7101")
				p.get()
				want := map[string]string{"left": whole, "cut": strings.Repeat("b", tt.limit)}[tt.want]
				if len(got) != 2 || got[0] != whole || got[1] != want {
					t.Errorf("called with %.70q", got)
				}
			})
		})
	}
}

func TestRebootForgetsTheLastArgument(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t)
		d := New(w.config(OS070))
		d.Function("length", length)
		w.run(d)
		p := w.greet()
		p.send(coap.FunctionMessage(0x7100, 1, "length", "hello"))
		p.want("ACK empty id=7100", "NON 2.04 id=0006 tok=01 payload=4:00000005")
		d.Reboot()
		p = w.greet()
		p.send(coap.FunctionMessage(0x7101, 2, "length", strings.Repeat("x", 64)))
		p.want("ACK 4.00 id=7101", "NON 2.04 id=0006 tok=02 payload=4:00000000")
	})
}

func TestCallWithoutTokenEndsTheConnection(t *testing.T) {
	for os, ends := range map[Version]bool{OS070: false, OS152: true, OS620: true} {
		t.Run(string(os), func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				w := newWorld(t)
				over := w.run(New(w.config(os)))
				p := w.greet()
				p.sendHex("4002 7100 b166 01 66 40") // f/f ""
				if !ends {
					p.silent(time.Second)
					return
				}
				p.closed()
				if err := <-over; !strings.Contains(err.Error(), "without a token") {
					t.Errorf("Run = %v", err)
				}
			})
		})
	}
}

func TestCallWithoutArgumentIsOnlyAcknowledged(t *testing.T) {
	bubble(t, func(t *testing.T) {
		_, p := meet(t, OS331, func(d *Device) { d.Function("f", func(string) int32 { panic("called") }) })
		p.sendHex("4102 7100 aa b166 01 66")
		p.want("ACK empty id=7100")
		p.silent(time.Second)
	})
}

func TestLateFunctionAnswersLaterAndHoldsNothingUp(t *testing.T) {
	bubble(t, func(t *testing.T) {
		_, p := meet(t, OS331, func(d *Device) {
			d.LateFunction("slow", 5*time.Second, length)
			d.LateFunction("slower", 6*time.Second, length)
			d.Function("fast", length)
		})
		start := time.Now()
		p.send(coap.FunctionMessage(0x7100, 1, "slower", "1"))
		p.send(coap.FunctionMessage(0x7101, 2, "slow", "12"))
		p.send(coap.FunctionMessage(0x7102, 3, "fast", "123"))
		p.want("ACK empty id=7100", "ACK empty id=7101", "ACK empty id=7102",
			"NON 2.04 id=0009 tok=03 payload=4:00000003")
		p.want("NON 2.04 id=000a tok=02 payload=4:00000002")
		if took := time.Since(start); took != 5*time.Second {
			t.Errorf("slow answered after %v", took)
		}
		p.want("NON 2.04 id=000b tok=01 payload=4:00000001")
		if took := time.Since(start); took != 6*time.Second {
			t.Errorf("slower answered after %v", took)
		}
	})
}

func TestHandlerThatBlocksHoldsUpHandlersAndNotTheProtocol(t *testing.T) {
	bubble(t, func(t *testing.T) {
		release := newGate(t)
		d, p := meet(t, OS331, func(d *Device) {
			d.Function("block", func(string) int32 { release.wait(); return 1 })
			d.Function("next", func(string) int32 { return 2 })
		})
		p.send(coap.FunctionMessage(0x7100, 1, "block", "x"))
		p.send(coap.FunctionMessage(0x7101, 2, "next", "x"))
		p.want("ACK empty id=7100", "ACK empty id=7101")
		p.send(coap.Ping(0x7102))
		p.want("ACK empty id=0009")
		if err := d.Publish(t.Context(), Event{Name: "x"}); err != nil {
			t.Error(err)
		}
		p.want("NON POST e/x id=000a")
		p.silent(time.Second)
		release.open()
		p.want("NON 2.04 id=000b tok=01 payload=4:00000001", "NON 2.04 id=000c tok=02 payload=4:00000002")
	})
}

// A handler uses the device that it belongs to.
func TestFunctionMayPublishAndRegister(t *testing.T) {
	bubble(t, func(t *testing.T) {
		_, p := meet(t, OS152, func(d *Device) {
			d.Function("go", func(arg string) int32 {
				if err := d.Publish(t.Context(), Event{Name: arg}); err != nil {
					t.Error(err)
				}
				d.Subscribe("more/", SubscribeOptions{}, func(Event) {})
				return 7
			})
		})
		p.send(coap.FunctionMessage(0x7100, 1, "go", "gone"))
		p.want("ACK empty id=7100", "NON POST e/gone id=0009", "CON GET e/more/ id=000a", "NON 2.04 id=000b tok=01 payload=4:00000007")
	})
}

func TestResultOfALostConnectionIsNotSentOnTheNext(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t)
		cfg := w.config(OS331)
		cfg.Reconnect = true
		d := New(cfg)
		release := newGate(t)
		d.Function("block", func(string) int32 { release.wait(); return 1 })
		d.LateFunction("late", 5*time.Second, length)
		w.run(d)
		p := w.greet()
		p.send(coap.FunctionMessage(0x7100, 1, "late", "x"))
		p.send(coap.FunctionMessage(0x7101, 2, "block", "x"))
		p.want("ACK empty id=7100", "ACK empty id=7101")
		p.link.Close()
		p = w.greet()
		release.open()
		p.silent(10 * time.Second)
	})
}

func TestCallsThatAreTooManyAreCounted(t *testing.T) {
	bubble(t, func(t *testing.T) {
		release := newGate(t)
		d, p := meet(t, OS331, func(d *Device) {
			d.Function("block", func(string) int32 { release.wait(); return 1 })
		})
		const calls = maxWaiting + 11 // one runs, the queue is full, ten are missed
		for range calls {
			p.send(coap.FunctionMessage(0x7100, 1, "block", "x"))
			p.want("ACK empty id=7100")
		}
		synctest.Wait() // the ACK comes before the call
		if got := d.Counts().Missed; got != 10 {
			t.Errorf("%d missed, want 10", got)
		}
		release.open()
		for range maxWaiting + 1 {
			if m := p.get(); m.Err() != nil || len(m.Payload) != 4 {
				t.Fatalf("answer is %s", m)
			}
		}
		p.silent(time.Second)
	})
}

func TestFunctionsThatADeviceCannotHave(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t)
		for _, tt := range []struct {
			os   Version
			name string
			ok   bool
		}{
			{OS070, strings.Repeat("n", 12), true},
			{OS070, strings.Repeat("n", 13), false},
			{OS331, strings.Repeat("n", 64), true},
			{OS331, strings.Repeat("n", 65), false},
			{OS331, "", false},
		} {
			d := New(w.config(tt.os))
			if err := d.Function(tt.name, length); (err == nil) != tt.ok {
				t.Errorf("%s: Function(%d bytes) = %v", tt.os, len(tt.name), err)
			}
		}
		d := New(w.config(OS331))
		for i := range maxRegistered {
			if err := d.Function("f"+string(rune('A'+i/26))+string(rune('a'+i%26)), length); err != nil {
				t.Fatal(err)
			}
		}
		if err := d.Function("onemore", length); err == nil {
			t.Error("takes more functions than it holds")
		}
		if err := d.Function("fAa", length); err != nil {
			t.Errorf("does not take another body for a function that it has: %v", err)
		}
	})
}
