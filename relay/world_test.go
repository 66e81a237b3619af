package relay

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"localcloud/cloud"
)

// bound is how long a test waits for what has to happen: generous, as others may have the processor.
const bound = 60 * time.Second

// Devices of the tests.
const (
	photon = "aaaaaaaaaaaaaaaaaaaaaaaa"
	core   = "bbbbbbbbbbbbbbbbbbbbbbbb"
	argon  = "cccccccccccccccccccccccc"
)

// call is one call of a device's function.
type call struct{ device, function, argument string }

// fakeCloud is a cloud with three devices on loopback.
type fakeCloud struct {
	calls chan call

	mu      sync.Mutex
	answer  func(call) (int32, error) // nil: 0
	tokens  map[string]Access
	address netip.Addr
	yields  map[int]func(Notice)
	n       int
	many    int // more devices, 1 to many in 24 hex digits
}

func newFakeCloud() *fakeCloud {
	return &fakeCloud{
		calls: make(chan call, 1000), tokens: make(map[string]Access), yields: make(map[int]func(Notice)),
		address: netip.MustParseAddr("127.0.0.1"),
	}
}

func (c *fakeCloud) Events(ctx context.Context, prefix string, yield func(Notice)) {
	c.mu.Lock()
	c.n++
	n := c.n
	c.yields[n] = func(e Notice) {
		if strings.HasPrefix(e.Event, prefix) {
			yield(e)
		}
	}
	c.mu.Unlock()
	<-ctx.Done()
	c.mu.Lock()
	delete(c.yields, n)
	c.mu.Unlock()
}

func (c *fakeCloud) event(device, name, data string) {
	c.mu.Lock()
	var all []func(Notice)
	for _, y := range c.yields {
		all = append(all, y)
	}
	c.mu.Unlock()
	for _, y := range all {
		y(Notice{Device: device, Event: name, Data: data})
	}
}

func (c *fakeCloud) listeners() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.yields)
}

func (c *fakeCloud) Device(_ context.Context, name string) (Device, error) {
	devices, _ := c.Devices(context.Background())
	for _, d := range devices {
		if d.ID == name || d.Name == name {
			return d, nil
		}
	}
	return Device{}, cloud.Errorf("device", cloud.NotExist, "no such device")
}

func (c *fakeCloud) Devices(context.Context) ([]Device, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	list := []Device{
		{ID: photon, Name: "kitchen", Online: true, Address: c.address},
		{ID: core, Name: "garden", Online: true, Address: c.address},
		{ID: argon, Name: "attic", Online: false},
	}
	for i := range c.many {
		list = append(list, Device{ID: fmt.Sprintf("%024x", i+1), Online: true, Address: c.address})
	}
	return list, nil
}

func (c *fakeCloud) Call(_ context.Context, id, function, argument string) (int32, error) {
	k := call{id, function, argument}
	c.calls <- k
	c.mu.Lock()
	answer := c.answer
	c.mu.Unlock()
	if answer == nil {
		return 0, nil
	}
	return answer(k)
}

func (c *fakeCloud) Access(secret string) (Access, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	a, ok := c.tokens[secret]
	if !ok {
		return Access{}, cloud.E("token", cloud.Unauthentic, errors.New("the access token provided is invalid"))
	}
	if a.Sees == nil {
		a.Sees = func(string) bool { return true }
	}
	return a, nil
}

// world is a relay that serves on loopback.
type world struct {
	t       testing.TB
	cloud   *fakeCloud
	relay   *Relay
	address string
	log     *logBuffer
	stop    func()
}

func newWorld(t testing.TB, change ...func(*Config)) *world {
	t.Helper()
	w := &world{t: t, cloud: newFakeCloud(), log: &logBuffer{}}
	w.start("127.0.0.1:0", change...)
	return w
}

