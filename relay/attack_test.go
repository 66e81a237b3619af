package relay

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/netip"
	"runtime"
	"strings"
	"testing"
	"time"
)

func TestWrongUsedAndForeignNoncesGet401AndAreSaid(t *testing.T) {
	w := newWorld(t)
	good := w.nonce(photon)
	d := w.dial(sketchHead(good))
	w.streaming(photon)
	w.cloud.address = netip.MustParseAddr("127.0.0.2")
	w.cloud.event(core, "devicesRequest", "0.0.1") // the original took this for the end of any address
	foreign := strings.Split(w.called().argument, ",")[2]
	tests := []struct{ head, why string }{
		{sketchHead(strings.Repeat("0", 32)), string(refusedUnknown)},
		{sketchHead(good), string(refusedUnknown)},
		{sketchHead(foreign), string(refusedAddress)},
		{sketchHead("undefined"), string(refusedUnknown)},
		{sketchHead("__proto__"), string(refusedUnknown)},
		{sketchHead(""), string(refusedMissing)},
		{"POST /devices HTTP/1.0\r\n\r\n", string(refusedMissing)},
		{"GET /devices HTTP/1.0\r\n\r\n", string(refusedMissing)},
	}
	for _, test := range tests {
		text := w.dial(test.head).wantStatus(401)
		if !strings.HasSuffix(text, "\r\n\r\n") {
			t.Errorf("%q: the answer has a body: %q", test.head, text)
		}
		list := w.relay.Status().Refusals
		if last := list[len(list)-1]; last.Reason != test.why || last.Address != "127.0.0.1" {
			t.Errorf("%q: noted is %+v", test.head, last)
		}
	}
	if !strings.Contains(w.log.String(), "unauthorized connection") || strings.Contains(w.log.String(), good) || strings.Contains(w.log.String(), foreign) {
		t.Error("the log says too little or too much")
	}
	d.say("1\n")
	w.eventually("the device streams on", func() bool { return w.relay.figures().Lines == 1 })
}

func TestAnExpiredNonceGets401(t *testing.T) {
	w := newWorld(t, func(c *Config) { c.NonceLife = time.Millisecond })
	nonce := w.nonce(photon)
	w.eventually("it is expired", func() bool { return w.relay.tickets.count(time.Now()) == 0 })
	w.dial(sketchHead(nonce)).wantStatus(401)
	if got := w.relay.Status().Refusals[0]; got.Reason != string(refusedExpired) || got.Device != photon {
		t.Errorf("noted is %+v", got)
	}
}

func TestAnotherMethodWithAGoodNonceGets405AndSpendsIt(t *testing.T) {
	w := newWorld(t)
	nonce := w.nonce(photon)
	w.dial("PUT /devices HTTP/1.0\r\nAuthorization: " + nonce + "\r\n\r\n").wantStatus(405)
	w.dial(sketchHead(nonce)).wantStatus(401)
}

// Guessing costs the guesser more than us: nothing is held, and a device behind the same address still gets in.
func TestAHundredThousandGuesses(t *testing.T) {
	w := newWorld(t)
	const guesses, workers = 100000, 8
	ended := make(chan error, workers)
	for worker := range workers {
		go func() { ended <- guess(w.relay, worker, guesses/workers) }()
	}
	for range workers {
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}
	for i := range 100 { // and some over the network
		want := 429
		if i == 0 {
			want = 401
		}
		text := w.dial(sketchHead(fmt.Sprintf("%032x", i))).all()
		if !strings.HasPrefix(text, "HTTP/1.1 429") && !strings.HasPrefix(text, fmt.Sprintf("HTTP/1.1 %d", want)) && !strings.HasPrefix(text, "HTTP/1.1 401") {
			t.Fatalf("guess %d: %q", i, text)
		}
	}
	if n := w.relay.figures(); n.Guesses != guesses+100 {
		t.Errorf("%d guesses are counted", n.Guesses)
	}
	if n := len(w.relay.Status().Refusals); n > maxRefusals {
		t.Errorf("%d refusals are held", n)
	}
	data := w.watch("/data")
	w.device(photon).say("1\n")
	data.wantLines("1")
}

func guess(r *Relay, worker, n int) error {
	from := netip.MustParseAddr("127.0.0.1")
	for i := range n {
		who, no := r.admitSecret(fmt.Sprintf("%024x%08x", worker, i), "", from)
		if no == "" {
			return fmt.Errorf("guess %d was right", i)
		}
		r.refuse(from, who.device, no)
	}
	return nil
}

