package api

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"localcloud/cloud"
	"localcloud/cloud/sse"
	"localcloud/cloud/store"
)

// inBubble runs a test in virtual time against a real http.Server whose
// connections are pipes: a Write of the server waits until somebody reads it,
// and one Read gets what one Write wrote.
func inBubble(t *testing.T, test func(*testing.T, *world), change ...func(*Config)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, change...)
		w.serve(&http.Server{})
		test(t, w)
	})
}

// wait lets virtual time pass.
func wait(d time.Duration) { <-time.After(d) }

// pipes is a net.Listener in memory.
type pipes struct {
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error   { p.once.Do(func() { close(p.closed) }); return nil }
func (p *pipes) Addr() net.Addr { return &net.UnixAddr{Name: "pipe"} }

func (p *pipes) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	ours, theirs := net.Pipe()
	select {
	case p.conns <- theirs:
		return ours, nil
	case <-p.closed:
		return nil, net.ErrClosed
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// serve starts srv; dial and client reach it.
func (w *world) serve(srv *http.Server) {
	w.pipes = &pipes{conns: make(chan net.Conn), closed: make(chan struct{})}
	w.http = srv
	srv.Handler = w.server.Handler()
	transport := &http.Transport{DialContext: w.pipes.dial}
	w.client = &http.Client{Transport: transport}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		srv.Serve(w.pipes)
	}()
	w.Cleanup(func() {
		transport.CloseIdleConnections()
		srv.Close()
		<-ended
	})
}

// raw is a connection that sees the bytes of each Write of the server.
type raw struct {
	*testing.T
	net.Conn
}

// open sends a request for a stream over a connection of its own.
func (w *world) open(path string, token cloud.Secret, headers ...string) *raw {
	w.Helper()
	c := must(w.pipes.dial(w.Context(), "", ""))
	w.Cleanup(func() { c.Close() })
	lines := append([]string{"GET " + path + " HTTP/1.1", "Host: cloud", "Authorization: Bearer " + string(token)}, headers...)
	go io.WriteString(c, strings.Join(lines, "\r\n")+"\r\n\r\n")
	return &raw{w.T, c}
}

// write returns what the server's next Write wrote.
func (r *raw) write() string {
	r.Helper()
	b := make([]byte, 1<<20)
	n, err := r.Read(b)
	if err != nil {
		r.Fatalf("no write: %v", err)
	}
	return string(b[:n])
}

// chunk returns the next chunk, which has to come in one Write.
func (r *raw) chunk() string {
	r.Helper()
	text := r.write()
	size, rest, _ := strings.Cut(text, "\r\n")
	var n int
	fmt.Sscanf(size, "%x", &n)
	if n == 0 || len(rest) != n+2 || !strings.HasSuffix(rest, "\r\n") {
		r.Fatalf("not one whole chunk: %q", text)
	}
	return rest[:n]
}

// started reads the head and the preamble.
func (r *raw) started() *raw {
	r.Helper()
	head, first := r.write(), r.chunk()
	if !strings.HasPrefix(head, "HTTP/1.1 200 OK\r\n") || first != ":ok\n\n" {
		r.Fatalf("a stream does not begin with %q and %q", head, first)
	}
	return r
}

// stream is an event stream that a client reads as it comes.
type stream struct {
	*testing.T
	events chan sse.Frame // closed when the stream ends
	err    error          // what ended it, io.EOF for a clean end; read after events is closed
	cancel func()
}

// follow opens a stream and reads it.
func (w *world) follow(path string, token cloud.Secret, headers ...string) *stream {
	w.Helper()
	ctx, cancel := context.WithCancel(w.Context())
	w.Cleanup(cancel)
	r := must(http.NewRequestWithContext(ctx, "GET", "http://cloud"+path, nil))
	r.Header.Set("Authorization", "Bearer "+string(token))
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		r.Header.Set(name, value)
	}
	resp, err := w.client.Do(r)
	if err != nil {
		w.Fatal(err)
	}
	if resp.StatusCode != 200 || resp.Header.Get("Content-Type") != "text/event-stream" {
		text, _ := io.ReadAll(resp.Body)
		w.Fatalf("%s: %s %s", path, resp.Status, text)
	}
	s := &stream{T: w.T, events: make(chan sse.Frame, 10000), cancel: cancel}
	go func() {
		defer close(s.events)
		defer resp.Body.Close()
		reader := sse.NewReader(resp.Body)
		for {
			ev, err := reader.Next()
			if err != nil {
				s.err = err
				return
			}
			s.events <- ev
		}
	}()
	synctest.Wait()
	return s
}

