package api

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"

	"localcloud/cloud"
)

// hook stores a webhook of a user's, or of a product's, to a target that is closed.
func (w *world) hook(user string, product int) cloud.HookID {
	w.Helper()
	h := cloud.Hook{
		ID: cloud.NewHookID(), Owner: w.userID(user), Product: product, Event: "stored", URL: "http://me:pw@127.0.0.1:9/in?key=topsecret", Method: "POST",
		Headers: map[string]string{"X-Key": "topsecret"}, Query: map[string]string{"k": "topsecret"}, Auth: cloud.HookAuth{Bearer: "topsecret"},
	}
	if err := w.registry.AddHook(h); err != nil {
		w.Fatal(err)
	}
	return h.ID
}

// stored returns the only webhook there is.
func (w *world) stored() cloud.Hook {
	w.Helper()
	hooks := w.registry.Hooks()
	if len(hooks) != 1 {
		w.Fatalf("there are %d webhooks", len(hooks))
	}
	return hooks[0]
}

// What the clients send, and what becomes of it (http-api.md, 5.1 and 6.2).
func TestWebhookIsMadeByEveryClient(t *testing.T) {
	plain := cloud.Hook{Event: "ev", URL: "http://192.0.2.1/x", Method: "POST"}
	with := func(change func(*cloud.Hook)) cloud.Hook { h := plain; change(&h); return h }
	tests := []struct {
		name, path string
		body       option
		want       cloud.Hook
	}{
		{"particle-cli 1.16 by arguments", "webhooks",
			jsonText(`{"event":"ev","url":"http://192.0.2.1/x","mydevices":true}`), plain},
		{"particle-cli 1.16 from a file", "webhooks",
			jsonText(`{"event":"ev","url":"http://192.0.2.1/x","deviceid":"lamp","_":"The following parameters are optional","mydevices":"true","requestType":"GET","form":null,"headers":null,"query":null,"json":null,"auth":null,"responseTemplate":null,"rejectUnauthorized":"false"}`),
			with(func(h *cloud.Hook) { h.Device, h.Method, h.Insecure = id(lampID), "GET", true })},
		{"particle-cli 2.16", "webhooks",
			jsonText(`{"event":"ev","url":"http://192.0.2.1/x","requestType":"PUT"}`), with(func(h *cloud.Hook) { h.Method = "PUT" })},
		{"particle-cli 3.51 from a file", "integrations",
			jsonText(`{"event":"ev","url":"http://192.0.2.1/x","eventName":"ev","name":"n","json":{"a":"{{{b}}}","n":1.50},"noDefaults":true,"integration_type":"Webhook"}`),
			with(func(h *cloud.Hook) {
				h.Name, h.JSON, h.NoDefaults = "n", json.RawMessage(`{"a":"{{{b}}}","n":1.50}`), true
			})},
		{"particle-api-js 5", "webhooks",
			jsonText(`{"event":"ev","url":"http://192.0.2.1/x","deviceid":"` + strings.ToUpper(lampID) + `"}`), with(func(h *cloud.Hook) { h.Device = id(lampID) })},
		{"particle-api-js 12", "webhooks",
			jsonText(`{"event":"ev","url":"http://192.0.2.1/x","deviceId":"` + lampID + `"}`), with(func(h *cloud.Hook) { h.Device = id(lampID) })},
		{"the official documentation", "webhooks",
			jsonText(`{"eventName":"ev","url":"http://192.0.2.1/x","headers":{"X-N":1,"X-B":true},"auth":{"username":"u","password":"p"},"query":{"q":"{{{v}}}"},"responseTemplate":{"a":"{{b}}"},"responseTopic":"t","errorResponseTopic":"e","unchunked":true,"dataUrlResponseEvent":true,"disabled":true,"body":"x"}`),
			with(func(h *cloud.Hook) {
				h.Headers, h.Auth, h.Query = map[string]string{"X-N": "1", "X-B": "true"}, cloud.HookAuth{Username: "u", Password: "p"}, map[string]string{"q": "{{{v}}}"}
				h.ResponseTemplate, h.ResponseTopic, h.ErrorResponseTopic = json.RawMessage(`{"a":"{{b}}"}`), "t", "e"
				h.Unchunked, h.DataURL, h.Disabled, h.Body = true, true, true, "x"
			})},
		{"an older spelling of auth", "webhooks",
			jsonText(`{"event":"ev","url":"http://192.0.2.1/x","auth":{"user":"u","pass":"p"}}`), with(func(h *cloud.Hook) { h.Auth = cloud.HookAuth{Username: "u", Password: "p"} })},
		{"a bearer", "integrations",
			jsonText(`{"event":"ev","url":"http://192.0.2.1/x","auth":{"bearer":"b"}}`), with(func(h *cloud.Hook) { h.Auth.Bearer = "b" })},
		{"JSON as a text", "integrations",
			jsonText(`{"event":"ev","url":"http://192.0.2.1/x","json":"{\"t\":{{t}}}"}`), with(func(h *cloud.Hook) { h.JSON = json.RawMessage(`"{\"t\":{{t}}}"`) })},
		{"a form with nested keys, by curl", "webhooks",
			form("event=ev&url=http%3A%2F%2F192.0.2.1%2Fx&json[channel]=%23random&json[deep][a]=1&headers[X-A]=b&auth[username]=u&auth[password]=p&mydevices=true"),
			with(func(h *cloud.Hook) {
				h.JSON, h.Headers, h.Auth = json.RawMessage(`{"channel":"#random","deep":{"a":"1"}}`), map[string]string{"X-A": "b"}, cloud.HookAuth{Username: "u", Password: "p"}
			})},
		{"a form with JSON in it", "webhooks",
			form(`event=ev&url=http%3A%2F%2F192.0.2.1%2Fx&form={"a":{"b":2},"c":null}&query={"q":"x"}`),
			with(func(h *cloud.Hook) {
				h.Form, h.Query = map[string]string{"a[b]": "2", "c": ""}, map[string]string{"q": "x"}
			})},
		{"multipart", "webhooks", fields("event", "ev", "url", "http://192.0.2.1/x"), plain},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			a := w.do("POST /v1/"+tt.path, as(w.alice), tt.body, header("Host", "cloud.example"))
			got := w.stored()
			a.has(201, fmt.Sprintf(`{"ok":true,"id":"%s","event":"ev","url":"http://192.0.2.1/x","integration_type":"Webhook","requestType":"%s","hookUrl":"http://example.com/v1/webhooks/%s"}`,
				got.ID, tt.want.Method, got.ID))
			if len(got.ID) != 24 || got.Created.IsZero() || got.Owner != w.userID("alice") {
				t.Errorf("it is %+v", got)
			}
			tt.want.ID, tt.want.Owner, tt.want.Created, tt.want.Updated = got.ID, got.Owner, got.Created, got.Updated
			if fmt.Sprintf("%+v", got) != fmt.Sprintf("%+v", tt.want) {
				t.Errorf("it is\n%+v\nwant\n%+v", got, tt.want)
			}
		})
	}
}

