package sink

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"localcloud/cloud"
	"localcloud/cloud/store"
	"localcloud/keys"
)

// world is a cloud in memory with a sink that runs, and two users, each with a device.
type world struct {
	*testing.T
	store *store.Store
	hub   *cloud.Hub
	sink  *Sink
	end   context.CancelFunc
	ended chan struct{}
	heard *ear // what ann hears

	transport http.RoundTripper
	backlog   memory
}

// memory is a Backlog that can fail.
type memory struct {
	text []byte
	err  error
}

// Save implements Backlog.
func (m *memory) Save(text []byte) error {
	if m.err == nil {
		m.text = text
	}
	return m.err
}

// Load implements Backlog.
func (m *memory) Load() ([]byte, error) { return m.text, m.err }

const (
	ann, bob = cloud.UserID("a"), cloud.UserID("b")
	product  = 7
)

var lamp, fan = keys.DeviceID{0xe0, 11: 1}, keys.DeviceID{0xe0, 11: 2}

// newWorld starts a cloud whose hooks go to a transport; nil: over real connections.
func newWorld(t *testing.T, transport http.RoundTripper) *world {
	t.Helper()
	w := &world{T: t, store: store.OpenMemory(store.Options{}), transport: transport}
	r := w.store.Registry()
	w.hub = cloud.NewHub(r, w.store.Events(), slog.New(slog.DiscardHandler))
	for id, owner := range map[keys.DeviceID]cloud.UserID{lamp: ann, fan: bob} {
		if _, err := r.AddUser(cloud.User{ID: owner, Name: string(owner), Created: time.Now()}); err != nil {
			t.Fatal(err)
		}
		_, err := r.UpdateDevice(id, func(d *cloud.Device, _ bool) error { d.Owner, d.Product = owner, product; return nil })
		if err != nil {
			t.Fatal(err)
		}
	}
	w.heard = w.listen(ann)
	w.start()
	t.Cleanup(func() {
		w.stop()
		w.store.Close()
	})
	return w
}

// start starts a sink, as the program does; also again after stop.
func (w *world) start() {
	w.Helper()
	w.sink = New(Config{
		Hub: w.hub, Registry: w.store.Registry(), Logger: slog.New(slog.DiscardHandler), Backlog: &w.backlog, Transport: w.transport,
	})
	ctx, end := context.WithCancel(context.Background())
	w.end, w.ended = end, make(chan struct{})
	go func() {
		defer close(w.ended)
		w.sink.Run(ctx)
	}()
	w.eventually("the sink listens", func() bool { return w.hub.Totals().Listeners == 2 })
}

func (w *world) stop() {
	w.end()
	<-w.ended
}

// eventually waits for something that has to happen. In a bubble it takes no real time.
func (w *world) eventually(what string, ok func() bool) {
	w.Helper()
	for range 30_000 {
		if ok() {
			return
		}
		time.Sleep(time.Millisecond)
	}
	w.Fatalf("it never happens that %s", what)
}

// hook stores a hook of ann's for the event "e".
func (w *world) hook(url string, more ...func(*cloud.Hook)) cloud.HookID {
	w.Helper()
	h := cloud.Hook{ID: cloud.NewHookID(), Owner: ann, Event: "e", URL: url, Method: http.MethodPost}
	for _, f := range more {
		f(&h)
	}
	if err := Check(h); err != nil {
		w.Fatal(err)
	}
	if err := w.store.Registry().AddHook(h); err != nil {
		w.Fatal(err)
	}
	w.sink.Reload()
	return h.ID
}

// allow opens addresses to hooks.
func (w *world) allow(targets ...string) {
	w.Helper()
	_, err := w.store.Registry().UpdateSettings(func(s *cloud.Settings) error {
		s.HookTargets = nil
		for _, text := range targets {
			target, err := cloud.ParseHookTarget(text)
			if err != nil {
				return err
			}
			s.HookTargets = append(s.HookTargets, target)
		}
		return nil
	})
	if err != nil {
		w.Fatal(err)
	}
	w.sink.Reload()
}

