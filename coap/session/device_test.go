package session

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/plgd-dev/go-coap/v3/message/codes"

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

func (p *pipe) Rest()                   { p.rests.Add(1) }
func (p *pipe) DeviceID() keys.DeviceID { return p.id }
func (p *pipe) LocalAddr() net.Addr     { return &net.TCPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 5683} }
func (p *pipe) RemoteAddr() net.Addr    { return &net.TCPAddr{IP: net.IPv4(192, 0, 2, 7), Port: 49152} }

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

func TestDeviceGoesOnlineWithHelloAndOfflineWithItsConnection(t *testing.T) {
	inBubble(t, func(t *testing.T, s *site) {
		p := s.connect(theID).listen()
		synctest.Wait()
		if s.hub.IsOnline(theID) {
			t.Error("online before Hello")
		}
		time.Sleep(3 * time.Second)
		hello := time.Now()
		p.hello()
		s.wantHappened("e0 spark/status=online")
		r, _ := s.registry.Device(theID)
		if r.PlatformID != 6 || r.ProductID != 6 || r.ProductVersion != 0xffff || r.SystemVersion != "3.3.1" ||
			r.LastAddress != "192.0.2.7:49152" || !r.LastHandshake.Equal(hello) || !r.LastHeard.Equal(hello) {
			t.Errorf("record %+v", r)
		}
		if st := s.hub.Status(theID); !st.Online || st.Address != "192.0.2.7:49152" || !st.LastHeard.Equal(hello) {
			t.Errorf("status %+v", st)
		}

		time.Sleep(7 * time.Second)
		heard := time.Now()
		p.send(coap.Ping(p.nextID()))
		synctest.Wait()
		if got := p.dev.LastHeard(); !got.Equal(heard) {
			t.Errorf("last heard at %v, want %v", got, heard)
		}
		time.Sleep(time.Second)
		p.conn.Close()
		s.wantHappened("e0 spark/status=offline")
		if err := p.ended(); !errors.Is(err, io.EOF) {
			t.Errorf("ended by %v", err)
		}
		if r, _ := s.registry.Device(theID); !r.LastHeard.Equal(heard) {
			t.Errorf("the record says last heard at %v, want %v", r.LastHeard, heard)
		}
		if s.hub.IsOnline(theID) {
			t.Error("still online")
		}
	})
}

func TestDescribeIsKeptInTheRecord(t *testing.T) {
	inBubble(t, func(t *testing.T, s *site) {
		s.online(theID)
		r, _ := s.registry.Device(theID)
		want := map[string]string{"on": "bool", "count": "int32", "temp": "double", "name": "string", "odd": "type 7"}
		if !slices.Equal(r.Functions, theApp.Functions) || len(r.Variables) != len(want) {
			t.Fatalf("record %+v", r)
		}
		modules := []cloud.Module{
			{Function: "system", Index: 1, Version: 3302}, {Function: "user", Index: 1, Version: 6, Place: "factory", Damaged: true},
		}
		if !slices.Equal(r.Modules, modules) {
			t.Errorf("modules are %+v, want %+v", r.Modules, modules)
		}
		for name, kind := range want {
			if r.Variables[name] != kind {
				t.Errorf("variable %s is a %q, want %q", name, r.Variables[name], kind)
			}
		}
	})
}

func TestOldCoreHasPlatformZeroAndNoVersion(t *testing.T) {
	inBubble(t, func(t *testing.T, s *site) {
		p := s.connect(theID).listen()
		p.send(coap.HelloMessage(coap.NonConfirmable, p.nextID(), helloCoreOldest.Append(nil)))
		synctest.Wait()
		if r, _ := s.registry.Device(theID); r.PlatformID != 0 || r.SystemVersion != "" {
			t.Errorf("record %+v", r)
		}
	})
}

func TestRegistryIsWrittenForWhatChangesOnly(t *testing.T) {
	inBubble(t, func(t *testing.T, s *site) {
		p := s.online(theID)
		writes := func(want int64, why string) {
			t.Helper()
			synctest.Wait()
			if got := s.registry.writes.Swap(0); got != want {
				t.Errorf("%d writes for %s, want %d", got, why, want)
			}
		}
		writes(3, "Hello, the application and the modules of the system")

		for range 500 {
			p.send(eventFrom(p.nextID(), coap.Confirmable, "temp", "21"), coap.Ping(p.nextID()))
		}
		writes(0, "500 events and pings")
		p.send(coap.DescribePost(p.nextID(), nil, coap.DescribeApplication, -1, theApp.AppendJSON(nil)))
		p.send(coap.DescribePost(p.nextID(), nil, coap.DescribeMetrics, -1, coap.AppendMetrics(nil, nil)))
		writes(0, "a describe that says the same, and vitals")
		for range 10 {
			p.send(eventFrom(p.nextID(), coap.NonConfirmable, "spark/device/safemode", ""))
		}
		writes(1, "ten times safe mode")
		if r, _ := s.registry.Device(theID); !r.SafeMode {
			t.Error("safe mode is not in the record")
		}
		for range 10 {
			p.hello()
		}
		writes(1, "ten times Hello, of which the first ends safe mode")
		p.conn.Close()
		writes(1, "the end")
	})
}

