package main

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"
)

func TestServeSaysInOneLineWhereItIs(t *testing.T) {
	t.Parallel()
	s := serve(t, t.TempDir())
	if s.PID != os.Getpid() {
		t.Errorf("the line says %+v", s.ready)
	}
	for _, address := range []string{s.HTTP, s.TCP, s.UDP, s.Relay} {
		if host, port, err := net.SplitHostPort(address); err != nil || host != "127.0.0.1" || port == "0" {
			t.Errorf("the address is %q", address)
		}
	}
	c, err := net.Dial("tcp", s.TCP)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	c.SetReadDeadline(time.Now().Add(bound))
	if _, err := io.ReadFull(c, make([]byte, 40)); err != nil { // the nonce that every device gets first
		t.Errorf("devices are not served: %v", err)
	}
}

func TestControlJSONIsPrivateAndGoneAfterwards(t *testing.T) {
	t.Parallel()
	data := filepath.Join(t.TempDir(), "made", "by", "serve")
	s := serve(t, data)
	info, err := os.Stat(controlPath(data))
	if err != nil {
		t.Fatal(err)
	}
	if runtime.GOOS != "windows" && info.Mode().Perm() != 0o600 {
		t.Errorf("its mode is %v", info.Mode())
	}
	file, err := readControl(data)
	if err != nil || file.URL != s.url || len(file.Secret) != 40 || file.PID != os.Getpid() {
		t.Errorf("it holds %q for process %d, %v", file.URL, file.PID, err)
	}
	if err := s.stop(); err != nil {
		t.Errorf("serve ended with %v", err)
	}
	if _, err := os.Stat(controlPath(data)); !os.IsNotExist(err) {
		t.Errorf("control.json after the end: %v", err)
	}
	left, err := filepath.Glob(filepath.Join(data, "*.tmp"))
	if err != nil || len(left) != 0 {
		t.Errorf("left over: %v", left)
	}
}

func TestTheLoopbackURLWorksWhateverAddressIsServed(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ ip, want string }{
		{"0.0.0.0", "http://127.0.0.1:81"}, {"::", "http://127.0.0.1:81"}, {"127.0.0.1", "http://127.0.0.1:81"},
		{"192.168.1.5", "http://192.168.1.5:81"}, {"fd00::1", "http://[fd00::1]:81"},
	} {
		if got := loopback(&net.TCPAddr{IP: net.ParseIP(test.ip), Port: 81}); got != test.want {
			t.Errorf("%s gives %s", test.ip, got)
		}
	}
	data := t.TempDir()
	s := begin(t, nil, "serve", "--data", data, "--http", ":0", "--tcp", "127.0.0.1:0")
	s.line()
	if conn := findRunning(t.Context(), data); conn == nil || !strings.HasPrefix(conn.BaseURL, "http://127.0.0.1:") {
		t.Errorf("a cloud on all addresses is not found: %+v", conn)
	}
}

func TestASecondServerOnTheSameDataIsRefused(t *testing.T) {
	t.Parallel()
	s := serve(t, t.TempDir())
	refused(t, 1, []string{"is in use by another localcloud (process " + strconv.Itoa(os.Getpid()) + ")", "--data"},
		"serve", "--data", s.data, "--http", "127.0.0.1:0", "--tcp", "127.0.0.1:0")
	if findRunning(t.Context(), s.data) == nil {
		t.Error("the first one does not answer any more")
	}
}

func TestAPortInUseIsExplainedAndTheDataIsFreeAgain(t *testing.T) {
	t.Parallel()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	busy, data := ln.Addr().String(), t.TempDir()
	refused(t, 1, []string{"another program uses " + busy, "--http"}, "serve", "--data", data, "--http", busy, "--tcp", "127.0.0.1:0")
	refused(t, 1, []string{"another program uses " + busy, "--tcp"}, "serve", "--data", data, "--http", "127.0.0.1:0", "--tcp", busy)
	refused(t, 1, []string{"--http"}, "serve", "--data", data, "--http", "nonsense", "--tcp", busy)
	refused(t, 1, []string{"does not have the address 198.51.100.1", "--http"}, "serve", "--data", data, "--http", "198.51.100.1:0", "--tcp", busy)
	serve(t, data)
}

func TestADataDirectoryThatIsNoneIsExplained(t *testing.T) {
	t.Parallel()
	file := writeFile(t, "")
	refused(t, 1, []string{"is not a directory", "--data"}, "serve", "--data", file)
	refused(t, 1, []string{"--data"}, "user", "list", "--data", filepath.Join(file, "below"))
}

func TestTrustOnFirstUseIsRememberedUntilItIsTurnedOff(t *testing.T) {
	t.Parallel()
	data := t.TempDir()
	trusts := func() bool {
		return strings.Contains(command(t, "status", "--data", data), "Unknown devices are taken in")
	}
	for _, step := range []struct {
		flags []string
		want  bool
	}{{nil, false}, {[]string{"--trust-first-use"}, true}, {nil, true}, {[]string{"--no-trust-first-use"}, false}, {nil, false}} {
		s := serve(t, data, step.flags...)
		if got := trusts(); got != step.want {
			t.Errorf("%v: trusts is %v", step.flags, got)
		}
		s.stop()
	}
}

