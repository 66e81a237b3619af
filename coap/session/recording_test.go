package session

import (
	"bytes"
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/x509"
	"encoding/binary"
	"encoding/pem"
	"fmt"
	"io"
	"net"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/plgd-dev/go-coap/v3/message/codes"

	"localcloud/cloud"
	"localcloud/coap"
	"localcloud/coap/link"
	"localcloud/coap/link/recording"
	"localcloud/keys"
)

// The recordings have the last word: they were made with Particle's own firmware.

func eachRecording(t *testing.T, pattern string, want int, test func(t *testing.T, r recording.Recording)) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join("..", "link", "testdata", "recordings", pattern))
	if err != nil || len(files) != want {
		t.Fatalf("recordings %v, %v", files, err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			r, err := recording.Open(file)
			if err != nil {
				t.Fatal(err)
			}
			test(t, r)
		})
	}
}

// What the application of all recordings can do.
var (
	recordedFunctions = []string{"echo", "length", "negative", "slow"}
	recordedVariables = map[string]string{
		"vInt": "int32", "vDouble": "double", "vBool": "bool", "vString": "string", "vChars": "string",
		"calcInt": "int32", "calcDouble": "double", "calcString": "string", "calcBool": "bool",
	}
	recordedValues = map[string]any{
		"vInt": int32(42), "vDouble": 3.25, "vBool": true, "vString": "hello string", "vChars": "hello chars",
		"calcInt": int32(1001), "calcDouble": 1.5, "calcString": "calc-1", "calcBool": true,
	}
)

// chain is one direction of the recorded channel, written once more: the IV of
// a frame is the first cipher block of the one before.
type chain struct {
	block cipher.Block
	iv    []byte
}

func (c *chain) seal(message []byte) []byte {
	pad := 16 - len(message)%16
	b := append(bytes.Clone(message), bytes.Repeat([]byte{byte(pad)}, pad)...)
	cipher.NewCBCEncrypter(c.block, c.iv).CryptBlocks(b, b)
	c.iv = b[:16]
	return append(binary.BigEndian.AppendUint16(nil, uint16(len(b))), b...)
}

func (c *chain) open(b []byte) []byte {
	plain := make([]byte, len(b))
	cipher.NewCBCDecrypter(c.block, c.iv).CryptBlocks(plain, b)
	c.iv = b[:16]
	return plain[:len(plain)-int(plain[len(plain)-1])]
}

// recorded is a device whose side of a recording is played to our server over a socket.
type recorded struct {
	t       *testing.T
	rec     recording.Recording
	conn    net.Conn
	out, in chain // of the device
	id      uint16
}

// expect reads the next message of the server.
func (d *recorded) expect() coap.Message {
	d.t.Helper()
	var header [2]byte
	if _, err := io.ReadFull(d.conn, header[:]); err != nil {
		d.t.Fatalf("the connection is over: %v", err)
	}
	b := make([]byte, binary.BigEndian.Uint16(header[:]))
	if _, err := io.ReadFull(d.conn, b); err != nil {
		d.t.Fatalf("the connection is over: %v", err)
	}
	m, err := coap.Parse(d.in.open(b))
	if err != nil {
		d.t.Fatal(err)
	}
	return m
}

// until sends a ping of ours behind all that was sent, and returns what the
// server said before it answered that.
func (d *recorded) until() []coap.Message {
	d.t.Helper()
	d.id += 1000
	b, err := coap.Ping(d.id).Append(nil)
	if err != nil {
		d.t.Fatal(err)
	}
	if _, err := d.conn.Write(d.out.seal(b)); err != nil {
		d.t.Fatal(err)
	}
	var got []coap.Message
	for {
		m := d.expect()
		if m.Type == coap.Acknowledgement && m.ID == d.id {
			return got
		}
		got = append(got, m)
	}
}

// play sends the device's side of the recording and checks our side of the handshake.
func (d *recorded) play() {
	d.t.Helper()
	for _, c := range d.rec.Chunks {
		switch c.Kind {
		case recording.Nonce, recording.HandshakeServer:
			got := make([]byte, len(c.Wire))
			if _, err := io.ReadFull(d.conn, got); err != nil {
				d.t.Fatalf("chunk %d: %v", c.Number, err)
			}
			if c.Kind == recording.Nonce && !bytes.Equal(got, c.Wire) {
				d.t.Fatalf("the nonce is not the recorded one")
			}
		default:
			if c.From != recording.Device {
				continue
			}
			if _, err := d.conn.Write(c.Wire); err != nil {
				d.t.Fatalf("chunk %d: %v", c.Number, err)
			}
			if c.Kind == recording.Frame {
				d.out.iv = c.Wire[2:18]
			}
		}
	}
}

