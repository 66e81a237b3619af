package cloud_test

import (
	"slices"
	"testing"

	"localcloud/cloud"
	"localcloud/keys"
)

func TestScopesSayWhatATokenMayDo(t *testing.T) {
	tied := cloud.Scope("device:" + lamp.String())
	for _, c := range []struct {
		have []cloud.Scope
		may  []cloud.Scope
		not  []cloud.Scope
	}{
		{nil, cloud.KnownScopes(), nil},
		{[]cloud.Scope{cloud.ScopeAll}, cloud.KnownScopes(), nil},
		{[]cloud.Scope{tied}, cloud.KnownScopes(), nil}, // narrows the devices, not the deeds
		{
			[]cloud.Scope{cloud.ScopeReadOnly},
			[]cloud.Scope{cloud.ScopeEventsGet, cloud.ScopeDevicesList, cloud.ScopeDevicesGet, cloud.ScopeVariableGet, cloud.ScopeDiagnosticsGet, cloud.ScopeUserGet},
			[]cloud.Scope{
				cloud.ScopeEventsSend, cloud.ScopeDevicesUpdate, cloud.ScopeDevicesPing, cloud.ScopeDevicesImport, cloud.ScopeDevicesRemove,
				cloud.ScopeFunctionCall, cloud.ScopeUserUpdate, cloud.ScopeTokens, cloud.ScopeAdmin, cloud.ScopeAll,
			},
		},
		{
			[]cloud.Scope{cloud.ScopeEvents},
			[]cloud.Scope{cloud.ScopeEventsGet, cloud.ScopeEventsSend},
			[]cloud.Scope{cloud.ScopeDevicesGet, cloud.ScopeFunctionCall, cloud.ScopeAdmin},
		},
		{
			[]cloud.Scope{tied, cloud.ScopeFunctionCall},
			[]cloud.Scope{cloud.ScopeFunctionCall},
			[]cloud.Scope{cloud.ScopeVariableGet, cloud.ScopeEventsGet, cloud.ScopeAdmin},
		},
		{[]cloud.Scope{"nonsense"}, nil, cloud.KnownScopes()},
	} {
		a := cloud.Access{Scopes: c.have}
		for _, need := range c.may {
			if !a.Allows(need) {
				t.Errorf("%v does not allow %s", c.have, need)
			}
		}
		for _, need := range c.not {
			if a.Allows(need) {
				t.Errorf("%v allows %s", c.have, need)
			}
		}
	}
}

func TestParseScope(t *testing.T) {
	for _, s := range cloud.KnownScopes() {
		if got, err := cloud.ParseScope(string(s)); err != nil || got != s {
			t.Errorf("%q is %q, %v", s, got, err)
		}
	}
	if got, err := cloud.ParseScope("device:E00FCE680102030405060708"); err != nil || got != "device:e00fce680102030405060708" {
		t.Errorf("a device in capitals is %q, %v", got, err)
	}
	for _, s := range []string{"", "*", "events:*", "device:", "device:123", "device:zz0fce680102030405060708", " read-only"} {
		if got, err := cloud.ParseScope(s); cloud.KindOf(err) != cloud.Invalid {
			t.Errorf("%q is %q, %v", s, got, err)
		}
	}
}

func TestUsersSeeTheirOwnDevicesAndAdminsAll(t *testing.T) {
	onlyLamp := []cloud.Scope{cloud.Scope("device:" + lamp.String()), cloud.ScopeReadOnly}
	annsLamp, bobsLamp, free := cloud.Device{ID: lamp, Owner: ann}, cloud.Device{ID: lamp, Owner: bob}, cloud.Device{ID: lamp}
	annsRadio := cloud.Device{ID: radio, Owner: ann}
	for _, c := range []struct {
		who    string
		access cloud.Access
		device cloud.Device
		want   bool
	}{
		{"ann", cloud.Access{User: cloud.User{ID: ann}}, annsLamp, true},
		{"ann", cloud.Access{User: cloud.User{ID: ann}}, bobsLamp, false},
		{"ann", cloud.Access{User: cloud.User{ID: ann}}, free, false},
		{"nobody", cloud.Access{}, free, false},
		{"admin", cloud.Access{User: cloud.User{ID: bob, Admin: true}}, annsLamp, true},
		{"admin", cloud.Access{User: cloud.User{ID: bob, Admin: true}}, free, true},
		{"ann's token of the lamp", cloud.Access{User: cloud.User{ID: ann}, Scopes: onlyLamp}, annsLamp, true},
		{"ann's token of the lamp", cloud.Access{User: cloud.User{ID: ann}, Scopes: onlyLamp}, annsRadio, false},
		{"ann's token of the lamp", cloud.Access{User: cloud.User{ID: ann}, Scopes: onlyLamp}, bobsLamp, false},
		{"admin's token of the lamp", cloud.Access{User: cloud.User{ID: bob, Admin: true}, Scopes: onlyLamp}, annsRadio, false},
	} {
		if got := c.access.Sees(c.device); got != c.want {
			t.Errorf("%s sees %s of %q: %v, want %v", c.who, c.device.ID, c.device.Owner, got, c.want)
		}
	}
}

func TestFilterOfAnAccess(t *testing.T) {
	a := cloud.Access{User: cloud.User{ID: ann}, Scopes: []cloud.Scope{cloud.Scope("device:" + lamp.String()), cloud.Scope("device:" + radio.String())}}
	f := a.Filter()
	if f.Owner != ann || f.AllOwners || f.Public || !slices.Equal(f.Only, []keys.DeviceID{lamp, radio}) {
		t.Errorf("filter %+v", f)
	}
	f = cloud.Access{User: cloud.User{ID: bob, Admin: true}}.Filter()
	if f.Owner != bob || !f.AllOwners || len(f.Only) != 0 {
		t.Errorf("filter of an admin %+v", f)
	}
}
