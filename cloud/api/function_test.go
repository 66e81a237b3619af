package api

import (
	"mime/multipart"
	"testing"
	"testing/synctest"
	"time"

	"localcloud/cloud"
)

func TestFunctionArgumentsNeverVanish(t *testing.T) {
	w := newWorld(t)
	tests := []struct {
		what, query string
		body        option
		want        string
	}{
		{"JSON args", "", jsonText(`{"args":"on"}`), "on"},
		{"JSON arg", "", jsonText(`{"arg":"on"}`), "on"},
		{"JSON params", "", jsonText(`{"params":"on"}`), "on"},
		{"form arg", "", form("arg=on"), "on"},
		{"form args", "", form("args=on"), "on"},
		{"form params", "", form("params=on&format=json"), "on"},
		{"multipart", "", fields("args", "on"), "on"},
		{"no content type, form", "", body("", "args=on"), "on"},
		{"no content type, JSON", "", body("", `{"args":"on"}`), "on"},
		{"JSON called a form", "", form(`{"args":"on"}`), "on"},
		{"query", "?args=on", form(""), "on"},
		{"query arg with an empty object", "?arg=on", jsonText(`{}`), "on"},
		{"the body wins over the query", "?args=off", form("arg=on"), "on"},
		{"one that says something wins", "", jsonText(`{"args":"","arg":"on"}`), "on"},
		{"a number", "", jsonText(`{"args":12.50}`), "12.50"},
		{"a boolean", "", jsonText(`{"args":true}`), "true"},
		{"a raw semicolon", "", form("args=1;2;3"), "1;2;3"},
		{"unknown keys beside it", "", jsonText(`{"args":"on","id":"x"}`), "on"},
		{"blanks stay", "", jsonText(`{"args":" on "}`), " on "},
		{"none at all", "", form(""), ""},
		{"an empty object", "", jsonText(`{}`), ""},
		{"null", "", jsonText(`{"args":null}`), ""},
		{"empty", "", form("arg="), ""},
		{"an empty form of the Android SDK", "", form("blank="), ""},
	}
	for _, tt := range tests {
		w.lamp.argument = "not called"
		w.do("POST /v1/devices/lamp/led"+tt.query, as(w.alice), tt.body).
			is(200, `{"id":"`+lampID+`","name":"lamp","last_app":"","connected":true,"return_value":42}`)
		if w.lamp.argument != tt.want {
			t.Errorf("%s: the device got %q, want %q", tt.what, w.lamp.argument, tt.want)
		}
	}
}

func TestFunctionArgumentThatIsNotUnderstoodIsRefused(t *testing.T) {
	w := newWorld(t)
	for what, o := range map[string]option{
		"an object":               jsonText(`{"args":{"a":1}}`),
		"a list":                  jsonText(`{"args":["on"]}`),
		"another key":             form("value=on"),
		"another key, JSON":       jsonText(`{"value":"on"}`),
		"no key":                  form("on"),
		"text":                    body("text/plain", "on"),
		"a JSON text":             jsonText(`"on"`),
		"cut JSON":                jsonText(`{"args":"on"`),
		"a list in a form":        form("args[]=on"),
		"the argument as a file":  parts(func(m *multipart.Writer) { m.CreateFormFile("args", "x.txt") }),
		"an object in the second": jsonText(`{"arg":{}}`),
	} {
		w.lamp.argument = "not called"
		if a := w.do("POST /v1/devices/lamp/led", as(w.alice), o); a.status != 400 || w.lamp.argument != "not called" {
			t.Errorf("%s: %d %s; the device got %q", what, a.status, a.body, w.lamp.argument)
		}
	}
}

func TestRawResult(t *testing.T) {
	w := newWorld(t)
	for what, options := range map[string][]option{
		"POST /v1/devices/lamp/led?format=raw": {form("arg=x")},
		"POST /v1/devices/lamp/led":            {form("arg=x&format=raw")},
		"POST /v1/devices/" + lampID + "/led":  {jsonText(`{"args":"x","format":"raw"}`)},
	} {
		a := w.do(what, append(options, as(w.alice))...).is(200, "42")
		if got := a.header.Get("Content-Type"); got != "text/plain; charset=utf-8" {
			t.Errorf("%s: Content-Type is %q", what, got)
		}
	}
}

