package session

import (
	"context"
	"errors"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"localcloud/cloud"
	"localcloud/coap"
	"localcloud/keys"
)

// dock is a net.Listener to which tests connect.
type dock struct {
	conns  chan net.Conn
	errs   chan error // what Accept returns first
	closed chan struct{}
	once   sync.Once
}

func newDock() *dock {
	return &dock{conns: make(chan net.Conn), errs: make(chan error, 16), closed: make(chan struct{})}
}

func (l *dock) Accept() (net.Conn, error) {
	select {
	case err := <-l.errs:
		return nil, err
	default:
	}
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *dock) Close() error   { l.once.Do(func() { close(l.closed) }); return nil }
func (l *dock) Addr() net.Addr { return &net.TCPAddr{} }

// serving is a Server of a site with a listener.
type serving struct {
	*site
	dock   *dock
	stop   context.CancelFunc
	end    chan error // what Serve returned
	mu     sync.Mutex
	knocks []keys.Knock
}

func (s *site) serve() *serving {
	v := &serving{site: s, dock: newDock(), end: make(chan error, 1)}
	server := &Server{
		Hub: s.hub, Registry: s.registry, Logger: s.logger(),
		// The handshake of these tests: the id as it is, or nothing.
		Handshake: func(_ context.Context, nc net.Conn) (Link, error) {
			p := &pipe{Conn: nc}
			id, err := p.Read()
			if err != nil || len(id) != len(p.id) {
				return nil, errors.New("no handshake")
			}
			p.id = keys.DeviceID(id)
			return p, nil
		},
		Knock: func(k keys.Knock) { v.mu.Lock(); v.knocks = append(v.knocks, k); v.mu.Unlock() },
	}
	var c context.Context
	c, v.stop = context.WithCancel(context.Background())
	s.t.Cleanup(v.stop)
	go func() { v.end <- server.Serve(c, v.dock) }()
	return v
}

// dial connects a device and proves its id.
func (v *serving) dial(id keys.DeviceID) *peer {
	near, far := net.Pipe()
	v.dock.conns <- near
	p := newPeer(v.site, far)
	p.out <- append([]byte(nil), id[:]...)
	return p.listen()
}

func TestServerStopsWhenAllItsDevicesAreOffline(t *testing.T) {
	inBubble(t, func(t *testing.T, s *site) {
		v := s.serve()
		var want []string
		for n := range byte(10) {
			id := keys.DeviceID{n + 1}
			s.register(id)
			p := v.dial(id)
			p.hello()
			s.wantHappened(id.String()[:2] + " spark/status=online")
			want = append(want, id.String()[:2]+" spark/status=offline")
		}
		half := v.dial(keys.DeviceID{99}) // has not said Hello
		synctest.Wait()
		start := time.Now()
		v.stop()
		if err := <-v.end; err != nil || time.Since(start) != 0 {
			t.Errorf("Serve returned %v after %v", err, time.Since(start))
		}
		got := s.happened()
		slices.Sort(got)
		if !slices.Equal(got, want) {
			t.Errorf("what happened:\n got %q\nwant %q", got, want)
		}
		if _, err := half.conn.Conn.Read(make([]byte, 1)); err == nil {
			t.Error("a connection is still open")
		}
	})
}

func TestServerGoesOnAfterAcceptFails(t *testing.T) {
	inBubble(t, func(t *testing.T, s *site) {
		v := s.serve()
		for range 12 {
			v.dock.errs <- errors.New("too many open files")
		}
		v.dial(theID) // wakes Accept, which then fails
		time.Sleep(time.Minute)
		p := v.dial(theID)
		p.hello()
		s.wantHappened("e0 spark/status=online")
		if text := s.log.String(); strings.Count(text, "too many open files") == 0 || strings.Count(text, "too many open files") > 12 {
			t.Errorf("the log does not say what happened:\n%s", text)
		}
	})
}

func TestServerReturnsWhenItsListenerIsClosed(t *testing.T) {
	inBubble(t, func(t *testing.T, s *site) {
		v := s.serve()
		v.dock.Close()
		if err := <-v.end; !errors.Is(err, net.ErrClosed) {
			t.Errorf("Serve returned %v", err)
		}
	})
}

func TestFailedHandshakeClosesTheConnection(t *testing.T) {
	inBubble(t, func(t *testing.T, s *site) {
		v := s.serve()
		near, far := net.Pipe()
		v.dock.conns <- near
		(&pipe{Conn: far}).Write([]byte("who"))
		if _, err := far.Read(make([]byte, 1)); err == nil {
			t.Error("the connection is still open")
		}
		if len(v.knocks) != 0 {
			t.Errorf("knocks %v: the handshake keeps its own record", v.knocks)
		}
	})
}

