package api

import (
	"io"
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
	w := newWorld(t)
	w.do("PUT /v1/localcloud/settings", as(w.root), form("sign_up=true")).has(200, `{"sign_up":true}`)
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
	w = newWorld(t)
	w.do("PUT /v1/localcloud/settings", as(w.root), form("sign_up=true")).has(200, `{"sign_up":true}`)
	for _, name := range []string{"root", "alice", "Bob"} {
		w.accounts.RemoveUser(w.userID(name))
	}
	w.do("POST /v1/users", form("username=eve&password=long+enough")).fails(403, errNoSignUp.code, errNoSignUp.text)
	if len(w.registry.Users()) != 0 {
		t.Error("whoever came first owns the cloud")
	}
}

func TestPasswordIsChangedWithTheOldOne(t *testing.T) {
	w := newWorld(t)
	here, elsewhere := newBrowser(w), newBrowser(w)
	here.logIn("alice")
	elsewhere.logIn("alice")
	for text, status := range map[string]int{
		`{"password":"battery staple"}`:                               400,
		`{"password":"battery staple","current_password":"wrong"}`:    400,
		`{"password":"short","current_password":"correct horse"}`:     400,
		`{"username":"BOB","current_password":"correct horse"}`:       409,
		`{"username":"two words","current_password":"correct horse"}`: 400,
		`{}`:                                  400,
		`{"account_info":{"first_name":"A"}}`: 200,
	} {
		if a := here.ask("PUT /v1/user", jsonText(text)); a.status != status {
			t.Errorf("%s: %d %s, want %d", text, a.status, a.body, status)
		}
	}
	here.ask("PUT /v1/user", jsonText(`{"password":"battery staple","current_password":"correct horse"}`)).
		is(200, `{"ok":true,"message":"User's password updated."}`)
	here.ask("GET /v1/user").has(200, `{"username":"alice"}`)
	elsewhere.ask("GET /v1/user").fails(401, "invalid_token", errBadToken.text)
	w.do("GET /v1/user", as(w.alice)).has(200, `{"username":"alice"}`) // what tools have stays good
	w.do("POST /oauth/token", form(grant)).fails(400, "invalid_grant", "User credentials are invalid")
	w.do("POST /oauth/token", form("grant_type=password&username=alice&password=battery+staple")).has(200, `{"token_type":"bearer"}`)

	w.do("PUT /v1/user", as(w.alice), form("username=anna&current_password=battery+staple")).is(200, `{"ok":true,"message":"User's name updated."}`)
	w.do("GET /v1/user", as(w.alice)).has(200, `{"username":"anna"}`)
	w.do("PUT /v1/user", as(w.alice), form("password=another+one&current_password=battery+staple&invalidate_tokens=true")).has(200, `{"ok":true}`)
	w.do("GET /v1/user", as(w.alice)).fails(401, "invalid_token", errBadToken.text)
	here.ask("GET /v1/user").fails(401, "invalid_token", errBadToken.text)
}

func TestUsersDeleteThemselvesWithTheirPassword(t *testing.T) {
	w := newWorld(t)
	if a := w.do("DELETE /v1/user", as(w.alice)); a.status != 400 {
		t.Errorf("without a password: %d %s", a.status, a.body)
	}
	w.do("DELETE /v1/user", as(w.alice), form("password=wrong")).fails(400, "invalid_grant", "User credentials are invalid")
	if a := w.do("DELETE /v1/user", as(w.root), form("password=correct+horse")); a.status != 409 {
		t.Errorf("the only administrator: %d %s", a.status, a.body)
	}
	w.do("DELETE /v1/user", as(w.alice), form("password=correct+horse")).is(200, `{"ok":true,"message":"User's account has been deleted."}`)
	w.do("GET /v1/user", as(w.alice)).fails(401, "invalid_token", errBadToken.text)
	if w.record(lampID).Owner != "" {
		t.Error("the device is still hers")
	}
}

