package cloud

import (
	"context"
	"strings"
	"sync/atomic"

	"localcloud/keys"
)

// Filter says which events a listener gets: first those its user may see, of
// these the ones it asked for.
type Filter struct {
	// What may be seen.
	Owner     UserID // this user's events, private ones included
	Public    bool   // and public events of everybody
	AllOwners bool   // all events; for admins

	// Reaches says from which devices alone; nil: from anywhere, users included. It is
	// called while the Hub is locked: it must not block and must not call the Hub.
	Reaches func(keys.DeviceID) bool

	Product int // events of this product, whoever owns its devices, and of nothing else; 0: whatever the others say

	// What is wanted.
	Prefix string        // beginning of the name, case matters
	Device keys.DeviceID // from this device; zero: from any device and from users

	forDevice   bool // never reserved names
	fromProduct int  // for a device: what users publish to this product, too; 0: nothing
}

// Match reports whether the filter lets the event through.
func (f *Filter) Match(ev *Event) bool {
	switch {
	case f.Product != 0:
		if ev.Product != f.Product {
			return false
		}
	case ev.Owner == f.Owner && f.Owner != "":
	case f.AllOwners, f.Public && !ev.Private:
	case f.fromProduct != 0 && ev.Product == f.fromProduct && ev.Device.IsZero():
	default:
		return false
	}
	if f.Reaches != nil && (ev.Device.IsZero() || !f.Reaches(ev.Device)) {
		return false
	}
	if !f.Device.IsZero() && f.Device != ev.Device {
		return false
	}
	if f.forDevice && IsReserved(ev.Name) {
		return false
	}
	return strings.HasPrefix(ev.Name, f.Prefix)
}

// wide reports whether events of several owners can match.
func (f *Filter) wide() bool { return f.AllOwners || f.Public || f.Product != 0 || f.fromProduct != 0 }

// Listener takes events. Offer is called while the Hub is locked: it must not
// block and must not call the Hub. It returns false when the event was not taken.
type Listener interface {
	Offer(ev *Event) bool
}

// Subscription is one listener's place at the Hub.
type Subscription struct {
	filters  []Filter // one match is enough; an event is offered once
	listener Listener
	start    EventID  // the newest event when it began
	pending  []*Event // up to start, not in the log at that time

	delivered atomic.Uint64
	lost      atomic.Uint64
}

// Lost returns how many events the listener did not take.
func (s *Subscription) Lost() uint64 { return s.lost.Load() }

// Delivered returns how many events the listener took.
func (s *Subscription) Delivered() uint64 { return s.delivered.Load() }

func (s *Subscription) match(ev *Event) bool {
	for i := range s.filters {
		if s.filters[i].Match(ev) {
			return true
		}
	}
	return false
}

// Subscribe begins to offer to l every event from now on that f lets
// through. End it with Unsubscribe.
func (h *Hub) Subscribe(f Filter, l Listener) *Subscription {
	s := &Subscription{filters: []Filter{f}, listener: l}
	h.mu.Lock()
	defer h.mu.Unlock()
	s.start = h.lastID
	for _, ev := range h.pending {
		if s.match(ev) {
			s.pending = append(s.pending, ev)
		}
	}
	h.add(s)
	return s
}

// Unsubscribe ends a subscription. When it returns, the listener gets nothing more.
func (h *Hub) Unsubscribe(s *Subscription) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.drop(s)
}

// Replay calls yield with the events after the given id that were published
// before s began, in order of id: those in the log, then those that were on
// their way to it. What came since is in the listener's queue, and
// nothing is in both. It reads the disk; it stops early when yield returns false.
func (h *Hub) Replay(ctx context.Context, s *Subscription, after EventID, yield func(*Event) bool) error {
	more := true
	last := after
	err := h.log.Read(ctx, after, func(ev *Event) bool {
		if ev.ID > s.start {
			return false
		}
		last = ev.ID
		if s.match(ev) {
			more = yield(ev)
		}
		return more
	})
	if err != nil {
		return err
	}
	for _, ev := range s.pending {
		if more && ev.ID > last {
			more = yield(ev)
		}
	}
	return nil
}

// add and drop keep the index; the Hub is locked.
func (h *Hub) add(s *Subscription) {
	owner := s.filters[0].Owner
	for i := range s.filters {
		if s.filters[i].wide() {
			h.wide[s] = struct{}{}
			return
		}
	}
	subs := h.byOwner[owner]
	if subs == nil {
		subs = make(map[*Subscription]struct{})
		h.byOwner[owner] = subs
	}
	subs[s] = struct{}{}
}

func (h *Hub) drop(s *Subscription) {
	delete(h.wide, s)
	if len(s.filters) == 0 {
		return
	}
	owner := s.filters[0].Owner
	delete(h.byOwner[owner], s)
	if len(h.byOwner[owner]) == 0 {
		delete(h.byOwner, owner)
	}
}

// offer hands one event to one listener; the Hub is locked.
func (h *Hub) offer(s *Subscription, ev *Event) {
	if !s.match(ev) {
		return
	}
	if s.listener.Offer(ev) {
		s.delivered.Add(1)
		return
	}
	s.lost.Add(1)
	h.lost.Add(1)
	if m := h.meters[ev.Device]; m != nil {
		m.troubles().lost++
	}
}

// Queue is a Listener that holds a bounded number of events for one reader.
// When it is full it takes no more and counts on: the reader sees by
// Overflowed that it missed some and can catch up from the log.
type Queue struct {
	C          <-chan *Event
	c          chan *Event
	overflowed atomic.Bool
}

// NewQueue returns a Queue for n events.
func NewQueue(n int) *Queue {
	c := make(chan *Event, n)
	return &Queue{C: c, c: c}
}

// Offer implements Listener.
func (q *Queue) Offer(ev *Event) bool {
	if q.overflowed.Load() {
		return false // no gaps: after the first loss the reader has to catch up
	}
	select {
	case q.c <- ev:
		return true
	default:
		q.overflowed.Store(true)
		return false
	}
}

// Overflowed reports whether the queue was full once: what is in C is then
// all that will ever come.
func (q *Queue) Overflowed() bool { return q.overflowed.Load() }
