package api

import (
	"context"
	"fmt"
	"io"
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