func TestWebhookThatCannotWorkIsNotMade(t *testing.T) {
	w := newWorld(t)
	for body, want := range map[string]string{
		`{"url":"http://192.0.2.1/"}`:     "event is missing",
		`{"event":"e"}`:                   "url is missing",
		`{"event":"e","url":"192.0.2.1"}`: "http://host/path",
		`{"event":"e","url":"http://192.0.2.1/","requestType":"FETCH"}`:                     "requestType",
		`{"event":"e","url":"http://192.0.2.1/","json":{},"form":{"a":"b"}}`:                "exclude",
		`{"event":"e","url":"http://192.0.2.1/","body":"{{"}`:                               "template",
		`{"event":"e","url":"http://192.0.2.1/","form":[1]}`:                                "form has to be an object",
		`{"event":"e","url":"http://192.0.2.1/","query":"x"}`:                               "query has to be an object",
		`{"event":"e","url":"http://192.0.2.1/","headers":{"a":[1]}}`:                       "headers has to be an object",
		`{"event":"e","url":"http://192.0.2.1/","noDefaults":"perhaps"}`:                    "noDefaults has to be true or false",
		`{"event":"e","url":"http://192.0.2.1/","integration_type":"AzureIotHub"}`:          "integration_type",
		`{"event":"e","url":"http://192.0.2.1/","name":"` + strings.Repeat("n", 200) + `"}`: "128 bytes",
	} {
		a := w.do("POST /v1/integrations", as(w.alice), jsonText(body))
		if a.status != 400 || !strings.Contains(a.text("error"), want) {
			t.Errorf("%s: %d %s, want %q", body, a.status, a.body, want)
		}
	}
	for _, device := range []string{"fan", fanID, "nobody", "0123"} { // bob's, and nobody's
		w.do("POST /v1/webhooks", as(w.alice), form("event=e&url=http://192.0.2.1/&deviceid="+device)).has(403, `{"error":"Permission Denied"}`)
	}
	w.do("POST /v1/webhooks", as(w.root), form("event=e&url=http://192.0.2.1/&deviceid="+lampID)).has(403, `{"error":"Permission Denied"}`)
	if got := w.registry.Hooks(); len(got) != 0 {
		t.Errorf("there are %+v", got)
	}
}

