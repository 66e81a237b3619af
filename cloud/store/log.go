package store

import (
	"context"
	"log/slog"
	"path/filepath"
	"sync"
	"time"

	"localcloud/cloud"
)

// Log implements cloud.Log. One goroutine commits, and drops what is beyond
// the bounds between two commits.
type Log struct {
	// Fixed at creation.
	db      kv
	commit  func([]op) error
	usual   bounds // where the owner says nothing
	mode    Mode
	logger  *slog.Logger
	slots   chan struct{} // one taken for each event admitted and not committed; when all are, Admit waits (Usage.Waiting)
	wake    chan struct{} // to the committing goroutine: there are events, or the end
	closing chan struct{}
	ended   chan struct{} // closed by the committing goroutine
	logPlace
	share share // has its own lock

	// Owned by the committing goroutine.
	bounds     bounds
	unsaved    []op     // accounts of full segments that no commit took yet
	dropped    [][]byte // prefixes of segments that are still to be dropped
	failing    bool     // the last commit failed
	unreserved unreserved
	ops        []op   // for reuse
	buffer     []byte // for reuse

	mu       sync.Mutex
	queue    []waiting // never more events than there are slots, and a few states of links for each device
	wanted   bounds    // what bounds is to be
	last     cloud.EventID
	segments []segment // the oldest first; only the committing goroutine writes, the last is the one it fills
	failed   uint64
	broken   error          // why the log is read-only, for good; only the committing goroutine writes
	readers  sync.WaitGroup // those inside the database; none enters after closed
	closed   bool
}

// A patient event is kept back for companyWait, or until something comes that is waited for: with what
// came meanwhile it takes one sync. That spares a card, and a storm of devices half of its syncs. No more than companyMost are kept back.
const (
	companyWait = 50 * time.Millisecond
	companyMost = 64
)

// waiting is an event on its way to the disk, or the state of a link.
type waiting struct {
	ev   *cloud.Event // nil: none
	ops  []op         // of a link's state
	done func(error)
	err  error // why it cannot be stored
}

// logPlace is what a log on a disk knows about its surroundings. The zero value is a place without bounds.
type logPlace struct {
	space   *reserve                                   // nil: nothing is measured
	ids     cloud.EventID                              // no id up to this one is given
	ceiling cloud.EventID                              // ids up to this one are reserved
	raise   func(cloud.EventID) (cloud.EventID, error) // makes the home remember that ids up to that one, and some more, may be given
	flush   func() error                               // writes what was accepted; nil: it is written
	parked  *parked                                    // states of links in modes other than disk; nil: they are kept nowhere
}

func newLog(db kv, commit func([]op) error, opts Options) (*Log, error) {
	return newLogAt(logPlace{}, db, commit, opts)
}

func newLogAt(place logPlace, db kv, commit func([]op) error, opts Options) (*Log, error) {
	l := &Log{
		logPlace: place, mode: opts.Events,
		db: db, commit: commit, logger: opts.Logger,
		usual:   bounds{age: DefaultEventsMaxAge, bytes: place.space.logBytes()},
		slots:   make(chan struct{}, opts.EventsQueue),
		wake:    make(chan struct{}, 1),
		closing: make(chan struct{}),
		ended:   make(chan struct{}),
	}
	if opts.Events.kind == modeMemory {
		l.usual.bytes = DefaultMemoryBytes
	}
	if n, known := l.space.left(); known { // several segments fit, so that the oldest can go
		l.usual.most = max((n-l.space.toCommit+ownUse(filepath.Join(l.space.dir, eventsName)))/segmentsKept, minSegmentBytes)
	}
	l.wanted = l.usual.or(opts.EventsMaxAge, opts.EventsMaxBytes)
	l.bounds = l.wanted
	if err := l.load(); err != nil {
		return nil, err
	}
	l.last = max(l.last, l.ids)
	go l.run()
	return l, nil
}

