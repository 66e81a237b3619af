package virtual

import (
	"context"
	"crypto/rsa"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"localcloud/coap"
	"localcloud/coap/link"
	"localcloud/coap/link/recording"
	"localcloud/keys"
)

// openRecording reads a recording of a real device.
func openRecording(t testing.TB, name string) recording.Recording {
	t.Helper()
	r, err := recording.Open(filepath.Join("..", "link", "testdata", "recordings", name))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func rsaKey(t testing.TB, text []byte) *rsa.PrivateKey {
	t.Helper()
	block, _ := pem.Decode(text)
	if block == nil {
		t.Fatal("no PEM")
	}
	key, err := x509.ParsePKCS1PrivateKey(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// cast is who takes part: a server's key and a device's key and id.
type cast struct {
	server, device *rsa.PrivateKey
	id             keys.DeviceID
}

var theCast = sync.OnceValue(func() *recording.Recording {
	r, err := recording.Open(filepath.Join("..", "link", "testdata", "recordings", "tcp-v3.3.1.txt"))
	if err != nil {
		panic(err)
	}
	return &r
})

func newCast(t testing.TB, r *recording.Recording) cast {
	t.Helper()
	id, err := keys.ParseDeviceID(r.DeviceID)
	if err != nil {
		t.Fatal(err)
	}
	return cast{rsaKey(t, r.ServerKey), rsaKey(t, r.DeviceKey), id}
}

// zeros is randomness that makes message ids and tokens begin at 1.
type zeros struct{}

func (zeros) Read(b []byte) (int, error) { clear(b); return len(b), nil }

// world is a network of one server, in memory.
type world struct {
	t      *testing.T
	cast   cast
	server *link.Server
	calls  chan net.Conn // each is a device that connects
	dials  []time.Time

	mu   sync.Mutex
	down bool
}

func newWorld(t *testing.T) *world {
	w := &world{t: t, cast: newCast(t, theCast()), calls: make(chan net.Conn, 256)}
	w.server = &link.Server{
		Key: w.cast.server, Rand: zeros{},
		Authorize: func(_ context.Context, a link.Attempt) (keys.PublicKey, error) {
			if want, _ := keys.NewRSAPublicKey(&w.cast.device.PublicKey); !a.Offered.Equal(want) {
				return keys.PublicKey{}, &link.Refusal{Reason: keys.ReasonOtherKey}
			}
			return a.Offered, nil
		},
	}
	return w
}

var errDown = errors.New("the server is down")

func (w *world) dial(context.Context) (net.Conn, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.dials = append(w.dials, time.Now())
	if w.down {
		return nil, errDown
	}
	device, server := net.Pipe()
	w.calls <- server
	return device, nil
}

func (w *world) setDown(down bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.down = down
}

func (w *world) config(os Version) Config {
	return Config{
		ID: w.cast.id, Key: w.cast.device, ServerKey: &w.cast.server.PublicKey,
		Dial: w.dial, OS: os, PlatformID: platformGCC, Rand: zeros{}, Logger: testLogger(w.t),
	}
}

func testLogger(t testing.TB) *slog.Logger {
	return slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelDebug}))
}

// run runs d until the test ends.
func (w *world) run(d *Device) (result <-chan error) {
	ctx, cancel := context.WithCancel(context.Background())
	over, done := make(chan error, 1), make(chan struct{})
	go func() {
		defer close(done)
		over <- d.Run(ctx)
	}()
	w.t.Cleanup(func() { cancel(); <-done })
	return over
}

// peer is the server's side of one connection. What the device says is taken
// from the wire at once, however long the test looks elsewhere.
type peer struct {
	t    *testing.T
	link *link.Conn
	id   uint16

	mu   sync.Mutex
	said []coap.Message
	raw  [][]byte
	err  error
	news chan struct{}
}

// connection waits for the next device that connects.
func (w *world) connection() net.Conn {
	w.t.Helper()
	select {
	case nc := <-w.calls:
		w.t.Cleanup(func() { nc.Close() })
		return nc
	case <-time.After(time.Hour):
		w.t.Fatal("no device connects")
		return nil
	}
}

// accept shakes hands with the next device that connects.
func (w *world) accept() *peer {
	w.t.Helper()
	l, err := w.server.Handshake(context.Background(), w.connection())
	if err != nil {
		w.t.Fatal(err)
	}
	p := &peer{t: w.t, link: l, id: 0x7000, news: make(chan struct{}, 1)}
	p.start()
	return p
}

// deaf says Hello to the next device that connects and does not read what the
// device says then, until start is called. The device's first message after
// Hello is stuck.
func (w *world) deaf() *peer {
	w.t.Helper()
	l, err := w.server.Handshake(context.Background(), w.connection())
	if err != nil {
		w.t.Fatal(err)
	}
	p := &peer{t: w.t, link: l, id: 0x7000, news: make(chan struct{}, 1)}
	if _, err := l.Read(); err != nil {
		w.t.Fatal(err)
	}
	p.hello()
	synctest.Wait()
	return p
}

// start begins to read.
func (p *peer) start() {
	done := make(chan struct{})
	go func() { defer close(done); p.listen() }()
	p.t.Cleanup(func() { p.link.Close(); <-done })
}

// greet is accept, and then Hello both ways and the device's burst.
func (w *world) greet() *peer {
	w.t.Helper()
	p := w.accept()
	if got := p.get(); got.Kind(coap.FromDevice) != coap.KindHello {
		w.t.Fatalf("first message is %s", got)
	}
	p.hello()
	p.discard()
	return p
}