func TestWebhooksAreOneListUnderTwoAddresses(t *testing.T) {
	w := newWorld(t)
	const one = "event=e&url=http://192.0.2.1/&deviceid=lamp"
	first := w.do("POST /v1/webhooks", as(w.alice), form(one)).text("id")
	second := w.do("POST /v1/integrations", as(w.alice), form(one)).text("id")
	w.do("POST /v1/integrations", as(w.bob), form("event=bobs&url=http://192.0.2.1/"))
	if first == second || first == "" {
		t.Fatalf("the same twice makes %q and %q", first, second)
	}
	for _, path := range []string{"/v1/webhooks", "/v1/integrations", "/v1/webhooks/", "//v1/integrations/"} {
		list := w.do("GET "+path, as(w.alice)).list()
		if len(list) != 2 || list[0]["id"] != first || list[1]["id"] != second {
			t.Fatalf("%s lists %v", path, list)
		}
		row := list[0]
		if row["event"] != "e" || row["integration_type"] != "Webhook" || row["url"] != "http://192.0.2.1/" || row["requestType"] != "POST" ||
			row["name"] != nil || row["deviceID"] != lampID || row["owner"] != "alice" || !strings.HasSuffix(row["created_at"].(string), "Z") {
			t.Errorf("%s has the row %v", path, row)
		}
	}
	if list := w.do("GET /v1/webhooks", as(w.root)).list(); len(list) != 3 {
		t.Errorf("an admin sees %v", list)
	}
	for _, path := range []string{"/v1/webhooks/", "/v1/integrations/"} {
		a := w.do("GET "+path+strings.ToUpper(first), as(w.alice)).object()
		for _, key := range []string{"integration", "webhook"} {
			if o, _ := a[key].(map[string]any); o["id"] != first || o["deviceID"] != lampID || o["rejectUnauthorized"] != true {
				t.Errorf("%s: %s is %v", path, key, o)
			}
		}
	}
	w.do("DELETE /v1/webhooks/"+second, as(w.alice)).is(200, `{"ok":true}`)
	w.do("DELETE /v1/integrations/"+first, as(w.alice)).is(200, `{"ok":true}`)
	w.do("DELETE /v1/integrations/"+first, as(w.alice)).fails(404, "No such webhook", "No such webhook")
	w.do("GET /v1/webhooks", as(w.alice)).is(200, `[]`)
}

