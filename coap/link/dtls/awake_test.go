package dtls

import (
	"bytes"
	"fmt"
	"net/netip"
	"testing"
	"time"
)

func (c *Conn) isAwake() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.session.ciphers != nil
}

func TestSessionsThatWereNotUsedLatelyRestAndWakeForARecord(t *testing.T) {
	l := NewListener(newNetwork().listen(server), Config{Key: newKey(t)})
	conns, devices := make([]*Conn, awakeSize+8), make([]*Session, awakeSize+8)
	for i := range conns {
		conns[i], devices[i] = establish(l)
	}
	address := netip.MustParseAddrPort("10.0.0.2:1")
	say := func(i int) (record []byte, took bool) {
		b, err := devices[i].Seal(nil, []byte("hello"))
		if err != nil {
			t.Fatal(err)
		}
		before := conns[i].receiver.(*counter).n
		l.receive(bytes.Clone(b), address)
		return b, conns[i].receiver.(*counter).n == before+1
	}
	for i := range conns {
		if _, took := say(i); !took {
			t.Fatalf("session %d did not take a record", i)
		}
	}
	awake := 0
	for _, c := range conns {
		if c.isAwake() {
			awake++
		}
	}
	if awake != awakeSize || conns[0].isAwake() {
		t.Errorf("%d sessions are awake, want %d; that of the one used the longest time ago: %v", awake, awakeSize, conns[0].isAwake())
	}

	record, took := say(0)
	if !took || !conns[0].isAwake() {
		t.Error("a session that rested did not take a record")
	}
	conns[0].rest()
	l.receive(record, address)
	if n := conns[0].receiver.(*counter).n; n != 2 {
		t.Errorf("a session that rested took a copy of a record: %d messages", n)
	}
	conns[0].rest()
	if err := conns[0].Write([]byte("answer")); err != nil || !conns[0].isAwake() {
		t.Errorf("a session that rested did not send: %v", err)
	}
}

func TestASessionRestsAfterItsHandshakeUntilARecordComes(t *testing.T) {
	inWorld(t, func(w *world) {
		d := w.connect("10.0.1.1:5000", ShapeCID)
		if d.box.conn.isAwake() {
			t.Error("it is awake after the handshake")
		}
		d.say("hello")
		if !d.box.conn.isAwake() || w.listener.awake.ring[0] != d.box.conn {
			t.Error("it is not among those that are awake when a record has come")
		}
	})
}

func TestNothingIsKeptOfAStormThatIsOver(t *testing.T) {
	inWorld(t, func(w *world) {
		for i := range 20 {
			w.connect(fmt.Sprintf("10.0.1.%d:5000", 1+i), ShapeCID)
		}
		time.Sleep(handshakeTime + time.Second)
		for _, h := range w.listener.handshakes {
			h.mu.Lock()
			if n := len(h.open) + len(h.opened) + len(h.queued); n != 0 {
				t.Errorf("%d entries about handshakes that are over", n)
			}
			h.mu.Unlock()
		}
		w.listener.recent.mu.Lock()
		defer w.listener.recent.mu.Unlock()
		if w.listener.recent.conns != nil {
			t.Errorf("%d devices are still remembered", len(w.listener.recent.conns))
		}
	})
}
