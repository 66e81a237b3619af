package relay

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const boss = "b055b055b055b055b055b055b055b055b055b055"

// admin asks the relay's API as an administrator and decodes the answer into v, which may be nil.
func (w *world) admin(method, path, body string, want int, v any) {
	w.t.Helper()
	w.cloud.mu.Lock()
	w.cloud.tokens[boss] = Access{Read: true, Write: true, Admin: true}
	w.cloud.mu.Unlock()
	status, answer, _ := w.ask(method, adminPrefix+path, body, "Authorization", "Bearer "+boss)
	if status != want {
		w.t.Fatalf("%s %s: %d %s", method, path, status, answer)
	}
	if v != nil {
		if err := json.Unmarshal([]byte(answer), v); err != nil {
			w.t.Fatalf("%s %s: %q: %v", method, path, answer, err)
		}
	}
}

func TestOnlyAnAdministratorReachesTheAPI(t *testing.T) {
	w := newWorld(t)
	w.cloud.tokens[strings.Repeat("a", 40)] = Access{Read: true, Write: true}
	for _, test := range []struct {
		header []string
		want   int
	}{
		{nil, 401}, {[]string{"Authorization", "Bearer " + strings.Repeat("0", 40)}, 401}, {[]string{"Authorization", "Bearer " + strings.Repeat("a", 40)}, 403},
	} {
		for _, path := range []string{"", "/channels", "/recordings"} {
			if status, body, _ := w.get(adminPrefix+path, test.header...); status != test.want {
				t.Errorf("%s %v: %d %s", path, test.header, status, body)
			}
		}
	}
	w.admin(http.MethodGet, "/nothing", "", 404, nil)
	w.admin(http.MethodPut, "/allow", "not JSON", 400, nil)
	w.admin(http.MethodPut, "/allow", `{"only":"some"}`, 400, nil)
	w.admin(http.MethodGet, "/channels/nobody", "", 404, nil)
}

func TestTheOwnerListsShowsKicksAndAllows(t *testing.T) {
	w := newWorld(t, func(c *Config) { c.Dir = t.TempDir() })
	d := w.device(photon)
	d.say("1\n")
	w.eventually("the line is here", func() bool { return w.relay.figures().Lines == 1 })
	var list []Channel
	w.admin(http.MethodGet, "/channels", "", 200, &list)
	if len(list) != 1 || list[0].Name != "kitchen" || list[0].Lines != 1 || !list[0].Streaming || list[0].Address != "127.0.0.1" || list[0].By != "post" {
		t.Errorf("the list is %+v", list)
	}
	var shown struct {
		Channels []Channel
		Record   Record
		Allowed  bool
	}
	w.admin(http.MethodGet, "/channels/kitchen", "", 200, &shown)
	if len(shown.Channels) != 1 || !shown.Allowed || shown.Record.Called.IsZero() || shown.Record.Returned == nil || shown.Record.From != "127.0.0.1" {
		t.Errorf("shown is %+v", shown)
	}
	var kicked struct{ Ended int }
	w.admin(http.MethodPost, "/channels/kitchen/kick", `{"block":true}`, 200, &kicked)
	if d.all(); kicked.Ended != 1 {
		t.Errorf("ended are %+v", kicked)
	}
	w.cloud.event(photon, "devicesRequest", "127.0.0.1")
	w.nonce(core) // which is the next call
	w.admin(http.MethodPut, "/allow/kitchen", "", 200, nil)
	w.device(photon)

	other := w.device(core)
	w.admin(http.MethodPut, "/allow", `{"only":"listed"}`, 200, nil)
	other.all() // it was not on the list
	var status Status
	w.admin(http.MethodGet, "", "", 200, &status)
	if !status.OnlyListed || len(status.Allowed) != 1 || status.Allowed[0] != photon || status.Counts.Streams != 1 {
		t.Errorf("the status is %+v", status)
	}
	w.admin(http.MethodPut, "/allow", `{"only":"any"}`, 200, nil)
	w.admin(http.MethodDelete, "/channels/kitchen", "", 200, &kicked)
	if kicked.Ended != 1 {
		t.Errorf("ended are %+v", kicked)
	}
	w.admin(http.MethodPost, "/channels/garden/call", "", 200, nil)
	if c := w.called(); c.device != core {
		t.Errorf("called is %+v", c)
	}
}

func TestWhomTheCloudLetsInReadsTheirOwnDevicesUntilItSaysSo(t *testing.T) {
	w := newWorld(t, func(c *Config) { c.TokenReads = true })
	ctx, end := context.WithCancel(t.Context())
	front := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, q *http.Request) {
		w.relay.Reader(func(id string) bool { return id == photon }).ServeHTTP(rw, q.WithContext(ctx))
	}))
	defer front.Close()
	defer end()
	w.address = front.Listener.Addr().String() // the cloud's port, from here on
	v := w.watch(adminPrefix + "/lines")
	if got := v.resp.Header; got.Get("Access-Control-Allow-Origin") != "" {
		t.Errorf("the head is %v", got)
	}
	a, b := w.relay.use(photon, ""), w.relay.use(core, "")
	for _, c := range []*channel{b, a} {
		w.relay.merged.publish(batch{n: 1, at: 7, frames: appendFrame(nil, []byte("of "+c.device)), from: c})
	}
	if got := v.line(); got != photon+"\t7\tof "+photon {
		t.Errorf("the line is %q", got)
	}
	status, body, _ := w.get(adminPrefix + "/overview")
	if status != 200 || !strings.Contains(body, photon) || strings.Contains(body, core) {
		t.Errorf("the overview is %d %s", status, body)
	}
	for path, want := range map[string]int{"/lines?channels=garden": 404, "/channels": 404, "": 404} {
		if status, body, _ := w.get(adminPrefix + path); status != want {
			t.Errorf("%s: %d %s", path, status, body)
		}
	}
	end()
	if rest, err := io.ReadAll(v.in); len(rest) > 0 || err != nil && !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("it ends with %q, %v", rest, err)
	}
}

