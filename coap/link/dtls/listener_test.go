package dtls

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"localcloud/keys"
)

// world is a Listener on a network in memory, inside a bubble.
type world struct {
	*testing.T
	net      *network
	key      *ecdsa.PrivateKey
	listener *Listener
	boxes    chan *inbox
	failures chan Failure
}

func inWorld(t *testing.T, f func(*world)) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{T: t, net: newNetwork(), key: newKey(t), boxes: make(chan *inbox, 2048), failures: make(chan Failure, 2048)}
		stop := w.serve()
		f(w)
		stop()
	})
}

// serve starts a Listener and returns what ends it.
func (w *world) serve() (stop func()) {
	w.listener = NewListener(w.net.listen(server), Config{Key: w.key, Open: w.open, Failed: func(f Failure) { w.failures <- f }})
	ctx, cancel := context.WithCancel(w.Context())
	ended := make(chan error, 1)
	go func() { ended <- w.listener.Serve(ctx) }()
	return func() {
		cancel()
		if err := <-ended; err != nil {
			w.Errorf("serve: %v", err)
		}
	}
}

func (w *world) open(c *Conn) Receiver {
	box := &inbox{conn: c}
	w.boxes <- box
	return box
}

// device is a client with its session.
type device struct {
	*world
	socket  *socket
	session *Session
	box     *inbox
	form    Form
	id      keys.DeviceID
}

func (w *world) connect(address string, shape Shape) *device {
	w.Helper()
	s := w.net.listen(netip.MustParseAddrPort(address))
	session, err := connect(s, ClientConfig{Key: newKey(w), ServerKey: &w.key.PublicKey, Shape: shape})
	if err != nil {
		w.Fatalf("connect: %v", err)
	}
	synctest.Wait()
	return &device{world: w, socket: s, session: session, box: <-w.boxes}
}

// say sends a message and returns its datagram.
func (d *device) say(message string) []byte {
	d.Helper()
	b, err := d.session.Seal(nil, []byte(message))
	if err != nil {
		d.Fatal(err)
	}
	b = d.form.Resumed(b, d.id)
	d.socket.WriteToUDPAddrPort(b, server)
	synctest.Wait()
	return b
}

// want waits for a message of the server.
func (d *device) want(message string) {
	d.Helper()
	for {
		b, err := d.socket.read(time.Second)
		if err != nil {
			d.Errorf("want %q: %v", message, err)
			return
		}
		got, err := d.session.Open(b)
		if err != nil {
			continue // a flight that came twice
		}
		if string(got) != message {
			d.Errorf("got %q, want %q", got, message)
		}
		return
	}
}

// silence checks that nothing that can be opened comes.
func (d *device) silence() {
	d.Helper()
	for {
		b, err := d.socket.read(time.Second)
		if err != nil {
			return
		}
		if got, err := d.session.Open(b); err == nil {
			d.Errorf("got %q", got)
		}
	}
}

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

func TestASessionMovesInAllForms(t *testing.T) {
	for _, tt := range []struct {
		name  string
		shape Shape
		form  Form
	}{
		{"3.1 to 3.3: ordinary CID record", ShapeCID, FormPlain},
		{"4.0 and later: type 253", ShapeCID, FormMovedCID},
		{"0.5 to 3.0: type 254", ShapeOld, FormMoved},
	} {
		t.Run(tt.name, func(t *testing.T) {
			inWorld(t, func(w *world) {
				d := w.connect("10.0.0.2:1000", tt.shape)
				d.id = keys.DeviceID{1, 2, 3}
				d.box.conn.Bind(d.id)
				d.say("before")
				d.want("before")

				d.socket = w.net.listen(netip.MustParseAddrPort("10.9.9.9:77"))
				d.form = tt.form
				for _, m := range []string{"ping", "event", "event 2"} { // all in that form before the first answer
					d.say(m)
				}
				for _, m := range []string{"ping", "event", "event 2"} {
					d.want(m)
				}
				d.form = FormPlain
				d.say("after")
				d.want("after")
				if got := d.box.conn.RemoteAddr().String(); got != "10.9.9.9:77" {
					t.Errorf("address %s", got)
				}
			})
		})
	}
}

func TestAnOldSessionWithoutMoveIsNotFoundFromAnotherAddress(t *testing.T) {
	inWorld(t, func(w *world) {
		d := w.connect("10.0.0.2:1000", ShapeOld)
		d.socket = w.net.listen(netip.MustParseAddrPort("10.0.0.2:1001"))
		d.say("lost")
		d.silence()
		if stats := w.listener.Stats(); stats.Unknown != 1 {
			t.Errorf("%+v", stats)
		}
	})
}

// An attacker records everything and sends it again, changed or not, from anywhere.
func TestAnAttackerGetsNothing(t *testing.T) {
	inWorld(t, func(w *world) {
		d, other := w.connect("10.0.0.2:1000", ShapeCID), w.connect("10.0.0.3:1000", ShapeCID)
		old := w.connect("10.0.0.4:1000", ShapeOld)
		old.id = keys.DeviceID{4}
		old.box.conn.Bind(old.id)
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

func TestSecretsNeverPrint(t *testing.T) {
	s := sessionOf(openRecording(t, "udp-v6.2.0.txt"), true)
	text := fmt.Sprintf("%v %s", s, s)
	if strings.Contains(text, fmt.Sprintf("%x", s.keys[:4])) || strings.Contains(text, fmt.Sprint(s.keys[:4])) {
		t.Error(text)
	}
}
