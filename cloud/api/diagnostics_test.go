package api

import (
	"bytes"
	"context"
	"encoding/csv"
	"encoding/json"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

func TestDiagnostics(t *testing.T) {
	w := newWorld(t)
	w.product(1200, "Bob", lampID)
	all := w.listen()
	w.do("GET /v1/diagnostics/lamp/last", as(w.alice)).has(404, `{}`)
	w.do("GET /v1/diagnostics/lamp", as(w.alice)).is(200, `{"diagnostics":[]}`)
	w.do("POST /v1/diagnostics/lamp/update", as(w.alice)).is(202, `{"ok":true}`)

	device := map[string]any{"system": map[string]any{"uptime": 99.0, "memory": map[string]any{"used": 7.0, "total": 10.0}}}
	for _, who := range []struct {
		path string
		come option
	}{{"/v1/diagnostics/lamp/last", as(w.alice)}, {"/v1/products/1200/diagnostics/lamp/last", as(w.bob)}} {
		last, _ := w.do("GET "+who.path, who.come).has(200, `{}`).object()["diagnostics"].(map[string]any)
		payload, _ := last["payload"].(map[string]any)
		if last["deviceID"] != lampID || last["updated_at"] == "" || !reflect.DeepEqual(payload["device"], device) || payload["service"] == nil {
			t.Errorf("%s: %v", who.path, last)
		}
	}
	if len(all.events) != 1 || all.events[0].Name != "spark/device/diagnostics/update" || all.events[0].Owner != w.userID("alice") || !all.events[0].Private {
		t.Errorf("published %v", all.events)
	}
	for query, want := range map[string]int{"": 1, "?start_date=2001-01-01&end_date=2199-12-31T00:00:00Z": 1, "?end_date=2001-01-01": 0, "?start_date=2199-01-01": 0} {
		if list := w.do("GET /v1/diagnostics/lamp"+query, as(w.alice)).object()["diagnostics"].([]any); len(list) != want {
			t.Errorf("%s: %v", query, list)
		}
	}
	w.do("GET /v1/diagnostics/lamp?start_date=yesterday", as(w.alice)).has(400, `{}`)
	w.do("GET /v1/diagnostics/lamp/metadata", as(w.alice)).is(200, `{"diagnostics_metadata":{"system.uptime":{"title":"system.uptime"},
		"system.memory.used":{"title":"system.memory.used"},"system.memory.total":{"title":"system.memory.total"}}}`)
	w.do("POST /v1/diagnostics/fan/update", as(w.bob)).fails(408, errOffline.code, errOffline.text)
	w.do("GET /v1/diagnostics/lamp/last", as(w.bob)).has(403, `{}`)
}

func TestDiagnosticsAsATable(t *testing.T) {
	w := newWorld(t)
	header := func(r *http.Request) { r.Header.Set("Accept", "text/csv") }
	none := w.do("GET /v1/diagnostics/lamp", as(w.alice), header)
	if none.body != "updated_at,deviceID\n" {
		t.Errorf("without a record: %q", none.body)
	}
	w.do("POST /v1/diagnostics/lamp/update", as(w.alice)).is(202, `{"ok":true}`)
	a := w.do("GET /v1/diagnostics/lamp", as(w.alice), header)
	rows, err := csv.NewReader(strings.NewReader(a.body)).ReadAll()
	if err != nil || a.status != 200 || a.header.Get("Content-Type") != "text/csv; charset=utf-8" || len(rows) != 2 || len(rows[0]) != len(rows[1]) {
		t.Fatalf("%d %v %q, %v", a.status, a.header, a.body, err)
	}
	got := map[string]string{}
	for i, name := range rows[0] {
		got[name] = rows[1][i]
	}
	for name, want := range map[string]string{"deviceID": lampID, "device.system.uptime": "99", "device.system.memory.used": "7", "service.device.status": "ok"} {
		if got[name] != want {
			t.Errorf("%s is %q, want %q", name, got[name], want)
		}
	}
	w.do("GET /v1/diagnostics/lamp", as(w.bob), header).has(403, `{}`)
}

func TestATableOfDiagnosticsHoldsNoFormula(t *testing.T) {
	table, err := vitalsTable([]vitalsRecord{{DeviceID: lampID, Payload: json.RawMessage(
		`{"a":"=cmd()","b":-1.5,"c":"-1+cmd","d":null,"e":["x",2],"f":"\t=1","@g":true}`)}})
	if err != nil {
		t.Fatal(err)
	}
	rows, err := csv.NewReader(bytes.NewReader(table)).ReadAll()
	if err != nil || len(rows) != 2 {
		t.Fatalf("%q, %v", table, err)
	}
	want := [2][]string{{"'@g", "a", "b", "c", "d", "e", "f"}, {"true", "'=cmd()", "-1.5", "'-1+cmd", "", `["x",2]`, "'\t=1"}}
	if !slices.Equal(rows[0][2:], want[0]) || !slices.Equal(rows[1][2:], want[1]) {
		t.Errorf("the table is %q, want %q", rows, want)
	}
}

func TestVitalsAreKeptOnceAnHour(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		ctx, end := context.WithCancel(t.Context())
		var over sync.WaitGroup
		over.Go(func() { w.server.KeepVitals(ctx) })
		records := func() int {
			return len(w.do("GET /v1/diagnostics/lamp", as(w.alice)).object()["diagnostics"].([]any))
		}
		time.Sleep(time.Hour)
		if n := records(); n != 0 {
			t.Errorf("before it told anything there are %d records", n)
		}
		for range 12 { // a quarter of an hour each
			if _, err := w.hub.AskVitals(ctx, id(lampID)); err != nil {
				t.Fatal(err)
			}
			time.Sleep(15 * time.Minute)
		}
		if n := records(); n != 3 {
			t.Errorf("after three hours there are %d records", n)
		}
		w.do("POST /v1/diagnostics/lamp/update", as(w.alice)).is(202, `{"ok":true}`)
		time.Sleep(2 * lookAtVitals)
		if n := records(); n != 4 {
			t.Errorf("what was asked for makes %d records", n)
		}
		end()
		over.Wait()
	})
}
