package store

import "localcloud/cloud"

// maxCommitEvents bounds one transaction, beside maxCommitBytes.
const maxCommitEvents = 256

// run commits events until the log is closed and none waits.
func (l *Log) run() {
	defer close(l.ended)
	l.retain()
	for {
		events, closed := l.take()
		switch {
		case len(events) > 0:
			l.process(events)
		case closed:
			return
		default:
			select {
			case <-l.wake:
			case <-l.closing:
			}
		}
	}
}

// take returns all that waits.
func (l *Log) take() (events []waiting, closed bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	events, l.queue = l.queue, nil
	return events, l.closed
}

// process commits events in order, as many at a time as a commit takes, and
// answers each. After an error the next ones are tried all the same: whoever published the event knows
// that it is not stored and may send it again, with a new id.
func (l *Log) process(events []waiting) {
	for len(events) > 0 {
		n, err := l.store(events)
		l.release(n)
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

// fail counts and reports, once until a commit succeeds again.
func (l *Log) fail(n int, err error) {
	l.mu.Lock()
	l.failed += uint64(n)
	l.mu.Unlock()
	if !l.failing {
		l.logger.Error("events cannot be stored", "err", err)
	}
	l.failing = true
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
	for n < len(events) && n < maxCommitEvents && !(bytes > 0 && l.bounds.isFull(s)) {
		w := &events[n]
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
	}
	l.ops, l.buffer = ops, b
	return n, ops
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
