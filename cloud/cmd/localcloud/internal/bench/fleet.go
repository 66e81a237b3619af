package bench

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"localcloud/coap/virtual"
	"localcloud/keys"
)

// fleet is virtual devices of one cloud. They have one key, since making keys is slow.
type fleet struct {
	run   *run
	cloud *Cloud
	proof proof

	members []*member
	living  sync.WaitGroup
	off     context.CancelFunc // cuts their power
	tally   tally
}

// tally counts what happens to the devices of a fleet.
type tally struct {
	online   atomic.Int64
	attempts atomic.Int64 // connections that were begun
	dropped  atomic.Int64 // connections that ended after having been online, unasked
	noHello  atomic.Int64 // devices that gave up waiting for the server's Hello
	broken   atomic.Int64 // other attempts that failed
	answer   *latency     // from a device's Hello to the server's

	mu   sync.Mutex
	last error // of an attempt
}

func (t *tally) fail(err error) {
	if errors.Is(err, virtual.ErrNoHello) {
		t.noHello.Add(1)
	} else {
		t.broken.Add(1)
	}
	t.mu.Lock()
	t.last = err
	t.mu.Unlock()
}

// reset forgets what happened. Nothing may happen meanwhile.
func (t *tally) reset() {
	t.attempts.Store(0)
	t.dropped.Store(0)
	t.noHello.Store(0)
	t.broken.Store(0)
	t.answer, t.last = newLatency(), nil
}

func (t *tally) lastError() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.last
}

// registrars is how many devices are registered at once: the cloud syncs each
// to its disk, and several in one go.
const registrars = 32

// fleet makes n devices and registers them. They are offline.
func (r *run) fleet(ctx context.Context, c *Cloud, n int) (*fleet, error) {
	return r.fleetOver(ctx, c, n, r.UDP)
}

func (r *run) fleetOver(ctx context.Context, c *Cloud, n int, udp bool) (*fleet, error) {
	if err := allowFiles(n + r.clients(500)); err != nil {
		return nil, err
	}
	f := &fleet{run: r, cloud: c}
	f.tally.answer = newLatency()
	var err error
	if f.proof, err = r.newProof(ctx, c, udp); err != nil {
		return nil, err
	}
	for i := range n {
		f.members = append(f.members, newMember(f, i))
	}
	return f, f.register(ctx)
}

// register makes the devices known to the cloud, and the user's own.
func (f *fleet) register(ctx context.Context) error {
	f.run.progress("registering %d devices", len(f.members))
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var next atomic.Int64
	var workers sync.WaitGroup
	for range min(registrars, len(f.members)) {
		workers.Go(func() {
			for i := int(next.Add(1)) - 1; i < len(f.members) && ctx.Err() == nil; i = int(next.Add(1)) - 1 {
				if err := f.registerOne(ctx, f.members[i].id); err != nil {
					cancel(err)
				}
			}
		})
	}
	workers.Wait()
	return context.Cause(ctx)
}

func (f *fleet) registerOne(ctx context.Context, id keys.DeviceID) error {
	if err := f.cloud.API.Provision(ctx, id, f.proof.public); err != nil {
		return fmt.Errorf("device %s: %w", id, err)
	}
	if err := f.cloud.API.Claim(ctx, id); err != nil {
		return fmt.Errorf("device %s: %w", id, err)
	}
	f.cloud.remember(id)
	return nil
}

// window is how many devices connect at once when nothing else is asked for:
// enough to keep the server busy, too few to make any of them wait.
const window = 8

// connect turns all devices on, at most so many at a time before they are
// online, and returns when all are. Before it is called again comes disconnect.
func (f *fleet) connect(ctx context.Context, atOnce int) error {
	members := f.members
	on, off := context.WithCancel(context.WithoutCancel(ctx))
	f.off = off
	places := make(chan struct{}, atOnce)
	arrived := make(chan struct{}, len(members))
	for _, m := range members {
		m.arrived = func() {
			<-places
			arrived <- struct{}{}
		}
	}
	f.living.Go(func() {
		for _, m := range members {
			select {
			case places <- struct{}{}:
				f.living.Go(func() { m.live(on) })
			case <-on.Done():
				return
			}
		}
	})
	return f.await(ctx, arrived, len(members))
}

// patience is how long nobody may come online before the rest is given up.
const patience = 60 * time.Second

func (f *fleet) await(ctx context.Context, arrived <-chan struct{}, n int) error {
	timer := time.NewTimer(patience)
	defer timer.Stop()
	for i := range n {
		select {
		case <-arrived:
			timer.Reset(patience)
			if i > 0 && i%1000 == 0 {
				f.run.progress("%d of %d devices are online", i, n)
			}
		case <-timer.C:
			return fmt.Errorf("only %d of %d devices came online; the last error of one: %v", i, n, f.tally.lastError())
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	return nil
}

// online makes a fleet of n devices and brings all of them online.
func (r *run) online(ctx context.Context, c *Cloud, n int) (*fleet, error) {
	f, err := r.fleet(ctx, c, n)
	if err != nil {
		return nil, err
	}
	r.progress("%d devices connect", n)
	if err := f.connect(ctx, window); err != nil {
		f.disconnect()
		return nil, err
	}
	return f, nil
}

// renew puts devices that remember no session in the place of those that there are, which are off.
func (f *fleet) renew() {
	for i := range f.members {
		f.members[i] = newMember(f, i)
	}
}

// disconnect cuts the power of all devices and waits until they are gone.
func (f *fleet) disconnect() {
	if f.off != nil {
		f.off()
	}
	f.living.Wait()
}

// awaitOffline waits until the server knows that our devices are gone, or a little while.
func (c *Cloud) awaitOffline(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, drainTime)
	defer cancel()
	for {
		s, err := c.API.Status(ctx)
		if err != nil || s.Totals.Online <= c.others || ctx.Err() != nil {
			return // err: the token is no administrator's
		}
		wait(ctx, 50*time.Millisecond)
	}
}

// seed makes the ids of our devices: always the same, and nobody else's.
const seed = 0x6c6f63616c626368

// deviceID returns the id of device i.
func deviceID(i int) keys.DeviceID {
	var id keys.DeviceID
	binary.BigEndian.PutUint64(id[:], rand.New(rand.NewPCG(seed, 0)).Uint64())
	binary.BigEndian.PutUint32(id[8:], uint32(i))
	return id
}
