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
	work, err := r.arithmetic()
	if err != nil {
		return err
	}
	before, err := work.time(ctx, r, runtime.GOMAXPROCS(0))
	if err != nil {
		return err
	}
	r.progress("%d devices connect", len(f.members))
	span := c.begin()
	if err := f.connect(ctx, window); err != nil {
		return err
	}
	s := span.end()
	after, err := work.time(ctx, r, runtime.GOMAXPROCS(0))
	if err != nil {
		return err
	}
	n := float64(len(f.members))
	least := (before + after) / 2
	cores := float64(runtime.GOMAXPROCS(0))
	r.add("connections", n/s.elapsed.Seconds(), "/s",
		ceilingOf(">=", cores*float64(time.Second)/float64(least), work.name+" alone on all cores"))
	r.addCPU(s, n, "connection", ceilingOf("<=", micros(least), "its "+work.name))
	if s.err == nil {
		r.addShare(work.name, n*float64(least)/float64(s.server), n/s.server.Seconds())
	}
	r.add("devices' CPU per connection", micros(s.ours)/n, "µs", nil)
	r.addAnswer(f)
	r.addTrouble(f)
	return nil
}

// addShare records how much of the server's CPU is arithmetic, and how many connections a core makes.
func (r *run) addShare(arithmetic string, share, perCore float64) {
	if r.UDP {
		r.add(arithmetic+"'s part of the server's CPU", share, "", nil)
		r.add("connections per core", perCore, "/s", aim(">=", 500))
		return
	}
	r.add(arithmetic+"'s part of the server's CPU", share, "", aim(">=", 0.9))
}

// addAnswer records how long devices over TCP waited for the server's Hello; those over UDP are patient.
func (r *run) addAnswer(f *fleet) {
	if !r.UDP {
		r.addLatency("server's Hello after the device's", f.tally.answer, nil, nil)
	}
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
