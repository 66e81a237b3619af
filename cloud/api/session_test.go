package api

import (
	"context"
	"crypto/tls"
	"net/http"
	"strings"
	"testing"

	"localcloud/cloud"
	"localcloud/keys"
)

const setupCode = cloud.SetupCode("ABCD-EFGH-JKMN")

// browser is a page of this cloud that asks: its address is right, and so are its headers.
type browser struct {
	*world
	cookie string
}

func newBrowser(w *world) *browser { return &browser{world: w} }

// fromPage is what a page of ours sends, whatever it asks for.
func fromPage(r *http.Request) {
	r.Host = "localhost:8080"
	r.Header.Set("Origin", "http://localhost:8080")
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	r.Header.Set("X-Localcloud-Csrf", "1")
}

// ask sends a request and keeps the cookie that comes back.
func (b *browser) ask(request string, options ...option) answer {
	b.Helper()
	all := []option{fromPage, func(r *http.Request) {
		if b.cookie != "" {
			r.Header.Set("Cookie", b.cookie)
		}
	}}
	a := b.do(request, append(all, options...)...)
	for _, c := range (&http.Response{Header: a.header}).Cookies() {
		b.cookie = c.Name + "=" + c.Value
		if c.MaxAge < 0 {
			b.cookie = ""
		}
		if !c.HttpOnly || c.SameSite != http.SameSiteStrictMode || c.Path != "/" || c.Domain != "" {
			b.Errorf("%s: pages of others get at the cookie: %s", request, a.header.Get("Set-Cookie"))
		}
	}
	return a
}

func (b *browser) logIn(name string) answer {
	b.Helper()
	return b.ask("POST /v1/localcloud/session", jsonText(`{"username":"`+name+`","password":"`+password+`"}`)).
		has(200, `{"setup":false}`)
}

func emptyWorld(t *testing.T) *world {
	w := newWorld(t, func(c *Config) { c.SetupCode = setupCode })
	for _, u := range w.registry.Users() {
		if err := w.registry.RemoveUser(u.ID); err != nil {
			t.Fatal(err)
		}
	}
	return w
}

func TestSetupCodeMakesTheOwnerOnce(t *testing.T) {
	w := emptyWorld(t)
	b := newBrowser(w)
	b.ask("GET /v1/localcloud/session").is(200, `{"user":null,"token":"","expires":null,"setup":true,"sign_up":false}`)
	w.do("GET /v1/localcloud/status", as(control)).has(200, `{"setup_code":"ABCD-EFGH-JKMN"}`)

	const wrong = "That is not the set-up code. It stands on the server's terminal, and is shown again by: localcloud status"
	for _, code := range []string{`""`, `"ABCD-EFGH-JKMM"`, `null`} {
		b.ask("POST /v1/localcloud/setup", jsonText(`{"code":`+code+`,"username":"eve","password":"long enough"}`)).fails(403, wrong, wrong)
	}
	if a := b.ask("POST /v1/localcloud/setup", jsonText(`{"code":"ABCD-EFGH-JKMN","username":"ann","password":"short"}`)); a.status != 400 {
		t.Errorf("a short password: %d %s", a.status, a.body)
	}
	if len(w.registry.Users()) != 0 || b.cookie != "" {
		t.Fatal("somebody got in")
	}

	a := b.ask("POST /v1/localcloud/setup", jsonText(`{"code":"abcd efgh jkmn","username":"ann","password":"correct horse"}`))
	a.has(201, `{"setup":false}`)
	user, _ := a.object()["user"].(map[string]any)
	if user["name"] != "ann" || user["admin"] != true || user["owner"] != true {
		t.Errorf("the owner is %s", a.body)
	}
	b.ask("GET /v1/localcloud/status").has(200, `{"users":1}`)
	const late = "This cloud has its owner already: log in"
	newBrowser(w).ask("POST /v1/localcloud/setup", jsonText(`{"code":"ABCD-EFGH-JKMN","username":"eve","password":"long enough"}`)).fails(409, late, late)
	if body := w.do("GET /v1/localcloud/status", as(control)).body; strings.Contains(body, "setup_code") {
		t.Errorf("the code is still shown: %s", body)
	}
}

