package api

import (
	"testing"

	"localcloud/cloud"
)

func TestShowUser(t *testing.T) {
	w := newWorld(t)
	w.registry.UpdateDevice(id(strayID), func(d *cloud.Device, _ bool) error {
		d.Owner, d.PlatformID = w.userID("alice"), 13
		return nil
	})
	w.do("GET /v1/user", as(w.alice)).is(200, `{"username":"alice","id":"`+string(w.userID("alice"))+`","subscription_ids":[],
		"account_info":{"first_name":"","last_name":"","business_account":false},"mfa":{"enabled":false},
		"wifi_device_count":1,"cellular_device_count":1}`)
	w.do("GET /v1/user", as(control)).has(200, `{"username":"root"}`)
}

func TestSignUp(t *testing.T) {
	w := newWorld(t, func(c *Config) { c.SignUp = true })
	w.do("POST /v1/users", jsonText(`{"username":"dora@example.com","password":"long enough","account_info":{"first_name":"D"}}`)).is(200, `{"ok":true}`)
	if u, ok := w.registry.UserByName("dora@example.com"); !ok || u.Admin {
		t.Errorf("got %+v, %v; want an ordinary user", u, ok)
	}
	w.do("POST /oauth/token", form("grant_type=password&username=dora@example.com&password=long+enough")).has(200, `{"token_type":"bearer"}`)
	for request, status := range map[string]int{
		"username=ALICE&password=long+enough": 409, "username=e&password=short": 400, "username=a:b&password=long+enough": 400, "password=long+enough": 400,
	} {
		if a := w.do("POST /v1/users", form(request)); a.status != status {
			t.Errorf("%s: %d %s, want %d", request, a.status, a.body, status)
		}
	}
}

func TestNobodySignsUpUninvited(t *testing.T) {
	w := newWorld(t)
	w.do("POST /v1/users", form("username=eve&password=long+enough")).fails(403, errNoSignUp.code, errNoSignUp.text)
	w = newWorld(t, func(c *Config) { c.SignUp = true })
	for _, name := range []string{"root", "alice", "Bob"} {
		w.accounts.RemoveUser(w.userID(name))
	}
	w.do("POST /v1/users", form("username=eve&password=long+enough")).fails(403, errNoSignUp.code, errNoSignUp.text)
	if len(w.registry.Users()) != 0 {
		t.Error("whoever came first owns the cloud")
	}
}
