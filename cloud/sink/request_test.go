package sink

import (
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"localcloud/cloud"
)

var published = time.Date(2026, 11, 21, 12, 0, 0, 5_000_000, time.UTC)

func sampleEvent(data string) *cloud.Event {
	return &cloud.Event{ID: 42, Name: "test/kitchen", Data: []byte(data), TTL: 60, PublishedAt: published, Device: lamp, Owner: ann}
}

const lampHex = "e00000000000000000000001"

// The hooks are what Particle's documentation shows, where it shows one.
func TestRequestIsMadeFromHookAndEvent(t *testing.T) {
	tests := []struct {
		name string
		hook cloud.Hook
		data string

		url, contentType, body string
	}{
		{
			name: "only an event and a URL: a form with the defaults",
			hook: cloud.Hook{Method: "POST", URL: "http://host.com"}, data: "my data&",
			url: "http://host.com", contentType: "application/x-www-form-urlencoded",
			body: "event=test%2Fkitchen&data=my+data%26&coreid=" + lampHex + "&published_at=2026-11-21T12%3A00%3A00.005Z",
		},
		{
			name: "GET: the defaults in the query, behind what the URL has and before the hook's own",
			hook: cloud.Hook{Method: "GET", URL: "http://host.com/x?k=1", Query: map[string]string{"q": "{{{PARTICLE_EVENT_VALUE}}}", "data": "mine"}}, data: "39.7,-104.9",
			url: "http://host.com/x?k=1&event=test%2Fkitchen&data=39.7%2C-104.9&coreid=" + lampHex + "&published_at=2026-11-21T12%3A00%3A00.005Z&data=mine&q=39.7%2C-104.9",
		},
		{
			name: "GET without defaults",
			hook: cloud.Hook{Method: "GET", URL: "http://host.com/", NoDefaults: true, Query: map[string]string{"locations": "{{{lat}}},{{{lng}}}", "key": "K"}}, data: `{"lat":39.7,"lng":-104.9}`,
			url: "http://host.com/?key=K&locations=39.7%2C-104.9",
		},
		{
			name: "GET with a form: in the query too",
			hook: cloud.Hook{Method: "GET", URL: "http://host.com/", NoDefaults: true, Form: map[string]string{"a": "b"}},
			url:  "http://host.com/?a=b",
		},
		{
			name: "JSON from an object, keys and texts rendered, the rest as it is",
			hook: cloud.Hook{Method: "POST", URL: "http://host.com/", NoDefaults: true,
				JSON: json.RawMessage(`{"{{PARTICLE_EVENT_NAME}}":"{{{PARTICLE_EVENT_VALUE}}}","n":1.50,"deep":[{"x":"{{{k}}}","y":null,"z":true}]}`)},
			data: `{"k":"say \"hi\""}`,
			url:  "http://host.com/", contentType: "application/json",
			body: `{"deep":[{"x":"say \"hi\"","y":null,"z":true}],"n":1.50,"test/kitchen":"{\"k\":\"say \\\"hi\\\"\"}"}`,
		},
		{
			name: "JSON with the defaults, which give way",
			hook: cloud.Hook{Method: "PUT", URL: "http://host.com/", JSON: json.RawMessage(`{"data":"mine"}`)}, data: "x",
			url: "http://host.com/", contentType: "application/json",
			body: `{"coreid":"` + lampHex + `","data":"mine","event":"test/kitchen","published_at":"2026-11-21T12:00:00.005Z"}`,
		},
		{
			name: "JSON from a text, which gives numbers",
			hook: cloud.Hook{Method: "POST", URL: "http://host.com/", NoDefaults: true, JSON: json.RawMessage(`"{ \"temperature\": {{t}} }"`)}, data: `{"t":21.1}`,
			url: "http://host.com/", contentType: "application/json", body: `{ "temperature": 21.1 }`,
		},
		{
			name: "JSON from a text with the defaults",
			hook: cloud.Hook{Method: "POST", URL: "http://host.com/", JSON: json.RawMessage(`"{\"t\":{{t}}}"`)}, data: `{"t":20.00}`,
			url: "http://host.com/", contentType: "application/json",
			body: `{"coreid":"` + lampHex + `","data":"{\"t\":20.00}","event":"test/kitchen","published_at":"2026-11-21T12:00:00.005Z","t":20}`,
		},
		{
			name: "JSON that is a list has no defaults",
			hook: cloud.Hook{Method: "POST", URL: "http://host.com/", JSON: json.RawMessage(`["{{{PARTICLE_EVENT_VALUE}}}"]`)}, data: "<x>",
			url: "http://host.com/", contentType: "application/json", body: `["<x>"]`,
		},
		{
			name: "a form of one's own, with the defaults",
			hook: cloud.Hook{Method: "POST", URL: "http://host.com/", Form: map[string]string{"To": "me", "Body": "{{{BODY}}}", "event": "other"}}, data: `{"BODY":"Hi there!"}`,
			url: "http://host.com/", contentType: "application/x-www-form-urlencoded",
			body: "data=%7B%22BODY%22%3A%22Hi+there%21%22%7D&coreid=" + lampHex + "&published_at=2026-11-21T12%3A00%3A00.005Z&Body=Hi+there%21&To=me&event=other",
		},
		{
			name: "a body of one's own has no defaults and no type",
			hook: cloud.Hook{Method: "POST", URL: "http://host.com/", Body: `{ "gauges": [{ "name": "{{{n}}}", "value": {{{v}}} }] }`}, data: `{"n":"click","v":2}`,
			url: "http://host.com/", body: `{ "gauges": [{ "name": "click", "value": 2 }] }`,
		},
		{
			name: "double braces escape, which spoils what is no HTML",
			hook: cloud.Hook{Method: "POST", URL: "http://host.com/", Body: `{{PARTICLE_EVENT_VALUE}} {{{PARTICLE_EVENT_VALUE}}}`}, data: `"<&'`,
			url: "http://host.com/", body: `&quot;&lt;&amp;&#39; "<&'`,
		},
		{
			name: "DELETE sends nothing of itself",
			hook: cloud.Hook{Method: "DELETE", URL: "http://host.com/{{{PARTICLE_DEVICE_ID}}}"},
			url:  "http://host.com/" + lampHex,
		},
		{
			name: "the old names, the id, the product",
			hook: cloud.Hook{Method: "POST", URL: "http://host.com/", Body: "{{SPARK_CORE_ID}} {{SPARK_EVENT_NAME}} {{SPARK_EVENT_VALUE}} {{SPARK_PUBLISHED_AT}} {{PARTICLE_EVENT_ID}} {{PRODUCT_ID}} {{PRODUCT_VERSION}}"}, data: "v",
			url: "http://host.com/", body: lampHex + " test/kitchen v 2026-11-21T12:00:00.005Z 42 7 3",
		},
		{
			name: "the event cannot take a given name",
			hook: cloud.Hook{Method: "POST", URL: "http://host.com/", Body: "{{PARTICLE_DEVICE_ID}}"}, data: `{"PARTICLE_DEVICE_ID":"liar"}`,
			url: "http://host.com/", body: lampHex,
		},
		{
			name: "the whole event",
			hook: cloud.Hook{Method: "POST", URL: "http://host.com/", Body: "{{{PARTICLE_EVENT_JSON}}} {{PARTICLE_EVENT_BASE64}}"}, data: `"`,
			url: "http://host.com/", body: wholeEvent + " " + base64.StdEncoding.EncodeToString([]byte(wholeEvent)),
		},
		{
			name: "what the event says in the URL",
			hook: cloud.Hook{Method: "DELETE", URL: "http://host.com/log/{{{room}}}?x={{{room}}}"}, data: `{"room":"living room"}`,
			url: "http://host.com/log/living%20room?x=living room",
		},
		{
			name: "the whole URL from the event, where the template leaves it open",
			hook: cloud.Hook{Method: "DELETE", URL: "{{{u}}}"}, data: `{"u":"https://other.example/x"}`,
			url: "https://other.example/x",
		},
	}
	for _, tt := range tests {
		req, err := newRequest(t.Context(), &tt.hook, valuesOf(sampleEvent(tt.data), cloud.Device{ProductID: product, ProductVersion: 3}))
		if err != nil {
			t.Errorf("%s: %v", tt.name, err)
			continue
		}
		body := ""
		if req.Body != nil {
			b, _ := io.ReadAll(req.Body)
			body = string(b)
		}
		if req.Method != tt.hook.Method || req.URL.String() != tt.url || body != tt.body || req.Header.Get("Content-Type") != tt.contentType {
			t.Errorf("%s:\n%s %s\n%s\n%s\nwant\n%s\n%s\n%s", tt.name, req.Method, req.URL, req.Header.Get("Content-Type"), body, tt.url, tt.contentType, tt.body)
		}
		if !strings.HasPrefix(req.Header.Get("User-Agent"), "ParticleBot/1.1 (") {
			t.Errorf("%s: User-Agent is %q", tt.name, req.Header.Get("User-Agent"))
		}
	}
}

