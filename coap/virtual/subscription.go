package virtual

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"localcloud/coap"
	"localcloud/keys"
)

// SubscribeOptions narrow a subscription. The zero value is what
// Particle.subscribe(prefix, handler, ALL_DEVICES) asks for.
type SubscribeOptions struct {
	Mine   bool   // MY_DEVICES; not sent from 6.2 on, where nothing else is meant
	Device string // 24 hex digits: events of this device only; not sent from 6.2 on
	Format byte   // 'c' CBOR, 'b' any bytes, 0 text; only from 6.2 on
}

type subscription struct {
	prefix  string
	options SubscribeOptions
	handle  func(Event)
}

// maxDeviceID is what fits into a subscription as boards keep it, half of an
// id: only that is sent on the next connection. Device OS
// communication/inc/events.h FilteringEventHandler.
const maxDeviceID = 12

// Subscribe asks for events whose names begin with prefix and gives those that
// come to handle. It is sent at once when the device is online and each time
// that it comes online. An event that several subscriptions match is given to
// each handler.
func (d *Device) Subscribe(prefix string, options SubscribeOptions, handle func(Event)) error {
	s := subscription{prefix, options, handle}
	if err := d.checkSubscription(s); err != nil {
		return fmt.Errorf("subscribe %.64q: %w", prefix, err)
	}
	c, err := d.addSubscription(s)
	if err != nil {
		return fmt.Errorf("subscribe %q: %w", prefix, err)
	}
	if c == nil {
		return nil
	}
	full := s.wire(d.os)
	if full.DeviceID != "" {
		full.DeviceID = options.Device
	}
	// If the connection has just ended, it goes with the next.
	_ = c.ask(func(c *connection, _ time.Time) error { return c.subscribe(full) })
	return nil
}

// addSubscription returns the connection that it must be sent on, if any.
func (d *Device) addSubscription(s subscription) (*connection, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.subscriptions) >= maxRegistered {
		return nil, ErrTooMany
	}
	d.subscriptions = append(d.subscriptions, s)
	return d.online, nil
}

func (d *Device) checkSubscription(s subscription) error {
	switch {
	case len(s.prefix) > d.limits.EventName:
		return fmt.Errorf("prefix of %d bytes, at most %d: %w", len(s.prefix), d.limits.EventName, ErrTooLong)
	case s.prefix == "" && !s.options.Mine:
		return errors.New("virtual: a prefix is needed to get the events of everyone")
	case s.options.Format != 0 && (!d.os.privateOnly || s.options.Format != 'c' && s.options.Format != 'b'):
		return fmt.Errorf("virtual: Device OS %s knows no format %q", d.os.name, s.options.Format)
	case s.options.Device != "":
		_, err := keys.ParseDeviceID(s.options.Device)
		return err
	}
	return nil
}

// Unsubscribe forgets all subscriptions of the application. As with
// Particle.unsubscribe(), the server is told nothing: it learns of it when the
// device sends its subscriptions on the next connection.
func (d *Device) Unsubscribe() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.subscriptions = nil
}

// wire returns what the release sends of a subscription when it comes online.
func (s subscription) wire(os *release) coap.Subscription {
	w := coap.Subscription{Prefix: s.prefix, Format: s.options.Format}
	if os.subscribesNON { // and knows neither of these
		return w
	}
	if s.options.Device != "" {
		w.DeviceID = s.options.Device[:maxDeviceID]
	} else {
		w.MyDevices = s.options.Mine
	}
	return w
}

func (c *connection) subscribe(subs ...coap.Subscription) error {
	t := coap.Confirmable
	if c.d.os.subscribesNON {
		t = coap.NonConfirmable
	}
	for _, s := range subs {
		if err := c.send(coap.SubscribeMessage(t, c.nextID(), s)); err != nil {
			return err
		}
	}
	return nil
}

// matching returns the subscriptions that want ev.
func (d *Device) matching(ev Event) []subscription {
	d.mu.Lock()
	defer d.mu.Unlock()
	var all []subscription
	for _, s := range d.subscriptions {
		if strings.HasPrefix(ev.Name, s.prefix) && s.takes(ev.Format) {
			all = append(all, s)
		}
	}
	return all
}

// takes reports whether the handler can have data of a content format.
// Device OS communication/src/subscriptions.cpp handle_event (6.2.0).
func (s subscription) takes(format int) bool {
	switch s.options.Format {
	case 'b':
		return true
	case 'c':
		return format == coap.FormatCBOR
	}
	return slices.Contains([]int{coap.FormatText, 40, 41, coap.FormatJSON}, format) // 40 link-format, 41 XML
}
