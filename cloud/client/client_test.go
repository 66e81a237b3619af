package client

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"localcloud/cloud"
	"localcloud/keys"
)

// answering is a transport that answers every request with a function.
type answering func(r *http.Request) (*http.Response, error)

func (f answering) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func answer(r *http.Request, status int, contentType, body string) *http.Response {
	return &http.Response{
		StatusCode: status, Status: http.StatusText(status), Request: r,
		Header: http.Header{"Content-Type": {contentType}}, Body: io.NopCloser(strings.NewReader(body)),
	}
}

const token = cloud.Secret("0123456789012345678901234567890123456789")

func TestEachMethodSendsItsRequestAndReadsItsAnswer(t *testing.T) {
	id, err := keys.ParseDeviceID("0123456789abcdef01234567")
	if err != nil {
		t.Fatal(err)
	}
	private, err := keys.GenerateDeviceRSA()
	if err != nil {
		t.Fatal(err)
	}
	key, err := keys.NewRSAPublicKey(&private.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	pem := strconv.Quote(string(key.PEM()))
	particle := cloud.PolicyParticle()
	tests := []struct {
		name   string
		do     func(context.Context, *Client) (any, error)
		want   string // method, escaped path and query, body
		answer string
		result string // what the method returned, as JSON
	}{
		{"users", func(ctx context.Context, c *Client) (any, error) { return c.Users(ctx) },
			"GET /v1/localcloud/users", `[{"id":"u","name":"ann","admin":true,"created":"2026-01-02T03:04:05Z","devices":2}]`,
			`[{"id":"u","name":"ann","admin":true,"created":"2026-01-02T03:04:05Z","devices":2}]`},
		{"add user", func(ctx context.Context, c *Client) (any, error) { return c.AddUser(ctx, "ann", "secret words", true) },
			`POST /v1/localcloud/users {"admin":true,"name":"ann","password":"secret words"}`, `{"name":"ann"}`,
			`{"id":"","name":"ann","admin":false,"created":"0001-01-01T00:00:00Z","devices":0}`},
		{"password", func(ctx context.Context, c *Client) (any, error) { return nil, c.SetPassword(ctx, "a/b", "x") },
			`PUT /v1/localcloud/users/a%2Fb {"password":"x"}`, `{"ok":true}`, `null`},
		{"remove user", func(ctx context.Context, c *Client) (any, error) { return nil, c.RemoveUser(ctx, "ann") },
			`DELETE /v1/localcloud/users/ann`, `{"ok":true}`, `null`},
		{"webhooks", func(ctx context.Context, c *Client) (any, error) { return c.Webhooks(ctx) },
			`GET /v1/integrations?all=true`, `[{"id":"h","event":"e","more":1}]`, `[{"id":"h","event":"e","more":1}]`},
		{"webhook", func(ctx context.Context, c *Client) (any, error) { return c.Webhook(ctx, "h") },
			`GET /v1/integrations/h`, `{"ok":true,"integration":{"id":"h","json":{"a":1}}}`, `{"id":"h","json":{"a":1}}`},
		{"create webhook", func(ctx context.Context, c *Client) (any, error) {
			return c.CreateWebhook(ctx, "", map[string]any{"event": "e", "url": "u"})
		}, `POST /v1/integrations {"event":"e","url":"u"}`, `{"ok":true,"id":"h","integration":{"id":"h"}}`, `{"id":"h"}`},
		{"create webhook of a product", func(ctx context.Context, c *Client) (any, error) {
			return c.CreateWebhook(ctx, "my p", map[string]any{"event": "e"})
		}, `POST /v1/products/my%20p/integrations {"event":"e"}`, `{"integration":{"id":"h"}}`, `{"id":"h"}`},
		{"delete webhook", func(ctx context.Context, c *Client) (any, error) { return nil, c.DeleteWebhook(ctx, "h") },
			`DELETE /v1/integrations/h`, `{"ok":true}`, `null`},
		{"test webhook", func(ctx context.Context, c *Client) (any, error) {
			d, err := c.TestWebhook(ctx, "h", "e", "x")
			return d.Status, err
		}, `POST /v1/integrations/h/test {"data":"x","event":"e"}`, `{"ok":true,"delivery":{"status":200,"event_id":"7"}}`, `200`},
		{"webhook log", func(ctx context.Context, c *Client) (any, error) {
			r, err := c.WebhookLog(ctx, "h")
			return r.Latest[0].EventID, err
		}, `GET /v1/integrations/h/log`, `{"counts":{"success":1},"latest":[{"event_id":"7"}],"dead":[]}`, `7`},
		{"webhook targets", func(ctx context.Context, c *Client) (any, error) { return c.WebhookTargets(ctx) },
			`GET /v1/localcloud/webhook-targets`, `{"targets":["127.0.0.1:1880"]}`, `["127.0.0.1:1880"]`},
		{"allow webhook target", func(ctx context.Context, c *Client) (any, error) { return c.AllowWebhookTarget(ctx, "::1") },
			`POST /v1/localcloud/webhook-targets {"target":"::1"}`, `{"targets":["::1"]}`, `["::1"]`},
		{"close webhook target", func(ctx context.Context, c *Client) (any, error) { return c.CloseWebhookTarget(ctx, "127.0.0.0/8") },
			`DELETE /v1/localcloud/webhook-targets/127.0.0.0%2F8`, `{"targets":[]}`, `[]`},
		{"tokens", func(ctx context.Context, c *Client) (any, error) { return c.Tokens(ctx, "a b") },
			`GET /v1/localcloud/tokens?user=a+b`, `[]`, `[]`},
		{"create token", func(ctx context.Context, c *Client) (any, error) {
			life := time.Hour
			return c.CreateToken(ctx, Grant{User: "ann", Scopes: []cloud.Scope{"read-only"}, Life: &life})
		},
			`POST /v1/localcloud/tokens {"expires_in":3600,"note":"","scopes":["read-only"],"user":"ann"}`,
			`{"token":"abc","id":"def","user":"ann","created":"2026-01-02T03:04:05Z","expires":null}`,
			`{"token":"abc","id":"def","user":"ann","client":"","note":"","scopes":null,"created":"2026-01-02T03:04:05Z","expires":null}`},
		{"revoke", func(ctx context.Context, c *Client) (any, error) { return nil, c.RevokeToken(ctx, "def") },
			`DELETE /v1/localcloud/tokens/def`, `{"ok":true}`, `null`},
		{"all devices", func(ctx context.Context, c *Client) (any, error) { return c.AllDevices(ctx) },
			`GET /v1/localcloud/devices`, `[{"id":"0123456789abcdef01234567","policy":"off","surprise":1}]`,
			`[{"id":"0123456789abcdef01234567","policy":"off","surprise":1}]`},
		{"devices", func(ctx context.Context, c *Client) (any, error) { return c.Devices(ctx) }, `GET /v1/devices`, `[]`, `[]`},
		{"device by name", func(ctx context.Context, c *Client) (any, error) { return c.Device(ctx, "my photon") },
			`GET /v1/devices/my%20photon`, `{"id":"0123456789abcdef01234567"}`, `{"id":"0123456789abcdef01234567"}`},
		{"adopt", func(ctx context.Context, c *Client) (any, error) { return c.Adopt(ctx, id, "kitchen", "") },
			`POST /v1/localcloud/unknown/0123456789abcdef01234567/adopt {"name":"kitchen"}`,
			`{"id":"0123456789abcdef01234567"}`, `{"id":"0123456789abcdef01234567"}`},
		{"unknown", func(ctx context.Context, c *Client) (any, error) { return c.Unknown(ctx) },
			`GET /v1/localcloud/unknown`, `[{"id":"","reason":"timeout","count":3,"what":"a","next":"b","led":"c"}]`,
			`[{"id":"","fingerprint":"","address":"","transport":"","step":"","reason":"timeout","count":3,` +
				`"first":"0001-01-01T00:00:00Z","last":"0001-01-01T00:00:00Z","what":"a","next":"b","led":"c"}]`},
		{"products", func(ctx context.Context, c *Client) (any, error) { return c.Products(ctx) }, `GET /v1/products`, `{"products":[]}`, `[]`},
		{"product", func(ctx context.Context, c *Client) (any, error) {
			p, err := c.Product(ctx, "a/b")
			return p.Devices, err
		}, `GET /v1/products/a%2Fb`, `{"product":{"id":1,"device_count":3}}`, `3`},
		{"create product", func(ctx context.Context, c *Client) (any, error) {
			p, err := c.CreateProduct(ctx, NewProduct{Name: "x", PlatformID: 6})
			return p.ID, err
		}, `POST /v1/products {"name":"x","platform_id":6}`, `{"product":{"id":1000}}`, `1000`},
		{"remove product", func(ctx context.Context, c *Client) (any, error) { return nil, c.RemoveProduct(ctx, "1000") },
			`DELETE /v1/products/1000`, `{"ok":true}`, `null`},
		{"devices of a product", func(ctx context.Context, c *Client) (any, error) { return c.ProductDevices(ctx, "1000") },
			`GET /v1/products/1000/devices?page=1&per_page=500`, `{"devices":[{"id":"0123456789abcdef01234567"}],"meta":{"total_pages":1}}`,
			`[{"id":"0123456789abcdef01234567"}]`},
		{"add to product", func(ctx context.Context, c *Client) (any, error) {
			return c.AddToProduct(ctx, "1000", []string{"a", "b"})
		}, `POST /v1/products/1000/devices {"ids":["a","b"]}`, `{"updatedDeviceIds":["a"],"nonmemberDeviceIds":["b"],"invalidDeviceIds":[]}`,
			`{"updatedDeviceIds":["a"],"nonmemberDeviceIds":["b"],"invalidDeviceIds":[]}`},
		{"drop from product", func(ctx context.Context, c *Client) (any, error) { return nil, c.DropFromProduct(ctx, "1000", "k") },
			`DELETE /v1/products/1000/devices/k`, `{"ok":true}`, `null`},
		{"one device of all", func(ctx context.Context, c *Client) (any, error) {
			d, err := c.AnyDevice(ctx, "k")
			return d.Limits, err
		}, `GET /v1/localcloud/devices/k`, `{"id":"0123456789abcdef01234567","limits":{"events":5,"throttled":3,"limited":2,"lost":1,"missed":4}}`,
			`{"events":5,"throttled":3,"limited":2,"lost":1,"missed":4}`},
		{"add device", func(ctx context.Context, c *Client) (any, error) {
			return c.AddDevice(ctx, NewDevice{ID: id, Key: key, Name: "k", Owner: "ann"})
		}, `POST /v1/localcloud/devices {"id":"0123456789abcdef01234567","key":` + pem + `,"name":"k","owner":"ann"}`,
			`{"id":"0123456789abcdef01234567"}`, `{"id":"0123456789abcdef01234567"}`},
		{"remove device", func(ctx context.Context, c *Client) (any, error) { return nil, c.RemoveDevice(ctx, "k") },
			`DELETE /v1/localcloud/devices/k`, `{"ok":true}`, `null`},
		{"provision", func(ctx context.Context, c *Client) (any, error) { return nil, c.Provision(ctx, id, key) },
			`POST /v1/provisioning/0123456789abcdef01234567 {"algorithm":"rsa","deviceID":"0123456789abcdef01234567",` +
				`"filename":"particle-api","publicKey":` + pem + `}`, `{"ok":true}`, `null`},
		{"claim", func(ctx context.Context, c *Client) (any, error) { return nil, c.Claim(ctx, id) },
			`POST /v1/devices {"id":"0123456789abcdef01234567","request_transfer":false}`, `{"ok":true}`, `null`},
		{"rename", func(ctx context.Context, c *Client) (any, error) { return nil, c.Rename(ctx, "k", "l") },
			`PUT /v1/devices/k {"name":"l"}`, `{"id":"0123456789abcdef01234567","name":"l"}`, `null`},
		{"read policies", func(ctx context.Context, c *Client) (any, error) { return c.Policies(ctx) },
			`GET /v1/localcloud/policy`, `{"device":"2/s:3 drop","server":"off"}`, `{"device":"2/s:3 drop","server":"off"}`},
		{"settings", func(ctx context.Context, c *Client) (any, error) { return c.Settings(ctx) },
			`GET /v1/localcloud/settings`, `{"trust_first_use":true}`, `{"trust_first_use":true,"sign_up":false,"log_level":"","events_max_age":0,"events_max_bytes":0}`},
		{"limits", func(ctx context.Context, c *Client) (any, error) { return c.Limits(ctx) },
			`GET /v1/localcloud/limits`, `{"log_ins":3}`, `{"log_ins":3,"lock_minutes":0,"token_requests":0,"stream_opens":0,"streams":0}`},
		{"change a limit", func(ctx context.Context, c *Client) (any, error) { return c.SetLimit(ctx, "streams", 0) },
			`PUT /v1/localcloud/limits {"streams":0}`, `{"log_ins":3}`, `{"log_ins":3,"lock_minutes":0,"token_requests":0,"stream_opens":0,"streams":0}`},
		{"hosts", func(ctx context.Context, c *Client) (any, error) { return c.Hosts(ctx) },
			`GET /v1/localcloud/hosts`, `{"own":["localhost"],"added":[]}`, `{"own":["localhost"],"added":[]}`},
		{"add host", func(ctx context.Context, c *Client) (any, error) { return c.AddHost(ctx, "a.b") },
			`POST /v1/localcloud/hosts {"host":"a.b"}`, `{"own":[],"added":["a.b"]}`, `{"own":[],"added":["a.b"]}`},
		{"remove host", func(ctx context.Context, c *Client) (any, error) { return c.RemoveHost(ctx, "a.b") },
			`DELETE /v1/localcloud/hosts/a.b`, `{"own":[],"added":[]}`, `{"own":[],"added":[]}`},
		{"one-time password", func(ctx context.Context, c *Client) (any, error) { return c.ChangePassword(ctx, "a", PasswordChange{}) },
			`PUT /v1/localcloud/users/a {"invalidate_tokens":false,"one_time":true}`, `{"ok":true,"password":"xyz"}`, `"xyz"`},
		{"role", func(ctx context.Context, c *Client) (any, error) { return nil, c.SetAdmin(ctx, "a", true) },
			`PUT /v1/localcloud/users/a {"admin":true}`, `{"ok":true}`, `null`},
		{"change settings", func(ctx context.Context, c *Client) (any, error) {
			return c.SetSetting(ctx, "events_max_age", 60)
		}, `PUT /v1/localcloud/settings {"events_max_age":60}`, `{"events_max_age":60,"log_level":"info","given":["log_level"]}`,
			`{"trust_first_use":false,"sign_up":false,"log_level":"info","events_max_age":60,"events_max_bytes":0,"given":["log_level"]}`},
		{"call", func(ctx context.Context, c *Client) (any, error) { return c.Call(ctx, "d", "led", "on") },
			`POST /v1/devices/d/led {"args":"on"}`, `{"return_value":-7}`, `-7`},
		{"variable", func(ctx context.Context, c *Client) (any, error) { return c.Variable(ctx, "d", "temp") },
			`GET /v1/devices/d/temp`, `{"result":21.5}`, `21.5`},
		{"policies", func(ctx context.Context, c *Client) (any, error) { return c.SetPolicies(ctx, &particle, nil) },
			`PUT /v1/localcloud/policy {"device":"particle"}`, `{"device":"particle","server":"off"}`, `{"device":"particle","server":"off"}`},
		{"product's policy", func(ctx context.Context, c *Client) (any, error) { return c.SetProductPolicy(ctx, 12, &particle) },
			`PUT /v1/localcloud/products/12/policy {"policy":"particle"}`, `{"device":"warn","server":"off","products":{"12":"particle"}}`,
			`{"device":"warn","server":"off","products":{"12":"particle"}}`},
		{"clock", func(ctx context.Context, c *Client) (any, error) { return c.Clock(ctx) },
			`GET /v1/localcloud/clock`, `{"time":"2026-11-21T12:00:00Z","doubt":"ahead"}`, `{"time":"2026-11-21T12:00:00Z","doubt":"ahead"}`},
		{"set the clock", func(ctx context.Context, c *Client) (any, error) {
			return c.SetClock(ctx, time.Date(2026, 11, 21, 13, 0, 0, 0, time.FixedZone("CET", 3600)))
		},
			`PUT /v1/localcloud/clock {"time":"2026-11-21T12:00:00Z"}`, `{"time":"2026-11-21T12:00:00Z","doubt":""}`, `{"time":"2026-11-21T12:00:00Z","doubt":""}`},
		{"no policy of its own", func(ctx context.Context, c *Client) (any, error) { return nil, c.SetDevicePolicy(ctx, "d", nil) },
			`PUT /v1/localcloud/devices/d/policy {"policy":null}`, `{"ok":true}`, `null`},
		{"publish", func(ctx context.Context, c *Client) (any, error) { return nil, c.Publish(ctx, "x", nil, true) },
			`POST /v1/devices/events {"name":"x","private":true,"ttl":60}`, `{"ok":true}`, `null`},
		{"status", func(ctx context.Context, c *Client) (any, error) { return c.Status(ctx) },
			`GET /v1/localcloud/status`, `{"version":"1","more":[2]}`, `{"version":"1","more":[2]}`},
		{"server key", func(ctx context.Context, c *Client) (any, error) {
			key, err := c.ServerKey(ctx, true)
			return string(key), err
		}, `GET /v1/server/key?udp=1`, `PEM`, `"PEM"`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			var got string
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				body, _ := io.ReadAll(r.Body)
				got = strings.TrimSpace(r.Method + " " + r.RequestURI + " " + string(body))
				if auth := r.Header.Get("Authorization"); auth != "Bearer "+string(token) {
					t.Errorf("Authorization is %q", auth)
				}
				io.WriteString(w, test.answer)
			}))
			defer server.Close()
			c := &Client{BaseURL: server.URL + "/", Token: token, HTTP: server.Client()}
			result, err := test.do(t.Context(), c)
			if err != nil {
				t.Fatal(err)
			}
			if got != test.want {
				t.Errorf("sent %s\nwant %s", got, test.want)
			}
			if b, err := json.Marshal(result); err != nil || string(b) != test.result {
				t.Errorf("returned %s, %v\nwant     %s", b, err, test.result)
			}
		})
	}
}