const wholeEvent = `{"coreid":"` + lampHex + `","data":"\"","event":"test/kitchen","published_at":"2026-11-21T12:00:00.005Z","ttl":60}`

func TestHeadersAndCredentialsAreTemplates(t *testing.T) {
	tests := []struct {
		headers map[string]string
		auth    cloud.HookAuth
		want    http.Header
		host    string
	}{
		{
			headers: map[string]string{"x-{{{k}}}": "{{PARTICLE_DEVICE_ID}}", "content-type": "text/plain", "user-agent": "me"},
			want:    http.Header{"X-Key": {lampHex}, "Content-Type": {"text/plain"}, "User-Agent": {"me"}},
		},
		{auth: cloud.HookAuth{Username: "{{{k}}}", Password: "p:w"}, want: http.Header{"Authorization": {"Basic " + base64.StdEncoding.EncodeToString([]byte("key:p:w"))}}},
		{auth: cloud.HookAuth{Bearer: "T-{{{k}}}"}, want: http.Header{"Authorization": {"Bearer T-key"}}},
		{headers: map[string]string{"Authorization": "Bearer 1"}, auth: cloud.HookAuth{Bearer: "2"}, want: http.Header{"Authorization": {"Bearer 1"}}},
		{headers: map[string]string{"host": "virtual.example"}, host: "virtual.example"},
		{headers: map[string]string{"content-length": "5", "Transfer-Encoding": "chunked", "Connection": "x"}, want: http.Header{"Content-Length": nil, "Transfer-Encoding": nil, "Connection": nil}},
	}
	for _, tt := range tests {
		h := cloud.Hook{Method: "POST", URL: "http://host.com/", Headers: tt.headers, Auth: tt.auth}
		req, err := newRequest(t.Context(), &h, valuesOf(sampleEvent(`{"k":"key"}`), cloud.Device{}))
		if err != nil {
			t.Errorf("%v: %v", tt.headers, err)
			continue
		}
		for name, want := range tt.want {
			if got := req.Header[name]; len(got) != len(want) || (len(want) > 0 && got[0] != want[0]) {
				t.Errorf("%v %v: %s is %q, want %q", tt.headers, tt.auth, name, got, want)
			}
		}
		if want := map[bool]string{true: "host.com", false: tt.host}[tt.host == ""]; req.Host != want {
			t.Errorf("%v: Host is %s, want %s", tt.headers, req.Host, want)
		}
	}
}

