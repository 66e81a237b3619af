package session

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
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
	sent atomic.Int64 // messages to the cloud

	mu       sync.Mutex
	got      []coap.Message
	act      func(coap.Message) // on each message, if set
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

func (w *wire) PeerKey() keys.PublicKey { return w.key }

func (w *wire) RemoteAddr() netip.AddrPort { return netip.MustParseAddrPort("192.0.2.7:49152") }

func (w *wire) LocalAddr() net.Addr { return &net.UDPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 5684} }

func (w *wire) Bind(keys.DeviceID, keys.PublicKey) {}

func (w *wire) Secrets() []byte { return []byte("secrets of " + w.key.String()) }

func (w *wire) NeedsReserve() bool { return false }

func (w *wire) Limit(uint64) {}

func (w *wire) Counters(b []byte) ([]byte, uint64) {
	return fmt.Appendf(b, "%03d received", w.sent.Load()), 1 << 20
}

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
		w.sent.Add(1)
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
	time.Sleep(settleTime)
	w.received()
	return w
}
