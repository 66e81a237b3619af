package session

import (
	"context"
	"maps"
	"slices"
	"time"

	"localcloud/cloud"
	"localcloud/coap"
)

// callTimeout bounds a request whose caller set no deadline.
const callTimeout = 30 * time.Second

// do puts a command into the inbox and wakes the device's goroutine.
func (d *Device) do(run command) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	switch {
	case d.closed != nil:
		return cloud.E("", cloud.Offline, ErrClosed)
	case d.box != nil && len(d.box.inbox) >= inboxSize:
		return cloud.Errorf("", cloud.Limited, "%d requests wait for this device", len(d.box.inbox))
	}
	b := d.boxLocked()
	b.inbox = append(b.inbox, run)
	d.wakeLocked()
	return nil
}

// boxLocked returns the box, to put something in.
func (d *Device) boxLocked() *box {
	if d.box == nil {
		d.box = &box{}
	}
	return d.box
}

// owner is who steps a session: a Device or a Peer.
type owner interface {
	// do has a command run by the owner's goroutine.
	do(run command) error
	// ended is closed when nobody steps the session any more.
	ended() <-chan struct{}
}

func (d *Device) ended() <-chan struct{} {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.gone == nil {
		d.gone = make(chan struct{})
		if d.closed != nil {
			close(d.gone)
		}
	}
	return d.gone
}

// ask runs a command that ends with an answer, and waits for it.
func ask[T any](
	ctx context.Context, d owner, op string, start func(now, deadline time.Time, done func(T, error)),
) (T, error) {
	type answer struct {
		value T
		err   error
	}
	deadline, ok := ctx.Deadline()
	if !ok {
		deadline = time.Now().Add(callTimeout)
	}
	answered := make(chan answer, 1) // done is called once
	var none T
	err := d.do(func(now time.Time) {
		start(now, deadline, func(v T, err error) { answered <- answer{v, err} })
	})
	if err != nil {
		return none, cloud.E(op, cloud.Other, err)
	}
	var a answer
	select {
	case a = <-answered:
	case <-ctx.Done():
		return none, cloud.E(op, cloud.Timeout, ctx.Err())
	case <-d.ended(): // and nobody may be left to answer
		select {
		case a = <-answered:
		default:
			a.err = cloud.E("", cloud.Offline, ErrClosed)
		}
	}
	if a.err != nil {
		return none, cloud.E(op, cloud.Other, a.err)
	}
	return a.value, nil
}

// Call implements cloud.Conn.
func (d *Device) Call(ctx context.Context, function, argument string) (int32, error) {
	return ask(ctx, d, "call", func(now, deadline time.Time, done func(int32, error)) {
		d.session.Call(now, deadline, function, argument, done)
	})
}

// Variable implements cloud.Conn.
func (d *Device) Variable(ctx context.Context, name string) (any, error) {
	return ask(ctx, d, "variable", func(now, deadline time.Time, done func(any, error)) {
		d.session.Variable(now, deadline, name, done)
	})
}

// Metrics returns the device's diagnostics.
func (d *Device) Metrics(ctx context.Context) (coap.Metrics, error) {
	return ask(ctx, d, "metrics", func(now, deadline time.Time, done func(coap.Metrics, error)) {
		d.session.Metrics(now, deadline, done)
	})
}

// Vitals implements cloud.Conn.
func (d *Device) Vitals(ctx context.Context) (map[string]float64, error) {
	return ask(ctx, d, "vitals", func(now, deadline time.Time, done func(map[string]float64, error)) {
		d.session.Metrics(now, deadline, func(m coap.Metrics, err error) { done(figures(m), err) })
	})
}

// Signal implements cloud.Conn.
func (d *Device) Signal(ctx context.Context, on bool) error {
	_, err := ask(ctx, d, "signal", func(now, deadline time.Time, done func(struct{}, error)) {
		d.session.Signal(now, deadline, on, func(err error) { done(struct{}{}, err) })
	})
	return err
}

// Ping implements cloud.Conn.
func (d *Device) Ping(ctx context.Context) error {
	_, err := ask(ctx, d, "ping", func(now, _ time.Time, done func(struct{}, error)) {
		d.session.Ping(now, func(err error) { done(struct{}{}, err) })
	})
	return err
}

// Offer implements cloud.Conn and cloud.Listener. The Hub calls it while it
// is locked; nothing here calls the Hub while d.mu is held.
func (d *Device) Offer(ev *cloud.Event) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	b := d.boxLocked()
	if len(b.events) >= eventQueue {
		return false
	}
	b.events = append(b.events, ev)
	d.wakeLocked()
	return true
}

// Renamed implements cloud.Conn.
func (d *Device) Renamed(name string) {
	_ = d.do(func(time.Time) { d.session.Rename(name) }) // a device that is leaving asks no more
}

// Close implements cloud.Conn. The first reason counts.
func (d *Device) Close(err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err == nil {
		err = ErrClosed
	}
	if d.closed == nil {
		d.closed = err
		if d.gone != nil {
			close(d.gone)
		}
	}
	d.wakeLocked()
}

// committed notes the fate of a publish for the device's goroutine; the log's goroutine calls it.
func (d *Device) committed(p Published, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.leaveRoomLocked()
	if !p.Confirmable {
		return
	}
	b := d.boxLocked()
	b.acks = append(b.acks, verdict{p.Message, err})
	d.wakeLocked()
}

// awaitRoom takes a place among the publishes that wait for the disk. It
// blocks while all are taken, and with it the reading of the device's socket.
func (d *Device) awaitRoom() bool {
	for {
		room := d.enterRoom()
		if room == nil {
			return true
		}
		select {
		case <-room:
		case <-d.ended():
			return false
		}
	}
}

// enterRoom takes a place, or returns what is closed when there may be one.
func (d *Device) enterRoom() (room <-chan struct{}) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.pending == maxUncommitted {
		d.room = make(chan struct{})
		return d.room
	}
	d.pending++
	return nil
}

func (d *Device) leaveRoomLocked() {
	d.pending--
	if d.room != nil {
		close(d.room)
		d.room = nil
	}
}

func sameDescribe(a, b cloud.Device) bool {
	return slices.Equal(a.Functions, b.Functions) && maps.Equal(a.Variables, b.Variables) &&
		(a.Functions == nil) == (b.Functions == nil) &&
		a.AppHash == b.AppHash && a.IMEI == b.IMEI && a.ICCID == b.ICCID && slices.Equal(a.Modules, b.Modules)
}
