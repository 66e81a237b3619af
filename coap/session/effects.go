package session

import (
	"context"
	"fmt"
	"strings"

	"localcloud/cloud"
	"localcloud/coap"
	"localcloud/keys"
)

// apply carries out one effect. It may block on the registry and on a full
// queue to the log, which slows this device alone. An error ends the connection.
func (d *Device) apply(ctx context.Context, e Effect) error {
	switch e := e.(type) {
	case Arrived:
		return d.arrive(ctx, e.Hello)
	case Described:
		d.describe(e)
	case Subscribed:
		d.presence.Want(filters(e.Subscriptions))
	case Published:
		d.publish(ctx, e)
	case ClaimShown:
		d.claim(e.Code)
	case Left:
		return fmt.Errorf("the device said goodbye: %s", e.Goodbye.Cloud)
	}
	return nil
}

// arrive stores what Hello said and takes the device online. A second Hello
// in one connection empties its subscriptions, and is stored only if it says something new.
func (d *Device) arrive(ctx context.Context, h coap.Hello) error {
	if d.presence != nil {
		d.presence.Want(nil)
		before := d.record()
		if next := before; !sameHello(recordHello(&next, h), before) {
			d.keep(func(r *cloud.Device) { recordHello(r, h) })
		}
		return nil
	}
	address, ours := d.link.RemoteAddr().String(), hostOf(d.link.LocalAddr().String())
	record, err := d.update(func(r *cloud.Device) {
		recordHello(r, h)
		r.LastHandshake, r.LastHeard, r.LastAddress = d.LastHeard(), d.LastHeard(), address
		r.ServerAddress = ours
		recordServerKey(r, d.link)
	})
	switch {
	case cloud.KindOf(err) == cloud.NotExist:
		return err // removed since it was let in
	case err != nil: // such as a full disk, which keeps nobody offline
		d.log().Warn("device's record not stored", "err", err)
		record = d.record()
	}
	d.presence = d.home.hub.Arrive(ctx, cloud.Arrival{Conn: d, Device: record, Address: address, Begun: d.begun})
	d.log().Info("device online", "address", address, "platform", cloud.PlatformName(record.PlatformID),
		"system", record.SystemVersion)
	return nil
}

// recordHello puts what Hello says of the device into its record.
func recordHello(r *cloud.Device, h coap.Hello) cloud.Device {
	r.PlatformID, r.ProductID, r.ProductVersion = platformOf(h), int(h.ProductID), int(h.ProductVersion)
	r.SystemVersion = ""
	if h.HasSystem {
		r.SystemVersion = coap.SystemVersionString(h.SystemVersion)
	}
	r.SafeMode = false
	return *r
}

func sameHello(a, b cloud.Device) bool {
	return a.PlatformID == b.PlatformID && a.ProductID == b.ProductID && a.ProductVersion == b.ProductVersion &&
		a.SystemVersion == b.SystemVersion && a.SafeMode == b.SafeMode
}

func platformOf(h coap.Hello) int {
	if h.HasPlatform {
		return int(h.PlatformID)
	}
	return 0 // only a Core is that old
}

// recordDescribe puts what a device can do into a copy of its record, which may share what did not change.
func recordDescribe(record cloud.Device, e Described) cloud.Device {
	desc, next := e.Describe, record
	if desc.HasApplication {
		next.Functions = append([]string{}, desc.Functions...)
		next.Variables = make(map[string]string, len(desc.Variables))
		for name, kind := range desc.Variables {
			next.Variables[name] = kind.String()
		}
	}
	if desc.HasSystem {
		next.AppHash, next.IMEI, next.ICCID = desc.AppHash(), desc.IMEI, desc.ICCID
	}
	if desc.Modules != nil {
		next.Modules = modules(desc.Modules)
	}
	return next
}

// maxModules bounds what is kept of a device's modules; no board has as many places for them.
const maxModules = 32

// modules returns what the registry keeps of a device's modules. Places that hold nothing are left out.
func modules(list []coap.Module) []cloud.Module {
	kept := []cloud.Module{}
	for _, m := range list {
		if m.Function == coap.ModuleNone || len(kept) == maxModules {
			continue
		}
		place := m.Location.String()
		if place == coap.LocationMain.String() {
			place = ""
		}
		kept = append(kept, cloud.Module{Function: m.Function.String(), Index: int(m.Index), Version: int(m.Version), Place: place, Damaged: !m.Valid()})
	}
	return kept
}

// describe stores what the device can do, if it is new.
func (d *Device) describe(e Described) {
	desc := e.Describe
	if desc.HasMetrics {
		d.presence.Throttled(throttled(desc.Metrics))
		d.presence.Measured(figures(desc.Metrics))
	}
	before := d.record()
	next := recordDescribe(before, e)
	if sameDescribe(next, before) {
		return
	}
	d.keep(func(r *cloud.Device) {
		r.Functions, r.Variables = next.Functions, next.Variables
		r.AppHash, r.IMEI, r.ICCID, r.Modules = next.AppHash, next.IMEI, next.ICCID, next.Modules
	})
}

// publish hands an event to the Hub; it is acknowledged when it is committed. A
// device that publishes faster than the disk takes it waits here, and slows itself only.
func (d *Device) publish(ctx context.Context, p Published) {
	if p.Event.Name == "spark/device/safemode" && !d.record().SafeMode {
		d.keep(func(r *cloud.Device) { r.SafeMode = true })
	}
	ev := eventOf(p)
	if !d.awaitRoom() {
		return
	}
	err := d.presence.Publish(ctx, ev, func(err error) { d.committed(p, err) })
	if err == nil {
		return
	}
	d.mu.Lock()
	d.leaveRoomLocked()
	d.mu.Unlock()
	d.log().Debug("event refused", "event", &ev, "err", err)
	if p.Confirmable {
		d.session.Acknowledge(p.Message, err)
	}
}

// eventOf is a published event as the Hub has it.
func eventOf(p Published) cloud.Event {
	ev := cloud.Event{
		Name: p.Event.Name, Data: p.Event.Data, TTL: cloud.DefaultTTL, Private: p.Event.Private, Format: p.Event.ContentFormat,
		Patient: !p.Confirmable,
	}
	if p.Event.HasTTL {
		ev.TTL = p.Event.TTL
	}
	return ev
}

// filters translates subscriptions into what the Hub understands. A device id
// that is none, since old firmware cut it off, matches nothing.
func filters(subs []coap.Subscription) []cloud.DeviceFilter {
	var out []cloud.DeviceFilter
	for _, s := range subs {
		f := cloud.DeviceFilter{Prefix: s.Prefix, Mine: s.MyDevices}
		if s.DeviceID != "" {
			id, err := keys.ParseDeviceID(s.DeviceID)
			if err != nil {
				continue
			}
			f.From = id
		}
		out = append(out, f)
	}
	return out
}

// figures returns the diagnostics by the names of cloud.Vitals, those that the device could tell.
func figures(metrics coap.Metrics) map[string]float64 {
	named := make(map[string]float64, len(metrics))
	for _, m := range metrics {
		name := m.Vital()
		if name == "" {
			name = strings.ReplaceAll(m.Name(), ":", ".")
		}
		if name != "" && !m.Failed {
			named[name] = m.Number()
		}
	}
	return named
}

// metricThrottled counts the publishes that Device OS itself refused (pub:throttle).
const metricThrottled = 20

func throttled(metrics coap.Metrics) uint64 {
	for _, m := range metrics {
		if m.ID == metricThrottled && !m.Failed {
			return uint64(m.Value)
		}
	}
	return 0
}
