package main

import (
	"io"
	"log/slog"
	"mime"
	"net"
	"net/http"
	"sync"
	"time"
)

// newHTTPServer returns the server for the API. It has no WriteTimeout, since
// event streams never end: a stream sets a deadline for each write. Bodies
// are bounded by the API.
func newHTTPServer(h http.Handler, logger *slog.Logger) *http.Server {
	return &http.Server{
		Handler:           markTLS(h),
		ConnContext:       withTLS,
		ReadHeaderTimeout: 10 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    64 << 10,
		ErrorLog:          slog.NewLogLogger(logger.Handler(), slog.LevelDebug), // misbehaving clients
	}
}

// gate counts the requests under way. Once it is closed, new ones are refused,
// and wait returns when the ordinary ones are over: a request that turned
// into an event stream does not count.
type gate struct {
	mu       sync.Mutex
	closed   bool
	ordinary int

	idle chan struct{} // closed by over: closed, and ordinary is 0
	over func()
}

func newGate() *gate {
	idle := make(chan struct{})
	return &gate{idle: idle, over: sync.OnceFunc(func() { close(idle) })}
}

// around returns h behind the gate.
func (g *gate) around(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !g.enter() {
			w.Header().Set("Connection", "close")
			w.Header().Set("Content-Type", "application/json; charset=utf-8")
			w.Header().Set("Access-Control-Allow-Origin", "*")
			w.Header().Set("Retry-After", "2")
			w.WriteHeader(http.StatusServiceUnavailable)
			io.WriteString(w, `{"ok":false,"error":"localcloud is stopping; try again in a moment"}`+"\n")
			return
		}
		leave := sync.OnceFunc(g.leave)
		defer leave()
		h.ServeHTTP(&gateWriter{ResponseWriter: w, leave: leave}, r)
	})
}

func (g *gate) enter() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if !g.closed {
		g.ordinary++
	}
	return !g.closed
}

func (g *gate) leave() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.ordinary--
	g.checkLocked()
}

func (g *gate) close() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.closed = true
	g.checkLocked()
}

func (g *gate) checkLocked() {
	if g.closed && g.ordinary == 0 {
		g.over()
	}
}

// wait returns when the gate is closed and all ordinary requests are over.
func (g *gate) wait() error {
	<-g.idle
	return nil
}

// gateWriter leaves the gate when the answer turns out to be an event stream.
type gateWriter struct {
	http.ResponseWriter
	leave func()
	wrote bool
}

// Unwrap lets http.ResponseController reach Flush and the deadlines.
func (w *gateWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

func (w *gateWriter) WriteHeader(status int) {
	w.look()
	w.ResponseWriter.WriteHeader(status)
}

func (w *gateWriter) Write(b []byte) (int, error) {
	w.look()
	return w.ResponseWriter.Write(b)
}

func (w *gateWriter) look() {
	if w.wrote {
		return
	}
	w.wrote = true
	if kind, _, _ := mime.ParseMediaType(w.Header().Get("Content-Type")); kind == "text/event-stream" {
		w.leave()
	}
}

// lateListener is a listener whose Close only ends Accept: the socket stays
// bound, so that nobody else gets the port and who connects waits in the
// kernel's queue, until release.
type lateListener struct {
	*net.TCPListener
	closed chan struct{}
	once   sync.Once
}

func newLateListener(ln *net.TCPListener) *lateListener {
	return &lateListener{TCPListener: ln, closed: make(chan struct{})}
}

// Accept implements net.Listener.
func (l *lateListener) Accept() (net.Conn, error) {
	c, err := l.TCPListener.Accept()
	select {
	case <-l.closed:
		if err == nil {
			c.Close()
		}
		return nil, net.ErrClosed
	default:
		return c, err
	}
}

// Close implements net.Listener.
func (l *lateListener) Close() (err error) {
	l.once.Do(func() {
		close(l.closed)
		err = l.SetDeadline(time.Unix(1, 0))
	})
	return err
}

// release closes the socket.
func (l *lateListener) release() error { return l.TCPListener.Close() }
