package main

import (
	"context"
	"net/netip"

	"localcloud/cloud"
	"localcloud/keys"
	"localcloud/relay"
)

// hubCloud is the cloud of this process, as the relay sees it.
type hubCloud struct{ *parts }

// noticeQueue holds events for the relay while it is busy; when it overflows, the relay begins anew with the next event.
const noticeQueue = 4096

// Events implements relay.Cloud. Events of unclaimed devices are nobody's.
func (h hubCloud) Events(ctx context.Context, prefix string, yield func(relay.Notice)) {
	for ctx.Err() == nil {
		queue := cloud.NewQueue(noticeQueue)
		sub := h.hub.Subscribe(cloud.Filter{AllOwners: true, Prefix: prefix}, queue)
		h.pump(ctx, queue, yield)
		h.hub.Unsubscribe(sub)
	}
}

// pump returns when the queue has overflowed and is empty, or ctx has ended.
func (h hubCloud) pump(ctx context.Context, queue *cloud.Queue, yield func(relay.Notice)) {
	for !queue.Overflowed() || len(queue.C) > 0 {
		select {
		case ev := <-queue.C:
			if ev.Owner == "" {
				continue
			}
			n := relay.Notice{Event: ev.Name, Data: string(ev.Data)}
			if !ev.Device.IsZero() {
				n.Device = ev.Device.String()
			}
			yield(n)
		case <-ctx.Done():
			return
		}
	}
}

// Device implements relay.Cloud.
func (h hubCloud) Device(_ context.Context, name string) (relay.Device, error) {
	if id, err := keys.ParseDeviceID(name); err == nil {
		if d, ok := h.store.Registry().Device(id); ok {
			return h.device(&d), nil
		}
	}
	if name != "" {
		for _, d := range h.store.Registry().DevicesNamed(name) {
			return h.device(&d), nil
		}
	}
	return relay.Device{}, cloud.Errorf("device", cloud.NotExist, "there is no device %q", clean(name))
}

// Devices implements relay.Cloud.
func (h hubCloud) Devices(context.Context) ([]relay.Device, error) {
	var list []relay.Device
	for d := range h.store.Registry().AllDevices() {
		list = append(list, h.device(d))
	}
	return list, nil
}

// device returns what the relay knows of a device; addresses only while it is online.
func (h hubCloud) device(d *cloud.Device) relay.Device {
	out := relay.Device{ID: d.ID.String(), Name: d.Name}
	status := h.hub.Status(d.ID)
	if out.Online = status.Online; !out.Online {
		return out
	}
	if p, err := netip.ParseAddrPort(status.Address); err == nil {
		out.Address = p.Addr().Unmap().WithZone("")
	}
	if a, err := netip.ParseAddr(d.ServerAddress); err == nil {
		out.Ours = a.Unmap()
	}
	return out
}

// Call implements relay.Cloud.
func (h hubCloud) Call(ctx context.Context, id, function, argument string) (int32, error) {
	parsed, err := keys.ParseDeviceID(id)
	if err != nil {
		return 0, cloud.E("call "+function, cloud.Invalid, err)
	}
	return h.hub.Call(ctx, parsed, function, argument)
}

// Access implements relay.Cloud.
func (h hubCloud) Access(secret string) (relay.Access, error) {
	if cloud.Secret(secret).ID() == h.secret.ID() { // digests: their comparison tells nothing
		return relay.Access{Read: true, Write: true, Admin: true, Sees: func(string) bool { return true }}, nil
	}
	a, err := h.accounts.Authenticate(cloud.Secret(secret))
	if err != nil {
		return relay.Access{}, err
	}
	out := relay.Access{
		Read: a.Allows(cloud.ScopeRelayGet), Write: a.Allows(cloud.ScopeRelaySend),
		Admin: a.User.Admin && a.Allows(cloud.ScopeAdmin) && !a.Tied(),
		Sees: func(id string) bool {
			parsed, err := keys.ParseDeviceID(id)
			if err != nil {
				return false
			}
			d, ok := h.store.Registry().Device(parsed)
			return ok && a.Sees(d)
		},
		Hold: func(ctx context.Context) (context.Context, func()) { return h.accounts.Hold(ctx, a.Token) },
	}
	for _, id := range a.OnlyDevices() {
		out.Only = append(out.Only, id.String())
	}
	return out, nil
}