func TestCallErrors(t *testing.T) {
	w := newWorld(t)
	w.do("POST /v1/devices/lamp/nope", as(w.alice)).fails(404, "Function nope not found", "Function nope not found")
	w.do("POST /v1/devices/fan/led", as(w.bob)).fails(408, "Timed out.", "Timed out.").has(408, `{"info":"The device is not connected."}`)
	w.do("POST /v1/devices/fan/led", as(w.alice)).fails(403, "Permission Denied", "Permission Denied")
	tests := []struct {
		kind   cloud.Kind
		status int
	}{
		{cloud.Invalid, 400}, {cloud.Limited, 429}, {cloud.Refused, 502}, {cloud.Offline, 408}, {cloud.Timeout, 408}, {cloud.Other, 500},
	}
	for _, tt := range tests {
		w.lamp.refuses = cloud.Errorf("call led", tt.kind, "the reason")
		a := w.do("POST /v1/devices/lamp/led", as(w.alice), form("arg=x"))
		if a.status != tt.status {
			t.Errorf("%v: %d %s, want %d", tt.kind, a.status, a.body, tt.status)
		}
		if (a.status == 429) != (a.header.Get("Retry-After") == "1") {
			t.Errorf("%v: Retry-After is %q", tt.kind, a.header.Get("Retry-After"))
		}
	}
}

func TestDeviceThatDoesNotAnswerTimesOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.lamp.hang = true
		for _, request := range []string{"POST /v1/devices/lamp/led", "GET /v1/devices/lamp/temp"} {
			start := time.Now()
			w.do(request, as(w.alice)).fails(408, "Timed out.", "Timed out.")
			if took := time.Since(start); took != 30*time.Second {
				t.Errorf("%s took %v", request, took)
			}
		}
		start := time.Now()
		w.do("POST /v1/devices/fan/led", as(w.bob)).fails(408, "Timed out.", "Timed out.")
		if took := time.Since(start); took != 0 {
			t.Errorf("a device that is offline is answered at once, this took %v", took)
		}
	})
}

func TestVariable(t *testing.T) {
	w := newWorld(t)
	info := `{"name":"lamp","last_app":"","last_heard":"2026-11-21T01:00:00.000Z","connected":true,
		"last_handshake_at":"2026-11-21T00:00:00.000Z","deviceID":"` + lampID + `","product_id":6}`
	for name, want := range map[string][2]string{
		"temp":  {`21.5`, `21.5`},
		"count": {`-7`, `-7`},
		"on":    {`true`, `true`},
		"text":  {`"say \"hi\""`, `say "hi"`},
	} {
		w.do("GET /v1/devices/lamp/"+name, as(w.alice)).is(200, `{"cmd":"VarReturn","name":"`+name+`","result":`+want[0]+`,"coreInfo":`+info+`}`)
		w.do("GET /v1/devices/lamp/"+name+"?format=raw", as(w.alice)).is(200, want[1])
	}
	w.do("GET /v1/devices/lamp/nope", as(w.alice)).fails(404, "Variable not found", "Variable not found")
	w.do("GET /v1/devices/fan/temp", as(w.bob)).fails(408, "Timed out.", "Timed out.")
	w.do("GET /v1/devices/nope/temp", as(w.alice)).fails(403, "Permission Denied", "Permission Denied")
}

func TestOddVariables(t *testing.T) {
	w := newWorld(t)
	zero := 0.0
	w.lamp.vars = map[string]any{"nan": zero / zero, "inf": -1 / zero, "big": 1e300, "html": "<b>&</b>", "odd": "\xff\n", "name/2": "", "zero": zero}
	for path, want := range map[string][2]string{
		"nan": {`null`, `null`}, "inf": {`null`, `null`}, "big": {`1e+300`, `1e+300`}, "html": {`"<b>&</b>"`, `<b>&</b>`},
		"odd": {`"\ufffd\n"`, "\xff\n"}, "name%2F2": {`""`, ""}, "zero": {`0`, `0`},
	} {
		a := w.do("GET /v1/devices/lamp/"+path, as(w.alice))
		a.has(200, `{"result":`+want[0]+`}`)
		if path != "name%2F2" {
			w.do("GET /v1/devices/lamp/"+path+"?format=raw", as(w.alice)).is(200, want[1])
		}
	}
	if a := w.do("GET /v1/devices/lamp/html?format=raw", as(w.alice)); a.header.Get("X-Content-Type-Options") != "nosniff" {
		t.Error("a browser may take a device's text for a page")
	}
}