// serveRecorded runs our server with the recording's keys, nonce and credentials, and connects to it.
func serveRecorded(t *testing.T, s *site, rec recording.Recording) *recorded {
	t.Helper()
	id, err := keys.ParseDeviceID(rec.DeviceID)
	if err != nil {
		t.Fatal(err)
	}
	public, err := keys.ParsePublicKey(rec.Chunk(recording.HandshakeDevice).Plain[52:])
	if err != nil {
		t.Fatal(err)
	}
	if _, err := cloud.Adopt(s.registry, id, public, "tiny_name", s.owner); err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode(rec.ServerKey)
	private, err := x509.ParsePKCS1PrivateKey(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	handshake := &link.Server{
		Key: private,
		Authorize: func(_ context.Context, a link.Attempt) (keys.PublicKey, error) {
			key, reason := cloud.Admit(s.registry, a.ID, a.Offered)
			if reason != "" {
				return keys.PublicKey{}, &link.Refusal{Reason: reason}
			}
			return key, nil
		},
		Rand: bytes.NewReader(slices.Concat(rec.Chunk(recording.Nonce).Wire, rec.Session.Credentials)),
	}
	server := &Server{
		Hub: s.hub, Registry: s.registry, Logger: s.logger(),
		Handshake: func(ctx context.Context, nc net.Conn) (Link, error) {
			conn, err := handshake.Handshake(ctx, nc)
			if err != nil {
				t.Errorf("handshake: %v", err)
				return nil, err
			}
			return conn, nil
		},
		Knock: func(k keys.Knock) { t.Errorf("not let in: %+v", k) },
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(ctx, ln) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Errorf("serve: %v", err)
		}
	})
	nc, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { nc.Close() })
	nc.SetDeadline(time.Now().Add(time.Minute)) // only ends a test that would hang
	secret, err := aes.NewCipher(rec.Session.AESKey)
	if err != nil {
		t.Fatal(err)
	}
	return &recorded{t: t, rec: rec, conn: nc, out: chain{secret, rec.Session.IV}, in: chain{secret, rec.Session.IV}}
}

// next returns the next event at the Hub, which may be on its way.
func (s *site) next() *cloud.Event {
	s.t.Helper()
	select {
	case ev := <-s.events.C:
		return ev
	case <-time.After(10 * time.Second):
		s.t.Fatal("the event does not come")
		return nil
	}
}

