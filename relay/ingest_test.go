package relay

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestEveryFormOfTheRequestStreams(t *testing.T) {
	w := newWorld(t)
	data := w.watch("/data")
	tests := []struct{ name, text string }{
		{"the sketch", sketchHead("NONCE") + "1\n"},
		{"HTTP/1.1 with a Host", "POST /devices HTTP/1.1\r\nHost: 192.168.2.4:8070\r\nAuthorization: NONCE\r\n\r\n1\n"},
		{"an odd Host", "POST /devices HTTP/1.1\r\nHost: \x01\x02 (null)\r\nAuthorization: NONCE\r\n\r\n1\n"},
		{"two Hosts", "POST /devices HTTP/1.1\r\nHost: a\r\nHost: b\r\nAuthorization: NONCE\r\n\r\n1\n"},
		{"no Host", "POST /devices HTTP/1.1\r\nauthorization:NONCE\r\n\r\n1\n"},
		{"LF alone", "POST /devices HTTP/1.0\nAuthorization: NONCE\n\n1\n"},
		{"chunks", "POST /devices HTTP/1.1\r\nTransfer-Encoding: chunked\r\nAuthorization: NONCE\r\n\r\n1\r\n1\r\n1\r\n\n\r\n"},
		{"Bearer", "POST /devices HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer NONCE\r\n\r\n1\n"},
		{"in the query", "POST /devices?nonce=NONCE HTTP/1.1\r\nHost: x\r\n\r\n1\n"},
		{"in the path", "POST /devices/NONCE HTTP/1.0\r\n\r\n1\n"},
		{"a line that is no header", "POST /devices HTTP/1.0\r\ngarbage\r\nAuthorization: NONCE\r\n\r\n1\n"},
		{"in the absolute form", "POST http://x/devices HTTP/1.1\r\nAuthorization: NONCE\r\n\r\n1\n"},
	}
	for _, test := range tests {
		d := w.dial(strings.ReplaceAll(test.text, "NONCE", w.nonce(photon)))
		if got := data.line(); got != "1" {
			t.Errorf("%s: the line is %q", test.name, got)
		}
		d.SetReadDeadline(time.Now().Add(20 * time.Millisecond))
		if n, _ := d.Read(make([]byte, 1)); n != 0 {
			t.Errorf("%s: something was answered", test.name)
		}
		d.Close()
		w.eventually("it is gone", func() bool { return w.stream(photon) == nil })
	}
}

func TestAHeadByteByByteStreams(t *testing.T) {
	w := newWorld(t)
	data := w.watch("/data")
	d := w.dial("")
	for _, c := range sketchHead(w.nonce(photon)) + "42\n" {
		d.say(string(c))
	}
	data.wantLines("42")
}

func TestLinesSurviveAnyChunking(t *testing.T) {
	var want []string
	var text strings.Builder
	random := rand.New(rand.NewPCG(1, 2))
	for i := range 2000 {
		line := fmt.Sprintf("%d,%s,äöü€😀", i, strings.Repeat("x", random.IntN(200)))
		want = append(want, line)
		text.WriteString(line + []string{"\n", "\r\n", "\r", "\n\n"}[random.IntN(4)])
	}
	for _, most := range []int{1, 2, 7, 536, 5000} {
		var s splitter
		var frames []byte
		n := 0
		for b := []byte(text.String()); len(b) > 0; {
			cut := min(len(b), 1+random.IntN(most))
			var more int
			frames, more = s.feed(frames, b[:cut])
			n, b = n+more, b[cut:]
		}
		if got := "data:" + strings.Join(want, "\n\ndata:") + "\n\n"; string(frames) != got || n != len(want) {
			t.Errorf("segments of at most %d bytes: %d lines, want %d", most, n, len(want))
		}
	}
}