func TestEventsCannotBendARequest(t *testing.T) {
	tests := []struct {
		name string
		hook cloud.Hook
		data string
		want string // in the error
	}{
		{"a header in a header", cloud.Hook{Headers: map[string]string{"X-A": "{{{v}}}"}}, `{"v":"1\r\nX-B: 2"}`, "X-A"},
		{"a name that is none", cloud.Hook{Headers: map[string]string{"{{{v}}}": "1"}}, `{"v":"A B"}`, "header"},
		{"another host by an at", cloud.Hook{URL: "http://good.example:80{{{v}}}/"}, `{"v":"@evil.example"}`, ""},
		{"another host by a path", cloud.Hook{URL: "http://good.example/{{{v}}}"}, `{"v":"/../@evil.example"}`, ""},
		{"no URL", cloud.Hook{URL: "{{{v}}}"}, `{"v":"file:///etc/passwd"}`, "no URL"},
		{"no URL, nothing", cloud.Hook{URL: "{{{v}}}"}, `{}`, "no URL"},
		{"a line end in the URL", cloud.Hook{URL: "http://good.example/{{{v}}}x"}, `{"v":"\r\n"}`, "no URL"},
		{"JSON that is none", cloud.Hook{JSON: json.RawMessage(`"{\"a\":{{{v}}}}"`)}, `{"v":"}"}`, "no JSON"},
	}
	for _, tt := range tests {
		tt.hook.Method = "POST"
		if tt.hook.URL == "" {
			tt.hook.URL = "http://good.example/"
		}
		req, err := newRequest(t.Context(), &tt.hook, valuesOf(sampleEvent(tt.data), cloud.Device{}))
		switch {
		case tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)):
			t.Errorf("%s: %v, want %q", tt.name, err, tt.want)
		case tt.want == "" && err != nil:
			t.Errorf("%s: %v", tt.name, err)
		case tt.want == "" && tt.name == "another host by a path" && req.URL.Host != "good.example":
			t.Errorf("%s: it goes to %s", tt.name, req.URL.Host)
		}
	}
}

