package relay

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"localcloud/cloud"
)

// Names on the wire (relay.md, 2.2).
const (
	functionDevices = "devices"
	maxArgument     = 63 // bytes that firmware of that time takes
)

// Timing of invitations.
const (
	callTime     = 30 * time.Second // for a device to answer
	aliveFor     = 10 * time.Second // a stream that gave a byte within this time is alive
	connectTime  = 20 * time.Second // after a good call the connection should be there
	steadyStream = 5 * time.Second  // a stream that lasted so long is asked back when it ends
	inviteDelay  = 500 * time.Millisecond
	deferTime    = 3 * time.Second  // how long another server that answers the device goes first
	otherTime    = 10 * time.Minute // after its last answer
	maxCalls     = 256              // calls under way; more devices wait for their next request
)

// Record is what happened to one device: it answers "why is there no data".
type Record struct {
	Requested time.Time `json:"requested_at,omitzero"` // last devicesRequest
	Announced string    `json:"announced,omitempty"`   // the address in it
	Called    time.Time `json:"called_at,omitzero"`
	Told      string    `json:"told,omitempty"` // the address and port that the device was given
	Returned  *int32    `json:"returned,omitempty"`
	Connected time.Time `json:"connected_at,omitzero"`
	From      string    `json:"from,omitempty"`
	Ended     time.Time `json:"ended_at,omitzero"`
	Why       string    `json:"why,omitempty"`     // the last stream ended
	Problem   string    `json:"problem,omitempty"` // what is wrong now, with the next step
	Streaming uint64    `json:"ignored,omitempty"` // requests while it was streaming

	// Another server that answers the device too, such as the original localserver: when it last did, and with which address.
	Other   time.Time `json:"other_at,omitzero"`
	OtherIs string    `json:"other,omitempty"`
}

// recordLocked returns a device's record; r is locked.
func (r *Relay) recordLocked(device string) *Record {
	rec := r.records[device]
	if rec == nil {
		if len(r.records) >= maxDevices {
			for other := range r.records { // any: there are more devices than a relay is made for
				delete(r.records, other)
				break
			}
		}
		rec = &Record{}
		r.records[device] = rec
	}
	return rec
}

// calling is an invitation under way. While it is there no second one begins: a
// device that asks meanwhile is served by it, unless it fails. A call that the
// device had asked for is followed by another one when it asks once more.
type calling struct {
	hurry     chan struct{} // one place: the device has asked, so there is nothing to wait for
	announced string
	asked     bool // since the last call began
}

// listen hears devices that look for the relay, until ctx ends.
func (r *Relay) listen(ctx context.Context) {
	r.Cloud.Events(ctx, cloud.EventDevicesRequest, func(n Notice) {
		if n.Event == cloud.EventDevicesRequest && n.Device != "" {
			r.requested(n.Device, n.Data)
		}
	})
}

// watchOnline calls devices that used the relay before when they come online, until ctx ends.
func (r *Relay) watchOnline(ctx context.Context) {
	r.Cloud.Events(ctx, cloud.EventStatus, func(n Notice) {
		if n.Event == cloud.EventStatus && n.Data == "online" && r.state.knows(n.Device) {
			r.invite(n.Device, "", inviteDelay)
		}
	})
}

// requested answers a device that looks for the relay. A device whose stream is
// alive asks for nothing: a second connection would end the first.
func (r *Relay) requested(device, announced string) {
	r.mu.Lock()
	rec := r.recordLocked(device)
	rec.Requested, rec.Announced = time.Now(), printable(announced)
	s := r.liveliestLocked(device)
	alive := s != nil && s.quiet() < aliveFor
	if alive {
		rec.Streaming++
	}
	other := r.hasOtherLocked(device)
	r.mu.Unlock()
	r.log.Debug("device looks for the relay", "device", device, "announced", printable(announced))
	switch {
	case alive:
		r.work.Go(func() { r.askLater(s, announced) })
	case other:
		r.work.Go(func() { r.askUnlessOther(device, announced) })
	default:
		r.invite(device, announced, 0)
	}
}

// CalledByOther tells the relay that somebody else called the function
// "devices" of a device: another server answers it too, and the device
// follows the last call. From now on that one goes first, as long as it answers, and
// the relay does not call the device without being asked.
func (r *Relay) CalledByOther(device, argument string) {
	address := otherServer(argument)
	r.mu.Lock()
	rec := r.recordLocked(device)
	first := !r.hasOtherLocked(device)
	rec.Other, rec.OtherIs = time.Now(), address
	r.mu.Unlock()
	if first {
		r.log.Warn("another server answers the device too, and goes first from now on", "device", device, "address", address)
	}
}

// otherServer returns the address and port of an argument for the function "devices".
func otherServer(argument string) string {
	parts := strings.Split(printable(argument), ",")
	return strings.Join(parts[:min(len(parts), 2)], ":")
}

// hasOtherLocked reports whether another server has answered the device of late; r is locked.
func (r *Relay) hasOtherLocked(device string) bool {
	rec := r.records[device]
	return rec != nil && !rec.Other.IsZero() && time.Since(rec.Other) < otherTime
}