func TestHostileHeadsCostNothing(t *testing.T) {
	w := newWorld(t)
	for name, text := range map[string]string{
		"endless":  "POST /devices HTTP/1.0\r\nX: " + strings.Repeat("x", 100<<10) + "\r\n\r\n",
		"binary":   string([]byte{0x16, 3, 1, 0, 200, 1, 0, 0, 196, '\n', '\n'}),
		"zeros":    strings.Repeat("\x00", 20000),
		"empty":    "\r\n\r\n",
		"one word": "POST\r\n\r\n",
		"HTTP/9":   "POST /devices HTTP/9.9\r\nAuthorization: " + strings.Repeat("a", 32) + "\r\n\r\n",
		"smuggle":  "GET /data\r\nX: y HTTP/1.1\r\n\r\n",
	} {
		p := w.dial("")
		p.SetWriteDeadline(time.Now().Add(bound))
		io.WriteString(p.Conn, text)
		p.Conn.(*net.TCPConn).CloseWrite()
		p.SetReadDeadline(time.Now().Add(bound))
		b, _ := io.ReadAll(p.in)
		if len(b) > 0 && !strings.HasPrefix(string(b), "HTTP/1.1 4") && !strings.HasPrefix(string(b), "HTTP/1.1 5") {
			t.Errorf("%s: %q", name, b)
		}
	}
	data := w.watch("/data")
	w.device(photon).say("1\n")
	data.wantLines("1")
}

func TestADeviceThatSendsGarbageForeverHoldsLittle(t *testing.T) {
	w := newWorld(t)
	var before, after runtime.MemStats
	d := w.device(photon)
	runtime.GC()
	runtime.ReadMemStats(&before)
	block := make([]byte, 1<<20)
	for i := range block {
		block[i] = byte(i*7) | 1
		if block[i] == '\n' || block[i] == '\r' {
			block[i] = 0
		}
	}
	for range 30 { // 30 MB without the end of a line
		if _, err := d.Conn.Write(block); err != nil {
			t.Fatal(err)
		}
	}
	d.say("\nnext\n")
	w.eventually("both lines are here", func() bool { return w.relay.figures().Lines == 2 })
	runtime.GC()
	runtime.ReadMemStats(&after)
	if grown := int64(after.HeapAlloc) - int64(before.HeapAlloc); grown > 4<<20 {
		t.Errorf("it holds %d bytes more", grown)
	}
	if n := w.relay.figures(); n.Truncated != 1 {
		t.Errorf("%d lines are counted as cut", n.Truncated)
	}
}

func FuzzHead(f *testing.F) {
	f.Add([]byte(sketchHead(strings.Repeat("a", 32))))
	f.Add([]byte("GET /devices/ws?nonce=%zz&token=1 HTTP/1.1\nHost: \x00\nUpgrade: , websocket\nConnection\n\n"))
	f.Add([]byte("POST http://x HTTP/1.1\r\n\r\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		head, err := peekHead(bufio.NewReaderSize(strings.NewReader(string(b)), readSize))
		if err != nil {
			return
		}
		if len(head) > len(b) || !strings.HasPrefix(string(b), string(head)) {
			t.Fatalf("the head of %q is %q", b, head)
		}
		h, ok := parseHead(head)
		if !ok {
			return
		}
		if n := h.length(); n < -1 || n >= endless {
			t.Errorf("the length is %d", n)
		}
		h.secret()
		h.isDevice()
	})
}

func FuzzLines(f *testing.F) {
	f.Add([]byte("1\n2\r\n\r3"), uint8(1))
	f.Add([]byte(strings.Repeat("x", 300)+"\n"), uint8(7))
	f.Fuzz(func(t *testing.T, b []byte, cut uint8) {
		var whole, parts splitter
		want, n := whole.feed(nil, b)
		want, m := whole.end(want)
		var got []byte
		k := 0
		for rest := b; len(rest) > 0; {
			size := min(int(cut)+1, len(rest))
			var more int
			got, more = parts.feed(got, rest[:size])
			k, rest = k+more, rest[size:]
		}
		got, more := parts.end(got)
		if string(got) != string(want) || k+more != n+m {
			t.Fatalf("in pieces of %d: %q, want %q", int(cut)+1, got, want)
		}
		if strings.ContainsRune(string(got), '\r') {
			t.Fatalf("a CR is left in %q", got)
		}
		for range n + m {
			var line []byte
			if line, want = cutFrame(want); len(line) == 0 {
				t.Fatal("a line is missing or empty")
			}
		}
		if len(want) != 0 {
			t.Fatalf("behind the last line is %q", want)
		}
	})
}
