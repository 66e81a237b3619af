package store

import (
	"cmp"
	"errors"
	"io"
	"log/slog"
	"strconv"
	"sync"
	"time"

	"localcloud/cloud"
)

// Options are the owner's choices. The zero value is a good one.
type Options struct {
	// EventsMaxAge is how long the log keeps an event, in the log's own time (see retention in
	// segment.go). 0: as the settings of the registry say, else DefaultEventsMaxAge; negative: no bound.
	EventsMaxAge time.Duration
	// EventsMaxBytes is how much of the disk the log takes, more or less. 0: as the settings of the registry say,
	// else DefaultEventsMaxBytes; negative: no bound.
	EventsMaxBytes int64
	// EventsQueue is how many events may wait for the disk. 0: DefaultEventsQueue.
	EventsQueue int
	// Events says how events are kept. The zero value: on disk, synced before they are acknowledged.
	Events Mode
	// NoSync leaves it to the machine when to write to the disk. It is for tests:
	// what was acknowledged survives a crash of the process, not one of the machine.
	NoSync bool
	// Logger gets what the owner may want to know. nil: nobody does.
	Logger *slog.Logger

	// For tests.
	commit  func(db kv, ops []op) error    // what every commit goes through
	free    func(dir string) (int64, bool) // instead of freeSpace
	machine func() string                  // instead of machineID
}

// Defaults of Options.
const (
	DefaultEventsMaxAge = 7 * 24 * time.Hour
	DefaultEventsQueue  = 4096
)

// DefaultEventsMaxBytes is 1 GB, or a tenth of the free space when that is less. On 32 bits it is half of that, as Badger maps
// its files and a process there has two or three GB of addresses.
const DefaultEventsMaxBytes int64 = 1 << (29 + strconv.IntSize/64)

func (o Options) withDefaults() Options {
	if o.EventsQueue <= 0 {
		o.EventsQueue = DefaultEventsQueue
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.commit == nil {
		o.commit = kv.commit
	}
	if o.free == nil {
		o.free = freeSpace
	}
	if o.machine == nil {
		o.machine = machineID
	}
	return o
}

// Store is an open data directory, or its twin in memory.
type Store struct {
	dir      string // empty: in memory
	registry *Registry
	events   *Log
	space    *reserve
	home     home // what is noted; after Open the log's committing goroutine has it, then Close
	leave    home // what was noted when the directory was open before
	boots    uint64
	moved    bool   // the directory was last open on another machine
	rebuilt  string // what the registry was rebuilt from, if so
	logger   *slog.Logger
	mode     Mode

	// commit is the one function through which every commit of registry and log goes.
	commit func(db kv, ops []op) error

	opened  []io.Closer // in the order of opening; the last is closed first
	closing sync.Once
	closed  error
}

// Open opens the data directory, which it makes when there is none: the lock,
// DIR/registry and DIR/events. It fails with ErrLocked (kind Exist) while another process
// has it open, and with NoSpace when the disk is nearly full. A damaged database is set aside, see Status. The
// caller must Close the store.
func Open(dir string, opts Options) (*Store, error) {
	s := &Store{dir: dir}
	if err := s.open(opts); err != nil {
		return nil, cloud.E("open store", cloud.Other, errors.Join(err, s.Close()))
	}
	return s, nil
}

// OpenMemory returns a store that behaves like one on disk and forgets everything
// on Close. It may be opened, used and closed in a testing/synctest bubble.
func OpenMemory(opts Options) *Store {
	s := &Store{}
	if err := s.start(&memory{}, &memory{}, opts.withDefaults()); err != nil {
		panic("store: an empty memory is damaged: " + err.Error())
	}
	return s
}

// through returns the commit function of a database: Store.commit.
func (s *Store) through(db kv) func([]op) error {
	return func(ops []op) error { return s.commit(db, ops) }
}

// start begins to work on two databases in memory.
func (s *Store) start(registry, events kv, opts Options) (err error) {
	s.commit, s.logger, s.mode = opts.commit, opts.Logger, opts.Events
	s.registry, err = newRegistry(registry, s.through(registry), opts.Logger)
	if err != nil {
		return cloud.E("registry", cloud.Other, err)
	}
	s.opened = append(s.opened, s.registry)
	s.events, err = newLog(events, s.through(events), s.remembered(opts))
	if err != nil {
		return cloud.E("events", cloud.Other, err)
	}
	s.opened = append(s.opened, s.events)
	return nil
}

// remembered returns opts with the bounds of the log that the owner set while the cloud ran, where opts name none.
func (s *Store) remembered(opts Options) Options {
	set := s.registry.Settings()
	opts.EventsMaxAge = cmp.Or(opts.EventsMaxAge, set.EventsMaxAge)
	opts.EventsMaxBytes = cmp.Or(opts.EventsMaxBytes, set.EventsMaxBytes)
	return opts
}

// Registry returns the registry. It is the same at each call.
func (s *Store) Registry() *Registry { return s.registry }

// Events returns the log of events. It is the same at each call.
func (s *Store) Events() *Log { return s.events }

// Close commits what waits, closes the databases and lets go of the directory. What
// is called later fails with ErrClosed; the registry can still be read. A second Close does
// nothing and returns the same.
func (s *Store) Close() error {
	s.closing.Do(func() {
		for i := len(s.opened) - 1; i >= 0; i-- {
			s.closed = errors.Join(s.closed, s.opened[i].Close())
		}
	})
	return s.closed
}
