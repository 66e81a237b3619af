package bench

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

// records measures what goes through the server's one UDP socket when boards do nothing but ping: the sessions are many, and
// each ping is of another one than that before it. A ping and its answer are two records.
func records(ctx context.Context, r *run) error {
	c, err := r.cloud(ctx)
	if err != nil {
		return err
	}
	defer c.close()
	if c.DialUDP == nil {
		r.note("records was left out: devices cannot connect to this cloud over UDP")
		return nil
	}
	f, err := r.fleetOver(ctx, c, r.devices(1000), true)
	if err != nil {
		return err
	}
	r.progress("%d boards connect", len(f.members))
	boards, err := f.plainBoards(ctx)
	defer func() {
		for _, b := range boards {
			b.nc.Close()
		}
	}()
	if err != nil {
		return err
	}
	r.progress("%d boards ping", len(boards))
	span := c.begin()
	pings, lost := pingAll(ctx, boards, r.inFlight(16), r.duration(5*time.Second))
	s := span.end()
	r.add(fmt.Sprintf("records of %d sessions", len(boards)), 2*pings/s.elapsed.Seconds(), "/s", nil)
	if s.err == nil {
		r.add("records per core of the server", 2*pings/s.server.Seconds(), "/s", nil)
	}
	r.addCPU(s, pings, "ping and its answer", nil)
	r.add("pings without answer", lost, "times", aim("<=", 0))
	return nil
}

// plainBoards connects the devices of a fleet as boards that say Hello and, later, ping.
func (f *fleet) plainBoards(ctx context.Context) ([]*plainBoard, error) {
	var boards []*plainBoard
	for _, m := range f.members {
		b, err := newPlainBoard(ctx, m)
		if err != nil {
			return boards, fmt.Errorf("board %s: %w", m.id, err)
		}
		boards = append(boards, b)
	}
	return boards, nil
}

// pingAll has so many boards at once ping, each of them once in its turn.
func pingAll(ctx context.Context, boards []*plainBoard, atOnce int, d time.Duration) (pings, lost float64) {
	ctx, cancel := context.WithTimeout(ctx, d)
	defer cancel()
	var answered, silent atomic.Int64
	var all sync.WaitGroup
	atOnce = min(atOnce, len(boards))
	for first := range atOnce {
		all.Go(func() {
			for i := first; ctx.Err() == nil; i += atOnce {
				if i >= len(boards) {
					i = first
				}
				if boards[i].ping() == nil {
					answered.Add(1)
				} else {
					silent.Add(1)
				}
			}
		})
	}
	all.Wait()
	return float64(answered.Load()), float64(silent.Load())
}