func TestCallOverTheHub(t *testing.T) {
	inBubble(t, func(t *testing.T, s *site) {
		p := s.online(theID)
		p.answerCalls()
		if v, err := s.hub.Call(ctx(), theID, "led", "12345"); v != 5 || err != nil {
			t.Errorf("%d, %v", v, err)
		}
		if _, err := s.hub.Call(ctx(), theID, "nosuch", ""); cloud.KindOf(err) != cloud.NotExist || err.Error() != "call: Function nosuch not found" {
			t.Errorf("unknown function: %v", err)
		}
		if _, err := s.hub.Call(ctx(), otherID, "led", ""); cloud.KindOf(err) != cloud.Offline {
			t.Errorf("a device that never was: %v", err)
		}
	})
}

func TestVariableSignalPingAndMetricsOverTheHub(t *testing.T) {
	inBubble(t, func(t *testing.T, s *site) {
		p := s.online(theID)
		p.onMessage(func(m coap.Message) {
			switch m.Kind(coap.FromServer) {
			case coap.KindVariable:
				p.send(coap.VariableReturn(coap.Acknowledgement, m.ID, m.Token[0], []byte{1}))
			case coap.KindSignal:
				p.send(coap.AckCode(p.nextID(), m.Token, codes.Changed))
			case coap.KindPing:
				p.send(coap.Ack(p.nextID()))
			case coap.KindDescribe:
				p.send(coap.DescribeReply(coap.Acknowledgement, m.ID, m.Token[0], -1, coap.AppendMetrics(nil, coap.Metrics{{ID: 6, Value: 9}})))
			}
		})
		if v, err := s.hub.Variable(ctx(), theID, "on"); v != true || err != nil {
			t.Errorf("variable: %v, %v", v, err)
		}
		if _, err := s.hub.Variable(ctx(), theID, "nosuch"); cloud.KindOf(err) != cloud.NotExist {
			t.Errorf("unknown variable: %v", err)
		}
		if err := s.hub.Signal(ctx(), theID, true); err != nil {
			t.Errorf("signal: %v", err)
		}
		if err := s.hub.Ping(ctx(), theID); err != nil {
			t.Errorf("ping: %v", err)
		}
		if v, err := p.dev.Metrics(ctx()); err != nil || len(v) != 1 || v[0].Value != 9 {
			t.Errorf("metrics: %v, %v", v, err)
		}
	})
}

func TestCallTimesOutWhenTheCallerSaysSo(t *testing.T) {
	inBubble(t, func(t *testing.T, s *site) {
		p := s.online(theID)
		defer p.keepAlive()()
		for _, limit := range []time.Duration{time.Second, callTimeout, 0} {
			c, cancel := ctx(), context.CancelFunc(func() {})
			if limit > 0 {
				c, cancel = context.WithTimeout(c, limit)
			} else {
				limit = callTimeout // of a caller who sets none
			}
			start := time.Now()
			_, err := s.hub.Call(c, theID, "led", "on")
			if took := time.Since(start); cloud.KindOf(err) != cloud.Timeout || took != limit {
				t.Errorf("after %v: %v, want a timeout after %v", took, err, limit)
			}
			cancel()
		}
	})
}

func TestManyCallersAtOnceAllGetTheirOwnAnswer(t *testing.T) {
	inBubble(t, func(t *testing.T, s *site) {
		p := s.online(theID)
		p.answerCalls()
		var all sync.WaitGroup
		for caller := range 40 {
			all.Go(func() {
				for n := range 50 {
					want := (caller + n) % 60
					v, err := s.hub.Call(ctx(), theID, "led", strings.Repeat("x", want))
					if err != nil || v != int32(want) {
						t.Errorf("caller %d: %d, %v, want %d", caller, v, err, want)
						return
					}
				}
			})
		}
		for n := range 200 { // and the device talks, too
			p.send(eventFrom(p.nextID(), coap.NonConfirmable, "n", fmt.Sprint(n)))
		}
		all.Wait()
	})
}

