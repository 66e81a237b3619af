package relay

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"localcloud/cloud"
)

// calling is an invitation under way. While it is there no second one begins: a
// device that asks meanwhile is served by it, unless it fails. A call that the
// device had asked for is followed by another one when it asks once more.
type calling struct {
	hurry     chan struct{} // one place: the device has asked, so there is nothing to wait for
	announced string
	asked     bool // since the last call began
}

// reinvite asks a device back whose stream ended, instead of waiting until it
// asks: once, and only if the stream was a steady one and the device came because it was called.
func (r *Relay) reinvite(s *stream) {
	if s.called && time.Since(s.since) >= steadyStream {
		r.invite(s.device, "", inviteDelay)
	}
}

// invite calls a device, after a delay, on a goroutine of its own. While a call is under way there is no second one.
func (r *Relay) invite(device, announced string, delay time.Duration) {
	if !r.state.allows(device) {
		r.mu.Lock()
		r.recordLocked(device).Problem = "the owner does not allow it: localcloud relay allow " + device
		r.mu.Unlock()
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if announced == "" && r.hasOtherLocked(device) {
		return // not asked for, and not ours
	}
	if c := r.calls[device]; c != nil {
		if delay == 0 {
			c.announced, c.asked = announced, true
			select {
			case c.hurry <- struct{}{}:
			default:
			}
		}
		return
	}
	if len(r.calls) >= maxCalls || r.context.Err() != nil {
		return
	}
	c := &calling{hurry: make(chan struct{}, 1), announced: announced, asked: delay == 0}
	r.calls[device] = c
	r.work.Go(func() { r.callUntilDone(device, c, delay) })
}

// callUntilDone calls a device, and again when the device has asked meanwhile and was not served by that.
func (r *Relay) callUntilDone(device string, c *calling, delay time.Duration) {
	timer := time.NewTimer(delay)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-c.hurry:
	case <-r.context.Done():
	}
	for r.context.Err() == nil {
		r.mu.Lock()
		announced := c.announced
		if announced == "" {
			announced = r.recordLocked(device).Announced // the last time
		}
		if at := r.state.get().At[device]; announced == "" && at.IsValid() {
			announced = at.String()
		}
		wanted := c.asked
		c.asked = false
		s := r.liveliestLocked(device)
		r.mu.Unlock()
		called := s != nil && s.quiet() < aliveFor || r.call(device, announced)
		r.mu.Lock()
		if !c.asked || called && !wanted {
			delete(r.calls, device)
			r.mu.Unlock()
			return
		}
		r.mu.Unlock()
	}
}

// call draws a nonce and calls the device's function with our address, port and the nonce. It reports whether the device took it.
func (r *Relay) call(device, announced string) bool {
	ctx, cancel := context.WithTimeout(r.context, callTime)
	defer cancel()
	d, err := r.Cloud.Device(ctx, device)
	if err != nil {
		r.callFailed(device, fmt.Errorf("the cloud does not say where it is: %v", err)) // and not that it has no function
		return false
	}
	from := expected(d, announced)
	if len(from) == 0 && !r.AnyAddress {
		r.callFailed(device, fmt.Errorf("nobody knows its address: it announced %q", printable(announced)))
		return false
	}
	ours, err := r.addressFor(d, announced)
	if err != nil {
		r.callFailed(device, err)
		return false
	}
	nonce := r.tickets.issue(device, from, time.Now())
	argument := ours.String() + "," + nonce
	if len(argument) > maxArgument {
		r.callFailed(device, fmt.Errorf("%q and a nonce are more than %d bytes", ours, maxArgument))
		return false
	}
	r.counts.calls.Add(1)
	began := time.Now()
	r.mu.Lock()
	rec := r.recordLocked(device)
	rec.Called, rec.Told, rec.Returned = began, ours.String(), nil
	r.mu.Unlock()
	value, err := r.Cloud.Call(ctx, device, functionDevices, argument)
	if err != nil {
		r.callFailed(device, err)
		return false
	}
	r.mu.Lock()
	r.recordLocked(device).Returned = &value
	r.mu.Unlock()
	r.log.Info("device called", "device", device, "told", ours.String(), "returned", value,
		"took", time.Since(began).Round(time.Millisecond).String())
	r.work.Go(func() { r.watchFor(d, announced, began) })
	return true
}

// callFailed notes why a device could not be called, with what to do about it.
func (r *Relay) callFailed(device string, err error) {
	r.counts.callsFailed.Add(1)
	problem := err.Error()
	switch cloud.KindOf(err) {
	case cloud.NotExist:
		problem = "it has no function \"devices\": the sketch has to register it before it publishes devicesRequest"
		r.forget(device)
	case cloud.Offline:
		problem = "it went offline before it could be called"
	case cloud.Timeout:
		problem = "it did not answer the call in time; its sketch may block"
	}
	r.mu.Lock()
	r.recordLocked(device).Problem = problem
	r.mu.Unlock()
	if r.context.Err() == nil {
		r.log.Warn("device not called", "device", device, "why", problem)
	}
}

// watchFor notes it when a device was called and does not connect.
func (r *Relay) watchFor(d Device, announced string, called time.Time) {
	if !r.pause(connectTime) {
		return
	}
	r.mu.Lock()
	rec := r.recordLocked(d.ID)
	silent := rec.Connected.Before(called) && rec.Called.Equal(called) && rec.Problem == "" && rec.Other.Before(called)
	to := rec.Told
	if silent {
		rec.Problem = r.isolated(d, announced, to)
	}
	problem := rec.Problem
	r.mu.Unlock()
	if silent {
		r.log.Warn("device was called and does not connect", "device", d.ID, "told", to, "why", problem)
	}
}

// isolated explains why a device that took our call cannot reach us.
func (r *Relay) isolated(d Device, announced, to string) string {
	at, err := netip.ParseAddr(announced)
	if err != nil {
		at = d.Address
	}
	if networks, err := r.Addresses(); err == nil && at.IsValid() &&
		!slices.ContainsFunc(networks, func(p netip.Prefix) bool { return p.Contains(at) }) {
		return fmt.Sprintf("it took the call and never connected to %s: its address %v is in another network than this machine "+
			"(wrong subnet); set --relay-advertise to an address that it can reach", to, at)
	}
	if r.Advertise.IsValid() && !r.isOwn(r.Advertise.Addr().Unmap()) {
		return fmt.Sprintf("it took the call and never connected to %s, which is not an address of this machine: look whether "+
			"--relay-advertise leads here", to)
	}
	return fmt.Sprintf("it took the call and never connected to %s: a firewall on this machine, or an access point that keeps "+
		"its clients apart (client isolation)", to)
}
