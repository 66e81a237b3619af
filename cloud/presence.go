package cloud

import (
	"cmp"
	"context"
	"errors"
	"time"

	"localcloud/keys"
)

// Arrival is a device that has proved its id and said Hello.
type Arrival struct {
	Conn    Conn
	Device  Device // its record, as the Hello changed it
	Address string // where it connects from, host:port

	// Begun is when the connection began. Of two connections of a device the one
	// that began later stays, in whatever order they arrive.
	Begun time.Time
}

// Presence is one device's time online: made by Arrive, ended by Leave.
type Presence struct {
	hub     *Hub
	id      keys.DeviceID
	conn    Conn
	address string
	since   int64 // in Unix nanoseconds, which take a third of a time.Time
	begun   time.Time
	meter   *meter

	// Guarded by hub.mu.
	owner  UserID
	member int // of which product; 0: of none
	limits int // the product whose rate limit counts: that, or else the one of its firmware
	wants  []DeviceFilter
	sub    *Subscription // nil while it wants nothing
	missed uint64        // by subscriptions before sub
	gone   bool
}

// DeviceFilter is one subscription of a device.
type DeviceFilter struct {
	Prefix string
	Mine   bool          // events of its owner only; otherwise public events of others too
	From   keys.DeviceID // of one device only; zero: of any
}

// ErrReplaced is the reason why a connection closes when its device came again.
var ErrReplaced = errors.New("the device connected again")

// Arrive makes a device online and publishes spark/status online. A connection
// that the device had before is closed, and its end published first. When that one
// began later, the device has come again while this one was on its way here: this one is closed, and nothing is
// published. It blocks while the log's queue is full.
func (h *Hub) Arrive(ctx context.Context, a Arrival) *Presence {
	p := &Presence{
		hub: h, id: a.Device.ID, conn: a.Conn, address: a.Address, since: h.clock.Now().UnixNano(), begun: a.Begun,
	}
	p.belong(a.Device)
	h.mu.Lock()
	old := h.online[p.id]
	p.meter = h.meterOf(p.id, a.Device.Policy)
	if old != nil && old.begun.After(p.begun) {
		p.gone = true
		h.mu.Unlock()
		p.conn.Close(ErrReplaced)
		return p
	}
	h.online[p.id] = p
	statuses := []Event{statusOf(p, "online")}
	if old != nil {
		t := p.meter.troubles()
		t.replaced, t.rival = t.replaced+1, old.address
		old.leaveLocked()
		statuses = []Event{statusOf(old, "offline"), statuses[0]}
	}
	t := h.turnLocked(p.id)
	h.mu.Unlock()

	if old != nil {
		old.conn.Close(ErrReplaced)
	}
	h.announce(ctx, t, statuses...)
	return p
}

// belong notes whose the device is; the Hub is locked, or does not know the presence yet.
func (p *Presence) belong(d Device) {
	p.owner, p.member, p.limits = d.Owner, d.Product, cmp.Or(d.Product, d.ProductID)
}

// Leave ends the presence and publishes spark/status offline, unless a newer
// connection has done both already. It can be called more than once.
func (p *Presence) Leave(ctx context.Context) {
	h := p.hub
	h.mu.Lock()
	if p.gone {
		h.mu.Unlock()
		return
	}
	p.leaveLocked()
	delete(h.online, p.id)
	status, t := statusOf(p, "offline"), h.turnLocked(p.id)
	h.mu.Unlock()
	h.announce(ctx, t, status)
}

func (p *Presence) leaveLocked() {
	p.gone = true
	p.dropLocked()
}

func (p *Presence) dropLocked() {
	if p.sub != nil {
		p.hub.drop(p.sub)
		p.missed += p.sub.Lost()
		p.sub = nil
	}
}