func TestPendingCallsFailAtOnceWhenTheLinkCloses(t *testing.T) {
	inBubble(t, func(t *testing.T, s *site) {
		p := s.online(theID)
		start := time.Now()
		answers := make(chan error, 4)
		for range 3 {
			go func() { _, err := s.hub.Call(ctx(), theID, "led", "on"); answers <- err }()
		}
		go func() { answers <- s.hub.Ping(ctx(), theID) }()
		synctest.Wait()
		p.conn.Close()
		for range 4 {
			if err := <-answers; cloud.KindOf(err) != cloud.Offline {
				t.Errorf("%v, want Offline", err)
			}
		}
		if took := time.Since(start); took != 0 {
			t.Errorf("the callers waited %v", took)
		}
		if _, err := p.dev.Call(ctx(), "led", "on"); cloud.KindOf(err) != cloud.Offline {
			t.Errorf("a call to a connection that is over: %v", err)
		}
	})
}

func TestCloseEndsAConnectionThatWaits(t *testing.T) {
	inBubble(t, func(t *testing.T, s *site) {
		p := s.online(theID)
		time.Sleep(time.Second)
		why, start := errors.New("removed"), time.Now()
		p.dev.Close(why)
		p.dev.Close(errors.New("too late"))
		if err := p.ended(); err != why || time.Since(start) != 0 {
			t.Errorf("ended by %v after %v", err, time.Since(start))
		}
		if err := p.conn.Write([]byte("?")); !errors.Is(err, io.ErrClosedPipe) {
			t.Errorf("the link is open: %v", err)
		}
		s.wantHappened("e0 spark/status=offline")
	})
}

func TestCloseNeedsNoReason(t *testing.T) {
	inBubble(t, func(t *testing.T, s *site) {
		p := s.online(theID)
		s.hub.Disconnect(theID, nil)
		s.hub.Disconnect(theID, nil)
		if err := p.ended(); err == nil {
			t.Error("ended without a reason")
		}
	})
}

func TestCloseBeforeRunAndBeforeHello(t *testing.T) {
	inBubble(t, func(t *testing.T, s *site) {
		near, far := net.Pipe()
		defer far.Close()
		d := NewDevice(&pipe{Conn: near, id: theID}, s.hub, s.registry, s.logger())
		why := errors.New("stopping")
		d.Close(why)
		if err := d.Run(ctx()); err != why {
			t.Errorf("ended by %v", err)
		}
		s.wantHappened()
	})
}

func TestWriteToADeviceThatDoesNotReadIsBounded(t *testing.T) {
	inBubble(t, func(t *testing.T, s *site) {
		p := s.connect(theID) // and nobody reads the answer to Hello
		start := time.Now()
		p.hello()
		err := <-p.end
		if took := time.Since(start); !errors.Is(err, os.ErrDeadlineExceeded) || took != writeTimeout {
			t.Errorf("ended by %v after %v, want a deadline after %v", err, took, writeTimeout)
		}
	})
}

// goDeaf makes the device read nothing any more, until hear is called.
func (p *peer) goDeaf() {
	stop := make(chan struct{})
	p.hear = sync.OnceFunc(func() { close(stop) })
	p.t.Cleanup(p.hear)
	p.onMessage(func(coap.Message) { <-stop })
	p.send(coap.Ping(p.nextID())) // its answer is the last message read
	synctest.Wait()
}

func TestCloseDuringABlockedWriteIsBounded(t *testing.T) {
	inBubble(t, func(t *testing.T, s *site) {
		p := s.online(theID)
		p.goDeaf()
		failed := make(chan error, 1)
		start := time.Now()
		go func() { _, err := s.hub.Call(ctx(), theID, "led", "on"); failed <- err }()
		synctest.Wait()
		why := errors.New("removed")
		p.dev.Close(why)
		if err := <-failed; cloud.KindOf(err) != cloud.Offline || time.Since(start) != 0 {
			t.Errorf("the call: %v after %v", err, time.Since(start))
		}
		if <-p.end; time.Since(start) > writeTimeout {
			t.Errorf("ended after %v", time.Since(start))
		}
		s.wantHappened("e0 spark/status=offline")
	})
}

// readerOf returns the id of the goroutine that waits in Read.
func readerOf(t *testing.T) string {
	t.Helper()
	synctest.Wait()
	all := make([]byte, 1<<20)
	for _, g := range strings.Split(string(all[:runtime.Stack(all, true)]), "\n\n") {
		if strings.Contains(g, "session.(*Device).loop") {
			id, _, _ := strings.Cut(g, " [")
			return id
		}
	}
	t.Fatal("no goroutine waits for the device")
	return ""
}

