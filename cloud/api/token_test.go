package api

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"localcloud/cloud"
)

const grant = "grant_type=password&username=alice&password=correct+horse"

func TestLogIn(t *testing.T) {
	w := newWorld(t)
	tests := []struct {
		what    string
		options []option
		life    float64
	}{
		{"client in Basic", []option{form(grant), basic("particle", "particle")}, 7776000},
		{"client in the form", []option{form(grant + "&client_id=CLI2&client_secret=client_secret_here")}, 7776000},
		{"no client", []option{form(grant)}, 7776000},
		{"JSON", []option{jsonText(`{"grant_type":"password","username":"ALICE","password":"correct horse","expires_in":3600}`)}, 3600},
		{"multipart", []option{fields("grant_type", "password", "username", "alice", "password", password, "expires_in", "3600")}, 3600},
		{"expires_in", []option{form(grant + "&expires_in=3600")}, 3600},
		{"never", []option{form(grant + "&expires_in=0")}, 0},
		{"expires_in before expires_at", []option{form(grant + "&expires_in=60&expires_at=2099-01-01T00:00:00Z")}, 60},
		{"more than the clock knows", []option{form(grant + "&expires_in=99999999999")}, maxLife.Seconds()},
	}
	for _, tt := range tests {
		a := w.do("POST /oauth/token", tt.options...)
		a.has(200, fmt.Sprintf(`{"token_type":"bearer","expires_in":%v}`, int64(tt.life)))
		token, refresh := a.text("access_token"), a.text("refresh_token")
		if len(token) != 40 || len(refresh) != 40 || strings.Trim(token+refresh, "0123456789abcdef") != "" {
			t.Errorf("%s: tokens are %q and %q, want 40 hex digits", tt.what, token, refresh)
		}
		w.do("GET /v1/user", as(cloud.Secret(token))).has(200, `{"username":"alice"}`)
		if a.header.Get("Cache-Control") != "no-store" {
			t.Errorf("%s: a cache may keep the token", tt.what)
		}
	}
}

func TestLogInIsRefused(t *testing.T) {
	w := newWorld(t)
	tests := []struct{ form, code, text string }{
		{"grant_type=password&username=alice&password=wrong+one", "invalid_grant", "User credentials are invalid"},
		{"grant_type=password&username=nobody&password=correct+horse", "invalid_grant", "User credentials are invalid"},
		{"grant_type=password&username=alice", "invalid_request", `Missing parameters. "username" and "password" are required`},
		{"grant_type=refresh_token&refresh_token=" + string(w.alice), "invalid_grant", "Refresh token is invalid"},
		{"grant_type=refresh_token", "invalid_grant", "Refresh token is invalid"},
		{"grant_type=client_credentials&client_id=a&client_secret=b", "invalid_client", "Client credentials are invalid"},
		{"grant_type=urn:custom:mfa-otp&mfa_token=a&otp=b", "invalid_grant", "Nobody here logs in with two factors"},
		{"grant_type=magic", "unsupported_grant_type", "Invalid or missing grant_type parameter"},
		{"username=alice&password=correct+horse", "invalid_request", "Invalid or missing grant_type parameter"},
		{grant + "&expires_in=-1", "invalid_request", "expires_in has to be a whole number of at least 0"},
		{grant + "&expires_in=soon", "invalid_request", "expires_in has to be a whole number of at least 0"},
		{grant + "&expires_at=2001-01-01T00:00:00.000Z", "invalid_request", "expires_at has to be a time to come, such as 2030-01-31T00:00:00.000Z"},
	}
	for _, tt := range tests {
		a := w.do("POST /oauth/token", form(tt.form)).fails(400, tt.code, tt.text)
		if strings.Contains(a.body, `access_token`) {
			t.Errorf("%s: there is a token in %s", tt.form, a.body)
		}
	}
	w.do("POST /oauth/token?"+grant).fails(400, "invalid_request", "Invalid or missing grant_type parameter")
}

