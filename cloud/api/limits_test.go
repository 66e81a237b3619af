package api

import (
	"net/http"
	"testing"
	"testing/synctest"
	"time"
)

// comingFrom sets the address that a request comes from.
func comingFrom(address string) option {
	return func(r *http.Request) { r.RemoteAddr = address + ":4711" }
}

func TestFailedLogInsHaveToWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		attacker, owner := comingFrom("10.0.0.66"), comingFrom("10.0.0.2")
		const wrong = "grant_type=password&username=alice&password=wrong"
		for range 10 {
			w.do("POST /oauth/token", form(wrong), attacker).fails(400, "invalid_grant", "User credentials are invalid")
		}
		const text = "too many failed log-ins: try again in 30 minutes"
		for _, request := range []struct {
			request string
			options []option
		}{
			{"POST /oauth/token", []option{form(grant)}}, // also with the right password
			{"POST /oauth/token", []option{form("grant_type=client_credentials"), basic("x", "y")}},
			{"GET /v1/access_tokens", []option{basic("alice", password)}},
			{"POST /v1/localcloud/session", []option{fromPage, form("username=alice&password=correct+horse")}},
			{"DELETE /v1/user", []option{as(w.alice), form("password=correct+horse")}},
		} {
			a := w.do(request.request, append(request.options, attacker)...).fails(429, "too_many_requests", text)
			if got := a.header.Get("Retry-After"); got != "1800" {
				t.Errorf("%s: Retry-After is %q", request.request, got)
			}
		}
		w.do("GET /v1/user", as(w.alice), attacker).has(200, `{"username":"alice"}`) // tokens go on
		w.do("POST /oauth/token", form(grant), owner).has(200, `{"token_type":"bearer"}`)
		time.Sleep(30 * time.Minute)
		w.do("POST /oauth/token", form(grant), attacker).has(200, `{"token_type":"bearer"}`)
	})
}

func TestSetupCodeCannotBeGuessed(t *testing.T) {
	w := emptyWorld(t)
	for range 10 {
		newBrowser(w).ask("POST /v1/localcloud/setup", form("code=ABCD&username=eve&password=long+enough")).fails(403, errSetupCode.code, errSetupCode.text)
	}
	if a := newBrowser(w).ask("POST /v1/localcloud/setup", form("code=ABCD-EFGH-JKMN&username=eve&password=long+enough")); a.status != 429 {
		t.Errorf("%d %s", a.status, a.body)
	}
	newBrowser(w).ask("POST /v1/localcloud/setup", form("code=ABCD-EFGH-JKMN&username=ann&password=long+enough"), comingFrom("10.0.0.2")).has(201, `{"setup":false}`)
}

func TestTokenRequestsAreCountedByAddress(t *testing.T) {
	w := newWorld(t)
	w.do("PUT /v1/localcloud/limits", as(w.root), form("token_requests=3&streams=off")).
		is(200, `{"log_ins":10,"lock_minutes":30,"token_requests":3,"stream_opens":100,"streams":0}`)
	for range 3 {
		if a := w.do("DELETE /v1/access_tokens/0123456789012345678901234567890123456789", comingFrom("10.0.0.66")); a.status != 404 {
			t.Errorf("%d %s", a.status, a.body)
		}
	}
	for _, request := range []string{"POST /oauth/token", "DELETE /v1/access_tokens/" + string(w.bob)} {
		if a := w.do(request, form(grant), comingFrom("10.0.0.66")); a.status != 429 || a.header.Get("Retry-After") == "" {
			t.Errorf("%s: %d %s", request, a.status, a.body)
		}
	}
	for range 5 {
		w.do("POST /oauth/token", form(grant), comingFrom("127.0.0.1")).has(200, `{"token_type":"bearer"}`) // a proxy stands for many
	}
	w.do("PUT /v1/localcloud/limits", as(w.root), form("token_requests=off")).has(200, `{"token_requests":0}`)
	w.do("POST /oauth/token", form(grant), comingFrom("10.0.0.66")).has(200, `{"token_type":"bearer"}`)
	for _, bad := range []string{"", "streams=-1", "streams=many", "streams=1000001", "magic=1"} {
		if a := w.do("PUT /v1/localcloud/limits", as(w.root), form(bad)); a.status != 400 {
			t.Errorf("%q: %d %s", bad, a.status, a.body)
		}
	}
}

func TestStreamsAreCountedByAddress(t *testing.T) {
	w := newWorld(t)
	w.do("PUT /v1/localcloud/limits", as(w.root), form("streams=1&stream_opens=3")).has(200, `{"streams":1}`)
	open := func(address string) int {
		return w.do("GET /v1/devices/events", as(w.alice), comingFrom(address), cancelled).status
	}
	for i, want := range []int{200, 200, 200, 429} { // each ends at once
		if got := open("10.0.0.66"); got != want {
			t.Errorf("stream %d: %d, want %d", i, got, want)
		}
	}
	if got := open("10.0.0.67"); got != 200 {
		t.Errorf("another address: %d", got)
	}
	close, err := w.server.openStream(&http.Request{RemoteAddr: "10.0.0.68:1"})
	if err != nil {
		t.Fatal(err)
	}
	if got := open("10.0.0.68"); got != 429 {
		t.Errorf("two at once: %d", got)
	}
	close()
	if got := open("10.0.0.68"); got != 200 {
		t.Errorf("after the first has ended: %d", got)
	}
	if n := w.server.OpenStreams(); n != 0 { // also of those that were refused
		t.Errorf("%d streams are left", n)
	}
}
