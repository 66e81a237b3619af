package session

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"localcloud/cloud"
	"localcloud/coap"
	"localcloud/keys"
)

// datagrams is a site to which devices come over UDP.
type datagrams struct {
	*site
	peers  *Peers
	mu     sync.Mutex
	knocks []keys.Knock
}

func overUDP(t *testing.T, f func(t *testing.T, s *datagrams)) {
	inBubble(t, func(t *testing.T, s *site) {
		d := &datagrams{site: s}
		stop := d.run()
		f(t, d)
		stop()
	})
}

func (s *datagrams) run() (stop func()) {
	s.create()
	return s.start()
}

func (s *datagrams) create() {
	s.peers = NewPeers(PeersConfig{Hub: s.hub, Registry: s.registry, Logger: s.logger(), Links: s.links(), Knock: func(k keys.Knock) {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.knocks = append(s.knocks, k)
	}})
}

func (s *datagrams) start() (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error)
	go func() { ended <- s.peers.Run(ctx) }()
	return func() { cancel(); <-ended }
}

func newECKey(t testing.TB) keys.PublicKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	public, err := keys.NewECDSAPublicKey(&key.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	return public
}

// registerKey makes a device known by its key.
func (s *datagrams) registerKey(id keys.DeviceID, key keys.PublicKey) {
	s.t.Helper()
	if _, err := cloud.Adopt(s.registry.Registry, id, key, "", s.owner); err != nil {
		s.t.Fatal(err)
	}
}

// wire is a Channel with a device at its other end.
type wire struct {
	t    testing.TB
	key  keys.PublicKey
	peer *Peer
	id   uint16

	mu       sync.Mutex
	got      []coap.Message
	act      func(coap.Message) // on each message, if set
	rests    int
	closed   bool
	notified bool
}

func (w *wire) Write(b []byte) error {
	m, err := coap.Parse(slices.Clone(b))
	if err != nil {
		w.t.Errorf("sent %x: %v", b, err)
	}
	w.mu.Lock()
	w.got = append(w.got, m)
	act := w.act
	w.mu.Unlock()
	if act != nil {
		act(m)
	}
	return nil
}

func (w *wire) PeerKey() keys.PublicKey    { return w.key }
func (w *wire) RemoteAddr() netip.AddrPort { return netip.MustParseAddrPort("192.0.2.7:49152") }
func (w *wire) LocalAddr() net.Addr        { return &net.UDPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 5684} }
func (w *wire) Bind(keys.DeviceID)         {}
func (w *wire) Secrets() []byte            { return []byte("secrets of " + w.key.String()) }
func (w *wire) NeedsReserve() bool         { return false }
func (w *wire) Limit(uint64)               {}

func (w *wire) Rest() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.rests++
}

// rested returns how often the channel gave its memory back since it was last asked.
func (w *wire) rested() int {
	synctest.Wait()
	w.mu.Lock()
	defer w.mu.Unlock()
	n := w.rests
	w.rests = 0
	return n
}

func (w *wire) Counters(b []byte) ([]byte, uint64) { return append(b, "counters"...), 1 << 20 }

func (w *wire) Close(notify bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.closed, w.notified = true, notify
}

// isClosed reports whether the cloud has closed the channel, and told the device.
func (w *wire) isClosed() (closed, notified bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.closed, w.notified
}

// open is a device that has proved its key.
func (s *datagrams) open(key keys.PublicKey) *wire {
	w := &wire{t: s.t, key: key}
	w.peer = s.peers.Open(w)
	return w
}

func (w *wire) nextID() uint16 { w.id++; return w.id }

func (w *wire) send(messages ...coap.Message) {
	for _, m := range messages {
		b, err := m.Append(nil)
		if err != nil {
			w.t.Fatal(err)
		}
		w.peer.Receive(b)
	}
	synctest.Wait()
}

// received returns what came since it was last asked.
func (w *wire) received() []coap.Message {
	synctest.Wait()
	w.mu.Lock()
	defer w.mu.Unlock()
	got := w.got
	w.got = nil
	return got
}