func TestWithoutASetupCodeNobodyBecomesOwner(t *testing.T) {
	w := emptyWorld(t)
	w.server.SetupCode = ""
	if a := newBrowser(w).ask("POST /v1/localcloud/setup", jsonText(`{"code":"","username":"eve","password":"long enough"}`)); a.status != 403 || len(w.registry.Users()) != 0 {
		t.Errorf("%d %s", a.status, a.body)
	}
}

func TestSessionIsALogInForABrowser(t *testing.T) {
	w := newWorld(t)
	b := newBrowser(w)
	a := b.ask("POST /v1/localcloud/session", jsonText(`{"username":"alice","password":"wrong"}`))
	a.fails(400, "invalid_grant", "User credentials are invalid")
	if b.cookie != "" {
		t.Fatal("a wrong password gave a cookie")
	}
	b.ask("GET /v1/devices").fails(400, "invalid_request", errNoToken.text)

	a = b.logIn("alice")
	user, _ := a.object()["user"].(map[string]any)
	if user["name"] != "alice" || user["admin"] != false || user["owner"] != false || len(a.text("token")) != 40 || a.text("expires") == "" {
		t.Errorf("the session is %s", a.body)
	}
	if got := a.header.Get("Set-Cookie"); !strings.Contains(got, "Max-Age=7776000") || strings.Contains(got, "Secure") {
		t.Errorf("the cookie is %s", got)
	}
	b.ask("GET /v1/localcloud/session").has(200, `{"token":"`+a.text("token")+`"}`)
	b.ask("GET /v1/user").has(200, `{"username":"alice"}`)
	b.ask("PUT /v1/devices/lamp", jsonText(`{"name":"bulb"}`)).has(200, `{"name":"bulb"}`)
	b.ask("GET /v1/localcloud/status").fails(403, "unauthorized", "Only an administrator may do that")
	b.ask("GET /v1/user", as(w.bob)).has(200, `{"username":"Bob"}`) // a token counts more

	secret := cloud.Secret(b.cookie[strings.IndexByte(b.cookie, '=')+1:])
	held, release := w.accounts.Hold(t.Context(), secret.ID())
	defer release()
	b.ask("DELETE /v1/localcloud/session").has(200, `{"user":null}`)
	if b.cookie != "" || context.Cause(held) == nil {
		t.Error("the session goes on after the log-out")
	}
	b.cookie = "x=y; " + w.server.cookieName(&http.Request{}) + "=" + string(secret)
	b.ask("GET /v1/user").fails(401, "invalid_token", errBadToken.text)
	b.ask("GET /v1/localcloud/session").has(200, `{"user":null}`)
}

// TestSessionsOutliveTheKeyOfTheServer begins one under each key of a rotation, which names the cookie.
func TestSessionsOutliveTheKeyOfTheServer(t *testing.T) {
	ring := openKeyring(t)
	w := newWorld(t, func(c *Config) {
		c.Keyring = ring
		c.ServerKeys = func() (tcp, udp []byte) { return ring.Identity().TCPPublicPEM(), nil }
	})
	before, during := newBrowser(w), newBrowser(w)
	step := func(change func(keys.Transport) error, browsers ...*browser) {
		t.Helper()
		if err := change(keys.TCP); err != nil {
			t.Fatal(err)
		}
		for _, b := range browsers {
			b.ask("GET /v1/user").has(200, `{"username":"alice"}`)
		}
	}
	before.logIn("alice")
	step(ring.Rotate, before)
	during.logIn("alice")
	step(ring.Undo, before, during)
	step(ring.Rotate, before, during)
	step(ring.Finish, before, during)
	before.ask("DELETE /v1/localcloud/session").has(200, `{"user":null}`)
	before.ask("GET /v1/user").fails(400, "invalid_request", errNoToken.text)
	during.logIn("bob") // the older cookie counts no more
	during.ask("GET /v1/user").has(200, `{"username":"Bob"}`)
}

