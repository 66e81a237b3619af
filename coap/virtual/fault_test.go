package virtual

import (
	"context"
	"errors"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"localcloud/coap"
	"localcloud/coap/link"
	"localcloud/keys"
)

// meetFaulty makes a device with faults online.
func meetFaulty(t *testing.T, faults Faults) (*Device, *peer, *world) {
	t.Helper()
	w := newWorld(t)
	cfg := w.config(OS331)
	cfg.Faults = faults
	d := New(cfg)
	d.Function("length", length)
	w.run(d)
	return d, w.greet(), w
}

// publishHundred publishes 100 events and returns what comes of them: each by
// its number, 0 for what is no message.
func publishHundred(t *testing.T, d *Device, p *peer) string {
	t.Helper()
	for i := range 100 {
		if err := d.Publish(t.Context(), Event{Name: "n", Data: []byte{byte(i + 1)}}); err != nil {
			t.Fatal(err)
		}
	}
	synctest.Wait()
	p.mu.Lock()
	defer p.mu.Unlock()
	var out strings.Builder
	for _, m := range p.said {
		if ev, err := coap.ParseEvent(m); err == nil && ev.Name == "n" {
			out.WriteByte(ev.Data[0])
		} else {
			out.WriteByte(0)
		}
	}
	return out.String()
}

func TestFaultsByChanceAreThoseOfTheSeed(t *testing.T) {
	tests := []struct {
		name   string
		faults Faults
		check  func(t *testing.T, got string, n Counts)
	}{
		{"drop", Faults{Drop: 0.3}, func(t *testing.T, got string, n Counts) {
			if len(got) != 100-eventsOf(n.Dropped, got) || n.Dropped < 10 {
				t.Errorf("%d came, %d dropped", len(got), n.Dropped)
			}
		}},
		{"duplicate", Faults{Duplicate: 0.3}, func(t *testing.T, got string, n Counts) {
			doubles := 0
			for i := 1; i < len(got); i++ {
				if got[i] == got[i-1] {
					doubles++
				}
			}
			if len(got) != 100+doubles || doubles < 10 || n.Duplicated < uint64(doubles) {
				t.Errorf("%d came, %d doubles, %d duplicated", len(got), doubles, n.Duplicated)
			}
		}},
		{"garbage", Faults{Garbage: 0.3}, func(t *testing.T, got string, n Counts) {
			if strange := strings.Count(got, "\x00"); len(got) != 100+strange || strange < 10 || n.Garbage < uint64(strange) {
				t.Errorf("%d came, %d strange, %d garbage", len(got), strange, n.Garbage)
			}
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				course := func(seed uint64) (string, Counts) {
					faults := tt.faults
					faults.Seed = seed
					d, p, _ := meetFaulty(t, faults)
					return publishHundred(t, d, p), d.Counts()
				}
				first, n := course(1)
				tt.check(t, first, n)
				if again, _ := course(1); again != first {
					t.Error("another course with the same seed")
				}
				if other, _ := course(2); other == first {
					t.Error("the same course with another seed")
				}
			})
		})
	}
}

// eventsOf returns how many of the dropped messages were numbered events, which
// got misses.
func eventsOf(dropped uint64, got string) int {
	missing := 0
	for i := range 100 {
		if strings.IndexByte(got, byte(i+1)) < 0 {
			missing++
		}
	}
	return min(missing, int(dropped))
}

func TestStallingDeviceReadsLater(t *testing.T) {
	bubble(t, func(t *testing.T) {
		d, p, _ := meetFaulty(t, Faults{StallEvery: time.Minute, StallFor: 5 * time.Second})
		ping := func() time.Duration {
			t.Helper()
			start := time.Now()
			p.send(coap.Ping(p.newID()))
			for {
				if m := p.get(); m.Kind(coap.FromDevice) == coap.KindEmptyAck {
					return time.Since(start)
				}
			}
		}
		if took := ping(); took != 0 {
			t.Errorf("before the stall: %v", took)
		}
		for range 6 {
			time.Sleep(10 * time.Second)
			p.send(coap.Ack(0)) // no silence
		}
		if took := ping(); took != 5*time.Second {
			t.Errorf("in the stall: %v", took)
		}
		if took := ping(); took != 0 {
			t.Errorf("after the stall: %v", took)
		}
		if got := d.Counts().Stalls; got != 1 {
			t.Errorf("%d stalls counted", got)
		}
	})
}