// start starts a relay with the cloud that is there.
func (w *world) start(address string, change ...func(*Config)) {
	t := w.t
	t.Helper()
	c := Config{Cloud: w.cloud, Logger: slog.New(slog.NewTextHandler(w.log, &slog.HandlerOptions{Level: slog.LevelDebug}))}
	for _, f := range change {
		f(&c)
	}
	var err error
	if w.relay, err = New(c); err != nil {
		t.Fatal(err)
	}
	ln, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	w.address = ln.Addr().String()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- w.relay.Serve(ctx, ln) }()
	w.stop = sync.OnceFunc(func() {
		cancel()
		select {
		case err := <-ended:
			if err != nil {
				t.Errorf("Serve ended with %v", err)
			}
		case <-time.After(bound):
			t.Error("Serve does not end")
		}
	})
	t.Cleanup(w.stop)
	w.eventually("the relay listens to the cloud", func() bool { return w.cloud.listeners() >= 2 })
}

func (w *world) eventually(what string, ok func() bool) {
	w.t.Helper()
	for end := time.Now().Add(bound); !ok(); {
		if time.Now().After(end) {
			w.t.Fatalf("never: %s", what)
		}
		time.Sleep(2 * time.Millisecond) // a condition with a bound: nothing tells when it holds
	}
}

// called returns the next call.
func (w *world) called() call {
	w.t.Helper()
	select {
	case c := <-w.cloud.calls:
		return c
	case <-time.After(bound):
		w.t.Fatal("no device was called")
		return call{}
	}
}

// notCalled fails when there was a call.
func (w *world) notCalled() {
	w.t.Helper()
	select {
	case c := <-w.cloud.calls:
		w.t.Errorf("a device was called: %+v", c)
	default:
	}
}

// nonce makes the relay call the device and returns the nonce.
func (w *world) nonce(device string) string {
	w.t.Helper()
	w.cloud.event(device, "devicesRequest", "127.0.0.1")
	c := w.called()
	parts := strings.Split(c.argument, ",")
	if c.device != device || c.function != "devices" || len(parts) != 3 {
		w.t.Fatalf("the call is %+v", c)
	}
	return parts[2]
}

// sketchHead is what livegraph.ino sends (relay.md, 2.4).
func sketchHead(nonce string) string {
	return "POST /devices HTTP/1.0\r\nAuthorization: " + nonce + "\r\nContent-Length: 99999999\r\n\r\n"
}

// dial connects and sends some text.
func (w *world) dial(text string) *peer {
	w.t.Helper()
	nc, err := net.Dial("tcp", w.address)
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { nc.Close() })
	p := &peer{t: w.t, Conn: nc, in: bufio.NewReader(nc)}
	p.say(text)
	return p
}

// device connects as the sketch does and returns once the relay has it.
func (w *world) device(id string) *peer {
	w.t.Helper()
	p := w.dial(sketchHead(w.nonce(id)))
	w.streaming(id)
	return p
}

func (w *world) streaming(name string) {
	w.t.Helper()
	w.eventually(name+" streams", func() bool { return w.stream(name) != nil })
}

func (w *world) stream(name string) *stream {
	w.relay.mu.Lock()
	defer w.relay.mu.Unlock()
	return w.relay.streams[name]
}

// peer is a raw connection.
type peer struct {
	t testing.TB
	net.Conn
	in *bufio.Reader
}

func (p *peer) say(text string) {
	p.t.Helper()
	p.SetWriteDeadline(time.Now().Add(bound))
	if _, err := io.WriteString(p.Conn, text); err != nil {
		p.t.Fatalf("say: %v", err)
	}
}

// all returns what comes until the other side closes.
func (p *peer) all() string {
	p.t.Helper()
	p.SetReadDeadline(time.Now().Add(bound))
	b, err := io.ReadAll(p.in)
	if err != nil && !strings.Contains(err.Error(), "reset") {
		p.t.Errorf("read: %v", err)
	}
	return string(b)
}