func TestUsersMakeAndRevokeTheirTokensInABrowser(t *testing.T) {
	w := newWorld(t)
	b := newBrowser(w)
	b.logIn("alice")
	made := b.ask("POST /v1/access_tokens", jsonText(`{"scopes":["events"]}`)).has(201, `{"user":"alice"}`)
	path := "DELETE /v1/access_tokens/" + made.text("id")
	b.ask(path, func(r *http.Request) { r.Header.Del("X-Localcloud-Csrf") }).has(403, `{"error":"csrf_refused"}`)
	b.ask("DELETE /v1/access_tokens/"+string(w.bob.ID())).has(404, `{"ok":false}`)
	b.ask(path).is(200, `{"ok":true}`)
	w.do("GET /v1/access_tokens/current", as(cloud.Secret(made.text("token")))).fails(401, "invalid_token", errBadToken.text)
}

func TestSessionThatIsNotRememberedEndsWithTheBrowser(t *testing.T) {
	w := newWorld(t)
	a := newBrowser(w).ask("POST /v1/localcloud/session", form("username=alice&password=correct+horse&remember=false"))
	if got := a.header.Get("Set-Cookie"); a.status != 200 || strings.Contains(got, "Max-Age") || strings.Contains(got, "Expires") {
		t.Errorf("%d, the cookie is %s", a.status, got)
	}
}

func TestASecondLogInEndsTheFirstSession(t *testing.T) {
	w := newWorld(t)
	b := newBrowser(w)
	b.logIn("alice")
	first := b.cookie
	b.logIn("bob")
	if b.cookie == first {
		t.Fatal("the session is the same")
	}
	b.cookie = first
	b.ask("GET /v1/user").fails(401, "invalid_token", errBadToken.text)
}

func TestCookieOfHTTPSIsOutOfReachForPlainHTTP(t *testing.T) {
	w := newWorld(t)
	b := newBrowser(w)
	secure := func(r *http.Request) {
		r.TLS = &tls.ConnectionState{}
		r.Header.Set("Origin", "https://localhost:8080")
	}
	a := b.ask("POST /v1/localcloud/session", form("username=alice&password=correct+horse"), secure)
	if got := a.header.Get("Set-Cookie"); !strings.HasPrefix(got, "__Host-") || !strings.Contains(got, "; Secure") {
		t.Errorf("the cookie is %s", got)
	}
	b.ask("GET /v1/user", secure).has(200, `{"username":"alice"}`)
	b.ask("GET /v1/user").fails(400, "invalid_request", errNoToken.text)
}

// Whatever leans on what a browser sends by itself has to come from a page of
// ours, at an address of ours.
func TestStrangersCannotUseASession(t *testing.T) {
	w := newWorld(t)
	b := newBrowser(w)
	b.logIn("alice")
	tests := []struct {
		what   string
		change option
		code   string
		looks  bool // refused even when it only looks
	}{
		{"a name that leads here", func(r *http.Request) {
			r.Host = "evil.example"
			r.Header.Set("Origin", "http://evil.example")
		}, "host_refused", true},
		{"another origin", header("Origin", "http://evil.example"), "origin_refused", true},
		{"another port", header("Origin", "http://localhost:9999"), "origin_refused", true},
		{"an origin of nothing", header("Origin", "null"), "origin_refused", true},
		{"another site", header("Sec-Fetch-Site", "cross-site"), "origin_refused", true},
		{"no CSRF header", func(r *http.Request) { r.Header.Del("X-Localcloud-Csrf") }, "csrf_refused", false},
	}
	for _, tt := range tests {
		for _, request := range []string{
			"POST /v1/devices/lamp/led", "PUT /v1/devices/lamp", "DELETE /v1/devices/lamp", "POST /v1/devices/events", "DELETE /v1/access_tokens",
			"POST /v1/localcloud/session", "DELETE /v1/localcloud/session", "POST /v1/localcloud/setup",
		} {
			if a := b.ask(request, form("name=x"), tt.change); a.status != 403 || a.text("error") != tt.code {
				t.Errorf("%s: %s: %d %s", tt.what, request, a.status, a.body)
			}
		}
		for _, request := range []string{"GET /v1/user", "GET /v1/localcloud/session", "GET /v1/devices", "GET /v1/devices/events"} {
			if a := b.ask(request, tt.change, cancelled); (a.status == 403) != tt.looks {
				t.Errorf("%s: %s: %d %s", tt.what, request, a.status, a.body)
			}
		}
	}
	b.ask("GET /v1/user").has(200, `{"username":"alice"}`)

	a := w.do("OPTIONS /v1/devices/lamp/led", header("Origin", "http://evil.example"), header("Access-Control-Request-Headers", "x-localcloud-csrf"))
	if strings.Contains(strings.ToLower(a.header.Get("Access-Control-Allow-Headers")), "csrf") {
		t.Error("pages of other origins may send the CSRF header")
	}
	a = b.ask("GET /v1/user", func(r *http.Request) { r.Host = "evil.example:80"; r.Header.Del("Origin") })
	a.fails(403, "host_refused", `this cloud does not know itself by the name "evil.example"; if you gave it that name, say so on the server: localcloud host add evil.example`)
}

