package bench

import (
	"context"
	"sync"
	"time"
)

// hearing is what all listeners get of one measurement.
type hearing struct {
	run     *run
	phase   uint64
	delay   *latency // from sending to arrival
	ears    []*ear
	arrived func(stamp) // called for each event that an ear gets for the first time; nil: nobody cares
}

// ear is one listener's part.
type ear struct {
	of *hearing

	mu      sync.Mutex
	devices []sequence // by index of the publisher
}

// newHearing begins a measurement with so many listeners and publishers.
func (r *run) newHearing(listeners, publishers int) *hearing {
	h := &hearing{run: r, phase: r.nextPhase(), delay: newLatency()}
	for range listeners {
		h.ears = append(h.ears, &ear{of: h, devices: make([]sequence, publishers)})
	}
	return h
}

// take counts an event that came now, if it is one of this measurement.
func (e *ear) take(data []byte) {
	s, ok := findStamp(data)
	if !ok || s.phase != e.of.phase || s.device >= len(e.devices) {
		return
	}
	e.of.delay.record(e.of.run.sinceEpoch() - s.sent)
	e.mu.Lock()
	isNew := e.devices[s.device].add(s.number)
	e.mu.Unlock()
	if isNew && e.of.arrived != nil {
		e.of.arrived(s)
	}
}

// account is how complete the events came.
type account struct {
	expected, got, lost, twice, disorder uint64
}

// account compares with what each publisher has sent.
func (h *hearing) account(sent []uint64) account {
	var sum account
	for _, e := range h.ears {
		e.mu.Lock()
		for i := range e.devices {
			d := &e.devices[i]
			sum.expected += sent[i]
			sum.got += d.got
			sum.lost += d.lost(sent[i])
			sum.twice += d.twice
			sum.disorder += d.disorder
		}
		e.mu.Unlock()
	}
	return sum
}

// drainTime is how long an event may be late before it is lost.
const drainTime = 5 * time.Second

// drain waits until everybody has everything, or for drainTime.
func (h *hearing) drain(ctx context.Context, sent []uint64) account {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainTime)
	defer cancel()
	for {
		a := h.account(sent)
		if a.lost == 0 || ctx.Err() != nil {
			return a
		}
		wait(ctx, 10*time.Millisecond)
	}
}

// addAccount records it.
func (r *run) addAccount(a account) {
	r.add("lost", float64(a.lost), "events", aim("<=", 0))
	r.add("twice", float64(a.twice), "events", aim("<=", 0))
	r.add("out of order", float64(a.disorder), "events", aim("<=", 0))
}
