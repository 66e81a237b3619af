package sink

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"localcloud/cloud"
	"localcloud/keys"
)

func TestEventGoesToItsHookAndTheAnswerComesBack(t *testing.T) {
	tg := newTarget(t, func(w http.ResponseWriter, _ *http.Request) { w.Write([]byte(`{"ok":1}`)) })
	w := newWorld(t, nil)
	w.allow("127.0.0.1")
	bobs := w.listen(bob)
	id := w.hook(tg.URL + "/in?key=secret")
	w.publish(lamp, "e/kitchen", "21.5")
	if ev := w.heard.want("hook-sent/e/kitchen"); ev.Data != nil {
		t.Errorf("hook-sent says %q", ev.Data)
	}
	if ev := w.heard.want("hook-response/e/kitchen/0"); string(ev.Data) != `{"ok":1}` {
		t.Errorf("hook-response says %q", ev.Data)
	}
	if got := w.heard.names(); !slices.Equal(got, []string{"hook-sent/e/kitchen", "hook-response/e/kitchen/0"}) {
		t.Errorf("it says %v", got)
	}
	if got := bobs.names(); len(got) != 0 {
		t.Errorf("bob hears %v", got)
	}
	got := tg.requests()
	if len(got) != 1 || got[0].method != "POST" || got[0].uri != "/in?key=secret" || !strings.HasPrefix(got[0].body, "event=e%2Fkitchen&data=21.5&coreid="+lampHex) {
		t.Errorf("the target got %+v", got)
	}
	w.eventually("it is recorded", func() bool { return w.sink.Record(id).Counts.Delivered == 1 })
	r := w.sink.Record(id)
	if d := r.Latest[0]; d.Request != "POST "+tg.URL+"/in" || d.Data != "21.5" || d.Response != `{"ok":1}` || d.Status != 200 || d.Attempt != 1 || d.CoreID != lampHex {
		t.Errorf("the record is %+v", d)
	}
	if r.Counts.Waiting != 0 || len(r.Dead) != 0 {
		t.Errorf("the record is %+v", r)
	}
	w.eventually("nothing waits any more", func() bool { return w.sink.Queues() == Queues{} })
}