// names returns the names of the events that have come so far.
func (s *stream) names() (names []string) {
	synctest.Wait()
	for {
		select {
		case ev, ok := <-s.events:
			if !ok {
				return names
			}
			names = append(names, ev.Event)
		default:
			return names
		}
	}
}

// wants checks the names of the events that have come so far.
func (s *stream) wants(names ...string) {
	s.Helper()
	if got := s.names(); !slices.Equal(got, names) {
		s.Errorf("got events %q, want %q", got, names)
	}
}

// ends waits for the end of the stream and returns what ended it.
func (s *stream) ends() error {
	for range s.events {
	}
	return s.err
}

func (w *world) publish(owner, name, data string, more ...func(*cloud.Event)) cloud.EventID {
	w.Helper()
	ev := cloud.Event{Name: name, Data: []byte(data), Owner: w.userID(owner), Source: cloud.SourceAPI, Private: true}
	for _, f := range more {
		f(&ev)
	}
	h := &heard{}
	sub := w.hub.Subscribe(cloud.Filter{AllOwners: true}, h)
	defer w.hub.Unsubscribe(sub)
	if err := w.hub.Publish(w.Context(), ev); err != nil {
		w.Error(err)
	}
	return h.events[0].ID
}

func public(ev *cloud.Event) { ev.Private = false }

func from(hex string) func(*cloud.Event) { return func(ev *cloud.Event) { ev.Device = id(hex) } }

func TestStreamToTheByte(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		r := w.open("/v1/devices/events", w.alice)
		head := r.write()
		lines := strings.Split(strings.TrimSuffix(head, "\r\n\r\n"), "\r\n")
		for _, want := range []string{
			"HTTP/1.1 200 OK", "Content-Type: text/event-stream", "Cache-Control: no-cache", "Connection: keep-alive",
			"X-Accel-Buffering: no", "Access-Control-Allow-Origin: *", "Transfer-Encoding: chunked",
		} {
			if !slices.Contains(lines, want) {
				t.Errorf("%q is not in the head %q", want, head)
			}
		}
		if !strings.HasSuffix(head, "\r\n\r\n") {
			t.Errorf("there is more than the head in the first write: %q", head)
		}
		if got := r.chunk(); got != ":ok\n\n" {
			t.Errorf("the first bytes are %q", got)
		}
		at := time.Now().UTC()
		id := w.publish("alice", "temperature", "25.34 \u00b0C", from(lampID))
		want := fmt.Sprintf("id: %d\nevent: temperature\ndata: {\"data\":\"25.34 \\u00b0C\",\"ttl\":60,\"published_at\":\"%s\",\"coreid\":\"%s\"}\n\n",
			id, at.Format("2006-01-02T15:04:05.000Z"), lampID)
		if got := r.chunk(); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
		w.publish("alice", "x", strings.Repeat("d", 3000))
		r.chunk() // longer than net/http's own buffer, and still one piece
	})
}

func TestPublishedThroughTheAPI(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		s := w.follow("/v1/devices/events/x?nonce=961.60", w.alice)
		w.do("POST /v1/devices/events", as(w.alice), jsonText(`{"name":"x/1","data":"hi"}`)).is(200, `{"ok":true}`)
		synctest.Wait()
		var data map[string]any
		if err := json.Unmarshal((<-s.events).Data, &data); err != nil || data["data"] != "hi" || data["coreid"] != "001" || data["ttl"] != 60.0 {
			t.Errorf("got %v, %v", data, err)
		}
	})
}

func TestDeviceCannotForgeAFrame(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		s := w.follow("/v1/devices/events", w.alice)
		w.lamp.presence.Publish(t.Context(), cloud.Event{Name: "x\ndata: {}\n\nevent: y", Data: []byte("1\n\nevent: z\r\r")}, func(error) {})
		s.wants("x\ufffddata: {}\ufffd\ufffdevent: y")
	})
}