func TestTokenExpires(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		at := time.Now().Add(time.Hour).UTC().Format("2006-01-02T15:04:05.000Z")
		a := w.do("POST /oauth/token", form(grant+"&expires_at="+at)).has(200, `{"expires_in":3600}`)
		token := cloud.Secret(a.text("access_token"))
		w.do("GET /v1/access_tokens/current", as(token)).has(200, `{"expires_at":"`+at+`"}`)
		wait(time.Hour - time.Second)
		w.do("GET /v1/user", as(token)).has(200, `{"username":"alice"}`)
		wait(time.Second)
		w.do("GET /v1/user", as(token)).fails(401, "invalid_token", "The access token provided has expired.")
		if rows := w.do("GET /v1/access_tokens", as(w.alice)).list(); len(rows) != 1 {
			t.Errorf("the list still has the expired token: %v", rows)
		}
		b := w.do("POST /oauth/token", form("grant_type=refresh_token&refresh_token="+a.text("refresh_token")))
		b.has(200, `{"token_type":"bearer","expires_in":7776000}`)
		w.do("GET /v1/user", as(cloud.Secret(b.text("access_token")))).has(200, `{"username":"alice"}`)
		w.do("POST /oauth/token", form("grant_type=refresh_token&refresh_token="+a.text("refresh_token"))).
			fails(400, "invalid_grant", "Refresh token is invalid")
	})
}

func TestTokenMayStandInManyPlaces(t *testing.T) {
	w := newWorld(t)
	good, bad := string(w.alice), "0000000000000000000000000000000000000bad"
	tests := []struct {
		what, request string
		options       []option
		status        int
	}{
		{"header", "GET /v1/user", []option{as(w.alice)}, 200},
		{"header, lower case", "GET /v1/user", []option{header("Authorization", "bearer "+good)}, 200},
		{"query", "GET /v1/user?access_token=" + good, nil, 200},
		{"query beside others", "GET /v1/user?a;b&nonce=961.60&access_token=" + good, nil, 200},
		{"form", "PUT /v1/devices/lamp", []option{form("notes=x&access_token=" + good)}, 200},
		{"form of a DELETE", "DELETE /v1/devices/lamp", []option{form("access_token=" + good)}, 200},
		{"JSON", "POST /v1/devices/events", []option{jsonText(`{"name":"x","access_token":"` + good + `"}`)}, 200},
		{"multipart", "POST /v1/devices/events", []option{fields("name", "x", "access_token", good)}, 200},
		{"body of a GET", "GET /v1/user", []option{form("access_token=" + good)}, 200},
		{"the header wins over the query", "GET /v1/user?access_token=" + good, []option{as(cloud.Secret(bad))}, 401},
		{"the header wins over the query, too", "GET /v1/user?access_token=" + bad, []option{as(w.alice)}, 200},
		{"the header wins over the form", "POST /v1/devices/events", []option{as(cloud.Secret(bad)), form("name=x&access_token=" + good)}, 401},
		{"Basic is no token", "GET /v1/user", []option{basic("alice", password)}, 400},
		{"Basic beside a token", "GET /v1/user?access_token=" + good, []option{basic("alice", "nonsense")}, 200},
		{"none", "GET /v1/user", nil, 400},
		{"empty", "GET /v1/user?access_token=", []option{header("Authorization", "Bearer ")}, 400},
		{"bad", "GET /v1/user?access_token=" + bad, nil, 401},
	}
	for _, tt := range tests {
		if a := w.do(tt.request, tt.options...); a.status != tt.status {
			t.Errorf("%s: %d %s, want %d", tt.what, a.status, a.body, tt.status)
		}
	}
	w.do("GET /v1/devices").fails(400, "invalid_request", "The access token was not found")
	w.do("GET /v1/devices", as("wrong")).fails(401, "invalid_token", "The access token provided is invalid.")
}

