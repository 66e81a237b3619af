package virtual

import (
	"context"
	"crypto/rsa"
	"errors"
	"net"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"localcloud/coap"
	"localcloud/coap/link"
	"localcloud/keys"
)

// cloud is a server for many devices. It answers Hello and counts events.
type cloud struct {
	server link.Server

	mu     sync.Mutex
	came   map[keys.DeviceID]time.Time // when
	events map[keys.DeviceID][]string
	conns  []net.Conn
}

func newCloud(t *testing.T, w *world) *cloud {
	c := &cloud{came: make(map[keys.DeviceID]time.Time), events: make(map[keys.DeviceID][]string)}
	c.server.Key = w.cast.server
	c.server.Authorize = func(_ context.Context, a link.Attempt) (keys.PublicKey, error) { return a.Offered, nil }
	return c
}

func (c *cloud) dial(context.Context) (net.Conn, error) {
	device, server := net.Pipe()
	c.mu.Lock()
	c.conns = append(c.conns, server)
	c.mu.Unlock()
	go c.serve(server)
	return device, nil
}

func (c *cloud) serve(nc net.Conn) {
	defer nc.Close()
	l, err := c.server.Handshake(context.Background(), nc)
	if err != nil {
		return
	}
	id := l.DeviceID()
	for {
		b, err := l.Read()
		if err != nil {
			return
		}
		m, _ := coap.Parse(b)
		switch m.Kind(coap.FromDevice) {
		case coap.KindHello:
			c.mu.Lock()
			c.came[id] = time.Now()
			c.mu.Unlock()
			b, _ := coap.HelloMessage(coap.NonConfirmable, 1, nil).Append(nil)
			l.Write(b)
		case coap.KindPing:
			b, _ := coap.Ack(m.ID).Append(nil)
			l.Write(b)
		case coap.KindEvent:
			if ev, err := coap.ParseEvent(m); err == nil && ev.Name == "fleet/value" {
				c.mu.Lock()
				c.events[id] = append(c.events[id], string(ev.Data))
				c.mu.Unlock()
			}
		}
	}
}

func TestFleetOf200(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t)
		c := newCloud(t, w)
		f := &Fleet{
			N:        200,
			Device:   Config{Key: w.cast.device, ServerKey: &w.cast.server.PublicKey, Dial: c.dial},
			Interval: 10 * time.Second,
			Ramp:     20 * time.Second,
			Seed:     1,
		}
		ctx, stop := context.WithCancel(context.Background())
		over := make(chan error, 1)
		start := time.Now()
		go func() { over <- f.Run(ctx) }()

		time.Sleep(10*time.Second - time.Millisecond)
		synctest.Wait()
		if p := f.Snapshot(); p.Online != 100 || p.Connecting != 0 {
			t.Errorf("half way: %+v", p)
		}
		time.Sleep(50*time.Second + time.Millisecond)
		synctest.Wait()
		p := f.Snapshot()
		// On average a device is there for 50 s and publishes every 10 s.
		if p.Online != 200 || p.Errors != 0 || p.Published < 900 || p.Published > 1100 {
			t.Errorf("after a minute: %+v", p)
		}
		c.checkEvents(t, f, p)

		// The server goes away: all are back after the back-off.
		c.mu.Lock()
		conns := c.conns
		c.mu.Unlock()
		for _, nc := range conns {
			nc.Close()
		}
		synctest.Wait()
		if p := f.Snapshot(); p.Online != 0 || p.Connecting != 200 || p.Errors != 200 {
			t.Errorf("after the server's end: %+v", p)
		}
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if p := f.Snapshot(); p.Online != 200 {
			t.Errorf("after the server's return: %+v", p)
		}

		stop()
		if err := <-over; !errors.Is(err, context.Canceled) {
			t.Errorf("Run = %v", err)
		}
		if p := f.Snapshot(); p.Online != 0 || p.Errors != 200 {
			t.Errorf("at the end: %+v", p)
		}
		c.mu.Lock()
		defer c.mu.Unlock()
		if first, last := c.came[f.ID(0)], c.came[f.ID(199)]; first.Before(start) || last.Sub(first) > 25*time.Second {
			t.Errorf("came from %v to %v", first, last)
		}
	})
}

func (c *cloud) checkEvents(t *testing.T, f *Fleet, p Progress) {
	t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	total := 0
	for i := range f.N {
		events := c.events[f.ID(i)]
		total += len(events)
		if len(events) < 3 || len(events) > 7 {
			t.Errorf("device %d published %d events", i, len(events))
			continue
		}
		if events[0] == events[1] {
			t.Errorf("device %d publishes the same again: %s", i, events[0])
		}
	}
	if int64(total) != p.Published || len(c.came) != f.N {
		t.Errorf("%d devices and %d events came, %d published", len(c.came), total, p.Published)
	}
}

func TestFleetOfItsOwnIDsAndKeys(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t)
		c := newCloud(t, w)
		asked := 0
		f := &Fleet{
			N:      3,
			Device: Config{ServerKey: &w.cast.server.PublicKey, Dial: c.dial, OS: OS620},
			IDs:    func(i int) keys.DeviceID { return keys.DeviceID{0xab, 11: byte(i)} },
			Keys:   func(int) (*rsa.PrivateKey, error) { asked++; return w.cast.device, nil },
		}
		ctx, stop := context.WithTimeout(context.Background(), time.Minute)
		defer stop()
		if err := f.Run(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Run = %v", err)
		}
		c.mu.Lock()
		defer c.mu.Unlock()
		if _, ok := c.came[keys.DeviceID{0xab, 11: 2}]; !ok || len(c.came) != 3 || asked != 3 {
			t.Errorf("%d devices came, %d keys", len(c.came), asked)
		}
		if len(c.events) != 0 {
			t.Error("a fleet without interval publishes")
		}
	})
}

func TestFleetThatCannotBegin(t *testing.T) {
	noKey := func(int) (*rsa.PrivateKey, error) { return nil, errors.New("no key") }
	for name, f := range map[string]*Fleet{
		"nobody":     {},
		"no key":     {N: 1, Keys: noKey},
		"no release": {N: 1, Device: Config{OS: "9", Key: &rsa.PrivateKey{}}},
	} {
		if err := f.Run(context.Background()); err == nil {
			t.Errorf("%s: Run = nil", name)
		}
	}
}

func TestFleetIDsDependOnTheSeed(t *testing.T) {
	a, b := Fleet{Seed: 1}, Fleet{Seed: 2}
	if a.ID(1) == a.ID(2) || a.ID(1) == b.ID(1) || a.ID(1) != (&Fleet{Seed: 1}).ID(1) {
		t.Errorf("%s %s %s", a.ID(1), a.ID(2), b.ID(1))
	}
}
