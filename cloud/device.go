package cloud

import (
	"maps"
	"slices"
	"time"

	"localcloud/keys"
)

// Platform ids of boards (device-protocol.md, 6.5).
var platformNames = map[int]string{
	0: "core", 3: "gcc", 6: "photon", 8: "p1", 10: "electron", 12: "argon", 13: "boron", 14: "xenon",
	15: "esomx", 22: "asom", 23: "bsom", 25: "b5som", 26: "tracker", 28: "trackerm", 31: "raspberry-pi",
	32: "p2", 35: "msom", 37: "electron2", 82: "oak", 88: "duo", 103: "bluz",
}

// PlatformName returns the name of a platform id, or "" when it is unknown.
func PlatformName(id int) string { return platformNames[id] }

// Device is what the registry knows about one device. Presence is not part of
// it: who is online is known to the Hub alone.
type Device struct {
	ID    keys.DeviceID  `json:"id"`
	Key   keys.PublicKey `json:"key"`             // the key that proves the id; zero: not registered yet
	Name  string         `json:"name,omitempty"`  // unique for its owner, ignoring case
	Owner UserID         `json:"owner,omitempty"` // empty: unclaimed
	Notes string         `json:"notes,omitempty"`

	// OwnerAssumed says that nobody chose the owner: trust on first use did. A claim code may give the device to somebody else.
	OwnerAssumed bool `json:"owner_assumed,omitempty"`

	Created time.Time `json:"created"`

	SerialNumber         string `json:"serial_number,omitempty"` // as printed on it; unique, if the owner keeps it so
	FirmwareUpdateForced bool   `json:"firmware_update_forced,omitempty"`

	// In a product.
	Product         int      `json:"product,omitempty"` // its id; 0: in none. ProductID is what the firmware says
	Groups          []string `json:"groups,omitempty"`
	Development     bool     `json:"development,omitempty"`      // the product's firmware releases are not for it
	DesiredFirmware *int     `json:"desired_firmware,omitempty"` // version of the product's firmware that it shall have; nil: the released one

	// What the device said of itself when it last connected.
	PlatformID     int       `json:"platform_id"` // -1 until it was heard
	ProductID      int       `json:"product_id"`
	ProductVersion int       `json:"product_version"`
	SystemVersion  string    `json:"system_version,omitempty"` // Device OS, such as "3.3.1"
	LastHandshake  time.Time `json:"last_handshake,omitzero"`
	LastHeard      time.Time `json:"last_heard,omitzero"` // as of its last disconnect; the Hub knows better while it is online
	LastAddress    string    `json:"last_address,omitempty"`
	ServerAddress  string    `json:"server_address,omitempty"` // ours, as the device reached it last
	SafeMode       bool      `json:"safe_mode,omitempty"`

	// ServerKey is the server's key by which the device knew this cloud when it last shook hands; empty: not known.
	ServerKey keys.Fingerprint `json:"server_key,omitempty"`

	// What it can do, from its describe message; nil until it was described.
	Functions []string          `json:"functions,omitempty"`
	Variables map[string]string `json:"variables,omitempty"` // name to "bool", "int32", "double" or "string"
	AppHash   string            `json:"app_hash,omitempty"`
	Modules   []Module          `json:"modules,omitempty"` // of its firmware
	IMEI      string            `json:"imei,omitempty"`
	ICCID     string            `json:"iccid,omitempty"`

	// Policy limits what it publishes; nil: the server's policy for devices.
	Policy *Policy `json:"policy,omitempty"`
}

// Clone returns a copy that shares nothing with d.
func (d Device) Clone() Device {
	d.Functions = slices.Clone(d.Functions)
	d.Variables = maps.Clone(d.Variables)
	d.Groups = slices.Clone(d.Groups)
	d.Modules = slices.Clone(d.Modules)
	if d.DesiredFirmware != nil {
		v := *d.DesiredFirmware
		d.DesiredFirmware = &v
	}
	if d.Policy != nil {
		p := *d.Policy
		d.Policy = &p
	}
	return d
}

// Module is one piece of firmware in a device, as it described itself.
type Module struct {
	Function string `json:"function"` // "system", "user", "bootloader", "ncp" ...
	Index    int    `json:"index,omitempty"`
	Version  int    `json:"version"`
	Place    string `json:"place,omitempty"`   // "factory", "backup", "scratch"; empty: where it runs
	Damaged  bool   `json:"damaged,omitempty"` // it failed a check of the device: dependencies, integrity, platform
}

// HasFunction reports whether the device described a function of that name.
func (d *Device) HasFunction(name string) bool { return slices.Contains(d.Functions, name) }
