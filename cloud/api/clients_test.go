package api

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"localcloud/cloud"
)

func TestClientLogsInAsItsUser(t *testing.T) {
	w := newWorld(t)
	made := w.do("POST /v1/clients", as(w.alice), jsonText(`{"name":"My Node-RED","type":"web","redirect_uri":"http://pi:1880/"}`)).has(200, `{"ok":true}`)
	client, _ := made.object()["client"].(map[string]any)
	id, _ := client["id"].(string)
	secret, _ := client["secret"].(string)
	if !strings.HasPrefix(id, "my-node-red-") || len(secret) != 40 || client["name"] != "My Node-RED" || client["type"] != "web" {
		t.Fatalf("the client is %s", made.body)
	}
	listed := w.do("GET /v1/clients", as(w.alice))
	if strings.Contains(listed.body, secret) || strings.Contains(listed.body, "secret") || !strings.Contains(listed.body, id) {
		t.Errorf("the list is %s", listed.body)
	}
	w.do("GET /v1/clients", as(w.bob)).is(200, `{"ok":true,"clients":[]}`)
	w.do("GET /v1/clients/"+id, as(w.alice)).has(200, `{"ok":true}`)
	w.do("GET /v1/clients/"+id, as(w.bob)).fails(404, "There is no such client", "There is no such client")
	if a := w.do("DELETE /v1/clients/"+id, as(w.bob)); a.status != 404 {
		t.Errorf("another user: %d %s", a.status, a.body)
	}

	const grant = "grant_type=client_credentials"
	var tokens []cloud.Secret
	for _, o := range [][]option{
		{form(grant), basic(id, secret)},
		{form(grant + "&client_id=" + id + "&client_secret=" + secret)},
		{jsonText(`{"grant_type":"client_credentials","client_id":"` + id + `","client_secret":"` + secret + `","expires_in":0}`)},
	} {
		a := w.do("POST /oauth/token", o...).has(200, `{"token_type":"bearer","expires_in":7776000}`) // also when it asked for 0
		token := cloud.Secret(a.text("access_token"))
		w.do("GET /v1/user", as(token)).has(200, `{"username":"alice"}`)
		w.do("GET /v1/access_tokens/current", as(token)).has(200, `{"client":"`+id+`"}`)
		tokens = append(tokens, token)
	}
	w.do("POST /oauth/token", form(grant+"&expires_in=60"), basic(id, secret)).has(200, `{"expires_in":60}`)
	for _, wrong := range [][2]string{
		{id, strings.Repeat("0", 40)}, {id, ""}, {"x", secret}, {id, string(cloud.Secret(secret).ID())}, {"alice", password}, {"", ""},
	} {
		w.do("POST /oauth/token", form(grant), basic(wrong[0], wrong[1])).fails(400, "invalid_client", "Client credentials are invalid")
	}
	w.do("POST /oauth/token", form(grant+"&scope=customer=jane@example.com"), basic(id, secret)).fails(400, "invalid_scope", "There is no such customer")

	w.do("PUT /v1/clients/"+id, as(w.alice), jsonText(`{"name":"Red"}`)).has(200, `{"ok":true}`)
	w.do("POST /oauth/token", form(grant), basic(id, secret)).has(200, `{"token_type":"bearer"}`)
	w.do("DELETE /v1/clients/"+id, as(w.alice)).is(200, `{"ok":true}`)
	w.do("POST /oauth/token", form(grant), basic(id, secret)).fails(400, "invalid_client", "Client credentials are invalid")
	for _, token := range tokens {
		w.do("GET /v1/user", as(token)).fails(401, "invalid_token", errBadToken.text)
	}
	w.do("GET /v1/user", as(w.alice)).has(200, `{"username":"alice"}`)
}

func TestClientThatMakesNoSenseIsRefused(t *testing.T) {
	w := newWorld(t)
	for _, text := range []string{`{}`, `{"name":"x","type":"magic"}`, `{"name":["x"]}`, `{"name":"` + strings.Repeat("x", 300) + `"}`} {
		if a := w.do("POST /v1/clients", as(w.alice), jsonText(text)); a.status != 400 {
			t.Errorf("%s: %d %s", text, a.status, a.body)
		}
	}
	for range 20 {
		w.do("POST /v1/clients", as(w.alice), form("name=äöü")).has(200, `{"ok":true}`)
	}
	if a := w.do("POST /v1/clients", as(w.alice), form("name=x")); a.status != 429 {
		t.Errorf("one too many: %d %s", a.status, a.body)
	}
}

// Node-RED logs in every two hours and never says good-bye when it is killed.
func TestLogInsOfAClientDoNotPileUp(t *testing.T) {
	w := newWorld(t)
	c, secret, err := w.accounts.AddClient(w.userID("alice"), cloud.OAuthClient{Name: "red", Type: "web"})
	if err != nil {
		t.Fatal(err)
	}
	var first, last cloud.Secret
	for i := range 60 {
		a := w.do("POST /oauth/token", form("grant_type=client_credentials"), basic(c.ID, string(secret))).has(200, `{"token_type":"bearer"}`)
		last = cloud.Secret(a.text("access_token"))
		if i == 0 {
			first = last
		}
	}
	if n := len(w.registry.Tokens(w.userID("alice"))); n != 1+2*50 { // one of the world, and 50 with their refresh tokens
		t.Errorf("there are %d tokens", n)
	}
	w.do("GET /v1/user", as(first)).fails(401, "invalid_token", errBadToken.text)
	w.do("GET /v1/user", as(last)).has(200, `{"username":"alice"}`)
}

func TestTokensThatExpireSoonAreSpokenOf(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		a := w.do("POST /oauth/token", form(grant), basic("particle", "particle"))
		token := cloud.Secret(a.text("access_token"))
		newBrowser(w).logIn("alice") // sessions are not spoken of
		spoken := func(want bool) {
			t.Helper()
			w.do("GET /v1/access_tokens/current", as(token)).has(200, fmt.Sprintf(`{"expires_soon":%v}`, want))
			for _, list := range []string{"/v1/access_tokens", "/v1/localcloud/tokens?user=alice"} {
				soon := 0
				for _, row := range w.do("GET "+list, as(control)).list() {
					if row["expires_soon"] == true {
						soon++
					}
				}
				if list != "/v1/access_tokens" && soon > 0 != want {
					t.Errorf("%s: %d expire soon, want %v", list, soon, want)
				}
			}
			status := w.do("GET /v1/localcloud/status", as(control)).body
			if got := strings.Count(status, "A token of alice expires on "); got > 0 != want || got > 1 || want && !strings.Contains(status, string(token.ID())) {
				t.Errorf("status says %s", status)
			}
		}
		wait(76*24*time.Hour - time.Second)
		spoken(false)
		wait(2 * time.Second)
		spoken(true)
		for range 7 {
			w.do("POST /oauth/token", form(grant+"&expires_in=3600"))
		}
		if status := w.do("GET /v1/localcloud/status", as(control)).body; strings.Count(status, "A token of alice") != 5 || !strings.Contains(status, "3 more token(s) expire within two weeks") {
			t.Errorf("with many: %s", status)
		}
		wait(45 * 24 * time.Hour)
		w.do("POST /oauth/token", form(grant))
		for _, old := range w.registry.Tokens(w.userID("alice")) {
			if old.ID == token.ID() {
				t.Error("a token that expired a month ago is still kept")
			}
		}
	})
}