// With a token any origin and any name will do.
func TestTokensMayComeFromAnywhere(t *testing.T) {
	w := newWorld(t)
	from := func(r *http.Request) {
		r.Host = "evil.example"
		r.Header.Set("Origin", "http://other.example")
		r.Header.Set("Sec-Fetch-Site", "cross-site")
	}
	w.do("GET /v1/user", from, as(w.alice)).has(200, `{"username":"alice"}`)
	w.do("GET /v1/user?access_token="+string(w.alice), from).has(200, `{"username":"alice"}`)
	w.do("POST /v1/devices/lamp/led", from, form("arg=1&access_token="+string(w.alice))).has(200, `{"return_value":42}`)
	w.do("POST /oauth/token", from, form(grant)).has(200, `{"token_type":"bearer"}`)
}

func TestHostsThatTheOwnerAdds(t *testing.T) {
	w := newWorld(t)
	b := newBrowser(w)
	b.logIn("root")
	evil := func(r *http.Request) {
		r.Host = "cloud.example:81"
		r.Header.Set("Origin", "http://cloud.example:81")
	}
	if a := b.ask("GET /v1/user", evil); a.status != 403 {
		t.Errorf("%d %s", a.status, a.body)
	}
	w.do("POST /v1/localcloud/hosts", as(control), jsonText(`{"host":"Cloud.Example"}`)).is(200, `{"own":["localhost","api.particle.io"],"added":["cloud.example"]}`)
	w.do("POST /v1/localcloud/hosts", as(control), jsonText(`{"host":"cloud.example"}`)).is(200, `{"own":["localhost","api.particle.io"],"added":["cloud.example"]}`)
	b.ask("GET /v1/user", evil).has(200, `{"username":"root"}`)
	if a := w.do("POST /v1/localcloud/hosts", as(control), jsonText(`{"host":"http://x"}`)); a.status != 400 {
		t.Errorf("%d %s", a.status, a.body)
	}
	w.do("DELETE /v1/localcloud/hosts/cloud.example", as(control)).is(200, `{"own":["localhost","api.particle.io"],"added":[]}`)
	w.do("DELETE /v1/localcloud/hosts/cloud.example", as(control)).fails(404, "That name was not added", "That name was not added")
	w.do("GET /v1/localcloud/hosts", as(control)).is(200, `{"own":["localhost","api.particle.io"],"added":[]}`)
}

func TestOnlyOneOfManySetUpsMakesTheOwner(t *testing.T) {
	w := emptyWorld(t)
	const many = 4
	got := make(chan int, many)
	for i := range many {
		go func() {
			name := string(rune('a' + i))
			got <- newBrowser(w).ask("POST /v1/localcloud/setup", form("code=ABCD-EFGH-JKMN&username="+name+"&password=long+enough")).status
		}()
	}
	made := 0
	for range many {
		switch status := <-got; status {
		case 201:
			made++
		case 409:
		default:
			t.Errorf("one got %d", status)
		}
	}
	if made != 1 || len(w.registry.Users()) != 1 {
		t.Errorf("%d owners were made, there are %d users", made, len(w.registry.Users()))
	}
}
