package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"localcloud/cloud/api"
)

// selfTest measures what this machine can do, while the cloud runs, when its owner asks in the console. It
// implements api.SelfTest. What it measures with is a cloud of its own, see trialCloud.
type selfTest struct {
	server *server

	mu    sync.Mutex
	state api.SelfTestState
	stop  func() // ends it and waits; nil: none runs
}

const (
	selfTestDevices = 20
	selfTestViewers = 10
	selfTestEvents  = 4 * time.Second  // of publishing
	selfTestDisk    = time.Second      // of writing, at most
	selfTestBound   = 30 * time.Second // of all together, on the slowest machine
)

// State implements api.SelfTest.
func (t *selfTest) State() api.SelfTestState {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.state
}

// Start implements api.SelfTest.
func (t *selfTest) Start() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.stop != nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), selfTestBound)
	ended := make(chan struct{})
	t.stop = func() { cancel(); <-ended }
	t.state = api.SelfTestState{Running: true, Step: "connect", Result: t.state.Result}
	go func() {
		defer close(ended)
		defer cancel()
		result, err := t.run(ctx)
		t.mu.Lock()
		defer t.mu.Unlock()
		t.stop = nil
		t.state = api.SelfTestState{Result: t.state.Result}
		switch {
		case err == nil:
			t.state.Result = result
		case errors.Is(err, context.Canceled):
			t.state.Problem = "it was stopped"
		default:
			t.state.Problem = err.Error()
		}
	}()
	return nil
}

// Stop implements api.SelfTest.
func (t *selfTest) Stop() {
	t.mu.Lock()
	stop := t.stop
	t.mu.Unlock()
	if stop != nil {
		stop()
	}
}

// at notes how far it is.
func (t *selfTest) at(step string, progress float64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.state.Step, t.state.Progress = step, progress
}

func (t *selfTest) run(ctx context.Context) (*api.SelfTestResult, error) {
	r := &api.SelfTestResult{At: time.Now().UTC(), Devices: selfTestDevices, Viewers: selfTestViewers}
	c, err := newTrialCloud(t.server.parts.keyring, selfTestDevices)
	if err != nil {
		return nil, err
	}
	defer c.close()
	began := time.Now()
	err = c.connect(ctx, func(online int) { t.at("connect", 0.2*float64(online)/selfTestDevices) })
	if err != nil {
		return nil, err
	}
	r.Connects = selfTestDevices / time.Since(began).Seconds()

	c.watch(selfTestViewers)
	took := c.publish(ctx, selfTestEvents, func(part float64) { t.at("events", 0.2+0.6*part) })
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	figures := c.figures()
	r.Events, r.Lost = float64(figures.taken)/took.Seconds(), figures.lost
	r.DelayMS, r.Delay99MS = figures.delay(0.5), figures.delay(0.99)

	t.at("disk", 0.8)
	r.DiskSyncMS, err = timeSyncs(ctx, t.server.dir, func(part float64) { t.at("disk", 0.8+0.2*part) })
	return r, err
}

// timeSyncs returns how many ms it takes to have 4 kB on the disk of a directory for certain.
func timeSyncs(ctx context.Context, dir string, progress func(part float64)) (float64, error) {
	const most = 200
	path := filepath.Join(dir, "selftest.tmp")
	f, err := os.OpenFile(path, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return 0, fmt.Errorf("the disk: %w", err)
	}
	defer os.Remove(path)
	defer f.Close()
	block := make([]byte, 4<<10)
	began, n := time.Now(), 0
	for ; n < most && time.Since(began) < selfTestDisk && ctx.Err() == nil; n++ {
		if _, err := f.WriteAt(block, 0); err != nil {
			return 0, fmt.Errorf("the disk: %w", err)
		}
		if err := f.Sync(); err != nil {
			return 0, fmt.Errorf("the disk: %w", err)
		}
		progress(max(float64(n)/most, time.Since(began).Seconds()/selfTestDisk.Seconds()))
	}
	return time.Since(began).Seconds() * 1000 / float64(max(n, 1)), ctx.Err()
}

var _ api.SelfTest = (*selfTest)(nil)
