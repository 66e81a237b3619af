package store

import (
	"fmt"
	"strings"
	"sync"
	"time"
)

// Mode says what becomes of events, and so what an acknowledgement of one means. The
// zero value is disk. The registry is always synced.
//
//	disk         synced before it is acknowledged
//	interval=D   acknowledged at once, written and synced every D and at Close
//	memory       acknowledged at once, kept in memory only, lost at Close
//	off          acknowledged at once, not kept: who listens gets it, nobody catches up
//
// With all but the first an acknowledgement means "accepted".
type Mode struct {
	kind     modeKind
	interval time.Duration
}

type modeKind uint8

const (
	modeDisk modeKind = iota
	modeInterval
	modeMemory
	modeOff
)

var modeNames = [...]string{modeDisk: "disk", modeInterval: "interval", modeMemory: "memory", modeOff: "off"}

// DefaultMemoryBytes bounds the log when it is kept in memory and the owner says nothing.
const DefaultMemoryBytes int64 = 16 << 20

// ParseMode reads a mode as its owner writes it.
func ParseMode(text string) (m Mode, err error) {
	name, value, given := strings.Cut(text, "=")
	for kind, known := range modeNames {
		if name == known && given == (modeKind(kind) == modeInterval) {
			m.kind = modeKind(kind)
			if given {
				m.interval, err = time.ParseDuration(value)
			}
			if err == nil && (!given || m.interval >= time.Second && m.interval <= time.Hour) {
				return m, nil
			}
		}
	}
	return Mode{}, fmt.Errorf("%q is not a way to keep events: disk, interval=30s (1s to 1h), memory or off", text)
}

// UnmarshalText is ParseMode.
func (m *Mode) UnmarshalText(text []byte) (err error) {
	*m, err = ParseMode(string(text))
	return err
}

// String returns the mode as its owner writes it.
func (m Mode) String() string {
	if m.kind == modeInterval {
		return "interval=" + m.interval.String()
	}
	return modeNames[m.kind]
}

// Acknowledged says what an acknowledgement means: "synced" or "accepted".
func (m Mode) Acknowledged() string {
	if m.kind == modeDisk {
		return "synced"
	}
	return "accepted"
}

// usesDisk reports whether the log's database is opened at all.
func (m Mode) usesDisk() bool { return m.kind == modeDisk || m.kind == modeInterval }

// delayedMost bounds what waits in memory for the next flush; with more, it is not waited for.
const delayedMost = 4 << 20

// delayed is the database of a log that is written at intervals. Its commits stay in memory
// until flush; scan sees them all the same.
type delayed struct {
	db    kv
	write func([]op) error // to db, through the store's seam

	mu      sync.Mutex
	ops     []op   // in order of commits
	fresh   memory // those of ops that put an event
	waiting int    // bytes of ops
}

func (d *delayed) commit(ops []op) error {
	d.mu.Lock()
	for _, o := range ops {
		o = o.clone()
		d.ops = append(d.ops, o)
		d.waiting += o.size()
	}
	full := d.waiting > delayedMost
	d.mu.Unlock()
	if err := d.fresh.commit(eventsOf(ops)); err != nil {
		return err
	}
	if full {
		return d.flush()
	}
	return nil
}

func eventsOf(ops []op) (events []op) {
	for _, o := range ops {
		if o.key[0] == prefixEvent {
			events = append(events, o)
		}
	}
	return events
}

// flush writes and syncs what waits. The log's committing goroutine calls it, which also calls commit and
// drop. After an error all of it still waits.
func (d *delayed) flush() error {
	d.mu.Lock()
	ops := d.ops
	d.mu.Unlock()
	if len(ops) == 0 {
		return nil
	}
	if err := commitInParts(d.write, ops); err != nil {
		return err
	}
	d.mu.Lock()
	d.ops, d.waiting = nil, 0
	d.mu.Unlock()
	return d.fresh.drop([]byte{prefixEvent})
}

// scan first takes what waits, so that nothing falls between the two when it is flushed meanwhile.
// Keys of events that wait are greater than those in the database; what is in both comes once.
func (d *delayed) scan(prefix, from []byte, yield func(key, value []byte) bool) error {
	waiting := d.fresh.all(prefix, from)
	more := true
	var last []byte
	err := d.db.scan(prefix, from, func(key, value []byte) bool {
		last = append(last[:0], key...)
		more = yield(key, value)
		return more
	})
	for _, o := range waiting {
		if err != nil || !more {
			break
		}
		if compareKey(o, last) > 0 {
			more = yield(o.key, o.value)
		}
	}
	return err
}

func (d *delayed) drop(prefixes ...[]byte) error {
	if err := d.flush(); err != nil {
		return err
	}
	return d.db.drop(prefixes...)
}

func (d *delayed) Close() error { return d.flush() }
