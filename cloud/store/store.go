package store

import (
	"errors"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"time"

	"localcloud/cloud"
)

// Options are the owner's choices. The zero value is a good one.
type Options struct {
	// EventsMaxAge is how long the log keeps an event, in the log's own time (see retention in
	// segment.go). 0: DefaultEventsMaxAge; negative: no bound.
	EventsMaxAge time.Duration
	// EventsMaxBytes is how much of the disk the log takes, more or less. 0:
	// DefaultEventsMaxBytes; negative: no bound.
	EventsMaxBytes int64
	// EventsQueue is how many events may wait for the disk. 0: DefaultEventsQueue.
	EventsQueue int
	// NoSync leaves it to the machine when to write to the disk. It is for tests:
	// what was acknowledged survives a crash of the process, not one of the machine.
	NoSync bool
	// Logger gets what the owner may want to know. nil: nobody does.
	Logger *slog.Logger

	commit func(db kv, ops []op) error // for tests: what every commit goes through
}

// Defaults of Options.
const (
	DefaultEventsMaxAge = 7 * 24 * time.Hour
	DefaultEventsQueue  = 4096
)

// DefaultEventsMaxBytes is 1 GB. On 32 bits it is half of that, as Badger maps
// its files and a process there has two or three GB of addresses.
const DefaultEventsMaxBytes int64 = 1 << (29 + strconv.IntSize/64)

func (o Options) withDefaults() Options {
	if o.EventsMaxAge == 0 {
		o.EventsMaxAge = DefaultEventsMaxAge
	}
	if o.EventsMaxBytes == 0 {
		o.EventsMaxBytes = DefaultEventsMaxBytes
	}
	if o.EventsQueue <= 0 {
		o.EventsQueue = DefaultEventsQueue
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.commit == nil {
		o.commit = kv.commit
	}
	return o
}

// Store is an open data directory, or its twin in memory.
type Store struct {
	registry *Registry
	events   *Log

	// commit is the one function through which every commit of registry and log goes.
	commit func(db kv, ops []op) error

	opened  []io.Closer // in the order of opening; the last is closed first
	closing sync.Once
	closed  error
}

// Sizes of Badger's memtables. A commit takes 15 % of one, see maxCommitBytes.
const (
	registryMemtable = 2 << 20
	eventsMemtable   = 4 << 20
)

// Open opens the data directory, which it makes when there is none: the lock,
// DIR/registry and DIR/events. It fails with ErrLocked (kind Exist) while another process
// has it open. The caller must Close the store.
func Open(dir string, opts Options) (*Store, error) {
	s := &Store{}
	if err := s.open(dir, opts.withDefaults()); err != nil {
		return nil, cloud.E("open store", cloud.Other, errors.Join(err, s.Close()))
	}
	return s, nil
}

func (s *Store) open(dir string, opts Options) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	lock, err := lockDir(dir)
	if err != nil {
		return err
	}
	s.opened = append(s.opened, lock)
	registry, err := s.openDisk(filepath.Join(dir, "registry"), registryMemtable, opts)
	if err != nil {
		return cloud.E("registry", cloud.Other, err)
	}
	if err := registry.verify(); err != nil {
		return cloud.E("registry", cloud.Other, err)
	}
	events, err := s.openDisk(filepath.Join(dir, "events"), eventsMemtable, opts)
	if err != nil {
		return cloud.E("events", cloud.Other, err)
	}
	return s.start(registry, events, opts)
}

func (s *Store) openDisk(dir string, memtable int64, opts Options) (*disk, error) {
	logger := opts.Logger.With("database", filepath.Base(dir))
	d, err := openDisk(dir, tuning{memtable: memtable, noSync: opts.NoSync, logger: logger})
	if err != nil {
		return nil, err
	}
	s.opened = append(s.opened, d)
	return d, nil
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

// start begins to work on two open databases.
func (s *Store) start(registry, events kv, opts Options) (err error) {
	s.commit = opts.commit
	through := func(db kv) func([]op) error {
		return func(ops []op) error { return s.commit(db, ops) }
	}
	s.registry, err = newRegistry(registry, through(registry), opts.Logger)
	if err != nil {
		return cloud.E("registry", cloud.Other, err)
	}
	s.opened = append(s.opened, s.registry)
	s.events, err = newLog(events, through(events), opts)
	if err != nil {
		return cloud.E("events", cloud.Other, err)
	}
	s.opened = append(s.opened, s.events)
	return nil
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
