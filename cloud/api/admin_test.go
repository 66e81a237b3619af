package api

import (
	"encoding/json"
	"fmt"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"localcloud/cloud"
	"localcloud/keys"
)

func TestStatus(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, func(c *Config) {
			c.Status = func() any {
				return struct {
					Version  string   `json:"version"`
					Store    any      `json:"store"`
					Warnings []string `json:"warnings"`
				}{"1.2.3", map[string]int{"bytes": 7}, []string{"The disk is nearly full."}}
			}
		})
		wait(90 * time.Second)
		a := w.do("GET /v1/localcloud/status", as(control))
		a.has(200, `{"version":"1.2.3","uptime_s":90,"devices":3,"users":3,"streams":0,"store":{"bytes":7},"warnings":["The disk is nearly full."]}`)
		if totals, _ := a.object()["totals"].(map[string]any); totals["online"] != 1.0 || totals["events"] != 1.0 {
			t.Errorf("totals are %v", totals)
		}
		w.knocks.Record(keys.Knock{ID: id(newID)})
		w.registry.UpdateSettings(func(s *cloud.Settings) error { s.TrustFirstUse = true; return nil })
		if warnings := w.do("GET /v1/localcloud/status", as(control)).object()["warnings"].([]any); len(warnings) != 3 ||
			!strings.Contains(warnings[0].(string), "localcloud device list --unknown") {
			t.Errorf("warnings are %q", warnings)
		}
		for _, name := range []string{"root", "alice", "Bob"} {
			w.accounts.RemoveUser(w.userID(name))
		}
		if warnings := w.do("GET /v1/localcloud/status", as(control)).object()["warnings"].([]any); !strings.Contains(warnings[0].(string), "localcloud user add") {
			t.Errorf("without a user, warnings are %q", warnings)
		}
	})
}

func TestStatusWithoutMain(t *testing.T) {
	w := newWorld(t)
	w.do("GET /v1/localcloud/status", as(w.root)).has(200, `{"devices":3,"warnings":[]}`)
	w.server.Status = func() any { return []string{"not an object"} }
	w.do("GET /v1/localcloud/status", as(w.root)).fails(500, errInternal.code, errInternal.text)
}

func TestUsers(t *testing.T) {
	w := newWorld(t)
	list := w.do("GET /v1/localcloud/users", as(w.root)).list()
	if len(list) != 3 || list[0]["name"] != "root" || list[0]["admin"] != true || list[0]["devices"] != 0.0 ||
		list[1]["name"] != "alice" || list[1]["admin"] != false || list[1]["devices"] != 1.0 || list[1]["id"] != string(w.userID("alice")) ||
		len(list[1]["created"].(string)) != len("2026-11-21T01:00:00.000Z") || list[1]["password"] != nil {
		t.Errorf("users are %v", list)
	}
	w.do("POST /v1/localcloud/users", as(w.root), jsonText(`{"name":"dora","password":"long enough","admin":true}`)).
		has(201, `{"name":"dora","admin":true,"devices":0}`)
	w.do("POST /v1/localcloud/users", as(w.root), jsonText(`{"name":"Dora","password":"long enough"}`)).has(409, `{"ok":false}`)
	w.do("POST /v1/localcloud/users", as(w.root), jsonText(`{"name":"e","password":"short"}`)).has(400, `{"ok":false}`)
	w.do("POST /v1/localcloud/users", as(w.root), jsonText(`{"name":"e","password":"long enough","admin":"x"}`)).has(400, `{"ok":false}`)

	w.do("PUT /v1/localcloud/users/DORA", as(w.root), jsonText(`{"password":"even longer"}`)).is(200, `{"ok":true}`)
	w.do("POST /oauth/token", form("grant_type=password&username=dora&password=even+longer")).has(200, `{"token_type":"bearer"}`)
	w.do("POST /oauth/token", form("grant_type=password&username=dora&password=long+enough")).has(400, `{"error":"invalid_grant"}`)
	w.do("PUT /v1/localcloud/users/dora", as(w.root), jsonText(`{}`)).has(400, `{"ok":false}`)
	w.do("PUT /v1/localcloud/users/nobody", as(w.root), jsonText(`{"password":"even longer"}`)).has(404, `{"ok":false}`)
	w.do("DELETE /v1/localcloud/users/nobody", as(w.root)).has(404, `{"ok":false}`)
}