func TestTokenIsNoArgument(t *testing.T) {
	w := newWorld(t)
	for _, o := range []option{form("access_token=" + string(w.alice)), jsonText(`{"access_token":"` + string(w.alice) + `"}`)} {
		w.do("POST /v1/devices/lamp/led", o).has(200, `{"return_value":42}`)
		if w.lamp.argument != "" {
			t.Errorf("the device got %q", w.lamp.argument)
		}
	}
}

func TestCurrentToken(t *testing.T) {
	w := newWorld(t)
	w.do("GET /v1/access_tokens/current", as(w.alice)).
		is(200, `{"expires_at":null,"client":"test","client_id":"test","scopes":[],"orgs":[],"expires_soon":false}`)
	narrow := w.token("alice", cloud.ScopeEventsGet)
	w.do("GET /v1/access_tokens/current", as(narrow)).has(200, `{"scopes":["events:get"]}`)
	w.do("GET /v1/access_tokens/current", as(control)).has(200, `{"expires_at":null,"scopes":[]}`)

	w.do("DELETE /v1/access_tokens/current", form("access_token="+string(narrow))).is(200, `{"ok":true}`)
	w.do("GET /v1/access_tokens/current", as(narrow)).fails(401, "invalid_token", "The access token provided is invalid.")
	w.do("GET /v1/user", as(w.alice)).has(200, `{"username":"alice"}`)
	if a := w.do("DELETE /v1/access_tokens/current", as(control)); a.status != 400 {
		t.Errorf("the control secret was revoked: %d %s", a.status, a.body)
	}
}

func TestTokenIsItsOwnCredential(t *testing.T) {
	w := newWorld(t)
	gone := func(token cloud.Secret) {
		t.Helper()
		w.do("GET /v1/user", as(token)).fails(401, "invalid_token", "The access token provided is invalid.")
	}
	a, b, c, d := w.token("alice"), w.token("alice"), w.token("alice"), w.token("alice")
	w.do("DELETE /v1/access_tokens/"+string(a)).is(200, `{"ok":true}`)
	gone(a)
	w.do("DELETE /v1/access_tokens/"+string(a)).fails(404, "No such token", "No such token")

	// Older clients send name and password, and their own token in the body, which is not meant.
	w.do("DELETE /v1/access_tokens/"+string(b), basic("alice", password), form("access_token="+string(w.alice))).is(200, `{"ok":true}`)
	gone(b)
	w.do("DELETE /v1/access_tokens/"+string(c), basic("alice", password), jsonText(`{"access_token":"`+string(w.alice)+`"}`)).is(200, `{"ok":true}`)
	gone(c)
	w.do("DELETE /v1/access_tokens/"+string(d), form("access_token=nonsense")).is(200, `{"ok":true}`)
	gone(d)
	w.do("GET /v1/user", as(w.alice)).has(200, `{"username":"alice"}`)

	refresh := w.do("POST /oauth/token", form(grant))
	w.do("DELETE /v1/access_tokens/"+refresh.text("refresh_token")).is(200, `{"ok":true}`)
	gone(cloud.Secret(refresh.text("access_token")))
}

func TestPublicIDIsNoCredential(t *testing.T) {
	w := newWorld(t)
	victim := w.token("alice")
	path := "DELETE /v1/access_tokens/" + string(victim.ID())
	refused := []struct {
		what    string
		options []option
		status  int
	}{
		{"alone", nil, 404},
		{"with another user's token", []option{as(w.bob)}, 404},
		{"with an admin's token", []option{as(w.root)}, 404},
		{"with another user's password", []option{basic("Bob", password)}, 404},
		{"with a wrong password", []option{basic("alice", "wrong one")}, 400},
		{"with a bad token", []option{as("nonsense")}, 401},
		{"with a token that may only read", []option{as(w.token("alice", cloud.ScopeReadOnly))}, 403},
		{"with a token tied to a device", []option{as(w.token("alice", "device:"+lampID))}, 403},
		{"with its own id as a token", []option{as(cloud.Secret(victim.ID()))}, 401},
	}
	for _, tt := range refused {
		if a := w.do(path, tt.options...); a.status != tt.status {
			t.Errorf("%s: %d %s, want %d", tt.what, a.status, a.body, tt.status)
		}
		w.do("GET /v1/user", as(victim)).has(200, `{"username":"alice"}`)
	}
	w.do(path, as(w.alice)).is(200, `{"ok":true}`)
	w.do("GET /v1/user", as(victim)).fails(401, "invalid_token", "The access token provided is invalid.")
	other := w.token("alice")
	w.do("DELETE /v1/access_tokens/"+string(other.ID()), basic("alice", password)).is(200, `{"ok":true}`)
	w.do("GET /v1/user", as(other)).fails(401, "invalid_token", "The access token provided is invalid.")
}