func (w *wire) want(want ...coap.Message) {
	w.t.Helper()
	if got := w.received(); fmt.Sprint(got) != fmt.Sprint(want) {
		w.t.Errorf("received\n got %v\nwant %v", got, want)
	}
}

func (w *wire) hello(id keys.DeviceID, h coap.Hello) coap.Message {
	h.DeviceID = id[:]
	return coap.HelloMessage(coap.Confirmable, w.nextID(), h.Append(nil))
}

// online brings a registered device online and lets it describe itself.
func (s *datagrams) online(id keys.DeviceID, h coap.Hello) *wire {
	s.t.Helper()
	key := newECKey(s.t)
	s.registerKey(id, key)
	w := s.open(key)
	w.send(w.hello(id, h))
	w.send(coap.DescribePost(w.nextID(), nil, coap.DescribeApplication, -1, theApp.AppendJSON(nil)))
	w.send(coap.DescribePost(w.nextID(), nil, coap.DescribeSystem, -1, theSystem.AppendJSON(nil)))
	if !s.hub.IsOnline(id) {
		s.t.Fatal("the device is not online")
	}
	w.received()
	return w
}

func TestADeviceOverUDPComesOnlineAndIsCalled(t *testing.T) {
	overUDP(t, func(t *testing.T, s *datagrams) {
		w := s.online(theID, helloArgon33)
		s.wantHappened("e0 spark/status=online")
		w.act = func(m coap.Message) {
			if m.Kind(coap.FromServer) == coap.KindFunction {
				go w.send(coap.Ack(m.ID), coap.FunctionReturn(coap.Confirmable, w.nextID(), m.Token[0], 7))
			}
		}
		if got, err := s.hub.Call(ctx(), theID, "led", "on"); got != 7 || err != nil {
			t.Errorf("%d, %v", got, err)
		}
		if d, _ := s.registry.Device(theID); d.SystemVersion != "3.3.1" || !slices.Contains(d.Functions, "led") || d.LastAddress == "" {
			t.Errorf("%+v", d)
		}
	})
}

func TestAHelloWithAnotherKeyIsNotAnsweredUntilItsOwnerSaysSo(t *testing.T) {
	overUDP(t, func(t *testing.T, s *datagrams) {
		s.registerKey(theID, newECKey(t))
		thief := s.open(newECKey(t))
		hello := thief.hello(theID, helloArgon33)
		thief.send(hello, hello)
		thief.want()
		other := keys.DeviceID{1}
		stranger := s.open(newECKey(t))
		strange := stranger.hello(other, helloArgon33)
		stranger.send(strange)
		stranger.want()
		if len(s.knocks) < 2 || s.knocks[0].Reason != keys.ReasonOtherKey || s.knocks[len(s.knocks)-1].Reason != keys.ReasonUnknownDevice {
			t.Errorf("%+v", s.knocks)
		}
		s.wantHappened()
		s.registerKey(other, stranger.key)
		time.Sleep(5 * time.Second) // until it is sent again
		stranger.send(strange)
		if got := stranger.received(); len(got) < 1 || got[0].ID != strange.ID {
			t.Errorf("received %v", got)
		}
		s.wantHappened("01 spark/status=online")
	})
}

func TestAPublishIsAcknowledgedWhenItIsOnDiskAndHelloPingAndTimeAreNot(t *testing.T) {
	overUDP(t, func(t *testing.T, s *datagrams) {
		w := s.online(theID, helloArgon33)
		s.happened()
		s.disk.stop()
		ev := eventFrom(w.nextID(), coap.Confirmable, "door", "open")
		w.send(ev, ev)
		w.want()
		s.wantHappened("e0 door=open")
		ping := coap.Ping(w.nextID())
		w.send(ping)
		w.want(coap.Ack(ping.ID))
		w.send(coap.TimeRequest(w.nextID(), 9))
		if got := w.received(); len(got) != 1 {
			t.Errorf("%v", got)
		}
		again := w.hello(theID, helloArgon33)
		w.send(again)
		if got := w.received(); len(got) != 2 || got[0].ID != again.ID {
			t.Errorf("%v", got)
		}
		s.disk.write(1)
		w.want(coap.Ack(ev.ID))
		s.disk.mu.Lock()
		s.disk.stopped = false
		s.disk.mu.Unlock()
	})
}