func TestRecordedDevicesAreServed(t *testing.T) {
	eachRecording(t, "tcp-*.txt", 4, func(t *testing.T, rec recording.Recording) {
		s := newSite(t)
		d := serveRecorded(t, s, rec)
		d.play()
		got := d.until() // so the connection is still open

		// What our server says, in the forms of the recorded one.
		var wantReplies []coap.Message
		var wantEvents []coap.Event
		for _, c := range rec.Chunks {
			m, err := coap.Parse(c.Plain)
			if c.Kind != recording.Frame || err != nil {
				continue
			}
			switch kind := m.Kind(coap.FromDevice); {
			case c.From == recording.Server && m.Kind(coap.FromServer) == coap.KindHello:
				m.ID = got[0].ID // ours to choose
				wantReplies = append(wantReplies, m)
			case c.From == recording.Device && m.Type == coap.Confirmable:
				reply := recordedReply(t, rec, m.ID)
				if kind == coap.KindTime { // ours is that of today
					now := replyTo(got, m.ID)
					if unix, err := coap.ParseTime(now); err != nil || time.Since(time.Unix(int64(unix), 0)).Abs() > time.Minute {
						t.Errorf("the time is %d, %v", unix, err)
					}
					reply.Payload = now.Payload
				}
				wantReplies = append(wantReplies, reply)
			case c.From == recording.Device && kind == coap.KindEvent:
				ev, err := coap.ParseEvent(m)
				if err != nil {
					t.Fatal(err)
				}
				wantEvents = append(wantEvents, ev)
			}
		}
		(&device{t: t, sent: got}).want(wantReplies...)

		// What a listener hears.
		if ev := s.next(); ev.Name != "spark/status" || string(ev.Data) != "online" {
			t.Errorf("first event %s=%s", ev.Name, ev.Data)
		}
		if len(wantEvents) == 0 {
			t.Error("the recording holds no events")
		}
		for _, want := range wantEvents {
			ev := s.next()
			if ev.Name != want.Name || !bytes.Equal(ev.Data, want.Data) || ev.Private != want.Private || ev.TTL != want.TTL ||
				ev.CoreID() != rec.DeviceID || ev.Owner != s.owner || ev.Format != want.ContentFormat {
				t.Errorf("event %+v, want %+v", ev, want)
			}
		}

		// What it learnt of the device.
		id, _ := keys.ParseDeviceID(rec.DeviceID)
		r, _ := s.registry.Device(id)
		if !slices.Equal(r.Functions, recordedFunctions) || !reflect.DeepEqual(r.Variables, recordedVariables) ||
			r.SystemVersion != rec.DeviceOS || r.PlatformID != 3 || r.ProductID != 3 {
			t.Errorf("record %+v", r)
		}

		// What it sends, by the device's subscriptions.
		all := rec.DeviceOS < "6.2" // "pre/" without query: from everybody; later from the owner's devices
		for _, ev := range []struct {
			name  string
			owner cloud.UserID
		}{
			{"pre/of-others", "someone"}, {"pre/own", s.owner}, {"mine/own", s.owner}, {"mine/of-others", "someone"}, {"other", s.owner},
			{"spark/device/reset", s.owner}, {"particle/device/x", s.owner}, {"spark/device/key/restore", s.owner},
		} {
			err := s.hub.Publish(ctx(), cloud.Event{Name: ev.name, Owner: ev.owner, Data: []byte("x"), Format: cloud.TextFormat})
			if err != nil {
				t.Fatal(err)
			}
		}
		var names []string
		for _, m := range d.until() {
			ev, err := coap.ParseEvent(m)
			if err != nil || m.Type != coap.NonConfirmable {
				t.Errorf("%s, %v", m, err)
			}
			names = append(names, ev.Name)
		}
		want := []string{"pre/own", "mine/own"}
		if all {
			want = slices.Insert(want, 0, "pre/of-others")
		}
		if !slices.Equal(names, want) {
			t.Errorf("the device gets %q, want %q", names, want)
		}
	})
}

// recordedReply returns what the recorded server answered to a message of the device.
func recordedReply(t *testing.T, rec recording.Recording, id uint16) coap.Message {
	t.Helper()
	for _, b := range rec.PlainFrom(recording.Server) {
		if m, err := coap.Parse(b); err == nil && m.Type == coap.Acknowledgement && m.ID == id {
			return m
		}
	}
	t.Fatalf("the recorded server did not answer %04x", id)
	return coap.Message{}
}

func replyTo(got []coap.Message, id uint16) coap.Message {
	for _, m := range got {
		if m.Type == coap.Acknowledgement && m.ID == id {
			return m
		}
	}
	return coap.Message{}
}

// TestRecordedConversationByteForByte has a Session ask what the recorded server
// asked. What it sends is what the recorded device accepted, to the last byte, and what the device
// answered is understood.
func TestRecordedConversationByteForByte(t *testing.T) {
	eachRecording(t, "tcp-v?.?.?.txt", 2, func(t *testing.T, rec recording.Recording) {
		p := newReplay(t, rec)
		for _, c := range rec.Chunks {
			if c.Kind != recording.Frame {
				continue
			}
			p.now = p.start.Add(time.Duration(c.MS * float64(time.Millisecond)))
			if c.From == recording.Device {
				if err := p.s.Receive(p.now, c.Plain); err != nil {
					t.Fatalf("chunk %d %s: %v", c.Number, c.Means, err)
				}
				p.replies = append(p.replies, p.s.Outbox()...)
				continue
			}
			p.server(c)
		}
		if len(p.replies) != 0 {
			t.Errorf("%d messages more than the recorded server sent", len(p.replies))
		}
		p.wantAnswers()
	})
}

// replay is a Session that plays the recorded server.
type replay struct {
	t       *testing.T
	s       *Session
	start   time.Time
	now     time.Time
	replies [][]byte // sent and not compared yet
	open    []func() // checks of the answers
}

