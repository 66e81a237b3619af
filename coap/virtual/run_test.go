package virtual

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"localcloud/coap"
)

func TestReconnectBacksOffAsABoardDoes(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t)
		w.setDown(true)
		cfg := w.config(OS331)
		cfg.Reconnect = true
		w.run(New(cfg))
		time.Sleep(24 * time.Hour)
		synctest.Wait()
		w.mu.Lock()
		defer w.mu.Unlock()
		if len(w.dials) < 100 {
			t.Fatalf("%d attempts in a day", len(w.dials))
		}
		for i := range w.dials[1:] {
			attempts := i + 1 // failed so far
			want := time.Second << min(7, (attempts-1)/5)
			got := w.dials[i+1].Sub(w.dials[i])
			if got < want || got > want+want/8 {
				t.Errorf("pause after %d failed attempts: %v, want %v to %v", attempts, got, want, want+want/8)
			}
		}
	})
}

func TestJitterIsThatOfTheSeed(t *testing.T) {
	pauses := func(seed byte) (all []time.Duration) {
		cfg := Config{Rand: strings.NewReader(strings.Repeat(string(rune(seed)), 17))}
		d := New(cfg)
		for d.attempts = range 20 {
			d.attempts++
			all = append(all, d.backoff())
		}
		return all
	}
	a, again, b := pauses(1), pauses(1), pauses(2)
	same := true
	for i := range a {
		if a[i] != again[i] {
			t.Errorf("pause %d is %v and then %v", i, a[i], again[i])
		}
		same = same && a[i] == b[i]
	}
	if same {
		t.Error("two seeds, the same pauses")
	}
}

func TestBackOffBeginsAnewAfterBeingOnline(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t)
		w.setDown(true)
		cfg := w.config(OS331)
		cfg.Reconnect = true
		d := New(cfg)
		var reasons []error
		d.OnOffline(func(reason error) { reasons = append(reasons, reason) })
		w.run(d)
		time.Sleep(time.Minute)
		w.setDown(false)
		p := w.greet()
		p.link.Close()
		start := time.Now()
		w.greet()
		if took := time.Since(start); took < time.Second || took > 1125*time.Millisecond {
			t.Errorf("back after %v", took)
		}
		if len(reasons) != 1 || !errors.Is(reasons[0], io.EOF) {
			t.Errorf("went offline for %v", reasons)
		}
		n := d.Counts()
		if n.Connects != 2 || n.Disconnects != 1 || n.Attempts < 20 {
			t.Errorf("counts %+v", n)
		}
	})
}

func TestRunWithoutReconnectReturnsTheReason(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t)
		w.setDown(true)
		if err := New(w.config(OS331)).Run(t.Context()); !errors.Is(err, errDown) {
			t.Errorf("Run = %v", err)
		}
		w.setDown(false)
		d := New(w.config(OS331))
		over := w.run(d)
		w.greet().link.Close()
		if err := <-over; !errors.Is(err, io.EOF) {
			t.Errorf("Run = %v", err)
		}
		// It can run again.
		over = w.run(d)
		p := w.greet()
		if err := d.Run(t.Context()); err == nil {
			t.Error("runs twice at the same time")
		}
		p.link.Close()
		<-over
	})
}

func TestRunEndsWithItsContext(t *testing.T) {
	cause := errors.New("power cut")
	prepare := map[string]func(t *testing.T, w *world, d *Device){
		"while it waits": func(_ *testing.T, w *world, d *Device) {
			w.setDown(true)
			time.Sleep(time.Minute)
		},
		"in the handshake": func(_ *testing.T, w *world, _ *Device) { w.connection() },
		"before Hello":     func(_ *testing.T, w *world, _ *Device) { w.accept() },
		"online":           func(_ *testing.T, w *world, _ *Device) { w.greet() },
		"stuck":            func(_ *testing.T, w *world, _ *Device) { w.deaf() },
		"disconnected": func(_ *testing.T, w *world, d *Device) {
			w.greet()
			d.Disconnect()
			time.Sleep(time.Minute)
		},
	}
	for name, f := range prepare {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				w := newWorld(t)
				cfg := w.config(OS331)
				cfg.Reconnect = true
				d := New(cfg)
				ctx, cancel := context.WithCancelCause(context.Background())
				over := make(chan error, 1)
				go func() { over <- d.Run(ctx) }()
				f(t, w, d)
				synctest.Wait()
				start := time.Now()
				cancel(cause)
				if err := <-over; err != cause || time.Since(start) != 0 {
					t.Errorf("Run = %v after %v", err, time.Since(start))
				}
				if d.Online() {
					t.Error("online without power")
				}
			})
		})
	}
}