func TestMoreThanTheDiskTakesIsLeftToTheDevice(t *testing.T) {
	overUDP(t, func(t *testing.T, s *datagrams) {
		w := s.online(theID, helloArgon33)
		s.happened()
		s.disk.stop()
		var all []coap.Message
		for n := range maxUncommitted + 5 {
			all = append(all, eventFrom(w.nextID(), coap.Confirmable, "n", fmt.Sprint(n)))
			w.send(all[n])
		}
		if got := s.happened(); len(got) != maxUncommitted {
			t.Errorf("%d events", len(got))
		}
		w.want()
		s.disk.write(maxUncommitted)
		if got := w.received(); len(got) != maxUncommitted {
			t.Errorf("%d acknowledged", len(got))
		}
		s.disk.mu.Lock()
		s.disk.stopped = false
		s.disk.mu.Unlock()
		w.send(all[maxUncommitted:]...)
		if got := s.happened(); len(got) != 5 {
			t.Errorf("%d events", len(got))
		}
	})
}

func TestANewSessionTakesThePlaceOfTheOldOne(t *testing.T) {
	overUDP(t, func(t *testing.T, s *datagrams) {
		old := s.online(theID, helloArgon33)
		w := s.open(old.key)
		w.send(w.hello(theID, helloArgon33))
		s.wantHappened("e0 spark/status=online", "e0 spark/status=offline", "e0 spark/status=online")
		if closed, told := old.isClosed(); !closed || told {
			t.Errorf("closed %v, told %v", closed, told)
		}
		s.hub.Disconnect(theID, fmt.Errorf("removed"))
		s.wantHappened("e0 spark/status=offline")
		if closed, told := w.isClosed(); !closed || !told {
			t.Errorf("closed %v, told %v", closed, told)
		}
	})
}

func TestSilenceAndGoodbyeTakeADeviceOfflineAndItsNextWordBringsItBack(t *testing.T) {
	overUDP(t, func(t *testing.T, s *datagrams) {
		w := s.online(theID, helloArgon33)
		w.send(coap.SubscribeMessage(coap.Confirmable, w.nextID(), coap.Subscription{Prefix: "pre/", MyDevices: true}))
		s.happened()
		time.Sleep(3 * time.Minute)
		s.wantHappened("e0 spark/status=offline")
		w.received()
		w.send(coap.Ping(w.nextID()))
		s.wantHappened("e0 spark/status=online")
		w.received()
		s.hub.Publish(ctx(), cloud.Event{Name: "pre/x", Owner: s.owner, Private: true, Source: "api"})
		if got := w.received(); len(got) != 1 || got[0].Kind(coap.FromServer) != coap.KindEvent || got[0].Type != coap.Confirmable {
			t.Errorf("its subscriptions are forgotten: %v", got)
		}
		s.happened()
		w.send(coap.GoodbyeMessage(coap.Confirmable, w.nextID(), coap.Goodbye{Cloud: 6}))
		s.wantHappened("e0 spark/status=offline")
		w.send(coap.Ping(w.nextID()))
		s.wantHappened("e0 spark/status=online")
	})
}

func TestADeviceThatWasRemovedWhileItSleptIsNotLetIn(t *testing.T) {
	overUDP(t, func(t *testing.T, s *datagrams) {
		w := s.online(theID, helloArgon33)
		w.send(coap.GoodbyeMessage(coap.Confirmable, w.nextID(), coap.Goodbye{Cloud: 6}))
		s.happened()
		if err := s.registry.RemoveDevice(theID); err != nil {
			t.Fatal(err)
		}
		w.send(eventFrom(w.nextID(), coap.Confirmable, "x", "1"))
		s.wantHappened()
		if closed, told := w.isClosed(); !closed || !told {
			t.Errorf("closed %v, told %v", closed, told)
		}
	})
}