func TestStalledDeviceCanBeStopped(t *testing.T) {
	bubble(t, func(t *testing.T) {
		d, p, _ := meetFaulty(t, Faults{StallEvery: time.Nanosecond, StallFor: time.Hour})
		var offline time.Time
		d.OnOffline(func(error) { offline = time.Now() })
		time.Sleep(time.Second)
		p.send(coap.Ping(1))
		p.silent(time.Second)
		start := time.Now()
		d.Disconnect()
		p.closed()
		synctest.Wait()
		if took := offline.Sub(start); took != 0 {
			t.Errorf("stopped after %v", took)
		}
	})
}

func TestRebootAfter(t *testing.T) {
	bubble(t, func(t *testing.T) {
		d, p, w := meetFaulty(t, Faults{RebootAfter: 7 * time.Second})
		start := time.Now()
		p.silentUntilClosed()
		if took := time.Since(start); took != 7*time.Second {
			t.Errorf("rebooted after %v", took)
		}
		w.greet()
		if got := d.Counts().Reboots; got != 1 {
			t.Errorf("%d reboots counted", got)
		}
	})
}

// pieces notes how much each write brings.
type pieces struct {
	net.Conn
	most int
}

func (c *pieces) Write(b []byte) (int, error) {
	c.most = max(c.most, len(b))
	return c.Conn.Write(b)
}

func TestSingleBytes(t *testing.T) {
	for _, single := range []bool{false, true} {
		bubble(t, func(t *testing.T) {
			w := newWorld(t)
			cfg := w.config(OS331)
			cfg.Faults.SingleBytes = single
			var conn *pieces
			cfg.Dial = func(ctx context.Context) (net.Conn, error) {
				nc, err := w.dial(ctx)
				conn = &pieces{Conn: nc}
				return conn, err
			}
			d := New(cfg)
			w.run(d)
			p := w.greet()
			p.send(coap.Ping(1))
			p.want("ACK empty id=0009")
			if (conn.most == 1) != single || (d.Counts().SingleBytes == 1) != single {
				t.Errorf("single bytes %v: writes of up to %d bytes, %d counted", single, conn.most, d.Counts().SingleBytes)
			}
		})
	}
}

func TestWrongKeyIsRefused(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t)
		cfg := w.config(OS331)
		cfg.Faults.WrongKey = true
		d := New(cfg)
		over := w.run(d)
		nc := w.connection()
		_, err := w.server.Handshake(t.Context(), nc)
		var failed *link.HandshakeError
		if !errors.As(err, &failed) || failed.Knock.Reason != keys.ReasonOtherKey || failed.Knock.ID != w.cast.id {
			t.Errorf("Handshake = %v", err)
		}
		nc.Close()
		if err := <-over; !errors.Is(err, link.ErrDecryption) {
			t.Errorf("Run = %v", err)
		}
		if got := d.Counts().WrongKeys; got != 1 {
			t.Errorf("%d wrong keys counted", got)
		}
	})
}

func TestHalfOpenDeviceSaysNothing(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t)
		cfg := w.config(OS331)
		cfg.Faults.HalfOpen, cfg.Reconnect = true, true
		d := New(cfg)
		w.run(d)
		nc := w.connection()
		nc.Write(make([]byte, 40))
		nc.SetReadDeadline(time.Now().Add(time.Hour))
		if n, err := nc.Read(make([]byte, 1)); n != 0 || err == nil {
			t.Errorf("says %d bytes, %v", n, err)
		}
		nc.Close()
		w.connection() // and tries again
		if got := d.Counts(); got.HalfOpens != 2 || got.Connects != 0 {
			t.Errorf("counts %+v", got)
		}
	})
}

func TestMuteDevice(t *testing.T) {
	bubble(t, func(t *testing.T) {
		d, p, _ := meetFaulty(t, Faults{MuteFunctions: true, MutePings: true})
		p.send(coap.FunctionMessage(0x7100, 1, "length", "x"))
		p.want("ACK empty id=7100")
		p.send(coap.Ping(0x7101))
		p.silent(time.Second)
		if n := d.Counts(); n.MutedFunctions != 1 || n.MutedPings != 1 {
			t.Errorf("counts %+v", n)
		}
	})
}

func TestDeviceThatDoesNotUnderstandHello(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t)
		cfg := w.config(OS331)
		cfg.Faults.IgnoreHello = true
		d := New(cfg)
		over := w.run(d)
		p := w.accept()
		p.get()
		p.hello()
		if err := <-over; err != ErrNoHello {
			t.Errorf("Run = %v", err)
		}
		if got := d.Counts().IgnoredHellos; got != 1 {
			t.Errorf("%d counted", got)
		}
	})
}

func TestDeviceWithoutFaultsHasNoInjector(t *testing.T) {
	if d := New(Config{Faults: Faults{Seed: 7}}); d.faults != nil {
		t.Error("a seed alone is a fault")
	}
}
