package sink

import (
	"context"
	"log/slog"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"localcloud/cloud"
	"localcloud/keys"
)

// Config says what a Sink works with. It is not changed after New.
type Config struct {
	Hub      *cloud.Hub
	Registry cloud.Registry
	Logger   *slog.Logger

	// Own reports whether an address is one of this cloud's own listeners, which
	// webhooks reach only when the owner allows it. May be nil.
	Own func(netip.AddrPort) bool

	// Backlog keeps what waits while the cloud is off.
	Backlog Backlog

	// Transport replaces the connections, and with them the guard over addresses. Only tests set it.
	Transport http.RoundTripper
}

// Bounds of the whole.
const (
	queueSize   = 1024 // events that wait for Run; one more is lost to all hooks, and counted
	allHooks    = 64   // requests at once, of all hooks
	graceTime   = time.Second
	publishTime = 10 * time.Second
)

// Sink delivers events to webhooks. It is safe for concurrent use.
type Sink struct {
	Config
	guard       guard
	strict, lax http.RoundTripper // with and without a look at certificates
	queue       chan *cloud.Event
	slots       chan struct{} // one place for each request
	index       atomic.Pointer[index]

	ctx    context.Context // of the requests; ends when Run has waited long enough
	cancel context.CancelFunc

	mu      sync.Mutex
	lanes   map[cloud.HookID]*lane
	stopped bool
	busy    sync.WaitGroup // workers; grows only while not stopped
}

// New returns a Sink. Nothing is delivered until Run.
func New(c Config) *Sink {
	s := &Sink{
		Config: c, queue: make(chan *cloud.Event, queueSize), slots: make(chan struct{}, allHooks),
		lanes: make(map[cloud.HookID]*lane),
	}
	s.guard = guard{own: c.Own, allowed: func() []cloud.HookTarget { return c.Registry.Settings().HookTargets }}
	s.strict, s.lax = c.Transport, c.Transport
	if c.Transport == nil {
		s.strict, s.lax = s.guard.newTransport(false), s.guard.newTransport(true)
	}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	s.Reload()
	return s
}

// Run delivers what waited at the last stop and what comes, until ctx ends. Then it waits a moment for the
// requests under way, and keeps the rest for the next time. It can run once.
func (s *Sink) Run(ctx context.Context) error {
	sub := s.Hub.Subscribe(cloud.Filter{AllOwners: true}, s)
	defer s.stop()
	s.resume()
	defer s.Hub.Unsubscribe(sub)
	for {
		select {
		case ev := <-s.queue:
			s.dispatch(ev)
		case <-ctx.Done():
			return nil
		}
	}
}

// stop ends all lanes, and saves what is in them.
func (s *Sink) stop() {
	for len(s.queue) > 0 { // nothing is added any more
		s.dispatch(<-s.queue)
	}
	s.mu.Lock()
	s.stopped = true
	s.mu.Unlock()
	timer := time.AfterFunc(graceTime, s.cancel)
	s.busy.Wait()
	timer.Stop()
	s.cancel()
	s.save()
	s.closeIdle()
}

func (s *Sink) closeIdle() {
	for _, t := range []http.RoundTripper{s.strict, s.lax} {
		if c, ok := t.(interface{ CloseIdleConnections() }); ok {
			c.CloseIdleConnections()
		}
	}
}

// index says which hooks an event may fire. It never changes once it is in place.
type index struct {
	byOwner  map[cloud.UserID][]entry
	products []entry
}

type entry struct {
	id     cloud.HookID
	prefix string
	device keys.DeviceID
}

func (e *entry) match(ev *cloud.Event) bool {
	return strings.HasPrefix(ev.Name, e.prefix) && (e.device.IsZero() || e.device == ev.Device)
}

