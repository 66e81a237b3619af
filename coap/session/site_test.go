package session

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"localcloud/cloud"
	"localcloud/cloud/store"
	"localcloud/coap"
	"localcloud/keys"
)

// pipe is a Link over one end of a net.Pipe: in clear, with a length before each message.
type pipe struct {
	net.Conn
	id    keys.DeviceID
	in    []byte
	rests atomic.Int64
}

func (p *pipe) Read() ([]byte, error) {
	for {
		if len(p.in) >= 2 {
			n := 2 + int(binary.BigEndian.Uint16(p.in))
			if n > 2048 {
				return nil, errors.New("bad frame")
			}
			if len(p.in) >= n {
				message := p.in[2:n]
				p.in = p.in[n:]
				return message, nil
			}
		}
		var b [512]byte
		n, err := p.Conn.Read(b[:])
		p.in = append(p.in, b[:n]...)
		if n == 0 {
			return nil, err
		}
	}
}

func (p *pipe) Write(message []byte) error {
	_, err := p.Conn.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(message))), message...))
	return err
}

func (p *pipe) Rest() { p.rests.Add(1) }

func (p *pipe) DeviceID() keys.DeviceID { return p.id }

func (p *pipe) LocalAddr() net.Addr { return &net.TCPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 5683} }

func (p *pipe) RemoteAddr() net.Addr { return &net.TCPAddr{IP: net.IPv4(192, 0, 2, 7), Port: 49152} }

// countingRegistry counts what is written about devices.
type countingRegistry struct {
	cloud.Registry
	writes atomic.Int64
}

func (r *countingRegistry) UpdateDevice(id keys.DeviceID, f func(*cloud.Device, bool) error) (cloud.Device, error) {
	r.writes.Add(1)
	return r.Registry.UpdateDevice(id, f)
}

func (r *countingRegistry) NoteDevice(id keys.DeviceID, f func(*cloud.Device)) (cloud.Device, error) {
	r.writes.Add(1)
	return r.Registry.NoteDevice(id, f)
}

// slowDisk is a log that holds what is appended while it is stopped.
type slowDisk struct {
	cloud.Log
	mu      sync.Mutex
	stopped bool
	waiting []func()
}

func (l *slowDisk) Append(ev *cloud.Event, done func(error)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	write := func() { l.Log.Append(ev, done) }
	if l.stopped {
		l.waiting = append(l.waiting, write)
		return
	}
	write()
}

func (l *slowDisk) stop() { l.mu.Lock(); l.stopped = true; l.mu.Unlock() }

// write lets n of those that wait go on; with all of them gone it stays stopped.
func (l *slowDisk) write(n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, write := range l.waiting[:n] {
		write()
	}
	l.waiting = l.waiting[n:]
}

// site is a cloud in memory to which devices connect.
type site struct {
	t        *testing.T
	registry *countingRegistry
	disk     *slowDisk
	hub      *cloud.Hub
	events   *cloud.Queue // all that happens
	log      *logBuffer
	owner    cloud.UserID
	stop     func() // ends the Server, where there is one
}

// logBuffer is what was logged.
type logBuffer struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *logBuffer) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(b)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// inBubble runs a test in virtual time with a cloud in memory.
func inBubble(t *testing.T, f func(t *testing.T, s *site)) {
	synctest.Test(t, func(t *testing.T) { f(t, newSite(t)) })
}

func newSite(t *testing.T) *site {
	db := store.OpenMemory(store.Options{})
	t.Cleanup(func() { db.Close() })
	user, err := db.Registry().AddUser(cloud.User{ID: cloud.NewUserID(), Name: "owner"})
	if err != nil {
		t.Fatal(err)
	}
	s := &site{
		t: t, registry: &countingRegistry{Registry: db.Registry()}, disk: &slowDisk{Log: db.Events()},
		events: cloud.NewQueue(4096), log: &logBuffer{}, owner: user.ID,
	}
	s.hub = cloud.NewHub(s.registry, s.disk, s.logger())
	s.hub.Subscribe(cloud.Filter{AllOwners: true}, s.events)
	s.register(theID)
	return s
}