// wantStatus reads an answer to its end and checks the status.
func (p *peer) wantStatus(code int) string {
	p.t.Helper()
	text := p.all()
	if want := fmt.Sprintf("HTTP/1.1 %d ", code); !strings.HasPrefix(text, want) {
		p.t.Errorf("the answer is %q, want %d", text, code)
	}
	return text
}

// viewer is an SSE stream as a browser reads it.
type viewing struct {
	t    testing.TB
	resp *http.Response
	in   *bufio.Reader
	end  context.CancelFunc
}

// watch opens an event stream, behind its preamble.
func (w *world) watch(path string, header ...string) *viewing {
	w.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	w.t.Cleanup(cancel)
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+w.address+path, nil)
	if err != nil {
		w.t.Fatal(err)
	}
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
		if header[i] == "Host" {
			req.Host = header[i+1]
		}
	}
	resp, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(req)
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { resp.Body.Close() })
	if resp.StatusCode != 200 || resp.Header.Get("Content-Type") != "text/event-stream" {
		b, _ := io.ReadAll(resp.Body)
		w.t.Fatalf("%s: %s %s %q", path, resp.Status, resp.Header, b)
	}
	v := &viewing{t: w.t, resp: resp, in: bufio.NewReaderSize(resp.Body, 256<<10), end: cancel}
	if got := v.frame(); got != ":ok\n\n" {
		w.t.Fatalf("%s begins with %q", path, got)
	}
	return v
}

// frame returns what comes up to the next empty line.
func (v *viewing) frame() string {
	v.t.Helper()
	watchdog := time.AfterFunc(bound, v.end)
	defer watchdog.Stop()
	var b strings.Builder
	for {
		line, err := v.in.ReadString('\n')
		b.WriteString(line)
		if err != nil {
			v.t.Fatalf("the stream ended: %v, behind %q", err, b.String())
		}
		if line == "\n" {
			return b.String()
		}
	}
}

// want checks the next frames; each is given without its empty line.
func (v *viewing) want(frames ...string) {
	v.t.Helper()
	for _, want := range frames {
		if got := v.frame(); got != want+"\n\n" {
			v.t.Fatalf("the frame is %q, want %q", got, want)
		}
	}
}

// line returns the data of the next frame, whatever else is in it.
func (v *viewing) line() string {
	v.t.Helper()
	for {
		for l := range strings.Lines(v.frame()) {
			if data, ok := strings.CutPrefix(l, "data:"); ok {
				return strings.TrimSuffix(data, "\n")
			}
		}
	}
}

func (v *viewing) wantLines(lines ...string) {
	v.t.Helper()
	for _, want := range lines {
		if got := v.line(); got != want {
			v.t.Fatalf("the line is %q, want %q", got, want)
		}
	}
}

// wantEnd reads the stream to its end, which has to be a clean one.
func (v *viewing) wantEnd() {
	v.t.Helper()
	watchdog := time.AfterFunc(bound, v.end)
	defer watchdog.Stop()
	if _, err := io.Copy(io.Discard, v.in); err != nil {
		v.t.Errorf("the stream ended with %v", err)
	}
}

// get returns the status and the body of an address.
func (w *world) get(path string, header ...string) (int, string, http.Header) {
	w.t.Helper()
	return w.ask(http.MethodGet, path, "", header...)
}

func (w *world) ask(method, path, body string, header ...string) (int, string, http.Header) {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), bound)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, "http://"+w.address+path, strings.NewReader(body))
	if err != nil {
		w.t.Fatal(err)
	}
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
		if header[i] == "Host" {
			req.Host = header[i+1]
		}
	}
	client := &http.Client{
		Transport:     &http.Transport{DisableKeepAlives: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	resp, err := client.Do(req)
	if err != nil {
		w.t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		w.t.Fatal(err)
	}
	return resp.StatusCode, string(b), resp.Header
}

// logBuffer is a log that tests read.
type logBuffer struct {
	mu sync.Mutex
	b  strings.Builder
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}