// What fires a hook: events are published one after the other, and an event that
// fires says when all before are done.
func TestWhatFiresAHook(t *testing.T) {
	var fired atomic.Value
	fired.Store("")
	tg := newTarget(t, func(_ http.ResponseWriter, r *http.Request) { fired.Store(r.URL.RawQuery) })
	w := newWorld(t, nil)
	w.allow("127.0.0.1")
	query := func(h *cloud.Hook) {
		h.Method, h.NoDefaults, h.Query = http.MethodGet, true, map[string]string{"e": "{{{PARTICLE_EVENT_NAME}}}"}
	}
	all := w.hook(tg.URL, query)
	tests := []struct {
		name string
		hook func(*cloud.Hook)
		ev   cloud.Event
		want bool
	}{
		{"the event", nil, cloud.Event{Name: "e", Device: lamp, Owner: ann}, true},
		{"its beginning", nil, cloud.Event{Name: "e/x", Device: lamp, Owner: ann}, true},
		{"a public one", nil, cloud.Event{Name: "e", Device: lamp, Owner: ann, Private: false}, true},
		{"a private one", nil, cloud.Event{Name: "e", Device: lamp, Owner: ann, Private: true}, true},
		{"one of the API", nil, cloud.Event{Name: "e", Owner: ann, Source: cloud.SourceAPI}, true},
		{"another case", nil, cloud.Event{Name: "E", Device: lamp, Owner: ann}, false},
		{"another name", nil, cloud.Event{Name: "fe", Device: lamp, Owner: ann}, false},
		{"somebody else's", nil, cloud.Event{Name: "e", Device: fan, Owner: bob}, false},
		{"somebody else's public one", nil, cloud.Event{Name: "e", Device: fan, Owner: bob, Private: false}, false},
		{"nobody's", nil, cloud.Event{Name: "e", Device: keys.DeviceID{1}}, false},
		{"the device", func(h *cloud.Hook) { h.Device = lamp }, cloud.Event{Name: "e", Device: lamp, Owner: ann}, true},
		{"another device", func(h *cloud.Hook) { h.Device = fan }, cloud.Event{Name: "e", Device: lamp, Owner: ann}, false},
		{"one of the API, for a device", func(h *cloud.Hook) { h.Device = lamp }, cloud.Event{Name: "e", Owner: ann}, false},
		{"disabled", func(h *cloud.Hook) { h.Disabled = true }, cloud.Event{Name: "e", Device: lamp, Owner: ann}, false},
		{"presence", func(h *cloud.Hook) { h.Event = "spark/status" }, cloud.Event{Name: "spark/status", Device: lamp, Owner: ann}, true},
		{"an answer", func(h *cloud.Hook) { h.Event = "hook-response" }, cloud.Event{Name: "hook-response/e/0", Owner: ann, Source: cloud.SourceCloud}, false},
		{"a made-up answer", func(h *cloud.Hook) { h.Event = "hook" }, cloud.Event{Name: "hook-sent/e", Device: lamp, Owner: ann}, false},
		{"a made-up answer in capitals", func(h *cloud.Hook) { h.Event = "H" }, cloud.Event{Name: "HOOK-error/e/0", Device: lamp, Owner: ann}, false},
		{"an answer under another name", nil, cloud.Event{Name: "e", Owner: ann, Source: cloud.SourceCloud}, false},
		{"a product's device, whoever has it", func(h *cloud.Hook) { h.Product = product }, cloud.Event{Name: "e", Device: fan, Owner: bob}, true},
		{"another product's device", func(h *cloud.Hook) { h.Product = 8 }, cloud.Event{Name: "e", Device: fan, Owner: bob}, false},
		{"one of the API, for a product", func(h *cloud.Hook) { h.Product = product }, cloud.Event{Name: "e", Owner: ann}, false},
	}
	for _, tt := range tests {
		_, err := w.store.Registry().UpdateHook(all, func(h *cloud.Hook) error {
			h.Event, h.Device, h.Product, h.Disabled = "e", keys.DeviceID{}, 0, false
			if tt.hook != nil {
				tt.hook(h)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		marker := w.hook(tg.URL, query, func(h *cloud.Hook) { h.Event = "marker" })
		before := len(tg.requests())
		w.take(tt.ev)
		w.take(cloud.Event{Name: "marker", Owner: ann, Source: cloud.SourceAPI})
		want := 1
		if tt.want {
			want = 2
		}
		w.eventually(tt.name+": the marker comes", func() bool {
			return w.sink.Record(marker).Counts.Delivered == 1 && len(tg.requests())-before >= want
		})
		if got := len(tg.requests()) - before; got != want {
			t.Errorf("%s: %d requests, want %d", tt.name, got, want)
		}
		if err := w.store.Registry().RemoveHook(marker); err != nil {
			t.Fatal(err)
		}
	}
}

func TestAnswersArePublishedAsTheHookSays(t *testing.T) {
	long := strings.Repeat("0123456789", 130) // 1300 bytes: 512, 512, 276
	object := `{"results":[{"elevation":1608.637939453125,"location":{"lat":39.7}}],"status":"OK"}`
	tests := []struct {
		name   string
		hook   func(*cloud.Hook)
		answer answer
		want   map[string]string // data by name
	}{
		{"as it is", nil, answer{status: 200, body: "ok"}, map[string]string{"hook-sent/e": "", "hook-response/e/0": "ok"}},
		{"nothing", nil, answer{status: 204}, map[string]string{"hook-sent/e": "", "hook-response/e/0": ""}},
		{"in pieces", nil, answer{status: 200, body: long}, map[string]string{
			"hook-sent/e": "", "hook-response/e/0": long[:512], "hook-response/e/1": long[512:1024], "hook-response/e/2": long[1024:],
		}},
		{"exactly one piece", nil, answer{status: 200, body: long[:512]}, map[string]string{"hook-sent/e": "", "hook-response/e/0": long[:512]}},
		{"in one", func(h *cloud.Hook) { h.Unchunked = true }, answer{status: 200, body: long}, map[string]string{"hook-sent/e": "", "hook-response/e/0": long}},
		{"in one that is too long", func(h *cloud.Hook) { h.Unchunked = true }, answer{status: 200, body: strings.Repeat(long, 20)}, map[string]string{
			"hook-sent/e": "", "hook-error/e/0": "the response is longer than one event can be (16384 bytes)",
		}},
		{"by a template", func(h *cloud.Hook) { h.ResponseTemplate = json.RawMessage(`"{{{results.0.elevation}}}"`) }, answer{status: 200, body: object}, map[string]string{
			"hook-sent/e": "", "hook-response/e/0": "1608.637939453125",
		}},
		{"by an object of templates", func(h *cloud.Hook) {
			h.ResponseTemplate = json.RawMessage(`{"lat":"{{{results.0.location.lat}}}","of":"{{PARTICLE_DEVICE_ID}}"}`)
		}, answer{status: 200, body: object}, map[string]string{
			"hook-sent/e": "", "hook-response/e/0": `{"lat":"39.7","of":"` + lampHex + `"}`,
		}},
		{"by a template, not JSON", func(h *cloud.Hook) { h.ResponseTemplate = json.RawMessage(`"[{{x}}]"`) }, answer{status: 200, body: "<html>"}, map[string]string{
			"hook-sent/e": "", "hook-response/e/0": "[]",
		}},
		{"to the device", func(h *cloud.Hook) { h.ResponseTopic = "{{PARTICLE_DEVICE_ID}}/hook-response/weather" }, answer{status: 200, body: "sun"}, map[string]string{
			"hook-sent/e": "", lampHex + "/hook-response/weather/0": "sun",
		}},
		{"for a product", func(h *cloud.Hook) { h.Product = product }, answer{status: 200, body: "sun"}, map[string]string{
			"hook-sent/e": "", lampHex + "/hook-response/e/0": "sun",
		}},
		{"as a data URL", func(h *cloud.Hook) { h.DataURL = true }, answer{status: 200, body: "\x00\xff", header: http.Header{"Content-Type": {"image/png; x=y"}}}, map[string]string{
			"hook-sent/e": "", "hook-response/e/0": "data:image/png;base64,AP8=",
		}},
		{"an error", nil, answer{status: 404, body: "no"}, map[string]string{"hook-sent/e": "", "hook-error/e/0": "error status 404 from target.example"}},
		{"an error by a topic", func(h *cloud.Hook) { h.ErrorResponseTopic = "failed_for_{{PARTICLE_DEVICE_ID}}" }, answer{status: 400}, map[string]string{
			"hook-sent/e": "", "failed_for_" + lampHex + "/0": "error status 400 from target.example",
		}},
		{"a redirect to elsewhere", nil, answer{status: 302, header: http.Header{"Location": {"http://other.example/"}}}, map[string]string{
			"hook-sent/e": "", "hook-error/e/0": "error status 302 from target.example",
		}},
		{"a topic of the system", func(h *cloud.Hook) { h.ResponseTopic = "spark/status" }, answer{status: 200, body: "offline"}, map[string]string{
			"hook-sent/e": "", "hook-error/e/0": `the response topic "spark/status" belongs to the system`,
		}},
		{"an error topic of the system", func(h *cloud.Hook) { h.ErrorResponseTopic = "Particle/x" }, answer{status: 400}, map[string]string{
			"hook-sent/e": "", "hook-error/e/0": "error status 400 from target.example",
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, &answers{list: []answer{tt.answer}})
				more := []func(*cloud.Hook){}
				if tt.hook != nil {
					more = append(more, tt.hook)
				}
				w.hook("http://target.example/", more...)
				w.publish(lamp, "e", "x")
				synctest.Wait()
				got := map[string]string{}
				for _, name := range w.heard.names() {
					if _, twice := got[name]; twice {
						t.Errorf("%s comes twice", name)
					}
					got[name] = string(w.heard.want(name).Data)
				}
				if fmt.Sprint(got) != fmt.Sprint(tt.want) {
					t.Errorf("it says\n%.300q\nwant\n%.300q", got, tt.want)
				}
			})
		})
	}
}

