package store

import (
	"encoding/json"
	"errors"
	"slices"
	"time"
	"unicode/utf8"

	"localcloud/cloud"
	"localcloud/keys"
)

// The registry's database. A value is one version byte and JSON. The version
// changes only when older programs must not read the record; fields that
// they do not know they pass over.
//
//	d <12 bytes device id>   deviceRecord
//	u <user id>              cloud.User
//	t <token id>             cloud.Token
//	p <id, be16>             cloud.Product
//	k <claim id>             cloud.Claim
//	s                        cloud.Settings
//	w <webhook id>           cloud.Hook
//	x <user id>              empty: the user is removed, what was theirs is being cleared away
const (
	prefixDevice   = 'd'
	prefixUser     = 'u'
	prefixToken    = 't'
	prefixProduct  = 'p'
	prefixClaim    = 'k'
	prefixSettings = 's'
	prefixHook     = 'w'
	prefixRemoval  = 'x'
)

const recordVersion = 1

var errRecordVersion = errors.New("written by a newer localcloud")

func encodeRecord[V any](v V) ([]byte, error) {
	text, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	return append([]byte{recordVersion}, text...), nil
}

func decodeRecord[V any](b []byte) (V, error) {
	var v V
	err := decodeInto(b, &v)
	return v, err
}

func decodeInto(b []byte, v any) error {
	switch {
	case len(b) == 0:
		return errors.New("empty record")
	case b[0] != recordVersion:
		return errRecordVersion
	}
	return json.Unmarshal(b[1:], v)
}

// deviceRecord is a device on disk. It tells "described, has none" from "never
// described", which omitempty in cloud.Device does not.
type deviceRecord struct {
	cloud.Device
	Functions []string          `json:"functions,omitzero"`
	Variables map[string]string `json:"variables,omitzero"`
}

func encodeDevice(d cloud.Device) ([]byte, error) {
	return encodeRecord(deviceRecord{Device: d, Functions: d.Functions, Variables: d.Variables})
}

func decodeDevice(b []byte) (cloud.Device, error) {
	r, err := decodeRecord[deviceRecord](b)
	r.Device.Functions, r.Device.Variables = r.Functions, r.Variables
	return r.Device, err
}

// copyDevice returns what decodeDevice makes of what encodeDevice makes of d, sharing only what never changes. False: it is
// not certain, as JSON may change something.
func copyDevice(d cloud.Device) (cloud.Device, bool) {
	if d.Policy != nil {
		return d, false // it has a form of its own
	}
	for _, text := range []string{
		d.Name, string(d.Owner), d.Notes, d.SerialNumber, d.SystemVersion, d.LastAddress, d.ServerAddress, d.AppHash, d.IMEI, d.ICCID,
		string(d.ServerKey),
	} {
		if !utf8.ValidString(text) {
			return d, false
		}
	}
	for name, kind := range d.Variables {
		if !utf8.ValidString(name) || !utf8.ValidString(kind) {
			return d, false
		}
	}
	invalid := func(text string) bool { return !utf8.ValidString(text) }
	if slices.ContainsFunc(d.Modules, func(m cloud.Module) bool { return invalid(m.Function) || invalid(m.Place) }) {
		return d, false
	}
	if slices.ContainsFunc(d.Functions, invalid) || slices.ContainsFunc(d.Groups, invalid) {
		return d, false
	}
	for _, t := range []*time.Time{&d.Created, &d.LastHandshake, &d.LastHeard} {
		if year := t.Year(); t.Location() != time.UTC || year < 0 || year > 9999 {
			return d, false
		}
		*t = t.Round(0).UTC()
	}
	d = d.Clone()
	if len(d.Groups) == 0 {
		d.Groups = nil
	}
	if len(d.Modules) == 0 {
		d.Modules = nil
	}
	return d, true
}

// decodeSettings leaves at its default what the record does not name.
func decodeSettings(b []byte) (cloud.Settings, error) {
	s := cloud.DefaultSettings()
	err := decodeInto(b, &s)
	return s, err
}

// onlySettings is the key of the one row of settings.
type onlySettings struct{}

func newDevices() *table[keys.DeviceID, cloud.Device] {
	t := newTable(prefixDevice, encodeDevice, decodeDevice,
		func(d cloud.Device) keys.DeviceID { return d.ID }, func(id keys.DeviceID) []byte { return id[:] })
	t.copy = copyDevice
	return t
}

func newUsers() *table[cloud.UserID, cloud.User] {
	return newTable(prefixUser, encodeRecord[cloud.User], decodeRecord[cloud.User],
		func(u cloud.User) cloud.UserID { return u.ID }, func(id cloud.UserID) []byte { return []byte(id) })
}

func newTokens() *table[cloud.TokenID, cloud.Token] {
	return newTable(prefixToken, encodeRecord[cloud.Token], decodeRecord[cloud.Token],
		func(t cloud.Token) cloud.TokenID { return t.ID }, func(id cloud.TokenID) []byte { return []byte(id) })
}

func newProducts() *table[int, cloud.Product] {
	return newTable(prefixProduct, encodeRecord[cloud.Product], decodeRecord[cloud.Product],
		func(p cloud.Product) int { return p.ID }, func(id int) []byte { return []byte{byte(id >> 8), byte(id)} })
}

func newClaims() *table[cloud.ClaimID, cloud.Claim] {
	return newTable(prefixClaim, encodeRecord[cloud.Claim], decodeRecord[cloud.Claim],
		func(c cloud.Claim) cloud.ClaimID { return c.ID }, func(id cloud.ClaimID) []byte { return []byte(id) })
}

func newSettings() *table[onlySettings, cloud.Settings] {
	return newTable(prefixSettings, encodeRecord[cloud.Settings], decodeSettings,
		func(cloud.Settings) onlySettings { return onlySettings{} }, func(onlySettings) []byte { return nil })
}

func newHooks() *table[cloud.HookID, cloud.Hook] {
	return newTable(prefixHook, encodeRecord[cloud.Hook], decodeRecord[cloud.Hook],
		func(h cloud.Hook) cloud.HookID { return h.ID }, func(id cloud.HookID) []byte { return []byte(id) })
}
