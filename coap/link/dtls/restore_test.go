package dtls

import (
	"errors"
	"net/netip"
	"testing"
	"testing/synctest"

	"localcloud/keys"
)

func TestAStoredSessionGoesOnInAnotherListenerWithoutAHandshake(t *testing.T) {
	for _, shape := range []Shape{ShapeCID, ShapeOld} {
		synctest.Test(t, func(t *testing.T) {
			w := &world{T: t, net: newNetwork(), key: newKey(t), boxes: make(chan *inbox, 9)}
			stop := w.serve()
			d := w.connect("10.0.0.2:1000", shape)
			d.id = keys.DeviceID{7}
			first := d.say("one")
			d.want("one")
			conn := d.box.conn
			secrets := conn.Secrets()
			counters, limit := conn.Counters(nil)
			conn.Limit(limit)
			stop() // as by kill -9: nothing else is stored

			stop = w.serve()
			defer stop()
			restored, err := w.listener.Restore(secrets, counters, d.id, netip.MustParseAddrPort("10.0.0.2:1000"), w.open)
			if err != nil {
				t.Fatal(err)
			}
			box := <-w.boxes
			_, limit = restored.Counters(nil)
			if err := restored.Write([]byte("too early")); !errors.Is(err, errLimit) {
				t.Errorf("sent before it was stored again: %v", err)
			}
			restored.Limit(limit)
			d.socket.WriteToUDPAddrPort(first, server) // an attacker's replay
			synctest.Wait()
			if got := box.messages(); len(got) != 0 {
				t.Errorf("replayed %q", got)
			}
			if shape == ShapeOld {
				d.form = FormMoved
			}
			d.socket = w.net.listen(netip.MustParseAddrPort("10.0.0.3:9"))
			d.say("two")
			d.want("two")
			if stats := w.listener.Stats(); stats.Begun != 0 || stats.Replayed != 1 {
				t.Errorf("%+v", stats)
			}
		})
	}
}

// A number that may have been used before a crash is not used after it, however often that happens.
func TestRecordNumbersAreNeverUsedTwice(t *testing.T) {
	used := make(map[uint64]bool)
	s := &Session{server: true, peer: testPeer(t), limit: noLimit}
	secrets := s.Secrets()
	counters, limit := s.Counters(nil)
	s.limit = limit
	for round := range 5 {
		for range Reservation + 5 {
			b, err := s.Seal(nil, []byte("x"))
			if err != nil {
				break
			}
			r, _, _ := parseRecord(b)
			if used[r.number] {
				t.Fatalf("round %d: number %d is used again", round, r.number)
			}
			used[r.number] = true
		}
		if _, err := s.Seal(nil, nil); !errors.Is(err, errLimit) {
			t.Errorf("round %d: more than what is reserved: %v", round, err)
		}
		var err error
		if s, err = RestoreSession(secrets, counters); err != nil { // a crash
			t.Fatal(err)
		}
		if counters, limit = s.Counters(nil); !s.NeedsReserve() {
			t.Error("a restored session needs no numbers")
		}
		s.Reserve(limit)
	}
	if len(used) != 5*Reservation {
		t.Errorf("%d numbers", len(used))
	}
}