func TestKeepAliveComesNineSecondsAfterTheLastWrite(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		start := time.Now()
		r := w.open("/v1/devices/events", w.alice).started()
		after := func(want time.Duration, bytes string) {
			t.Helper()
			if got := r.chunk(); !strings.HasPrefix(got, bytes) || time.Since(start) != want {
				t.Errorf("%q after %v, want %q after %v", got, time.Since(start), bytes, want)
			}
		}
		after(9*time.Second, "\n")
		after(18*time.Second, "\n")
		time.AfterFunc(2*time.Second, func() { w.publish("alice", "x", "1") })
		after(20*time.Second, "id: ")
		after(29*time.Second, "\n")
	})
}

func TestKeepAliveIsNeverSlower(t *testing.T) {
	for set, want := range map[time.Duration]time.Duration{0: 9 * time.Second, time.Minute: 9 * time.Second, 3 * time.Second: 3 * time.Second} {
		if got := newWorld(t, func(c *Config) { c.KeepAlive = set }).server.KeepAlive; got != want {
			t.Errorf("set to %v: %v, want %v", set, got, want)
		}
	}
}

func TestStreamOutlivesTheServersTimeouts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.serve(&http.Server{ReadTimeout: 5 * time.Second, WriteTimeout: 5 * time.Second, IdleTimeout: 5 * time.Second})
		s := w.follow("/v1/devices/events/x", w.alice)
		wait(time.Hour)
		w.publish("alice", "x", "1")
		s.wants("x")
	})
}

func TestWhoSeesWhat(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		tied := w.token("alice", "device:"+lampID)
		streams := []struct {
			path  string
			token cloud.Secret
			want  []string
		}{
			{"/v1/devices/events", w.alice, []string{"a.api", "a.lamp", "a.public"}},
			{"/v1/devices/events", w.bob, []string{"b.api", "b.public"}},
			{"/v1/events", w.alice, []string{"a.api", "a.lamp", "a.public", "b.public"}},
			{"/v1/events/b", w.alice, []string{"b.public"}},
			{"/v1/events/a.", w.bob, []string{"a.public"}},
			{"/v1/devices/lamp/events", w.alice, []string{"a.lamp"}},
			{"/v1/devices/" + strings.ToUpper(lampID) + "/events/a.l", w.alice, []string{"a.lamp"}},
			{"/v1/devices/lamp/events/x", w.alice, nil},
			{"/v1/devices/fan/events", w.bob, nil},
			{"/v1/devices/events", w.root, []string{"a.api", "a.lamp", "a.public", "b.api", "b.public"}},
			{"/v1/devices/events", tied, []string{"a.lamp"}},
			{"/v1/events", tied, []string{"a.lamp"}},
		}
		var open []*stream
		for _, s := range streams {
			open = append(open, w.follow(s.path, s.token))
		}
		w.publish("alice", "a.api", "")
		w.publish("alice", "a.lamp", "", from(lampID))
		w.publish("alice", "a.public", "", public)
		w.publish("Bob", "b.api", "")
		w.publish("Bob", "b.public", "", public)
		for i, s := range open {
			if got := s.names(); !slices.Equal(got, streams[i].want) {
				t.Errorf("%s: got %q, want %q", streams[i].path, got, streams[i].want)
			}
		}
	})
}

func TestPrefixMayHoldSlashes(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		events := []string{"my/ev", "my/event/2", "my-other", "MY/ev", "a b/1", "//x", "my/"}
		wants := map[string][]string{
			"/v1/devices/events/my%2Fev":      {"my/ev", "my/event/2"},
			"/v1/devices/events/my/ev":        {"my/ev", "my/event/2"},
			"//v1/devices/events//my%2fev/":   {"my/ev", "my/event/2"},
			"/v1/devices/events/my%2F":        {"my/ev", "my/event/2", "my/"},
			"/v1/devices/events/MY":           {"MY/ev"},
			"/v1/devices/events/a%20b%2F":     {"a b/1"},
			"/v1/devices/events/%2F%2F":       {"//x"},
			"/v1/devices/events/?x=1":         events,
			"/v1/events/my/event/2":           {"my/event/2"},
			"/v1/devices/lamp/events/my%2Fev": nil,
		}
		streams := map[string]*stream{}
		for path := range wants {
			streams[path] = w.follow(path, w.alice)
		}
		for _, name := range events {
			w.publish("alice", name, "")
		}
		for path, s := range streams {
			if got := s.names(); !slices.Equal(got, wants[path]) {
				t.Errorf("%s: got %q, want %q", path, got, wants[path])
			}
		}
	})
}