func TestTheLastLineNeedsNoEndUnlessTheConnectionBreaks(t *testing.T) {
	w := newWorld(t)
	data := w.watch("/data")
	d := w.device(photon)
	d.say("1\n2")
	d.Close()
	data.wantLines("1", "2")

	d = w.dial("POST /devices HTTP/1.1\r\nAuthorization: " + w.nonce(photon) + "\r\nContent-Length: 4\r\n\r\n33\n4")
	d.wantStatus(200)
	data.wantLines("33", "4")

	d = w.dial("POST /devices HTTP/1.1\r\nTransfer-Encoding: chunked\r\nAuthorization: " + w.nonce(photon) + "\r\n\r\n1\r\n5\r\n0\r\n\r\n")
	d.wantStatus(200)
	data.wantLines("5")

	d = w.device(photon)
	d.say("6\ntorn")
	data.wantLines("6")
	d.Conn.(interface{ SetLinger(int) error }).SetLinger(0) // a reset
	d.Close()
	w.device(core).say("7\n")
	data.wantLines("7")
}

func TestTheSentinelLengthIsNoLength(t *testing.T) {
	for text, want := range map[string]int64{"99999999": -1, "10000000": -1, "": -1, "x": -1, "-5": -1, "0": 0, "17": 17} {
		h := head{fields: map[string]string{"content-length": text}}
		if got := h.length(); got != want {
			t.Errorf("Content-Length %q: %d", text, got)
		}
	}
}

func TestALineIsCutAndCounted(t *testing.T) {
	w := newWorld(t)
	data := w.watch("/data")
	d := w.device(photon)
	d.say(strings.Repeat("x", maxLine) + "\n")
	d.say(strings.Repeat("y", maxLine+1) + "\nnext\n")
	data.wantLines(strings.Repeat("x", maxLine), strings.Repeat("y", maxLine), "next")
	if got := w.relay.Status().Counts.Truncated; got != 1 {
		t.Errorf("%d lines counted as cut", got)
	}
}

func TestALineOf100MBCostsNoMemory(t *testing.T) {
	var s splitter
	b := []byte(strings.Repeat("z", 1<<20))
	for range 100 {
		if frames, n := s.feed(nil, b); len(frames) != 0 || n != 0 {
			t.Fatal("it ended")
		}
	}
	if cap(s.rest) > 2*maxLine {
		t.Errorf("it holds %d bytes", cap(s.rest))
	}
	if frames, n := s.feed(nil, []byte("\nok\n")); n != 2 || !strings.HasSuffix(string(frames), "data:ok\n\n") || s.truncated != 1 {
		t.Errorf("behind it come %d lines, %d cut", n, s.truncated)
	}
	if cap(s.rest) > readSize {
		t.Errorf("it still holds %d bytes", cap(s.rest))
	}
}

func TestControlCharactersForgeNothing(t *testing.T) {
	w := newWorld(t)
	data := w.watch("/data")
	d := w.device(photon)
	d.say("a\revent: evil\rdata: b\rid: 7\r\nx\x00y\n\xff\xfe\nretry: 1\n:c\n")
	data.want("data:a", "data:event: evil", "data:data: b", "data:id: 7", "data:x\x00y", "data:\xff\xfe", "data:retry: 1", "data::c")
}

func TestTheNewestConnectionOfADeviceWins(t *testing.T) {
	w := newWorld(t)
	data := w.watch("/data")
	old := w.device(photon)
	old.say("1\n")
	data.wantLines("1")
	w.stream(photon).heard.Store(time.Now().Add(-aliveFor).UnixNano()) // switched off, without a word
	next := w.dial(sketchHead(w.nonce(photon)))
	next.say("2\n")
	data.wantLines("2")
	if got := old.all(); got != "" {
		t.Errorf("the old connection got %q", got)
	}
	next.say("3\n")
	data.wantLines("3")
}

func TestASilentStreamEnds(t *testing.T) {
	w := newWorld(t, func(c *Config) { c.Silence = 50 * time.Millisecond })
	d := w.device(photon)
	d.say("1\n")
	d.all()
	w.eventually("it is said why", func() bool {
		return strings.Contains(w.relay.Status().Devices[photon].Why, "silent for too long")
	})
}

func TestAStreamThatLastedIsAskedBackOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fake := newFakeCloud()
		r, err := New(Config{Cloud: fake})
		if err != nil {
			t.Fatal(err)
		}
		r.bound.Store(fake.address)
		from := fake.address
		for _, test := range []struct {
			called bool
			lasted time.Duration
			err    error
			calls  int
		}{{false, time.Minute, nil, 0}, {true, time.Minute, nil, 1}, {true, time.Second, nil, 0}, {true, time.Minute, errKicked, 0}} {
			s := r.begin(admission{device: photon, called: test.called}, "", "post", from, nil, func(error) {})
			if got := r.state.knows(photon); got != test.called { // who comes with a token may have no function to call
				t.Errorf("%+v: known is %v", test, got)
			}
			time.Sleep(test.lasted)
			s.end(test.err)
			r.over(s, test.err)
			time.Sleep(connectTime * 2)
			synctest.Wait()
			if got := len(fake.calls); got != test.calls {
				t.Errorf("%+v: %d calls", test, got)
			}
			for len(fake.calls) > 0 {
				<-fake.calls
			}
		}
		r.end(errStopping)
		r.work.Wait()
	})
}

func TestDevicesUseNamedStreams(t *testing.T) {
	w := newWorld(t)
	imu, own, all := w.watch("/data/kitchen/imu"), w.watch("/data/"+photon), w.watch("/data")
	w.dial("POST /devices?stream=imu HTTP/1.1\r\nAuthorization: " + w.nonce(photon) + "\r\n\r\n1,2,3\n")
	imu.wantLines("1,2,3")
	all.want("data:1,2,3")
	w.streaming(photon + "/imu")
	w.stream(photon + "/imu").heard.Store(0)
	w.dial(sketchHead(w.nonce(photon))).say("plain\n")
	own.wantLines("plain")
	w.dial("POST /devices?stream=../x HTTP/1.1\r\nAuthorization: " + w.nonce(core) + "\r\n\r\n").wantStatus(400)
}

func TestADeviceOnAConnectionOfAnotherRequestStreams(t *testing.T) {
	w := newWorld(t)
	data := w.watch("/data")
	d := w.dial("GET /relay/status.json HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
	resp, err := http.ReadResponse(d.in, nil)
	if err != nil || resp.StatusCode != 200 {
		t.Fatalf("%v %v", resp, err)
	}
	resp.Body.Close()
	d.say("POST /devices HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: " + w.nonce(photon) + "\r\nContent-Length: 99999999\r\n\r\n1\n")
	data.wantLines("1")
}

func TestATokenOfADeviceMayPost(t *testing.T) {
	w := newWorld(t)
	w.cloud.tokens[strings.Repeat("ab", 20)] = Access{Write: true, Only: []string{photon}}
	w.cloud.tokens[strings.Repeat("cd", 20)] = Access{Write: true}
	w.cloud.tokens[strings.Repeat("ef", 20)] = Access{Read: true}
	data := w.watch("/data/kitchen")
	w.dial("POST /devices HTTP/1.1\r\nAuthorization: Bearer " + strings.Repeat("ab", 20) + "\r\n\r\n1\n")
	data.wantLines("1")
	w.dial("POST /devices?device=kitchen HTTP/1.1\r\nAuthorization: Bearer " + strings.Repeat("cd", 20) + "\r\n\r\n2\n")
	data.wantLines("2")
	w.dial("POST /devices HTTP/1.1\r\nAuthorization: Bearer " + strings.Repeat("cd", 20) + "\r\n\r\n3\n").wantStatus(401) // for which one?
	w.dial("POST /devices HTTP/1.1\r\nAuthorization: Bearer " + strings.Repeat("ef", 20) + "\r\n\r\n4\n").wantStatus(401) // only reads
}

func TestAStreamEndsWithItsToken(t *testing.T) {
	w := newWorld(t)
	revoked, revoke := context.WithCancel(context.Background())
	w.cloud.tokens[strings.Repeat("ab", 20)] = Access{Write: true, Only: []string{photon}, Hold: func(context.Context) (context.Context, func()) {
		return revoked, func() {}
	}}
	d := w.dial("POST /devices HTTP/1.1\r\nAuthorization: " + strings.Repeat("ab", 20) + "\r\n\r\n1\n")
	w.streaming(photon)
	revoke()
	d.all()
	w.eventually("it is gone", func() bool { return w.stream(photon) == nil })
}