func TestSessionsWithoutHelloAreBounded(t *testing.T) {
	overUDP(t, func(t *testing.T, s *datagrams) {
		key := newECKey(t)
		var all []*wire
		for range maxAnonymous + 10 {
			all = append(all, s.open(key))
		}
		synctest.Wait()
		open := 0
		for _, w := range all {
			if closed, _ := w.isClosed(); !closed {
				open++
			}
		}
		if open != maxAnonymous {
			t.Errorf("%d are open", open)
		}
		time.Sleep(anonymousLimit + time.Second)
		synctest.Wait()
		s.peers.mu.Lock()
		left := len(s.peers.all)
		s.peers.mu.Unlock()
		if left != 0 {
			t.Errorf("%d are left", left)
		}
	})
}

// A day with a thousand devices that sleep and say one word every 23 minutes.
func TestAThousandSleepersStayKnownForADay(t *testing.T) {
	overUDP(t, func(t *testing.T, s *datagrams) {
		const n = 1000
		key := newECKey(t)
		sleepers := make([]*wire, n)
		for i := range sleepers {
			id := keys.DeviceID{0xe1}
			binary.BigEndian.PutUint16(id[10:], uint16(i))
			s.registerKey(id, key)
			w := s.open(key)
			w.send(w.hello(id, helloBoron62))
			w.send(coap.DescribePost(w.nextID(), nil, coap.DescribeApplication, -1, theApp.AppendJSON(nil)),
				coap.DescribePost(w.nextID(), nil, coap.DescribeSystem, -1, theSystem.AppendJSON(nil)))
			w.act = func(m coap.Message) { // it answers what it is asked
				if m.Type == coap.Confirmable {
					b, _ := coap.Ack(m.ID).Append(nil)
					go w.peer.Receive(b)
				}
			}
			sleepers[i] = w
		}
		s.happened()
		for range 24 * 60 / 23 {
			time.Sleep(23 * time.Minute)
			for _, w := range sleepers {
				b, _ := coap.Ping(w.nextID()).Append(nil)
				w.peer.Receive(b)
			}
			synctest.Wait()
		}
		if got := s.hub.Totals().Online; got != n {
			t.Errorf("%d of %d are known", got, n)
		}
		if got := s.happened(); len(got) != 0 {
			t.Errorf("%d times a device came or went, such as %s", len(got), got[0])
		}
	})
}

// crash ends the cloud as kill -9 does, and starts it again on what was stored. It returns the devices that were
// restored, by their ids, at the ends of new wires.
func (s *datagrams) crash(stop func()) (wires map[keys.DeviceID]*wire, stopAgain func()) {
	s.t.Helper()
	synctest.Wait()
	links := s.links()
	var saved []cloud.LinkState
	links.EachLink(func(l cloud.LinkState) bool { saved = append(saved, l); return true })
	old := s.peers
	stop()
	for _, l := range saved { // what was stored on the way out did not happen
		links.KeepLink(l, func(error) {})
	}
	synctest.Wait()
	s.hub = cloud.NewHub(s.registry, s.disk, s.logger())
	s.events = cloud.NewQueue(4096)
	s.hub.Subscribe(cloud.Filter{AllOwners: true}, s.events)
	s.create()
	wires = make(map[keys.DeviceID]*wire)
	err := s.peers.Restore(func(l StoredLink, open func(Channel) *Peer) error {
		record, _ := s.registry.Device(l.Device)
		w := &wire{t: s.t, key: record.Key}
		if string(l.Secrets) != string(w.Secrets()) || string(l.Counters) != "counters" || l.Address != w.RemoteAddr() {
			return fmt.Errorf("restored %+v", l)
		}
		w.peer = open(w)
		wires[l.Device] = w
		return nil
	}) // before Run, as in the program
	if err != nil || old == s.peers {
		s.t.Fatal(err)
	}
	return wires, s.start()
}

func (s *datagrams) links() cloud.Links { return s.disk.Log.(cloud.Links) }