// statusOf makes the event that tells the owner of a presence; the Hub is locked.
func statusOf(p *Presence, data string) Event {
	return Event{
		Name: EventStatus, Data: []byte(data), Device: p.id, Owner: p.owner, Product: p.member, Private: true, Format: TextFormat,
		Patient: true,
	}
}

// turn is a place in the order of a device's statuses. Each may have to wait for
// the log's queue, so that without it the older of two could come last.
type turn struct {
	before <-chan struct{} // closed when those before are published; nil: there are none
	done   chan struct{}
}

func (h *Hub) turnLocked(id keys.DeviceID) turn {
	t := turn{before: h.turns[id], done: make(chan struct{})}
	h.turns[id] = t.done
	return t
}

// announce publishes statuses of one device when their turn comes. It blocks while the log's queue is full.
func (h *Hub) announce(ctx context.Context, t turn, statuses ...Event) {
	if t.before != nil {
		select {
		case <-t.before:
		case <-ctx.Done(): // then these are not published either
		}
	}
	for _, ev := range statuses {
		if err := h.take(ctx, ev, func(error) {}); err != nil {
			h.logger.Warn("presence not published", "device", ev.Device.String(), "status", string(ev.Data), "err", err)
		}
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if id := statuses[0].Device; h.turns[id] == t.done {
		delete(h.turns, id)
	}
	close(t.done)
}

// Want replaces the device's subscriptions.
func (p *Presence) Want(filters []DeviceFilter) {
	p.hub.mu.Lock()
	defer p.hub.mu.Unlock()
	p.wants = filters
	p.wantLocked()
}

func (p *Presence) wantLocked() {
	h := p.hub
	p.dropLocked()
	if p.gone || len(p.wants) == 0 {
		return
	}
	s := &Subscription{listener: p.conn}
	for _, w := range p.wants {
		if IsReserved(w.Prefix) {
			continue // what begins so is never forwarded; each board asks for it, and would be asked back at each event
		}
		s.filters = append(s.filters, Filter{
			Owner: p.owner, Public: !w.Mine, Prefix: w.Prefix, Device: w.From, forDevice: true, fromProduct: p.member,
		})
	}
	if len(s.filters) == 0 {
		return
	}
	h.add(s)
	p.sub = s
}

// Publish takes an event from the device. The error says that the policy
// rejects it (Limited) or the name is the cloud's own (Permission); then done is not
// called. Otherwise done is called once by another goroutine: nil when the event
// is committed, or was dropped as the owner ordered. It blocks while the log's queue is full.
func (p *Presence) Publish(ctx context.Context, ev Event, done func(error)) error {
	if IsCloudOnly(ev.Name) {
		return Errorf("publish", Permission, "the event name %q belongs to the cloud", ev.Name)
	}
	h := p.hub
	h.mu.Lock()
	ev.Device, ev.Owner, ev.Product = p.id, p.owner, p.member
	action, policy := Action(""), Policy{}
	p.meter.events++
	if !isExempt(ev.Name) {
		action, policy = h.limitLocked(p, time.Now())
	}
	h.mu.Unlock()
	if action == Drop || action == Reject {
		h.limited(ctx, p, policy)
	}
	switch action {
	case Reject:
		return Errorf("publish", Limited, "more events than the rate limit allows")
	case Drop:
		h.settleDropped(p, ev, done)
		return nil
	}
	return h.take(ctx, ev, done)
}

// settleDropped answers for an event that the policy drops. What it changes in its device's link is stored all the same, so that
// nobody can send its bytes again.
func (h *Hub) settleDropped(p *Presence, ev Event, done func(error)) {
	if links, ok := h.log.(Links); ok && ev.Link != nil {
		links.KeepLink(LinkState{Device: p.id, Counters: ev.Link}, func(error) { done(nil) })
		return
	}
	go done(nil)
}

// Throttled notes how many publishes the board refused by itself, as its vitals say.
func (p *Presence) Throttled(n uint64) {
	p.hub.mu.Lock()
	defer p.hub.mu.Unlock()
	p.meter.throttled = n
}

// warnEvery is how often the owner hears that a device is being limited.
const warnEvery = time.Hour

// limited tells the owner, once in an hour, that events of the device are dropped.
func (h *Hub) limited(ctx context.Context, p *Presence, policy Policy) {
	h.mu.Lock()
	now := time.Now()
	t := p.meter.troubles()
	told := now.Sub(t.warnedAt) < warnEvery
	if !told {
		t.warnedAt = now
	}
	owner, member := p.owner, p.member
	h.mu.Unlock()
	if told {
		return
	}
	h.logger.Warn("device publishes more than its rate limit; the excess is dropped", "device", p.id.String(), "policy", policy.String())
	ev := Event{
		Name: EventLimited, Data: []byte(policy.String()), Device: p.id, Owner: owner, Product: member, Private: true,
		Format: TextFormat, Patient: true,
	}
	if err := h.take(ctx, ev, func(error) {}); err != nil {
		h.logger.Warn("limit not published", "device", p.id.String(), "err", err)
	}
}

// Status is what is known of a device's presence.
type Status struct {
	Online    bool      `json:"online"`
	Since     time.Time `json:"since,omitzero"`      // when it came online
	LastHeard time.Time `json:"last_heard,omitzero"` // zero unless it is online
	Address   string    `json:"address,omitempty"`
	Events    uint64    `json:"events"` // published since the cloud started

	// Three numbers that are never mixed: publishes that the board itself refused
	// (its vitals say so), that went beyond our rate limit, and copies of its
	// events that slow viewers did not take.
	Throttled uint64 `json:"throttled"`
	Limited   uint64 `json:"limited"`
	Lost      uint64 `json:"lost"`

	Missed uint64 `json:"missed"` // events for the device that it did not take in time, in this connection

	Replaced uint64 `json:"replaced"`        // connections that were still open when the device came again
	Rival    string `json:"rival,omitempty"` // the address of the last of them
}

// Status returns a device's presence and its numbers.
func (h *Hub) Status(id keys.DeviceID) Status {
	h.mu.Lock()
	var s Status
	if m := h.meters[id]; m != nil {
		s.Events, s.Throttled = m.events, m.throttled
		if t := m.trouble; t != nil {
			s.Limited, s.Lost, s.Replaced, s.Rival = t.limited, t.lost, t.replaced, t.rival
		}
	}
	p := h.online[id]
	if p != nil {
		s.Online, s.Since, s.Address, s.Missed = true, time.Unix(0, p.since).UTC(), p.address, p.missed
		if p.sub != nil {
			s.Missed += p.sub.Lost()
		}
	}
	h.mu.Unlock()
	if p != nil {
		s.LastHeard = p.conn.LastHeard()
	}
	return s
}

// IsOnline reports whether the device is connected.
func (h *Hub) IsOnline(id keys.DeviceID) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.online[id] != nil
}

