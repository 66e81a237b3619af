package api

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"localcloud/cloud"
)

func TestEveryKindHasAStatus(t *testing.T) {
	want := map[cloud.Kind]int{
		cloud.Other: 500, cloud.Invalid: 400, cloud.NotExist: 404, cloud.Exist: 409, cloud.Permission: 403, cloud.Unauthentic: 401,
		cloud.Offline: 408, cloud.Timeout: 408, cloud.Limited: 429, cloud.NoSpace: 507, cloud.Refused: 502, cloud.Unsupported: 501,
	}
	for k := cloud.Other; k <= cloud.Unsupported; k++ {
		if got := failureOf(fmt.Errorf("outside: %w", cloud.E("op", k, errors.New("x")))); got.status != want[k] {
			t.Errorf("%v: %d, want %d", k, got.status, want[k])
		}
	}
	for err, want := range map[error]*failure{
		cloud.ErrTokenInvalid: errBadToken, cloud.ErrTokenExpired: errExpiredToken, cloud.ErrPassword: errPassword,
		context.DeadlineExceeded: errTimeout, errors.New("x"): errInternal, errForeign: errForeign,
	} {
		if got := failureOf(fmt.Errorf("outside: %w", err)); got != want {
			t.Errorf("%v: got %+v, want %+v", err, got, want)
		}
	}
}

func TestUnknownAddressAndMethod(t *testing.T) {
	w := newWorld(t)
	for _, request := range []string{"GET /", "GET /v1", "GET /v2/devices", "POST /v1/nothing/here", "GET /v1/devices/a/b/c", "GET /v1/library", "HEAD /v1/networks/89"} {
		w.do(request, as(w.alice)).fails(404, errNoRoute.code, errNoRoute.text)
	}
	for request, allow := range map[string]string{
		"DELETE /oauth/token": "POST", "PATCH /v1/devices/lamp": "GET, PUT, DELETE", "patch /v1/devices/lamp": "GET, PUT, DELETE",
		"PUT /v1/devices": "GET, POST", "DELETE /v1/localcloud/status": "GET",
	} {
		a := w.do(request, as(w.alice)).fails(405, errMethod.code, errMethod.text)
		if got := a.header.Get("Allow"); got != allow {
			t.Errorf("%s: Allow is %q, want %q", request, got, allow)
		}
	}
}

func TestPreflight(t *testing.T) {
	w := newWorld(t)
	for _, request := range []string{"OPTIONS /v1/devices", "OPTIONS /oauth/token", "OPTIONS /nothing", "OPTIONS *"} {
		a := w.do(request, header("Origin", "http://page.example"), header("Access-Control-Request-Method", "PATCH"))
		for name, want := range map[string]string{
			"Access-Control-Allow-Origin":  "*",
			"Access-Control-Allow-Methods": "GET, POST, PUT, PATCH, DELETE, OPTIONS",
			"Access-Control-Allow-Headers": "X-Requested-With, Content-Type, Accept, Authorization, X-Particle-Tool, X-Particle-Project, Last-Event-ID",
			"Access-Control-Max-Age":       "300",
		} {
			if got := a.header.Get(name); got != want || a.status != 204 {
				t.Errorf("%s: %d, %s is %q, want %q", request, a.status, name, got, want)
			}
		}
		if a.header.Get("Access-Control-Allow-Credentials") != "" {
			t.Error("no page may send credentials")
		}
	}
}

func TestTooLarge(t *testing.T) {
	w := newWorld(t)
	for _, o := range []option{form("name=" + bytesOf(maxBody)), jsonText(`{"name":"` + bytesOf(maxBody) + `"}`)} {
		w.do("POST /v1/devices/events", as(w.alice), o).fails(413, errTooLarge.code, errTooLarge.text)
	}
}

func TestPanicIsAnswered(t *testing.T) {
	w := newWorld(t)
	w.lamp.vars["temp"] = func() {} // no JSON
	w.do("GET /v1/devices/lamp/temp", as(w.alice)).fails(500, errInternal.code, errInternal.text)

	w.server.Hub = nil
	w.do("GET /v1/devices/lamp", as(w.alice)).fails(500, errInternal.code, errInternal.text)
	if log := w.logged(); !strings.Contains(log, "a request handler panicked") || !strings.Contains(log, "nil pointer") || !strings.Contains(log, "showDevice") {
		t.Errorf("the log does not say what happened: %s", log)
	}
}

func TestHalfAnAnswerIsNotFinished(t *testing.T) {
	w := newWorld(t)
	for name, handle := range map[string]http.HandlerFunc{
		"panic":                 func(w http.ResponseWriter, _ *http.Request) { w.Write([]byte("half")); panic("x") },
		"http.ErrAbortHandler ": func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
	} {
		w.server.router = w.server.newRouter()
		w.server.router.NotFoundHandler = handle
		func() {
			defer func() {
				if p := recover(); p != http.ErrAbortHandler {
					t.Errorf("%s: got %v, want http.ErrAbortHandler", name, p)
				}
			}()
			w.server.Handler().ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "/nothing", nil))
		}()
	}
}

func TestAccessLogNamesTheRouteAndNoMore(t *testing.T) {
	w := newWorld(t)
	token := w.token("alice")
	w.do("DELETE /v1/access_tokens/" + string(token))
	w.do("GET /v1/user?access_token=" + string(w.alice))
	w.do("POST /v1/devices/lamp/led", as(w.alice), form("arg=the+secret+of+the+garden"))
	w.do("POST /oauth/token", form(grant))
	log := w.logged()
	for _, want := range []string{`"route":"/v1/access_tokens/{token}","status":200`, `"route":"/v1/user"`, `"method":"POST"`} {
		if !strings.Contains(log, want) {
			t.Errorf("%s is not in the log:\n%s", want, log)
		}
	}
	for _, not := range []string{string(token), string(w.alice), "garden", "access_token="} {
		if strings.Contains(log, not) {
			t.Errorf("%s is in the log:\n%s", not, log)
		}
	}
}

func TestTimesHaveMillisecondsAndZ(t *testing.T) {
	at := time.Date(2026, 11, 21, 2, 0, 0, 1_900_000, time.FixedZone("CET", 3600))
	if b, _ := stamp(at).MarshalJSON(); string(b) != `"2026-11-21T01:00:00.001Z"` {
		t.Errorf("got %s", b)
	}
	if b, _ := stamp(time.Time{}).MarshalJSON(); string(b) != "null" {
		t.Errorf("no time is %s, want null", b)
	}
}

func TestHeadIsGetWithoutABody(t *testing.T) {
	w := newWorld(t)
	for path, want := range map[string]int{
		"/v1/devices": 200, "/v1/devices/lamp": 200, "/v1/user": 200, "/v1/openapi.json": 200, "/v1/devices/events": 200, "/v1/nope": 404,
	} {
		if a := w.do("HEAD "+path, as(w.alice)); a.status != want {
			t.Errorf("%s: %d, want %d", path, a.status, want)
		}
	}
	w.do("HEAD /v1/devices").fails(400, "invalid_request", errNoToken.text)
}