func (s *site) logger() *slog.Logger {
	return slog.New(slog.NewTextHandler(s.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

func (s *site) register(id keys.DeviceID) {
	s.t.Helper()
	_, err := s.registry.Registry.UpdateDevice(id, func(d *cloud.Device, _ bool) error {
		d.Name, d.Owner = "lamp-"+id.String()[:2], s.owner
		return nil
	})
	if err != nil {
		s.t.Fatal(err)
	}
}

// happened returns what was published since it was last asked, one line an event.
func (s *site) happened() []string {
	synctest.Wait()
	var all []string
	for {
		select {
		case ev := <-s.events.C:
			all = append(all, fmt.Sprintf("%s %s=%s", ev.Device.String()[:2], ev.Name, ev.Data))
		default:
			return all
		}
	}
}

func (s *site) wantHappened(want ...string) {
	s.t.Helper()
	if got := s.happened(); !slices.Equal(got, want) {
		s.t.Errorf("what happened:\n got %q\nwant %q", got, want)
	}
}

// peer is a device that is connected to a site.
type peer struct {
	t    *testing.T
	site *site
	conn *pipe // its own end
	dev  *Device
	end  chan error    // what Run returned
	id   atomic.Uint32 // its last message id
	out  chan []byte   // what it sends, since a net.Pipe has no buffer
	sent atomic.Int64  // messages that the cloud has read

	mu    sync.Mutex
	got   []coap.Message
	act   func(coap.Message) // on each message, if set
	hear  func()             // ends what goDeaf began
	again func() *peer       // connects once more, where a Server serves
}

// connect makes a connection whose handshake is over.
func (s *site) connect(id keys.DeviceID) *peer {
	s.t.Helper()
	return s.connectUntil(context.Background(), id)
}

func (s *site) connectUntil(ctx context.Context, id keys.DeviceID) *peer {
	near, far := net.Pipe()
	p := newPeer(s, far)
	p.dev = NewDevice(&pipe{Conn: near, id: id}, s.hub, s.registry, s.logger())
	go func() { p.end <- p.dev.Run(ctx) }()
	return p
}

// newPeer returns the device at the other end of a connection.
func newPeer(s *site, far net.Conn) *peer {
	p := &peer{t: s.t, site: s, conn: &pipe{Conn: far}, end: make(chan error, 1), out: make(chan []byte, 4096)}
	quit := make(chan struct{})
	go p.write(quit)
	s.t.Cleanup(func() { close(quit); far.Close() })
	return p
}

// hello says Hello.
func (p *peer) hello() {
	p.t.Helper()
	p.send(coap.HelloMessage(coap.NonConfirmable, p.nextID(), helloPhoton33.Append(nil)))
}

func (p *peer) write(quit <-chan struct{}) {
	for {
		select {
		case b := <-p.out:
			if p.conn.Write(b) == nil {
				p.sent.Add(1)
			}
		case <-quit:
			return
		}
	}
}

// listen collects what comes from the cloud, and acts on it.
func (p *peer) listen() *peer {
	go func() {
		for {
			b, err := p.conn.Read()
			if err != nil {
				return
			}
			m, err := coap.Parse(bytes.Clone(b))
			if err != nil {
				p.t.Errorf("from the cloud: %v", err)
			}
			p.mu.Lock()
			p.got = append(p.got, m)
			act := p.act
			p.mu.Unlock()
			if act != nil {
				act(m)
			}
		}
	}()
	return p
}

func (p *peer) nextID() uint16 { return uint16(p.id.Add(1)) }

func (p *peer) lastID() uint16 { return uint16(p.id.Load()) }

func (p *peer) send(messages ...coap.Message) {
	p.t.Helper()
	for _, m := range messages {
		b, err := m.Append(nil)
		if err != nil {
			p.t.Errorf("%s: %v", m, err)
		}
		p.out <- b
	}
}

// received returns what came from the cloud since it was last asked.
func (p *peer) received() []coap.Message {
	synctest.Wait()
	p.mu.Lock()
	defer p.mu.Unlock()
	got := p.got
	p.got = nil
	return got
}

func (p *peer) want(want ...coap.Message) {
	p.t.Helper()
	(&device{t: p.t, sent: p.received()}).want(want...)
}

func (p *peer) onMessage(act func(coap.Message)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.act = act
}

// ended returns why the connection ended, which it must have done by now.
func (p *peer) ended() error {
	p.t.Helper()
	synctest.Wait()
	select {
	case err := <-p.end:
		return err
	default:
		p.t.Fatal("the connection has not ended")
		return nil
	}
}

// online connects a device that said Hello and what it can do.
func (s *site) online(id keys.DeviceID) *peer {
	s.t.Helper()
	p := s.connect(id).listen()
	p.hello()
	p.send(coap.DescribePost(p.nextID(), nil, coap.DescribeApplication, -1, theApp.AppendJSON(nil)))
	p.send(coap.DescribePost(p.nextID(), nil, coap.DescribeSystem, -1, theSystem.AppendJSON(nil)))
	if got := p.received(); len(got) != 3 {
		s.t.Fatalf("the cloud answers %v to Hello and describe", got)
	}
	s.wantHappened(id.String()[:2] + " spark/status=online")
	return p
}

// answerCalls makes the device return to every call the length of its argument.
func (p *peer) answerCalls() {
	p.onMessage(func(m coap.Message) {
		if m.Kind(coap.FromServer) != coap.KindFunction {
			return
		}
		_, arg, _ := coap.ParseFunction(m)
		p.send(coap.Ack(m.ID), coap.FunctionReturn(coap.NonConfirmable, p.nextID(), m.Token[0], int32(len(arg))))
	})
}

func ctx() context.Context { return context.Background() }

// keepAlive makes the device ping, as devices do that hear nothing.
func (p *peer) keepAlive() (stop func()) {
	quit := make(chan struct{})
	go func() {
		for {
			select {
			case <-time.After(15 * time.Second):
				p.send(coap.Ping(p.nextID()))
			case <-quit:
				return
			}
		}
	}()
	return func() { close(quit) }
}

var otherID = keys.DeviceID{0xaa, 1}

// onLog is a slog.Handler that calls a function for each record.
type onLog func()

func (f onLog) Enabled(context.Context, slog.Level) bool { return true }

func (f onLog) Handle(_ context.Context, _ slog.Record) error { f(); return nil }

func (f onLog) WithAttrs([]slog.Attr) slog.Handler { return f }

func (f onLog) WithGroup(string) slog.Handler { return f }