func TestStreamIsRefusedWithAnOrdinaryError(t *testing.T) {
	w := newWorld(t)
	w.do("GET /v1/devices/events?access_token=wrong").fails(401, "invalid_token", "The access token provided is invalid.")
	w.do("GET /v1/devices/nope/events", as(w.alice)).fails(403, "Permission Denied", "Permission Denied")
	w.do("GET /v1/devices/fan/events/x", as(w.alice)).fails(403, "Permission Denied", "Permission Denied")
	for _, id := range []string{"x", "-1", "1.5", "99999999999999999999999"} {
		w.do("GET /v1/devices/events", as(w.alice), header("Last-Event-ID", id)).has(400, `{"ok":false}`)
		w.do("GET /v1/devices/events?last_event_id="+id, as(w.alice)).has(400, `{"ok":false}`)
	}
	if n := w.hub.Totals().Listeners; n != 0 {
		t.Errorf("%d listeners are left", n)
	}
}

func TestStreamEndsWithItsToken(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		first, second := w.token("alice"), w.token("alice")
		a, b := w.follow("/v1/devices/events", first), w.follow("/v1/devices/events", second)
		w.do("DELETE /v1/access_tokens/"+string(first)).is(200, `{"ok":true}`)
		if err := a.ends(); err != io.EOF {
			t.Errorf("ended with %v, want a clean end", err)
		}
		w.publish("alice", "x", "")
		b.wants("x")
		w.do("DELETE /v1/localcloud/users/alice", as(w.root)).is(200, `{"ok":true}`)
		if err := b.ends(); err != io.EOF {
			t.Errorf("ended with %v, want a clean end", err)
		}

		issued := must(w.accounts.Issue(cloud.Grant{User: w.userID("Bob"), Life: time.Minute}))
		start := time.Now()
		c := w.follow("/v1/devices/events", issued.Secret)
		if err := c.ends(); err != io.EOF || time.Since(start) != time.Minute {
			t.Errorf("ended with %v after %v, want a clean end when the token expires", err, time.Since(start))
		}
		d := w.follow("/v1/devices/events", control)
		wait(time.Hour)
		w.publish("Bob", "y", "")
		d.wants("y")
		if n := w.server.OpenStreams(); n != 1 {
			t.Errorf("%d streams are open, want 1", n)
		}
	})
}

func TestNothingIsSentToARevokedToken(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		token := w.token("alice")
		r := w.open("/v1/devices/events", token).started()
		for i := range 20 {
			w.publish("alice", fmt.Sprint("x", i), "") // nobody reads: one is on its way, the others wait
			synctest.Wait()
		}
		w.accounts.Revoke(token.ID())
		if got := r.chunk(); !strings.Contains(got, "event: x0\n") {
			t.Errorf("got %q", got)
		}
		if got := r.write(); got != "0\r\n\r\n" {
			t.Errorf("after the token was revoked came %q", got)
		}
	})
}

func TestStreamEndsWhenItsClientGoes(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		s, r := w.follow("/v1/devices/events", w.alice), w.open("/v1/devices/events", w.alice).started()
		if n, l := w.server.OpenStreams(), w.hub.Totals().Listeners; n != 2 || l != 2 {
			t.Errorf("%d streams, %d listeners, want 2 of each", n, l)
		}
		s.cancel()
		r.Close()
		synctest.Wait()
		if n, l := w.server.OpenStreams(), w.hub.Totals().Listeners; n != 0 || l != 0 {
			t.Errorf("%d streams, %d listeners are left", n, l)
		}
	})
}

