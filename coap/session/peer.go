package session

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"localcloud/cloud"
	"localcloud/coap"
	"localcloud/keys"
)

// receivedSize bounds the messages of a device that wait for its shard. More are dropped; the device sends them again.
const receivedSize = 64

// Peer is one device over UDP: its Session, its Channel, and what waits for the shard that steps both. It implements
// cloud.Conn while the device is online, and takes what the channel receives.
type Peer struct {
	peers   *Peers
	channel Channel
	begun   time.Duration // since its Peers began
	shard   uint32        // which of them steps it

	device keys.DeviceID // zero until the device is admitted; then it does not change

	heard    atomic.Int64 // nanoseconds from begun to the last message
	admitted atomic.Bool
	pending  atomic.Int32 // publishes that wait for the disk

	// Owned by the shard.
	keeping keeping
	place   int32         // in the shard's timers; -1: in none
	due     time.Duration // since its Peers began
	session *Session      // nil while it rests, and when it has ended
	resting resting

	// Owned by the goroutine that does its chores.
	presence *cloud.Presence // nil while the device is away

	mu      sync.Mutex
	queued  bool    // the shard knows that something waits
	working bool    // a goroutine does chores
	waiting *queues // nil: nothing waits
	ending  *ending // nil: it is open, and nobody waits for its end
}

// queues are what waits for a peer.
type queues struct {
	received [][]byte       // see receivedSize
	inbox    []command      // calls and the like; more than inboxSize are refused as Limited
	events   []*cloud.Event // from the Hub; more than eventQueue are lost for this device and counted by the Hub
	acks     []verdict      // publishes that are committed or failed; bounded by maxUncommitted
	chores   []chore        // see maxChores
}

func (q *queues) areEmpty() bool {
	return len(q.received)+len(q.inbox)+len(q.events)+len(q.acks)+len(q.chores) == 0
}

// ending is how a peer ends.
type ending struct {
	err    error         // why, once Close was called
	notify bool          // the device is to be told
	gone   chan struct{} // closed by Close; nil until somebody waits for it
}

func (p *Peer) start() time.Time { return p.peers.began.Add(p.begun) }

// queuesLocked returns where to put what waits.
func (p *Peer) queuesLocked() *queues {
	if p.waiting == nil {
		p.waiting = &queues{}
	}
	return p.waiting
}

// takeLocked returns what waits for the shard.
func (p *Peer) takeLocked() (q queues) {
	if p.waiting == nil {
		return q
	}
	q, p.waiting = *p.waiting, nil
	if len(q.chores) > 0 {
		p.waiting = &queues{chores: q.chores}
	}
	return q
}

func (p *Peer) endingLocked() *ending {
	if p.ending == nil {
		p.ending = &ending{}
	}
	return p.ending
}

func (p *Peer) isClosedLocked() bool { return p.ending != nil && p.ending.err != nil }

// Receive takes one message of the device, which may be reused afterwards. It does not block.
func (p *Peer) Receive(message []byte) {
	p.heard.Store(int64(time.Since(p.start())))
	p.mu.Lock()
	if q := p.queuesLocked(); len(q.received) < receivedSize {
		q.received = append(q.received, slices.Clone(message))
	}
	p.mu.Unlock()
	p.wake()
}

// Closed says that the device ended its session; it comes again with another.
func (p *Peer) Closed(err error) { p.close(err, false) }

// wake has the shard step the peer.
func (p *Peer) wake() {
	p.mu.Lock()
	queued := p.queued
	p.queued = true
	p.mu.Unlock()
	if !queued {
		p.peers.shards[p.shard].push(p)
	}
}

// step does what waits, and returns when the peer wants to be stepped next: zero is never. A panic is our bug: it costs
// this device its session, nobody else theirs.
func (p *Peer) step(now time.Time) (due time.Time, alive bool) {
	defer func() {
		if r := recover(); r != nil {
			p.logger().Error("panic in a device's session", "panic", r, "stack", string(debug.Stack()))
			p.end(fmt.Errorf("panic: %v", r), true)
			alive = false
		}
	}()
	if !p.awake() {
		return time.Time{}, false // it ended already
	}
	if err, notify := p.drain(now); err != nil {
		p.end(err, notify)
		return time.Time{}, false
	}
	if err := p.session.Tick(now); err != nil {
		p.notLetIn(err)
		p.end(err, false)
		return time.Time{}, false
	}
	p.settle(now)
	p.save(now)
	due = sooner(p.session.Deadline(), p.settled())
	p.rest(now)
	return due, true
}