func TestDeviceThatSaysNothingRestsInAFreshGoroutine(t *testing.T) {
	inBubble(t, func(t *testing.T, s *site) {
		p := s.online(theID)
		p.answerCalls()
		link := p.dev.link.(*pipe)
		busy := readerOf(t)
		time.Sleep(restAfterTCP - time.Millisecond)
		if resting := readerOf(t); resting != busy || link.rests.Load() != 0 {
			t.Errorf("it rests already: %d", link.rests.Load())
		}
		time.Sleep(time.Millisecond)
		first := readerOf(t)
		if first == busy || link.rests.Load() != 1 {
			t.Errorf("%s after %s, %d rests", first, busy, link.rests.Load())
		}
		for range 3 { // a ping in 15 s is handled in one go
			time.Sleep(15 * time.Second)
			before, rests := readerOf(t), link.rests.Load()
			p.send(coap.Ping(p.nextID()))
			if after := readerOf(t); after == before || link.rests.Load() != rests+1 {
				t.Errorf("%s after %s, %d more rests", after, before, link.rests.Load()-rests)
			}
		}
		if v, err := s.hub.Call(ctx(), theID, "led", "12345"); err != nil || v != 5 {
			t.Errorf("call of a device at rest: %d, %v", v, err)
		}
	})
}

func TestSecondConnectionReplacesTheFirst(t *testing.T) {
	inBubble(t, func(t *testing.T, s *site) {
		first := s.online(theID)
		pending := make(chan error, 1)
		go func() { _, err := s.hub.Call(ctx(), theID, "led", "on"); pending <- err }()
		time.Sleep(5 * time.Second)

		second := s.connect(theID).listen()
		hello := time.Now()
		second.hello()
		s.wantHappened("e0 spark/status=offline", "e0 spark/status=online")
		if err := first.ended(); !errors.Is(err, cloud.ErrReplaced) {
			t.Errorf("the first ended by %v", err)
		}
		if err := <-pending; cloud.KindOf(err) != cloud.Offline {
			t.Errorf("a call on the first: %v", err)
		}
		if r, _ := s.registry.Device(theID); !r.LastHeard.Equal(hello) {
			t.Errorf("the end of the first set last heard to %v, want %v", r.LastHeard, hello)
		}

		second.send(coap.DescribePost(second.nextID(), nil, coap.DescribeApplication, -1, theApp.AppendJSON(nil)))
		second.answerCalls()
		if v, err := s.hub.Call(ctx(), theID, "led", "123"); v != 3 || err != nil {
			t.Errorf("a call on the second: %d, %v", v, err)
		}
		second.conn.Close()
		s.wantHappened("e0 spark/status=offline")
	})
}

func TestManyConnectionsOfOneDeviceAlternateOnlineAndOffline(t *testing.T) {
	inBubble(t, func(t *testing.T, s *site) {
		var all sync.WaitGroup
		for n := range 30 {
			p := s.connect(theID).listen()
			all.Go(func() {
				p.send(coap.HelloMessage(coap.NonConfirmable, 1, helloPhoton33.Append(nil)))
				time.Sleep(time.Duration(n%5) * time.Millisecond)
				p.conn.Close()
			})
		}
		all.Wait()
		for i, got := range s.happened() {
			want := "e0 spark/status=online"
			if i%2 == 1 {
				want = "e0 spark/status=offline"
			}
			if got != want {
				t.Fatalf("event %d is %s, want %s", i, got, want)
			}
		}
		if s.hub.IsOnline(theID) {
			t.Error("still online")
		}
	})
}

func TestConfirmablePublishIsAcknowledgedWhenItIsOnDisk(t *testing.T) {
	inBubble(t, func(t *testing.T, s *site) {
		p := s.online(theID)
		s.disk.stop()
		first, second := p.nextID(), p.nextID()
		p.send(eventFrom(first, coap.Confirmable, "a", "1"), eventFrom(second, coap.Confirmable, "a", "2"))
		s.wantHappened("e0 a=1", "e0 a=2") // listeners do not wait for the disk
		p.want()
		time.Sleep(5 * time.Second)
		p.want()
		s.disk.write(1)
		p.want(coap.Ack(first))
		s.disk.write(1)
		p.want(coap.Ack(second))
	})
}

func TestSocketIsNotReadWhileSixtyFourPublishesWaitForTheDisk(t *testing.T) {
	inBubble(t, func(t *testing.T, s *site) {
		p := s.online(theID)
		s.disk.stop()
		p.sent.Store(0)
		for n := range 100 {
			typ := coap.Confirmable
			if n%2 == 1 {
				typ = coap.NonConfirmable
			}
			p.send(eventFrom(p.nextID(), typ, "n", ""))
		}
		if got := len(s.happened()); got != maxUncommitted {
			t.Errorf("%d events were taken, want %d", got, maxUncommitted)
		}
		if got := p.sent.Load(); got != maxUncommitted+1 { // one is read and waits
			t.Errorf("%d messages were read, want %d", got, maxUncommitted+1)
		}
		s.disk.write(10)
		if got := len(s.happened()); got != 10 {
			t.Errorf("%d more were taken, want 10", got)
		}
		s.disk.write(maxUncommitted)
		s.happened()
		s.disk.write(100 - maxUncommitted - 10)
		if got := p.received(); len(got) != 50 || got[49].ID != p.lastID()-1 {
			t.Errorf("%d acknowledgements", len(got))
		}
	})
}