func TestWhatTheServerRefusesIsAnErrorOfTheRightKindInItsWords(t *testing.T) {
	tests := []struct {
		status int
		body   string
		kind   cloud.Kind
		text   string
	}{
		{400, `{"ok":false,"error":"no name"}`, cloud.Invalid, "call led: no name"},
		{401, `{"error":"invalid_token","error_description":"The access token provided is invalid."}`, cloud.Unauthentic, "call led: The access token provided is invalid"},
		{403, `{"error":"Permission Denied","info":"not yours"}`, cloud.Permission, "call led: Permission Denied (not yours)"},
		{404, `{"ok":false,"error":"Function led not found"}`, cloud.NotExist, "call led: Function led not found"},
		{408, `{"ok":false,"error":"Timed out."}`, cloud.Timeout, "call led: Timed out"},
		{408, `{"ok":false,"error":"Timed out.","info":"The device is not connected."}`, cloud.Offline, "call led: Timed out (The device is not connected)"},
		{409, `{"ok":false,"errors":["taken","twice"]}`, cloud.Exist, "call led: taken; twice"},
		{429, `{}`, cloud.Limited, "call led: here:80 answered Too Many Requests"},
		{501, `{"error":"not yet"}`, cloud.Unsupported, "call led: not yet"},
		{502, `{"error":"no"}`, cloud.Refused, "call led: no"},
		{507, `{"error":"full"}`, cloud.NoSpace, "call led: full"},
		{500, `<html>`, cloud.Other, "call led: here:80 answered Internal Server Error"},
		{301, ``, cloud.Other, "call led: here:80 answered Moved Permanently"},
	}
	for _, test := range tests {
		c := &Client{BaseURL: "http://here:80", Token: token, HTTP: &http.Client{
			Transport: answering(func(r *http.Request) (*http.Response, error) {
				return answer(r, test.status, "application/json", test.body), nil
			}),
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		}}
		_, err := c.Call(t.Context(), "d", "led", "on")
		if cloud.KindOf(err) != test.kind || err == nil || err.Error() != test.text {
			t.Errorf("%d %s: %v (%v), want %s (%v)", test.status, test.body, err, cloud.KindOf(err), test.text, test.kind)
		}
	}
}