func TestWebhookIsReplacedAsAWhole(t *testing.T) {
	w := newWorld(t)
	w.do("POST /v1/integrations", as(w.alice), jsonText(`{"event":"e","url":"http://192.0.2.1/","name":"n","headers":{"A":"b"},"noDefaults":true}`))
	before := w.stored()
	a := w.do("PUT /v1/integrations/"+string(before.ID), as(w.alice), jsonText(`{"event":"f","url":"http://192.0.2.2/","requestType":"GET","owner":"Bob"}`))
	if got := a.object()["integration"].(map[string]any); got["event"] != "f" || got["requestType"] != "GET" || got["name"] != nil || got["headers"] != nil {
		t.Errorf("it is %v", got)
	}
	if got := w.stored(); got.ID != before.ID || !got.Created.Equal(before.Created) || got.Owner != before.Owner || got.Headers != nil || got.NoDefaults {
		t.Errorf("it is %+v", got)
	}
	w.do("PUT /v1/integrations/"+string(before.ID), as(w.alice), jsonText(`{"event":"f"}`)).has(400, `{"ok":false}`)
	// What was read can be sent back as it is.
	whole, _ := json.Marshal(w.do("GET /v1/integrations/"+string(before.ID), as(w.alice)).object()["integration"])
	w.do("PUT /v1/integrations/"+string(before.ID), as(w.alice), jsonText(string(whole))).has(200, `{"ok":true}`)
}

func TestTokenThatMayOnlyLookLearnsNoSecretsOfWebhooks(t *testing.T) {
	w := newWorld(t)
	hook := string(w.hook("alice", 0))
	for _, path := range []string{"/v1/webhooks", "/v1/webhooks/" + hook, "/v1/integrations/" + hook} {
		for scope, want := range map[cloud.Scope]bool{cloud.ScopeReadOnly: false, cloud.ScopeAll: true} {
			a := w.do("GET "+path, as(w.token("alice", scope)))
			if got := strings.Contains(a.body, "topsecret") || strings.Contains(a.body, "pw"); a.status != 200 || got != want {
				t.Errorf("%s with %s: %d %s", path, scope, a.status, a.body)
			}
		}
	}
}

func TestProductHasWebhooksOfItsOwn(t *testing.T) {
	w := newWorld(t)
	w.product(1200, "alice", lampID)
	const product = "/v1/products/1200"
	a := w.do("POST "+product+"/webhooks", as(w.root), form("event=e&url=http://192.0.2.1/&deviceid=lamp"))
	a.has(201, `{"ok":true,"product_id":1200,"owner":"alice","mydevices":true}`) // no webhook of a product is tied to a device
	own := w.do("POST /v1/webhooks", as(w.alice), form("event=e&url=http://192.0.2.1/"))
	for path, want := range map[string]string{product + "/webhooks": a.text("id"), product + "/integrations": a.text("id"), "/v1/integrations": own.text("id")} {
		if list := w.do("GET "+path, as(w.alice)).list(); len(list) != 1 || list[0]["id"] != want {
			t.Errorf("%s lists %v", path, list)
		}
	}
	if list := w.do("GET /v1/integrations?all=true", as(w.alice)).list(); len(list) != 2 {
		t.Errorf("all are %v", list)
	}
	w.do("GET "+product+"/integrations/"+own.text("id"), as(w.alice)).has(404, `{"ok":false}`)
	w.do("PUT "+product+"/integrations/"+a.text("id"), as(w.alice), form("event=f&url=http://192.0.2.1/")).has(200, `{"ok":true}`)
	if h, _ := w.registry.Hook(cloud.HookID(a.text("id"))); h.Product != 1200 || h.Event != "f" || h.Owner != w.userID("alice") {
		t.Errorf("it is %+v", h)
	}
	w.do("DELETE "+product, as(w.alice)).has(200, `{"ok":true}`)
	if h := w.stored(); string(h.ID) != own.text("id") {
		t.Errorf("after the product: %+v", h)
	}
}

func TestAdminMakesAWebhookForSomebody(t *testing.T) {
	w := newWorld(t)
	w.do("POST /v1/integrations", as(w.bob), form("event=e&url=http://192.0.2.1/&owner=alice")).has(201, `{"owner":"Bob"}`)
	w.do("POST /v1/integrations", as(w.root), form("event=e&url=http://192.0.2.1/&owner=alice&deviceid=lamp")).has(201, `{"owner":"alice","deviceID":"`+lampID+`"}`)
	w.do("POST /v1/integrations", as(w.root), form("event=e&url=http://192.0.2.1/&owner=eve")).has(404, `{"ok":false}`)
}