// connection returns the device's connection, or an Offline error.
func (h *Hub) connection(op string, id keys.DeviceID) (Conn, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if p := h.online[id]; p != nil {
		return p.conn, nil
	}
	return nil, E(op, Offline, nil)
}

// Call calls a function of a device; see Conn.
func (h *Hub) Call(ctx context.Context, id keys.DeviceID, function, argument string) (int32, error) {
	c, err := h.connection("call", id)
	if err != nil {
		return 0, err
	}
	return c.Call(ctx, function, argument)
}

// Variable reads a variable of a device; see Conn.
func (h *Hub) Variable(ctx context.Context, id keys.DeviceID, name string) (any, error) {
	c, err := h.connection("variable", id)
	if err != nil {
		return nil, err
	}
	return c.Variable(ctx, name)
}

// Signal makes a device shout rainbows; see Conn.
func (h *Hub) Signal(ctx context.Context, id keys.DeviceID, on bool) error {
	c, err := h.connection("signal", id)
	if err != nil {
		return err
	}
	return c.Signal(ctx, on)
}

// Ping asks a device for a sign of life; see Conn.
func (h *Hub) Ping(ctx context.Context, id keys.DeviceID) error {
	c, err := h.connection("ping", id)
	if err != nil {
		return err
	}
	return c.Ping(ctx)
}