func TestForgottenPasswordIsTheSameForEveryName(t *testing.T) {
	w := newWorld(t)
	a, b := w.do("POST /v1/user/password-reset", form("username=alice")), w.do("POST /v1/user/password-reset", form("username=nobody"))
	if a.status != 200 || a.body != b.body || a.object()["ok"] != true {
		t.Errorf("%d %s, %s", a.status, a.body, b.body)
	}
}

func TestOneTimePasswordIsGoodToChooseAnother(t *testing.T) {
	w := newWorld(t)
	a := w.do("POST /v1/localcloud/users", as(w.root), form("name=dora&one_time=true")).has(201, `{"name":"dora","one_time":true,"admin":false}`)
	once := a.text("password")
	if len(once) != 14 {
		t.Fatalf("the password is %q", once)
	}
	w.do("POST /oauth/token", form("grant_type=password&username=dora&password="+once)).fails(403, "password_change_required", errOneTime.text)
	w.do("GET /v1/access_tokens", basic("dora", once)).fails(403, "password_change_required", errOneTime.text)
	b := newBrowser(w)
	logIn := func(more string) answer {
		return b.ask("POST /v1/localcloud/session", form("username=dora&password="+once+more))
	}
	logIn("").fails(403, "password_change_required", errOneTime.text)
	for _, bad := range []string{once, "short"} {
		if a := logIn("&new_password=" + bad); a.status != 400 {
			t.Errorf("%q was taken: %d %s", bad, a.status, a.body)
		}
	}
	if b.cookie != "" {
		t.Fatal("she is logged in")
	}
	logIn("&new_password=battery+staple").has(200, `{"setup":false}`)
	b.ask("GET /v1/user").has(200, `{"username":"dora"}`)
	logIn("&new_password=battery+staple").fails(400, "invalid_grant", "User credentials are invalid")
	w.do("POST /oauth/token", form("grant_type=password&username=dora&password=battery+staple")).has(200, `{"token_type":"bearer"}`)

	again := w.do("PUT /v1/localcloud/users/dora", as(w.root), form("one_time=1")).has(200, `{"ok":true}`).text("password")
	b.ask("GET /v1/user").fails(401, "invalid_token", errBadToken.text)
	w.do("POST /oauth/token", form("grant_type=password&username=dora&password="+again)).fails(403, "password_change_required", errOneTime.text)
	for _, row := range w.do("GET /v1/localcloud/users", as(w.root)).list() {
		if row["password"] != nil || row["one_time"] != (row["name"] == "dora") {
			t.Errorf("the list has %v", row)
		}
	}
}

func TestRolesChangeAtOnce(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		w.do("PUT /v1/localcloud/users/alice", as(w.root), form("admin=true")).is(200, `{"ok":true}`)
		w.do("GET /v1/devices/fan", as(w.alice)).has(200, `{"name":"fan"}`)
		all := w.follow("/v1/devices/events", w.alice)
		w.publish("Bob", "x", "")
		all.wants("x")
		w.do("PUT /v1/localcloud/users/alice", as(w.root), form("admin=false")).is(200, `{"ok":true}`)
		if err := all.ends(); err != io.EOF {
			t.Errorf("what she could see as an administrator goes on: %v", err)
		}
		w.do("GET /v1/user", as(w.alice)).has(200, `{"username":"alice"}`)
		if a := w.do("GET /v1/devices/fan", as(w.alice)); a.status != 403 {
			t.Errorf("%d %s", a.status, a.body)
		}
		if a := w.do("PUT /v1/localcloud/users/root", as(w.root), form("admin=false")); a.status != 409 {
			t.Errorf("the only administrator: %d %s", a.status, a.body)
		}
		token := w.token("alice")
		w.do("PUT /v1/localcloud/users/alice", as(w.root), form("password=battery+staple&invalidate_tokens=true")).is(200, `{"ok":true}`)
		for _, old := range []cloud.Secret{token, w.alice} {
			w.do("GET /v1/user", as(old)).fails(401, "invalid_token", errBadToken.text)
		}
	})
}
