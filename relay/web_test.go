package relay

import (
	"encoding/json"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"
)

func TestDataAnswersAtOnceWithoutAnyDevice(t *testing.T) {
	w := newWorld(t)
	v := w.watch("/data")
	if got := v.resp.Header; got.Get("Cache-Control") != "no-cache" || got.Get("Access-Control-Allow-Origin") != "" {
		t.Errorf("the head is %v", got)
	}
	p := w.dial("GET /data HTTP/1.0\r\n\r\n") // as old as the devices
	p.SetReadDeadline(time.Now().Add(bound))
	b := make([]byte, 12)
	if _, err := p.in.Read(b); err != nil || string(b) != "HTTP/1.1 200" {
		t.Errorf("%q, %v", b, err)
	}
}

func TestADevicesStreamGoesOnWhereItBrokeOff(t *testing.T) {
	w := newWorld(t)
	own := w.watch("/data/kitchen")
	d := w.device(photon)
	d.say("1\n2\n3\n")
	own.want("id: "+w.relay.boot+".1\ndata:1", "id: "+w.relay.boot+".2\ndata:2", "id: "+w.relay.boot+".3\ndata:3")
	w.watch("/data/kitchen", "Last-Event-ID", w.relay.boot+".1").wantLines("2", "3")
	w.watch("/data/kitchen?last_event_id=" + w.relay.boot + ".2").wantLines("3")
	w.watch("/data/kitchen", "Last-Event-ID", "another.99").wantLines("1", "2", "3") // of a server before this one
	w.watch("/data/kitchen?history=2").wantLines("2", "3")
	w.watch("/data?history=1").want("data:3")
	fresh := w.watch("/data/kitchen")
	w.eventually("it is there", func() bool { return w.relay.list()[0].Viewers > 1 })
	d.say("4\n")
	fresh.wantLines("4")
}

func TestLinesOfSeveralDevicesComeTaggedInOneStream(t *testing.T) {
	w := newWorld(t)
	both, one := w.watch("/relay/lines"), w.watch("/relay/lines?channels=garden")
	a, b := w.device(photon), w.device(core)
	a.say("1\n")
	check := func(v *viewing, device, line string) {
		t.Helper()
		f := strings.Split(v.line(), "\t")
		if len(f) != 3 || f[0] != device || f[2] != line || len(f[1]) != 13 {
			t.Errorf("the line is %q", f)
		}
	}
	check(both, photon, "1")
	b.say("2\n")
	check(both, core, "2")
	check(one, core, "2")
}

func TestASlowViewerLosesTheOldestAndIsTold(t *testing.T) {
	c := newChannel(photon, "", 1)
	slow, fast := c.join(0, nil), c.join(0, nil)
	seen := 0
	const total = 3 * ringBatches
	for i := range total {
		c.publish(batch{n: 1, at: int64(i), frames: appendFrame(nil, []byte("12345"))})
		for {
			batches, lost := fast.take(nil)
			if lost != 0 {
				t.Fatal("the fast one lost something")
			}
			if len(batches) == 0 {
				break
			}
			seen += len(batches)
		}
	}
	var got, lost int
	for {
		batches, missed := slow.take(nil)
		lost += int(missed)
		got += len(batches)
		if len(batches) == 0 {
			break
		}
	}
	if seen != total || got+lost != total || got != ringBatches || c.lost != uint64(lost) {
		t.Errorf("the fast one saw %d, the slow one %d and lost %d of %d", seen, got, lost, total)
	}
	if len(c.ring) > ringBatches || c.held > ringBytes {
		t.Errorf("the ring holds %d batches, %d bytes", len(c.ring), c.held)
	}
}

func TestARingIsBoundedByBytesToo(t *testing.T) {
	c := newChannel(photon, "", 1)
	line := strings.Repeat("x", maxLine)
	for range 100 {
		c.publish(batch{n: 1, frames: appendFrame(nil, []byte(line))})
	}
	if c.held > ringBytes || c.count == 0 {
		t.Errorf("it holds %d bytes in %d batches", c.held, c.count)
	}
}

