package bench

import (
	"context"
	"runtime"
	"time"
)

// handshake measures devices that connect, a few at a time, up to being online.
func handshake(ctx context.Context, r *run) error {
	c, err := r.cloud(ctx)
	if err != nil {
		return err
	}
	defer c.close()
	f, err := r.fleet(ctx, c, r.devices(400))
	if err != nil {
		return err
	}
	defer f.disconnect()
	before, err := r.rsaTime(ctx, runtime.GOMAXPROCS(0))
	if err != nil {
		return err
	}
	r.progress("%d devices connect", len(f.members))
	span := c.begin()
	if err := f.connect(ctx, window); err != nil {
		return err
	}
	s := span.end()
	after, err := r.rsaTime(ctx, runtime.GOMAXPROCS(0))
	if err != nil {
		return err
	}
	n := float64(len(f.members))
	rsa := (before + after) / 2
	cores := float64(runtime.GOMAXPROCS(0))
	r.add("connections", n/s.elapsed.Seconds(), "/s",
		ceilingOf(">=", cores*float64(time.Second)/float64(rsa), "RSA alone on all cores"))
	r.addCPU(s, n, "connection", ceilingOf("<=", micros(rsa), "its RSA"))
	if s.err == nil {
		r.add("RSA's part of the server's CPU", n*float64(rsa)/float64(s.server), "", aim(">=", 0.9))
	}
	r.add("devices' CPU per connection", micros(s.ours)/n, "µs", nil)
	r.addLatency("server's Hello after the device's", f.tally.answer, nil, nil)
	r.addTrouble(f)
	return nil
}

// addSurprises is addTrouble where none is expected.
func (r *run) addSurprises(f *fleet) {
	if f.tally.lastError() != nil || f.tally.dropped.Load() > 0 {
		r.addTrouble(f)
	}
}

// addTrouble records connections that were not made or not kept.
func (r *run) addTrouble(f *fleet) {
	t := &f.tally
	r.add("attempts that failed", float64(t.noHello.Load()+t.broken.Load()), "times", aim("<=", 0))
	r.add("connections lost", float64(t.dropped.Load()), "times", aim("<=", 0))
	if err := t.lastError(); err != nil {
		r.note("%s: a device could not connect: %v", r.name, err)
	}
}
