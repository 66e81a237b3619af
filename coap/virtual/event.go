package virtual

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/plgd-dev/go-coap/v3/message"

	"localcloud/coap"
)

// Event is an event that the device publishes or gets.
type Event struct {
	Name string

	// Data is any bytes; nil is none. Up to 2.x an empty Data is sent as a payload
	// marker with nothing behind it, as those boards do it.
	Data []byte

	TTL     uint32 // seconds; 0: 60
	Private bool   // from 6.2 on always

	// Format is a content format such as coap.FormatJSON; 0 is text. Only from 6.2 on.
	Format int

	// WithAck makes Publish wait for the server's acknowledgement.
	WithAck bool
}

const (
	defaultTTL = 60
	// ackTimeout is SEND_EVENT_ACK_TIMEOUT, Device OS communication/inc/protocol_defs.h.
	ackTimeout = 20 * time.Second
)

// Publish sends an event. It returns when the event is written, or, WithAck,
// when the server has acknowledged it: a refusal is a *coap.ResponseError,
// silence is ErrNoACK after 20 s. Offline it fails at once with ErrOffline. When
// ctx ends it returns; the event may be sent nevertheless.
//
// Events are sent in the order of the calls. Core045 knows no WithAck and refuses it.
func (d *Device) Publish(ctx context.Context, ev Event) error {
	done, err := d.publish(ev)
	if err != nil {
		return err
	}
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// publish has an event sent, and returns where the result will be.
func (d *Device) publish(ev Event) (<-chan error, error) {
	done := make(chan error, 1)
	err := d.publishThen(ev, func(err error) { done <- err })
	return done, err
}

// publishThen has an event sent. If it returns nil, then is called once, by the
// goroutine that owns the connection: it must not block.
func (d *Device) publishThen(ev Event, then func(error)) error {
	if err := d.checkEvent(ev); err != nil {
		return fmt.Errorf("publish %.64q: %w", ev.Name, err)
	}
	d.mu.Lock()
	c := d.online
	d.mu.Unlock()
	if c == nil {
		return ErrOffline
	}
	return c.post(order{
		do:   func(c *connection, now time.Time) error { return c.publish(now, ev, then) },
		fail: then,
	})
}

func (d *Device) checkEvent(ev Event) error {
	switch {
	case ev.Name == "":
		return errors.New("virtual: no name")
	case len(ev.Name) > d.limits.EventName:
		return fmt.Errorf("name of %d bytes, at most %d: %w", len(ev.Name), d.limits.EventName, ErrTooLong)
	case len(ev.Data) > d.limits.EventData:
		return fmt.Errorf("data of %d bytes, at most %d: %w", len(ev.Data), d.limits.EventData, ErrTooLong)
	case ev.TTL > 0xffffff:
		return fmt.Errorf("virtual: TTL of %d s", ev.TTL)
	case ev.Format < 0 || ev.Format > 0xffff:
		return fmt.Errorf("virtual: no content format %d", ev.Format)
	case ev.Format != coap.FormatText && !d.os.privateOnly:
		return fmt.Errorf("virtual: Device OS %s knows no content formats", d.os.name)
	case ev.WithAck && d.os.core:
		return fmt.Errorf("virtual: Device OS %s knows no acknowledged events", d.os.name)
	}
	return nil
}

// publish sends an event of the application.
func (c *connection) publish(now time.Time, ev Event, then func(error)) error {
	if c.d.cfg.PublishLimit && !c.d.limiter.allow(now.Sub(c.d.booted), c.d.isSystem(ev.Name)) {
		c.d.counters.throttled.Add(1)
		then(ErrRateLimited)
		return nil
	}
	m := c.eventMessage(ev)
	if ev.WithAck {
		c.waiting = append(c.waiting, unacknowledged{m.ID, now.Add(ackTimeout), then})
	}
	if err := c.sendEvent(ev, m); err != nil {
		if !ev.WithAck {
			then(err)
		}
		return err
	}
	if !ev.WithAck {
		then(nil)
	}
	return nil
}

// tell sends a system event.
func (c *connection) tell(name, data string) error {
	ev := Event{Name: name, Data: []byte(data), Private: true}
	return c.sendEvent(ev, c.eventMessage(ev))
}

// eventMessage builds an event that checkEvent has let pass.
func (c *connection) eventMessage(ev Event) coap.Message {
	t := coap.NonConfirmable
	if ev.WithAck {
		t = coap.Confirmable
	}
	out := coap.Event{
		Name: ev.Name, Private: ev.Private || c.d.os.privateOnly, Data: ev.Data,
		TTL: ev.TTL, HasTTL: ev.TTL != 0, ContentFormat: ev.Format,
	}
	short := c.d.os.privateOnly && ev.TTL != 0 && ev.TTL != defaultTTL
	if short {
		out.HasTTL = false
	}
	m, err := coap.EventMessage(t, c.nextID(), out)
	if err != nil {
		panic("virtual: " + err.Error())
	}
	if short {
		m = m.With(message.MaxAge, appendUint(nil, ev.TTL))
	}
	return m
}

// appendUint writes n as an option value, in as few bytes as it takes.
func appendUint(b []byte, n uint32) []byte {
	for shift := 24; shift >= 0; shift -= 8 {
		if n>>shift != 0 {
			b = append(b, byte(n>>shift))
		}
	}
	return b
}

func (c *connection) sendEvent(ev Event, m coap.Message) error {
	if c.d.os.emptyMarker && ev.Data != nil {
		return c.sendMarked(m)
	}
	return c.send(m)
}

// unacknowledged is a confirmable event that the server has not answered.
type unacknowledged struct {
	id   uint16
	by   time.Time
	then func(error)
}

// acknowledged ends the wait for an event that m answers.
func (c *connection) acknowledged(m coap.Message) {
	i := slices.IndexFunc(c.waiting, func(u unacknowledged) bool { return u.id == m.ID })
	if i < 0 {
		return
	}
	u := c.waiting[i]
	c.waiting = slices.Delete(c.waiting, i, i+1)
	if m.Type == coap.Reset {
		u.then(errors.New("virtual: the server reset the event"))
		return
	}
	u.then(m.Err())
}

func (c *connection) ackDeadline() time.Time {
	if len(c.waiting) == 0 {
		return time.Time{}
	}
	return c.waiting[0].by // all wait equally long
}

func (c *connection) expire(now time.Time) {
	for len(c.waiting) > 0 && !now.Before(c.waiting[0].by) {
		u := c.waiting[0]
		c.waiting = slices.Delete(c.waiting, 0, 1)
		u.then(ErrNoACK)
	}
}

// forsake ends all waits when the connection has ended.
func (c *connection) forsake() {
	for _, u := range c.waiting {
		u.then(ErrOffline)
	}
	c.waiting = nil
}

// onEvent gives an event to every handler whose prefix it has. On TCP it is not
// acknowledged, even when it is confirmable; on UDP it is.
func (c *connection) onEvent(m coap.Message) error {
	if err := c.acksEvent(m); err != nil {
		return err
	}
	in, err := coap.ParseEvent(m)
	if err != nil {
		return nil
	}
	ev := Event{Name: in.Name, Data: slices.Clone(in.Data), TTL: in.TTL, Private: in.Private, Format: max(in.ContentFormat, 0)}
	for _, s := range c.d.matching(ev) {
		c.d.run(func() { s.handle(ev) })
	}
	return c.onSystemEvent(ev)
}

// onSystemEvent does what a board's own subscriptions are for.
// Device OS system/src/system_cloud_internal.cpp systemEventHandler.
func (c *connection) onSystemEvent(ev Event) error {
	switch {
	case strings.HasPrefix(ev.Name, "spark/device/claim/"):
		c.d.claimCode = ""
	case ev.Name == "spark/device/reset" && string(ev.Data) == "reboot":
		return errRebooted
	}
	return nil
}

// isSystem reports whether an event counts as one of the system's.
func (d *Device) isSystem(name string) bool {
	if d.os.core {
		return len(name) >= 5 && strings.EqualFold(name[:5], "spark")
	}
	return strings.HasPrefix(name, "spark") || d.os.particleSystem && strings.HasPrefix(name, "particle")
}

// limiter is the firmware's own limit, which no server can lift. Device OS
// communication/src/publisher.h is_rate_limited.
type limiter struct {
	recent [5]time.Duration // when the last events were tried, refused ones too
	tried  int
	window uint16 // of 65,536 ms
	count  int    // of system events in it
}

const maxSystemEvents = 255

// allow says whether an event may be sent, uptime after the start.
func (l *limiter) allow(uptime time.Duration, system bool) bool {
	if system {
		window := uint16(uptime.Milliseconds() >> 16)
		if window != l.window {
			l.window, l.count = window, 0
		}
		l.count++
		return l.count <= maxSystemEvents
	}
	l.recent[l.tried%len(l.recent)] = uptime
	l.tried++
	if l.tried < len(l.recent) {
		return true
	}
	return uptime-l.recent[l.tried%len(l.recent)] >= time.Second
}