func TestRemoveUser(t *testing.T) {
	w := newWorld(t)
	w.do("DELETE /v1/localcloud/users/root", as(w.root)).has(409, `{"ok":false}`) // nobody could administer it any more
	all := w.listen()
	w.do("DELETE /v1/localcloud/users/alice", as(w.root)).is(200, `{"ok":true}`)
	w.do("GET /v1/user", as(w.alice)).fails(401, "invalid_token", "The access token provided is invalid.")
	if w.record(lampID).Owner != "" {
		t.Error("the device is still alice's")
	}
	w.lamp.presence.Publish(t.Context(), cloud.Event{Name: "x"}, func(error) {})
	if all.events[0].Owner != "" {
		t.Error("the live device still publishes for alice")
	}
	w.do("POST /v1/localcloud/users", as(w.root), jsonText(`{"name":"dora","password":"long enough","admin":true}`))
	w.do("DELETE /v1/localcloud/users/root", as(w.root)).is(200, `{"ok":true}`)
}

func TestFirstUserIsMadeWithTheControlSecret(t *testing.T) {
	w := newWorld(t)
	for _, name := range []string{"root", "alice", "Bob"} {
		w.accounts.RemoveUser(w.userID(name))
	}
	w.do("GET /v1/user", as(control)).has(200, `{"username":"local"}`)
	w.do("POST /v1/devices", as(control), form("id="+strayID)).has(400, `{"ok":false}`) // there is nobody to own it
	w.do("POST /v1/localcloud/users", as(control), jsonText(`{"name":"first","password":"long enough"}`)).has(201, `{"admin":true}`)
	w.do("GET /v1/user", as(control)).has(200, `{"username":"first"}`)
}

func TestWithoutControlSecretThereIsNone(t *testing.T) {
	w := newWorld(t, func(c *Config) { c.Control = "" })
	for _, token := range []cloud.Secret{"", control} {
		if a := w.do("GET /v1/localcloud/status", as(token)); a.status/100 != 4 {
			t.Errorf("%q: %d %s", string(token), a.status, a.body)
		}
	}
}

func TestTokensOfAll(t *testing.T) {
	w := newWorld(t)
	w.do("POST /oauth/token", form(grant)) // its refresh token is not listed
	count := func(query string) int { return len(w.do("GET /v1/localcloud/tokens"+query, as(w.root)).list()) }
	if all, hers := count(""), count("?user=ALICE"); all != 4 || hers != 2 {
		t.Errorf("%d tokens, %d of alice; want 4 and 2", all, hers)
	}
	row := w.do("GET /v1/localcloud/tokens?user=Bob", as(w.root)).list()[0]
	created := row["created"]
	delete(row, "created")
	want := map[string]any{"id": string(w.bob.ID()), "user": "Bob", "client": "test", "note": "", "scopes": []any{}, "expires": nil, "expires_soon": false}
	if !reflect.DeepEqual(row, want) || len(created.(string)) != len("2026-11-21T01:00:00.000Z") {
		t.Errorf("row is %v, created %v", row, created)
	}
	w.do("GET /v1/localcloud/tokens?user=nobody", as(w.root)).has(404, `{"ok":false}`)

	w.do("DELETE /v1/localcloud/tokens/"+string(w.bob.ID()), as(w.root)).is(200, `{"ok":true}`)
	w.do("GET /v1/user", as(w.bob)).fails(401, "invalid_token", "The access token provided is invalid.")
	w.do("DELETE /v1/localcloud/tokens/"+string(w.bob.ID()), as(w.root)).has(404, `{"ok":false}`)
	w.do("DELETE /v1/localcloud/tokens/"+string(w.alice), as(w.root)).has(404, `{"ok":false}`) // the secret is no id
}

