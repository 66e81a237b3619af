package virtual_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"localcloud/cloud"
	"localcloud/cloud/store"
	"localcloud/coap/link/dtls"
	"localcloud/coap/session"
	"localcloud/coap/virtual"
	"localcloud/keys"
)

// air carries datagrams in memory.
type air struct {
	mu    sync.Mutex
	ports map[netip.AddrPort]*antenna
	next  uint16
}

type datagram struct {
	b    []byte
	from netip.AddrPort
}

// antenna is a socket: the server's (a dtls.PacketConn) or a device's (a net.Conn to the server).
type antenna struct {
	air     *air
	address netip.AddrPort
	in      chan datagram
	closed  chan struct{}
	once    sync.Once

	mu       sync.Mutex
	deadline time.Time
}

var serverAddress = netip.MustParseAddrPort("10.0.0.1:5684")

func (a *air) open(address netip.AddrPort) *antenna {
	s := &antenna{air: a, address: address, in: make(chan datagram, 4096), closed: make(chan struct{})}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.ports[address] = s
	return s
}

// dial gives each device a socket with an address of its own.
func (a *air) dial(context.Context) (net.Conn, error) {
	a.mu.Lock()
	a.next++
	port := a.next
	a.mu.Unlock()
	return a.open(netip.AddrPortFrom(netip.MustParseAddr("10.0.0.2"), port)), nil
}

func (a *air) send(b []byte, from, to netip.AddrPort) {
	a.mu.Lock()
	target := a.ports[to]
	a.mu.Unlock()
	if target == nil {
		return
	}
	select {
	case <-target.closed:
	case target.in <- datagram{bytes.Clone(b), from}:
	default:
	}
}

func (s *antenna) ReadFromUDPAddrPort(b []byte) (int, netip.AddrPort, error) {
	s.mu.Lock()
	deadline := s.deadline
	s.mu.Unlock()
	var late <-chan time.Time
	if !deadline.IsZero() {
		timer := time.NewTimer(max(time.Until(deadline), time.Nanosecond))
		defer timer.Stop()
		late = timer.C
	}
	select {
	case p := <-s.in:
		return copy(b, p.b), p.from, nil
	case <-s.closed:
		return 0, netip.AddrPort{}, net.ErrClosed
	case <-late:
		return 0, netip.AddrPort{}, os.ErrDeadlineExceeded
	}
}

func (s *antenna) WriteToUDPAddrPort(b []byte, to netip.AddrPort) (int, error) {
	s.air.send(b, s.address, to)
	return len(b), nil
}

func (s *antenna) Read(b []byte) (int, error) {
	n, _, err := s.ReadFromUDPAddrPort(b)
	return n, err
}

func (s *antenna) Write(b []byte) (int, error) { return s.WriteToUDPAddrPort(b, serverAddress) }
func (s *antenna) LocalAddr() net.Addr         { return net.UDPAddrFromAddrPort(s.address) }
func (s *antenna) RemoteAddr() net.Addr        { return net.UDPAddrFromAddrPort(serverAddress) }

func (s *antenna) Close() error {
	s.once.Do(func() { close(s.closed) })
	return nil
}

func (s *antenna) SetReadDeadline(t time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.deadline = t
	return nil
}

func (s *antenna) SetDeadline(t time.Time) error    { return s.SetReadDeadline(t) }
func (s *antenna) SetWriteDeadline(time.Time) error { return nil }

// clouds is a cloud over virtual.UDP that can be ended and started again on what it stored.
type clouds struct {
	*testing.T
	air      *air
	key      *ecdsa.PrivateKey
	store    *store.Store
	hub      *cloud.Hub
	listener *dtls.Listener
	owner    cloud.UserID

	mu  sync.Mutex
	got map[string]int // events by device, name and data: how often
}