func TestOwnerOfAProductsDeviceHearsTheAnswerToo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, &answers{list: []answer{{status: 200, body: "x"}}})
		bobs := w.listen(bob)
		w.hook("http://target.example/", func(h *cloud.Hook) { h.Product = product })
		w.publish(fan, "e", "x")
		synctest.Wait()
		want := []string{"hook-sent/e", fan.String() + "/hook-response/e/0"}
		if a, b := w.heard.names(), bobs.names(); !slices.Equal(a, want) || !slices.Equal(b, want) {
			t.Errorf("ann hears %v and bob %v, want %v", a, b, want)
		}
	})
}

// A user whose hook answers under the name that fires another hook makes no chain.
func TestHooksDoNotFireEachOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		transport := &answers{list: []answer{{status: 200, body: "x"}}}
		w := newWorld(t, transport)
		w.hook("http://target.example/", func(h *cloud.Hook) { h.ResponseTopic = "e" })
		w.hook("http://target.example/", func(h *cloud.Hook) { h.Event = "hook"; h.ErrorResponseTopic = "e" })
		w.publish(lamp, "e", "x")
		time.Sleep(time.Hour)
		if got := transport.count(); got != 1 {
			t.Errorf("there are %d requests", got)
		}
		w.heard.want("e/0")
	})
}