// Reload takes notice that webhooks, or the addresses that they may reach, have changed.
func (s *Sink) Reload() {
	in := &index{byOwner: make(map[cloud.UserID][]entry)}
	for _, h := range s.Registry.Hooks() {
		e := entry{h.ID, h.Event, h.Device}
		switch {
		case h.Disabled:
		case h.Product != 0:
			in.products = append(in.products, e)
		default:
			in.byOwner[h.Owner] = append(in.byOwner[h.Owner], e)
		}
	}
	s.index.Store(in)
	s.closeIdle() // their addresses were looked at under the old rules
}

// find calls yield with each hook that the event may fire.
func (in *index) find(ev *cloud.Event, yield func(cloud.HookID) bool) {
	for i := range in.byOwner[ev.Owner] {
		if e := &in.byOwner[ev.Owner][i]; e.match(ev) && !yield(e.id) {
			return
		}
	}
	if ev.Device.IsZero() {
		return
	}
	for i := range in.products {
		if e := &in.products[i]; e.match(ev) && !yield(e.id) {
			return
		}
	}
}

// fires reports whether the event may fire hooks at all: what hooks say themselves
// does not, under whatever name they say it.
func fires(ev *cloud.Event) bool {
	const own = "hook-"
	named := len(ev.Name) >= len(own) && strings.EqualFold(ev.Name[:len(own)], own)
	return !named && (ev.Source != cloud.SourceCloud || !ev.Device.IsZero())
}

// Offer implements cloud.Listener.
func (s *Sink) Offer(ev *cloud.Event) bool {
	wanted := false
	if fires(ev) {
		s.index.Load().find(ev, func(cloud.HookID) bool { wanted = true; return false })
	}
	if !wanted {
		return true
	}
	select {
	case s.queue <- ev:
		return true
	default:
		return false
	}
}

// dispatch puts an event into the lanes of the hooks that it fires.
func (s *Sink) dispatch(ev *cloud.Event) {
	s.index.Load().find(ev, func(id cloud.HookID) bool {
		h, ok := s.Registry.Hook(id)
		if ok && h.Product != 0 {
			d, known := s.Registry.Device(ev.Device)
			ok = known && d.Product == h.Product
		}
		if ok {
			s.enqueue(&job{hook: id, ev: ev, attempt: 1})
		}
		return true
	})
}

// Record returns what is remembered of a hook's deliveries.
func (s *Sink) Record(id cloud.HookID) cloud.HookRecord {
	s.mu.Lock()
	defer s.mu.Unlock()
	l := s.lanes[id]
	if l == nil {
		return cloud.HookRecord{Latest: []cloud.HookDelivery{}, Dead: []cloud.HookDelivery{}}
	}
	v := l.record.view()
	v.Counts.Waiting = len(l.waiting) + len(l.later)
	v.Counts.Asleep = l.asleep(time.Now())
	return v
}

// Test fires a hook once with a made-up event, as the owner would publish it, and
// returns what came of it. It is not tried again. Its answers are events as always.
func (s *Sink) Test(ctx context.Context, id cloud.HookID, name, data string) (cloud.HookDelivery, error) {
	h, ok := s.Registry.Hook(id)
	if !ok {
		return cloud.HookDelivery{}, cloud.E("webhook", cloud.NotExist, nil)
	}
	now := s.Hub.Clock().Now()
	ev := &cloud.Event{
		ID: cloud.EventIDAt(now), Name: name, Data: []byte(data), TTL: cloud.DefaultTTL, PublishedAt: now,
		Source: cloud.SourceAPI, Owner: h.Owner, Private: true, Format: cloud.TextFormat,
	}
	select {
	case s.slots <- struct{}{}:
		defer func() { <-s.slots }()
	case <-ctx.Done():
		return cloud.HookDelivery{}, cloud.E("webhook", cloud.Timeout, ctx.Err())
	}
	d, failed := s.attempt(ctx, &h, &job{hook: id, ev: ev, attempt: 1})
	if failed != nil {
		s.sayError(ctx, &h, ev, failed.text)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.laneLocked(id).record.add(d)
	return d, nil
}
