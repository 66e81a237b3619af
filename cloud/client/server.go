package client

import (
	"context"
	"encoding/json"
	"net/http"
	"strconv"
	"time"

	"localcloud/cloud"
)

// Status is what the cloud says of itself. Encoded as JSON it is what the
// server sent, with the fields that have no name here.
type Status struct {
	Version  string       `json:"version"`
	Uptime   float64      `json:"uptime_s"` // seconds
	Totals   cloud.Totals `json:"totals"`
	Devices  int          `json:"devices"`
	Users    int          `json:"users"`
	Warnings []string     `json:"warnings"`

	raw json.RawMessage
}

// UnmarshalJSON keeps the text beside the fields.
func (s *Status) UnmarshalJSON(b []byte) error {
	type plain Status
	return decodeVerbatim(b, (*plain)(s), &s.raw)
}

// MarshalJSON writes the object as the server sent it.
func (s Status) MarshalJSON() ([]byte, error) {
	type plain Status
	return encodeVerbatim(s.raw, plain(s))
}

// Decode decodes the whole object into v, for fields that this package does not know.
func (s Status) Decode(v any) error { return json.Unmarshal(s.raw, v) }

// Status asks the cloud how it is.
func (c *Client) Status(ctx context.Context) (Status, error) {
	var s Status
	err := c.do(ctx, call{op: "status", method: http.MethodGet, path: path("localcloud", "status"), out: &s})
	return s, err
}

// ServerKey returns the PEM of the server's public key for TCP devices, or for UDP ones. It needs no token.
func (c *Client) ServerKey(ctx context.Context, udp bool) ([]byte, error) {
	p := path("server", "key")
	if udp {
		p += "?udp=1"
	}
	return c.fetch(ctx, call{op: "server key", method: http.MethodGet, path: p})
}

// Clock is the cloud's time, and why it does not follow the machine's clock: "behind", "ahead", or "" when it does.
type Clock struct {
	Time  time.Time `json:"time"`
	Doubt string    `json:"doubt"`
}

// Clock asks the cloud for its time.
func (c *Client) Clock(ctx context.Context) (Clock, error) {
	var out Clock
	err := c.do(ctx, call{op: "clock", method: http.MethodGet, path: path("localcloud", "clock"), out: &out})
	return out, err
}

// SetClock tells the cloud the time.
func (c *Client) SetClock(ctx context.Context, t time.Time) (Clock, error) {
	var out Clock
	err := c.do(ctx, call{
		op: "clock", method: http.MethodPut, path: path("localcloud", "clock"),
		in: map[string]any{"time": t.UTC().Format(time.RFC3339Nano)}, out: &out,
	})
	return out, err
}

// Policies are the rate limits of a cloud.
type Policies struct {
	Device cloud.Policy `json:"device"` // for each device that has none of its own
	Server cloud.Policy `json:"server"` // for all devices together

	Products map[int]cloud.Policy `json:"products,omitempty"` // for all devices of one product together, by product id
}

// SetProductPolicy changes the rate limit of one product; nil removes it.
func (c *Client) SetProductPolicy(ctx context.Context, product int, policy *cloud.Policy) (Policies, error) {
	var p Policies
	err := c.do(ctx, call{
		op: "policy", method: http.MethodPut, path: path("localcloud", "products", strconv.Itoa(product), "policy"),
		in: map[string]any{"policy": policy}, out: &p,
	})
	return p, err
}

// Policies returns the rate limits.
func (c *Client) Policies(ctx context.Context) (Policies, error) {
	var p Policies
	err := c.do(ctx, call{op: "policy", method: http.MethodGet, path: path("localcloud", "policy"), out: &p})
	return p, err
}

// SetPolicies changes the rate limits; a nil one stays as it is.
func (c *Client) SetPolicies(ctx context.Context, device, server *cloud.Policy) (Policies, error) {
	in := map[string]any{}
	if device != nil {
		in["device"] = device
	}
	if server != nil {
		in["server"] = server
	}
	var p Policies
	err := c.do(ctx, call{op: "policy", method: http.MethodPut, path: path("localcloud", "policy"), in: in, out: &p})
	return p, err
}

// SetDevicePolicy gives a device a rate limit of its own, or with nil the server's.
func (c *Client) SetDevicePolicy(ctx context.Context, device string, p *cloud.Policy) error {
	in := map[string]any{"policy": p}
	return c.do(ctx, call{op: "device policy", method: http.MethodPut, path: path("localcloud", "devices", device, "policy"), in: in})
}

// Settings are what the owner can switch while the cloud runs.
type Settings struct {
	TrustFirstUse  bool     `json:"trust_first_use"`  // take unknown devices in at their first connection
	SignUp         bool     `json:"sign_up"`          // anyone may make an account
	LogLevel       string   `json:"log_level"`        // debug, info, warn or error
	EventsMaxAge   int64    `json:"events_max_age"`   // seconds that the log keeps an event; 0: for ever
	EventsMaxBytes int64    `json:"events_max_bytes"` // of the log; 0: no bound
	Given          []string `json:"given,omitempty"`  // those that the next start sets again to what it is told
}

// Limits returns what strangers may try.
func (c *Client) Limits(ctx context.Context) (cloud.Limits, error) {
	var l cloud.Limits
	err := c.do(ctx, call{op: "limits", method: http.MethodGet, path: path("localcloud", "limits"), out: &l})
	return l, err
}

// SetLimit changes one of them, by its name in JSON; 0 is no limit.
func (c *Client) SetLimit(ctx context.Context, name string, n int) (cloud.Limits, error) {
	var l cloud.Limits
	err := c.do(ctx, call{
		op: "limits", method: http.MethodPut, path: path("localcloud", "limits"), in: map[string]any{name: n}, out: &l,
	})
	return l, err
}

// Settings returns the owner's switches.
func (c *Client) Settings(ctx context.Context) (Settings, error) {
	var s Settings
	err := c.do(ctx, call{op: "settings", method: http.MethodGet, path: path("localcloud", "settings"), out: &s})
	return s, err
}

// SetSetting changes one of them, by its name in JSON.
func (c *Client) SetSetting(ctx context.Context, name string, value any) (Settings, error) {
	var s Settings
	in := map[string]any{name: value}
	err := c.do(ctx, call{op: "settings", method: http.MethodPut, path: path("localcloud", "settings"), in: in, out: &s})
	return s, err
}