// openStream opens an event stream and returns it behind its preamble.
func openStream(t *testing.T, url, token string) *bufio.Reader {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), bound)
	t.Cleanup(cancel)
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+token)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { resp.Body.Close() })
	if resp.StatusCode != http.StatusOK {
		body, _ := io.ReadAll(resp.Body)
		t.Fatalf("GET %s: %s %s", url, resp.Status, body)
	}
	r := bufio.NewReader(resp.Body)
	if line, err := r.ReadString('\n'); err != nil || line != ":ok\n" {
		t.Fatalf("the stream begins with %q, %v", line, err)
	}
	return r
}

// Old clients (particle-api-js 5 and 6) try to reconnect just once, 2 s after their stream ended.
func TestAfterAStopTheSamePortIsServedAgainAtOnceAndStreamsEndLast(t *testing.T) {
	s, token := serveOwned(t)
	best := bound
	for range 3 { // a machine that is busy with something else may be late once
		var away time.Duration
		s, away = startAgain(t, s, token)
		if best = min(best, away); best <= 1500*time.Millisecond {
			break
		}
	}
	if best > 1500*time.Millisecond {
		t.Errorf("from the end of the stream to the next ready line it took %v", best)
	}
	openStream(t, s.url+"/v1/devices/events", token) // the token is good after the restart
}

// startAgain stops a cloud and starts it at the same ports. It returns how long a stream had to do without, which has to end cleanly.
func startAgain(t *testing.T, s *serving, token string) (next *serving, away time.Duration) {
	t.Helper()
	stream := openStream(t, s.url+"/v1/devices/events", token)
	ended := make(chan time.Time, 1)
	go func() {
		_, err := io.Copy(io.Discard, stream)
		if err != nil {
			t.Errorf("the stream did not end cleanly: %v", err)
		}
		ended <- time.Now()
	}()
	if err := s.stop(); err != nil {
		t.Fatal(err)
	}
	end := <-ended
	next = serve(t, s.data, "--http", s.HTTP, "--tcp", s.TCP)
	return next, time.Since(end)
}

func TestWhileItStopsNewRequestsAreRefusedAndOldOnesFinish(t *testing.T) {
	g := newGate()
	inside, proceed := make(chan struct{}), make(chan struct{})
	h := g.around(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/stream" {
			w.Header().Set("Content-Type", "text/event-stream")
			w.WriteHeader(http.StatusOK)
			if err := http.NewResponseController(w).Flush(); err != nil {
				t.Errorf("flush through the gate: %v", err)
			}
		}
		inside <- struct{}{}
		<-proceed
		io.WriteString(w, "finished")
	}))
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := newHTTPServer(h, quietLogger())
	go server.Serve(ln)
	defer server.Close()
	get := func(path string) string {
		resp, err := http.Get("http://" + ln.Addr().String() + path)
		if err != nil {
			t.Error(err)
			return ""
		}
		defer resp.Body.Close()
		body, _ := io.ReadAll(resp.Body)
		return strconv.Itoa(resp.StatusCode) + " " + string(body)
	}
	answers := make(chan string, 2)
	for _, path := range []string{"/ordinary", "/stream"} {
		go func() { answers <- get(path) }()
		<-inside
	}

	g.close()
	if got := get("/late"); !strings.HasPrefix(got, "503 ") || !json.Valid([]byte(got[4:])) {
		t.Errorf("a new request got %q", got)
	}
	select {
	case <-g.idle:
		t.Error("the ordinary request was not waited for")
	default:
	}
	proceed <- struct{}{} // one of the two ends; the stream does not count
	proceed <- struct{}{}
	g.wait()
	for range 2 {
		if got := <-answers; got != "200 finished" {
			t.Errorf("a request under way got %q", got)
		}
	}
}

func TestAnEventStreamDoesNotHoldUpTheGate(t *testing.T) {
	g := newGate()
	inside, proceed := make(chan struct{}), make(chan struct{})
	h := g.around(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream; charset=utf-8")
		io.WriteString(w, ":ok\n\n")
		close(inside)
		<-proceed
	}))
	over := make(chan struct{})
	go func() {
		defer close(over)
		h.ServeHTTP(&answer{header: http.Header{}}, (&http.Request{}).WithContext(t.Context()))
	}()
	<-inside
	g.close()
	g.wait()
	close(proceed)
	<-over
}

func TestALateListenerKeepsItsPortUntilItIsReleased(t *testing.T) {
	ln, err := listen("http", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	accepted := make(chan error, 1)
	go func() {
		_, err := ln.Accept()
		accepted <- err
	}()
	ln.Close()
	ln.Close()
	if err := <-accepted; err == nil {
		t.Error("Accept went on after Close")
	}
	address := ln.Addr().String()
	if _, err := listen("http", address); err == nil {
		t.Error("somebody else got the port")
	}
	if c, err := net.Dial("tcp", address); err != nil { // waits in the kernel's queue
		t.Error(err)
	} else {
		c.Close()
	}
	ln.release()
	again, err := listen("http", address)
	if err != nil {
		t.Fatal(err)
	}
	again.release()
}