func TestListTokens(t *testing.T) {
	w := newWorld(t)
	w.do("POST /oauth/token", form(grant), basic("particle-cli", "x"))
	for what, o := range map[string]option{"password": basic("alice", password), "token": as(w.alice)} {
		rows := w.do("GET /v1/access_tokens", o).list()
		if len(rows) != 2 {
			t.Fatalf("%s: %d rows, want 2: refresh tokens are not listed: %v", what, len(rows), rows)
		}
		if r := rows[0]; r["token"] != string(w.alice.ID()) || r["expires_at"] != nil || r["client"] != "test" {
			t.Errorf("%s: first row is %v", what, r)
		}
		if r := rows[1]; r["client"] != "particle-cli" || len(r["token"].(string)) != 40 || len(r["expires_at"].(string)) != len("2026-11-21T01:00:00.000Z") {
			t.Errorf("%s: second row is %v", what, r)
		}
	}
	w.do("GET /v1/access_tokens", basic("alice", "wrong one")).fails(400, "invalid_grant", "User credentials are invalid")
	w.do("GET /v1/access_tokens").fails(400, "invalid_request", "The access token was not found")
}

func TestIssueOwnToken(t *testing.T) {
	w := newWorld(t)
	a := w.do("POST /v1/access_tokens", as(w.alice), jsonText(`{"note":"on the wall","scopes":["read-only","device:`+lampID+`"],"expires_in":3600}`))
	a.has(201, `{"user":"alice","client":"localcloud","note":"on the wall","scopes":["read-only","device:`+lampID+`"]}`)
	narrow := cloud.Secret(a.text("token"))
	w.do("GET /v1/devices/lamp", as(narrow)).has(200, `{"id":"`+lampID+`"}`)
	w.do("POST /v1/devices/lamp/led", as(narrow)).has(403, `{"error":"unauthorized"}`)

	// Who it is for is who asks, whatever they say.
	w.do("POST /v1/access_tokens", as(w.bob), form("user=root&scopes=events")).has(201, `{"user":"Bob"}`)

	// What makes tokens may do everything itself.
	w.do("POST /v1/access_tokens", as(w.token("alice", cloud.ScopeTokens)), form("scopes=*:*")).
		fails(403, "unauthorized", "Only a token that may do everything can make another")
	w.do("POST /v1/access_tokens", as(w.token("alice", cloud.ScopeAll)), form("scopes=*:*")).has(201, `{"scopes":["*:*"]}`)
	w.do("POST /v1/access_tokens", as(w.alice), form("scopes=magic")).has(400, `{"ok":false}`)
}

func TestRevokeAllTokens(t *testing.T) {
	w := newWorld(t)
	other := w.token("alice", cloud.ScopeReadOnly)
	w.do("DELETE /v1/access_tokens", as(w.alice)).is(200, `{"ok":true}`)
	for _, token := range []cloud.Secret{w.alice, other} {
		w.do("GET /v1/user", as(token)).fails(401, "invalid_token", "The access token provided is invalid.")
	}
	w.do("GET /v1/user", as(w.bob)).has(200, `{"username":"Bob"}`)
}
