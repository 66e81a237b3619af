package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// sketch is a virtual device with the function "devices", and the socket that it streams over.
type sketch struct {
	*background
	in    *io.PipeWriter
	id    string
	calls chan string // arguments of devices
}

// newSketch starts a virtual device of a user and returns it when it is online.
func newSketch(t *testing.T, s *serving, token string) *sketch {
	t.Helper()
	in, w := io.Pipe()
	d := &sketch{in: w, calls: make(chan string, 16)}
	go io.WriteString(w, `{"op":"function","name":"devices","ret":0}`+"\n")
	d.background = begin(t, in, "virtual", "--stdio", "--http", s.url, "--tcp", s.TCP, "--token", token, "--server-key", exportKey(t, s.data))
	t.Cleanup(func() { w.Close() })
	var online struct{ Ev, ID string }
	if err := json.Unmarshal([]byte(d.line()), &online); err != nil || online.Ev != "online" {
		t.Fatalf("the device says %+v, %v", online, err)
	}
	d.id = online.ID
	go func() {
		for {
			text, err := d.stdout.ReadString('\n')
			if err != nil {
				return
			}
			var call struct{ Ev, Name, Arg string }
			if json.Unmarshal([]byte(text), &call) == nil && call.Ev == "call" && call.Name == "devices" {
				d.calls <- call.Arg
			}
		}
	}()
	return d
}

// request publishes devicesRequest as livegraph.ino does.
func (d *sketch) request() {
	io.WriteString(d.in, `{"op":"publish","name":"devicesRequest","data":"127.0.0.1","ttl":10,"private":true}`+"\n")
}

// called returns the argument of the next call.
func (d *sketch) called() string {
	d.t.Helper()
	select {
	case arg := <-d.calls:
		return arg
	case <-time.After(bound):
		d.t.Fatal("the device was not called")
		return ""
	}
}

// connect asks for the relay and connects as it is told.
func (d *sketch) connect() net.Conn {
	d.t.Helper()
	d.request()
	f := strings.Split(d.called(), ",")
	if len(f) != 3 {
		d.t.Fatalf("the argument is %q", f)
	}
	nc, err := net.Dial("tcp", net.JoinHostPort(f[0], f[1]))
	if err != nil {
		d.t.Fatal(err)
	}
	d.t.Cleanup(func() { nc.Close() })
	io.WriteString(nc, "POST /devices HTTP/1.0\r\nAuthorization: "+f[2]+"\r\nContent-Length: 99999999\r\n\r\n")
	return nc
}

// live opens an event stream of the relay.
func live(t *testing.T, s *serving, path string) *bufio.Reader {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), bound)
	t.Cleanup(cancel)
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+s.Relay+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { resp.Body.Close() })
	if kind := resp.Header.Get("Content-Type"); resp.StatusCode != 200 || kind != "text/event-stream" {
		t.Fatalf("%s: %s %s", path, resp.Status, kind)
	}
	return bufio.NewReader(resp.Body)
}

// wantLine reads to the next line of data and checks it.
func wantLine(t *testing.T, stream *bufio.Reader, want string) {
	t.Helper()
	for {
		line, err := stream.ReadString('\n')
		if err != nil {
			t.Fatalf("waiting for %q: %v", want, err)
		}
		if data, ok := strings.CutPrefix(line, "data:"); ok {
			if data != want+"\n" {
				t.Fatalf("the line is %q, want %q", data, want)
			}
			return
		}
	}
}

func TestADeviceFindsTheRelayAndBrowsersSeeItsLines(t *testing.T) {
	t.Parallel()
	s, token := serveOwned(t)
	d := newSketch(t, s, token)
	all, own := live(t, s, "/data"), live(t, s, "/data/"+d.id)
	nc := d.connect()
	io.WriteString(nc, "2048\n")
	wantLine(t, all, "2048")
	wantLine(t, own, "2048")

	if _, port, _ := net.SplitHostPort(s.Relay); port == "0" || port == "" {
		t.Errorf("the relay is at %q", s.Relay)
	}
	nc.Close()
	nc = d.connect() // at once: the relay sees by itself that the connection is gone
	io.WriteString(nc, "2049\n")
	wantLine(t, own, "2049")
}

