package bench

import (
	"context"
	"fmt"
	"time"

	"localcloud/coap/virtual"
)

// subscribe measures events from one device to others.
func subscribe(ctx context.Context, r *run) error {
	c, err := r.cloud(ctx)
	if err != nil {
		return err
	}
	defer c.close()
	devices := r.devices(51)
	f, err := r.fleet(ctx, c, max(2, devices))
	if err != nil {
		return err
	}
	h := r.newHearing(len(f.members)-1, 1)
	for i, m := range f.members[1:] {
		err := m.device.Subscribe("bench", virtual.SubscribeOptions{Mine: true}, func(ev virtual.Event) { h.ears[i].take(ev.Data) })
		if err != nil {
			return err
		}
	}
	r.progress("%d devices connect", len(f.members))
	defer f.disconnect()
	if err := f.connect(ctx, window); err != nil {
		return err
	}
	wait(ctx, time.Second) // for their subscriptions to be taken
	rate, d := r.rate(20), r.duration(5*time.Second)
	r.progress("%d events/s to %d devices for %v", rate, len(h.ears), d)
	publisher := f.members[:1]
	r.newFlow(publisher, rate, false).publish(ctx, r.nextPhase(), min(warmUp, d))
	flow := r.newFlow(publisher, rate, false)
	span := c.begin()
	flow.publish(ctx, h.phase, d)
	s := span.end()
	account := h.drain(ctx, flow.sent)
	r.add(fmt.Sprintf("deliveries to %d devices", len(h.ears)), float64(account.got)/s.elapsed.Seconds(), "/s", nil)
	r.addLatency("publish to the other devices' handlers", h.delay, nil, nil)
	r.addAccount(account)
	r.addFailures(flow)
	r.addCPU(s, float64(account.expected), "delivery", nil)
	r.addSurprises(f)
	return nil
}
