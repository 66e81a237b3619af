package session

import (
	"context"
	"encoding/binary"
	"errors"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"localcloud/cloud"
	"localcloud/keys"
)

// How sessions over UDP outlive the program. The state of each is stored:
//
//   - settleTime after its handshake, or with its first event, or at Hello if an older session of the device is stored, and when
//     what it described or subscribed to has changed (all of it);
//   - with each event, in the same commit, before the acknowledgement (the counters);
//   - after lagMost other messages, when it says goodbye, when record numbers run out, and when the cloud stops (the counters).
//
// So after a crash nobody can send an event a second time. What can be sent again are at most the last lagMost
// messages that are no events: pings, questions for the time, acknowledgements, which change nothing.

// Where the owner chose that events are not synced ([cloud.KeptAtStop]) nothing is stored while the cloud runs, and all of it when it
// stops: an orderly restart is not noticed, after a crash each device shakes hands once.

// settleTime is how long after its handshake a session is stored first. By then the device has described itself and subscribed,
// and one write holds it all. After a crash before that nothing is known of the session, so nothing of it can be sent again, and
// the device shakes hands once more.
const settleTime = 2 * time.Second

// lagMost is how many messages of a device that are no events the stored counters may be behind.
const lagMost = 32

// keeping is what a Peer knows of its stored state. Only the shard uses it, other than the atomic ones.
type keeping struct {
	begun  bool        // the state is stored, or on its way there
	settle bool        // it will be, at the end of settleTime
	dirty  bool        // what seldom changes has changed since
	behind uint16      // messages that are in no stored counters; at least that many
	busy   atomic.Bool // a state is on its way
	failed atomic.Bool // one with what seldom changes was not stored
}

// keeps says when states are stored.
func (ps *Peers) keeps() cloud.Keeping {
	if ps.cfg.Links == nil {
		return cloud.KeptNever
	}
	return ps.cfg.Links.KeepsLinks()
}

// settled returns when the state is to be stored first; zero if that is not to come.
func (p *Peer) settled() time.Time {
	if !p.keeping.settle {
		return time.Time{}
	}
	return p.start().Add(settleTime)
}

// save stores the peer's state when it is time to.
func (p *Peer) save(now time.Time) {
	k := &p.keeping
	if k.settle && !now.Before(p.settled()) {
		p.beginSaving()
	}
	if !k.begun || k.busy.Load() {
		return
	}
	all := k.failed.Swap(false) || k.dirty
	if !all && k.behind < lagMost && !p.channel.NeedsReserve() {
		return
	}
	k.dirty = false
	k.busy.Store(true)
	p.saveThen(all, func(err error) {
		if all && err != nil {
			k.failed.Store(true)
		}
		k.busy.Store(false)
	})
}

// beginSaving makes the session one that is stored. From now on it sends only what is reserved.
func (p *Peer) beginSaving() {
	if p.peers.keeps() != cloud.KeptAlways {
		return
	}
	p.keeping.dirty, p.keeping.settle = true, false
	if !p.keeping.begun {
		p.keeping.begun = true
		_, limit := p.channel.Counters(nil)
		p.channel.Limit(limit)
	}
}

// saveThen hands the state to the store, behind all that was handed to it before. done is called by another goroutine.
func (p *Peer) saveThen(all bool, done func(error)) {
	state := cloud.LinkState{Device: p.session.Device()}
	var limit uint64
	state.Counters, limit = p.counters(none)
	if all {
		state.Secrets = appendPart(appendPart(nil, p.channel.Secrets()), p.session.Stored())
	}
	p.keeping.behind = 0
	p.later(func(context.Context) {
		p.peers.cfg.Links.KeepLink(state, func(err error) {
			if err == nil {
				p.channel.Limit(limit)
			}
			done(err)
		})
	})
}

// counters returns what changes with every message, and up to which record number the session may send once that is
// stored. The message counts as acknowledged.
func (p *Peer) counters(message int) (b []byte, limit uint64) {
	link, limit := p.channel.Counters(nil)
	b = appendPart(b, link)
	b = appendPart(b, []byte(p.channel.RemoteAddr().String()))
	return p.session.Counters(b, message), limit
}

// A part is its length, as a varint, and its bytes.
func appendPart(b, part []byte) []byte {
	return append(binary.AppendUvarint(b, uint64(len(part))), part...)
}

func cutPart(b []byte) (part, rest []byte, err error) {
	n, size := binary.Uvarint(b)
	if size <= 0 || n > uint64(len(b)-size) {
		return nil, nil, errStored
	}
	return b[size:][:n:n], b[size:][n:], nil
}

