package relay

import (
	"bufio"
	"container/list"
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"time"
)

// Bounds of connections.
const (
	headTime      = 10 * time.Second // a request's head has to be there by then
	keepAlive     = 15 * time.Second // between probes of a silent connection; four unanswered end it
	maxConns      = 8192             // half of them of one address
	maxHeads      = 1024             // connections whose head is not there yet
	maxHeadsEach  = 64               // of one address
	writeTime     = 20 * time.Second
	errorPauseMax = time.Second
)

var (
	errStopping = errors.New("the relay is stopping")
	errReplaced = errors.New("the device connected again")
	errKicked   = errors.New("the owner ended it")
)

// accept takes connections in until ctx ends.
func (r *Relay) accept(ctx context.Context, ln net.Listener) error {
	handed := newHanded(ln.Addr())
	server := &http.Server{
		Handler: r.web, ReadHeaderTimeout: headTime, IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 2 * maxHead,
		ErrorLog: slog.NewLogLogger(r.log.Handler(), slog.LevelDebug), // misbehaving clients
	}
	served := make(chan struct{})
	go func() {
		defer close(served)
		server.Serve(handed)
	}()
	stop := context.AfterFunc(ctx, func() { ln.Close() })
	defer func() {
		stop()
		ln.Close()
		r.end(errStopping) // streams and viewers end, which is what Shutdown waits for
		r.conns.closeAll()
		late, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		if server.Shutdown(late) != nil {
			server.Close()
		}
		<-served
	}()
	pause := 5 * time.Millisecond
	for {
		nc, err := ln.Accept()
		switch {
		case err == nil:
			pause = 5 * time.Millisecond
			r.work.Go(func() { r.receive(nc, handed) })
		case ctx.Err() != nil:
			return nil
		case errors.Is(err, net.ErrClosed):
			return err
		default: // such as too many open files
			r.log.Warn("nobody can connect", "err", err)
			select {
			case <-time.After(pause):
			case <-ctx.Done():
				return nil
			}
			pause = min(2*pause, errorPauseMax)
		}
	}
}

// receive looks at the head of a new connection and serves it if a device
// speaks; everybody else is handed to net/http.
func (r *Relay) receive(nc net.Conn, handed *handed) {
	from := addressOf(nc.RemoteAddr())
	if !r.conns.enter(nc, from) {
		r.counts.slow.Add(1)
		nc.Close()
		return
	}
	defer r.conns.leave(nc, from)
	if tcp, ok := nc.(*net.TCPConn); ok {
		tcp.SetKeepAliveConfig(net.KeepAliveConfig{Enable: true, Idle: keepAlive, Interval: keepAlive, Count: 4})
	}
	nc.SetReadDeadline(time.Now().Add(headTime))
	in := bufio.NewReaderSize(nc, readSize)
	b, err := peekHead(in)
	r.conns.headRead(nc)
	if err != nil && !errors.Is(err, errHeadTooLong) {
		r.counts.slow.Add(1)
		nc.Close()
		return
	}
	h, ok := parseHead(b)
	if !ok || !h.isDevice() {
		nc.SetReadDeadline(time.Time{})
		closed := make(chan struct{})
		if handed.give(&replayed{Conn: nc, in: in, closed: closed}) {
			<-closed // it counts until it is closed
		}
		return
	}
	defer nc.Close()
	in.Discard(len(b))
	r.serveDevice(nc, in, h, from)
}

// addressOf returns the IP address of a peer; invalid when it has none.
func addressOf(a net.Addr) netip.Addr {
	p, err := netip.ParseAddrPort(a.String())
	if err != nil {
		return netip.Addr{}
	}
	return p.Addr().Unmap().WithZone("")
}

// gate bounds connections, and those whose head is not there yet, also by
// address. Where there are too many of these the oldest has to go, which had
// the most time: so who says at once what they want is served, whatever others do.
type gate struct {
	crowd *crowd // of all connections

	mu    sync.Mutex
	heads map[net.Conn]*list.Element // those whose head is awaited
	order *list.List                 // of waiting, the oldest first
	each  map[netip.Addr]int         // heads by address
}