func TestABatchIsTakenFromTheLineThatIsWanted(t *testing.T) {
	c := newChannel(photon, "", 1)
	var s splitter
	frames, n := s.feed(nil, []byte("a\nb\nc\nd\n"))
	c.publish(batch{n: n, frames: frames})
	for from, want := range map[uint64]string{1: "data:a\n\ndata:b\n\ndata:c\n\ndata:d\n\n", 3: "data:c\n\ndata:d\n\n", 4: "data:d\n\n"} {
		v := c.join(from, nil)
		if batches, lost := v.take(nil); len(batches) != 1 || lost != 0 || string(batches[0].frames) != want {
			t.Errorf("from line %d: %v, %d lost", from, batches, lost)
		}
	}
	if batches, _ := c.join(c.newest(0), nil).take(nil); len(batches) != 0 {
		t.Errorf("a newcomer got %v", batches)
	}
}

func TestBrowsersAreToldWhatTheyLost(t *testing.T) {
	w := newWorld(t)
	old, own := w.dial("GET /data HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"), w.dial("GET /data/kitchen HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
	socket := w.socket(upgrade("/data?lost")).peer
	w.eventually("all are there", func() bool { return w.relay.figures().Viewers == 3 })
	d := w.device(photon)
	line := strings.Repeat("x", 60000) + "\n"
	sent := make(chan bool)
	go func() {
		defer close(sent)
		for range 700 { // 42 MB: more than all buffers on the way
			d.Conn.Write([]byte(line))
		}
	}()
	select {
	case <-sent:
	case <-time.After(bound):
		t.Fatal("a slow viewer held the device up")
	}
	w.eventually("all is here", func() bool { return w.relay.figures().Lines == 700 })
	for p, want := range map[*peer]string{old: "\n: lost ", own: "\nevent: lost\ndata: ", socket: ": lost "} {
		p.SetReadDeadline(time.Now().Add(bound))
		var b strings.Builder
		buf := make([]byte, 1<<20)
		for !strings.Contains(b.String(), want) {
			n, err := p.in.Read(buf)
			if err != nil {
				t.Fatalf("never told by %q: %v", want, err)
			}
			if b.Len() > 1<<20 {
				keep := b.String()[b.Len()-100:]
				b.Reset()
				b.WriteString(keep)
			}
			b.Write(buf[:n])
		}
	}
}

func TestWhoReadsNeedsATokenWhenTheOwnerSaysSo(t *testing.T) {
	w := newWorld(t, func(c *Config) { c.TokenReads = true })
	good, other, writes := strings.Repeat("a1", 20), strings.Repeat("a2", 20), strings.Repeat("a3", 20)
	w.cloud.tokens[good] = Access{Read: true, Sees: func(id string) bool { return id == photon }}
	w.cloud.tokens[other] = Access{Read: true, Sees: func(id string) bool { return id == core }}
	w.cloud.tokens[writes] = Access{Write: true}
	for path, want := range map[string]int{
		"/data": 401, "/relay/status.json": 401, "/data/kitchen": 401, "/data?access_token=" + strings.Repeat("b", 40): 401,
		"/data?access_token=" + writes: 403, "/data/kitchen?access_token=" + other: 404,
	} {
		if status, body, _ := w.get(path); status != want {
			t.Errorf("%s: %d %s", path, status, body)
		}
	}
	own := w.watch("/data?token=" + good)
	foreign := w.watch("/data", "Authorization", "Bearer "+other, "Origin", "http://elsewhere.example")
	if foreign.resp.Header.Get("Access-Control-Allow-Origin") != "*" {
		t.Error("who has a token may come from anywhere")
	}
	d, e := w.device(photon), w.device(core)
	d.say("1\n")
	own.wantLines("1")
	e.say("2\n")
	foreign.wantLines("2") // and not 1
	d.say("3\n")
	own.wantLines("3")
	if status, body, _ := w.get("/relay/status.json?access_token=" + good); status != 200 || strings.Contains(body, core) || !strings.Contains(body, photon) {
		t.Errorf("the list is %d %s", status, body)
	}
}

func TestAForeignPageReadsNothing(t *testing.T) {
	w := newWorld(t)
	tests := []struct {
		header []string
		want   int
	}{
		{[]string{"Host", "evil.example:8070"}, 403},
		{[]string{"Host", "127.0.0.1.evil.example"}, 403},
		{[]string{"Host", "localhost:1"}, 200},
		{[]string{"Host", "192.168.1.7:8070"}, 200}, // an address is no name that somebody could turn to us
		{[]string{"Host", "[::1]:8070"}, 200},
		{[]string{"Origin", "http://evil.example"}, 403},
		{[]string{"Origin", "null"}, 403},
		{[]string{"Origin", "http://" + w.address}, 200},
	}
	for _, test := range tests {
		if status, body, _ := w.get("/relay/status.json", test.header...); status != test.want {
			t.Errorf("%q: %d %s", test.header, status, body)
		}
	}
	if status, _, _ := w.get("/data", "Host", "evil.example"); status != 403 {
		t.Errorf("/data: %d", status)
	}
	if status, _, _ := w.get("/data/kitchen", append(upgradeHeader(), "Origin", "http://evil.example")...); status != 403 {
		t.Errorf("a WebSocket of a foreign page: %d", status)
	}
	if n := w.relay.figures().Foreign; n != 6 {
		t.Errorf("%d are counted", n)
	}
}

func upgradeHeader() []string {
	return []string{"Connection", "Upgrade", "Upgrade", "websocket", "Sec-WebSocket-Version", "13", "Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="}
}

// ownersPages makes a folder as the original project has them.
func ownersPages(t *testing.T) string {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"index.html": "<p>root", "main.js": "new EventSource('data')", "main.css": "p{}", "secret/.token": "hidden",
		"livegraph/public/index.html": "<p>livegraph", "a b/x.gif": "GIF89a", "livegraph/public/jquery.js": "//", "empty/x": "",
	} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestTheOwnersPagesAreServedAndDataIsBesideThem(t *testing.T) {
	dir := ownersPages(t)
	w := newWorld(t, func(c *Config) { c.Pages = dir })
	tests := []struct{ path, kind, body string }{
		{"/", "text/html; charset=utf-8", "<p>root"},
		{"/index.html?x=1", "text/html; charset=utf-8", "<p>root"},
		{"/main.js", "text/javascript; charset=utf-8", "new EventSource('data')"},
		{"/main.css", "text/css; charset=utf-8", "p{}"},
		{"/livegraph/public/", "text/html; charset=utf-8", "<p>livegraph"},
		{"/a%20b/x.gif", "image/gif", "GIF89a"},
		{"/relay/kitchen/livegraph/public/", "text/html; charset=utf-8", "<p>livegraph"},
	}
	for _, test := range tests {
		status, body, head := w.get(test.path)
		if status != 200 || body != test.body || head.Get("Content-Type") != test.kind {
			t.Errorf("%s: %d %s %q", test.path, status, head.Get("Content-Type"), body)
		}
	}
	if status, _, head := w.get("/livegraph/public"); status != 307 || head.Get("Location") != "/livegraph/public/" {
		t.Errorf("a folder without a slash: %d %s", status, head.Get("Location"))
	}
	if status, _, head := w.get("//evil.example/%2e%2e"); status == 307 && !strings.HasPrefix(head.Get("Location"), "/") || strings.HasPrefix(head.Get("Location"), "//") {
		t.Errorf("it leads to %s", head.Get("Location"))
	}
	all, one := w.watch("/livegraph/public/data"), w.watch("/relay/kitchen/livegraph/public/data")
	w.device(photon).say("1\n")
	all.want("data:1")
	one.wantLines("1")
	w.device(core).say("2\n")
	all.want("data:2")
}

func TestNothingOutsideTheFolderIsServed(t *testing.T) {
	dir := ownersPages(t)
	outside := filepath.Join(filepath.Dir(dir), "outside.txt")
	if err := os.WriteFile(outside, []byte("secret"), 0o644); err != nil {
		t.Fatal(err)
	}
	if runtime.GOOS != "windows" {
		for link, to := range map[string]string{"link.txt": outside, "up": "..", "relative.txt": "../outside.txt"} {
			if err := os.Symlink(to, filepath.Join(dir, link)); err != nil {
				t.Fatal(err)
			}
		}
	}
	w := newWorld(t, func(c *Config) { c.Pages = dir })
	for _, path := range []string{
		"/../outside.txt", "/%2e%2e/outside.txt", "/..%2foutside.txt", "/livegraph/../../outside.txt", "/..\\outside.txt", "/....//outside.txt",
		"/link.txt", "/up/outside.txt", "/relative.txt", "/secret/.token", "/secret/", "/empty", "//etc/passwd", "/relay/kitchen/../../../outside.txt",
		"/relay/kitchen/link.txt", "/favicon.ico", "/x\x00y", "/relay/assets/../../pages.go",
	} {
		p := w.dial("GET " + path + " HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")
		if got := p.all(); strings.Contains(got, "secret") || strings.Contains(got, "hidden") || strings.HasPrefix(got, "HTTP/1.1 200") {
			t.Errorf("%q: %q", path, got)
		}
	}
	if status, _, _ := w.get("/data/kitchen/..%2f..%2fx"); status != 404 {
		t.Errorf("an odd stream: %d", status)
	}
	if status, _, _ := w.get("/"); status != 200 {
		t.Error("it does not serve any more")
	}
}

func TestOurPagesLoadNothingFromElsewhere(t *testing.T) {
	w := newWorld(t)
	for _, path := range []string{"/relay/", "/relay/livegraph/", "/relay/liveimu/", "/p/any", "/relay/assets/live.js", "/relay/assets/style.css"} {
		status, body, head := w.get(path)
		if status != 200 || head.Get("Content-Security-Policy") != strict || head.Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%s: %d %v", path, status, head)
		}
		if strings.Contains(strings.ReplaceAll(body, "http://www.w3.org/2000/svg", ""), "://") || strings.Contains(body, "innerHTML") || strings.Contains(body, "<script>") {
			t.Errorf("%s names another place, or makes HTML of text", path)
		}
	}
	if status, _, head := w.get("/"); status != 307 || head.Get("Location") != "/relay/" {
		t.Errorf("/: %d", status)
	}
}

func TestTheListOfChannelsTellsNoAddress(t *testing.T) {
	w := newWorld(t)
	w.device(photon).say("1\n")
	_, body, _ := w.get("/relay/status.json")
	var got struct{ Channels []Channel }
	if err := json.Unmarshal([]byte(body), &got); err != nil || len(got.Channels) != 1 || got.Channels[0].Name != "kitchen" || !got.Channels[0].Streaming || strings.Contains(body, "127.0.0.1") {
		t.Errorf("%s, %v", body, err)
	}
}

func TestWhoSaysNothingIsCutOffAndOthersAreServed(t *testing.T) {
	w := newWorld(t)
	for range 2 * maxHeadsEach { // a part of the head each, and then nothing
		nc, err := net.Dial("tcp", w.address)
		if err != nil {
			t.Fatal(err)
		}
		defer nc.Close()
		fmt.Fprint(nc, "POST /devices HTTP/1.0\r\nAuthor")
	}
	data := w.watch("/data")
	w.device(photon).say("1\n")
	data.wantLines("1")
	w.eventually("those beyond the share of one address are gone", func() bool { return w.relay.figures().Slow >= maxHeadsEach })
}
