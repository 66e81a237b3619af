package relay

import (
	"context"
	"errors"
	"slices"
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
