package virtual

import (
	"testing"
	"testing/synctest"
	"time"

	"localcloud/coap"
)

func TestDevicePingsAfterSilenceOfTheServer(t *testing.T) {
	bubble(t, func(t *testing.T) {
		d, p := meet(t, OS331)
		start := time.Now()
		for range 5 { // what the device says does not matter
			time.Sleep(2 * time.Second)
			if err := d.Publish(t.Context(), Event{Name: "tick"}); err != nil {
				t.Fatal(err)
			}
			p.get()
		}
		p.want("CON empty id=000e")
		if took := time.Since(start); took != 15*time.Second {
			t.Errorf("ping after %v", took)
		}
		time.Sleep(9 * time.Second)
		p.send(coap.Ack(0x000e))
		p.want("CON empty id=000f")
		if took := time.Since(start); took != (15+9+15)*time.Second {
			t.Errorf("second ping after %v", took)
		}
		p.event("anything", "answers") // as well as an ACK
		p.silent(14 * time.Second)
	})
}

func TestDeviceGivesUpWhenItsPingIsNotAnswered(t *testing.T) {
	for _, os := range []Version{Core045, OS152, OS331, OS620} {
		t.Run(string(os), func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				w := newWorld(t)
				over := w.run(New(w.config(os)))
				p := w.greet()
				start := time.Now()
				p.get()
				if err := <-over; err != ErrPingTimeout {
					t.Errorf("Run = %v", err)
				}
				if took := time.Since(start); took != 25*time.Second {
					t.Errorf("gave up after %v", took)
				}
				p.closed()
			})
		})
	}
}

// A mistake of Device OS up to 0.7.
func TestOldDevicePingsForEver(t *testing.T) {
	bubble(t, func(t *testing.T) {
		d, p := meet(t, OS070)
		start := time.Now()
		for i := range 20 {
			if m := p.get(); m.Kind(coap.FromDevice) != coap.KindPing {
				t.Fatalf("device says %s", m)
			}
			if want := time.Duration(i+1) * 15 * time.Second; time.Since(start) != want {
				t.Errorf("ping %d after %v", i+1, time.Since(start))
			}
		}
		if !d.Online() {
			t.Error("gave up")
		}
	})
}

// On TCP the answers to ping, signal and key change carry the device's own next
// id; a Core's do not.
func TestAnswersWithIDsOfTheirOwn(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var shown []bool
		_, p := meet(t, OS331, func(d *Device) { d.OnSignal(func(on bool) { shown = append(shown, on) }) })
		p.send(coap.Ping(0x7100))
		p.want("ACK empty id=0009")
		p.send(coap.SignalMessage(0x7101, 0xaa, true))
		p.want("ACK 2.04 id=000a tok=aa")
		p.send(coap.SignalMessage(0x7102, 0xab, false))
		p.want("ACK 2.04 id=000b tok=ab")
		p.send(coap.KeyChange(0x7103, 0xac))
		p.want("ACK empty id=000c")
		synctest.Wait()
		if len(shown) != 2 || !shown[0] || shown[1] {
			t.Errorf("the light was %v", shown)
		}
	})
	bubble(t, func(t *testing.T) {
		_, p := meet(t, Core045)
		p.send(coap.Ping(0x7100))
		p.want("ACK empty id=7100")
		p.send(coap.SignalMessage(0x7101, 0xaa, true))
		p.want("ACK 2.04 id=7101 tok=aa")
		p.send(coap.KeyChange(0x7103, 0xac))
		p.silent(time.Second)
	})
}

func TestUpdatesAreRefused(t *testing.T) {
	begin := "4102 7100 aa b175 ff 01 0200 00002328 00 00000000"
	for os, want := range map[Version]string{
		Core045: "ACK 4.00 id=7100",
		OS070:   "ACK 4.00 id=7100",
		OS152:   "ACK 5.03 id=7100 tok=aa",
		OS331:   "ACK 5.03 id=7100 tok=aa",
	} {
		bubble(t, func(t *testing.T) {
			_, p := meet(t, os)
			p.sendHex(begin)
			p.want(want)
		})
	}
}

// What a board does not know it does not answer.
func TestUnknownMessagesAreIgnored(t *testing.T) {
	bubble(t, func(t *testing.T) {
		_, p := meet(t, OS331)
		for _, m := range []string{
			"4102 7100 aa b14d",         // ServerMoved
			"4102 7100 aa b14c",         // Ledger
			"4104 7100 aa b166",         // DELETE f
			"6145 7100 aa",              // an answer to nothing, and not the time
			"7000 7100",                 // reset
			"5102 7100 aa b163 ff 0000", // a chunk of no update
			"4002 7100 b145",            // an event without a name
		} {
			p.sendHex(m)
			p.silent(time.Second)
		}
	})
}
