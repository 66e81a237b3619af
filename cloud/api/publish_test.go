package api

import (
	"context"
	"errors"
	"reflect"
	"strings"
	"testing"

	"localcloud/cloud"
)

// heard collects what is published.
type heard struct{ events []cloud.Event }

func (h *heard) Offer(ev *cloud.Event) bool {
	h.events = append(h.events, *ev)
	return true
}

// listen hears all events of the cloud from now on.
func (w *world) listen() *heard {
	h := &heard{}
	sub := w.hub.Subscribe(cloud.Filter{AllOwners: true}, h)
	w.Cleanup(func() { w.hub.Unsubscribe(sub) })
	return h
}

func TestPublish(t *testing.T) {
	w := newWorld(t)
	tests := []struct {
		what string
		body option
		want cloud.Event
	}{
		{"private when nothing is said, as particle-cli 3.51", jsonText(`{"name":"x/1","data":"hi"}`),
			cloud.Event{Name: "x/1", Data: []byte("hi"), TTL: 60, Private: true}},
		{"particle-cli 2", jsonText(`{"name":"x","data":"hi","private":true}`), cloud.Event{Name: "x", Data: []byte("hi"), TTL: 60, Private: true}},
		{"particle-cli 1", form("name=x&data=hi&private=false"), cloud.Event{Name: "x", Data: []byte("hi"), TTL: 60}},
		{"old Node-RED", form("name=x&data=hi&private=true&ttl=5"), cloud.Event{Name: "x", Data: []byte("hi"), TTL: 5, Private: true}},
		{"no data", form("name=x"), cloud.Event{Name: "x", TTL: 60, Private: true}},
		{"null data", jsonText(`{"name":"x","data":null,"private":null,"ttl":null}`), cloud.Event{Name: "x", TTL: 60, Private: true}},
		{"empty data", jsonText(`{"name":"x","data":""}`), cloud.Event{Name: "x", Data: []byte{}, TTL: 60, Private: true}},
		{"a number", jsonText(`{"name":"x","data":25.30,"ttl":"7"}`), cloud.Event{Name: "x", Data: []byte("25.30"), TTL: 7, Private: true}},
		{"a very long life", jsonText(`{"name":"x","ttl":99999999999}`), cloud.Event{Name: "x", TTL: maxTTL, Private: true}},
		{"the longest", form("name=" + strings.Repeat("n", 64) + "&data=" + strings.Repeat("d", 16384)),
			cloud.Event{Name: strings.Repeat("n", 64), Data: []byte(strings.Repeat("d", 16384)), TTL: 60, Private: true}},
	}
	all := w.listen()
	for _, tt := range tests {
		all.events = nil
		w.do("POST /v1/devices/events", as(w.alice), tt.body).is(200, `{"ok":true}`)
		if len(all.events) != 1 {
			t.Fatalf("%s: %d events", tt.what, len(all.events))
		}
		got := all.events[0]
		got.ID, got.PublishedAt = 0, tt.want.PublishedAt
		tt.want.Owner, tt.want.Source, tt.want.Format = w.userID("alice"), "001", cloud.TextFormat
		if !reflect.DeepEqual(got, tt.want) {
			t.Errorf("%s:\n got %+v\nwant %+v", tt.what, got, tt.want)
		}
	}
}

func TestPublishIsRefused(t *testing.T) {
	w := newWorld(t)
	all := w.listen()
	for request, status := range map[string]int{
		"":                                    400,
		"data=hi":                             400,
		"name=" + strings.Repeat("n", 65):     400,
		"name=spark/status":                   400,
		"name=Particle/device":                400,
		"name=x%0Adata:+{}":                   400,
		"name=x%00":                           400,
		"name=%FF":                            400,
		"name=x&ttl=-1":                       400,
		"name=x&ttl=soon":                     400,
		"name=x&private=perhaps":              400,
		"name=x&data=" + bytesOf(16385):       413,
		"name=x&data=" + bytesOf(maxBody):     413,
		`{"name":"x","data":{"a":1}}`:         400,
		`{"name":"x","data":["a"]}`:           400,
		`{"name":["x"]}`:                      400,
		`{"name":"x","private":{}}`:           400,
		`{"name":"x","data":"a"} {"name":""}`: 400,
	} {
		kind := "application/x-www-form-urlencoded"
		if strings.HasPrefix(request, "{") {
			kind = "application/json"
		}
		if a := w.do("POST /v1/devices/events", as(w.alice), body(kind, request)); a.status != status {
			t.Errorf("%.60s: %d %s, want %d", request, a.status, a.body, status)
		}
	}
	if len(all.events) != 0 {
		t.Errorf("published nevertheless: %v", all.events)
	}
}

func bytesOf(n int) string { return strings.Repeat("d", n) }

// fullLog is a log on a full disk.
type fullLog struct{ cloud.Log }

func (fullLog) Append(_ *cloud.Event, done func(error)) {
	go done(cloud.Errorf("log", cloud.NoSpace, "the disk is full"))
}

// damagedLog cannot be read or written.
type damagedLog struct{ cloud.Log }

func (damagedLog) Append(_ *cloud.Event, done func(error)) {
	go done(errors.New("checksum of block 7"))
}

func TestPublishWaitsForTheLog(t *testing.T) {
	for want, swap := range map[int]func(cloud.Log) cloud.Log{
		507: func(l cloud.Log) cloud.Log { return fullLog{l} },
		500: func(l cloud.Log) cloud.Log { return damagedLog{l} },
	} {
		w := newWorld(t)
		w.server.Hub = cloud.NewHub(w.registry, swap(emptyLog{}), w.server.Logger)
		a := w.do("POST /v1/devices/events", as(w.alice), form("name=x"))
		if a.status != want {
			t.Errorf("%d %s, want %d", a.status, a.body, want)
		}
		if want == 500 && (strings.Contains(a.body, "checksum") || !strings.Contains(w.logged(), "checksum of block 7")) {
			t.Errorf("the reason is for the log, not for the client: %s\n%s", a.body, w.logged())
		}
	}
}

// emptyLog takes everything and keeps nothing.
type emptyLog struct{ cloud.Log }

func (emptyLog) Admit(context.Context) error { return nil }
func (emptyLog) Last() cloud.EventID         { return 0 }
