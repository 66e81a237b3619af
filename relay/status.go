package relay

import (
	"slices"
	"strings"
	"time"
)

// Channel is one channel as it is shown.
type Channel struct {
	Device    string    `json:"device"`
	Name      string    `json:"name,omitempty"` // of the device
	Stream    string    `json:"stream,omitempty"`
	Streaming bool      `json:"streaming"`
	By        string    `json:"by,omitempty"` // "post" or "websocket"
	Address   string    `json:"address,omitempty"`
	Since     time.Time `json:"since,omitzero"`
	Heard     time.Time `json:"heard,omitzero"` // last byte
	Lines     uint64    `json:"lines"`          // since the relay started
	Bytes     uint64    `json:"bytes"`
	Rate      float64   `json:"lines_per_second"`
	Truncated uint64    `json:"truncated"` // lines of this connection that were too long
	Viewers   int       `json:"viewers"`
	Lost      uint64    `json:"lost"` // lines that slow viewers missed
	Recording bool      `json:"recording,omitempty"`
	Always    bool      `json:"recording_always,omitempty"` // also after a restart
	Failed    string    `json:"recording_failed,omitempty"` // why it is not recorded now, though it should be
}

// Status is the whole relay as its owner sees it.
type Status struct {
	Uptime     int64                  `json:"uptime_s"`
	Port       int                    `json:"port"`
	Advertise  string                 `json:"advertise,omitempty"`
	Read       string                 `json:"read"` // "open" or "token"
	Legacy     bool                   `json:"legacy"`
	ByAddress  bool                   `json:"by_address"`
	OnlyListed bool                   `json:"only_listed"`
	Allowed    []string               `json:"allowed"`
	Blocked    []string               `json:"blocked"`
	Channels   []Channel              `json:"channels"`
	Devices    map[string]Record      `json:"devices"` // what happened to each
	Refusals   []Refusal              `json:"refusals"`
	Public     map[string]Publication `json:"public"`
	Recordings []Recording            `json:"recordings"`
	Counts     Counts                 `json:"counts"`
}

// Counts are the relay's figures since it started.
type Counts struct {
	Connections int    `json:"connections"`
	Viewers     int    `json:"viewers"`
	Streams     int    `json:"streams"`
	Nonces      int    `json:"nonces"` // handed out and not used
	Lines       uint64 `json:"lines"`
	Bytes       uint64 `json:"bytes"`
	Truncated   uint64 `json:"truncated"`
	Calls       uint64 `json:"calls"`
	CallsFailed uint64 `json:"calls_failed"`
	Accepted    uint64 `json:"accepted"`
	Refused     uint64 `json:"refused"`
	Guesses     uint64 `json:"guesses"`
	Slow        uint64 `json:"slow"`    // connections that did not say what they want
	Foreign     uint64 `json:"foreign"` // browsers that were sent by somebody else's page

	ViewersRefused uint64 `json:"viewers_refused"` // where there were too many
}

// channels returns all channels in order of device and stream.
func (r *Relay) list() []Channel {
	now := time.Now()
	names := r.deviceNames()
	always := r.state.get().Always
	r.mu.Lock()
	channels := make([]*channel, 0, len(r.channels))
	streams := make(map[*channel]*stream)
	for _, c := range r.channels {
		channels = append(channels, c)
	}
	for _, s := range r.streams {
		streams[s.channel] = s
	}
	r.mu.Unlock()

	out := make([]Channel, 0, len(channels))
	for _, c := range channels {
		v := c.show(now)
		if s := streams[c]; s != nil {
			v.Streaming, v.By, v.Address, v.Since = true, s.kind, s.address.String(), s.since
			v.Heard, v.Truncated = time.Unix(0, s.heard.Load()), s.truncated.Load()
		}
		v.Name = names[c.device]
		v.Always = slices.Contains(always, c.name())
		v.Recording, v.Failed = r.recorder.isRecording(c.name())
		out = append(out, v)
	}
	slices.SortFunc(out, func(a, b Channel) int {
		return strings.Compare(a.Device+"/"+a.Stream, b.Device+"/"+b.Stream)
	})
	return out
}

// show returns the channel's figures.
func (c *channel) show(now time.Time) Channel {
	c.mu.Lock()
	defer c.mu.Unlock()
	return Channel{
		Device: c.device, Stream: c.stream, Lines: c.next - 1, Bytes: c.bytes, Rate: c.rate.perSecond(now),
		Viewers: len(c.viewers), Lost: c.lost,
	}
}

// Status returns the whole relay.
func (r *Relay) Status() Status {
	v, set := r.state.get(), r.Settings()
	s := Status{
		Uptime: int64(time.Since(r.started) / time.Second), Port: int(r.port.Load()), Read: set.Read, Legacy: *set.Legacy, ByAddress: *set.ByAddress,
		OnlyListed: v.Listed, Allowed: orEmpty(v.Allowed), Blocked: orEmpty(v.Blocked), Channels: r.list(),
		Devices: make(map[string]Record), Public: make(map[string]Publication), Recordings: r.recorder.list(),
	}
	if r.Advertise.IsValid() {
		s.Advertise = r.Advertise.String()
	}
	for name, p := range v.Public {
		s.Public[name] = p
	}
	s.Counts = r.figures()
	r.mu.Lock()
	defer r.mu.Unlock()
	s.Refusals = orEmpty(slices.Clone(r.refusals))
	for device, rec := range r.records {
		s.Devices[device] = *rec
	}
	s.Counts.Streams = len(r.streams)
	return s
}

func (r *Relay) figures() Counts {
	n := &r.counts
	conns, _ := r.conns.crowd.count()
	viewers, refused := r.viewers.count()
	return Counts{
		Connections: conns, Viewers: viewers, ViewersRefused: refused + n.viewersRefused.Load(), Nonces: r.tickets.count(time.Now()),
		Lines: n.lines.Load(), Bytes: n.bytes.Load(), Truncated: n.truncated.Load(),
		Calls: n.calls.Load(), CallsFailed: n.callsFailed.Load(), Accepted: n.accepted.Load(),
		Refused: n.refused.Load(), Guesses: n.guessed.Load(), Slow: n.slow.Load(), Foreign: n.odd.Load(),
	}
}

// overview is what pages may know: the channels that the reader sees, without addresses.
func (r *Relay) overview(reader reading) map[string]any {
	list := []Channel{}
	for _, c := range r.list() {
		if reader.sees == nil || reader.sees(c.Device) {
			c.Address = ""
			list = append(list, c)
		}
	}
	return map[string]any{"channels": list, "boot": r.boot, "uptime_s": int64(time.Since(r.started) / time.Second)}
}

// deviceNames returns the names of devices by id, as far as the cloud knows them.
func (r *Relay) deviceNames() map[string]string {
	names := make(map[string]string)
	devices, err := r.Cloud.Devices(r.context)
	if err != nil {
		return names
	}
	for _, d := range devices {
		names[d.ID] = d.Name
	}
	return names
}

func orEmpty[T any](list []T) []T {
	if list == nil {
		return []T{}
	}
	return list
}
