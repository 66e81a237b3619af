package bench

import (
	"context"
	"fmt"
	"runtime"
	"time"
)

// How long boards wait for the server's Hello after their own, by their
// generation (Device OS communication/src, and spark_protocol.cpp of the Core).
const (
	photonPatience = 4 * time.Second
	corePatience   = 2 * time.Second
)

// storm measures devices that were there before and come back all at once.
func storm(ctx context.Context, r *run) error {
	c, err := r.cloud(ctx)
	if err != nil {
		return err
	}
	defer c.close()
	f, err := r.online(ctx, c, r.devices(400))
	if err != nil {
		return err
	}
	defer f.disconnect()
	f.disconnect()
	if r.UDP {
		f.renew() // as when their sessions are lost: otherwise nobody notices that they were away
	} else {
		c.awaitOffline(ctx)
	}
	f.tally.reset()

	n := len(f.members)
	r.progress("%d devices come back", n)
	span := c.begin()
	if err := f.connect(ctx, n); err != nil {
		return err
	}
	s := span.end()
	floor := ceilingOf("<=", (s.server+s.ours).Seconds()/float64(runtime.GOMAXPROCS(0)), "CPU of server and devices / cores")
	if s.err != nil {
		floor = nil
	}
	r.add(fmt.Sprintf("until all %d devices were online", n), s.elapsed.Seconds(), "s", floor)
	r.addCPU(s, float64(n), "device", nil)
	r.add("attempts per device", float64(f.tally.attempts.Load())/float64(n), "", aim("<=", 1))
	if !r.UDP {
		r.addPatience(f)
	}
	r.addTrouble(f)
	return nil
}

// addPatience records who waited longer for the server's Hello than boards do.
func (r *run) addPatience(f *fleet) {
	r.addAnswer(f)
	gaveUp := f.tally.noHello.Load()
	r.add("missed a Photon's limit of 4 s", float64(gaveUp), "times", aim("<=", 0))
	r.add("would have missed a Core's limit of 2 s", float64(gaveUp+f.tally.answer.above(corePatience)), "times", aim("<=", 0))
}