func newReplay(t *testing.T, rec recording.Recording) *replay {
	t.Helper()
	id, err := keys.ParseDeviceID(rec.DeviceID)
	if err != nil {
		t.Fatal(err)
	}
	p := &replay{t: t}
	var first coap.Message
	var asked float64 // when the device asked for the time
	for _, c := range rec.Chunks {
		m, err := coap.Parse(c.Plain)
		switch {
		case c.Kind != recording.Frame || err != nil:
		case c.From == recording.Server && first.Options == nil:
			first = m
		case c.From == recording.Device && m.Kind(coap.FromDevice) == coap.KindTime:
			asked = c.MS
		case c.From == recording.Server && m.Code == codes.Content:
			unix, err := coap.ParseTime(m)
			if err != nil {
				t.Fatal(err)
			}
			p.start = time.Unix(int64(unix), 5e8).Add(-time.Duration(asked * float64(time.Millisecond)))
		}
	}
	// Ids go up from that of the recorded Hello, tokens from 2, as the recorded server's did.
	p.s = New(p.start, Config{
		Device: id, Name: "tiny_name", Rand: bytes.NewReader([]byte{byte((first.ID - 1) >> 8), byte(first.ID - 1), 1}),
	})
	return p
}

// server checks one message of the recorded server: an answer that we gave, too, or
// a question that we now ask.
func (p *replay) server(c recording.Chunk) {
	p.t.Helper()
	m, err := coap.Parse(c.Plain)
	if err != nil {
		p.t.Fatal(err)
	}
	if m.Type == coap.Acknowledgement || m.Kind(coap.FromServer) == coap.KindHello {
		if len(p.replies) == 0 {
			p.t.Errorf("chunk %d: nothing was sent, want %s", c.Number, m)
			return
		}
		p.compare(c, p.replies[0])
		p.replies = p.replies[1:]
		return
	}
	p.ask(m)
	out := p.s.Outbox()
	if len(out) != 1 {
		p.t.Fatalf("chunk %d: %d messages were sent, want %s", c.Number, len(out), m)
	}
	if m.Kind(coap.FromServer) == coap.KindEvent {
		p.compareEvents(c, out[0])
		return
	}
	p.compare(c, out[0])
}

func (p *replay) compare(c recording.Chunk, got []byte) {
	p.t.Helper()
	if !bytes.Equal(got, c.Plain) {
		p.t.Errorf("chunk %d %s\n got %x\nwant %x", c.Number, c.Means, got, c.Plain)
	}
}

// compareEvents checks an event: the recorded server tried several forms, which the device
// all took. Ours is the one with the name in one option, and on TCP never confirmable.
func (p *replay) compareEvents(c recording.Chunk, got []byte) {
	p.t.Helper()
	m, err := coap.Parse(got)
	want, err2 := coap.Parse(c.Plain)
	if err != nil || err2 != nil {
		p.t.Fatal(err, err2)
	}
	ev, err := coap.ParseEvent(m)
	wantEv, err2 := coap.ParseEvent(want)
	if err != nil || err2 != nil || !reflect.DeepEqual(ev, wantEv) || m.ID != want.ID || m.Type != coap.NonConfirmable {
		p.t.Errorf("chunk %d\n got %s\nwant %s", c.Number, m, want)
	}
	if wantEv.Name == "pre/con" { // which has the name in one option
		if want.Type = coap.NonConfirmable; m.String() != want.String() || !reflect.DeepEqual(m.Options, want.Options) {
			p.t.Errorf("chunk %d\n got %s\nwant %s", c.Number, m, want)
		}
	}
}

// expects returns a callback for an answer, and has it checked at the end.
func expects[T any](p *replay, what string, want T) func(T, error) {
	o := &outcome[T]{t: p.t}
	p.open = append(p.open, func() {
		p.t.Helper()
		if len(o.errs) != 1 || o.errs[0] != nil || !reflect.DeepEqual(o.values[0], want) {
			p.t.Errorf("%s: answers %v, errors %v, want one answer %v", what, o.values, o.errs, want)
		}
	})
	return o.done
}

// fails is expects for an error of that kind.
func fails[T any](p *replay, what string, kind cloud.Kind) func(T, error) {
	o := &outcome[T]{t: p.t}
	p.open = append(p.open, func() {
		p.t.Helper()
		if len(o.errs) != 1 || cloud.KindOf(o.errs[0]) != kind {
			p.t.Errorf("%s: answers %v, errors %v, want one error of kind %v", what, o.values, o.errs, kind)
		}
	})
	return o.done
}

func (p *replay) wantAnswers() {
	p.t.Helper()
	if len(p.open) < 20 {
		p.t.Errorf("only %d questions were asked", len(p.open))
	}
	for _, check := range p.open {
		check()
	}
}