func TestAnAnswerThatIsNoneIsAnError(t *testing.T) {
	tests := []struct {
		name, body string
	}{
		{"not JSON", "<html>"},
		{"no return value", `{"ok":true}`},
		{"a value that does not fit", `{"return_value":99999999999}`},
		{"too long", `{"return_value":1,"x":"` + strings.Repeat("x", maxAnswer) + `"}`},
	}
	for _, test := range tests {
		c := &Client{BaseURL: "http://here", HTTP: &http.Client{
			Transport: answering(func(r *http.Request) (*http.Response, error) {
				return answer(r, 200, "application/json", test.body), nil
			}),
		}}
		if v, err := c.Call(t.Context(), "d", "led", "on"); err == nil {
			t.Errorf("%s: got %d", test.name, v)
		}
	}
}

func TestNoAnswerIsToldFromARefusal(t *testing.T) {
	server := httptest.NewServer(nil)
	url := server.URL
	server.Close()
	c := &Client{BaseURL: url, Token: token}
	_, err := c.Status(t.Context())
	if !errors.Is(err, ErrUnreachable) {
		t.Errorf("a closed port gives %v", err)
	}
	if strings.Contains(err.Error(), string(token)) {
		t.Errorf("the token is in the error: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := c.Status(ctx); cloud.KindOf(err) != cloud.Timeout || !errors.Is(err, context.Canceled) {
		t.Errorf("a canceled request gives %v", err)
	}
}

func TestABaseURLThatIsNoneIsRefused(t *testing.T) {
	for _, base := range []string{"", "192.168.1.5:8080", "ftp://x", "http://", "http://%zz"} {
		if err := CheckBaseURL(base); cloud.KindOf(err) != cloud.Invalid {
			t.Errorf("%q: %v", base, err)
		}
		if _, err := (&Client{BaseURL: base}).Users(t.Context()); err == nil {
			t.Errorf("%q was used", base)
		}
	}
}
