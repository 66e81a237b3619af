package bench

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"
)

// startUp measures how long a server takes until it serves, and its memory then.
func startUp(ctx context.Context, r *run) error {
	dir, err := r.tempDir()
	if err != nil {
		return err
	}
	if err := r.starts(ctx, dir, "empty"); err != nil {
		return err
	}
	what := filling{devices: cmp.Or(r.Registered, 10_000), events: cmp.Or(r.Events, 100_000)}
	dir, err = r.fill(ctx, what)
	if err != nil {
		return err
	}
	return r.starts(ctx, dir, fmt.Sprintf("with %d devices and %d events", what.devices, what.events))
}

// startsTaken is how often it is started. The median counts.
const startsTaken = 5

func (r *run) starts(ctx context.Context, dir, what string) error {
	r.progress("starting %s, %d times", what, startsTaken)
	var times []time.Duration
	var last Usage
	var unknown error
	for i := range startsTaken + 1 { // the first one makes the keys, or finds what the filling left unfinished
		c, err := r.Start(ctx, dir)
		if err != nil {
			return err
		}
		wait(ctx, settleTime)
		last, unknown = c.usage()
		if err := c.close(); err != nil {
			return err
		}
		if i > 0 {
			times = append(times, c.Ready)
		}
		if ctx.Err() != nil {
			break
		}
	}
	if len(times) > 0 {
		slices.Sort(times)
		r.add("ready, "+what, micros(times[len(times)/2])/1e3, "ms", nil)
	}
	if unknown != nil {
		r.lack("memory, "+what, "MB", unknown.Error())
		return nil
	}
	r.add("memory, "+what, float64(last.RSS)/1e6, "MB", nil)
	return nil
}

// settleTime is how long a server gets before its memory is looked at.
const settleTime = 500 * time.Millisecond