func ecKey(t testing.TB) *ecdsa.PrivateKey {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// withCloud runs a test in virtual time. What f returns ends the devices.
func withCloud(t *testing.T, f func(c *clouds)) {
	synctest.Test(t, func(t *testing.T) {
		c := &clouds{T: t, air: &air{ports: make(map[netip.AddrPort]*antenna)}, key: ecKey(t), got: make(map[string]int)}
		c.store = store.OpenMemory(store.Options{})
		defer c.store.Close()
		user, err := c.store.Registry().AddUser(cloud.User{ID: cloud.NewUserID(), Name: "owner"})
		if err != nil {
			t.Fatal(err)
		}
		c.owner = user.ID
		f(c)
	})
}

// start starts the cloud; stop ends it and keeps what was stored.
func (c *clouds) start() (stop func()) {
	logger := slog.New(slog.DiscardHandler)
	c.hub = cloud.NewHub(c.store.Registry(), c.store.Events(), logger)
	c.hub.Subscribe(cloud.Filter{AllOwners: true}, listener(func(ev *cloud.Event) {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.got[fmt.Sprintf("%s %s %s", ev.Device, ev.Name, ev.Data)]++
	}))
	peers := session.NewPeers(session.PeersConfig{Hub: c.hub, Registry: c.store.Registry(), Logger: logger, Links: c.store.Events()})
	c.listener = dtls.NewListener(c.air.open(serverAddress), dtls.Config{
		Key: c.key, Open: func(conn *dtls.Conn) dtls.Receiver { return peers.Open(conn) },
	})
	err := peers.Restore(func(l session.StoredLink, open func(session.Channel) *session.Peer) error {
		_, err := c.listener.Restore(l.Secrets, l.Counters, l.Device, l.Address, func(conn *dtls.Conn) dtls.Receiver { return open(conn) })
		return err
	})
	if err != nil {
		c.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { peers.Run(ctx) })
	running.Go(func() { c.listener.Serve(ctx) })
	return func() { cancel(); running.Wait() }
}

// listener is a cloud.Listener.
type listener func(*cloud.Event)

func (l listener) Offer(ev *cloud.Event) bool { l(ev); return true }

// device is a virtual device that the cloud knows.
func (c *clouds) device(n byte, change func(*virtual.Config)) *virtual.Device {
	key := ecKey(c)
	public, err := keys.NewECDSAPublicKey(&key.PublicKey)
	if err != nil {
		c.Fatal(err)
	}
	id := keys.DeviceID{0xe0, n}
	if _, err := cloud.Adopt(c.store.Registry(), id, public, "", c.owner); err != nil {
		c.Fatal(err)
	}
	cfg := virtual.Config{ID: id, UDP: &virtual.UDP{Key: key, ServerKey: &c.key.PublicKey, Dial: c.air.dial}, Reconnect: true}
	if change != nil {
		change(&cfg)
	}
	d := virtual.New(cfg)
	if err := d.Function("led", func(string) int32 { return 7 }); err != nil {
		c.Fatal(err)
	}
	return d
}

// run runs devices until the function that it returns is called.
func run(devices ...*virtual.Device) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	for _, d := range devices {
		running.Go(func() { d.Run(ctx) })
	}
	return func() { cancel(); running.Wait() }
}

// publish has a device publish numbered events, and tries each until it is acknowledged.
func publish(d *virtual.Device, name string, n int, every time.Duration) {
	for i := range n {
		for d.Publish(context.Background(), virtual.Event{Name: name, Data: fmt.Append(nil, i), WithAck: true}) != nil {
			time.Sleep(time.Second)
		}
		time.Sleep(every)
	}
}

func (c *clouds) count(d *virtual.Device, name string, i int) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.got[fmt.Sprintf("%s %s %d", d.ID(), name, i)]
}

func TestEveryReleaseTalksOverUDP(t *testing.T) {
	for _, v := range []virtual.Version{virtual.OS070, virtual.OS152, virtual.OS231, virtual.OS331, virtual.OS620} {
		t.Run(string(v), func(t *testing.T) {
			withCloud(t, func(c *clouds) {
				defer c.start()()
				d := c.device(1, func(cfg *virtual.Config) { cfg.OS = v })
				events := make(chan virtual.Event, 9)
				if err := d.Subscribe("news/", virtual.SubscribeOptions{Mine: true}, func(ev virtual.Event) { events <- ev }); err != nil {
					t.Fatal(err)
				}
				defer run(d)()
				time.Sleep(30 * time.Second)
				if !d.Online() || !c.hub.IsOnline(d.ID()) {
					t.Fatal("not online")
				}
				if got, err := c.hub.Call(context.Background(), d.ID(), "led", "on"); got != 7 || err != nil {
					t.Errorf("%d, %v", got, err)
				}
				publish(d, "n", 3, time.Second)
				c.hub.Publish(context.Background(), cloud.Event{Name: "news/1", Data: []byte("x"), Owner: c.owner, Private: true, Source: "api"})
				if ev := <-events; string(ev.Data) != "x" {
					t.Errorf("%+v", ev)
				}
				if err := c.hub.Signal(context.Background(), d.ID(), true); err != nil {
					t.Error(err)
				}
				for i := range 3 {
					if got := c.count(d, "n", i); got != 1 {
						t.Errorf("event %d came %d times", i, got)
					}
				}
				// It goes away and comes back: by the stored session, in the form of its release.
				d.Disconnect()
				time.Sleep(time.Minute)
				if c.hub.IsOnline(d.ID()) && v != virtual.OS070 && v != virtual.OS152 { // which say no goodbye
					t.Error("online after it said goodbye")
				}
				d.Connect()
				time.Sleep(10 * time.Second)
				d.Reboot()
				time.Sleep(10 * time.Second)
				if n := d.Counts(); n.Handshakes != 1 || n.Resumes != 2 {
					t.Errorf("%d handshakes, %d resumes", n.Handshakes, n.Resumes)
				}
				if got, err := c.hub.Call(context.Background(), d.ID(), "led", "on"); got != 7 || err != nil {
					t.Errorf("after its return: %d, %v", got, err)
				}
				if s := c.listener.Stats(); s.Begun != 1 || s.Forged+s.Replayed+s.Unknown+s.Malformed != 0 {
					t.Errorf("%+v", s)
				}
			})
		})
	}
}

