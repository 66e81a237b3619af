package cloud

import (
	"slices"
	"strings"

	"localcloud/keys"
)

// Scope is one thing a token may do, in the words of the Particle API
// ("events:get", "devices.function:call"), or one of the wider names below.
// A token may also be tied to one device with "device:<24 hex>".
type Scope string

// Scopes. Each route of the API names the one it needs.
const (
	ScopeAll      Scope = "*:*"
	ScopeReadOnly Scope = "read-only" // every scope that only looks
	ScopeEvents   Scope = "events"    // events:get and events:send

	ScopeEventsGet      Scope = "events:get"
	ScopeEventsSend     Scope = "events:send"
	ScopeDevicesList    Scope = "devices:list"
	ScopeDevicesGet     Scope = "devices:get"
	ScopeDevicesUpdate  Scope = "devices:update"
	ScopeDevicesPing    Scope = "devices:ping"
	ScopeDevicesImport  Scope = "devices:import" // claim, provision
	ScopeDevicesRemove  Scope = "devices:remove"
	ScopeFunctionCall   Scope = "devices.function:call"
	ScopeVariableGet    Scope = "devices.variable:get"
	ScopeDiagnosticsGet Scope = "devices.diagnostics:get"
	ScopeUserGet        Scope = "user:get"
	ScopeUserUpdate     Scope = "user:update"
	ScopeTokens         Scope = "tokens:update"
	ScopeAdmin          Scope = "cloud:admin" // the /v1/localcloud routes that change the server

	deviceScope = "device:"
)

// KnownScopes lists what a token may be given, besides "device:<id>".
func KnownScopes() []Scope {
	return []Scope{
		ScopeAll, ScopeReadOnly, ScopeEvents, ScopeEventsGet, ScopeEventsSend, ScopeDevicesList, ScopeDevicesGet,
		ScopeDevicesUpdate, ScopeDevicesPing, ScopeDevicesImport, ScopeDevicesRemove, ScopeFunctionCall,
		ScopeVariableGet, ScopeDiagnosticsGet, ScopeUserGet, ScopeUserUpdate, ScopeTokens, ScopeAdmin,
		ScopeHooksCreate, ScopeHooksList, ScopeHooksGet, ScopeHooksUpdate, ScopeHooksRemove, ScopeHooksTest,
	}
}

// ParseScope checks a scope that a user typed.
func ParseScope(s string) (Scope, error) {
	if id, ok := strings.CutPrefix(s, deviceScope); ok {
		parsed, err := keys.ParseDeviceID(id)
		if err != nil {
			return "", E("scope", Invalid, err)
		}
		return Scope(deviceScope + parsed.String()), nil
	}
	if slices.Contains(KnownScopes(), Scope(s)) {
		return Scope(s), nil
	}
	return "", Errorf("scope", Invalid, "unknown scope %q; there are %v and device:<id>", s, KnownScopes())
}

// reads reports whether the scope only looks at things.
func (s Scope) reads() bool {
	return strings.HasSuffix(string(s), ":get") || strings.HasSuffix(string(s), ":list")
}

// Access is who asks, and what they may do: a user together with the scopes
// of the token they came with.
type Access struct {
	User   User
	Scopes []Scope // empty: everything the user may
	Token  TokenID // empty for the server's own commands
}

// Allows reports whether the token may do what a route needs. Whether
// the thing itself is theirs is asked with Sees and Owns.
func (a Access) Allows(need Scope) bool {
	wide := true
	for _, have := range a.Scopes {
		if strings.HasPrefix(string(have), deviceScope) {
			continue // narrows the devices, not the deeds
		}
		wide = false
		switch {
		case have == ScopeAll, have == need:
			return true
		case have == ScopeReadOnly && need.reads():
			return true
		case have == ScopeEvents && (need == ScopeEventsGet || need == ScopeEventsSend):
			return true
		}
	}
	return wide
}

// OnlyDevice returns the devices the token is tied to; none means all.
func (a Access) OnlyDevices() []keys.DeviceID {
	var ids []keys.DeviceID
	for _, s := range a.Scopes {
		if hex, ok := strings.CutPrefix(string(s), deviceScope); ok {
			if id, err := keys.ParseDeviceID(hex); err == nil {
				ids = append(ids, id)
			}
		}
	}
	return ids
}

// Sees reports whether the device exists for this user: it is theirs, or they
// are an admin, and the token is not tied to another one.
func (a Access) Sees(d Device) bool {
	if only := a.OnlyDevices(); len(only) > 0 && !slices.Contains(only, d.ID) {
		return false
	}
	return a.User.Admin || (d.Owner != "" && d.Owner == a.User.ID)
}

// Filter returns the events this user may see, before any narrowing that they ask for.
func (a Access) Filter() Filter {
	return Filter{Owner: a.User.ID, AllOwners: a.User.Admin, Only: a.OnlyDevices()}
}
