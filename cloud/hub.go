package cloud

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"localcloud/keys"
)

// Conn is the live connection of one device, as the Hub sees it. Package
// coap/session implements it. All methods are safe for concurrent use. Those
// with a context block until the device answered, the context ended or
// the connection closed; they return an Error with kind Offline, Timeout,
// NotExist, Invalid, Limited or Refused.
type Conn interface {
	// Call calls a function and returns its result.
	Call(ctx context.Context, function, argument string) (int32, error)
	// Variable reads a variable: bool, int32, float64 or string.
	Variable(ctx context.Context, name string) (any, error)
	// Vitals asks for the device's diagnostics, by the names of Vitals.Figures. It is Unsupported by old Device OS.
	Vitals(ctx context.Context) (map[string]float64, error)
	// Signal makes the board shout rainbows, or stop.
	Signal(ctx context.Context, on bool) error
	// Ping returns when anything was heard from the device.
	Ping(ctx context.Context) error
	// Offer hands over an event to send. It never blocks; false means that the queue was full and the event is lost.
	Offer(ev *Event) bool
	// Renamed tells the connection the device's name, for devices that ask.
	Renamed(name string)
	// LastHeard returns when the last message came.
	LastHeard() time.Time
	// Close ends the connection; err is the reason for the log. It does not wait.
	Close(err error)
}

// Hub knows who is online and who listens. It gives every event its id and
// hands it to listeners and the log in one order. All methods are safe for concurrent use.
type Hub struct {
	registry Registry
	log      Log
	clock    *Clock
	logger   *slog.Logger

	mu       sync.Mutex
	lastID   EventID
	online   map[keys.DeviceID]*Presence
	meters   map[keys.DeviceID]*meter        // outlive connections
	turns    map[keys.DeviceID]chan struct{} // closed when the last status of a device is published; see turn
	server   limiter
	products map[int]*limiter // by product id; only those that have a policy
	settings Settings
	byOwner  map[UserID]map[*Subscription]struct{} // listeners that want one owner's events only
	wide     map[*Subscription]struct{}            // listeners that want others' events too
	pending  []*Event                              // handed to the log, not committed yet; ordered by id

	dropped atomic.Uint64 // limited by policy, all devices
	lost    atomic.Uint64 // not taken by slow listeners
	taken   atomic.Uint64 // events that got an id
}

// NewHub returns a Hub over a registry and a log.
func NewHub(registry Registry, log Log, logger *slog.Logger) *Hub {
	h := &Hub{
		registry: registry, log: log, logger: logger,
		clock:   NewClock(lastTime(registry, log)),
		lastID:  log.Last(),
		online:  make(map[keys.DeviceID]*Presence),
		meters:  make(map[keys.DeviceID]*meter),
		turns:   make(map[keys.DeviceID]chan struct{}),
		byOwner: make(map[UserID]map[*Subscription]struct{}),
		wide:    make(map[*Subscription]struct{}),
	}
	h.settings = registry.Settings()
	h.followLocked(h.settings)
	return h
}

// lastTime is the last time that the cloud knows of: that of its newest event,
// zero when there never was one. A log that was written with a clock in the
// future does not count against a machine that agrees with its owner.
func lastTime(registry Registry, log Log) time.Time {
	said := registry.Settings().ClockSet
	if since := time.Since(said); !said.IsZero() && since >= 0 && since < leap {
		return said
	}
	if last := log.Last(); last != 0 {
		return last.Time()
	}
	return time.Time{}
}

// Clock returns the cloud's clock, which the Hub's events are stamped by.
func (h *Hub) Clock() *Clock { return h.clock }

// SetClock makes t the cloud's time and remembers that the owner said so.
func (h *Hub) SetClock(t time.Time) error {
	_, err := h.registry.UpdateSettings(func(s *Settings) error {
		s.ClockSet = t.UTC()
		return nil
	})
	if err == nil {
		h.clock.Set(t)
	}
	return err
}

// Totals are the Hub's figures since it started.
type Totals struct {
	Online    int    `json:"online"`    // devices connected now
	Listeners int    `json:"listeners"` // subscriptions open now, those of devices included
	Events    uint64 `json:"events"`    // taken
	Limited   uint64 `json:"limited"`   // beyond a rate limit, delivered or not
	Lost      uint64 `json:"lost"`      // copies that a slow listener did not take
}

// Totals returns the Hub's figures.
func (h *Hub) Totals() Totals {
	h.mu.Lock()
	listeners := len(h.wide)
	for _, subs := range h.byOwner {
		listeners += len(subs)
	}
	t := Totals{Online: len(h.online), Listeners: listeners}
	h.mu.Unlock()
	t.Events, t.Limited, t.Lost = h.taken.Load(), h.dropped.Load(), h.lost.Load()
	return t
}

// Publish takes an event that a user or the cloud itself publishes and
// returns when it is committed to the log. Listeners have it before.
func (h *Hub) Publish(ctx context.Context, ev Event) error {
	committed := make(chan error, 1)
	if err := h.take(ctx, ev, func(err error) { committed <- err }); err != nil {
		return err
	}
	select {
	case err := <-committed:
		return err
	case <-ctx.Done():
		return E("publish", Timeout, ctx.Err())
	}
}

// take gives the event its id and hands it on. It blocks only while the log's
// queue is full. done is called by another goroutine when the commit is over.
func (h *Hub) take(ctx context.Context, ev Event, done func(error)) error {
	if err := h.log.Admit(ctx); err != nil {
		return E("publish", Limited, err)
	}
	if ev.TTL == 0 {
		ev.TTL = DefaultTTL
	}
	h.taken.Add(1)

	h.mu.Lock()
	defer h.mu.Unlock()
	ev.PublishedAt = h.clock.Now()
	ev.ID = max(EventIDAt(ev.PublishedAt), h.lastID+1)
	h.lastID = ev.ID
	p := &ev
	h.pending = append(h.pending, p)
	for s := range h.byOwner[ev.Owner] {
		h.offer(s, p)
	}
	for s := range h.wide {
		h.offer(s, p)
	}
	h.log.Append(p, func(err error) {
		h.committed(p.ID)
		done(err)
	})
	return nil
}

// committed forgets pending events up to id; commits come in order of id.
func (h *Hub) committed(id EventID) {
	h.mu.Lock()
	defer h.mu.Unlock()
	n := 0
	for n < len(h.pending) && h.pending[n].ID <= id {
		h.pending[n] = nil // for the collector
		n++
	}
	h.pending = h.pending[n:]
}