// With 30 % of all datagrams lost each way, others doubled and late, every device gets through, nothing that was
// acknowledged is missing, and nothing is there twice within a session.
func TestDevicesRecoverOnABadNetwork(t *testing.T) {
	withCloud(t, func(c *clouds) {
		defer c.start()()
		var devices []*virtual.Device
		for n := range byte(10) {
			devices = append(devices, c.device(n, func(cfg *virtual.Config) {
				cfg.OS = []virtual.Version{virtual.OS070, virtual.OS152, virtual.OS231, virtual.OS331, virtual.OS620}[n%5]
				cfg.Faults = virtual.Faults{Seed: uint64(n), Lose: 0.3, Double: 0.1, Late: 2 * time.Second}
			}))
		}
		stop := run(devices...)
		var publishing sync.WaitGroup
		for _, d := range devices {
			publishing.Go(func() { publish(d, "n", 15, 5*time.Second) })
		}
		publishing.Wait()
		stop()
		for _, d := range devices {
			n := d.Counts()
			for i := range 15 {
				got := c.count(d, "n", i)
				// A board that throws its session away sends an event again in another, as its application does.
				if got == 0 || got > 1+int(n.Attempts) {
					t.Errorf("%s: event %d came %d times", d.ID(), i, got)
				}
			}
			if n.Lost == 0 || n.Repeated == 0 {
				t.Errorf("%s: %+v: the network was good", d.ID(), n)
			}
		}
	})
}

func TestARestartInTheMiddleOfTrafficCostsNoHandshakeAndNoEvent(t *testing.T) {
	withCloud(t, func(c *clouds) {
		stop := c.start()
		var devices []*virtual.Device
		for n := range byte(20) {
			devices = append(devices, c.device(n, func(cfg *virtual.Config) {
				cfg.OS = []virtual.Version{virtual.OS231, virtual.OS331, virtual.OS620}[n%3]
			}))
		}
		defer run(devices...)()
		var publishing sync.WaitGroup
		for _, d := range devices {
			publishing.Go(func() { publish(d, "n", 60, 700*time.Millisecond) })
		}
		for range 3 {
			time.Sleep(10 * time.Second)
			stop()
			time.Sleep(2 * time.Second)
			stop = c.start()
		}
		publishing.Wait()
		for _, d := range devices {
			for i := range 60 {
				if got := c.count(d, "n", i); got != 1 {
					t.Errorf("%s: event %d came %d times", d.ID(), i, got)
				}
			}
			if n := d.Counts(); n.Handshakes != 1 || n.Attempts != 1 {
				t.Errorf("%s: %d handshakes, %d connections", d.ID(), n.Handshakes, n.Attempts)
			}
		}
		if got := c.hub.Totals().Online; got != len(devices) {
			t.Errorf("%d are online", got)
		}
		stop()
	})
}

func TestADeviceWhoseSessionTheServerLostShakesHandsAgain(t *testing.T) {
	withCloud(t, func(c *clouds) {
		stop := c.start()
		d := c.device(1, nil)
		defer run(d)()
		time.Sleep(10 * time.Second)
		c.store.Events().ForgetLink(d.ID())
		synctest.Wait()
		c.hub.Disconnect(d.ID(), session.ErrStopping) // nothing is said to the device
		time.Sleep(10 * time.Minute)
		if n := d.Counts(); n.Handshakes != 2 || n.Resumes == 0 || !c.hub.IsOnline(d.ID()) {
			t.Errorf("%+v", n)
		}
		stop()
	})
}

func TestADeviceThatMovesKeepsItsSession(t *testing.T) {
	for _, v := range []virtual.Version{virtual.OS331, virtual.OS620} {
		withCloud(t, func(c *clouds) {
			defer c.start()()
			d := c.device(1, func(cfg *virtual.Config) { cfg.OS, cfg.Faults = v, virtual.Faults{MoveEvery: 20 * time.Second} })
			defer run(d)()
			time.Sleep(2 * time.Second)
			publish(d, "n", 30, 5*time.Second)
			if n := d.Counts(); n.Moves < 5 || n.Handshakes != 1 || n.Attempts != 1 {
				t.Errorf("%s: %+v", v, n)
			}
			if got, err := c.hub.Call(context.Background(), d.ID(), "led", "on"); got != 7 || err != nil {
				t.Errorf("%s: %d, %v", v, got, err)
			}
		})
	}
}

func TestAWrongKeyOverUDPIsNotLetIn(t *testing.T) {
	withCloud(t, func(c *clouds) {
		defer c.start()()
		d := c.device(1, func(cfg *virtual.Config) { cfg.Faults = virtual.Faults{WrongKey: true} })
		defer run(d)()
		time.Sleep(3 * time.Minute)
		if c.hub.IsOnline(d.ID()) || d.Online() {
			t.Error("it is online")
		}
	})
}

func TestACoreKnowsNoUDP(t *testing.T) {
	d := virtual.New(virtual.Config{OS: virtual.Core045, UDP: &virtual.UDP{}})
	if err := d.Run(context.Background()); err == nil {
		t.Error("it runs")
	}
}
