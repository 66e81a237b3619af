package store

import (
	"time"

	"localcloud/cloud"
)

// maxCommitEvents bounds one transaction, beside maxCommitBytes and maxCommitOps: an event may bring two operations. What
// gathers while the disk is slow for once, at 10,000 events/s for 100 ms, is gone with the next sync.
const maxCommitEvents = maxCommitOps / 2

// run commits events until the log is closed and none waits.
func (l *Log) run() {
	defer close(l.ended)
	defer l.write()
	var writing <-chan time.Time
	if l.mode.interval > 0 {
		ticker := time.NewTicker(l.mode.interval)
		defer ticker.Stop()
		writing = ticker.C
	}
	var looking <-chan time.Time
	if l.space != nil {
		ticker := time.NewTicker(2 * time.Second)
		defer ticker.Stop()
		looking = ticker.C
	}
	l.retain()
	for {
		select {
		case <-l.wake:
			l.process(l.take())
		case <-writing:
			l.write()
		case <-looking:
			l.settle()
			l.retain() // what shares the bound may have grown
		case <-l.closing: // nothing comes any more
			l.process(l.take())
			return
		}
	}
}

// write writes what was accepted and is not written.
func (l *Log) write() {
	if l.flush == nil || l.broken != nil {
		return
	}
	if err := failure("event log", l.flush()); err != nil {
		l.fail(0, err)
	}
}

// take returns all that waits, and goes over to the bounds that the owner wants.
func (l *Log) take() []waiting {
	l.mu.Lock()
	events, changed := l.queue, l.bounds != l.wanted
	l.queue, l.bounds = nil, l.wanted
	l.mu.Unlock()
	if changed {
		l.retain()
	}
	return events
}

// process commits events in order, as many at a time as a commit takes, and
// answers each. When there is no room, the next ones are tried all the same: whoever published the event knows
// that it is not stored and may send it again, with a new id.
func (l *Log) process(events []waiting) {
	l.reserveIDs(lastID(events))
	for len(events) > 0 {
		n, err := l.store(events)
		l.release(countEvents(events[:n]))
		for _, w := range events[:n] {
			if w.err == nil {
				w.err = err
			}
			w.done(w.err)
		}
		events = events[n:]
		l.retain()
	}
}

// store commits the first n events.
func (l *Log) store(events []waiting) (n int, err error) {
	if l.mode.kind == modeOff {
		return len(events), nil
	}
	if err := l.room(); err != nil {
		l.fail(len(events), err)
		return len(events), err
	}
	open := l.openSegment()
	n, ops := l.encode(events, &open)
	if err := l.commit(ops); err != nil {
		err = failure("event log", err)
		l.fail(n, err)
		return n, err
	}
	l.unsaved = l.unsaved[:0]
	if l.failing {
		l.logger.Info("event log works again")
		l.failing = false
	}
	l.mu.Lock()
	l.segments[len(l.segments)-1] = open
	l.mu.Unlock()
	return n, nil
}

// room returns an error when nothing may be written: for good after an error of the disk,
// or until there is space. Before that it gives up the oldest events.
func (l *Log) room() error {
	if l.broken != nil {
		return l.broken
	}
	l.settle()
	lacking := l.space.lacking()
	if lacking > 0 && l.shed(lacking) {
		lacking = l.space.lacking()
	}
	if lacking > 0 {
		return l.space.err()
	}
	return nil
}

// settle looks after the ballast, also while nobody publishes.
func (l *Log) settle() {
	if err := l.space.settle(); err != nil && !isNoSpace(err) {
		l.logger.Warn("the reserve of disk space", "err", err)
	}
}

// fail counts and reports, once until a commit succeeds again. What is neither a full disk nor
// an event that we refuse breaks the log for good: after a sync that failed,
// nobody knows what is on the disk, and the next that succeeds does not say that.
func (l *Log) fail(n int, err error) {
	broken := l.broken == nil && cloud.KindOf(err) == cloud.Other
	l.mu.Lock()
	l.failed += uint64(n)
	if broken {
		l.broken = err
	}
	l.mu.Unlock()
	switch {
	case broken:
		l.logger.Error("events cannot be stored, the log is read-only until localcloud is started again", "err", err)
	case !l.failing:
		l.logger.Error("events cannot be stored", "err", err)
	}
	l.failing = true
}