// awake makes the session if it rests, and reports whether there is one.
func (p *Peer) awake() bool {
	if p.session == nil && p.resting.board != nil {
		p.session = p.resting.wake(p.start(), Config{
			Device: p.device, IP: p.channel.RemoteAddr().Addr().String(), Clock: p.peers.clock, Vitals: vitalsEvery, UDP: true,
		})
		p.resting = resting{}
	}
	return p.session != nil
}

// rest lets the session rest if it may.
func (p *Peer) rest(now time.Time) {
	if r, ok := p.session.rest(now, &p.peers.boards); ok {
		p.resting, p.session = r, nil
	}
}

// drain hands the session all that waits for it.
func (p *Peer) drain(now time.Time) (closed error, notify bool) {
	p.mu.Lock()
	q := p.takeLocked()
	p.queued = false
	if p.ending != nil {
		closed, notify = p.ending.err, p.ending.notify
	}
	p.mu.Unlock()
	for _, a := range q.acks {
		p.session.Acknowledge(a.message, a.err)
	}
	if closed != nil {
		p.flush() // what is committed is acknowledged
		return closed, notify
	}
	for _, m := range q.received {
		p.receive(now, m)
	}
	for _, run := range q.inbox {
		run(now)
	}
	for _, ev := range q.events {
		if !p.session.Send(ev) {
			p.logger().Debug("event not sent to device", "event", ev)
		}
	}
	return nil, false
}

func (p *Peer) receive(now time.Time, message []byte) {
	logger := p.peers.cfg.Logger
	if logger.Enabled(context.Background(), slog.LevelDebug) {
		if m, err := coap.Parse(message); err == nil {
			p.logger().Debug("from device", "message", m)
		}
	}
	if p.keeping.behind < lagMost { // more makes no difference
		p.keeping.behind++
	}
	if err := p.session.Receive(now, message); err != nil {
		logger.Debug("message dropped", "device", p.session.Device(), "address", p.channel.RemoteAddr(), "err", err)
	}
	p.settle(now)
}

// settle carries out the session's effects and sends what it wants sent.
func (p *Peer) settle(now time.Time) {
	for {
		p.flush()
		effects := p.session.Effects()
		if len(effects) == 0 {
			return
		}
		for _, e := range effects {
			p.apply(now, e)
		}
	}
}

func (p *Peer) flush() {
	for _, b := range p.session.Outbox() {
		if p.peers.cfg.Logger.Enabled(context.Background(), slog.LevelDebug) {
			if m, err := coap.Parse(b); err == nil {
				p.logger().Debug("to device", "message", m)
			}
		}
		if err := p.channel.Write(b); err != nil {
			p.logger().Debug("message not sent", "err", err)
		}
	}
}

// end forgets the session.
func (p *Peer) end(err error, notify bool) {
	id := p.session.Device()
	p.close(err, false)
	p.channel.Close(notify)
	p.session.Close(ErrClosed)
	p.session = nil
	if p.peers.forget(p, id) && p.peers.keeps() != cloud.KeptNever {
		p.later(func(context.Context) { p.peers.cfg.Links.ForgetLink(id) })
	}
	p.later(func(ctx context.Context) {
		p.away(ctx, err)
	})
}

// stop takes the device offline when the cloud stops. The shard does not run any more.
func (p *Peer) stop() {
	p.close(ErrStopping, false)
	if p.awake() {
		p.park()
		p.session.Close(ErrClosed)
	}
	done := make(chan struct{})
	p.later(func(ctx context.Context) {
		defer close(done)
		p.away(ctx, ErrStopping)
	})
	<-done
}

func (p *Peer) logger() *slog.Logger {
	if p.device.IsZero() {
		return p.peers.cfg.Logger.With("address", p.channel.RemoteAddr())
	}
	return p.peers.cfg.Logger.With("device", p.device)
}

