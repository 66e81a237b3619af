package dtls

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"errors"
	mathrand "math/rand/v2"
	"net"
	"net/netip"
	"sync"
	"testing"
	"time"
)

var (
	day    = time.Date(2026, 11, 21, 0, 0, 0, 0, time.UTC)
	server = netip.MustParseAddrPort("10.0.0.1:5684")
)

func newKey(t testing.TB) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// network carries datagrams between sockets in memory. What it does to them is decided by fate, which may be nil.
type network struct {
	mu      sync.Mutex
	sockets map[netip.AddrPort]*socket
	fate    func(from, to netip.AddrPort, b []byte) (copies int, delay time.Duration)
}

func newNetwork() *network { return &network{sockets: make(map[netip.AddrPort]*socket)} }

// become changes what the network does to datagrams.
func (n *network) become(fate func(from, to netip.AddrPort, b []byte) (copies int, delay time.Duration)) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.fate = fate
}

// unreliable loses, doubles and delays by chance.
func unreliable(seed uint64, loss, double float64, spread time.Duration) func(_, _ netip.AddrPort, _ []byte) (int, time.Duration) {
	var mu sync.Mutex
	chance := mathrand.New(mathrand.NewPCG(seed, 1))
	return func(_, _ netip.AddrPort, _ []byte) (int, time.Duration) {
		mu.Lock()
		defer mu.Unlock()
		copies := 1
		switch p := chance.Float64(); {
		case p < loss:
			copies = 0
		case p < loss+double:
			copies = 2
		}
		return copies, time.Duration(chance.Int64N(int64(spread) + 1))
	}
}

type packet struct {
	b    []byte
	from netip.AddrPort
}

// socket implements PacketConn.
type socket struct {
	net     *network
	address netip.AddrPort
	in      chan packet
	closed  chan struct{}
	close   sync.Once
}

func (n *network) listen(address netip.AddrPort) *socket {
	s := &socket{net: n, address: address, in: make(chan packet, 4096), closed: make(chan struct{})}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.sockets[address] = s
	return s
}

func (s *socket) ReadFromUDPAddrPort(b []byte) (int, netip.AddrPort, error) {
	select {
	case p := <-s.in:
		return copy(b, p.b), p.from, nil
	case <-s.closed:
		return 0, netip.AddrPort{}, net.ErrClosed
	}
}

func (s *socket) WriteToUDPAddrPort(b []byte, to netip.AddrPort) (int, error) {
	s.net.mu.Lock()
	defer s.net.mu.Unlock()
	copies, delay := 1, time.Duration(0)
	if s.net.fate != nil {
		copies, delay = s.net.fate(s.address, to, b)
	}
	target := s.net.sockets[to]
	if target == nil {
		return len(b), nil
	}
	for range copies {
		p := packet{append([]byte{}, b...), s.address}
		deliver := func() {
			select {
			case target.in <- p:
			default:
			}
		}
		if delay > 0 {
			time.AfterFunc(delay, deliver)
		} else {
			deliver()
		}
	}
	return len(b), nil
}

func (s *socket) LocalAddr() net.Addr { return net.UDPAddrFromAddrPort(s.address) }

func (s *socket) Close() error {
	s.close.Do(func() { close(s.closed) })
	return nil
}

// read waits for a datagram, at most that long.
func (s *socket) read(wait time.Duration) ([]byte, error) {
	timer := time.NewTimer(max(wait, time.Nanosecond))
	defer timer.Stop()
	select {
	case p := <-s.in:
		return p.b, nil
	case <-timer.C:
		return nil, errNothing
	}
}

var errNothing = errors.New("nothing came")

// connect does a device's handshake from a socket.
func connect(s *socket, cfg ClientConfig) (*Session, error) {
	c := NewClient(time.Now(), cfg)
	for {
		for _, d := range c.Outbox() {
			s.WriteToUDPAddrPort(d, server)
		}
		if c.Session() != nil {
			return c.Session(), nil
		}
		d, err := s.read(time.Until(c.Deadline()))
		now := time.Now()
		if err == nil {
			err = c.Receive(now, d)
		} else {
			err = c.Tick(now)
		}
		if err != nil {
			return nil, err
		}
	}
}

// inbox is a Receiver that answers every message with itself, and remembers all.
type inbox struct {
	conn *Conn
	mute bool

	mu     sync.Mutex
	got    []string
	closed error
}

func (i *inbox) Receive(message []byte) {
	i.mu.Lock()
	i.got = append(i.got, string(message))
	i.mu.Unlock()
	if !i.mute {
		i.conn.Write(message)
	}
}

func (i *inbox) Closed(err error) {
	i.mu.Lock()
	i.closed = err
	i.mu.Unlock()
	i.conn.Close(false)
}

func (i *inbox) messages() []string {
	i.mu.Lock()
	defer i.mu.Unlock()
	return append([]string{}, i.got...)
}