func TestAfterACrashADevicesNextMessageJustWorks(t *testing.T) {
	inBubble(t, func(t *testing.T, site *site) {
		s := &datagrams{site: site}
		stop := s.run()
		w := s.online(theID, helloArgon33)
		w.send(coap.SubscribeMessage(coap.Confirmable, w.nextID(), coap.Subscription{Prefix: "pre/", MyDevices: true}))
		ev := eventFrom(w.nextID(), coap.Confirmable, "door", "open")
		w.send(ev)
		s.disk.stop()
		lost := eventFrom(w.nextID(), coap.Confirmable, "door", "shut") // its commit does not happen
		w.send(lost)
		w.received()
		s.disk.mu.Lock()
		s.disk.waiting, s.disk.stopped = nil, false
		s.disk.mu.Unlock()
		id := w.id

		wires, stop := s.crash(stop)
		defer stop()
		w = wires[theID]
		if w == nil {
			t.Fatal("nothing was restored")
		}
		w.id = id
		w.received()
		s.happened()
		w.send(ev, lost) // neither acknowledgement came
		s.wantHappened("e0 spark/status=online", "e0 door=shut")
		w.want(coap.Ack(ev.ID), coap.Ack(lost.ID))
		s.hub.Publish(ctx(), cloud.Event{Name: "pre/x", Owner: s.owner, Private: true, Source: "api"})
		if got := w.received(); len(got) != 1 || got[0].Kind(coap.FromServer) != coap.KindEvent {
			t.Errorf("its subscriptions are forgotten: %v", got)
		}
		w.act = func(m coap.Message) {
			if m.Kind(coap.FromServer) == coap.KindFunction {
				go w.send(coap.Ack(m.ID), coap.FunctionReturn(coap.Confirmable, w.nextID(), m.Token[0], 7))
			}
		}
		if got, err := s.hub.Call(ctx(), theID, "led", "on"); got != 7 || err != nil {
			t.Errorf("%d, %v: what it can do is forgotten", got, err)
		}
	})
}

func TestDevicesThatWereOnlineAreAskedAfterARestart(t *testing.T) {
	inBubble(t, func(t *testing.T, site *site) {
		s := &datagrams{site: site}
		stop := s.run()
		s.online(theID, helloArgon33)
		asleep := keys.DeviceID{7}
		w := s.online(asleep, helloBoron62)
		w.send(coap.GoodbyeMessage(coap.Confirmable, w.nextID(), coap.Goodbye{Cloud: 6}))
		wires, stop := s.crash(stop)
		defer stop()
		time.Sleep(time.Second)
		pings := wires[theID].received()
		if len(pings) != 1 || pings[0].Kind(coap.FromServer) != coap.KindPing {
			t.Fatalf("the one that was online gets %v", pings)
		}
		wires[asleep].want()
		s.wantHappened()
		wires[theID].send(coap.Ack(pings[0].ID))
		s.wantHappened("e0 spark/status=online")
	})
}

func TestOnlyTheLastSessionOfADeviceIsStored(t *testing.T) {
	overUDP(t, func(t *testing.T, s *datagrams) {
		w := s.online(theID, helloArgon33)
		again := s.open(w.key)
		again.send(again.hello(theID, helloArgon33))
		synctest.Wait()
		n := 0
		s.links().EachLink(func(cloud.LinkState) bool { n++; return true })
		if n != 1 {
			t.Errorf("%d are stored", n)
		}
		s.hub.Disconnect(theID, fmt.Errorf("key changed"))
		synctest.Wait()
		s.links().EachLink(func(l cloud.LinkState) bool { t.Errorf("a session that ended is stored: %s", l.Device); return true })
	})
}

// Messages that are no events are stored now and then only: a device that pings costs no write each.
func TestStoredCountersLagByABoundedNumberOfMessages(t *testing.T) {
	overUDP(t, func(t *testing.T, s *datagrams) {
		w := s.online(theID, helloArgon33)
		synctest.Wait()
		stored := func() (n int) {
			s.links().EachLink(func(l cloud.LinkState) bool { n = len(l.Counters); return true })
			return n
		}
		before := stored()
		for range lagMost - 1 {
			w.send(coap.Ping(w.nextID()))
		}
		if stored() != before {
			t.Error("pings are written one by one")
		}
		w.send(coap.Ping(w.nextID()))
		if stored() == before {
			t.Errorf("after %d pings the stored counters are those of before", lagMost)
		}
	})
}