// publish publishes an event as a device does.
func (w *world) publish(device keys.DeviceID, name, data string) {
	w.Helper()
	d, _ := w.store.Registry().Device(device)
	w.take(cloud.Event{Name: name, Data: []byte(data), Device: device, Owner: d.Owner, Private: true, Format: cloud.TextFormat})
}

func (w *world) take(ev cloud.Event) {
	w.Helper()
	if err := w.hub.Publish(context.Background(), ev); err != nil {
		w.Fatal(err)
	}
}

// ear hears what the Hub offers to one user.
type ear struct {
	w  *world
	mu sync.Mutex
	// Guarded by mu.
	events []*cloud.Event
}

func (w *world) listen(user cloud.UserID) *ear {
	e := &ear{w: w}
	w.hub.Subscribe(cloud.Filter{Owner: user}, e)
	return e
}

// Offer implements cloud.Listener.
func (e *ear) Offer(ev *cloud.Event) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.events = append(e.events, ev)
	return true
}

// names returns the names of all events heard that are not ordinary.
func (e *ear) names() (names []string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, ev := range e.events {
		if ev.Source == cloud.SourceCloud {
			names = append(names, ev.Name)
		}
	}
	return names
}

// want waits for an event that a hook published, and returns it.
func (e *ear) want(name string) *cloud.Event {
	e.w.Helper()
	var found *cloud.Event
	e.w.eventually("there is an event "+name, func() bool {
		e.mu.Lock()
		defer e.mu.Unlock()
		for _, ev := range e.events {
			if ev.Name == name && ev.Source == cloud.SourceCloud {
				found = ev
			}
		}
		return found != nil
	})
	if !found.Private || !found.Device.IsZero() || found.CoreID() != "particle-internal" {
		e.w.Errorf("%s is private: %v, from %s", name, found.Private, found.CoreID())
	}
	return found
}

// target is an HTTP server that notes what it is sent.
type target struct {
	*httptest.Server
	mu sync.Mutex
	// Guarded by mu.
	got []got
}

type got struct {
	method, uri, host, body string
	header                  http.Header
}

func newTarget(t *testing.T, answer http.HandlerFunc) *target {
	t.Helper()
	tg := &target{}
	tg.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		tg.mu.Lock()
		tg.got = append(tg.got, got{r.Method, r.RequestURI, r.Host, string(body), r.Header})
		tg.mu.Unlock()
		answer(w, r)
	}))
	t.Cleanup(tg.Close)
	return tg
}

func (tg *target) requests() []got {
	tg.mu.Lock()
	defer tg.mu.Unlock()
	return append([]got{}, tg.got...)
}

func (tg *target) address() netip.AddrPort {
	return netip.MustParseAddrPort(strings.TrimPrefix(tg.URL, "http://"))
}

// answers is a transport that answers in turn, and then with its last answer for ever.
type answers struct {
	mu sync.Mutex
	// Guarded by mu.
	list []answer
	at   []time.Time // when it was asked
}

type answer struct {
	status int // 0: no answer at all
	header http.Header
	body   string
	takes  time.Duration
}

// RoundTrip implements http.RoundTripper.
func (a *answers) RoundTrip(req *http.Request) (*http.Response, error) {
	a.mu.Lock()
	a.at = append(a.at, time.Now())
	now := a.list[0]
	if len(a.list) > 1 {
		a.list = a.list[1:]
	}
	a.mu.Unlock()
	select {
	case <-time.After(now.takes):
	case <-req.Context().Done():
		return nil, req.Context().Err()
	}
	if now.status == 0 {
		return nil, errors.New("connection refused")
	}
	if now.header == nil {
		now.header = http.Header{}
	}
	return &http.Response{StatusCode: now.status, Header: now.header, Body: io.NopCloser(strings.NewReader(now.body)), Request: req}, nil
}

// gaps returns the time between the requests.
func (a *answers) gaps() (gaps []time.Duration) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for i := 1; i < len(a.at); i++ {
		gaps = append(gaps, a.at[i].Sub(a.at[i-1]))
	}
	return gaps
}

func (a *answers) count() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return len(a.at)
}

// newTLSTarget is a target with a certificate that nobody trusts.
func newTLSTarget(t *testing.T) *httptest.Server {
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	s.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	s.StartTLS()
	t.Cleanup(s.Close)
	return s
}
