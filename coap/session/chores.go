package session

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"time"

	"localcloud/cloud"
	"localcloud/coap"
	"localcloud/keys"
)

// chore is something that may wait for the disk or for a queue. A peer's chores are done in order, by a goroutine that
// exists only while there are any; its shard goes on meanwhile.
type chore func(ctx context.Context)

// maxChores bounds what waits for a peer's chores. A device that makes more work than the disk can do is dropped: it
// comes again.
const maxChores = 256

// later has a chore done.
func (p *Peer) later(c chore) {
	p.mu.Lock()
	defer p.mu.Unlock()
	q := p.queuesLocked()
	q.chores = append(q.chores, c)
	if !p.working {
		p.working = true
		p.peers.chores.Go(p.work)
	}
}

func (p *Peer) overworked() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.waiting != nil && len(p.waiting.chores) >= maxChores
}

func (p *Peer) work() {
	for {
		p.mu.Lock()
		var chores []chore
		if q := p.waiting; q != nil {
			chores, q.chores = q.chores, nil
			if q.areEmpty() {
				p.waiting = nil
			}
		}
		p.working = len(chores) > 0
		p.mu.Unlock()
		if len(chores) == 0 {
			return
		}
		for _, c := range chores {
			c(p.peers.ctx)
		}
	}
}

// apply carries out one effect: at once what can be done at once.
func (p *Peer) apply(now time.Time, e Effect) {
	if p.overworked() {
		p.close(fmt.Errorf("%d things of this device wait for the disk", maxChores), false)
		return
	}
	switch e := e.(type) {
	case Asked:
		p.asked(now, e.Device)
	case Arrived:
		if !p.keeping.settle {
			p.beginSaving()
		}
		p.later(func(ctx context.Context) { p.arrive(ctx, e.Hello) })
	case Returned:
		subs := p.session.Subscriptions()
		p.later(func(ctx context.Context) { p.returned(ctx, subs) })
	case Described:
		if e.Describe.HasApplication || e.Describe.HasSystem { // diagnostics are no part of what is stored
			p.keeping.dirty = true
		}
		p.later(func(context.Context) { p.describe(e) })
	case Subscribed:
		p.keeping.dirty = true
		p.later(func(context.Context) {
			if p.presence != nil {
				p.presence.Want(filters(e.Subscriptions))
			}
		})
	case Published:
		p.published(now, e)
	case ClaimShown:
		p.later(func(context.Context) { p.claim(e.Code) })
	case Left:
		p.keeping.behind = lagMost // who sends it again takes a device offline
		p.later(func(ctx context.Context) { p.away(ctx, fmt.Errorf("the device said goodbye: %s", e.Goodbye.Cloud)) })
	case Silent:
		p.later(func(ctx context.Context) { p.away(ctx, ErrSilent) })
	}
}

// asked decides about a Hello: at once when the registry has this id with this key, which takes no disk.
func (p *Peer) asked(now time.Time, id keys.DeviceID) {
	key := p.channel.PeerKey()
	if record, ok := p.peers.cfg.Registry.Device(id); ok && record.Key.Equal(key) {
		p.admit(now, record)
		return
	}
	p.later(func(context.Context) {
		_, reason := cloud.Admit(p.peers.cfg.Registry, id, key)
		record, _ := p.peers.cfg.Registry.Device(id)
		_ = p.do(func(now time.Time) { // a peer that was closed asks again, with another session
			if reason != "" {
				p.session.Refuse()
				p.knock(id, reason)
				return
			}
			p.admit(now, record)
		})
	})
}

// admit acknowledges a Hello, if it still is what the device said last.
func (p *Peer) admit(now time.Time, record cloud.Device) {
	if !p.session.asks(record.ID) {
		return
	}
	p.device = record.ID
	p.channel.Bind(record.ID, record.Key)
	replaces := p.peers.admit(p, record.ID)
	p.keeping.settle = !replaces && p.peers.keeps() == cloud.KeptAlways
	p.session.Admit(now, Config{Device: record.ID, Name: record.Name, IP: p.channel.RemoteAddr().Addr().String()})
}