func TestReaderThatNeverReadsHindersNobody(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		good := w.follow("/v1/devices/events", w.alice)
		stuck := w.open("/v1/devices/events", w.alice).started()
		start := time.Now()
		for i := range 1000 {
			w.publish("alice", fmt.Sprint("x", i), "data")
			synctest.Wait()
		}
		if got := good.names(); len(got) != 1000 || time.Since(start) != 0 {
			t.Errorf("the other reader got %d events of 1000 in %v", len(got), time.Since(start))
		}
		if lost := w.hub.Totals().Lost; lost != 1000-256-1 {
			t.Errorf("%d are counted as lost, want all but those that wait and the one on its way", lost)
		}
		wait(20*time.Second - 1)
		synctest.Wait()
		if n := w.server.OpenStreams(); n != 2 {
			t.Errorf("cut off early: %d streams", n)
		}
		wait(1)
		synctest.Wait()
		if n := w.server.OpenStreams(); n != 1 {
			t.Errorf("%d streams after 20 s without a byte taken, want 1", n)
		}
		if rest, err := io.ReadAll(stuck); len(rest) != 0 || err != nil {
			t.Errorf("it got %q, %v; want a closed connection", rest, err)
		}
	})
}

func TestSlowReaderGetsWhatIsQueuedAndCatchesUpByID(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		slow := w.open("/v1/devices/events", w.alice).started()
		for i := range 10 {
			w.publish("alice", fmt.Sprint("x", i), "")
			synctest.Wait()
		}
		last := ""
		for i := range 5 { // one on its way, four in the queue
			frame := must(sse.NewReader(strings.NewReader(slow.chunk())).Next())
			if want := fmt.Sprint("x", i); frame.Event != want {
				t.Errorf("got %s, want %s", frame.Event, want)
			}
			last = frame.ID
		}
		if end := slow.write(); end != "0\r\n\r\n" {
			t.Errorf("then came %q, want a clean end", end)
		}
		again := w.follow("/v1/devices/events", w.alice, "Last-Event-ID: "+last)
		again.wants("x5", "x6", "x7", "x8", "x9")
		w.publish("alice", "y", "")
		again.wants("y")
	}, func(c *Config) { c.QueueSize = 4 })
}

func TestCatchUp(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		var ids []cloud.EventID
		var names []string
		for i := range 3*page + 5 {
			names = append(names, fmt.Sprint("x", i))
			ids = append(ids, w.publish("alice", names[i], ""))
			w.publish("Bob", names[i], "")
		}
		for _, from := range []int{0, 1, page, 2*page - 1, len(ids) - 1} {
			w.follow("/v1/devices/events/x", w.alice, "Last-Event-ID: "+ids[from].String()).wants(names[from+1:]...)
		}
		w.follow("/v1/devices/events?last_event_id="+ids[50].String(), w.alice).wants(names[51:]...)
		w.follow("/v1/devices/events/x7?last_event_id=0", w.alice).wants(slices.DeleteFunc(slices.Clone(names), func(s string) bool { return !strings.HasPrefix(s, "x7") })...)
		// An id that no event has goes on behind it, and one to come waits.
		w.follow("/v1/devices/events/x", w.alice, "Last-Event-ID: "+(ids[50]-1).String()).wants(names[50:]...)
		w.follow("/v1/devices/events/x", w.alice, "Last-Event-ID: "+(ids[len(ids)-1]+1000000).String()).wants()
		w.follow("/v1/devices/events/x", w.alice).wants() // nobody asked
		w.follow("/v1/devices/events/x", w.alice, "Last-Event-ID: ").wants()
	})
}

func TestHistoryIsNotInTheFirstWrite(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		w.publish("alice", "x", "")
		r := w.open("/v1/devices/events/x?last_event_id=0", w.alice).started()
		if got := r.chunk(); !strings.Contains(got, "event: x\n") {
			t.Errorf("got %q", got)
		}
	})
}

// slowLog reads as a very large log would.
type slowLog struct {
	cloud.Log
	delay    time.Duration
	stubborn bool // it does not look at ctx
}

func (l slowLog) Read(ctx context.Context, after cloud.EventID, yield func(*cloud.Event) bool) error {
	if l.stubborn {
		ctx = context.Background()
	}
	select {
	case <-time.After(l.delay):
	case <-ctx.Done():
		return ctx.Err()
	}
	return l.Log.Read(ctx, after, yield)
}