func TestUsersHaveABoundedNumberOfWebhooks(t *testing.T) {
	w := newWorld(t)
	for range maxHooks {
		w.hook("alice", 0)
	}
	w.do("POST /v1/webhooks", as(w.alice), form("event=e&url=http://192.0.2.1/")).has(409, `{"ok":false}`)
	w.do("POST /v1/webhooks", as(w.bob), form("event=e&url=http://192.0.2.1/")).has(201, `{"ok":true}`)
}

func TestTestButtonFiresAWebhook(t *testing.T) {
	var got []string
	target := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		r.ParseForm()
		got = append(got, r.Form.Get("event")+"="+r.Form.Get("data"))
		if r.URL.Path == "/bad" {
			rw.WriteHeader(404)
		}
		rw.Write([]byte("fine"))
	}))
	defer target.Close()
	address := netip.MustParseAddrPort(strings.TrimPrefix(target.URL, "http://"))
	w := newWorld(t)
	good := w.do("POST /v1/integrations", as(w.alice), form("event=e&url="+target.URL)).text("id")
	bad := w.do("POST /v1/integrations", as(w.alice), form("event=e&url="+target.URL+"/bad")).text("id")
	closed := w.do("POST /v1/integrations/"+good+"/test", as(w.alice))
	if closed.status != 502 || !strings.Contains(closed.text("error"), "localcloud webhook allow "+address.String()) {
		t.Errorf("a closed target: %d %s", closed.status, closed.body)
	}
	w.do("POST /v1/localcloud/webhook-targets", as(w.root), form("target="+address.String())).is(200, `{"targets":["`+address.String()+`"]}`)
	w.do("POST /v1/localcloud/webhook-targets", as(w.root), form("target="+address.String())).is(200, `{"targets":["`+address.String()+`"]}`)

	a := w.do("POST /v1/integrations/"+good+"/test", as(w.alice)).has(200, `{"ok":true}`)
	if d, _ := a.object()["delivery"].(map[string]any); d["status"] != 200.0 || d["response"] != "fine" || d["result"] != "success" {
		t.Errorf("the delivery is %v", d)
	}
	w.do("POST /v1/integrations/"+good+"/test", as(w.alice), jsonText(`{"event":"e/x","data":"42"}`)).has(200, `{"ok":true}`)
	w.do("POST /v1/integrations/"+good+"/test", as(w.alice), jsonText(`{"event":"f"}`)).has(400, `{"ok":false}`)
	w.do("POST /v1/integrations/"+bad+"/test", as(w.alice)).fails(502, "error status 404 from 127.0.0.1", "error status 404 from 127.0.0.1")
	if want := "[e=test-event e/x=42 e=test-event]"; fmt.Sprint(got) != want {
		t.Errorf("the target got %v, want %s", got, want)
	}
	var record cloud.HookRecord
	if err := json.Unmarshal([]byte(w.do("GET /v1/integrations/"+good+"/log", as(w.alice)).body), &record); err != nil {
		t.Fatal(err)
	}
	if record.Counts.Delivered != 2 || record.Latest[0].Data != "42" || len(record.Dead) != 1 {
		t.Errorf("the log is %+v", record)
	}

	w.do("DELETE /v1/localcloud/webhook-targets/"+strings.ReplaceAll(address.String(), ":", "%3A"), as(w.root)).is(200, `{"targets":[]}`)
	w.do("POST /v1/localcloud/webhook-targets", as(w.root), form("target=example.com")).has(400, `{"ok":false}`)
	if a := w.do("POST /v1/integrations/"+good+"/test", as(w.alice)); a.status != 502 {
		t.Errorf("closed again: %d %s", a.status, a.body)
	}
}