func TestDeviceThatWaitsForTheDiskCanBeClosed(t *testing.T) {
	inBubble(t, func(t *testing.T, s *site) {
		p := s.online(theID)
		s.disk.stop()
		for range maxUncommitted + 1 {
			p.send(eventFrom(p.nextID(), coap.Confirmable, "n", ""))
		}
		synctest.Wait()
		p.dev.Close(cloud.ErrReplaced)
		if err := p.ended(); !errors.Is(err, cloud.ErrReplaced) {
			t.Errorf("ended by %v", err)
		}
		s.disk.write(maxUncommitted + 1) // the last is spark/status
		synctest.Wait()
	})
}

func TestEventsThatADeviceDoesNotTakeAreCountedAndDelayNobody(t *testing.T) {
	inBubble(t, func(t *testing.T, s *site) {
		slow, quick := s.online(theID), (*peer)(nil)
		s.register(otherID)
		quick = s.online(otherID)
		for _, p := range []*peer{slow, quick} {
			p.send(coap.SubscribeMessage(coap.Confirmable, p.nextID(), coap.Subscription{Prefix: "n", MyDevices: true}))
			p.received()
		}
		slow.goDeaf()
		start := time.Now()
		const published = 200
		for n := range published {
			ev := cloud.Event{Name: "n", Owner: s.owner, Data: fmt.Append(nil, n), Format: cloud.TextFormat, Source: cloud.SourceAPI}
			if err := s.hub.Publish(ctx(), ev); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
		}
		if took := time.Since(start); took != 0 {
			t.Errorf("the publisher was held up for %v", took)
		}
		if got := len(quick.received()); got != published {
			t.Errorf("the other device got %d of %d", got, published)
		}
		if got := len(s.happened()); got != published {
			t.Errorf("the listener got %d of %d", got, published)
		}
		// One is in the blocked write, the queue is full.
		lost := uint64(published - eventQueue - 1)
		if st, total := s.hub.Status(theID), s.hub.Totals(); st.Missed != lost || total.Lost != lost {
			t.Errorf("missed by the device %d, lost in all %d, want %d", st.Missed, total.Lost, lost)
		}
		if st := s.hub.Status(otherID); st.Missed != 0 {
			t.Errorf("missed by the other: %d", st.Missed)
		}
	})
}

func TestRequestsToABlockedDeviceAreBounded(t *testing.T) {
	inBubble(t, func(t *testing.T, s *site) {
		p := s.online(theID)
		p.goDeaf()
		s.hub.Ping(expired(), theID)
		synctest.Wait() // its write blocks
		start := time.Now()
		var refused atomic.Int32
		var all sync.WaitGroup
		for range inboxSize + 5 {
			all.Go(func() {
				if _, err := s.hub.Call(ctx(), theID, "led", ""); cloud.KindOf(err) == cloud.Limited {
					refused.Add(1)
					if time.Since(start) != 0 {
						t.Errorf("refused after %v, want at once", time.Since(start))
					}
				} else if cloud.KindOf(err) != cloud.Offline {
					t.Errorf("a call that waited: %v", err)
				}
			})
		}
		all.Wait()
		if got := refused.Load(); got != 5 {
			t.Errorf("%d requests were refused, want 5", got)
		}
	})
}

// expired is the context of a caller who does not wait.
func expired() context.Context {
	c, cancel := context.WithCancel(ctx())
	cancel()
	return c
}

func TestEventsThatNeverPauseDoNotKeepTheDeviceFromItsLink(t *testing.T) {
	inBubble(t, func(t *testing.T, s *site) {
		near, far := net.Pipe()
		defer far.Close()
		d := NewDevice(&pipe{Conn: near, id: theID}, s.hub, s.registry, s.logger())
		offered := 0
		d.logger = slog.New(onLog(func() { // each event that is not sent is followed by another
			if offered++; offered < 10*eventQueue {
				d.Offer(&cloud.Event{Name: "n"})
			}
		}))
		d.Offer(&cloud.Event{Name: "n"})
		if err := d.drain(time.Now()); err != nil {
			t.Fatal(err)
		}
		if offered > eventQueue {
			t.Errorf("%d events were handled in one step, want at most %d", offered, eventQueue)
		}
		if !d.woken {
			t.Error("what is left is forgotten")
		}
	})
}

