package client

import (
	"context"
	"encoding/json"
	"net/http"
	"time"

	"localcloud/cloud"
	"localcloud/keys"
)

// Device is a device as the API shows it: the object of Particle's API, and to
// admins what localcloud adds. Encoded as JSON it is what the server sent,
// with the fields that have no name here.
type Device struct {
	ID            keys.DeviceID     `json:"id"`
	Name          string            `json:"name"`
	Owner         string            `json:"owner"` // its user's name; empty: unclaimed
	Connected     bool              `json:"connected"`
	LastHeard     *time.Time        `json:"last_heard"`
	LastAddress   string            `json:"last_ip_address"`
	LastHandshake *time.Time        `json:"last_handshake_at"`
	PlatformID    *int              `json:"platform_id"` // nil until it was heard
	Version       string            `json:"system_firmware_version"`
	Status        string            `json:"status"` // "normal" or "safe_mode"
	Notes         string            `json:"notes"`
	Functions     []string          `json:"functions"`
	Variables     map[string]string `json:"variables"`

	// For admins.
	KeyFingerprint string        `json:"key_fingerprint"` // empty: no key is registered
	ServerKey      string        `json:"server_key"`      // which key of the cloud it holds: "present", "old", "former", "" (not known)
	Policy         *cloud.Policy `json:"policy"`          // nil: the server's
	Limits         Limits        `json:"limits"`
	Address        string        `json:"address"` // where it is connected from
	Since          *time.Time    `json:"since"`   // when it came online

	raw json.RawMessage
}

// Limits are a device's numbers: events taken, and three ways to lose some, which are never mixed.
type Limits struct {
	Events    uint64 `json:"events"`
	Throttled uint64 `json:"throttled"` // refused by the board itself, as its vitals say
	Limited   uint64 `json:"limited"`   // beyond the cloud's rate limit
	Lost      uint64 `json:"lost"`      // copies that slow viewers did not take
	Missed    uint64 `json:"missed"`    // events for the device that it did not take in time
}

// UnmarshalJSON keeps the text beside the fields.
func (d *Device) UnmarshalJSON(b []byte) error {
	type plain Device
	return decodeVerbatim(b, (*plain)(d), &d.raw)
}

// MarshalJSON writes the object as the server sent it.
func (d Device) MarshalJSON() ([]byte, error) {
	type plain Device
	return encodeVerbatim(d.raw, plain(d))
}

// AllDevices returns every device of the cloud, with what only admins see.
func (c *Client) AllDevices(ctx context.Context) ([]Device, error) {
	return c.devices(ctx, path("localcloud", "devices"))
}

// Devices returns the devices that the token's user sees.
func (c *Client) Devices(ctx context.Context) ([]Device, error) {
	return c.devices(ctx, path("devices"))
}

func (c *Client) devices(ctx context.Context, path string) ([]Device, error) {
	var list []Device
	err := c.do(ctx, call{op: "devices", method: http.MethodGet, path: path, out: &list})
	return list, err
}

// AnyDevice returns one device of the cloud by id or name, with what only admins see.
func (c *Client) AnyDevice(ctx context.Context, device string) (Device, error) {
	return c.device(ctx, path("localcloud", "devices", device))
}

// Device returns one device that the token's user sees, by id or name.
func (c *Client) Device(ctx context.Context, device string) (Device, error) {
	return c.device(ctx, path("devices", device))
}

func (c *Client) device(ctx context.Context, path string) (Device, error) {
	var d Device
	err := c.do(ctx, call{op: "device", method: http.MethodGet, path: path, out: &d})
	return d, err
}

// NewDevice registers a device before it connects for the first time.
type NewDevice struct {
	ID    keys.DeviceID
	Key   keys.PublicKey
	Name  string // empty: none
	Owner string // a user's name; empty: the cloud's owner
}

// AddDevice registers a device, for admins.
func (c *Client) AddDevice(ctx context.Context, d NewDevice) (Device, error) {
	in := map[string]any{"id": d.ID, "key": string(d.Key.PEM())}
	addNameOwner(in, d.Name, d.Owner)
	var out Device
	err := c.do(ctx, call{op: "add device", method: http.MethodPost, path: path("localcloud", "devices"), in: in, out: &out})
	return out, err
}

// RemoveDevice forgets a device, its key included, and closes its connection.
func (c *Client) RemoveDevice(ctx context.Context, device string) error {
	return c.do(ctx, call{op: "remove device", method: http.MethodDelete, path: path("localcloud", "devices", device)})
}

// Provision registers a device's public key, as particle-cli's "keys send".
func (c *Client) Provision(ctx context.Context, id keys.DeviceID, key keys.PublicKey) error {
	in := map[string]any{
		"deviceID": id, "publicKey": string(key.PEM()), "filename": "particle-api", "algorithm": string(key.Algorithm()),
	}
	return c.do(ctx, call{op: "register key", method: http.MethodPost, path: path("provisioning", id.String()), in: in})
}

// Claim makes the device the token user's own.
func (c *Client) Claim(ctx context.Context, id keys.DeviceID) error {
	in := map[string]any{"id": id, "request_transfer": false}
	return c.do(ctx, call{op: "claim device", method: http.MethodPost, path: path("devices"), in: in})
}

// Rename gives a device another name.
func (c *Client) Rename(ctx context.Context, device, name string) error {
	in := map[string]any{"name": name}
	return c.do(ctx, call{op: "rename device", method: http.MethodPut, path: path("devices", device), in: in})
}

// Call calls a function of a device and returns what it returned.
func (c *Client) Call(ctx context.Context, device, function, argument string) (int32, error) {
	in := map[string]any{"args": argument}
	var out struct {
		Value *int32 `json:"return_value"`
	}
	err := c.do(ctx, call{op: "call " + function, method: http.MethodPost, path: path("devices", device, function), in: in, out: &out})
	if err != nil {
		return 0, err
	}
	if out.Value == nil {
		return 0, cloud.Errorf("call "+function, cloud.Other, "the answer holds no return value")
	}
	return *out.Value, nil
}

// Variable reads a variable of a device: bool, float64 (also of whole numbers) or string.
func (c *Client) Variable(ctx context.Context, device, name string) (any, error) {
	var out struct {
		Result any `json:"result"`
	}
	err := c.do(ctx, call{op: "get " + name, method: http.MethodGet, path: path("devices", device, name), out: &out})
	return out.Result, err
}

func addNameOwner(in map[string]any, name, owner string) {
	if name != "" {
		in["name"] = name
	}
	if owner != "" {
		in["owner"] = owner
	}
}