func TestAfterARestartOfTheCloudTheDeviceIsCalledWithoutAsking(t *testing.T) {
	t.Parallel()
	data := t.TempDir()
	s := serve(t, data)
	d := newSketch(t, s, addUser(t, data, "ann"))
	d.connect()
	eventually(t, "the device streams", func() bool { return streams(t, data) == 1 })
	if err := s.stop(); err != nil {
		t.Fatal(err)
	}
	next := begin(t, nil, "serve", "--data", data, "--http", s.HTTP, "--tcp", s.TCP, "--relay", s.Relay)
	next.line()
	d.called()
}

// streams returns how many devices stream into the relay of a running cloud.
func streams(t *testing.T, data string) int {
	t.Helper()
	return int(into[struct{ Counts struct{ Streams int } }](t, "relay", "status", "--data", data).Counts.Streams)
}

func TestTheRelayTakesAFreePortWhenAnotherProgramHasItsOwn(t *testing.T) {
	t.Parallel()
	ln, err := net.Listen("tcp", ":8070")
	if err == nil {
		defer ln.Close() // else somebody has it already
	}
	data := t.TempDir()
	s := serve(t, data, "--relay", ":8070")
	if s.Relay == "" || strings.HasSuffix(s.Relay, ":8070") {
		t.Errorf("the relay is at %q", s.Relay)
	}
	if out := command(t, "status", "--data", data); !strings.Contains(out, "the relay listens on") {
		t.Errorf("status says %q", out)
	}
	refused(t, 1, []string{"another program uses", "--relay"}, "serve", "--data", t.TempDir(), "--http", "127.0.0.1:0", "--tcp", "127.0.0.1:0", "--relay", s.Relay)
}

func TestTheRelayCanBeOff(t *testing.T) {
	t.Parallel()
	data := t.TempDir()
	s := serve(t, data, "--relay", "off")
	if s.Relay != "" {
		t.Errorf("the relay is at %q", s.Relay)
	}
	refused(t, 1, []string{"The relay is off"}, "relay", "status", "--data", data)
}

func TestARelayByItselfServesTheDevicesOfAnotherCloud(t *testing.T) {
	t.Parallel()
	s, token := serveOwned(t, "--relay", "off")
	d := newSketch(t, s, token)
	data := t.TempDir()
	alone := begin(t, nil, "relay", "--cloud", s.url, "--token", token, "--relay", "127.0.0.1:0", "--data", data)
	var line struct {
		Ready bool
		Relay string
	}
	if err := json.Unmarshal([]byte(alone.line()), &line); err != nil || !line.Ready {
		t.Fatalf("the ready line is %+v, %v", line, err)
	}
	s.Relay = line.Relay
	stream := live(t, s, "/data")
	eventually(t, "the relay hears the cloud", func() bool {
		return into[struct{ Totals struct{ Listeners int } }](t, "status", "--data", s.data).Totals.Listeners >= 2
	})
	nc := d.connect()
	io.WriteString(nc, "4095\n")
	wantLine(t, stream, "4095")

	here := []string{"--cloud", "http://" + line.Relay, "--token", token}
	channels := into[[]struct {
		Device string
		Lines  int
	}](t, append([]string{"relay", "list"}, here...)...)
	if len(channels) != 1 || channels[0].Device != d.id || channels[0].Lines != 1 {
		t.Errorf("the channels are %+v", channels)
	}
	refused(t, 1, []string{"invalid"}, "relay", "list", "--cloud", "http://"+line.Relay, "--token", strings.Repeat("0", 40))
	if err := alone.stop(); err != nil {
		t.Errorf("it ended with %v", err)
	}
	refused(t, 2, []string{"--cloud URL --token TOKEN"}, "relay")
	refused(t, 1, []string{"invalid"}, "relay", "--cloud", s.url, "--token", strings.Repeat("0", 40), "--relay", "127.0.0.1:0", "--data", data)
}