func TestIssueToken(t *testing.T) {
	w := newWorld(t)
	tests := []struct {
		request string
		scopes  string
		life    time.Duration
	}{
		{`{"user":"alice"}`, `[]`, 90 * 24 * time.Hour},
		{`{"user":"alice","scopes":["*:*"]}`, `["*:*"]`, 90 * 24 * time.Hour},
		{`{"user":"alice","expires_in":0}`, `[]`, 0},
		{`{"user":"alice","expires_in":60,"scopes":[]}`, `[]`, time.Minute},
		{`{"user":"alice","scopes":["read-only"]}`, `["read-only"]`, 0},
		{`{"user":"alice","scopes":["events:get","device:0123456789ABCDEF01234567"],"expires_in":"60"}`, `["events:get","device:` + lampID + `"]`, time.Minute},
	}
	for _, tt := range tests {
		a := w.do("POST /v1/localcloud/tokens", as(w.root), jsonText(strings.Replace(tt.request, "{", `{"note":"on the wall",`, 1)))
		a.has(201, `{"user":"alice","client":"localcloud","note":"on the wall","scopes":`+tt.scopes+`}`)
		secret := cloud.Secret(a.text("token"))
		token, ok := w.registry.Token(secret.ID())
		if !ok || len(secret) != 40 || a.text("id") != string(secret.ID()) {
			t.Errorf("%s: %s is no token", tt.request, a.body)
		}
		life := time.Duration(0)
		if !token.Expires.IsZero() {
			life = token.Expires.Sub(token.Created)
		}
		if life != tt.life {
			t.Errorf("%s: it lives %v, want %v", tt.request, life, tt.life)
		}
	}
	for _, request := range []string{`{"user":"alice","scopes":["magic"]}`, `{"user":"alice","scopes":[1]}`, `{"user":"alice","expires_in":-1}`, `{"user":"alice","note":{}}`} {
		w.do("POST /v1/localcloud/tokens", as(w.root), jsonText(request)).has(400, `{"ok":false}`)
	}
	w.do("POST /v1/localcloud/tokens", as(w.root), jsonText(`{"user":"nobody"}`)).has(404, `{"ok":false}`)
}

func TestAllDevices(t *testing.T) {
	w := newWorld(t)
	w.registry.UpdateDevice(id(lampID), func(d *cloud.Device, _ bool) error { d.Key = rsaKey(); return nil })
	for range 6 {
		w.lamp.presence.Publish(t.Context(), cloud.Event{Name: "x"}, func(error) {})
	}
	if list := w.do("GET /v1/localcloud/devices", as(w.root)).list(); len(list) != 3 || list[0]["id"] != lampID {
		t.Errorf("devices are %v", list)
	}
	a := w.do("GET /v1/localcloud/devices/lamp", as(w.root)).has(200, `{"id":"`+lampID+`","owner":"alice","connected":true,
		"key_fingerprint":"`+string(rsaKey().Fingerprint())+`","policy":null,"limits":{"events":6,"throttled":0,"limited":2,"lost":0,"missed":0},"address":"10.0.0.7:40000"}`)
	if len(a.text("since")) != len("2026-11-21T01:00:00.000Z") {
		t.Errorf("since is %q", a.text("since"))
	}
	w.do("GET /v1/localcloud/devices/fan", as(control)).has(200, `{"key_fingerprint":"","address":"","since":null,"limits":{"events":0,"throttled":0,"limited":0,"lost":0,"missed":0}}`)
}

