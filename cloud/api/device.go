package api

import (
	"cmp"
	"net"
	"strings"
	"time"

	"localcloud/cloud"
	"localcloud/keys"
)

// device returns the device that the path names by id or name, if it exists for who asks.
func (s *Server) device(q *request) (cloud.Device, error) {
	if d, ok := s.find(q, q.variable("id")); ok {
		return d, nil
	}
	return cloud.Device{}, noDevice(q)
}

// sees reports whether a device exists for who asks on this route: below a
// product the product's devices do, whoever owns them, and elsewhere their own.
func (q *request) sees(d cloud.Device) bool {
	if q.product.ID != 0 {
		return d.Product == q.product.ID && q.access.Reaches(d)
	}
	return q.access.Sees(d)
}

// find resolves an id in any case, then an exact name, then a name ignoring
// case. Names of the user's own devices come before others that they see.
func (s *Server) find(q *request, name string) (cloud.Device, bool) {
	if id, err := keys.ParseDeviceID(name); err == nil {
		if d, ok := s.Registry.Device(id); ok && q.sees(d) {
			return d, true
		}
	}
	var best cloud.Device
	rank := 0
	for _, d := range s.Registry.DevicesNamed(name) {
		if !q.sees(d) {
			continue
		}
		r := 1
		if d.Name == name {
			r += 2
		}
		if d.Owner == q.access.User.ID {
			r++
		}
		if r > rank {
			best, rank = d, r
		}
	}
	return best, rank > 0
}

// checkName reports why an owner's device cannot have the name, if so.
func (s *Server) checkName(name string, owner cloud.UserID, device keys.DeviceID) error {
	_, err := keys.ParseDeviceID(name)
	switch {
	case name == "" || len(name) > 64:
		return plain(400, "A device name has 1 to 64 bytes")
	case strings.ContainsFunc(name, func(r rune) bool { return r < ' ' || r == 0x7f || r == '\ufffd' }):
		return plain(400, "A device name holds no control characters")
	case err == nil:
		return plain(400, "A device name cannot look like a device id")
	case name == "events":
		return plain(400, "A device cannot be named events: it could not be reached by that name")
	case cloud.NameTaken(s.Registry, owner, name, device):
		return plain(409, "Another device has that name already")
	}
	return nil
}

// userName returns a user's name, or "" for nobody.
func (s *Server) userName(id cloud.UserID) string {
	u, _ := s.Registry.User(id)
	return u.Name
}

// deviceObject is a device as clients know it: the union that satisfies all
// of them (http-api.md, 3.2). For a device that is no product's,
// product_id is its platform, by which the CLI finds the platform's name.
type deviceObject struct {
	ID                     string            `json:"id"`
	Name                   *string           `json:"name"`
	Owner                  *string           `json:"owner"`
	LastApp                *string           `json:"last_app"`
	LastIPAddress          *string           `json:"last_ip_address"`
	LastHeard              stamp             `json:"last_heard"`
	LastHandshakeAt        stamp             `json:"last_handshake_at"`
	ProductID              *int              `json:"product_id"`
	PlatformID             *int              `json:"platform_id"`
	Connected              bool              `json:"connected"`
	Online                 bool              `json:"online"`
	Cellular               bool              `json:"cellular"`
	Notes                  *string           `json:"notes"`
	Status                 string            `json:"status"`
	SerialNumber           string            `json:"serial_number"`
	ICCID                  string            `json:"iccid"`
	LastICCID              string            `json:"last_iccid"`
	IMEI                   string            `json:"imei"`
	CurrentBuildTarget     *string           `json:"current_build_target"`
	SystemFirmwareVersion  *string           `json:"system_firmware_version"`
	DefaultBuildTarget     *string           `json:"default_build_target"`
	PinnedBuildTarget      *string           `json:"pinned_build_target"`
	FirmwareUpdatesEnabled bool              `json:"firmware_updates_enabled"`
	FirmwareUpdatesForced  bool              `json:"firmware_updates_forced"`
	MobileSecret           string            `json:"mobile_secret"`
	Functions              []string          `json:"functions"`
	Variables              map[string]string `json:"variables"`
	Modules                []cloud.Module    `json:"modules,omitempty"` // ours: the pieces of its firmware
	AppHash                string            `json:"app_hash,omitempty"`

	*inProduct // nil when it is in none
}

// inProduct is what the device of a product has in addition.
type inProduct struct {
	FirmwareProductID      int      `json:"firmware_product_id"` // what its firmware says
	FirmwareVersion        int      `json:"firmware_version"`
	DesiredFirmwareVersion *int     `json:"desired_firmware_version"`
	TargetedRelease        *int     `json:"targeted_firmware_release_version"`
	Groups                 []string `json:"groups"`
	Development            bool     `json:"development"`
	Quarantined            bool     `json:"quarantined"`
	Denied                 bool     `json:"denied"`
}

func (s *Server) deviceObject(d cloud.Device, now cloud.Status) deviceObject {
	o := deviceObject{
		ID:                     d.ID.String(),
		Name:                   orNull(d.Name),
		Owner:                  orNull(s.userName(d.Owner)),
		LastIPAddress:          orNull(hostOf(cmp.Or(now.Address, d.LastAddress))),
		LastHeard:              stamp(later(now.LastHeard, d.LastHeard)),
		LastHandshakeAt:        stamp(d.LastHandshake),
		Connected:              now.Online,
		Online:                 now.Online,
		Cellular:               isCellular(d.PlatformID),
		Notes:                  orNull(d.Notes),
		Status:                 "normal",
		ICCID:                  d.ICCID,
		LastICCID:              d.ICCID,
		IMEI:                   d.IMEI,
		CurrentBuildTarget:     orNull(d.SystemVersion),
		SystemFirmwareVersion:  orNull(d.SystemVersion),
		DefaultBuildTarget:     orNull(d.SystemVersion),
		SerialNumber:           d.SerialNumber,
		FirmwareUpdatesEnabled: true,
		FirmwareUpdatesForced:  d.FirmwareUpdateForced,
		Functions:              d.Functions,
		Variables:              d.Variables,
		Modules:                d.Modules,
		AppHash:                d.AppHash,
	}
	if d.PlatformID >= 0 {
		o.ProductID, o.PlatformID = &d.PlatformID, &d.PlatformID
	}
	if d.Product != 0 {
		o.ProductID = &d.Product
		o.inProduct = &inProduct{
			FirmwareProductID: d.ProductID, FirmwareVersion: d.ProductVersion, DesiredFirmwareVersion: d.DesiredFirmware,
			Groups: append([]string{}, d.Groups...), Development: d.Development,
		}
	}
	if d.SafeMode {
		o.Status = "safe_mode"
	}
	if o.Functions == nil {
		o.Functions = []string{}
	}
	if o.Variables == nil {
		o.Variables = map[string]string{}
	}
	return o
}

// isCellular reports whether boards of the platform have a modem.
func isCellular(platform int) bool {
	switch platform {
	case 10, 13, 15, 23, 25, 26, 28, 35, 37: // Electron, Boron, E SoM X, B SoM, B5 SoM, trackers, M SoM
		return true
	}
	return false
}

// later returns the later of two times.
func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// hostOf cuts the port off an address.
func hostOf(address string) string {
	if host, _, err := net.SplitHostPort(address); err == nil {
		return host
	}
	return address
}