// do puts a command into the inbox.
func (p *Peer) do(run command) error {
	p.mu.Lock()
	q := p.queuesLocked()
	switch {
	case p.isClosedLocked():
		p.mu.Unlock()
		return cloud.E("", cloud.Offline, ErrClosed)
	case len(q.inbox) >= inboxSize:
		p.mu.Unlock()
		return cloud.Errorf("", cloud.Limited, "%d requests wait for this device", inboxSize)
	}
	q.inbox = append(q.inbox, run)
	p.mu.Unlock()
	p.wake()
	return nil
}

func (p *Peer) ended() <-chan struct{} {
	p.mu.Lock()
	defer p.mu.Unlock()
	e := p.endingLocked()
	if e.gone == nil {
		e.gone = make(chan struct{})
		if e.err != nil {
			close(e.gone)
		}
	}
	return e.gone
}

// Call implements cloud.Conn.
func (p *Peer) Call(ctx context.Context, function, argument string) (int32, error) {
	return ask(ctx, p, "call", func(now, deadline time.Time, done func(int32, error)) {
		p.session.Call(now, deadline, function, argument, done)
	})
}

// Variable implements cloud.Conn.
func (p *Peer) Variable(ctx context.Context, name string) (any, error) {
	return ask(ctx, p, "variable", func(now, deadline time.Time, done func(any, error)) {
		p.session.Variable(now, deadline, name, done)
	})
}

// Vitals implements cloud.Conn.
func (p *Peer) Vitals(ctx context.Context) (map[string]float64, error) {
	return ask(ctx, p, "vitals", func(now, deadline time.Time, done func(map[string]float64, error)) {
		p.session.Metrics(now, deadline, func(m coap.Metrics, err error) { done(figures(m), err) })
	})
}

// Signal implements cloud.Conn.
func (p *Peer) Signal(ctx context.Context, on bool) error {
	_, err := ask(ctx, p, "signal", func(now, deadline time.Time, done func(struct{}, error)) {
		p.session.Signal(now, deadline, on, func(err error) { done(struct{}{}, err) })
	})
	return err
}

// Ping implements cloud.Conn.
func (p *Peer) Ping(ctx context.Context) error {
	_, err := ask(ctx, p, "ping", func(now, _ time.Time, done func(struct{}, error)) {
		p.session.Ping(now, func(err error) { done(struct{}{}, err) })
	})
	return err
}

// Offer implements cloud.Conn and cloud.Listener.
func (p *Peer) Offer(ev *cloud.Event) bool {
	p.mu.Lock()
	q := p.queuesLocked()
	if len(q.events) >= eventQueue || p.isClosedLocked() {
		p.mu.Unlock()
		return false
	}
	q.events = append(q.events, ev)
	p.mu.Unlock()
	p.wake()
	return true
}

// Renamed implements cloud.Conn.
func (p *Peer) Renamed(name string) {
	_ = p.do(func(time.Time) { p.session.Rename(name) }) // a device that is leaving asks no more
}

// LastHeard implements cloud.Conn.
func (p *Peer) LastHeard() time.Time {
	ago := time.Since(p.start()) - time.Duration(p.heard.Load())
	return p.peers.cfg.Hub.Clock().Now().Add(-ago)
}

// Close implements cloud.Conn. The device is told, and comes again with a handshake; but not when it has come already,
// or the cloud only stops.
func (p *Peer) Close(err error) {
	if err == nil {
		err = ErrClosed
	}
	p.close(err, !errors.Is(err, cloud.ErrReplaced) && !errors.Is(err, ErrStopping))
}

func (p *Peer) close(err error, notify bool) {
	p.mu.Lock()
	if e := p.endingLocked(); e.err == nil {
		e.err, e.notify = err, notify
		if e.gone != nil {
			close(e.gone)
		}
	}
	p.mu.Unlock()
	p.wake()
}

// notLetIn records a device that never said Hello, unless it was let do something else.
func (p *Peer) notLetIn(err error) {
	if p.admitted.Load() || p.session.isKnown() {
		return
	}
	p.knock(keys.DeviceID{}, reasonOf(err))
}