func TestDisconnectSaysGoodbye(t *testing.T) {
	for os, want := range map[Version]string{
		OS070: "", OS152: "", // they do not know it
		OS231: `NON POST x id=000c no-response payload=2:0102`,
		OS331: `NON POST x id=000a no-response payload=2:0102`,
		OS620: `NON POST x id=000a no-response payload=2:0102`,
	} {
		t.Run(string(os), func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				w := newWorld(t)
				d := New(w.config(os))
				w.run(d)
				p := w.greet()
				if _, err := d.publish(Event{Name: "last"}); err != nil {
					t.Fatal(err)
				}
				d.Disconnect()
				if m := p.get(); m.Kind(coap.FromDevice) != coap.KindEvent {
					t.Errorf("before the goodbye: %s", m)
				}
				if want != "" {
					p.want(want)
				}
				if _, _, err := p.next(); err != io.EOF {
					t.Errorf("then %v", err)
				}
				time.Sleep(time.Hour)
				if d.Online() || len(w.calls) > 0 {
					t.Error("came back by itself")
				}
				d.Connect()
				w.greet()
			})
		})
	}
}

// What was published before Disconnect goes out before the goodbye.
func TestDisconnectSendsWhatWaits(t *testing.T) {
	for range 10 { // it must not depend on what is seen first
		bubble(t, disconnectSendsWhatWaits)
	}
}

func disconnectSendsWhatWaits(t *testing.T) {
	w := newWorld(t)
	d := New(w.config(OS331))
	w.run(d)
	p := w.deaf()
	for range 3 {
		if _, err := d.publish(Event{Name: "x"}); err != nil {
			t.Fatal(err)
		}
	}
	d.Disconnect()
	p.start()
	for range 7 { // the burst
		p.get()
	}
	p.want("NON POST e/x id=0009", "NON POST e/x id=000a", "NON POST e/x id=000b",
		"NON POST x id=000c no-response payload=2:0102")
	p.closed()
}

func TestDisconnectEndsAnAttempt(t *testing.T) {
	for _, where := range []string{"dialling", "in the handshake", "before Hello"} {
		t.Run(where, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				w := newWorld(t)
				cfg := w.config(OS331)
				first := true
				cfg.Dial = func(ctx context.Context) (net.Conn, error) {
					if where == "dialling" && first {
						first = false
						<-ctx.Done()
						return nil, ctx.Err()
					}
					return w.dial(ctx)
				}
				d := New(cfg) // which does not reconnect, so an error would end Run
				w.run(d)
				switch where {
				case "in the handshake":
					w.connection()
				case "before Hello":
					w.accept()
				}
				synctest.Wait()
				d.Disconnect()
				time.Sleep(time.Hour)
				d.Connect()
				w.greet()
			})
		})
	}
}

// A device that cannot say anything does not take more than it can hold.
func TestDeviceReadsOnlyWhatItCanHold(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t)
		d := New(w.config(OS331))
		w.run(d)
		p := w.deaf()
		const pings = 2 * maxReceived
		var sent atomic.Int64
		var sending sync.WaitGroup
		t.Cleanup(sending.Wait)
		sending.Go(func() {
			for range pings {
				b, _ := coap.Ping(0x7100).Append(nil)
				if err := p.link.Write(b); err != nil {
					t.Error(err)
					return
				}
				sent.Add(1)
			}
		})
		synctest.Wait()
		if n := sent.Load(); n < maxReceived || n > maxReceived+2 {
			t.Errorf("%d messages taken, want %d and what is in hand", n, maxReceived)
		}
		p.start()
		for range 7 {
			p.get()
		}
		for n := range pings {
			p.want(fmt.Sprintf("ACK empty id=%04x", 9+n))
		}
	})
}

func TestDisconnectBeforeRunKeepsTheDeviceAway(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t)
		d := New(w.config(OS331))
		d.Disconnect()
		w.run(d)
		time.Sleep(time.Hour)
		if len(w.calls) > 0 {
			t.Error("connects")
		}
		d.Connect()
		w.greet()
		d.Connect() // means nothing
		d.Disconnect()
		time.Sleep(time.Second)
		if d.Online() {
			t.Error("an old Connect keeps it online")
		}
	})
}

