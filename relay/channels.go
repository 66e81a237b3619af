package relay

import "localcloud/cloud"

// A channel is there as long as somebody uses it: the device that sends, viewers, a recording, a publication. One
// that carried lines stays for those who come later, and makes room when there are too many; one that carried none
// goes with the last who used it: anybody may wait for a stream that is not there yet, and must not shut devices out by that.

const (
	maxChannels = 10000
	maxStreams  = 16 // channels of one device: each holds up to ringBytes
)

var errChannels = cloud.Errorf("", cloud.Limited, "there are too many channels")

// channelName is how the channel of a device and stream is called.
func channelName(device, stream string) string {
	return (&channel{device: device, stream: stream}).name()
}

// use returns the channel of a device and stream, which it makes if there is
// none; nil when there are too many. letGo has to follow.
func (r *Relay) use(device, stream string) *channel {
	c := newChannel(device, stream, 1)
	r.mu.Lock()
	defer r.mu.Unlock()
	if old := r.channels[c.name()]; old != nil {
		c = old
	} else {
		if len(r.channels) >= maxChannels && !r.dropLocked(func(*channel) bool { return true }) {
			return nil
		}
		r.channels[c.name()] = c
	}
	c.uses++
	return c
}

// useToSend is use for the device itself, which may have so many streams.
func (r *Relay) useToSend(device, stream string) *channel {
	c := r.use(device, stream)
	if c == nil || c.carried.Load() {
		return c
	}
	own := func(other *channel) bool { return other.device == device && other.carried.Load() }
	r.mu.Lock()
	n := 0
	for _, other := range r.channels {
		if own(other) {
			n++
		}
	}
	room := n < maxStreams || r.dropLocked(own)
	r.mu.Unlock()
	if !room {
		r.letGo(c)
		return nil
	}
	return c
}

// letGo ends one use of a channel.
func (r *Relay) letGo(c *channel) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if c.uses--; c.uses == 0 && !c.carried.Load() {
		delete(r.channels, c.name())
	}
}

// dropLocked drops one channel of a kind that nobody uses, and reports whether there was one. r is locked.
func (r *Relay) dropLocked(is func(*channel) bool) bool {
	for name, c := range r.channels {
		if c.uses == 0 && is(c) {
			delete(r.channels, name)
			return true
		}
	}
	return false
}