// Disconnect closes a device's connection, if it has one.
func (h *Hub) Disconnect(id keys.DeviceID, reason error) {
	if c, err := h.connection("disconnect", id); err == nil {
		c.Close(reason)
	}
}

// DeviceChanged makes a live device follow its record: owner, product, name, policy. Call it
// after every change of these in the registry.
func (h *Hub) DeviceChanged(d Device) {
	h.mu.Lock()
	if m := h.meters[d.ID]; m != nil {
		m.own = d.Policy
		m.set(h.settings.DevicePolicy)
	}
	p := h.online[d.ID]
	if p != nil {
		owner, member := p.owner, p.member
		p.belong(d)
		if p.owner != owner || p.member != member {
			p.wantLocked()
		}
	}
	h.mu.Unlock()
	if p != nil {
		p.conn.Renamed(d.Name)
	}
}

// SettingsChanged makes live devices follow the settings.
func (h *Hub) SettingsChanged(s Settings) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.followLocked(s)
	for _, m := range h.meters {
		m.set(s.DevicePolicy)
	}
}

// followLocked takes over the limits that several devices share. A limit that did not change keeps its count.
func (h *Hub) followLocked(s Settings) {
	h.settings = s
	h.server.set(s.ServerPolicy)
	products := make(map[int]*limiter, len(s.ProductPolicies))
	for id, policy := range s.ProductPolicies {
		products[id] = h.products[id]
		if products[id] == nil {
			products[id] = &limiter{}
		}
		products[id].set(policy)
	}
	h.products = products
}

// meter counts what one device publishes and limits it. Guarded by Hub.mu.
type meter struct {
	own     *Policy // the device's own policy, nil: the server's for devices
	limiter limiter

	vitals    *measured // nil: nothing was told
	events    uint64
	throttled uint64 // as of its last vitals
	trouble   *trouble
}

// trouble is what few devices have. The zero value is none.
type trouble struct {
	limited  uint64
	lost     uint64
	warnedAt time.Time // when the owner was last told of the limit

	replaced uint64 // connections whose place a newer one took while they were open
	rival    string // the address of the last of them
}

// troubles returns the device's trouble, to add to it.
func (m *meter) troubles() *trouble {
	if m.trouble == nil {
		m.trouble = &trouble{}
	}
	return m.trouble
}

func (m *meter) set(general Policy) {
	if m.own != nil {
		m.limiter.set(*m.own)
		return
	}
	m.limiter.set(general)
}

func (h *Hub) meterOf(id keys.DeviceID, own *Policy) *meter {
	m := h.meters[id]
	if m == nil {
		m = &meter{}
		h.meters[id] = m
	}
	m.own = own
	m.set(h.settings.DevicePolicy)
	return m
}

// isExempt reports whether no rate limit counts the event: what the system
// says, and the relay's way to find a server.
func isExempt(name string) bool { return IsReserved(name) || name == EventDevicesRequest }

// limitLocked counts one event against the limits of the device, its product
// and the server, and returns the word of the first that does not let it
// pass, or else of the last that warns, with its policy. An event that a
// narrower limit stops costs the wider ones nothing.
func (h *Hub) limitLocked(p *Presence, now time.Time) (action Action, policy Policy) {
	for _, l := range []*limiter{&p.meter.limiter, h.products[p.limits], &h.server} {
		if l == nil {
			continue
		}
		if said := l.take(now); said != "" {
			action, policy = said, l.policy
		}
		if action == Drop || action == Reject {
			break
		}
	}
	if action != "" {
		p.meter.troubles().limited++
		h.dropped.Add(1)
	}
	return action, policy
}
