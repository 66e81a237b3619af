package bench

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"localcloud/coap/virtual"
)

// eventName is the name of the events that are published here.
const eventName = "bench/event"

// flow is devices that publish by the clock: each at its own pace, their
// turns spread evenly.
type flow struct {
	run        *run
	publishers []*member
	rate       float64 // events a second, all together
	acks       bool    // the devices ask for acknowledgements, and do not wait for one before the next event

	sent    []uint64 // by publisher; read when publish has returned
	acked   *latency // from sending to the ACK
	refused atomic.Uint64
	failed  atomic.Uint64 // not acknowledged
	last    atomic.Pointer[error]
}

func (r *run) newFlow(publishers []*member, rate int, acks bool) *flow {
	return &flow{
		run: r, publishers: publishers, rate: float64(rate), acks: acks,
		sent: make([]uint64, len(publishers)), acked: newLatency(),
	}
}

// publish publishes for d, or until ctx ends, and returns after that when all acknowledgements have come.
func (f *flow) publish(ctx context.Context, phase uint64, d time.Duration) {
	var all sync.WaitGroup
	began := time.Now()
	every := time.Duration(float64(len(f.publishers)) / f.rate * float64(time.Second))
	for i, m := range f.publishers {
		first := began.Add(every * time.Duration(i) / time.Duration(len(f.publishers)))
		all.Go(func() { f.pace(ctx, &publisher{flow: f, member: m, phase: phase}, first, began.Add(d), every) })
	}
	wait(ctx, d)
	all.Wait()
}

// pace publishes at fixed times. When the last event held it up, the
// next one counts from when it was due; that a timer rings late counts for nothing.
func (f *flow) pace(ctx context.Context, p *publisher, at, end time.Time, every time.Duration) {
	defer p.waiting.Wait()
	for ; at.Before(end) && ctx.Err() == nil; at = at.Add(every) {
		due := at
		if now := time.Now(); now.Before(at) {
			wait(ctx, at.Sub(now))
			due = time.Now()
		}
		p.publish(ctx, due)
	}
}

// publisher is one device of a flow, for one goroutine.
type publisher struct {
	flow    *flow
	member  *member
	phase   uint64
	number  uint64
	waiting sync.WaitGroup // for acknowledgements
}

// publish sends the next event, which was due then, and reports whether it was taken.
func (p *publisher) publish(ctx context.Context, due time.Time) bool {
	f := p.flow
	s := stamp{phase: p.phase, device: p.member.index, number: p.number + 1, sent: due.Sub(f.run.epoch)}
	ev := virtual.Event{Name: eventName, Data: s.append(nil), Private: true, WithAck: f.acks}
	var err error
	if f.acks {
		err = p.post(ctx, ev, due)
	} else {
		err = p.member.device.Publish(context.WithoutCancel(ctx), ev) // else it might be sent and not counted
	}
	if err != nil {
		f.refused.Add(1)
		f.last.Store(&err)
		return false
	}
	p.number++
	f.sent[p.member.index] = p.number
	return true
}

// post sends an event and returns when it is on its way; somebody else waits for the ACK.
func (p *publisher) post(ctx context.Context, ev virtual.Event, due time.Time) error {
	posted := make(chan struct{})
	refused := make(chan error, 1)
	p.waiting.Go(func() {
		onWay := false
		err := p.member.device.Publish(&watched{Context: context.WithoutCancel(ctx), looked: func() {
			onWay = true
			close(posted)
		}}, ev)
		switch {
		case !onWay:
			refused <- err
		case err != nil:
			p.flow.failed.Add(1)
			p.flow.last.Store(&err)
		default:
			p.flow.acked.record(time.Since(due))
		}
	})
	select {
	case <-posted:
		return nil
	case err := <-refused:
		return err
	}
}

// watched is a context that tells when somebody begins to wait for its end.
// Device.Publish does so when the event has its place among those to send, and
// not before: so events stay in order though nobody waits for their ACKs.
type watched struct {
	context.Context
	looked func() // called once
}

// Done implements context.Context.
func (w *watched) Done() <-chan struct{} {
	if w.looked != nil {
		w.looked()
		w.looked = nil
	}
	return w.Context.Done()
}

// total is how many events were sent.
func (f *flow) total() (n uint64) {
	for _, sent := range f.sent {
		n += sent
	}
	return n
}

// addFailures records what was not taken.
func (r *run) addFailures(f *flow) {
	r.add("not taken or not acknowledged", float64(f.refused.Load()+f.failed.Load()), "events", aim("<=", 0))
	if err := f.last.Load(); err != nil {
		r.note("%s: an event was not taken: %v", r.name, *err)
	}
}
