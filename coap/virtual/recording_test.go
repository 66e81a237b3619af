package virtual

import (
	"bytes"
	"context"
	"encoding/hex"
	"net"
	"strconv"
	"sync"
	"testing"
	"time"

	"localcloud/coap"
	"localcloud/coap/link"
	"localcloud/coap/link/recording"
	"localcloud/keys"
)

// recordedApplication is what the recorded devices run.
func recordedApplication(t *testing.T, d *Device) {
	t.Helper()
	check := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	check(d.Function("echo", func(arg string) int32 {
		n, _ := strconv.Atoi(arg)
		return int32(n)
	}))
	check(d.Function("length", func(arg string) int32 { return int32(len(arg)) }))
	check(d.Function("negative", func(string) int32 { return -1234567 }))
	check(d.Function("slow", func(string) int32 { return 0 }))

	value := func(v any) func() any { return func() any { return v } }
	check(d.Variable("vInt", coap.Int, value(42)))
	check(d.Variable("vDouble", coap.Double, value(3.25)))
	check(d.Variable("vBool", coap.Bool, value(true)))
	check(d.Variable("vString", coap.String, value("hello string")))
	check(d.Variable("vChars", coap.String, value("hello chars")))
	check(d.Variable("calcInt", coap.Int, value(1001)))
	check(d.Variable("calcDouble", coap.Double, value(1.5)))
	check(d.Variable("calcString", coap.String, value("calc-1")))
	check(d.Variable("calcBool", coap.Bool, value(true)))

	ignore := func(Event) {}
	check(d.Subscribe("pre/", SubscribeOptions{}, ignore))
	check(d.Subscribe("mine/", SubscribeOptions{Mine: true}, ignore))
	check(d.Subscribe("particle/device/", SubscribeOptions{Mine: true}, ignore))
	check(d.Subscribe("spark/device/", SubscribeOptions{}, ignore))
}

// The whole of a recorded session is played to the virtual device in its own
// time. Every byte that it puts on the wire after the handshake must be that of
// the real one: ids, tokens, order, pings, metrics.
func TestDeviceSaysWhatTheRecordedOneSaid(t *testing.T) {
	for _, tt := range []struct {
		file  string
		os    Version
		token byte // before the first one: random on the device
	}{
		{"tcp-v3.3.1.txt", OS331, 0x3b},
		{"tcp-v6.2.0.txt", OS620, 0xd3},
	} {
		t.Run(string(tt.os), func(t *testing.T) {
			bubble(t, func(t *testing.T) { replay(t, tt.file, tt.os, tt.token) })
		})
	}
}

func replay(t *testing.T, file string, os Version, token byte) {
	r := openRecording(t, file)
	cast := newCast(t, &r)
	key, err := keys.NewRSAPublicKey(&cast.device.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	nonce := r.Chunk(recording.Nonce).Wire
	server := &link.Server{
		Key:  cast.server,
		Rand: bytes.NewReader(append(bytes.Clone(nonce), r.Session.Credentials...)),
		Authorize: func(_ context.Context, a link.Attempt) (keys.PublicKey, error) {
			if a.ID != cast.id || !a.Offered.Equal(key) {
				t.Errorf("device offers id %s and another key", a.ID)
			}
			return key, nil
		},
	}
	deviceEnd, serverEnd := net.Pipe()
	wire := &tap{Conn: serverEnd}
	d := New(Config{
		ID: cast.id, Key: cast.device, ServerKey: &cast.server.PublicKey, OS: os, PlatformID: platformGCC,
		Dial:   func(context.Context) (net.Conn, error) { return deviceEnd, nil },
		Logger: testLogger(t), Rand: zeros{},
	})
	d.token = token
	recordedApplication(t, d)

	over := make(chan error, 1)
	go func() { over <- d.Run(context.Background()) }()
	l, err := server.Handshake(context.Background(), wire)
	if err != nil {
		t.Fatal(err)
	}
	wire.begin()
	// The device had run for a second when it connected.
	start := time.Now()
	d.booted = start.Add(-time.Second)

	said := make(chan []byte, len(r.Chunks))
	go func() {
		defer close(said)
		for {
			b, err := l.Read()
			if err != nil {
				return
			}
			said <- bytes.Clone(b)
		}
	}()
	for _, c := range r.Chunks {
		if c.Kind != recording.Frame {
			continue
		}
		at := start.Add(time.Duration(c.MS * float64(time.Millisecond)))
		if c.From == recording.Server {
			time.Sleep(time.Until(at))
			if err := l.Write(c.Plain); err != nil {
				t.Fatal(err)
			}
			continue
		}
		if m, _ := coap.Parse(c.Plain); m.Kind(coap.FromDevice) == coap.KindEvent {
			if ev, _ := coap.ParseEvent(m); ev.Name == "vdev/tick" {
				time.Sleep(time.Until(at))
				if err := d.Publish(t.Context(), Event{Name: ev.Name, Data: ev.Data, Private: true}); err != nil {
					t.Fatal(err)
				}
			}
		}
		select {
		case got := <-said:
			if !bytes.Equal(got, c.Plain) {
				t.Fatalf("chunk %d (%s):\n got %x\nwant %x", c.Number, c.Means, got, c.Plain)
			}
		case <-time.After(time.Minute):
			t.Fatalf("chunk %d (%s) is not said", c.Number, c.Means)
		}
		if late := time.Since(at); late < -100*time.Millisecond || late > 100*time.Millisecond {
			t.Errorf("chunk %d (%s) comes %v late", c.Number, c.Means, late)
		}
	}
	l.Close()
	if err := <-over; err == nil {
		t.Error("Run returns without an error when the server closes the connection")
	}
	for b := range said {
		t.Errorf("the recorded device did not say %x", b)
	}

	want := bytes.Join(r.WireFrom(recording.Device)[1:], nil) // without the handshake, whose padding is random
	if got := wire.read(); !bytes.Equal(got, want) {
		t.Errorf("on the wire:\n got %s\nwant %s", hex.EncodeToString(got), hex.EncodeToString(want))
	}
}

// tap keeps what is read from a connection.
type tap struct {
	net.Conn
	mu   sync.Mutex
	on   bool
	kept bytes.Buffer
}

func (c *tap) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.on {
		c.kept.Write(b[:n])
	}
	return n, err
}

func (c *tap) begin() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.on = true
}

func (c *tap) read() []byte {
	c.mu.Lock()
	defer c.mu.Unlock()
	return bytes.Clone(c.kept.Bytes())
}
