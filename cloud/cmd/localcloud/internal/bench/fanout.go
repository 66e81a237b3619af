package bench

import (
	"context"
	"fmt"
	"time"
)

// fanout measures one device's events to many event streams.
func fanout(ctx context.Context, r *run) error {
	c, err := r.cloud(ctx)
	if err != nil {
		return err
	}
	defer c.close()
	clients := r.clients(500)
	if err := allowFiles(2*clients + 100); err != nil {
		return err
	}
	f, err := r.online(ctx, c, 1)
	if err != nil {
		return err
	}
	defer f.disconnect()
	s, err := r.listen(ctx, c, clients)
	if err != nil {
		return err
	}
	defer s.close()
	d := r.duration(4 * time.Second)
	if err := r.steadyFanout(ctx, c, f, s, clients, d); err != nil {
		return err
	}
	before, err := r.rawFanout(ctx, clients, d/2)
	if err != nil {
		return err
	}
	rate, spent := r.fullFanout(ctx, c, f, s, clients, d)
	after, err := r.rawFanout(ctx, clients, d/2)
	if err != nil {
		return err
	}
	r.add(fmt.Sprintf("deliveries to %d clients, as fast as it goes", clients), rate, "/s", ceilingOf(">=", (before+after)/2, "plain writes"))
	r.addCPU(spent, rate*spent.elapsed.Seconds(), "delivery", nil)
	r.add("streams that broke", float64(s.broken.Load()), "", aim("<=", 0))
	return nil
}

// steadyFanout publishes at a rate that leaves the machine time.
func (r *run) steadyFanout(ctx context.Context, c *Cloud, f *fleet, s *streams, clients int, d time.Duration) error {
	rate := r.rate(10)
	r.progress("%d events/s to %d clients for %v", rate, clients, d)
	r.newFlow(f.members, rate, false).publish(ctx, r.nextPhase(), min(warmUp, d))
	h := r.newHearing(clients, 1)
	s.ears.Store(h)
	flow := r.newFlow(f.members, rate, false)
	flow.publish(ctx, h.phase, d)
	account := h.drain(ctx, flow.sent)
	r.addLatency(fmt.Sprintf("publish to each of %d clients, %d events/s", clients, rate), h.delay, nil, nil)
	r.addAccount(account)
	r.addFailures(flow)
	return ctx.Err()
}

// fullFanout publishes the next event when the slowest client is not too far
// behind, and returns deliveries a second.
func (r *run) fullFanout(ctx context.Context, c *Cloud, f *fleet, s *streams, clients int, d time.Duration) (float64, spent) {
	r.progress("as fast as it goes to %d clients for %v", clients, d)
	h := r.newHearing(clients, 1)
	lead := newLead(clients)
	h.arrived = func(e stamp) { lead.arrived(e.number) }
	s.ears.Store(h)
	span := c.begin()
	within, stop := context.WithTimeout(ctx, d)
	defer stop()
	p := &publisher{flow: r.newFlow(f.members, 1, false), member: f.members[0], phase: h.phase}
	for lead.take(within, p.number+1) {
		if !p.publish(within, time.Now()) {
			lead.giveBack()
		}
	}
	spent := span.end()
	got := h.account(p.flow.sent).got
	s.ears.Store(nil)
	return float64(got) / spent.elapsed.Seconds(), spent
}
