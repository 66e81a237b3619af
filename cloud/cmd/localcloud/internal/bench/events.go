package bench

import (
	"context"
	"fmt"
	"time"
)

// events measures the way of events from devices to event streams.
func events(ctx context.Context, r *run) error {
	return r.publishing(ctx, load{
		devices: r.devices(20), rate: r.rate(1000), clients: r.clients(1), acks: r.Confirmable,
		p50: aim("<=", 1), p99: aim("<=", 5),
	})
}

// publish measures how long devices wait for the ACK, which says that the event
// is on disk.
func publish(ctx context.Context, r *run) error {
	return r.publishing(ctx, load{devices: r.devices(100), rate: r.rate(10_000), clients: r.Clients, acks: true, ack99: aim("<=", 25)})
}

// load is what publishing does.
type load struct {
	devices, rate, clients int
	acks                   bool
	p50, p99, ack99        *Reference
}

func (r *run) publishing(ctx context.Context, l load) error {
	c, err := r.cloud(ctx)
	if err != nil {
		return err
	}
	defer c.close()
	f, err := r.online(ctx, c, l.devices)
	if err != nil {
		return err
	}
	defer f.disconnect()
	s, err := r.listen(ctx, c, l.clients)
	if err != nil {
		return err
	}
	defer s.close()
	d := r.duration(5 * time.Second)
	r.progress("%d devices publish %d events/s for %v, %d clients listen", l.devices, l.rate, d, l.clients)
	r.newFlow(f.members, l.rate, l.acks).publish(ctx, r.nextPhase(), min(warmUp, d))

	h := r.newHearing(l.clients, l.devices)
	s.ears.Store(h)
	flow := r.newFlow(f.members, l.rate, l.acks)
	span := c.begin()
	flow.publish(ctx, h.phase, d)
	spent := span.end()
	account := h.drain(ctx, flow.sent)
	r.addPublishing(l, flow, spent)
	if l.clients > 0 {
		r.addLatency("publish to event stream", h.delay, l.p50, l.p99)
		r.addAccount(account)
		r.add("streams that broke", float64(s.broken.Load()), "", aim("<=", 0))
	}
	r.addSurprises(f)
	return nil
}

func (r *run) addPublishing(l load, flow *flow, s spent) {
	n := float64(flow.total())
	kind := "events"
	if l.acks {
		kind = "acknowledged events"
	}
	r.add(fmt.Sprintf("%s of %d devices", kind, l.devices), n/s.elapsed.Seconds(), "/s", aim(">=", 0.95*float64(l.rate)))
	if l.acks {
		r.addLatency("publish to ACK", flow.acked, nil, l.ack99)
	}
	r.addFailures(flow)
	r.addCPU(s, n, "event", nil)
	r.addWritten(s, n, "event")
	r.add("CPU of devices and listeners per event", micros(s.ours)/n, "µs", nil)
}