func TestTheRelayIsLookedAfterByCommands(t *testing.T) {
	t.Parallel()
	s, token := serveOwned(t)
	d := newSketch(t, s, token)
	do := func(args ...string) string {
		t.Helper()
		return command(t, append(append([]string{"relay"}, args...), "--data", s.data)...)
	}
	do("record", d.id)
	nc := d.connect()
	io.WriteString(nc, "\x1b[31m1\n")
	eventually(t, "the line is there", func() bool { return strings.Contains(do("list"), "post from 127.0.0.1") })
	if out := do("show", d.id); !strings.Contains(out, "was called") || !strings.Contains(out, "and returned 0") {
		t.Errorf("show prints %q", out)
	}
	if out := do("publish", "wind", "--device", d.id, "--fields", "data,time"); !strings.Contains(out, "/p/wind") {
		t.Errorf("publish prints %q", out)
	}
	if out := do("status"); !strings.Contains(out, "Public: /p/wind") {
		t.Errorf("status prints %q", out)
	}
	if out := do("set", "--read", "token", "--no-legacy"); !strings.Contains(out, "token") || !strings.Contains(out, "set here") || !strings.Contains(out, "as started") {
		t.Errorf("set prints %q", out)
	}
	if out := do("set", "--reset", "--json"); !strings.Contains(out, `"read":"open"`) {
		t.Errorf("set prints %q", out)
	}
	do("unpublish", "wind")
	refused(t, 1, []string{"wind"}, "relay", "unpublish", "wind", "--data", s.data)
	refused(t, 2, []string{"--device"}, "relay", "publish", "wind", "--data", s.data)
	refused(t, 1, []string{"WebSocket"}, "relay", "send", d.id, "hello", "--data", s.data)
	do("stop", d.id)
	var files []struct{ File string }
	eventually(t, "the recording is there", func() bool {
		files = into[[]struct{ File string }](t, "relay", "files", "--data", s.data)
		return len(files) == 1 && strings.Contains(do("download", files[0].File), `"line":`)
	})
	path := t.TempDir() + "/lines.csv"
	do("download", files[0].File, "--csv", "-o", path)
	refused(t, 1, []string{"exists"}, "relay", "download", files[0].File, "-o", path, "--data", s.data)
	replayed := live(t, s, "/data/"+d.id+"/replay")
	do("replay", files[0].File, "--speed", "10")
	wantLine(t, replayed, "\x1b[31m1")
	if out := do("kick", d.id, "--block"); out != "1 stream(s) ended\n" {
		t.Errorf("kick prints %q", out)
	}
	if out := do("show", d.id); !strings.Contains(out, "relay allow "+d.id) {
		t.Errorf("show prints %q", out)
	}
	do("allow", d.id)
	do("allow", "listed")
	do("call", d.id)
	d.called()
	do("allow", "any")
}

func TestATokenOfTheCloudReadsOrWritesTheRelay(t *testing.T) {
	t.Parallel()
	s, owner := serveOwned(t, "--relay-read", "token")
	addUser(t, s.data, "bob")
	d := newSketch(t, s, owner)
	reads := newToken(t, s.data, "ann", "--scope", "relay:get")
	foreign := newToken(t, s.data, "bob", "--scope", "relay:get")
	writes := newToken(t, s.data, "ann", "--scope", "relay:send", "--scope", "device:"+d.id)
	get := func(path string) int {
		resp, err := http.Get("http://" + s.Relay + path)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		return resp.StatusCode
	}
	for path, want := range map[string]int{
		"/data": 401, "/data?access_token=" + writes: 403, "/data/" + d.id + "?access_token=" + foreign: 404,
		"/relay/status.json?access_token=" + reads: 200, "/v1/localcloud/relay": 401,
	} {
		if got := get(path); got != want {
			t.Errorf("%s: %d, want %d", path, got, want)
		}
	}
	stream := live(t, s, "/data/"+d.id+"?access_token="+reads)
	nc, err := net.Dial("tcp", s.Relay)
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	io.WriteString(nc, "POST /devices HTTP/1.1\r\nAuthorization: Bearer "+writes+"\r\n\r\n7\n")
	wantLine(t, stream, "7")
	tokens := into[[]struct {
		ID     string
		Scopes []string
	}](t, "token", "list", "--data", s.data)
	for _, token := range tokens {
		if len(token.Scopes) == 1 && token.Scopes[0] == "relay:get" {
			command(t, "token", "revoke", token.ID, "--data", s.data)
		}
	}
	if _, err := io.Copy(io.Discard, stream); errors.Is(err, context.DeadlineExceeded) {
		t.Error("the stream outlived its token")
	}
}
