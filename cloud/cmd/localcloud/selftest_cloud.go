package main

import (
	"context"
	"crypto/rsa"
	"encoding/binary"
	"fmt"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"localcloud/cloud"
	"localcloud/cloud/store"
	"localcloud/coap/virtual"
	"localcloud/keys"
)

// trialCloud is a cloud in memory on a port of the loopback, with devices and viewers, to measure this machine. It shares
// nothing with the cloud that runs but the machine, and the key, which takes long to make.
type trialCloud struct {
	store    *store.Store
	hub      *cloud.Hub
	listener net.Listener
	devices  []*virtual.Device
	owner    cloud.UserID
	viewers  []*trialViewer

	end     context.CancelFunc
	running sync.WaitGroup
}

func newTrialCloud(keyring *keys.Keyring, devices int) (*trialCloud, error) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("a port for the test: %w", err)
	}
	st := store.OpenMemory(store.Options{EventsMaxBytes: 4 << 20})
	ctx, end := context.WithCancel(context.Background())
	c := &trialCloud{store: st, hub: cloud.NewHub(st.Registry(), st.Events(), quietLogger()), listener: ln, end: end, owner: cloud.NewUserID()}
	if err := c.furnish(keyring, devices); err != nil {
		c.close()
		return nil, err
	}
	server := deviceServer(&parts{store: st, hub: c.hub, knocks: cloud.NewKnocks(1), keyring: keyring}, quietLogger())
	c.running.Go(func() { _ = server.Serve(ctx, ln) })
	for _, d := range c.devices {
		c.running.Go(func() { _ = d.Run(ctx) })
	}
	return c, nil
}

// furnish makes the owner and the devices, which have one key together.
func (c *trialCloud) furnish(keyring *keys.Keyring, devices int) error {
	key, err := keys.GenerateDeviceRSA()
	if err != nil {
		return err
	}
	public, err := keys.NewRSAPublicKey(&key.PublicKey)
	if err != nil {
		return err
	}
	registry := c.store.Registry()
	if _, err := registry.AddUser(cloud.User{ID: c.owner, Name: "test"}); err != nil {
		return err
	}
	for i := range devices {
		id := keys.DeviceID{0xfe, byte(i), 1}
		_, err := registry.UpdateDevice(id, func(d *cloud.Device, _ bool) error {
			d.Key, d.Owner, d.Policy = public, c.owner, &cloud.Policy{}
			return nil
		})
		if err != nil {
			return err
		}
		c.devices = append(c.devices, c.device(id, key, &keyring.Identity().TCP.PublicKey))
	}
	return nil
}

func (c *trialCloud) device(id keys.DeviceID, key *rsa.PrivateKey, server *rsa.PublicKey) *virtual.Device {
	return virtual.New(virtual.Config{ID: id, Key: key, ServerKey: server, Reconnect: true, Dial: dialTCP(c.listener.Addr().String())})
}

// connect returns when all devices are online.
func (c *trialCloud) connect(ctx context.Context, progress func(online int)) error {
	look := time.NewTicker(time.Millisecond)
	defer look.Stop()
	for {
		n := c.hub.Totals().Online
		if progress(n); n == len(c.devices) {
			return nil
		}
		select {
		case <-look.C:
		case <-ctx.Done():
			return fmt.Errorf("%d of %d virtual devices came online: %w", n, len(c.devices), ctx.Err())
		}
	}
}

// watch lets so many viewers listen.
func (c *trialCloud) watch(n int) {
	for range n {
		v := &trialViewer{events: make(chan *cloud.Event, 256)}
		c.viewers = append(c.viewers, v)
		c.running.Go(v.read)
		c.hub.Subscribe(cloud.Filter{Owner: c.owner, Prefix: "test"}, v)
	}
}

// publish lets all devices publish for some time, each the next event when the last is acknowledged, and returns how long it was.
func (c *trialCloud) publish(ctx context.Context, d time.Duration, progress func(part float64)) time.Duration {
	began := time.Now()
	ctx, cancel := context.WithTimeout(ctx, d)
	defer cancel()
	for _, v := range c.viewers {
		v.began.Store(began.UnixNano())
	}
	var publishing sync.WaitGroup
	for _, device := range c.devices {
		publishing.Go(func() {
			for ctx.Err() == nil {
				stamp := binary.BigEndian.AppendUint64(nil, uint64(time.Since(began)))
				ev := virtual.Event{Name: "test/figure", Data: fmt.Appendf(nil, "%x", stamp), Private: true, WithAck: true}
				if device.Publish(ctx, ev) != nil {
					return
				}
			}
		})
	}
	look := time.NewTicker(100 * time.Millisecond)
	defer look.Stop()
	for ctx.Err() == nil {
		select {
		case <-look.C:
			progress(time.Since(began).Seconds() / d.Seconds())
		case <-ctx.Done():
		}
	}
	publishing.Wait()
	return time.Since(began)
}

// close ends everything and waits.
func (c *trialCloud) close() {
	c.end()
	_ = c.listener.Close()
	for _, v := range c.viewers {
		v.stop()
	}
	c.running.Wait()
	_ = c.store.Close()
}

// trialFigures are what the viewers saw.
type trialFigures struct {
	taken, lost uint64
	delays      []float64 // ms, in order
}

func (c *trialCloud) figures() trialFigures {
	t := c.hub.Totals()
	f := trialFigures{taken: t.Events, lost: t.Lost}
	for _, v := range c.viewers {
		v.mu.Lock()
		f.delays = append(f.delays, v.delays...)
		v.mu.Unlock()
	}
	slices.Sort(f.delays)
	return f
}

// delay returns what part of the events did not exceed, in ms.
func (f trialFigures) delay(part float64) float64 {
	if len(f.delays) == 0 {
		return 0
	}
	return f.delays[min(int(part*float64(len(f.delays))), len(f.delays)-1)]
}

// trialViewer is one who listens.
type trialViewer struct {
	events chan *cloud.Event // when it is full, its viewer loses the event, as slow ones do
	began  atomic.Int64      // when publishing began, ns since 1970
	seen   int

	mu     sync.Mutex
	closed bool
	delays []float64 // of one event in sampled
}

const sampled = 8

// Offer implements cloud.Listener.
func (v *trialViewer) Offer(ev *cloud.Event) bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.closed {
		return false
	}
	select {
	case v.events <- ev:
		return true
	default:
		return false
	}
}

func (v *trialViewer) stop() {
	v.mu.Lock()
	defer v.mu.Unlock()
	if !v.closed {
		v.closed = true
		close(v.events)
	}
}

func (v *trialViewer) read() {
	for ev := range v.events {
		if v.seen++; v.seen%sampled != 0 {
			continue
		}
		var stamp int64
		if _, err := fmt.Sscanf(string(ev.Data), "%x", &stamp); err != nil {
			continue
		}
		delay := time.Duration(time.Now().UnixNano() - v.began.Load() - stamp)
		v.mu.Lock()
		v.delays = append(v.delays, delay.Seconds()*1000)
		v.mu.Unlock()
	}
}