// waiting is a connection whose head is awaited.
type waiting struct {
	nc   net.Conn
	from netip.Addr
}

func (g *gate) init() {
	g.crowd, g.heads = newCrowd(maxConns, maxConns/2), make(map[net.Conn]*list.Element)
	g.order, g.each = list.New(), make(map[netip.Addr]int)
}

// enter takes a connection in, unless there are too many. It closes another one that has to make room.
func (g *gate) enter(nc net.Conn, from netip.Addr) bool {
	if !g.crowd.enter(from) {
		return false
	}
	g.mu.Lock()
	var gone net.Conn
	switch {
	case g.each[from] >= maxHeadsEach:
		gone = g.oldestLocked(func(w waiting) bool { return w.from == from })
	case len(g.heads) >= maxHeads:
		gone = g.oldestLocked(func(waiting) bool { return true })
	}
	g.heads[nc] = g.order.PushBack(waiting{nc, from})
	g.each[from]++
	g.mu.Unlock()
	if gone != nil {
		gone.Close()
	}
	return true
}

// oldestLocked takes the oldest connection of a kind from those that are waited for.
func (g *gate) oldestLocked(is func(waiting) bool) net.Conn {
	for e := g.order.Front(); e != nil; e = e.Next() {
		if w := e.Value.(waiting); is(w) {
			g.headReadLocked(w.nc)
			return w.nc
		}
	}
	return nil
}

func (g *gate) headRead(nc net.Conn) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.headReadLocked(nc)
}

func (g *gate) headReadLocked(nc net.Conn) {
	e, waits := g.heads[nc]
	if !waits {
		return
	}
	delete(g.heads, nc)
	from := g.order.Remove(e).(waiting).from
	if g.each[from]--; g.each[from] == 0 {
		delete(g.each, from)
	}
}

func (g *gate) leave(nc net.Conn, from netip.Addr) {
	g.headRead(nc)
	g.crowd.leave(from)
}

// closeAll closes every connection whose head is awaited: nobody else would.
func (g *gate) closeAll() {
	g.mu.Lock()
	defer g.mu.Unlock()
	for nc := range g.heads {
		nc.Close()
	}
}

// handed is a listener that accepts the connections that give gets.
type handed struct {
	address net.Addr
	conns   chan net.Conn
	closed  chan struct{}
	once    sync.Once
}

func newHanded(a net.Addr) *handed {
	return &handed{address: a, conns: make(chan net.Conn), closed: make(chan struct{})}
}

// give hands a connection over, or closes it when the listener is closed.
func (h *handed) give(nc net.Conn) bool {
	select {
	case h.conns <- nc:
		return true
	case <-h.closed:
		nc.Close()
		return false
	}
}

// Accept implements net.Listener.
func (h *handed) Accept() (net.Conn, error) {
	select {
	case nc := <-h.conns:
		return nc, nil
	case <-h.closed:
		return nil, net.ErrClosed
	}
}

// Close implements net.Listener.
func (h *handed) Close() error {
	h.once.Do(func() { close(h.closed) })
	return nil
}

// Addr implements net.Listener.
func (h *handed) Addr() net.Addr { return h.address }

// replayed is a connection of which something was read already.
type replayed struct {
	net.Conn
	in     *bufio.Reader
	once   sync.Once
	closed chan struct{}
}

// Read implements net.Conn. It lets the buffer go once it is empty.
func (c *replayed) Read(b []byte) (int, error) {
	if c.in != nil && c.in.Buffered() > 0 {
		return c.in.Read(b[:min(len(b), c.in.Buffered())])
	}
	c.in = nil
	return c.Conn.Read(b)
}

// Close implements net.Conn.
func (c *replayed) Close() error {
	c.once.Do(func() { close(c.closed) })
	return c.Conn.Close()
}