func TestKeepAliveWhileTheLogIsSearched(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		w.useLog(slowLog{delay: time.Minute})
		w.publish("alice", "x", "")
		r := w.open("/v1/devices/events/x?last_event_id=0", w.alice).started()
		start := time.Now()
		for range 6 {
			if got := r.chunk(); got != "\n" {
				t.Errorf("after %v: %q", time.Since(start), got)
			}
		}
		if got := r.chunk(); !strings.Contains(got, "event: x\n") || time.Since(start) != time.Minute {
			t.Errorf("after %v: %q", time.Since(start), got)
		}
	})
}

func TestSearchOfTheLogEndsWithItsStream(t *testing.T) {
	for _, stubborn := range []bool{false, true} {
		inBubble(t, func(t *testing.T, w *world) {
			w.useLog(slowLog{delay: time.Minute, stubborn: stubborn})
			r := w.open("/v1/devices/events/x?last_event_id=0", w.alice).started()
			synctest.Wait()
			r.Close()
			synctest.Wait()
			if n := w.server.OpenStreams(); (n == 1) != stubborn {
				t.Errorf("stubborn %v: %d streams while the log is searched", stubborn, n)
			}
			wait(time.Minute)
			synctest.Wait()
			if n := w.server.OpenStreams(); n != 0 {
				t.Errorf("stubborn %v: %d streams are left", stubborn, n)
			}
		})
	}
}

// useLog gives the world a Hub whose log goes through l.
func (w *world) useLog(l slowLog) {
	st := store.OpenMemory(store.Options{})
	w.Cleanup(func() { st.Close() })
	l.Log = st.Events()
	w.hub = cloud.NewHub(w.registry, l, w.server.Logger)
	w.server.Hub = w.hub
}

// unreadable fails with an error.
type unreadable struct {
	cloud.Log
	err error
}

func (l unreadable) Read(ctx context.Context, after cloud.EventID, yield func(*cloud.Event) bool) error {
	return l.err
}

func TestDamagedLogDoesNotEndTheStream(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		w.useLog(slowLog{})
		w.hub = cloud.NewHub(w.registry, unreadable{emptyLog{}, errors.New("block 7 is damaged")}, w.server.Logger)
		w.server.Hub = w.hub
		s := w.follow("/v1/devices/events/x?last_event_id=0", w.alice)
		s.wants()
		if w.server.OpenStreams() != 1 || !strings.Contains(w.logged(), "block 7 is damaged") {
			t.Errorf("%d streams; the log says %s", w.server.OpenStreams(), w.logged())
		}
	})
}

func TestClosedLogEndsAStreamThatCatchesUp(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		w.useLog(slowLog{})
		w.hub = cloud.NewHub(w.registry, unreadable{emptyLog{}, cloud.E("event log", cloud.Other, cloud.ErrClosed)}, w.server.Logger)
		w.server.Hub = w.hub
		w.follow("/v1/devices/events/x?last_event_id=0", w.alice)
		synctest.Wait()
		if n := w.server.OpenStreams(); n != 0 {
			t.Errorf("%d streams go on, with a gap that their clients cannot see", n)
		}
	})
}

// TestCatchUpIsExact: while several publish, a client that is cut off again
// and again, and goes on by id, gets every event once and in order.
func TestCatchUpIsExact(t *testing.T) {
	const publishers, each = 4, 150
	inBubble(t, func(t *testing.T, w *world) {
		w.publish("alice", "x", "")
		all := w.listen()
		var wg sync.WaitGroup
		for range publishers {
			wg.Go(func() {
				for range each {
					if err := w.hub.Publish(t.Context(), cloud.Event{Name: "x", Owner: w.userID("alice")}); err != nil {
						t.Error(err)
					}
				}
			})
		}
		var got []string
		last, reconnects := "0", -1
		for len(got) < publishers*each+1 {
			reconnects++
			ctx, cancel := context.WithCancel(t.Context())
			r := must(http.NewRequestWithContext(ctx, "GET", "http://cloud/v1/devices/events/x", nil))
			r.Header.Set("Authorization", "Bearer "+string(w.alice))
			r.Header.Set("Last-Event-ID", last)
			resp := must(w.client.Do(r))
			reader := sse.NewReader(resp.Body)
			for n := 1 + rand.IntN(40); n > 0 && len(got) < publishers*each+1; n-- {
				ev, err := reader.Next()
				if err != nil {
					break
				}
				got, last = append(got, ev.ID), ev.ID
			}
			cancel()
			resp.Body.Close()
		}
		wg.Wait()
		want := got[:1:1]
		for _, ev := range all.events {
			want = append(want, ev.ID.String())
		}
		if !slices.Equal(got, want) {
			t.Errorf("after %d reconnects: %d events, want %d, in order and without doubles", reconnects, len(got), len(want))
		}
		t.Logf("%d reconnects", reconnects)
	})
}

