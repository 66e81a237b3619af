package keys

import (
	"encoding/hex"
	"errors"
	"fmt"
)

// DeviceID is the 12-byte id of a device: the chip's unique id on STM32 boards, e00fce68 and the FICR id on nRF52840,
// 0a10aced2021 and the Wi-Fi address on RTL872x. A device states it, nothing proves it: check its key.
type DeviceID [12]byte

// ParseDeviceID reads the 24 hex digits that people and the API write, in any case.
// The error does not repeat s, which may come from anywhere.
func ParseDeviceID(s string) (DeviceID, error) {
	var id DeviceID
	if len(s) != hex.EncodedLen(len(id)) {
		return DeviceID{}, fmt.Errorf("device id: 24 hex digits are needed, this has %d characters", len(s))
	}
	if _, err := hex.Decode(id[:], []byte(s)); err != nil {
		return DeviceID{}, errors.New("device id: only the digits 0-9 and a-f are allowed")
	}
	return id, nil
}

// DeviceIDFromBytes reads the 12 raw bytes of the wire.
func DeviceIDFromBytes(b []byte) (DeviceID, error) {
	if len(b) != len(DeviceID{}) {
		return DeviceID{}, fmt.Errorf("device id: 12 bytes are needed, these are %d", len(b))
	}
	return DeviceID(b), nil
}

// String returns 24 lower-case hex digits, the form used everywhere.
func (id DeviceID) String() string { return hex.EncodeToString(id[:]) }

// IsZero reports whether id is the zero value, which no device has.
func (id DeviceID) IsZero() bool { return id == DeviceID{} }

// MarshalText returns the same 24 digits as String.
func (id DeviceID) MarshalText() ([]byte, error) { return []byte(id.String()), nil }

// UnmarshalText is ParseDeviceID.
func (id *DeviceID) UnmarshalText(text []byte) error {
	parsed, err := ParseDeviceID(string(text))
	if err != nil {
		return err
	}
	*id = parsed
	return nil
}
