package bench

import (
	"context"
	"crypto/rsa"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"localcloud/cloud"
	"localcloud/cloud/store"
	"localcloud/keys"
)

// filling is what a data directory holds.
type filling struct{ devices, events int }

// fill returns a data directory with devices and events, which it makes
// the first time. They are written directly, since over the API it takes too long.
func (r *run) fill(ctx context.Context, what filling) (dir string, err error) {
	if dir, ok := r.filled[what]; ok {
		return dir, nil
	}
	if dir, err = r.tempDir(); err != nil {
		return "", err
	}
	r.progress("writing %d devices and %d events", what.devices, what.events)
	key, err := r.deviceKey()
	if err != nil {
		return "", err
	}
	if err := writeFilling(ctx, dir, what, &key.PublicKey); err != nil {
		return "", err
	}
	if r.filled == nil {
		r.filled = make(map[filling]string)
	}
	r.filled[what] = dir
	return dir, nil
}

// Fill writes devices and events into a data directory, which it makes, to try a cloud that large. All devices have one key, which
// nobody has.
func Fill(ctx context.Context, dir string, devices, events int) error {
	key, err := keys.GenerateDeviceRSA()
	if err != nil {
		return err
	}
	return writeFilling(ctx, dir, filling{devices, events}, &key.PublicKey)
}

func writeFilling(ctx context.Context, dir string, what filling, key *rsa.PublicKey) error {
	public, err := keys.NewRSAPublicKey(key)
	if err != nil {
		return err
	}
	s, err := store.Open(dir, store.Options{NoSync: true})
	if err != nil {
		return err
	}
	err = errors.Join(fillDevices(ctx, s.Registry(), what.devices, public), fillEvents(ctx, s.Events(), what.events))
	return errors.Join(err, s.Close())
}

// strangers is where the numbers of devices begin that no fleet has.
const strangers = 1 << 20

func fillDevices(ctx context.Context, registry cloud.Registry, n int, key keys.PublicKey) error {
	owner, err := registry.AddUser(cloud.User{ID: cloud.NewUserID(), Name: user, Admin: true, Created: time.Now()})
	if err != nil {
		return err
	}
	var next, failed atomic.Int64
	var workers sync.WaitGroup
	for range 256 { // the store commits them together
		workers.Go(func() {
			for i := int(next.Add(1)) - 1; i < n && ctx.Err() == nil; i = int(next.Add(1)) - 1 {
				_, err := registry.UpdateDevice(deviceID(strangers+i), func(d *cloud.Device, _ bool) error {
					d.Key, d.Owner, d.Name, d.PlatformID = key, owner.ID, fmt.Sprintf("bench-%d", i), 6
					d.Functions, d.Variables = []string{"led", "mode"}, map[string]string{"temperature": "double"}
					return nil
				})
				if err != nil {
					failed.Add(1)
				}
			}
		})
	}
	workers.Wait()
	if n := failed.Load(); n > 0 {
		return fmt.Errorf("%d devices could not be written", n)
	}
	return ctx.Err()
}

func fillEvents(ctx context.Context, log cloud.Log, n int) error {
	var waiting sync.WaitGroup
	var failed atomic.Int64
	began := time.Now().Add(-time.Duration(n) * time.Millisecond)
	for i := range n {
		if err := log.Admit(ctx); err != nil {
			return err
		}
		at := began.Add(time.Duration(i) * time.Millisecond)
		waiting.Add(1)
		log.Append(&cloud.Event{
			ID: cloud.EventIDAt(at), PublishedAt: cloud.EventIDAt(at).Time(), Name: eventName, Device: deviceID(strangers + i%100),
			Data: stamp{number: uint64(i)}.append(nil), TTL: cloud.DefaultTTL, Private: true, Format: cloud.TextFormat,
		}, func(err error) {
			if err != nil {
				failed.Add(1)
			}
			waiting.Done()
		})
	}
	waiting.Wait()
	if n := failed.Load(); n > 0 {
		return fmt.Errorf("%d events could not be written", n)
	}
	return nil
}