func TestCloseStreams(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		start := time.Now()
		quiet, waiting := w.follow("/v1/devices/events", w.alice), w.open("/v1/devices/events", w.alice).started()
		for i := range 3 {
			w.publish("alice", fmt.Sprint("x", i), "")
		}
		ended := make(chan struct{})
		go func() { defer close(ended); w.server.CloseStreams() }()
		if err := quiet.ends(); err != io.EOF {
			t.Errorf("ended with %v, want a clean end", err)
		}
		for i := range 3 { // what waits is not lost
			if got := waiting.chunk(); !strings.Contains(got, fmt.Sprintf("event: x%d\n", i)) {
				t.Errorf("got %q, want x%d", got, i)
			}
		}
		if got := waiting.write(); got != "0\r\n\r\n" {
			t.Errorf("then came %q, want the end of the body", got)
		}
		<-ended
		w.do("GET /v1/devices/events", as(w.alice)).fails(503, errClosing.code, errClosing.text)
		if a := w.do("GET /v1/devices/events", as(w.alice)); a.header.Get("Retry-After") != "2" {
			t.Errorf("Retry-After is %q", a.header.Get("Retry-After"))
		}
		w.do("GET /v1/devices", as(w.alice)).list() // the rest goes on
		w.server.CloseStreams()                     // once more does nothing
		if took := time.Since(start); took != 0 {
			t.Errorf("took %v", took)
		}
		if err := w.http.Shutdown(t.Context()); err != nil || time.Since(start) > time.Second {
			t.Errorf("shut down with %v after %v", err, time.Since(start)) // it looks every few milliseconds
		}
	})
}

func TestCloseStreamsDoesNotWaitForAStalledClient(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		w.open("/v1/devices/events", w.alice).started()
		w.publish("alice", "x", "") // it does not take that
		synctest.Wait()
		start := time.Now()
		w.server.CloseStreams()
		if took := time.Since(start); took != 2*time.Second {
			t.Errorf("took %v", took)
		}
	})
}

func TestLastEventsHaveToBeTakenInTime(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		r := w.open("/v1/devices/events", w.alice).started()
		for i := range 3 {
			w.publish("alice", fmt.Sprint("x", i), "")
		}
		synctest.Wait()
		go w.server.CloseStreams()
		synctest.Wait()
		r.chunk()
		wait(2 * time.Second) // it takes no more
		synctest.Wait()
		if n := w.server.OpenStreams(); n != 0 {
			t.Errorf("%d streams are open still", n)
		}
	})
}

func TestCloseStreamsDoesNotWaitForTheLog(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		w.useLog(slowLog{delay: time.Hour})
		s := w.follow("/v1/devices/events/x?last_event_id=0", w.alice)
		start := time.Now()
		w.server.CloseStreams()
		if err := s.ends(); err != io.EOF || time.Since(start) != 2*time.Second {
			t.Errorf("ended with %v after %v, want a clean end", err, time.Since(start))
		}
	})
}

func TestCloseStreamsWithoutStreams(t *testing.T) {
	w := newWorld(t)
	w.server.CloseStreams()
	w.do("GET /v1/events", as(w.alice)).fails(503, errClosing.code, errClosing.text)
}

// A connection that carried a stream serves the next request as any other.
func TestConnectionIsGoodAfterAStream(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		token := w.token("alice")
		r := w.open("/v1/devices/events", token).started()
		w.accounts.Revoke(token.ID())
		if got := r.write(); got != "0\r\n\r\n" {
			t.Fatalf("got %q", got)
		}
		wait(time.Minute)
		go io.WriteString(r, "GET /v1/server/key HTTP/1.1\r\nHost: cloud\r\n\r\n")
		resp, err := http.ReadResponse(bufio.NewReader(r), nil)
		if err != nil || resp.StatusCode != 200 {
			t.Errorf("got %v, %v", resp, err)
		}
	})
}