// askUnlessOther answers a request unless another server does within a moment.
func (r *Relay) askUnlessOther(device, announced string) {
	asked := time.Now()
	if !r.pause(deferTime) {
		return
	}
	r.mu.Lock()
	answered := !r.recordLocked(device).Other.Before(asked)
	r.mu.Unlock()
	if !answered {
		r.invite(device, announced, 0)
	}
}

// askLater answers a request that came while a stream seemed alive, if that
// has just ended, or if nothing comes over it any more: then the device has
// restarted, and the connection is a dead one that nobody has closed.
func (r *Relay) askLater(s *stream, announced string) {
	asked := time.Now()
	timer := time.NewTimer(aliveFor)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-s.ctx.Done():
	}
	ended := s.ctx.Err() != nil
	if r.context.Err() != nil || errors.Is(context.Cause(s.ctx), errKicked) || !ended && s.quiet() < time.Since(asked) {
		return
	}
	r.invite(s.device, announced, 0)
}

// pause waits, and returns false when the relay stops.
func (r *Relay) pause(d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-r.context.Done():
		return false
	}
}

// liveliestLocked returns the stream of the device that gave a byte last; nil: it has none. r is locked.
func (r *Relay) liveliestLocked(device string) (found *stream) {
	for _, s := range r.streams {
		if s.device == device && s.ctx.Err() == nil && (found == nil || s.heard.Load() > found.heard.Load()) {
			found = s
		}
	}
	return found
}

// quiet returns how long the stream has been without a byte.
func (s *stream) quiet() time.Duration { return time.Since(time.Unix(0, s.heard.Load())) }

// inviteKnown calls the devices that used the relay before and are online: after a restart nobody has to wait.
func (r *Relay) inviteKnown(ctx context.Context) {
	known := r.state.get().Known
	if len(known) == 0 {
		return
	}
	devices, err := r.Cloud.Devices(ctx)
	if err != nil {
		r.log.Warn("devices that used the relay before cannot be called", "err", err)
		return
	}
	for _, d := range devices {
		if d.Online && slices.Contains(known, d.ID) {
			r.invite(d.ID, "", 0)
		}
	}
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

// told is an address as devices are given it.
type told netip.AddrPort

// String returns "address,port".
func (t told) String() string {
	a := netip.AddrPort(t)
	return a.Addr().String() + "," + strconv.Itoa(int(a.Port()))
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

// expected returns where the device may come from: the address of its cloud connection, and the one it announced.
func expected(d Device, announced string) []netip.Addr {
	var from []netip.Addr
	if d.Address.IsValid() {
		from = append(from, d.Address.Unmap())
	}
	if a, err := netip.ParseAddr(announced); err == nil && a.Unmap().Is4() && !a.IsUnspecified() && !slices.Contains(from, a.Unmap()) {
		from = append(from, a.Unmap())
	}
	return from
}

// addressFor finds the address and port by which a device reaches us: what the
// owner set, else the one address that we listen on, else the one that its cloud
// connection reached, if this machine still has it, else the one of the route to the device.
func (r *Relay) addressFor(d Device, announced string) (told, error) {
	port := uint16(r.port.Load())
	if a := r.Advertise; a.IsValid() {
		if a.Port() != 0 {
			port = a.Port()
		}
		return told(netip.AddrPortFrom(a.Addr().Unmap(), port)), nil
	}
	ours, _ := r.bound.Load().(netip.Addr)
	if !ours.IsValid() || ours.IsUnspecified() {
		ours = r.ownAddressFor(d, announced)
	}
	if !ours.Is4() {
		return told{}, fmt.Errorf("no IPv4 address of this machine leads to the device, and sketches know no other; set one with --relay-advertise")
	}
	return told(netip.AddrPortFrom(ours, port)), nil
}

func (r *Relay) ownAddressFor(d Device, announced string) netip.Addr {
	if ours := d.Ours.Unmap(); ours.IsValid() && ours.Is4() && r.isOwn(ours) {
		return ours
	}
	for _, to := range expected(d, announced) {
		if ours := routeTo(to); ours.Is4() && !ours.IsUnspecified() {
			return ours
		}
	}
	return netip.Addr{}
}

func (r *Relay) isOwn(a netip.Addr) bool {
	networks, err := r.Addresses()
	return a.IsLoopback() || err == nil && slices.ContainsFunc(networks, func(p netip.Prefix) bool { return p.Addr() == a })
}

// routeTo returns the address of this machine from which packets go to an address. It sends none.
func routeTo(to netip.Addr) netip.Addr {
	c, err := net.Dial("udp", netip.AddrPortFrom(to, 9).String())
	if err != nil {
		return netip.Addr{}
	}
	defer c.Close()
	return addressOf(c.LocalAddr())
}

// ownAddresses returns the addresses of this machine with their networks.
func ownAddresses() ([]netip.Prefix, error) {
	list, err := net.InterfaceAddrs()
	if err != nil {
		return nil, err
	}
	var out []netip.Prefix
	for _, a := range list {
		if p, err := netip.ParsePrefix(a.String()); err == nil {
			out = append(out, netip.PrefixFrom(p.Addr().Unmap(), p.Bits()))
		}
	}
	return out, nil
}

// printable makes a device's text fit for a table or a log: short, without control characters.
func printable(s string) string {
	s = s[:min(len(s), 64)]
	return strings.Map(func(c rune) rune {
		if c < ' ' || c > '~' {
			return '?'
		}
		return c
	}, s)
}
