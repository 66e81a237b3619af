package cloud

import (
	"cmp"
	"slices"
	"strconv"
	"strings"

	"localcloud/keys"
)

// Scope is one thing a token may do, in the words of the Particle API
// ("events:get", "devices.function:call"), or one of the wider names below.
// A token may also be tied to one device with "device:<24 hex>", or to one
// product with "product:<id>"; tied to several, it reaches all of them.
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
	ScopeRelayGet       Scope = "relay:get"   // read what devices stream
	ScopeRelaySend      Scope = "relay:send"  // write to devices, and stream as one of them

	deviceScope  = "device:"
	productScope = "product:"
)

// particleScopes are further names that Particle's documents have (http-api.md, 3.5).
const particleScopes = "devices:release devices.diagnostics:update devices.diagnostics.metadata:get devices.diagnostics.summary:get " +
	"firmware:list firmware:get firmware:create firmware:update firmware:release firmware:remove firmware.binary:get " +
	"customers:list customers:update customers:remove customers:create " +
	"clients:list clients:create clients:update clients:remove products:list products:get " +
	"teams.users:list teams.users:invite teams.users:update teams.users:remove " +
	"sims:list sims:import sims:update sims.usage:get sims.status:get groups.impact:get locations:get"

// scopeWords are other words for scopes that people may type.
var scopeWords = map[string]Scope{
	"readonly": ScopeReadOnly, "events-only": ScopeEvents,
	"relay-read": ScopeRelayGet, "relay:read": ScopeRelayGet, "relay-write": ScopeRelaySend, "relay:write": ScopeRelaySend,
}

// KnownScopes lists what a token may be given, besides "device:<id>" and "product:<id>".
func KnownScopes() []Scope {
	all := []Scope{
		ScopeAll, ScopeReadOnly, ScopeEvents, ScopeEventsGet, ScopeEventsSend, ScopeDevicesList, ScopeDevicesGet,
		ScopeDevicesUpdate, ScopeDevicesPing, ScopeDevicesImport, ScopeDevicesRemove, ScopeFunctionCall,
		ScopeVariableGet, ScopeDiagnosticsGet, ScopeUserGet, ScopeUserUpdate, ScopeTokens, ScopeAdmin,
		ScopeHooksCreate, ScopeHooksList, ScopeHooksGet, ScopeHooksUpdate, ScopeHooksRemove, ScopeHooksTest,
		ScopeRelayGet, ScopeRelaySend,
	}
	for _, s := range strings.Fields(particleScopes) {
		all = append(all, Scope(s))
	}
	return all
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
	if id, ok := strings.CutPrefix(s, productScope); ok {
		n, err := strconv.ParseUint(id, 10, 16)
		if err != nil {
			return "", Errorf("scope", Invalid, "%q is not the id of a product, a number up to 65535", Printable(id))
		}
		return Scope(productScope + strconv.FormatUint(n, 10)), nil
	}
	if scope, ok := scopeWords[s]; ok {
		return scope, nil
	}
	if slices.Contains(KnownScopes(), Scope(s)) {
		return Scope(s), nil
	}
	return "", Errorf("scope", Invalid, "unknown scope %q; there are read-only, events, relay:get, relay:send, device:<id>, product:<id>, "+
		"and the names of Particle's API: %v", Printable(s), KnownScopes())
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
		if have.ties() {
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

// ties reports whether the scope narrows which devices a token reaches.
func (s Scope) ties() bool {
	return strings.HasPrefix(string(s), deviceScope) || strings.HasPrefix(string(s), productScope)
}

// Tied reports whether the token reaches some devices only.
func (a Access) Tied() bool { return slices.ContainsFunc(a.Scopes, Scope.ties) }

// OnlyProducts returns the ids of the products the token is tied to.
func (a Access) OnlyProducts() []int {
	var ids []int
	for _, s := range a.Scopes {
		if text, ok := strings.CutPrefix(string(s), productScope); ok {
			if id, err := strconv.Atoi(text); err == nil {
				ids = append(ids, id)
			}
		}
	}
	return ids
}

// OnlyDevices returns the devices the token is tied to by their ids.
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

// Reaches reports whether the token is not tied to other devices than this
// one. A device is in the product that it was put into, or else in the one that its firmware says.
func (a Access) Reaches(d Device) bool {
	return !a.Tied() || slices.Contains(a.OnlyDevices(), d.ID) || slices.Contains(a.OnlyProducts(), cmp.Or(d.Product, d.ProductID))
}

// Sees reports whether the device exists for this user: it is theirs, or they
// are an admin, and the token is not tied to another one.
func (a Access) Sees(d Device) bool {
	if !a.Reaches(d) {
		return false
	}
	return a.User.Admin || (d.Owner != "" && d.Owner == a.User.ID)
}

// Filter returns the events this user may see, before any narrowing that they
// ask for. A token that is tied to a product sees the events of the devices
// that are in it, as the registry says when an event comes.
func (a Access) Filter(registry Registry) Filter {
	f := Filter{Owner: a.User.ID, AllOwners: a.User.Admin}
	if !a.Tied() {
		return f
	}
	a.Scopes = slices.Clone(a.Scopes)
	f.Reaches = func(id keys.DeviceID) bool {
		d, ok := registry.Device(id)
		return ok && a.Reaches(d)
	}
	if only := a.OnlyDevices(); len(a.OnlyProducts()) == 0 {
		f.Reaches = func(id keys.DeviceID) bool { return slices.Contains(only, id) }
	}
	return f
}
