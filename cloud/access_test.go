package cloud_test

import (
	"testing"

	"localcloud/cloud"
	"localcloud/cloud/store"
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
	for text, want := range map[string]cloud.Scope{
		"product:12": "product:12", "product:007": "product:7", "relay-read": cloud.ScopeRelayGet, "relay:write": cloud.ScopeRelaySend, "events-only": cloud.ScopeEvents,
	} {
		if got, err := cloud.ParseScope(text); err != nil || got != want {
			t.Errorf("%q is %q, %v, want %q", text, got, err, want)
		}
	}
	if got, err := cloud.ParseScope("device:E00FCE680102030405060708"); err != nil || got != "device:e00fce680102030405060708" {
		t.Errorf("a device in capitals is %q, %v", got, err)
	}
	for _, s := range []string{"", "*", "events:*", "device:", "device:123", "device:zz0fce680102030405060708", "product:", "product:65536", "product:-1", "product:x", " read-only"} {
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
		{"ann's token of product 12", cloud.Access{User: cloud.User{ID: ann}, Scopes: []cloud.Scope{"product:12"}}, annsRadio, false},
		{"ann's token of product 12", cloud.Access{User: cloud.User{ID: ann}, Scopes: []cloud.Scope{"product:12"}}, cloud.Device{ID: radio, Owner: ann, ProductID: 12}, true},
		{"ann's token of product 12", cloud.Access{User: cloud.User{ID: ann}, Scopes: []cloud.Scope{"product:12"}}, cloud.Device{ID: radio, Owner: bob, ProductID: 12}, false},
		{"admin's token of the lamp", cloud.Access{User: cloud.User{ID: bob, Admin: true}, Scopes: onlyLamp}, annsRadio, false},
	} {
		if got := c.access.Sees(c.device); got != c.want {
			t.Errorf("%s sees %s of %q: %v, want %v", c.who, c.device.ID, c.device.Owner, got, c.want)
		}
	}
}

func TestFilterOfAnAccess(t *testing.T) {
	st := store.OpenMemory(store.Options{})
	defer st.Close()
	for id, product := range map[keys.DeviceID]int{lamp: 12, radio: 6} {
		if _, err := st.Registry().UpdateDevice(id, func(d *cloud.Device, _ bool) error { d.ProductID = product; return nil }); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		scopes      []cloud.Scope
		lamp, radio bool
	}{
		{[]cloud.Scope{cloud.Scope("device:" + lamp.String())}, true, false},
		{[]cloud.Scope{cloud.Scope("device:" + lamp.String()), cloud.Scope("device:" + radio.String())}, true, true},
		{[]cloud.Scope{"product:12"}, true, false},
		{[]cloud.Scope{"product:12", cloud.Scope("device:" + radio.String())}, true, true},
		{[]cloud.Scope{"product:13"}, false, false},
	} {
		f := cloud.Access{User: cloud.User{ID: ann}, Scopes: c.scopes}.Filter(st.Registry())
		if f.Owner != ann || f.AllOwners || f.Public || f.Reaches == nil || f.Reaches(lamp) != c.lamp || f.Reaches(radio) != c.radio {
			t.Errorf("%v: filter %+v", c.scopes, f)
		}
		if f.Match(&cloud.Event{Name: "x", Owner: ann}) {
			t.Errorf("%v sees events that no device published", c.scopes)
		}
	}
	f := cloud.Access{User: cloud.User{ID: bob, Admin: true}}.Filter(st.Registry())
	if f.Owner != bob || !f.AllOwners || f.Reaches != nil {
		t.Errorf("filter of an admin %+v", f)
	}
}
