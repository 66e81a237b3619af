package relay

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"localcloud/cloud"
)

// upgrade is the request of a client that follows the RFC.
func upgrade(path string, more ...string) string {
	return "GET " + path + " HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: keep-alive, Upgrade\r\n" +
		"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n" + strings.Join(more, "") + "\r\n"
}

// The requests of the old libraries (relay.md, 8).
const (
	swHead = "GET %s HTTP/1.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nHost: \x0e\x01:%%\r\nOrigin: SparkWebSocketClient\r\n" +
		"Sec-WebSocket-Key:  1VTFj/CydlBCZDucDqw8eA==\r\nSec-WebSocket-Version: 13\r\n\r\n"
	leoHead = "GET %s HTTP/1.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nOrigin: Spark\r\nHost: 192.168.1.5\r\n" +
		"Sec-WebSocket-Key: ISEjJCUmJygpKissLS4vMA==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)

// socketPeer is the client's side of a WebSocket.
type socketPeer struct{ *peer }

// socket asks for a WebSocket and returns it behind the answer, which has to be one short segment.
func (w *world) socket(request string) socketPeer {
	w.t.Helper()
	p := w.dial(request)
	p.SetReadDeadline(time.Now().Add(bound))
	_, err := p.in.Peek(1)
	b, _ := p.in.Peek(p.in.Buffered()) // the first segment
	answer, _, whole := strings.Cut(string(b), "\r\n\r\n")
	if err != nil || !whole || !strings.HasPrefix(answer, "HTTP/1.1 101 ") {
		w.t.Fatalf("the answer is %q, %v", b, err)
	}
	text := answer + "\r\n\r\n"
	p.in.Discard(len(text))
	for line := range strings.SplitSeq(text, "\r\n") {
		if len(line) > 126 {
			w.t.Errorf("a line of the answer has %d bytes", len(line))
		}
	}
	if !strings.Contains(text, "\r\nSec-WebSocket-Accept: ") {
		w.t.Errorf("the old library does not find its header in %q", text)
	}
	return socketPeer{p}
}

// frame is what a client sends.
func frame(op byte, mask []byte, payload string) string {
	b := []byte{0x80 | op}
	bit := byte(0)
	if mask != nil {
		bit = 0x80
	}
	if len(payload) < 126 {
		b = append(b, bit|byte(len(payload)))
	} else {
		b = binary.BigEndian.AppendUint16(append(b, bit|126), uint16(len(payload)))
	}
	b = append(b, mask...)
	body := []byte(payload)
	for i := range body {
		if mask != nil {
			body[i] ^= mask[i&3]
		}
	}
	return string(append(b, body...))
}

var (
	random = []byte{0x37, 0xfa, 0x21, 0x3d}
	zero   = []byte{0, 0, 0, 0}
)

// wantMessage reads one frame of the server.
func (p socketPeer) wantMessage(op byte, want string) {
	p.t.Helper()
	p.SetReadDeadline(time.Now().Add(bound))
	var h [2]byte
	if _, err := io.ReadFull(p.in, h[:]); err != nil {
		p.t.Fatalf("waiting for %q: %v", want, err)
	}
	n := int(h[1])
	if n == 126 {
		var l [2]byte
		io.ReadFull(p.in, l[:])
		n = int(binary.BigEndian.Uint16(l[:]))
	}
	b := make([]byte, n)
	io.ReadFull(p.in, b)
	if h[0] != 0x80|op || op != opClose && string(b) != want {
		p.t.Fatalf("the frame is %x %q, want %x %q", h, b, op, want)
	}
	if op == opClose && (len(b) < 2 || fmt.Sprint(binary.BigEndian.Uint16(b)) != want) {
		p.t.Fatalf("the close frame says %q, want %s", b, want)
	}
}

func TestAcceptIsTheOneOfTheRFC(t *testing.T) {
	if got := acceptOf("dGhlIHNhbXBsZSBub25jZQ=="); got != "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" {
		t.Errorf("%s", got)
	}
	if got := acceptOf("1VTFj/CydlBCZDucDqw8eA=="); got != "kuZ2KVbyl4oJOyuTXN/B93O3z9Y=" { // relay.md, 8.1
		t.Errorf("%s", got)
	}
}

func TestTheSecretMayStandInEveryPlace(t *testing.T) {
	w := newWorld(t)
	token := strings.Repeat("ab", 20)
	w.cloud.tokens[token] = Access{Write: true, Only: []string{photon}}
	data := w.watch("/data")
	for _, path := range []string{"/", "/devices", "/devices/ws"} {
		for _, place := range []string{"?nonce=SECRET", "?token=SECRET", "/SECRET", "|bare", "|Bearer", "|message", "|message with words"} {
			secrets := []string{w.nonce(photon), token}
			if strings.HasPrefix(place, "?nonce") {
				secrets = secrets[:1]
			}
			for _, secret := range secrets {
				target, how, _ := strings.Cut(place, "|")
				full := strings.TrimSuffix(path+strings.ReplaceAll(target, "SECRET", secret), "")
				full = strings.Replace(full, "//", "/", 1)
				var more []string
				switch how {
				case "bare":
					more = []string{"Authorization: " + secret + "\r\n"}
				case "Bearer":
					more = []string{"Authorization: Bearer " + secret + "\r\n"}
				}
				s := w.socket(upgrade(full, more...))
				switch how {
				case "message":
					s.say(frame(opText, random, secret))
				case "message with words":
					s.say(frame(opText, random, "hello, nonce="+secret+"\n"))
				}
				s.say(frame(opText, random, "1"))
				if got := data.line(); got != "1" {
					t.Errorf("%s %s: the line is %q", full, how, got)
				}
				s.say(frame(opClose, random, "\x03\xe8"))
				s.wantMessage(opClose, "1000")
				s.Close()
				w.eventually("it is gone", func() bool { return w.stream(photon) == nil })
			}
		}
	}
}

func TestABadSecretIsRefusedBeforeTheSwitch(t *testing.T) {
	w := newWorld(t)
	bad := strings.Repeat("0", 32)
	for _, request := range []string{
		upgrade("/?nonce=" + bad), upgrade("/devices/ws?token=" + strings.Repeat("0", 40)), upgrade("/devices/ws/" + bad),
		upgrade("/", "Authorization: "+bad+"\r\n"), upgrade("/devices", "Authorization: Bearer "+bad+"\r\n"),
	} {
		w.dial(request).wantStatus(401)
	}
	s := w.socket(upgrade("/"))
	s.say(frame(opText, random, bad))
	s.wantMessage(opClose, "1008")
	s = w.socket(upgrade("/"))
	s.say(frame(opText, random, "no secret at all"))
	s.wantMessage(opClose, "1008")
}

func TestWhatIsNoRequestForAWebSocketIsRefused(t *testing.T) {
	w := newWorld(t)
	for text, want := range map[string]int{
		strings.Replace(upgrade("/?nonce=NONCE"), "Version: 13", "Version: 8", 1):                            426,
		strings.Replace(upgrade("/?nonce=NONCE"), "dGhlIHNhbXBsZSBub25jZQ==", "short", 1):                    400,
		strings.Replace(upgrade("/?nonce=NONCE"), "Connection: keep-alive, Upgrade", "Connection: close", 1): 400,
	} {
		w.dial(strings.Replace(text, "NONCE", w.nonce(photon), 1)).wantStatus(want)
	}
}

// connected returns a WebSocket of the kitchen's.
func (w *world) connected(request string) socketPeer {
	w.t.Helper()
	s := w.socket(fmt.Sprintf(request, "/devices/ws?nonce="+w.nonce(photon)))
	w.streaming(photon)
	return s
}

func rfcHead() string { return strings.ReplaceAll(upgrade("PATH"), "PATH", "%s") }

func TestMessagesBecomeLines(t *testing.T) {
	w := newWorld(t)
	data := w.watch("/data")
	s := w.connected(rfcHead())
	s.say(frame(opText, random, "one") + frame(opText, zero, "two\nthree\r\n\n") + frame(opText, random, ""))
	data.wantLines("one", "two", "three")
	s.say("\x01\x83" + string(random) + masked("fou") + frame(opPing, random, "are you there") + "\x80\x81" + string(random) + masked("r"))
	s.wantMessage(opPong, "are you there")
	data.wantLines("four")
	s.say(frame(opBinary, random, "\x00\xff\n\r"))
	data.wantLines(base64.StdEncoding.EncodeToString([]byte("\x00\xff\n\r")))
	for _, c := range []byte(frame(opText, random, "byte by byte")) {
		s.say(string([]byte{c}))
	}
	s.say(frame(opPong, random, ""))
	s.say(frame(opText, random, strings.Repeat("x", 300)))
	data.wantLines("byte by byte", strings.Repeat("x", 300))
}

func masked(text string) string {
	b := []byte(text)
	unmask(b, [4]byte(random))
	return string(b)
}

func TestOnlyTheRulesOfTheRFCAreTakenByDefault(t *testing.T) {
	tests := []struct{ name, bytes, code string }{
		{"no mask", frame(opText, nil, "x"), "1002"},
		{"a pong without a mask", "\x8a\x00", "1002"},
		{"opcode 7", "\x87\x80" + string(random), "1002"},
		{"opcode 3", frame(3, random, "x"), "1002"},
		{"reserved bits", "\xc1\x80" + string(random), "1002"},
		{"a fragmented ping", "\x09\x80" + string(random), "1002"},
		{"a long ping", frame(opPing, random, strings.Repeat("x", 126)), "1002"},
		{"the end of nothing", frame(opContinue, random, "x"), "1002"},
		{"a message in a message", "\x01\x80" + string(random) + frame(opText, random, "x"), "1002"},
		{"text that is none", frame(opText, random, "\xff"), "1007"},
		{"a huge message", "\x81\xff\x00\x00\x00\x01\x00\x00\x00\x00" + string(random), "1009"},
		{"a length of all ones", "\x81\xff\xff\xff\xff\xff\xff\xff\xff\xff" + string(random), "1009"},
	}
	w := newWorld(t)
	for _, test := range tests {
		s := w.connected(rfcHead())
		s.say(test.bytes)
		s.wantMessage(opClose, test.code)
		s.Close()
		w.eventually("it is gone", func() bool { return w.stream(photon) == nil })
		if why := w.relay.Status().Devices[photon].Why; !strings.HasPrefix(why, "closed by us: ") {
			t.Errorf("%s: the owner reads %q", test.name, why)
		}
	}
}

func TestTheOldLibrariesWorkWhenTheOwnerAllowsThem(t *testing.T) {
	w := newWorld(t, func(c *Config) { c.Legacy = true })
	data := w.watch("/data")
	for _, test := range []struct {
		name, head string
		text       string
	}{
		{"SW, mask of zeros", swHead, frame(opText, zero, "1")},
		{"SW, random mask", swHead, frame(opText, random, "1")},
		{"SW, no mask", swHead, frame(opText, nil, "1")},
		{"SW, long length", swHead, "\x81\xfe\x00\x01" + string(zero) + "1"},
		{"LEO", leoHead, frame(opText, random, "1")},
	} {
		s := w.connected(test.head)
		s.say("\x8a\x00") // a pong without a mask, to a ping that nobody sent
		for i := range len(test.text) {
			s.say(test.text[i : i+1])
		}
		data.wantLines("1")
		if test.head == leoHead {
			s.say(frame(opText, random, "PING")) // its way to see whether anybody is there
			s.say(frame(opText, random, "2") + "\x87\x00")
			data.wantLines("2")
			s.wantMessage(opClose, "1000")
		}
		s.Close()
		w.eventually(test.name+" is gone", func() bool { return w.stream(photon) == nil })
	}
	s := w.socket(fmt.Sprintf(swHead, "/")) // the fork with the fixed path says who it is first
	s.say(frame(opText, zero, w.nonce(photon)))
	s.say(frame(opText, zero, "3"))
	data.wantLines("3")
}

func TestAClientThatCanSayNothingIsKnownByItsAddress(t *testing.T) {
	w := newWorld(t, func(c *Config) { c.Legacy, c.ByAddress = true, true })
	data := w.watch("/data/kitchen")
	w.nonce(photon)
	s := w.socket(fmt.Sprintf(swHead, "/"))
	s.say(frame(opText, zero, "1"))
	data.wantLines("1")
	s.Close()
	w.eventually("it is gone", func() bool { return w.stream(photon) == nil })

	w.nonce(photon)
	w.nonce(core) // two behind one address: nobody knows which this is
	s = w.socket(fmt.Sprintf(swHead, "/"))
	s.say(frame(opText, zero, "2"))
	s.wantMessage(opClose, "1008")
}

func TestClientsThatNeverSayWhoTheyAreKeepNobodyOut(t *testing.T) {
	w := newWorld(t)
	for range maxUnknown + 20 {
		w.socket(upgrade("/"))
	}
	data := w.watch("/data")
	s := w.socket(upgrade("/"))
	s.say(frame(opText, random, w.nonce(photon)) + frame(opText, random, "1"))
	data.wantLines("1")
}

func TestBurstsOfTwoButtonsArriveInOrder(t *testing.T) {
	w := newWorld(t, func(c *Config) { c.Legacy = true })
	data := w.watch("/data")
	s := w.connected(swHead)
	var all strings.Builder
	for i := range 5000 {
		all.WriteString(frame(opText, zero, fmt.Sprintf("A%d", i)) + frame(opText, random, fmt.Sprintf("B%d", i)))
	}
	go io.WriteString(s.Conn, all.String())
	for i := range 5000 {
		data.wantLines(fmt.Sprintf("A%d", i), fmt.Sprintf("B%d", i))
	}
}

func TestAGarbledSocketCostsItsOwnConnectionOnly(t *testing.T) {
	w := newWorld(t, func(c *Config) { c.Legacy = true })
	data := w.watch("/data")
	other := w.dial(sketchHead(w.nonce(core)))
	s := w.connected(swHead)
	s.say(frame(opText, zero, "1") + "\xf3garbled")
	data.wantLines("1")
	s.wantMessage(opClose, "1002")
	other.say("2\n")
	data.wantLines("2")
	s.Close()
	w.eventually("it is gone", func() bool { return w.stream(photon) == nil })
	w.connected(swHead).say(frame(opText, zero, "3")) // and comes back at once
	data.wantLines("3")
}

func TestTextReachesTheDevice(t *testing.T) {
	w := newWorld(t)
	token := strings.Repeat("ab", 20)
	w.cloud.tokens[token] = Access{Read: true, Write: true}
	reads := strings.Repeat("cd", 20)
	w.cloud.tokens[reads] = Access{Read: true}
	if err := w.relay.send(photon, "x"); cloud.KindOf(err) != cloud.Offline {
		t.Errorf("without a stream: %v", err)
	}
	s := w.connected(rfcHead())
	send := func(token string) int {
		status, _, _ := w.ask(http.MethodPost, "/send/kitchen", "hello", "Authorization", "Bearer "+token)
		return status
	}
	if got := send(token); got != 200 {
		t.Errorf("with a token that writes: %d", got)
	}
	s.wantMessage(opText, "hello")
	if got := send(reads); got != 403 {
		t.Errorf("with a token that reads: %d", got)
	}
	if status, _, _ := w.ask(http.MethodPost, "/send/kitchen", "hello"); status != 403 {
		t.Errorf("without one: %d", status)
	}
	page := w.socket(upgrade("/data/kitchen?access_token=" + token))
	page.say(frame(opText, random, "from a page"))
	s.wantMessage(opText, "from a page")
	for _, target := range []string{"/data/kitchen", "/data/kitchen?access_token=" + reads} {
		page = w.socket(upgrade(target))
		page.say(frame(opText, random, "x"))
		page.wantMessage(opClose, "1008")
	}
	s.say(frame(opText, random, "up\n"))
	page = w.socket(upgrade("/data/kitchen?history=1"))
	page.wantMessage(opText, "up")
}

func TestADeviceThatDoesNotReadHoldsNobodyUp(t *testing.T) {
	w := newWorld(t)
	w.connected(rfcHead())
	text := strings.Repeat("x", maxDown)
	var err error
	for range 10000 {
		if err = w.relay.send(photon, text); err != nil {
			break
		}
	}
	if cloud.KindOf(err) != cloud.Limited {
		t.Errorf("160 MB were taken: %v", err)
	}
}

func TestPagesWatchByWebSocketToo(t *testing.T) {
	w := newWorld(t)
	page, own := w.socket(upgrade("/data")), w.socket(upgrade("/data/kitchen"))
	w.device(photon).say("1\n\xff\n")
	for _, p := range []socketPeer{page, own} {
		p.wantMessage(opText, "1")
		p.wantMessage(opBinary, "\xff")
	}
	page.say(frame(opPing, random, "x"))
	page.wantMessage(opPong, "x")
	page.say(frame(opText, nil, "a browser masks"))
	page.wantMessage(opClose, "1002")
}

func TestAStoppingRelayTellsItsSockets(t *testing.T) {
	w := newWorld(t)
	s, page := w.connected(rfcHead()), w.socket(upgrade("/data"))
	sse := w.watch("/data")
	go w.stop()
	s.wantMessage(opClose, "1012")
	page.wantMessage(opClose, "1012")
	if _, err := io.ReadAll(sse.in); err != nil {
		t.Errorf("the event stream did not end cleanly: %v", err)
	}
}

func TestAKickedDeviceIsToldAndNotAskedBack(t *testing.T) {
	w := newWorld(t)
	s := w.connected(rfcHead())
	if n := w.relay.Kick(photon); n != 1 {
		t.Errorf("%d ended", n)
	}
	s.wantMessage(opClose, "1008")
	w.eventually("it is gone", func() bool { return w.stream(photon) == nil })
	w.notCalled()
}

func FuzzMessages(f *testing.F) {
	f.Add([]byte(frame(opText, random, "hello")+frame(opPing, zero, "")), false)
	f.Add([]byte(frame(opText, nil, "x")+"\x8a\x00\x87\x00"), true)
	f.Add([]byte("\x01\x83"+string(random)+"abc"+"\x80\x80"+string(random)), false)
	f.Fuzz(func(t *testing.T, b []byte, legacy bool) {
		r := &messageReader{in: bufio.NewReader(bytes.NewReader(b)), legacy: legacy}
		total := 0
		for {
			m, err := r.next()
			if err != nil {
				var p protocolError
				if !errors.As(err, &p) && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
					t.Fatalf("an odd error: %v", err)
				}
				return
			}
			if total += len(m.data); total > len(b) || cap(r.buf) > 2*len(b)+16<<10 {
				t.Fatalf("%d bytes of messages, room for %d, from %d bytes", total, cap(r.buf), len(b))
			}
		}
	})
}
