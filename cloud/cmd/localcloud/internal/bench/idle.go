package bench

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// calmTime is how long devices are left alone until they count as idle: by then they have said all that boards say at first,
// and the cloud has stored it and cleaned up behind them.
const calmTime = 20 * time.Second

// idle measures devices that stay connected and say nothing but their pings,
// one in 15 s, or in 25 s over UDP.
func idle(ctx context.Context, r *run) error {
	c, err := r.cloud(ctx)
	if err != nil {
		return err
	}
	f, err := r.fleet(ctx, c, r.devices(1000))
	if err != nil {
		return errors.Join(err, c.close())
	}
	if c, err = r.again(ctx, c); err != nil {
		return err
	}
	defer c.close()
	f.cloud = c
	span := c.begin()
	wait(ctx, 2*time.Second)
	alone := span.end()
	r.progress("%d devices connect", len(f.members))
	defer f.disconnect()
	if err := f.connect(ctx, window); err != nil {
		return err
	}
	wait(ctx, calmTime)
	r.progress("idle")
	span = c.begin()
	pings, most := 16*time.Second, 8192.0
	if r.UDP {
		pings, most = 52*time.Second, 3072
	}
	wait(ctx, r.duration(pings))
	s := span.end()
	n := float64(len(f.members))
	if s.err != nil {
		r.lack("memory per idle device", "bytes", errUnmeasured.Error())
		r.lack("CPU while idle", "% of a core", errUnmeasured.Error())
	} else {
		r.add(fmt.Sprintf("memory per idle device, of %.0f", n), float64(s.rss-alone.rss)/n, "bytes", aim("<=", most))
		r.add("of it no pages of files", float64(s.own-alone.own)/n, "bytes", nil)
		r.add("memory before they came", float64(alone.rss)/1e6, "MB", nil)
		r.add("CPU while idle", 100*s.server.Seconds()/s.elapsed.Seconds(), "% of a core", aim("<=", 5))
		r.add("CPU before they came", 100*alone.server.Seconds()/alone.elapsed.Seconds(), "% of a core", nil)
		r.add("written to disk while idle", float64(s.written)/s.elapsed.Seconds(), "bytes/s", nil)
	}
	r.addTrouble(f)
	return nil
}