// Close refuses new events and returns when those that waited are committed and
// answered. Store.Close calls it.
func (l *Log) Close() error {
	l.mu.Lock()
	l.closed = true
	l.mu.Unlock()
	close(l.closing)
	<-l.ended
	l.readers.Wait()
	return nil
}

// Admit implements cloud.Log. The error's kind is Limited when ctx ended, Other
// (ErrClosed) after Close.
func (l *Log) Admit(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return cloud.E("event log", cloud.Limited, err)
	}
	select {
	case <-l.closing:
		return cloud.E("event log", cloud.Other, ErrClosed)
	default:
	}
	select {
	case l.slots <- struct{}{}:
		return nil
	case <-ctx.Done():
		return cloud.E("event log", cloud.Limited, ctx.Err())
	case <-l.closing:
		return cloud.E("event log", cloud.Other, ErrClosed)
	}
}

// Append implements cloud.Log. An event whose id does not grow is our bug; it is not stored, so that
// no event takes another's place.
func (l *Log) Append(ev *cloud.Event, done func(error)) {
	if err := l.enqueue(waiting{ev: ev, done: done}); err != nil {
		l.release(1)
		go done(err)
	}
}

func (l *Log) enqueue(w waiting) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return cloud.E("event log", cloud.Other, ErrClosed)
	}
	if w.ev != nil {
		if w.ev.ID <= l.last {
			return cloud.Errorf("event log", cloud.Invalid, "event id %v does not follow %v", w.ev.ID, l.last)
		}
		l.last = w.ev.ID
	}
	l.queue = append(l.queue, w)
	switch {
	case w.ev == nil, !w.ev.Patient, len(l.queue) >= min(companyMost, cap(l.slots)):
		signal(l.wake)
	case len(l.queue) == 1:
		time.AfterFunc(companyWait, func() { signal(l.wake) })
	}
	return nil
}

// SetBounds changes what the log keeps, as Options.EventsMaxAge and EventsMaxBytes say it: 0 is the default, negative no
// bound. It does not wait until events that are too many are gone.
func (l *Log) SetBounds(age time.Duration, bytes int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.wanted = l.usual.or(age, bytes)
	signal(l.wake)
}

// Bounds returns what the log keeps; negative: it has no such bound.
func (l *Log) Bounds() (age time.Duration, bytes int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.wanted.age, l.wanted.bytes
}

// release gives slots back. There is nothing to take out for an Append without Admit.
func (l *Log) release(n int) {
	for range n {
		select {
		case <-l.slots:
		default:
		}
	}
}

// Last implements cloud.Log.
func (l *Log) Last() cloud.EventID {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.last
}

// Usage is what the log holds and how it fares.
type Usage struct {
	Events  uint64        `json:"events"`
	Bytes   int64         `json:"bytes"`            // what its events take; the files are a little larger
	Oldest  cloud.EventID `json:"oldest,omitempty"` // 0: the log is empty
	Newest  cloud.EventID `json:"newest,omitempty"`
	Waiting int           `json:"waiting"` // admitted, not committed
	Failed  uint64        `json:"failed"`  // not stored since the start, for errors of the disk

	ReadOnly string `json:"read_only,omitempty"` // why nothing is stored any more
}

// Usage returns the log's figures. They are exact, except that after a failed commit they may lack events
// that the disk has taken nevertheless.
func (l *Log) Usage() Usage {
	l.mu.Lock()
	defer l.mu.Unlock()
	u := Usage{Waiting: len(l.slots), Failed: l.failed}
	if l.broken != nil {
		u.ReadOnly = l.broken.Error()
	}
	for _, s := range l.segments {
		if s.Events == 0 {
			continue
		}
		if u.Events == 0 {
			u.Oldest = s.First
		}
		u.Events += s.Events
		u.Bytes += s.Bytes
		u.Newest = s.Last
	}
	return u
}