func TestWhatIsRememberedSurvivesDamage(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "relay.json")
	if err := os.WriteFile(path, []byte("{damaged"), 0o600); err != nil {
		t.Fatal(err)
	}
	s, err := openStore(dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.change(func(v *remembered) error { v.Known = []string{photon}; return nil }); err != nil {
		t.Fatal(err)
	}
	again, err := openStore(dir)
	if err != nil || !again.knows(photon) {
		t.Errorf("%+v, %v", again.get(), err)
	}
	if b, err := os.ReadFile(path + ".damaged"); err != nil || string(b) != "{damaged" {
		t.Errorf("the damaged one: %q, %v", b, err)
	}
	if err := s.change(func(v *remembered) error { v.Known = nil; return os.ErrInvalid }); err == nil || !s.knows(photon) {
		t.Error("a change that failed has changed something")
	}
}

func TestAPublicNameShowsTheChosenFieldsAndNothingElse(t *testing.T) {
	w := newWorld(t, func(c *Config) { c.TokenReads = true })
	var made struct{ Page, Stream string }
	w.admin(http.MethodPut, "/public/wind", `{"device":"kitchen"}`, 200, &made)
	w.admin(http.MethodPut, "/public/full", `{"device":"kitchen","fields":["data","time","name"],"title":"<b>Kitchen"}`, 200, nil)
	w.admin(http.MethodPut, "/public/news", `{"events":"news/","fields":["data","name"]}`, 200, nil)
	if made.Page != "/p/wind" || made.Stream != "/public/wind" {
		t.Errorf("made is %+v", made)
	}
	for body, want := range map[string]int{`{}`: 400, `{"device":"kitchen","events":"x"}`: 400, `{"device":"kitchen","fields":["token"]}`: 400, `{"device":"nobody"}`: 404} {
		w.admin(http.MethodPut, "/public/odd", body, want, nil)
	}
	w.admin(http.MethodPut, "/public/a%20b", `{"device":"kitchen"}`, 400, nil)

	for path, want := range map[string]string{"/p/full": "<h1 id=\"title\">&lt;b&gt;Kitchen</h1>", "/p/west-wind": "<title>west wind</title>"} {
		if status, body, _ := w.get(path); status != 200 || !strings.Contains(body, want) || !strings.Contains(body, `class="public"`) {
			t.Errorf("%s: %d %s", path, status, body)
		}
	}
	d := w.device(photon)
	d.say("secret\n")
	w.eventually("the line is here", func() bool { return w.relay.figures().Lines == 1 })
	w.admin(http.MethodPut, "/public/wind", `{"device":"kitchen"}`, 200, &made) // again: what came before is not public
	past := w.watch("/public/wind?history=100")

	wind, full, news := w.watch("/public/wind", "Origin", "http://elsewhere.example"), w.watch("/public/full"), w.watch("/public/news", "Host", "elsewhere.example")
	w.eventually("events are followed", func() bool { return w.cloud.listeners() == 3 })
	d.say("{\"wind\":7}\n")
	past.want(`data:{"wind":7}`)
	w.watch("/public/wind?last_event_id=x.1").want(`data:{"wind":7}`)
	wind.want(`data:{"wind":7}`)
	line := full.line()
	var object map[string]string
	if err := json.Unmarshal([]byte(line), &object); err != nil || len(object) != 3 || object["data"] != `{"wind":7}` || object["name"] != "kitchen" {
		t.Errorf("the full one is %q", line)
	}
	w.cloud.event(photon, "news/1", "a\r\nevent: x")
	if got := news.line(); got != `{"data":"a\r\nevent: x","name":"news/1"}` || strings.Contains(got, photon) {
		t.Errorf("the event is %q", got)
	}
	if status, _, _ := w.ask(http.MethodPost, "/public/wind", "x"); status != 405 {
		t.Errorf("writing: %d", status)
	}
	if status, _, _ := w.get("/public/nothing"); status != 404 {
		t.Error("what is not public is there")
	}
	if status, _, _ := w.get("/data/kitchen"); status != 401 {
		t.Error("the rest became public too")
	}
	page := w.socket(upgrade("/public/wind"))
	page.say(frame(opText, random, "x"))
	page.wantMessage(opClose, "1008")

	w.admin(http.MethodDelete, "/public/wind", "", 200, nil)
	for { // cut off, not only hidden
		if _, err := wind.in.ReadString('\n'); err != nil {
			break
		}
	}
	w.admin(http.MethodDelete, "/public/wind", "", 404, nil)
	if status, _, _ := w.get("/public/wind"); status != 404 {
		t.Errorf("it is still there: %d", status)
	}
}

func TestPublicViewersOfOneAddressAreBounded(t *testing.T) {
	dir := t.TempDir()
	w := newWorld(t, func(c *Config) { c.Dir = dir })
	w.admin(http.MethodPut, "/public/wind", `{"device":"kitchen"}`, 200, nil)
	w.stop()
	w.start("127.0.0.1:0", func(c *Config) { c.Dir = dir }) // it stays public
	for range maxPublicEach {
		w.watch("/public/wind")
	}
	status, body, head := w.get("/public/wind")
	if status != 200 || head.Get("Content-Type") != "text/event-stream" || !strings.HasPrefix(body, "retry: ") {
		t.Errorf("one more: %d %q", status, body) // an error status would end a page's EventSource for ever
	}
}