func TestDevicesPageByPage(t *testing.T) {
	w := newWorld(t)
	ids := func(query string) (ids []any, meta any) {
		t.Helper()
		a := w.do("GET /v1/localcloud/devices?"+query, as(w.root)).has(200, `{}`)
		for _, d := range a.object()["devices"].([]any) {
			ids = append(ids, d.(map[string]any)["id"])
		}
		return ids, a.object()["meta"]
	}
	first, meta := ids("page=1&per_page=2")
	second, _ := ids("page=2&per_page=2")
	if all := append(first, second...); !reflect.DeepEqual(all, []any{lampID, strayID, fanID}) {
		t.Errorf("the pages are %v", all)
	}
	if want := map[string]any{"total_pages": 2.0, "total_records": 3.0}; !reflect.DeepEqual(meta, want) {
		t.Errorf("meta is %v", meta)
	}
	if beyond, _ := ids("page=99999999999&per_page=2"); len(beyond) != 0 {
		t.Errorf("behind the end is %v", beyond)
	}
	if found, _ := ids("page=1&deviceName=LAM"); len(found) != 1 {
		t.Errorf("found %v", found)
	}
	w.lamp.presence.Publish(t.Context(), cloud.Event{Name: "x"}, func(error) {})
	w.lamp.presence.Measured(map[string]float64{"network.signal.quality": 71})
	rows := w.do("GET /v1/localcloud/devices?per_page=10&brief=1", as(w.root)).object()["devices"].([]any)
	lamp, fan := rows[0].(map[string]any), rows[2].(map[string]any)
	if lamp["name"] != "lamp" || lamp["online"] != true || lamp["signal"] != 71.0 || lamp["limits"].(map[string]any)["events"] != 1.0 {
		t.Errorf("the row of the lamp is %v", lamp)
	}
	if _, full := lamp["functions"]; full || fan["limits"] != nil || fan["signal"] != nil || fan["online"] != false {
		t.Errorf("rows are %v, %v", lamp, fan)
	}
	w.do("GET /v1/localcloud/devices?page=x", as(w.root)).has(400, `{"ok":false}`)
}