// StoredLink is the link's part of a state.
type StoredLink struct {
	Device            keys.DeviceID
	Address           netip.AddrPort // where the device was last; invalid: unknown
	Secrets, Counters []byte
}

// Restore takes in the sessions that were stored. For each of them it calls resume, which makes its channel and calls open
// with it before anything can come. It returns when all may send. Call it before Run, and before anything can come from devices at all. What is
// damaged is left out: it costs its device a handshake.
func (ps *Peers) Restore(resume func(link StoredLink, open func(Channel) *Peer) error) error {
	if ps.keeps() == cloud.KeptNever {
		return nil
	}
	var reserving sync.WaitGroup
	defer reserving.Wait()
	return ps.cfg.Links.EachLink(func(state cloud.LinkState) bool {
		if err := ps.restore(state, resume, &reserving); err != nil {
			ps.cfg.Logger.Warn("a device's session is not restored", "device", state.Device, "err", err)
			ps.cfg.Links.ForgetLink(state.Device)
		}
		return true
	})
}

func (ps *Peers) restore(
	state cloud.LinkState, resume func(StoredLink, func(Channel) *Peer) error, reserving *sync.WaitGroup,
) error {
	link := StoredLink{Device: state.Device}
	var address, stored []byte
	var errs [4]error
	link.Secrets, stored, errs[0] = cutPart(state.Secrets)
	stored, _, errs[1] = cutPart(stored)
	link.Counters, address, errs[2] = cutPart(state.Counters)
	address, counters, err := cutPart(address)
	errs[3] = err
	if err := errors.Join(errs[:]...); err != nil {
		return err
	}
	link.Address, _ = netip.ParseAddrPort(string(address))
	record, _ := ps.cfg.Registry.Device(state.Device)
	now := time.Now()
	s, err := Resume(now, Config{
		Name: record.Name, IP: link.Address.Addr().String(), Clock: ps.clock, Vitals: vitalsEvery,
	}, stored, counters)
	if err == nil && s.Device() != state.Device {
		err = errStored
	}
	if err != nil {
		return err
	}
	var p *Peer
	err = resume(link, func(c Channel) *Peer {
		p = ps.reopen(c, s, now)
		return p
	})
	if err != nil {
		return err
	}
	if ps.keeps() == cloud.KeptAtStop {
		p.channel.Limit(unlimited) // until the cloud stops nothing of it is stored
		return nil
	}
	p.reserve(reserving)
	return nil
}

// unlimited is more records than a session ever sends.
const unlimited = 1 << 47

// park stores the state when the cloud stops, where that is the only time.
func (p *Peer) park() {
	if p.keeping.settle {
		p.beginSaving()
	}
	switch {
	case p.keeping.begun:
		p.saveThen(p.keeping.dirty, func(error) {})
	case p.peers.keeps() == cloud.KeptAtStop && p.session.greeted && p.peers.isNewest(p):
		p.saveThen(true, func(error) {})
	}
}

// reopen makes the peer of a restored session.
func (ps *Peers) reopen(c Channel, s *Session, now time.Time) *Peer {
	p := ps.newPeer(c, now)
	p.session, p.device = s, s.Device()
	p.keeping.begun = ps.keeps() == cloud.KeptAlways
	ps.mu.Lock()
	ps.all[p] = struct{}{}
	if !s.udp.left {
		ps.restored = append(ps.restored, p)
	}
	ps.mu.Unlock()
	ps.admit(p, s.Device())
	return p
}

// askPause is how far apart restored devices are asked whether they are there.
const askPause = 2 * time.Millisecond

// askRestored asks those that were online when the program ended whether they still are, where they were last. Who does
// not hear it comes online with its next word.
func (ps *Peers) askRestored(ctx context.Context) {
	ps.mu.Lock()
	restored := ps.restored
	ps.restored = nil
	ps.mu.Unlock()
	for _, p := range restored {
		_ = p.do(func(time.Time) { p.session.Nudge() })
		select {
		case <-time.After(askPause):
		case <-ctx.Done():
			return
		}
	}
}

// reserve stores the counters of a restored session, so that it may send.
func (p *Peer) reserve(reserving *sync.WaitGroup) {
	reserving.Add(1)
	id := p.session.Device()
	p.saveThen(false, func(err error) {
		defer reserving.Done()
		if err != nil {
			p.peers.cfg.Logger.Warn("a restored session cannot send", "device", id, "err", err)
		}
	})
}
