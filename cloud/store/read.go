package store

import (
	"context"

	"localcloud/cloud"
)

// Bounds of what Read holds in memory at a time.
const (
	pageEvents = 256
	pageBytes  = 256 << 10
)

// Read implements cloud.Log. It takes events out of the database by pages, so that
// a reader who takes hours holds up nobody: neither memory nor old files nor the
// committing goroutine. Events that retention takes away meanwhile are passed over. It
// ends when it has caught up with what is committed.
func (l *Log) Read(ctx context.Context, after cloud.EventID, yield func(*cloud.Event) bool) error {
	for {
		if err := ctx.Err(); err != nil {
			return cloud.E("event log", cloud.Timeout, err)
		}
		page, last, err := l.page(after)
		if err != nil {
			return failure("event log", err)
		}
		for _, ev := range page {
			if !yield(ev) {
				return nil
			}
		}
		if last == after {
			return nil
		}
		after = last
	}
}

// page returns some events after an id and the id up to which it has looked, which
// is after itself at the end of the log.
func (l *Log) page(after cloud.EventID) (page []*cloud.Event, last cloud.EventID, err error) {
	from, err := l.enter(after)
	if from == nil || err != nil {
		return nil, after, err
	}
	defer l.readers.Done()
	last = after
	bytes := 0
	err = l.db.scan([]byte{prefixEvent}, from, func(key, value []byte) bool {
		_, id, ok := parseEventKey(key)
		if !ok {
			return true
		}
		last = id
		ev, err := parseEvent(id, value)
		if err != nil {
			l.logger.Warn("event passed over", "id", id.String(), "err", err)
			return true
		}
		page = append(page, ev)
		bytes += len(value)
		return len(page) < pageEvents && bytes < pageBytes
	})
	return page, last, err
}

// enter returns the first key that an event after the id can have, nil when there is none
// such. With a key the caller is among the readers and has to leave.
func (l *Log) enter(after cloud.EventID) ([]byte, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return nil, ErrClosed
	}
	for _, s := range l.segments {
		if s.Events > 0 && s.Last > after {
			l.readers.Add(1)
			return appendEventKey(nil, s.Number, after+1), nil
		}
	}
	return nil, nil
}
