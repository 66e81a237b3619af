package virtual

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	"localcloud/coap"
	"localcloud/coap/link"
)

const (
	bootTime    = 1 * time.Second // from a reset to the next connection
	dialTimeout = 30 * time.Second
)

// Run connects the device and keeps it connected until ctx ends, which is like
// cutting its power: no goodbye is said. It then returns the cause of ctx.
// Without Config.Reconnect it also returns when a connection cannot be made or
// ends, with the reason. It returns after all handlers have returned.
func (d *Device) Run(ctx context.Context) error {
	if d.osErr != nil {
		return d.osErr
	}
	if err := d.begin(); err != nil {
		return err
	}
	defer d.finish()
	d.boot()

	var delay time.Duration
	for {
		err := d.attempt(ctx, delay)
		switch {
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case errors.Is(err, errRebooted):
			d.counters.reboots.Add(1)
			d.boot()
			delay = bootTime
		case errors.Is(err, errLeft):
			if err := d.awaitConnect(ctx); err != nil {
				return err
			}
			delay = 0
		case !d.cfg.Reconnect:
			return err
		default:
			d.attempts++
			delay = d.backoff()
			d.log.Warn("connection failed", "err", err, "again_in", delay)
			if d.failed != nil {
				d.failed()
			}
		}
	}
}

func (d *Device) begin() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.running {
		return errors.New("virtual: already running")
	}
	d.running = true
	return nil
}

func (d *Device) finish() {
	d.app.wait()
	d.mu.Lock()
	defer d.mu.Unlock()
	d.running = false
}

func (d *Device) boot() {
	d.booted = time.Now()
	d.attempts = 0
	d.leftover = ""
}

// backoff is how long to wait after failed attempts:
//
//	1000 ms * 2^min(7, (attempts-1)/5)
//
// and up to an eighth more, so that many devices do not come back at once.
// Device OS system/src/system_utilities.cpp backoff_period.
func (d *Device) backoff() time.Duration {
	delay := time.Second << min(7, (d.attempts-1)/5)
	return delay + time.Duration(d.random.Int64N(int64(delay/8)))
}

// attempt is one connection, from the wait before it to its end.
func (d *Device) attempt(parent context.Context, delay time.Duration) error {
	ctx, interrupt := context.WithCancelCause(parent)
	defer interrupt(nil)
	if !d.arm(interrupt) {
		return errLeft
	}

	if err := sleep(ctx, delay); err != nil {
		return err
	}
	if d.hasUDP() {
		return d.attemptUDP(ctx)
	}
	nc, err := d.dial(ctx)
	if err != nil {
		return err
	}
	defer nc.Close()
	if d.cfg.Faults.HalfOpen {
		return d.faults.halfOpen(ctx, nc)
	}
	l, err := d.handshake(ctx, nc)
	if err != nil {
		return err
	}
	if err := sleep(ctx, d.cfg.Faults.HelloAfter); err != nil {
		return err
	}
	return newTCPConnection(d, l).run(ctx)
}

// arm takes the function that ends an attempt, and reports whether there is to be one.
func (d *Device) arm(interrupt context.CancelCauseFunc) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.interrupt = interrupt
	return !d.away
}

func (d *Device) dial(ctx context.Context) (net.Conn, error) {
	d.counters.attempts.Add(1)
	dialing, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	nc, err := d.cfg.Dial(dialing)
	if err != nil {
		return nil, whileLive(ctx, fmt.Errorf("virtual: %w", err))
	}
	return nc, nil
}

func (d *Device) handshake(ctx context.Context, nc net.Conn) (*link.Conn, error) {
	client := link.Client{ServerKey: d.cfg.ServerKey, ID: d.cfg.ID, Key: d.cfg.Key}
	if err := d.faults.prepare(&client); err != nil {
		return nil, err
	}
	l, err := client.Handshake(ctx, nc)
	if err != nil {
		return nil, whileLive(ctx, fmt.Errorf("virtual: %w", err))
	}
	return l, nil
}

// whileLive returns err, or why ctx ended if it did: that came first.
func whileLive(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

func sleep(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return nil
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// Reboot cuts the connection without a goodbye; a second later the device is
// back. It works without Config.Reconnect, too.
func (d *Device) Reboot() {
	d.end(false, errRebooted)
}

// Disconnect makes the device say goodbye and stay offline until Connect is
// called. Before Run it keeps the device from connecting.
func (d *Device) Disconnect() {
	d.end(true, errLeft)
}

func (d *Device) end(away bool, reason error) {
	d.mu.Lock()
	d.away = d.away || away
	interrupt := d.interrupt
	d.mu.Unlock()
	if interrupt != nil {
		interrupt(reason)
	}
}

// Connect ends what Disconnect began.
func (d *Device) Connect() {
	d.mu.Lock()
	d.away = false
	d.mu.Unlock()
	select {
	case d.kick <- struct{}{}:
	default: // it is awake already
	}
}

func (d *Device) awaitConnect(ctx context.Context) error {
	for d.isAway() {
		select {
		case <-d.kick:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	return nil
}

func (d *Device) isAway() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.away
}

// arrive makes the device online and returns the subscriptions to send; those
// made later are sent one by one.
func (d *Device) arrive(c *connection) []coap.Subscription {
	d.counters.connects.Add(1)
	d.attempts = 0
	d.mu.Lock()
	defer d.mu.Unlock()
	d.online = c
	subs := make([]coap.Subscription, 0, len(d.os.systemSubs)+len(d.subscriptions))
	subs = append(subs, d.os.systemSubs...)
	for _, s := range d.subscriptions {
		subs = append(subs, s.wire(d.os))
	}
	return subs
}

// greet tells the application that the device is online.
func (d *Device) greet() {
	d.log.Info("online", "os", d.os.name)
	d.mu.Lock()
	callbacks := d.onOnline
	d.mu.Unlock()
	for _, f := range callbacks {
		d.run(f)
	}
}

// depart makes the device offline.
func (d *Device) depart() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.online = nil
}

// mourn tells the application that the device is offline.
func (d *Device) mourn(reason error) {
	d.counters.disconnects.Add(1)
	d.log.Info("offline", "reason", reason)
	d.mu.Lock()
	callbacks := d.onOffline
	d.mu.Unlock()
	for _, f := range callbacks {
		d.run(func() { f(reason) })
	}
}

// run gives f to the application thread.
func (d *Device) run(f func()) {
	if !d.app.do(f) {
		d.counters.missed.Add(1)
	}
}