// TestDevicesThatConnectedSince is how a page sees newcomers without reading all devices again.
func TestDevicesThatConnectedSince(t *testing.T) {
	w := newWorld(t)
	since := func(after string) (ids []string, now string) {
		t.Helper()
		a := w.do("GET /v1/localcloud/devices?brief=1&per_page=2&connected_after="+url.QueryEscape(after), as(w.root)).has(200, `{}`).object()
		for _, d := range a["devices"].([]any) {
			ids = append(ids, d.(map[string]any)["id"].(string))
		}
		return ids, a["time"].(string)
	}
	all, now := since("")
	if len(all) != 2 {
		t.Errorf("without a time it is %v", all)
	}
	if none, _ := since(now); len(none) != 0 {
		t.Errorf("before anybody connected it is %v", none)
	}
	if _, err := w.registry.UpdateDevice(id(fanID), func(d *cloud.Device, _ bool) error {
		d.LastHandshake = w.hub.Clock().Now().Add(time.Millisecond)
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if some, _ := since(now); !slices.Equal(some, []string{fanID}) {
		t.Errorf("then it is %v", some)
	}
	w.do("GET /v1/localcloud/devices?page=1&connected_after=soon", as(w.root)).has(400, `{"ok":false}`)
}

func TestRegisterDevice(t *testing.T) {
	w := newWorld(t)
	pem, _ := json.Marshal(string(rsaKey().PEM()))
	w.do("POST /v1/localcloud/devices", as(w.root), jsonText(`{"id":"E00FCE68000000000000000A","key":`+string(pem)+`,"name":"desk","owner":"alice"}`)).
		has(201, `{"id":"`+newID+`","name":"desk","owner":"alice","key_fingerprint":"`+string(rsaKey().Fingerprint())+`"}`)
	if d := w.record(newID); !d.Key.Equal(rsaKey()) || d.PlatformID != -1 {
		t.Errorf("the record is %+v", d)
	}
	w.do("POST /v1/localcloud/devices", as(w.root), jsonText(`{"id":"`+newID+`"}`)).has(409, `{"ok":false}`)
	w.do("POST /v1/localcloud/devices", as(control), jsonText(`{"id":"000000000000000000000001","key":""}`)).
		has(201, `{"owner":"root","name":null,"key_fingerprint":""}`)
	for request, status := range map[string]int{
		`{}`: 400, `{"id":"lamp"}`: 400, `{"id":"000000000000000000000002","key":"junk"}`: 400,
		`{"id":"000000000000000000000002","owner":"nobody"}`: 404, `{"id":"000000000000000000000002","name":"events"}`: 400,
		`{"id":"000000000000000000000002","name":{}}`: 400, `{"id":"000000000000000000000002","name":"desk","owner":"alice"}`: 409,
		`{"id":"000000000000000000000000"}`: 400,
	} {
		w.do("POST /v1/localcloud/devices", as(w.root), jsonText(request)).has(status, `{"ok":false}`)
	}
}

func TestForgetDevice(t *testing.T) {
	w := newWorld(t)
	w.do("DELETE /v1/localcloud/devices/lamp", as(w.root)).is(200, `{"ok":true}`)
	if _, ok := w.registry.Device(id(lampID)); ok || w.lamp.closed != errForgotten {
		t.Errorf("still registered: %v; closed with %v", ok, w.lamp.closed)
	}
	w.do("DELETE /v1/localcloud/devices/lamp", as(w.root)).fails(403, "Permission Denied", "Permission Denied")
}

func TestPolicies(t *testing.T) {
	w := newWorld(t)
	limited := func() uint64 { return w.hub.Status(id(lampID)).Limited }
	publish := func(n int) (refused int) {
		for range n {
			if w.lamp.presence.Publish(t.Context(), cloud.Event{Name: "x"}, func(error) {}) != nil {
				refused++
			}
		}
		return refused
	}
	w.do("GET /v1/localcloud/policy", as(w.root)).is(200, `{"device":"warn","server":"off","products":{}}`)
	w.do("PUT /v1/localcloud/policy", as(w.root), jsonText(`{"device":"off"}`)).is(200, `{"device":"off","server":"off","products":{}}`)
	if publish(20); limited() != 0 {
		t.Errorf("the live device is limited still: %d", limited())
	}
	w.do("PUT /v1/localcloud/policy", as(w.root), form("server=1000/s:1000+drop")).is(200, `{"device":"off","server":"1000/s:1000 drop","products":{}}`)
	w.do("PUT /v1/localcloud/devices/lamp/policy", as(w.root), jsonText(`{"policy":"1/s:2 reject"}`)).has(200, `{"policy":"1/s:2 reject"}`)
	if refused := publish(10); refused < 7 {
		t.Errorf("%d of 10 were refused, want 8 by the device's own policy", refused)
	}
	w.do("PUT /v1/localcloud/devices/lamp/policy", as(w.root), jsonText(`{"policy":null}`)).has(200, `{"policy":null}`)
	if refused := publish(10); refused != 0 {
		t.Errorf("%d refused after the policy was taken away", refused)
	}
	for _, request := range []string{`{}`, `{"device":"magic"}`, `{"server":"0/s:0"}`, `{"device":{}}`} {
		w.do("PUT /v1/localcloud/policy", as(w.root), jsonText(request)).has(400, `{"ok":false}`)
	}
	for _, request := range []string{`{}`, `{"policy":"magic"}`, `{"policy":{}}`} {
		w.do("PUT /v1/localcloud/devices/lamp/policy", as(w.root), jsonText(request)).has(400, `{"ok":false}`)
	}
	if set := w.registry.Settings(); set.DevicePolicy != cloud.PolicyOff() {
		t.Errorf("a refused request changed %+v", set)
	}
}

func TestProductPolicy(t *testing.T) {
	w := newWorld(t)
	publish := func() (refused int) {
		for range 10 {
			if w.lamp.presence.Publish(t.Context(), cloud.Event{Name: "x"}, func(error) {}) != nil {
				refused++
			}
		}
		return refused
	}
	policy := func(product, request string) answer {
		return w.do("PUT /v1/localcloud/products/"+product+"/policy", as(w.root), jsonText(request))
	}
	policy("6", `{"policy":"1/s:2 reject"}`).is(200, `{"device":"warn","server":"off","products":{"6":"1/s:2 reject"}}`)
	if refused := publish(); refused < 7 {
		t.Errorf("%d of 10 were refused, want 8 by the policy of the lamp's product", refused)
	}
	policy("7", `{"policy":"off"}`).has(200, `{"products":{"6":"1/s:2 reject","7":"off"}}`)
	policy("6", `{"policy":null}`).has(200, `{"products":{"7":"off"}}`)
	if refused := publish(); refused != 0 {
		t.Errorf("%d were refused after the policy was taken away", refused)
	}
	for product, request := range map[string]string{"x": `{"policy":"off"}`, "-1": `{"policy":"off"}`, "65536": `{"policy":"off"}`, "6": `{}`, "8": `{"policy":"magic"}`} {
		policy(product, request).has(400, `{"ok":false}`)
	}
}

func TestSettings(t *testing.T) {
	w := newWorld(t)
	w.do("GET /v1/localcloud/settings", as(w.root)).has(200, `{"trust_first_use":false,"sign_up":false,"given":[]}`)
	w.do("PUT /v1/localcloud/settings", as(w.root), jsonText(`{"trust_first_use":true}`)).has(200, `{"trust_first_use":true,"sign_up":false}`)
	if !w.registry.Settings().TrustFirstUse {
		t.Error("it was not stored")
	}
	w.do("PUT /v1/localcloud/settings", as(w.root), jsonText(`{}`)).has(400, `{"ok":false}`)
	for _, request := range []string{
		`{"trust_first_use":"x"}`, `{"log_level":"loud"}`, `{"events_max_age":59}`, `{"events_max_age":-1}`, `{"events_max_age":"week"}`,
		`{"events_max_bytes":1000}`, `{"events_max_bytes":9007199254740993000}`, `{"sign_up":true,"log_level":"loud"}`,
	} {
		w.do("PUT /v1/localcloud/settings", as(w.root), jsonText(request)).has(400, `{"ok":false}`)
	}
	if set := w.registry.Settings(); set.SignUp || set.EventsMaxAge != 0 || set.LogLevel != "" {
		t.Errorf("a refused request changed %+v", set)
	}
}

// followed notes what the program is told to follow.
type followed struct{ last cloud.Settings }

func (f *followed) Follow(set cloud.Settings) { f.last = set }
func (f *followed) InForce() InForce {
	return InForce{LogLevel: "warn", MaxAge: -1, MaxBytes: 5 << 30, Given: []string{"log_level"}}
}

func TestTheProgramFollowsItsSettings(t *testing.T) {
	f := &followed{}
	w := newWorld(t, func(c *Config) { c.Tuning = f })
	change := func(request string, level string, age time.Duration, bytes int64) {
		t.Helper()
		w.do("PUT /v1/localcloud/settings", as(w.root), jsonText(request)).
			has(200, `{"log_level":"warn","events_max_age":0,"events_max_bytes":5368709120,"given":["log_level"]}`)
		if set := f.last; set.LogLevel != level || set.EventsMaxAge != age || set.EventsMaxBytes != bytes {
			t.Errorf("%s: it follows %q, %v, %d", request, set.LogLevel, set.EventsMaxAge, set.EventsMaxBytes)
		}
		if set := w.registry.Settings(); set.LogLevel != level || set.EventsMaxAge != age || set.EventsMaxBytes != bytes {
			t.Errorf("%s: stored is %+v", request, set)
		}
	}
	change(`{"log_level":"debug"}`, "debug", 0, 0)
	change(`{"events_max_age":3600,"events_max_bytes":2000000}`, "debug", time.Hour, 2000000)
	change(`{"events_max_age":0,"events_max_bytes":0}`, "debug", -1, -1)
	change(`{"log_level":null,"events_max_age":null,"events_max_bytes":null}`, "", 0, 0)
}

func TestUnknownDevices(t *testing.T) {
	w := newWorld(t)
	w.do("GET /v1/localcloud/unknown", as(w.root)).is(200, `[]`)
	k := keys.Knock{ID: id(newID), Key: eccKey(), Address: "10.0.0.9:4711", Transport: "udp", Step: keys.StepHello, Reason: keys.ReasonUnknownDevice}
	w.knocks.Record(k)
	w.knocks.Record(k)
	w.knocks.Record(keys.Knock{Address: "10.0.0.10:1", Transport: "tcp", Step: keys.StepKeyExchange, Reason: keys.ReasonWrongServerKey})
	list := w.do("GET /v1/localcloud/unknown", as(w.root)).list()
	if len(list) != 2 {
		t.Fatalf("list is %v", list)
	}
	if list[0]["id"] == newID {
		list[0], list[1] = list[1], list[0] // they may have come in the same instant
	}
	what, next := k.Explain()
	row := list[1]
	first, _ := row["first"].(string)
	last, _ := row["last"].(string)
	delete(row, "first")
	delete(row, "last")
	want := map[string]any{
		"id": newID, "fingerprint": string(eccKey().Fingerprint()), "address": "10.0.0.9:4711", "transport": "udp",
		"step": "hello", "reason": "unknown-device", "count": 2.0, "what": what, "next": next, "led": "fast blinking cyan, again and again",
	}
	if !reflect.DeepEqual(row, want) || len(first) != len("2026-11-21T01:00:00.000Z") || last < first {
		t.Errorf("row is %v, first %s, last %s", row, first, last)
	}
	if anonymous := list[0]; anonymous["id"] != "" || anonymous["fingerprint"] != "" || anonymous["reason"] != "wrong-server-key" {
		t.Errorf("one that did not say who it is: %v", anonymous)
	}
}

func TestAdopt(t *testing.T) {
	tests := []struct {
		who, request, owner string
		name                any
	}{
		{"root", `{}`, "root", nil},
		{"control", `{}`, "root", nil},
		{"root", `{"name":"desk","owner":"alice"}`, "alice", "desk"},
	}
	for _, tt := range tests {
		w := newWorld(t)
		who := w.root
		if tt.who == "control" {
			who = control
		}
		w.knocks.Record(keys.Knock{ID: id(newID), Key: eccKey(), Transport: "udp", Reason: keys.ReasonUnknownDevice})
		a := w.do("POST /v1/localcloud/unknown/"+strings.ToUpper(newID)+"/adopt", as(who), jsonText(tt.request))
		a.has(200, fmt.Sprintf(`{"id":"%s","owner":"%s","key_fingerprint":"%s"}`, newID, tt.owner, eccKey().Fingerprint()))
		if a.object()["name"] != tt.name || len(w.knocks.List()) != 0 {
			t.Errorf("%+v: name %v; still knocking: %v", tt, a.object()["name"], w.knocks.List())
		}
		if key, reason := cloud.Admit(w.registry, id(newID), eccKey()); reason != "" || !key.Equal(eccKey()) {
			t.Errorf("%+v: the next connection is refused: %s", tt, reason)
		}
	}
}

func TestAdoptDeviceWithAnotherKey(t *testing.T) {
	w := newWorld(t)
	w.registry.UpdateDevice(id(lampID), func(d *cloud.Device, _ bool) error { d.Key = rsaKey(); return nil })
	w.knocks.Record(keys.Knock{ID: id(lampID), Key: eccKey(), Transport: "udp", Reason: keys.ReasonOtherKey})
	w.do("POST /v1/localcloud/unknown/"+lampID+"/adopt", as(w.root)).has(200, `{"owner":"alice","name":"lamp"}`)
	if !w.record(lampID).Key.Equal(eccKey()) || w.lamp.closed != errRekeyed {
		t.Errorf("key %v, closed with %v", w.record(lampID).Key, w.lamp.closed)
	}
}

func TestAdoptIsRefused(t *testing.T) {
	w := newWorld(t)
	k := keys.Knock{ID: id(newID), Transport: "tcp", Reason: keys.ReasonNoKey}
	w.knocks.Record(k)
	what, next := k.Explain()
	w.do("POST /v1/localcloud/unknown/"+newID+"/adopt", as(w.root)).fails(409, "No key", what).has(409, fmt.Sprintf(`{"info":%q}`, next))
	w.do("POST /v1/localcloud/unknown/"+strayID+"/adopt", as(w.root)).has(404, `{"ok":false}`)
	w.do("POST /v1/localcloud/unknown/desk/adopt", as(w.root)).has(400, `{"ok":false}`)
	w.do("POST /v1/localcloud/unknown/"+newID+"/adopt", as(w.root), jsonText(`{"owner":"nobody"}`)).has(404, `{"ok":false}`)
	w.do("POST /v1/localcloud/unknown/"+newID+"/adopt", as(w.root), jsonText(`{"name":"events"}`)).has(400, `{"ok":false}`)
	if len(w.knocks.List()) != 1 {
		t.Error("the knock is gone")
	}
}

func TestClock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t) // the clock of a bubble begins in 2000
		w.do("GET /v1/localcloud/clock", as(w.root)).is(200, `{"time":"2000-01-01T00:00:00.000Z","doubt":""}`)
		w.do("PUT /v1/localcloud/clock", as(w.root), jsonText(`{"time":"2026-11-21T12:00:00+01:00"}`)).is(200, `{"time":"2026-11-21T11:00:00.000Z","doubt":""}`)
		wait(time.Minute)
		w.do("GET /v1/localcloud/clock", as(w.root)).has(200, `{"time":"2026-11-21T11:01:00.000Z"}`)
		for _, request := range []string{`{}`, `{"time":"noon"}`, `{"time":"1999-01-01T00:00:00Z"}`, `{"time":"2999-01-01T00:00:00Z"}`, `{"time":{}}`} {
			w.do("PUT /v1/localcloud/clock", as(w.root), jsonText(request)).has(400, `{"ok":false}`)
		}

		// Whatever the API says of time goes by the cloud's.
		w.do("PUT /v1/devices/lamp", as(w.alice), form("name=desk")).has(200, `{"updated_at":"2026-11-21T11:01:00.000Z"}`)
		a := w.do("POST /oauth/token", form(grant+"&expires_at=2026-11-21T12:01:00Z")).has(200, `{"expires_in":3600}`)
		w.do("POST /oauth/token", form(grant+"&expires_at=2026-11-21T11:00:00Z")).has(400, `{"error":"invalid_request"}`)
		if rows := w.do("GET /v1/access_tokens", as(w.alice)).list(); len(rows) != 2 || rows[1]["expires_at"] != "2026-11-21T12:01:00.000Z" {
			t.Errorf("tokens are %v", rows)
		}
		wait(time.Hour)
		w.do("GET /v1/user", as(cloud.Secret(a.text("access_token")))).fails(401, "invalid_token", "The access token provided has expired.")
		if rows := w.do("GET /v1/access_tokens", as(w.alice)).list(); len(rows) != 1 {
			t.Errorf("the expired token is listed: %v", rows)
		}
	})
}

func TestDoubtAboutTheClockIsAWarning(t *testing.T) {
	for doubt, known := range map[string]time.Time{
		"behind": time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC), "years ahead": time.Date(1990, 1, 1, 0, 0, 0, 0, time.UTC),
	} {
		inBubble(t, func(t *testing.T, w *world) {
			w.server.Hub = cloud.NewHub(w.registry, lastLog{id: cloud.EventIDAt(known)}, w.server.Logger)
			warnings := w.do("GET /v1/localcloud/status", as(w.root)).object()["warnings"].([]any)
			if len(warnings) != 1 || !strings.Contains(warnings[0].(string), doubt) || !strings.Contains(warnings[0].(string), "localcloud clock set") {
				t.Errorf("warnings are %q, want one of a clock that is %s", warnings, doubt)
			}
		})
	}
}

// lastLog is a log whose newest event has this id.
type lastLog struct {
	cloud.Log
	id cloud.EventID
}

func (l lastLog) Last() cloud.EventID { return l.id }
