package dtls

import (
	"bytes"
	"errors"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"localcloud/keys"
)

func TestDevicesOfAllShapesShakeHandsAndTalk(t *testing.T) {
	for _, shape := range []Shape{ShapeCID, ShapeOld, Shape070} {
		inWorld(t, func(w *world) {
			began := time.Now()
			d := w.connect("10.0.0.2:1000", shape)
			if took := time.Since(began); took != 0 {
				t.Errorf("shape %d: nothing was lost, yet the handshake took %s", shape, took)
			}
			if d.session.HasCID() != (shape == ShapeCID) {
				t.Errorf("shape %d: connection id %v", shape, d.session.HasCID())
			}
			d.say("one")
			d.want("one")
			d.say(strings.Repeat("x", maxContent))
			d.want(strings.Repeat("x", maxContent))
			if stats := w.listener.Stats(); stats.Cookies != 1 || stats.Begun != 1 || stats.Ended != 1 || stats.Sessions != 1 {
				t.Errorf("%+v", stats)
			}
		})
	}
}

func TestTheListenerKnowsTheKeyThatWasProved(t *testing.T) {
	inWorld(t, func(w *world) {
		key := newKey(t)
		s := w.net.listen(netip.MustParseAddrPort("10.0.0.2:1"))
		if _, err := connect(s, ClientConfig{Key: key, ServerKey: &w.key.PublicKey}); err != nil {
			t.Fatal(err)
		}
		want, _ := keys.NewECDSAPublicKey(&key.PublicKey)
		if got := (<-w.boxes).conn.PeerKey(); !got.Equal(want) {
			t.Errorf("peer key %v", got)
		}
	})
}

func TestHandshakesSucceedOnABadNetwork(t *testing.T) {
	for seed := range uint64(20) {
		inWorld(t, func(w *world) {
			w.net.become(unreliable(seed, 0.3, 0.1, 300*time.Millisecond))
			tries := 0
			for {
				tries++
				s := w.net.listen(netip.AddrPortFrom(netip.MustParseAddr("10.0.0.2"), uint16(tries)))
				session, err := connect(s, ClientConfig{Key: newKey(w), ServerKey: &w.key.PublicKey, Shape: Shape(seed % 3)})
				if errors.Is(err, ErrTimeout) && tries < 4 {
					continue // a device begins anew, too
				}
				if err != nil {
					t.Errorf("seed %d: %v after %d tries", seed, err, tries)
					return
				}
				w.net.become(nil)
				d := &device{world: w, socket: s, session: session}
				d.say("hello")
				d.want("hello")
				return
			}
		})
	}
}

func TestADeviceThatHoldsAnotherServersKeyAborts(t *testing.T) {
	inWorld(t, func(w *world) {
		s := w.net.listen(netip.MustParseAddrPort("10.0.0.2:1"))
		_, err := connect(s, ClientConfig{Key: newKey(t), ServerKey: &newKey(t).PublicKey})
		if !errors.Is(err, ErrAuthentication) {
			t.Errorf("%v", err)
		}
		alert := record{kind: typeAlert, number: 9, body: []byte{2, 51}}
		sent := time.Now()
		s.WriteToUDPAddrPort(alert.appendTo(nil), server)
		f := <-w.failures
		if waited := time.Since(sent); waited > time.Second {
			t.Errorf("its owner knows after %s", waited)
		}
		if f.Knock.Reason != keys.ReasonWrongServerKey || f.Knock.Transport != "udp" || f.Knock.Address != "10.0.0.2:1" {
			t.Errorf("%+v", f)
		}
	})
}

func TestKeepAlivesOfOneByteAreIgnored(t *testing.T) {
	inWorld(t, func(w *world) {
		d := w.connect("10.0.0.2:1000", ShapeCID)
		d.socket.WriteToUDPAddrPort([]byte{0}, server)
		d.silence()
		d.say("here")
		d.want("here")
		if stats := w.listener.Stats(); stats.KeepAlives != 1 || stats.Malformed != 0 {
			t.Errorf("%+v", stats)
		}
	})
}

func testPeer(t testing.TB) keys.PublicKey {
	key, err := keys.NewECDSAPublicKey(&newKey(t).PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func TestCloseNotifyGoesBothWaysAndOnlyOnPurpose(t *testing.T) {
	inWorld(t, func(w *world) {
		d := w.connect("10.0.0.2:1000", ShapeCID)
		d.box.conn.Close(false)
		d.silence()

		d = w.connect("10.0.0.3:1000", ShapeCID)
		d.box.conn.Close(true)
		d.box.conn.Close(true)
		b, _ := d.socket.read(time.Second)
		if _, err := d.session.Open(b); err != closeNotify {
			t.Errorf("%v", err)
		}
		d.silence()
		d.say("nobody there")
		d.silence()

		d = w.connect("10.0.0.4:1000", ShapeOld)
		b, _ = d.session.seal(nil, typeAlert, []byte{1, 0})
		d.socket.WriteToUDPAddrPort(b, server)
		synctest.Wait()
		d.box.mu.Lock()
		closed := d.box.closed
		d.box.mu.Unlock()
		if closed != closeNotify {
			t.Errorf("%v", closed)
		}
		if stats := w.listener.Stats(); stats.Sessions != 0 {
			t.Errorf("%+v", stats)
		}
	})
}

func TestANewHandshakeFromTheSameAddressLeavesTheOldSessionUntilItEnds(t *testing.T) {
	inWorld(t, func(w *world) {
		d := w.connect("10.0.0.2:1000", ShapeCID)
		hello := NewClient(time.Now(), ClientConfig{})
		d.socket.WriteToUDPAddrPort(hello.Outbox()[0], server) // anybody can send this
		d.say("one")
		if got := d.box.messages(); !slices.Equal(got, []string{"one"}) {
			t.Errorf("got %q", got)
		}
		again, err := connect(d.socket, ClientConfig{Key: newKey(t), ServerKey: &w.key.PublicKey})
		if err != nil {
			t.Fatal(err)
		}
		d2 := &device{world: w, socket: d.socket, session: again}
		d2.say("two")
		d2.want("two")
	})
}

func TestHandshakeMessagesInPiecesAndOutOfOrderAreCollected(t *testing.T) {
	var c collector
	body := []byte("0123456789")
	piece := func(sequence uint16, from, to int) fragment {
		return fragment{kind: 1, length: len(body), sequence: sequence, offset: from, bytes: body[from:to]}
	}
	for _, f := range []fragment{piece(1, 0, 10), piece(0, 6, 10), piece(0, 0, 4), piece(0, 2, 7), piece(9, 0, 10)} {
		if c.add(f) {
			t.Error("old")
		}
	}
	for want := range uint16(2) {
		if _, sequence, got, ok := c.take(); !ok || sequence != want || !bytes.Equal(got, body) {
			t.Errorf("%d: %q %v", sequence, got, ok)
		}
	}
	if _, _, _, ok := c.take(); ok || !c.add(piece(1, 0, 10)) {
		t.Error("a message is taken twice")
	}
	for n := range 100 {
		c.add(fragment{kind: 1, length: maxMessage, sequence: 2 + uint16(n%maxAhead)})
	}
	held := 0
	for _, p := range c.waiting {
		held += len(p.body)
	}
	if held > maxWaiting {
		t.Errorf("%d bytes are held", held)
	}
}
