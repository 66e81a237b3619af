package virtual

import (
	"container/heap"
	"context"
	"crypto/rsa"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"localcloud/keys"
)

// Fleet is many devices that publish a changing value each. Its fields are set
// before Run and not changed then; Snapshot may be called at any time. It must
// not be copied.
type Fleet struct {
	N int

	// Device is what all of them are. ID and Key are filled in for each; they
	// reconnect, whatever it says.
	Device Config

	// IDs gives the id of device i. Nil: eight bytes drawn from Seed, then i.
	IDs func(i int) keys.DeviceID
	// Keys gives the key of device i. Nil: all have the same, which Run makes if
	// Device.Key is nil. The server must know it, or take the first that it sees.
	Keys func(i int) (*rsa.PrivateKey, error)

	Interval time.Duration // between two events of a device, give or take a tenth; 0: none
	Event    string        // the events' name; "": fleet/value
	Ramp     time.Duration // over which the devices come; 0: 5 ms for each
	Seed     uint64

	online, published, errs atomic.Int64
	started                 atomic.Int64
}

// Progress is how far a fleet has come.
type Progress struct {
	Connecting int // started and not online
	Online     int
	Published  int64 // events sent
	Errors     int64 // events not sent, connections lost or not made
}

// Snapshot returns the progress as it is now.
func (f *Fleet) Snapshot() Progress {
	online := f.online.Load()
	return Progress{
		Connecting: max(0, int(f.started.Load()-online)),
		Online:     int(online),
		Published:  f.published.Load(),
		Errors:     f.errs.Load(),
	}
}

// ID returns the id of device i.
func (f *Fleet) ID(i int) keys.DeviceID {
	if f.IDs != nil {
		return f.IDs(i)
	}
	var id keys.DeviceID
	binary.BigEndian.PutUint64(id[:], rand.New(rand.NewPCG(f.Seed, 0)).Uint64())
	binary.BigEndian.PutUint32(id[8:], uint32(i))
	return id
}

// Run runs the fleet until ctx ends, and returns its cause, or at once why it
// could not begin.
func (f *Fleet) Run(ctx context.Context) error {
	members, err := f.members()
	if err != nil {
		return err
	}
	var running sync.WaitGroup
	defer running.Wait()
	var rounds rounds
	random := rand.New(rand.NewPCG(f.Seed, 1))
	next := time.Now()
	for started := 0; ; {
		now := time.Now()
		if started < len(members) && !now.Before(next) {
			d := members[started]
			running.Go(func() { d.Run(ctx) })
			rounds.start(f, d, now, random)
			f.started.Add(1)
			started++
			next = next.Add(f.pause())
		}
		rounds.publish(f, now, random)
		due := rounds.due()
		if started < len(members) {
			due = earlier(due, next)
		}
		if err := sleepUntil(ctx, due); err != nil {
			return err
		}
	}
}

// sleepUntil sleeps until t, for ever if it is zero, or until ctx ends.
func sleepUntil(ctx context.Context, t time.Time) error {
	if t.IsZero() {
		<-ctx.Done()
		return context.Cause(ctx)
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return sleep(ctx, time.Until(t))
}

func (f *Fleet) pause() time.Duration {
	if f.Ramp > 0 {
		return f.Ramp / time.Duration(f.N)
	}
	return 5 * time.Millisecond
}

func (f *Fleet) members() ([]*Device, error) {
	if f.N <= 0 {
		return nil, errors.New("fleet: no devices")
	}
	keyOf := f.Keys
	if keyOf == nil {
		shared, err := f.sharedKey()
		if err != nil {
			return nil, err
		}
		keyOf = func(int) (*rsa.PrivateKey, error) { return shared, nil }
	}
	members := make([]*Device, f.N)
	for i := range members {
		cfg := f.Device
		cfg.ID, cfg.Reconnect = f.ID(i), true
		var err error
		if cfg.Key, err = keyOf(i); err != nil {
			return nil, fmt.Errorf("fleet: key of device %d: %w", i, err)
		}
		d := New(cfg)
		if d.osErr != nil {
			return nil, d.osErr
		}
		d.OnOnline(func() { f.online.Add(1) })
		d.OnOffline(func(error) { f.online.Add(-1) })
		d.failed = func() { f.errs.Add(1) }
		members[i] = d
	}
	return members, nil
}

func (f *Fleet) sharedKey() (*rsa.PrivateKey, error) {
	if f.Device.Key != nil || f.Device.UDP != nil {
		return f.Device.Key, nil
	}
	key, err := keys.GenerateDeviceRSA()
	if err != nil {
		return nil, fmt.Errorf("fleet: %w", err)
	}
	return key, nil
}

// round is a device and when it publishes next.
type round struct {
	at     time.Time
	device *Device
	n      int
	value  float64 // walks about
}

// rounds is a heap, the nearest first.
type rounds []*round

func (r rounds) Len() int           { return len(r) }
func (r rounds) Less(i, j int) bool { return r[i].at.Before(r[j].at) }
func (r rounds) Swap(i, j int)      { r[i], r[j] = r[j], r[i] }
func (r *rounds) Push(x any)        { *r = append(*r, x.(*round)) }
func (r *rounds) Pop() any {
	last := (*r)[len(*r)-1]
	*r = (*r)[:len(*r)-1]
	return last
}

// start lets d publish from somewhere in the first interval on.
func (r *rounds) start(f *Fleet, d *Device, now time.Time, random *rand.Rand) {
	if f.Interval > 0 {
		first := now.Add(time.Duration(random.Int64N(int64(f.Interval))))
		heap.Push(r, &round{at: first, device: d, value: 20})
	}
}

// due returns when the next device publishes, zero for never.
func (r rounds) due() time.Time {
	if len(r) == 0 {
		return time.Time{}
	}
	return r[0].at
}

// publish lets the devices publish whose time has come. One that is offline
// lets its round pass.
func (r rounds) publish(f *Fleet, now time.Time, random *rand.Rand) {
	for len(r) > 0 && !now.Before(r[0].at) {
		next := r[0]
		if next.device.Online() {
			next.n++
			next.value += random.NormFloat64() / 4
			f.send(next.device, fmt.Appendf(nil, `{"n":%d,"value":%.2f}`, next.n, next.value))
		}
		spread := int64(f.Interval/5) + 1
		next.at = next.at.Add(f.Interval - f.Interval/10 + time.Duration(random.Int64N(spread)))
		heap.Fix(&r, 0)
	}
}

func (f *Fleet) send(d *Device, data []byte) {
	name := f.Event
	if name == "" {
		name = "fleet/value"
	}
	err := d.publishThen(Event{Name: name, Data: data, Private: true}, f.sent)
	if err != nil {
		f.errs.Add(1)
	}
}

func (f *Fleet) sent(err error) {
	if err != nil {
		f.errs.Add(1)
		return
	}
	f.published.Add(1)
}