// knock tells the owner of a device that was not let in.
func (p *Peer) knock(id keys.DeviceID, reason keys.Reason) {
	key := p.channel.PeerKey()
	k := keys.Knock{
		ID: id, Key: key, Fingerprint: key.Fingerprint(), Address: p.channel.RemoteAddr().String(), Transport: "udp",
		Step: keys.StepHello, Reason: reason,
	}
	what, next := k.Explain()
	p.peers.cfg.Logger.Warn("device not let in", "device", id, "address", k.Address, "reason", string(reason), "what", what, "next", next)
	if p.peers.cfg.Knock != nil {
		p.peers.cfg.Knock(k)
	}
}

// arrive stores what Hello said and takes the device online. A second Hello in one session empties its
// subscriptions, and is stored only if it says something new.
func (p *Peer) arrive(ctx context.Context, h coap.Hello) {
	id := keys.DeviceID(h.DeviceID)
	if p.presence != nil {
		p.presence.Want(nil)
		was := p.record()
		if next := was; !sameHello(recordHello(&next, h), was) {
			p.keep(func(r *cloud.Device) { recordHello(r, h) })
		}
		return
	}
	address, ours := p.channel.RemoteAddr().String(), knownHost(p.channel.LocalAddr())
	err := p.update(func(r *cloud.Device) {
		recordHello(r, h)
		r.LastHandshake, r.LastHeard, r.LastAddress = p.LastHeard(), p.LastHeard(), address
		r.ServerAddress = ours
		recordServerKey(r, p.channel)
	})
	switch {
	case cloud.KindOf(err) == cloud.NotExist:
		p.Close(err) // removed since it was let in
		return
	case err != nil: // such as a full disk, which keeps nobody offline
		p.peers.cfg.Logger.Warn("device's record not stored", "device", id, "err", err)
	}
	p.online(ctx, p.start(), nil)
}

// knownHost returns the host of one of our addresses, "" when all that is known is that the socket listens on all of them.
func knownHost(a net.Addr) string {
	host := hostOf(a.String())
	if ip, err := netip.ParseAddr(host); err == nil && ip.IsUnspecified() {
		return ""
	}
	return host
}

// returned takes a device online that went on with its session, if it is still the device that we know.
func (p *Peer) returned(ctx context.Context, subs []coap.Subscription) {
	record, ok := p.peers.cfg.Registry.Device(p.device)
	switch {
	case p.presence != nil:
		return
	case !ok || !record.Key.Equal(p.channel.PeerKey()):
		p.Close(cloud.Errorf("", cloud.NotExist, "the device is not registered with this key any more"))
		return
	}
	p.online(ctx, time.Now(), subs)
}

func (p *Peer) online(ctx context.Context, begun time.Time, subs []coap.Subscription) {
	address := p.channel.RemoteAddr().String()
	record := p.record()
	p.presence = p.peers.cfg.Hub.Arrive(ctx, cloud.Arrival{Conn: p, Device: record, Address: address, Begun: begun})
	if len(subs) > 0 {
		p.presence.Want(filters(subs))
	}
	p.peers.cfg.Logger.Info("device online", "device", p.device, "address", address, "transport", "udp",
		"platform", cloud.PlatformName(record.PlatformID), "system", record.SystemVersion)
}

// away takes the device offline.
func (p *Peer) away(_ context.Context, reason error) {
	if p.presence == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), writeTimeout)
	defer cancel()
	p.presence.Leave(ctx)
	p.presence = nil
	p.peers.cfg.Logger.Info("device offline", "device", p.device, "reason", reason)
	heard := p.LastHeard()
	p.keep(func(r *cloud.Device) {
		if heard.After(r.LastHeard) { // a newer session may have been first
			r.LastHeard = heard
		}
	})
}

