package store

import (
	"bytes"
	"errors"

	"localcloud/cloud"
	"localcloud/keys"
)

// The states of links lie in the log's database, so that the counters of one go into the same commit as the event that
// they belong to. A log that is set aside costs each device over UDP one handshake.
//
// A state that is old is worse than none: numbers that were used once would be used again, and records that came once
// would be taken again. So states lie there only where every commit is synced (mode disk), and are dropped when the data
// directory was in use elsewhere or in another mode meanwhile, or is a copy. In the other modes they are kept from a stop to the
// next start, see parked; when the owner chooses another mode they go along.
const (
	prefixSecrets  = 'l'
	prefixCounters = 'c'
)

func linkKey(prefix byte, id keys.DeviceID) []byte { return append([]byte{prefix}, id[:]...) }

var errNotKept = errors.New("nothing outlives a store in memory")

// KeepsLinks implements cloud.Links.
func (l *Log) KeepsLinks() cloud.Keeping {
	switch {
	case l.mode.kind == modeDisk:
		return cloud.KeptAlways
	case l.parked != nil:
		return cloud.KeptAtStop
	}
	return cloud.KeptNever
}

// KeepLink implements cloud.Links.
func (l *Log) KeepLink(state cloud.LinkState, done func(error)) {
	switch l.KeepsLinks() {
	case cloud.KeptAlways:
		ops := []op{{linkKey(prefixCounters, state.Device), state.Counters}}
		if state.Secrets != nil {
			ops = append(ops, op{linkKey(prefixSecrets, state.Device), state.Secrets})
		}
		l.keep(ops, done)
	case cloud.KeptAtStop:
		l.parked.keep(state)
		go done(nil)
	default:
		go done(cloud.E("link", cloud.Unsupported, errNotKept))
	}
}

// ForgetLink implements cloud.Links.
func (l *Log) ForgetLink(id keys.DeviceID) {
	switch l.KeepsLinks() {
	case cloud.KeptAlways:
		l.keep([]op{{key: linkKey(prefixCounters, id)}, {key: linkKey(prefixSecrets, id)}}, func(error) {})
	case cloud.KeptAtStop:
		l.parked.forget(id)
	}
}

func (l *Log) keep(ops []op, done func(error)) {
	if err := l.enqueue(waiting{ops: ops, done: done}); err != nil {
		go done(err)
	}
}

// EachLink implements cloud.Links. The state is yield's to keep.
func (l *Log) EachLink(yield func(cloud.LinkState) bool) error {
	switch l.KeepsLinks() {
	case cloud.KeptNever:
		return nil
	case cloud.KeptAtStop:
		l.parked.each(yield)
		return nil
	}
	return l.eachStored(yield)
}

// eachStored yields the states that lie in the database.
func (l *Log) eachStored(yield func(cloud.LinkState) bool) error {
	counters := make(map[keys.DeviceID][]byte)
	err := l.db.scan([]byte{prefixCounters}, nil, func(key, value []byte) bool {
		if len(key) == 1+len(keys.DeviceID{}) {
			counters[keys.DeviceID(key[1:])] = bytes.Clone(value)
		}
		return true
	})
	if err != nil {
		return failure("links", err)
	}
	err = l.db.scan([]byte{prefixSecrets}, nil, func(key, value []byte) bool {
		if len(key) != 1+len(keys.DeviceID{}) {
			return true
		}
		id := keys.DeviceID(key[1:])
		return yield(cloud.LinkState{Device: id, Secrets: bytes.Clone(value), Counters: counters[id]})
	})
	return failure("links", err)
}

// adoptLinks puts states into the database that were kept elsewhere.
func (l *Log) adoptLinks(states []cloud.LinkState) error {
	var ops []op
	for _, s := range states {
		ops = append(ops, op{linkKey(prefixCounters, s.Device), s.Counters}, op{linkKey(prefixSecrets, s.Device), s.Secrets})
	}
	return commitInParts(l.commit, ops)
}

// dropLinks removes all states from the database.
func (l *Log) dropLinks() error {
	var ops []op
	for _, prefix := range []byte{prefixSecrets, prefixCounters} {
		err := l.db.scan([]byte{prefix}, nil, func(key, _ []byte) bool {
			ops = append(ops, op{key: bytes.Clone(key)})
			return true
		})
		if err != nil {
			return err
		}
	}
	return commitInParts(l.commit, ops)
}

var _ cloud.Links = (*Log)(nil)