// onLog is a slog.Handler that calls a function for each record.
type onLog func()

func (f onLog) Enabled(context.Context, slog.Level) bool      { return true }
func (f onLog) Handle(_ context.Context, _ slog.Record) error { f(); return nil }
func (f onLog) WithAttrs([]slog.Attr) slog.Handler            { return f }
func (f onLog) WithGroup(string) slog.Handler                 { return f }

func TestPanicCostsOneDeviceItsConnection(t *testing.T) {
	inBubble(t, func(t *testing.T, s *site) {
		p := s.online(theID)
		s.register(otherID)
		other := s.online(otherID)
		p.goDeaf() // so that what follows is done in one step
		start := time.Now()
		s.hub.Ping(expired(), theID)
		synctest.Wait()
		p.dev.do(func(time.Time) { panic("a bug") })
		answered := make(chan error, 1)
		go func() { _, err := s.hub.Call(ctx(), theID, "led", "on"); answered <- err }()
		synctest.Wait()
		p.hear()
		if err := <-answered; cloud.KindOf(err) != cloud.Offline || time.Since(start) != 0 {
			t.Errorf("a call behind the panic: %v after %v", err, time.Since(start))
		}
		if err := p.ended(); err == nil || !strings.Contains(err.Error(), "a bug") {
			t.Errorf("ended by %v", err)
		}
		s.wantHappened("e0 spark/status=offline")
		if text := s.log.String(); !strings.Contains(text, "level=ERROR") || !strings.Contains(text, "device_test.go") {
			t.Errorf("the log does not show the panic and its stack:\n%s", text)
		}
		other.send(coap.Ping(other.nextID()))
		other.want(coap.Ack(other.lastID()))
	})
}

func TestMessageThatCannotBeParsedCostsThatDeviceOnly(t *testing.T) {
	inBubble(t, func(t *testing.T, s *site) {
		bad := s.online(theID)
		s.register(otherID)
		good := s.online(otherID)
		if err := bad.conn.Write([]byte{0xff, 0xff}); err != nil {
			t.Fatal(err)
		}
		if err := bad.ended(); !errors.Is(err, errProtocol) {
			t.Errorf("ended by %v", err)
		}
		s.wantHappened("e0 spark/status=offline")
		good.send(eventFrom(good.nextID(), coap.NonConfirmable, "a", "1"))
		s.wantHappened("aa a=1")
	})
}

func TestGoodbyeEndsTheConnection(t *testing.T) {
	inBubble(t, func(t *testing.T, s *site) {
		p := s.online(theID)
		p.send(eventFrom(p.nextID(), coap.NonConfirmable, "last", ""))
		p.send(coap.GoodbyeMessage(coap.Confirmable, p.nextID(), coap.Goodbye{Cloud: 6, Sleep: 60}))
		p.want(coap.Ack(p.lastID()))
		if err := p.ended(); err == nil || !strings.Contains(err.Error(), "sleep") {
			t.Errorf("ended by %v", err)
		}
		s.wantHappened("e0 last=", "e0 spark/status=offline")
	})
}

func TestSilentDeviceGoesOffline(t *testing.T) {
	inBubble(t, func(t *testing.T, s *site) {
		p := s.online(theID)
		start := time.Now()
		if err := <-p.end; !errors.Is(err, ErrSilent) || time.Since(start) != deadLimit {
			t.Errorf("ended by %v after %v", err, time.Since(start))
		}
		if got := p.received(); len(got) != 1 || got[0].Kind(coap.FromServer) != coap.KindPing {
			t.Errorf("meanwhile the cloud sent %v, want one ping", got)
		}
	})
}

func TestEndOfTheContextEndsTheConnection(t *testing.T) {
	inBubble(t, func(t *testing.T, s *site) {
		c, cancel := context.WithCancelCause(ctx())
		p := s.connectUntil(c, theID).listen()
		p.hello()
		synctest.Wait()
		why := errors.New("going down")
		cancel(why)
		if err := p.ended(); err != why {
			t.Errorf("ended by %v", err)
		}
		s.wantHappened("e0 spark/status=online", "e0 spark/status=offline") // also when ctx is over
	})
}

func TestDeviceThatWasRemovedDoesNotGoOnline(t *testing.T) {
	inBubble(t, func(t *testing.T, s *site) {
		for _, late := range []bool{false, true} { // gone before the handshake ended, or before Hello
			s.register(theID)
			if !late {
				s.registry.RemoveDevice(theID)
			}
			p := s.connect(theID).listen()
			synctest.Wait()
			s.registry.RemoveDevice(theID)
			p.hello()
			if err := p.ended(); cloud.KindOf(err) != cloud.NotExist {
				t.Errorf("ended by %v", err)
			}
			s.wantHappened()
			if _, ok := s.registry.Device(theID); ok {
				t.Error("the device is back in the registry")
			}
		}
	})
}