// record returns what the registry has of the device. It is not kept: most devices are connected for weeks and say little.
func (p *Peer) record() cloud.Device {
	record, _ := p.peers.cfg.Registry.Device(p.device)
	record.ID = p.device
	return record
}

// keep changes the device's record, if the device is still there.
func (p *Peer) keep(change func(*cloud.Device)) {
	if err := p.update(change); err != nil && cloud.KindOf(err) != cloud.NotExist { // a removed device has none
		p.peers.cfg.Logger.Warn("device's record not stored", "device", p.device, "err", err)
	}
}

func (p *Peer) update(change func(*cloud.Device)) error {
	_, err := p.peers.cfg.Registry.UpdateDevice(p.device, func(r *cloud.Device, exists bool) error {
		if !exists {
			return cloud.Errorf("record", cloud.NotExist, "the device is not registered any more")
		}
		change(r)
		return nil
	})
	return err
}

// describe stores what the device can do, if it is new.
func (p *Peer) describe(e Described) {
	desc := e.Describe
	if desc.HasMetrics && p.presence != nil {
		p.presence.Throttled(throttled(desc.Metrics))
		p.presence.Measured(figures(desc.Metrics))
	}
	was := p.record()
	next := recordDescribe(was, e)
	if sameDescribe(next, was) {
		return
	}
	p.keep(func(r *cloud.Device) {
		r.Functions, r.Variables = next.Functions, next.Variables
		r.AppHash, r.IMEI, r.ICCID, r.Modules = next.AppHash, next.IMEI, next.ICCID, next.Modules
	})
}

// published has an event taken in. It is acknowledged when it is committed; when too many wait for the disk, the device is
// left to send it again.
func (p *Peer) published(now time.Time, e Published) {
	if p.pending.Load() >= maxUncommitted {
		p.session.Unanswered(e.Message)
		return
	}
	p.pending.Add(1)
	if p.keeping.settle {
		p.beginSaving()
		p.save(now) // before the event, which is acknowledged only if its session outlives a crash
	}
	var link []byte
	var limit uint64
	if p.keeping.begun {
		link, limit = p.counters(int(e.Message))
		p.keeping.behind = 0
	}
	p.later(func(ctx context.Context) { p.publish(ctx, e, link, limit) })
}

// publish hands an event to the Hub. The counters of the link are stored in one step with it.
func (p *Peer) publish(ctx context.Context, e Published, link []byte, limit uint64) {
	if p.presence == nil { // a device whose record is gone
		p.committed(e, cloud.E("publish", cloud.Permission, ErrClosed))
		return
	}
	if e.Event.Name == "spark/device/safemode" && !p.record().SafeMode {
		p.keep(func(r *cloud.Device) { r.SafeMode = true })
	}
	ev := eventOf(e)
	ev.Link, ev.Patient = link, ev.Patient && link == nil
	err := p.presence.Publish(ctx, ev, func(err error) {
		if err == nil && link != nil {
			p.channel.Limit(limit)
		}
		p.committed(e, err)
	})
	if err != nil {
		p.committed(e, err)
	}
}

// committed notes the fate of a publish for the shard.
func (p *Peer) committed(e Published, err error) {
	p.pending.Add(-1)
	if !e.Confirmable {
		return
	}
	p.mu.Lock()
	q := p.queuesLocked()
	q.acks = append(q.acks, verdict{e.Message, err})
	p.mu.Unlock()
	p.wake()
}

// claim gives the device to the user whose claim code it shows; see Device.claim.
func (p *Peer) claim(code cloud.ClaimCode) {
	_, told := redeem(p.peers.cfg.Hub, p.peers.cfg.Registry, p.peers.cfg.Logger.With("device", p.device), code, p.device)
	if told {
		_ = p.do(func(time.Time) { p.session.Claimed() })
	}
}