func TestDisconnectEndsTheWaitForTheNextAttempt(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t)
		w.setDown(true)
		cfg := w.config(OS331)
		cfg.Reconnect = true
		d := New(cfg)
		w.run(d)
		time.Sleep(time.Hour)
		d.Disconnect()
		w.setDown(false)
		d.Connect()
		start := time.Now()
		w.greet()
		if took := time.Since(start); took != 0 {
			t.Errorf("connects %v after Connect", took)
		}
	})
}

func TestRebootCutsTheConnection(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t)
		d := New(w.config(OS331)) // Run goes on nevertheless
		w.run(d)
		p := w.greet()
		time.Sleep(3 * time.Second)
		d.Reboot()
		p.silentUntilClosed()
		start := time.Now()
		p = w.greet()
		if took := time.Since(start); took != time.Second {
			t.Errorf("back after %v", took)
		}
		p.ask(coap.DescribeMetrics)
		p.get()
		if m, err := coap.ParseMetrics(p.get().Payload); err != nil || m[0].String() != "sys:uptime=1" {
			t.Errorf("after the start: %v, %v", m, err)
		}
	})
}

// silentUntilClosed checks that nothing is said before the end.
func (p *peer) silentUntilClosed() {
	p.t.Helper()
	if m, _, err := p.next(); err == nil {
		p.t.Errorf("device says %s", m)
	}
}

func TestRebootFreesADeviceThatIsStuck(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t)
		d := New(w.config(OS331))
		w.run(d)
		w.deaf()
		start := time.Now()
		d.Reboot()
		w.greet()
		if took := time.Since(start); took != bootTime {
			t.Errorf("back after %v", took)
		}
	})
}

func TestLongFrameEndsTheConnection(t *testing.T) {
	// The longest message and one more; what fits the buffer is less than what Hello says.
	for os, longest := range map[Version]int{Core045: 639, OS070: 767, OS331: 927, OS620: 1119} {
		bubble(t, func(t *testing.T) {
			w := newWorld(t)
			over := w.run(New(w.config(os)))
			p := w.greet()
			event := func(size int) coap.Message {
				m, err := coap.EventMessage(coap.NonConfirmable, 1, coap.Event{Name: "x", Data: make([]byte, size-9), ContentFormat: -1})
				if err != nil {
					t.Fatal(err)
				}
				return m
			}
			p.send(event(longest))
			p.silent(time.Second)
			p.send(event(longest + 1))
			p.closed()
			if err := <-over; !strings.Contains(err.Error(), "fit") {
				t.Errorf("%s: Run = %v", os, err)
			}
		})
	}
}

func TestNonsenseEndsTheConnection(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t)
		over := w.run(New(w.config(OS331)))
		p := w.greet()
		p.sendHex("ff00")
		p.closed()
		if err := <-over; !errors.Is(err, coap.ErrTruncated) {
			t.Errorf("Run = %v", err)
		}
	})
}

// The last words of a server that closes are still heard.
func TestMessagesBeforeTheEndAreHandled(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t)
		d := New(w.config(OS331))
		got := 0
		d.Subscribe("x", SubscribeOptions{}, func(Event) { got++ })
		over := w.run(d)
		p := w.greet()
		for range 100 {
			p.event("x", "1")
		}
		p.link.Close()
		<-over
		if got != 100 {
			t.Errorf("%d events, want 100", got)
		}
	})
}

func TestUnknownReleaseIsAnError(t *testing.T) {
	d := New(Config{OS: "3.3.2"})
	if err := d.Run(context.Background()); err == nil || !strings.Contains(err.Error(), "3.3.2") {
		t.Errorf("Run = %v", err)
	}
	if got := New(Config{}).Version(); got != DefaultVersion {
		t.Errorf("without a release it is %s", got)
	}
	if all := Versions(); len(all) != 6 || all[0] != Core045 || all[5] != OS620 {
		t.Errorf("Versions = %v", all)
	}
}

func TestFirstTokenIsRandomFrom2On(t *testing.T) {
	random := func() io.Reader { return strings.NewReader(strings.Repeat("\x41", 17)) }
	for os, want := range map[Version]byte{OS070: 0, OS152: 0, OS231: 0x41, OS331: 0x41, OS620: 0x41} {
		if d := New(Config{OS: os, Rand: random()}); d.token != want {
			t.Errorf("%s: token before the first is %02x, want %02x", os, d.token, want)
		}
	}
}