// ask asks what the recorded server asked by m.
func (p *replay) ask(m coap.Message) {
	p.t.Helper()
	s, now, deadline := p.s, p.now, p.now.Add(callTimeout)
	switch kind := m.Kind(coap.FromServer); kind {
	case coap.KindPing:
		done := expects(p, "ping", struct{}{})
		s.Ping(now, func(err error) { done(struct{}{}, err) })
	case coap.KindSignal:
		on, _ := coap.ParseSignal(m)
		done := expects(p, fmt.Sprint("signal ", on), struct{}{})
		s.Signal(now, deadline, on, func(err error) { done(struct{}{}, err) })
	case coap.KindEvent:
		ev, err := coap.ParseEvent(m)
		if err != nil {
			p.t.Fatal(err)
		}
		s.Send(&cloud.Event{Name: ev.Name, Data: ev.Data, Private: ev.Private, TTL: ev.TTL, Format: ev.ContentFormat})
	case coap.KindVariable:
		p.askVariable(m, now, deadline)
	case coap.KindFunction:
		p.askFunction(m, now, deadline)
	case coap.KindDescribe:
		p.askDescribe(m, now, deadline)
	default:
		p.t.Fatalf("%s is not asked in this test", m)
	}
}

func (p *replay) askVariable(m coap.Message, now, deadline time.Time) {
	name, err := coap.ParseVariable(m)
	if err != nil {
		p.t.Fatal(err)
	}
	if name != "nosuch" {
		p.s.Variable(now, deadline, name, expects(p, name, recordedValues[name]))
		return
	}
	// We know better than to ask; the device's answer is worth a look all the same.
	p.s.Variable(now, deadline, name, fails[any](p, name, cloud.NotExist))
	done := fails[any](p, "asked for "+name, cloud.NotExist)
	p.s.request(deadline, func(id uint16, token byte) coap.Message {
		return coap.VariableMessage(id, token, name)
	}, onValue(coap.String, done), func(err error) { done(nil, err) })
}

func (p *replay) askFunction(m coap.Message, now, deadline time.Time) {
	name, arg, err := coap.ParseFunction(m)
	if err != nil {
		p.t.Fatal(err)
	}
	want := int32(len(arg))
	switch name {
	case "echo":
		n, err := strconv.Atoi(arg)
		if err != nil {
			p.t.Fatal(err)
		}
		want = int32(n)
	case "negative":
		want = -1234567
	case "nosuch":
		p.s.Call(now, deadline, name, arg, fails[int32](p, name, cloud.NotExist))
		silent := &outcome[int32]{t: p.t}
		p.open = append(p.open, silent.pending) // the device says nothing
		p.s.request(deadline, func(id uint16, token byte) coap.Message {
			return coap.FunctionMessage(id, token, name, arg)
		}, onResult(silent.done), func(err error) { silent.done(0, err) })
		return
	}
	p.s.Call(now, deadline, name, arg, expects(p, name+" "+arg, want))
}

func (p *replay) askDescribe(m coap.Message, now, deadline time.Time) {
	flags, _ := coap.DescribeFlags(m)
	if flags == describeMetrics {
		o := &outcome[coap.Metrics]{t: p.t}
		p.open = append(p.open, func() {
			if len(o.errs) != 1 || o.errs[0] != nil || len(o.values[0]) < 20 {
				p.t.Errorf("metrics %v, %v", o.values, o.errs)
			}
		})
		p.s.Metrics(now, deadline, o.done)
		return
	}
	o := &outcome[coap.Describe]{t: p.t}
	p.open = append(p.open, func() {
		p.t.Helper()
		switch {
		case flags == 0: // refused from 3.3 on
			o.wantErr(cloud.Refused)
		case len(o.errs) != 1 || o.errs[0] != nil:
			p.t.Errorf("describe %d: %v, %v", flags, o.values, o.errs)
		case flags == describeApp:
			if d := o.values[0]; !slices.Equal(d.Functions, recordedFunctions) || len(d.Variables) != len(recordedVariables) {
				p.t.Errorf("application %+v", d)
			}
		case !o.values[0].HasSystem:
			p.t.Errorf("system %+v", o.values[0])
		}
	})
	p.s.getDescribe(now, flags, nil, 0, coap.Block{SZX: 6}, func(_ time.Time, d coap.Describe, err error) { o.done(d, err) })
}
