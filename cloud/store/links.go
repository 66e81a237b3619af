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
// would be taken again. So states are kept only where every commit is synced (mode disk), and dropped when the data
// directory was in use elsewhere or in another mode meanwhile, or is a copy.
const (
	prefixSecrets  = 'l'
	prefixCounters = 'c'
)

func linkKey(prefix byte, id keys.DeviceID) []byte { return append([]byte{prefix}, id[:]...) }

var errNotKept = errors.New("links are kept only where events are synced before they are acknowledged")

// KeepsLinks implements cloud.Links.
func (l *Log) KeepsLinks() bool { return l.mode.kind == modeDisk }

// KeepLink implements cloud.Links.
func (l *Log) KeepLink(state cloud.LinkState, done func(error)) {
	ops := []op{{linkKey(prefixCounters, state.Device), state.Counters}}
	if state.Secrets != nil {
		ops = append(ops, op{linkKey(prefixSecrets, state.Device), state.Secrets})
	}
	l.keep(ops, done)
}

// ForgetLink implements cloud.Links.
func (l *Log) ForgetLink(id keys.DeviceID) {
	l.keep([]op{{key: linkKey(prefixCounters, id)}, {key: linkKey(prefixSecrets, id)}}, func(error) {})
}

func (l *Log) keep(ops []op, done func(error)) {
	var err error = cloud.E("link", cloud.Unsupported, errNotKept)
	if l.KeepsLinks() {
		err = l.enqueue(waiting{ops: ops, done: done})
	}
	if err != nil {
		go done(err)
	}
}

// EachLink implements cloud.Links. The state is yield's to keep.
func (l *Log) EachLink(yield func(cloud.LinkState) bool) error {
	if !l.KeepsLinks() {
		return nil
	}
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

// dropLinks removes all states.
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