// meet makes a device online.
func meet(t *testing.T, os Version, prepare ...func(*Device)) (*Device, *peer) {
	t.Helper()
	w := newWorld(t)
	d := New(w.config(os))
	for _, f := range prepare {
		f(d)
	}
	w.run(d)
	return d, w.greet()
}

func (p *peer) listen() {
	for {
		b, err := p.link.Read()
		p.mu.Lock()
		if err != nil {
			p.err = err
			p.mu.Unlock()
			signal(p.news)
			return
		}
		b = append([]byte(nil), b...)
		m, err := coap.Parse(b)
		if err != nil {
			m = coap.Message{Payload: b} // the test sees what it is
		}
		p.said, p.raw = append(p.said, m), append(p.raw, b)
		p.mu.Unlock()
		signal(p.news)
	}
}

// next returns the next thing that the device says, waiting an hour for it.
func (p *peer) next() (coap.Message, []byte, error) {
	limit := time.NewTimer(time.Hour)
	defer limit.Stop()
	for {
		p.mu.Lock()
		if len(p.said) > 0 {
			m, b := p.said[0], p.raw[0]
			p.said, p.raw = p.said[1:], p.raw[1:]
			p.mu.Unlock()
			return m, b, nil
		}
		err := p.err
		p.mu.Unlock()
		if err != nil {
			return coap.Message{}, nil, err
		}
		select {
		case <-p.news:
		case <-limit.C:
			return coap.Message{}, nil, errors.New("nothing for an hour")
		}
	}
}

func (p *peer) get() coap.Message {
	p.t.Helper()
	m, _, err := p.next()
	if err != nil {
		p.t.Fatalf("instead of a message: %v", err)
	}
	return m
}

// want checks what the device says next, message by message.
func (p *peer) want(messages ...string) {
	p.t.Helper()
	for _, want := range messages {
		if got := p.get().String(); got != want {
			p.t.Fatalf("device says\n\t%s, want\n\t%s", got, want)
		}
	}
}

// wantHex is want for what matters to the last byte, without the message id.
func (p *peer) wantHex(want string) {
	p.t.Helper()
	_, b, err := p.next()
	if err != nil {
		p.t.Fatal(err)
	}
	got := hex.EncodeToString(b)
	got = got[:4] + " id " + got[8:]
	if strings.ReplaceAll(got, " ", "") != strings.ReplaceAll(want, " ", "") {
		p.t.Fatalf("device says\n\t%s, want\n\t%s", got, want)
	}
}

// silent checks that the device says nothing for some time.
func (p *peer) silent(d time.Duration) {
	p.t.Helper()
	time.Sleep(d)
	synctest.Wait()
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.said) > 0 {
		p.t.Fatalf("device says %s", p.said[0])
	}
	if p.err != nil {
		p.t.Fatalf("device closed the connection: %v", p.err)
	}
}

// discard drops what the device has said so far.
func (p *peer) discard() {
	synctest.Wait()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.said, p.raw = nil, nil
}

// closed checks that the connection ends now.
func (p *peer) closed() {
	p.t.Helper()
	start := time.Now()
	for {
		m, _, err := p.next()
		if took := time.Since(start); took > time.Second {
			p.t.Fatalf("connection goes on for %v", took)
		}
		if err == io.EOF {
			return
		}
		if err != nil {
			p.t.Fatalf("connection ended with %v", err)
		}
		p.t.Logf("before the end: %s", m)
	}
}

func (p *peer) send(m coap.Message) {
	p.t.Helper()
	b, err := m.Append(nil)
	if err != nil {
		p.t.Fatal(err)
	}
	p.sendBytes(b)
}

func (p *peer) sendHex(s string) {
	p.t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	if err != nil {
		p.t.Fatal(err)
	}
	p.sendBytes(b)
}

func (p *peer) sendBytes(b []byte) {
	p.t.Helper()
	if err := p.link.Write(b); err != nil {
		p.t.Fatal(err)
	}
}

// newID gives the server's message ids: 7001, 7002, ...
func (p *peer) newID() uint16 { p.id++; return p.id }

func (p *peer) hello() { p.send(coap.HelloMessage(coap.NonConfirmable, p.newID(), make([]byte, 6))) }

func (p *peer) event(name, data string) {
	p.t.Helper()
	m, err := coap.EventMessage(coap.NonConfirmable, p.newID(), coap.Event{Name: name, Data: []byte(data), ContentFormat: -1})
	if err != nil {
		p.t.Fatal(err)
	}
	p.send(m)
}

// bubble runs a test in virtual time.
func bubble(t *testing.T, f func(t *testing.T)) {
	t.Helper()
	synctest.Test(t, f)
}

// numbered fills message ids in, beginning with first.
func numbered(first int, messages []string) []string {
	out := make([]string, len(messages))
	for i, m := range messages {
		out[i] = strings.Replace(m, "%04x", fmt.Sprintf("%04x", first+i), 1)
	}
	return out
}

// gate holds handlers up until the test lets them go, or ends.
type gate struct {
	over <-chan struct{}
	ch   chan struct{}
}

func newGate(t *testing.T) *gate {
	return &gate{over: t.Context().Done(), ch: make(chan struct{})}
}

func (g *gate) wait() {
	select {
	case <-g.ch:
	case <-g.over:
	}
}

func (g *gate) open() { close(g.ch) }