// reserveIDs sees to it that ids up to this one are not given again, whatever becomes of the log.
func (l *Log) reserveIDs(id cloud.EventID) {
	if l.raise == nil || id <= l.ceiling {
		return
	}
	var err error
	if l.ceiling, err = l.raise(id); err == nil {
		l.unreserved = unreserved{}
		return
	}
	l.unreserved.times++
	if now := time.Now(); l.unreserved.told.IsZero() || now.Sub(l.unreserved.told) >= unreservedEvery {
		l.logger.Warn("ids of events are not reserved", "times", l.unreserved.times, "err", err)
		l.unreserved = unreserved{told: now}
	}
}

// unreservedEvery is how often the log says that ids are not reserved: with a registry that is read-only it is so every few seconds.
const unreservedEvery = time.Hour

// unreserved counts how often ids were not reserved since that was told.
type unreserved struct {
	times int
	told  time.Time // zero: they are reserved
}

// openSegment returns the segment that takes the next events. It stays the one even if their
// commit fails: it may have reached the disk, and segments must follow each other like ids.
func (l *Log) openSegment() segment {
	last := l.segments[len(l.segments)-1]
	if !l.bounds.isFull(&last) {
		return last
	}
	l.unsaved = append(l.unsaved, last.op())
	next := segment{Number: last.Number + 1}
	l.mu.Lock()
	l.segments = append(l.segments, next)
	l.mu.Unlock()
	return next
}

// encode makes a commit of the first n events and counts them in segment s.
func (l *Log) encode(events []waiting, s *segment) (n int, ops []op) {
	ops, b := append(l.ops[:0], l.unsaved...), l.buffer[:0]
	before, bytes := l.newest(), 0
	for n < len(events) && n < maxCommitEvents && (n == 0 || len(ops) < maxCommitOps) && !(bytes > 0 && l.bounds.isFull(s)) {
		w := &events[n]
		if w.ev == nil {
			ops, bytes, n = append(ops, w.ops...), bytes+opsSize(w.ops), n+1
			if bytes > maxCommitBytes/2 {
				break
			}
			continue
		}
		at := len(b)
		b = appendEventKey(b, s.Number, w.ev.ID)
		key := b[at:len(b):len(b)]
		at = len(b)
		b = appendEvent(b, w.ev)
		o := op{key, b[at:len(b):len(b)]}
		if bytes+o.size() > maxCommitBytes && bytes > 0 {
			break
		}
		n++
		if len(o.value) > maxValue {
			w.err = cloud.E("event log", cloud.Invalid, errTooLarge)
			continue
		}
		bytes += o.size()
		s.add(before, w.ev.ID, o.size())
		before = w.ev.ID
		ops = append(ops, o)
		if w.ev.Link != nil {
			o := op{linkKey(prefixCounters, w.ev.Device), w.ev.Link}
			ops, bytes = append(ops, o), bytes+o.size()
		}
	}
	l.ops, l.buffer = ops, b
	return n, ops
}

// lastID returns the id of the last event, 0 when there is none.
func lastID(waiting []waiting) cloud.EventID {
	for i := len(waiting) - 1; i >= 0; i-- {
		if waiting[i].ev != nil {
			return waiting[i].ev.ID
		}
	}
	return 0
}

func countEvents(waiting []waiting) (n int) {
	for _, w := range waiting {
		if w.ev != nil {
			n++
		}
	}
	return n
}

func opsSize(ops []op) (bytes int) {
	for _, o := range ops {
		bytes += o.size()
	}
	return bytes
}

// newest returns the id of the newest event in the log, 0 when it is empty.
func (l *Log) newest() cloud.EventID {
	for i := len(l.segments) - 1; i >= 0; i-- {
		if l.segments[i].Events > 0 {
			return l.segments[i].Last
		}
	}
	return 0
}