func TestSubscriptionsAreReplacedAtHelloAndFollowTheOwner(t *testing.T) {
	inBubble(t, func(t *testing.T, s *site) {
		p := s.online(theID)
		publish := func(name string, owner cloud.UserID, private bool) {
			t.Helper()
			ev := cloud.Event{Name: name, Owner: owner, Private: private, Format: cloud.TextFormat, Source: cloud.SourceAPI}
			if err := s.hub.Publish(ctx(), ev); err != nil {
				t.Fatal(err)
			}
		}
		names := func() []string {
			var all []string
			for _, m := range p.received() {
				if ev, err := coap.ParseEvent(m); err == nil {
					all = append(all, ev.Name)
				}
			}
			return all
		}
		want := func(want ...string) {
			t.Helper()
			if got := names(); !slices.Equal(got, want) {
				t.Errorf("the device got %q, want %q", got, want)
			}
		}
		p.send(coap.SubscribeMessage(coap.Confirmable, p.nextID(), coap.Subscription{Prefix: "mine/", MyDevices: true}))
		p.send(coap.SubscribeMessage(coap.Confirmable, p.nextID(), coap.Subscription{Prefix: "all/"}))
		p.send(coap.SubscribeMessage(coap.Confirmable, p.nextID(), coap.Subscription{Prefix: "spark"}))
		p.send(coap.SubscribeMessage(coap.Confirmable, p.nextID(), coap.Subscription{Prefix: "cut/", DeviceID: "53ff73065067"}))
		p.received()
		publish("mine/1", s.owner, true)
		publish("mine/2", "someone", false)
		publish("all/1", "someone", false)
		publish("all/2", "someone", true)
		publish("all/3", s.owner, true)
		publish("other", s.owner, false)
		publish("cut/1", s.owner, false)
		for _, name := range []string{"spark/device/reset", "spark/device/key/restore", "spark/x", "particle/device/reset", "SPARK/x"} {
			publish(name, s.owner, false)
		}
		want("mine/1", "all/1", "all/3")

		s.hub.DeviceChanged(cloud.Device{ID: theID, Owner: "someone"})
		publish("mine/3", s.owner, false)
		publish("mine/4", "someone", true)
		want("mine/4")

		p.hello()
		synctest.Wait()
		publish("mine/5", "someone", false)
		publish("all/4", "someone", false)
		want()
		p.send(coap.SubscribeMessage(coap.Confirmable, p.nextID(), coap.Subscription{Prefix: "all/"}))
		synctest.Wait()
		publish("mine/6", "someone", false)
		publish("all/5", "someone", false)
		want("all/5")
	})
}

func TestSubscriptionToOneDevice(t *testing.T) {
	inBubble(t, func(t *testing.T, s *site) {
		p := s.online(theID)
		s.register(otherID)
		other := s.online(otherID)
		p.send(coap.SubscribeMessage(coap.Confirmable, p.nextID(), coap.Subscription{Prefix: "n", DeviceID: otherID.String()}))
		p.received()
		p.send(eventFrom(p.nextID(), coap.NonConfirmable, "n/own", ""))
		other.send(eventFrom(other.nextID(), coap.NonConfirmable, "n/other", "x"))
		got := p.received()
		if len(got) != 1 {
			t.Fatalf("the device got %v", got)
		}
		if ev, err := coap.ParseEvent(got[0]); err != nil || ev.Name != "n/other" || string(ev.Data) != "x" || !ev.Private {
			t.Errorf("the device got %s", got[0])
		}
	})
}

func TestRenamedDeviceHearsItsNameOverTheHub(t *testing.T) {
	inBubble(t, func(t *testing.T, s *site) {
		p := s.online(theID)
		ask := func(want string) {
			t.Helper()
			p.send(eventFrom(p.nextID(), coap.NonConfirmable, "particle/device/name", ""))
			if got := p.received(); len(got) != 1 || string(got[0].Payload) != want {
				t.Errorf("answer %v, want %s", got, want)
			}
		}
		ask("lamp-e0")
		r, _ := s.registry.Device(theID)
		r.Name = "attic"
		s.hub.DeviceChanged(r)
		ask("attic")
		s.wantHappened()
	})
}