func TestHookThatCannotWorkIsRefused(t *testing.T) {
	good := cloud.Hook{Event: "e", URL: "http://host.com/", Method: "POST"}
	if err := Check(good); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		change func(*cloud.Hook)
		want   string // "": it is fine
	}{
		{func(h *cloud.Hook) { h.Event = "" }, "event is missing"},
		{func(h *cloud.Hook) { h.Event = strings.Repeat("e", 65) }, "longer"},
		{func(h *cloud.Hook) { h.Method = "PATCH" }, "requestType"},
		{func(h *cloud.Hook) { h.URL = "" }, "url is missing"},
		{func(h *cloud.Hook) { h.URL = "host.com" }, "http://host/path"},
		{func(h *cloud.Hook) { h.URL = "ftp://host.com/" }, "http://host/path"},
		{func(h *cloud.Hook) { h.URL = "http:///x" }, "http://host/path"},
		{func(h *cloud.Hook) { h.URL = "http://host.com/{{x" }, "url: the template"},
		{func(h *cloud.Hook) { h.URL = "{{{u}}}" }, ""},
		{func(h *cloud.Hook) { h.URL = "https://{{{host}}}/x" }, ""},
		{func(h *cloud.Hook) { h.URL = "https://a.{{{host}}}/x" }, ""},
		{func(h *cloud.Hook) { h.URL = "https://host/{{{x}}}?{{{y}}}" }, ""},
		{func(h *cloud.Hook) { h.JSON, h.Form = json.RawMessage(`{}`), map[string]string{} }, "exclude"},
		{func(h *cloud.Hook) { h.JSON, h.Body = json.RawMessage(`{}`), "x" }, "exclude"},
		{func(h *cloud.Hook) { h.JSON = json.RawMessage(`{"a":["{{#b}}"]}`) }, "json: the template"},
		{func(h *cloud.Hook) { h.ResponseTemplate = json.RawMessage(`"{{"`) }, "responseTemplate: the template"},
		{func(h *cloud.Hook) { h.ResponseTopic = "{{/x}}" }, "responseTopic"},
		{func(h *cloud.Hook) { h.Query = map[string]string{"{{": "x"} }, "query"},
		{func(h *cloud.Hook) { h.Headers = map[string]string{"A B": "x"} }, "no name of a header"},
		{func(h *cloud.Hook) { h.Headers = map[string]string{"{{{n}}}": "x"} }, ""},
		{func(h *cloud.Hook) { h.Auth.Password = "{{" }, "auth"},
	}
	for _, tt := range tests {
		h := good
		tt.change(&h)
		err := Check(h)
		switch {
		case tt.want == "" && err != nil:
			t.Errorf("%+v: %v", h, err)
		case tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want) || cloud.KindOf(err) != cloud.Invalid):
			t.Errorf("%+v: %v, want %q", h, err, tt.want)
		}
	}
}
