package dtls

import (
	"bytes"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"localcloud/keys"
)

func TestAClientWithoutTheKeyThatItShowsIsRefused(t *testing.T) {
	inWorld(t, func(w *world) {
		s := w.net.listen(netip.MustParseAddrPort("10.0.0.2:1"))
		thief := *newKey(t)
		thief.PublicKey = newKey(t).PublicKey
		go connect(s, ClientConfig{Key: &thief, ServerKey: &w.key.PublicKey})
		f := <-w.failures
		if f.Knock.Reason != keys.ReasonNoProof || f.Knock.Key.IsZero() {
			t.Errorf("%+v", f)
		}
		if stats := w.listener.Stats(); stats.Sessions != 0 || stats.Ended != 0 {
			t.Errorf("%+v", stats)
		}
		time.Sleep(time.Minute)
	})
}

// An attacker records everything and sends it again, changed or not, from anywhere.
func TestAnAttackerGetsNothing(t *testing.T) {
	inWorld(t, func(w *world) {
		d, other := w.connect("10.0.0.2:1000", ShapeCID), w.connect("10.0.0.3:1000", ShapeCID)
		old := w.connect("10.0.0.4:1000", ShapeOld)
		old.id = keys.DeviceID{4}
		old.box.conn.Bind(old.id, old.box.conn.PeerKey())
		attacker := w.net.listen(netip.MustParseAddrPort("10.6.6.6:6"))
		recorded := d.say("open the door")
		recordedOld := old.say("open the gate")
		before := w.listener.Stats()

		change := func(at int, to byte) []byte {
			b := bytes.Clone(recorded)
			b[at] ^= to
			return b
		}
		otherCID := bytes.Clone(recorded)
		cid := other.session.CID()
		copy(otherCID[11:], cid[:])
		fresh := func(b []byte) []byte { b[10] += 9; return b } // a number that did not come yet
		attacks := [][]byte{
			bytes.Clone(recorded), change(0, typeCID^typeMovedCID), // replays
			FormMoved.Resumed(bytes.Clone(recordedOld), old.id), // from elsewhere
			fresh(bytes.Clone(recorded)), fresh(bytes.Clone(otherCID)), otherCID, change(len(recorded)-1, 1), change(30, 1),
			change(4, 3), change(4, 1), // another epoch, the old epoch
			change(0, typeCID^typeApplication), change(0, typeCID^typeHandshake), change(0, typeCID^typeAlert), change(0, typeCID^24),
			FormMoved.Resumed(bytes.Clone(recorded), d.id),
			recorded[:len(recorded)-1], recorded[:20], recorded[:13], {0xfe}, {0xfe, 0xfd}, nil,
			append(bytes.Clone(recorded), bytes.Repeat([]byte{1}, maxDatagram)...),
		}
		for i, a := range attacks {
			attacker.WriteToUDPAddrPort(a, server)
			synctest.Wait()
			if b, err := attacker.read(5 * time.Second); err == nil {
				t.Errorf("attack %d is answered with %x", i, b)
			}
		}
		after := w.listener.Stats()
		dropped := after.Replayed + after.Forged + after.Malformed + after.Unknown + after.KeepAlives -
			(before.Replayed + before.Forged + before.Malformed + before.Unknown + before.KeepAlives)
		if int(dropped) < len(attacks) {
			t.Errorf("%d attacks, %d counted: %+v", len(attacks), dropped, after)
		}
		if got := d.box.messages(); !slices.Equal(got, []string{"open the door"}) {
			t.Errorf("got %q", got)
		}
		if got := slices.Concat(other.box.messages(), old.box.messages()); !slices.Equal(got, []string{"open the gate"}) {
			t.Errorf("others got %q", got)
		}
		if at := d.box.conn.RemoteAddr().String(); at != "10.0.0.2:1000" {
			t.Errorf("the session moved to %s", at)
		}
		d.want("open the door")
		d.say("still here")
		d.want("still here")
	})
}

func TestAFloodOfClientHellosCostsNoState(t *testing.T) {
	inWorld(t, func(w *world) {
		received, sent := 0, 0
		w.net.become(func(from, _ netip.AddrPort, b []byte) (int, time.Duration) {
			if from == server {
				sent += len(b)
			} else {
				received += len(b)
			}
			return 1, 0
		})
		for i := range 3000 {
			c := NewClient(time.Now(), ClientConfig{Shape: Shape(i % 3)})
			from := w.net.listen(netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 1, byte(i >> 8), byte(i)}), 5))
			from.WriteToUDPAddrPort(c.Outbox()[0], server)
			if i%100 == 0 {
				synctest.Wait()
			}
		}
		synctest.Wait()
		w.net.become(nil)
		if stats := w.listener.Stats(); stats.Cookies != 3000 || stats.Begun != 0 || stats.Sessions != 0 {
			t.Errorf("%+v", stats)
		}
		if sent >= received {
			t.Errorf("%d bytes were answered with %d", received, sent)
		}
	})
}

func TestNoDatagramBeforeTheCookieIsAmplified(t *testing.T) {
	inWorld(t, func(w *world) {
		shortest := []byte{version >> 8, version & 0xff}
		shortest = append(shortest, make([]byte, randomSize)...)
		shortest = append(shortest, 0, 0, 0, 2, suiteCCM8>>8, suiteCCM8&0xff, 1, 0)
		hello := record{kind: typeHandshake, body: appendMessage(nil, msgClientHello, 0, shortest)}
		s := w.net.listen(netip.MustParseAddrPort("10.0.0.2:1"))
		b := hello.appendTo(nil)
		s.WriteToUDPAddrPort(b, server)
		answer, err := s.read(time.Second)
		if err != nil || len(answer) >= len(b) {
			t.Errorf("%d bytes are answered with %d, %v", len(b), len(answer), err)
		}
	})
}

func TestACookieIsGoodForItsAddressAndClientHelloAndAShortTime(t *testing.T) {
	var c cookies
	a, b := netip.MustParseAddrPort("10.0.0.2:1"), netip.MustParseAddrPort("10.0.0.2:2")
	hello := func(random, cookie []byte) *clientHello {
		h := &clientHello{beforeCookie: random, afterCookie: []byte("suites"), cookie: cookie}
		return h
	}
	good := hello([]byte("random"), nil)
	good.cookie = c.make(day, a, good)
	for _, tt := range []struct {
		name string
		now  time.Time
		from netip.AddrPort
		h    *clientHello
		want bool
	}{
		{"at once", day, a, good, true},
		{"a minute later", day.Add(cookieTime), a, good, true},
		{"two minutes later", day.Add(2 * cookieTime), a, good, false},
		{"another address", day, b, good, false},
		{"another ClientHello", day, a, hello([]byte("Random"), good.cookie), false},
		{"none", day, a, hello([]byte("random"), nil), false},
		{"cut off", day, a, hello([]byte("random"), good.cookie[:31]), false},
	} {
		if got := c.check(tt.now, tt.from, tt.h); got != tt.want {
			t.Errorf("%s: %v", tt.name, got)
		}
	}
	if len(good.cookie) != cookieSize {
		t.Errorf("%d bytes", len(good.cookie))
	}
}

func TestSecretsNeverPrint(t *testing.T) {
	s := sessionOf(openRecording(t, "udp-v6.2.0.txt"), true)
	text := fmt.Sprintf("%v %s", s, s)
	if strings.Contains(text, fmt.Sprintf("%x", s.keys[:4])) || strings.Contains(text, fmt.Sprint(s.keys[:4])) {
		t.Error(text)
	}
}