func TestPublishThatThePolicyRejectsIsRefused(t *testing.T) {
	inBubble(t, func(t *testing.T, s *site) {
		p := s.online(theID)
		s.hub.SettingsChanged(cloud.Settings{DevicePolicy: cloud.Policy{Rate: 1, Burst: 1, Action: cloud.Reject}})
		first, second, third := p.nextID(), p.nextID(), p.nextID()
		p.send(eventFrom(first, coap.Confirmable, "a", ""))
		p.want(coap.Ack(first))
		p.send(eventFrom(second, coap.Confirmable, "a", ""), eventFrom(third, coap.NonConfirmable, "a", ""))
		p.want(coap.AckCode(second, nil, codes.TooManyRequests))
		s.wantHappened("e0 a=", "e0 spark/device/limited=1/s:1 reject")

		s.hub.SettingsChanged(cloud.Settings{DevicePolicy: cloud.PolicyParticle()})
		for range 6 {
			p.send(eventFrom(p.nextID(), coap.Confirmable, "b", ""))
		}
		if got := p.received(); len(got) != 6 || got[5].Code != codes.Empty { // dropped, as the owner wants it: no error
			t.Errorf("answers %v", got)
		}
		if got := s.happened(); len(got) != 4 {
			t.Errorf("%d events, want 4", len(got))
		}
	})
}

func TestDeviceCannotPublishWhatOnlyTheCloudSays(t *testing.T) {
	inBubble(t, func(t *testing.T, s *site) {
		p := s.online(theID)
		for _, name := range []string{"spark/status", "Spark/Status", "spark/flash/status", "spark/device/app-hash", "hook-response/x"} {
			p.send(eventFrom(p.nextID(), coap.Confirmable, name, "offline"))
			p.want(coap.AckCode(p.lastID(), nil, codes.BadRequest))
			p.send(eventFrom(p.nextID(), coap.NonConfirmable, name, "offline"))
			p.want()
		}
		s.wantHappened()
	})
}

func TestEventKeepsWhatTheDeviceSaid(t *testing.T) {
	inBubble(t, func(t *testing.T, s *site) {
		p := s.online(theID)
		for _, c := range []struct {
			sent coap.Event
			want cloud.Event
		}{
			{
				coap.Event{Name: "a", ContentFormat: -1},
				cloud.Event{Name: "a", TTL: 60, Format: cloud.TextFormat},
			},
			{
				coap.Event{Name: "b", Private: true, Data: []byte{0, 0xff}, HasData: true, TTL: 5, HasTTL: true, ContentFormat: 60},
				cloud.Event{Name: "b", Private: true, Data: []byte{0, 0xff}, TTL: 5, Format: cloud.CBORFormat},
			},
		} {
			m, err := coap.EventMessage(coap.NonConfirmable, p.nextID(), c.sent)
			if err != nil {
				t.Fatal(err)
			}
			p.send(m)
			synctest.Wait()
			got := <-s.events.C
			if got.Name != c.want.Name || got.Private != c.want.Private || got.TTL != c.want.TTL || got.Format != c.want.Format ||
				!bytes.Equal(got.Data, c.want.Data) || (got.Data == nil) != (c.want.Data == nil) || got.Device != theID || got.Owner != s.owner {
				t.Errorf("event %+v, want %+v", got, c.want)
			}
		}
	})
}

func TestVitalsTellWhatTheBoardItselfRefused(t *testing.T) {
	inBubble(t, func(t *testing.T, s *site) {
		p := s.online(theID)
		tell := func(metrics coap.Metrics, want uint64) {
			t.Helper()
			p.send(coap.DescribePost(p.nextID(), nil, coap.DescribeMetrics, -1, coap.AppendMetrics(nil, metrics)))
			synctest.Wait()
			if got := s.hub.Status(theID).Throttled; got != want {
				t.Errorf("throttled %d, want %d", got, want)
			}
		}
		tell(coap.Metrics{{ID: 6, Value: 1}, {ID: 20, Value: 17}}, 17)
		tell(coap.Metrics{{ID: 20, Value: 4000000000}}, 4000000000)
	})
}

func TestMissedEventsAreCountedForTheWholeConnection(t *testing.T) {
	inBubble(t, func(t *testing.T, s *site) {
		p := s.online(theID)
		p.send(coap.SubscribeMessage(coap.Confirmable, p.nextID(), coap.Subscription{Prefix: "n", MyDevices: true}))
		synctest.Wait()
		p.goDeaf()
		for range eventQueue + 10 {
			ev := cloud.Event{Name: "n", Owner: s.owner, Format: cloud.TextFormat, Source: cloud.SourceAPI}
			if err := s.hub.Publish(ctx(), ev); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
		}
		p.hear()
		p.send(coap.SubscribeMessage(coap.Confirmable, p.nextID(), coap.Subscription{Prefix: "m", MyDevices: true}))
		synctest.Wait()
		if got := s.hub.Status(theID).Missed; got != 9 {
			t.Errorf("missed %d, want 9", got)
		}
	})
}