func TestDeviceThatNeverGotOnlineIsOnTheListOfKnocks(t *testing.T) {
	event := eventFrom(1, coap.NonConfirmable, "temp", "21")
	for name, c := range map[string]struct {
		do     func(p *peer)
		reason keys.Reason
	}{
		"nothing said":  {func(*peer) { time.Sleep(helloTimeout + lateHello) }, keys.ReasonTimeout},
		"Hello late":    {func(p *peer) { time.Sleep(helloTimeout + time.Second); p.hello() }, keys.ReasonLateHello},
		"other late":    {func(p *peer) { time.Sleep(helloTimeout + time.Second); p.send(event) }, keys.ReasonTimeout},
		"gone":          {func(p *peer) { p.conn.Close() }, keys.ReasonClosed},
		"no Hello":      {func(p *peer) { p.send(event) }, keys.ReasonNoHello},
		"bad frame":     {func(p *peer) { p.out <- make([]byte, 4096) }, keys.ReasonGarbageFrame},
		"garbage":       {func(p *peer) { p.out <- []byte("GET / HTTP/1.1") }, keys.ReasonMalformed},
		"half a Hello":  {func(p *peer) { p.send(coap.HelloMessage(coap.NonConfirmable, 1, []byte{1, 2})) }, keys.ReasonMalformed},
		"server stops":  {func(p *peer) { p.site.stop() }, keys.ReasonInterrupted},
		"not a device":  {func(p *peer) { p.site.registry.RemoveDevice(theID); p.hello() }, keys.ReasonUnknownDevice},
		"named another": {func(p *peer) { p.send(helloOf(otherID)) }, keys.ReasonMalformed},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, s *site) {
				v := s.serve()
				s.stop = v.stop
				p := v.dial(theID)
				synctest.Wait()
				c.do(p)
				synctest.Wait()
				if len(v.knocks) != 1 {
					t.Fatalf("knocks %+v, want one", v.knocks)
				}
				k := v.knocks[0]
				if k.ID != theID || k.Step != keys.StepHello || k.Reason != c.reason || k.Transport != "tcp" || k.Address == "" {
					t.Errorf("knock %+v, want the reason %s", k, c.reason)
				}
				if text := s.log.String(); !strings.Contains(text, "level=WARN msg=\"device not let in\"") {
					t.Errorf("the log is silent:\n%s", text)
				}
				s.wantHappened()
			})
		})
	}
}

func helloOf(id keys.DeviceID) coap.Message {
	h := helloPhoton33
	h.DeviceID = id[:]
	return coap.HelloMessage(coap.NonConfirmable, 1, h.Append(nil))
}

func TestEndOfADeviceIsInTheLogWithItsReason(t *testing.T) {
	for name, c := range map[string]struct {
		do   func(p *peer)
		line string
	}{
		"misbehaviour": {func(p *peer) { p.out <- []byte{0xff} }, "level=WARN msg=\"device offline\""},
		"bad frame":    {func(p *peer) { p.out <- make([]byte, 4096) }, "level=WARN msg=\"device offline\""},
		"closed":       {func(p *peer) { p.conn.Close() }, "level=INFO msg=\"device offline\""},
		"silence":      {func(*peer) { time.Sleep(deadLimit) }, "reason=\"nothing heard"},
		"goodbye": {func(p *peer) {
			p.send(coap.GoodbyeMessage(coap.NonConfirmable, p.nextID(), coap.Goodbye{Cloud: 6}))
		}, "sleep"},
		"replaced": {func(p *peer) { p.again().hello() }, "connected again"},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, s *site) {
				v := s.serve()
				p := v.dial(theID)
				p.again = func() *peer { return v.dial(theID) }
				p.hello()
				s.wantHappened("e0 spark/status=online")
				c.do(p)
				synctest.Wait()
				if text := s.log.String(); !strings.Contains(text, c.line) || !strings.Contains(text, theID.String()) {
					t.Errorf("the log lacks %s:\n%s", c.line, text)
				}
				if len(v.knocks) != 0 {
					t.Errorf("knocks %v", v.knocks)
				}
			})
		})
	}
}

func TestHostileTextDoesNotBreakOutOfTheLog(t *testing.T) {
	inBubble(t, func(t *testing.T, s *site) {
		p := s.serve().dial(theID)
		p.send(eventFrom(1, coap.NonConfirmable, "a\nlevel=ERROR msg=x", ""))
		synctest.Wait()
		for line := range strings.Lines(s.log.String()) {
			if strings.HasPrefix(line, "level=") {
				t.Errorf("a line of the device's own: %s", line)
			}
		}
	})
}

func TestWaitingHandshakesAreBounded(t *testing.T) {
	inBubble(t, func(t *testing.T, s *site) {
		v := s.serve()
		var held []net.Conn
		t.Cleanup(func() {
			for _, c := range held {
				c.Close()
			}
		})
		for range maxHandshakes {
			near, far := net.Pipe()
			v.dock.conns <- near
			held = append(held, far)
		}
		near, far := net.Pipe()
		held = append(held, near, far)
		select {
		case v.dock.conns <- near:
			t.Error("one more was accepted")
		case <-time.After(time.Minute):
		}
		held[0].Close()
		v.dock.conns <- near
		if err := (&pipe{Conn: far}).Write(theID[:]); err != nil {
			t.Error(err)
		}
	})
}

func TestDevicesThatProvedThemselvesTakeNoPlaceOfAHandshake(t *testing.T) {
	inBubble(t, func(t *testing.T, s *site) {
		v := s.serve()
		for n := range uint16(maxHandshakes) {
			v.dial(keys.DeviceID{1, byte(n >> 8), byte(n)})
		}
		synctest.Wait() // all of them wait for Hello
		near, far := net.Pipe()
		defer far.Close()
		select {
		case v.dock.conns <- near:
		case <-time.After(time.Second):
			t.Error("nobody else can connect")
			near.Close()
		}
	})
}

var _ cloud.Conn = (*Device)(nil)
