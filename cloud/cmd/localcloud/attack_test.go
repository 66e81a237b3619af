package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	mathrand "math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"localcloud/cloud"
	"localcloud/cloud/client"
	"localcloud/cloud/sse"
	"localcloud/coap/link"
	"localcloud/coap/virtual"
	"localcloud/keys"
)

// What strangers do to a cloud: each attack ends by itself, and nobody else notices.

// dial connects to a cloud's socket. No read or write on the connection takes longer than bound.
func dial(t *testing.T, address string) *net.TCPConn {
	t.Helper()
	nc, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { nc.Close() })
	nc.SetDeadline(time.Now().Add(bound))
	return nc.(*net.TCPConn)
}

// addDevice registers a device of the owner's and returns its key.
func addDevice(t *testing.T, s *serving, id keys.DeviceID) *rsa.PrivateKey {
	t.Helper()
	key := newKey(t)
	public, err := keys.NewRSAPublicKey(&key.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	command(t, "device", "add", id.String(), "--key", writeFile(t, string(public.PEM())), "--data", s.data)
	return key
}

// intruder tries to come in.
type intruder struct {
	t      *testing.T
	nc     net.Conn
	server *rsa.PublicKey
	id     keys.DeviceID   // of a device that is registered and offline
	key    *rsa.PrivateKey // its key
	other  *rsa.PrivateKey // the key of a device that is registered and online
	online keys.DeviceID   // its id
	wrote  []byte          // by it, in the handshake
}

// Write notes what is written, for a replay.
func (i *intruder) Write(b []byte) (int, error) {
	i.wrote = append(i.wrote, b...)
	return i.nc.Write(b)
}

// recorded is the connection as the link sees it.
type recorded struct {
	net.Conn
	by *intruder
}

func (r recorded) Write(b []byte) (int, error) { return r.by.Write(b) }

func (i *intruder) handshake(id keys.DeviceID, key *rsa.PrivateKey, omit bool) (*link.Conn, error) {
	c := link.Client{ServerKey: i.server, ID: id, Key: key, OmitKey: omit, StepTimeout: bound}
	return c.Handshake(i.t.Context(), recorded{i.nc, i})
}

// enter is a handshake that has to succeed.
func (i *intruder) enter() *link.Conn {
	i.t.Helper()
	conn, err := i.handshake(i.id, i.key, false)
	if err != nil {
		i.t.Fatal(err)
	}
	return conn
}

// turnedAway is one that must not, and whose first frame cannot be right.
func (i *intruder) turnedAway(id keys.DeviceID, key *rsa.PrivateKey, omit bool) {
	i.t.Helper()
	if _, err := i.handshake(id, key, omit); !errors.Is(err, link.ErrDecryption) {
		i.t.Errorf("the handshake ended with %v", err)
	}
	i.nc.Write(impossibleFrame)
}

// block sends this as a device's block, and after the answer a frame that cannot be right.
func (i *intruder) block(b []byte) {
	i.t.Helper()
	if _, err := io.ReadFull(i.nc, make([]byte, 40)); err != nil {
		i.t.Fatal(err)
	}
	i.nc.Write(b)
	if _, err := io.ReadFull(i.nc, make([]byte, 128+256)); err != nil {
		i.t.Errorf("a block that is refused is answered like any other: %v", err)
	}
	i.nc.Write(impossibleFrame)
}

var impossibleFrame = []byte{0xff, 0xff, 1, 2, 3, 4} // larger than any, and no multiple of 16

func random(n int) []byte {
	b := make([]byte, n)
	rand.Read(b)
	return b
}

type knocked struct {
	ID, What, Next string
	Step           keys.Step
	Reason         keys.Reason
	Count          int
}

func TestEveryIntruderIsTurnedAwayCountedAndExplained(t *testing.T) {
	s := serve(t, t.TempDir())
	addUser(t, s.data, "ann")
	id, online, stranger := randomID(), randomID(), randomID()
	key, other := addDevice(t, s, id), addDevice(t, s, online)
	d := photon(t, s, online, other)
	eventually(t, "the good device is online", d.Online)
	server, err := readServerKey(t.Context(), exportKey(t, s.data), nil)
	if err != nil {
		t.Fatal(err)
	}
	var block []byte // of an earlier handshake, to be replayed

	for _, attack := range []struct {
		name   string
		do     func(i *intruder)
		id     keys.DeviceID // under which it stands on the list; zero: it did not say
		reason keys.Reason
	}{
		{"an id that nobody knows", func(i *intruder) { i.turnedAway(stranger, newKey(t), false) }, stranger, keys.ReasonUnknownDevice},
		{"a key of its own", func(i *intruder) { i.turnedAway(id, newKey(t), false) }, id, keys.ReasonOtherKey},
		{"the key of another device", func(i *intruder) { i.turnedAway(online, key, false) }, online, keys.ReasonOtherKey},
		{"without the private key", func(i *intruder) { i.turnedAway(online, key, true) }, online, keys.ReasonGarbageFrame},
		{"a replayed block", func(i *intruder) {
			i.block(block)
		}, id, keys.ReasonNonceMismatch},
		{"garbage", func(i *intruder) { i.block(random(256)) }, keys.DeviceID{}, keys.ReasonWrongServerKey},
		{"much garbage", func(i *intruder) { go i.nc.Write(random(1 << 20)) }, keys.DeviceID{}, keys.ReasonWrongServerKey},
		{"half a block", func(i *intruder) { i.nc.Write(random(100)); i.nc.(*net.TCPConn).CloseWrite() }, keys.DeviceID{}, keys.ReasonClosed},
		{"an oversize frame", func(i *intruder) { i.enter(); i.nc.Write(impossibleFrame) }, id, keys.ReasonGarbageFrame},
		{"no message", func(i *intruder) { i.enter().Write([]byte{0xff}) }, id, keys.ReasonMalformed},
		{"no Hello", func(i *intruder) { i.enter().Write([]byte{0x40, 1, 0, 1, 0xb1, 't'}) }, id, keys.ReasonNoHello},
		{"nothing after the handshake", func(i *intruder) { i.enter(); i.nc.(*net.TCPConn).CloseWrite() }, id, keys.ReasonClosed},
	} {
		if block == nil { // a good handshake, without a Hello
			i := &intruder{t: t, nc: dial(t, s.TCP), server: server, id: id, key: key}
			i.enter()
			i.nc.Close()
			block = i.wrote
		}
		t.Run(attack.name, func(t *testing.T) {
			before := knockOf(t, s, attack.id).Count
			i := &intruder{t: t, nc: dial(t, s.TCP), server: server, id: id, key: key, other: other, online: online}
			begun := time.Now()
			attack.do(i)
			if _, err := io.Copy(io.Discard, i.nc); errors.Is(err, os.ErrDeadlineExceeded) {
				t.Errorf("after %v it still stands there", bound)
			}
			took := time.Since(begun)
			var k knocked
			eventually(t, "it is on the list with "+string(attack.reason), func() bool {
				k = knockOf(t, s, attack.id)
				return k.Count > before && k.Reason == attack.reason
			})
			if strings.Contains(k.What, string(k.Reason)) || len(strings.Fields(k.What)) < 4 || len(strings.Fields(k.Next)) < 3 {
				t.Errorf("in words: %q, %q", k.What, k.Next)
			}
			if out := command(t, "device", "list", "--unknown", "--data", s.data); !strings.Contains(out, k.What) {
				t.Errorf("for people:\n%s", out)
			}
			t.Logf("over after %v: %s: %s", took.Round(time.Millisecond), k.Reason, k.What)
		})
	}
	if n := d.Counts(); n.Disconnects > 0 || !d.Online() {
		t.Errorf("the good device noticed: %+v", n)
	}
	if out := command(t, "device", "call", online.String(), "led", "four", "--data", s.data); out != "4\n" {
		t.Errorf("the good device answers %q", out)
	}
}

// knockOf returns what is on the list under an id.
func knockOf(t *testing.T, s *serving, id keys.DeviceID) knocked {
	t.Helper()
	name := ""
	if !id.IsZero() {
		name = id.String()
	}
	for _, k := range into[[]knocked](t, "device", "list", "--unknown", "--data", s.data) {
		if k.ID == name {
			return k
		}
	}
	return knocked{}
}

// siege are connections that are begun and never said a word on, again and again.
type siege struct {
	held   atomic.Int64 // stand there now
	ended  atomic.Int64 // were ended by the other side
	cancel context.CancelFunc
	all    sync.WaitGroup
}

func lay(address string, n int) *siege {
	ctx, cancel := context.WithCancel(context.Background())
	s := &siege{cancel: cancel}
	for range n {
		s.all.Go(func() {
			for ctx.Err() == nil {
				s.stand(ctx, address)
			}
		})
	}
	return s
}

func (s *siege) stand(ctx context.Context, address string) {
	var d net.Dialer
	nc, err := d.DialContext(ctx, "tcp", address)
	if err != nil {
		return
	}
	defer nc.Close()
	stop := context.AfterFunc(ctx, func() { nc.Close() })
	defer stop()
	if _, err := io.ReadFull(nc, make([]byte, 40)); err != nil {
		return
	}
	s.held.Add(1)
	io.Copy(io.Discard, nc)
	s.held.Add(-1)
	if ctx.Err() == nil {
		s.ended.Add(1)
	}
}

func (s *siege) lift() {
	s.cancel()
	s.all.Wait()
}

func TestAThousandHalfOpenHandshakesHoldNobodyUpAndLeaveNothingBehind(t *testing.T) {
	const many = 1000
	s := serve(t, t.TempDir(), "--log-level", "error")
	addUser(t, s.data, "ann")
	id, late := randomID(), randomID()
	lateKey := addDevice(t, s, late)
	d := photon(t, s, id, addDevice(t, s, id))
	eventually(t, "the first device is online", d.Online)
	call := func(id keys.DeviceID) {
		t.Helper()
		begun := time.Now()
		if out := command(t, "device", "call", id.String(), "led", "four", "--data", s.data); out != "4\n" {
			t.Errorf("the call returned %q", out)
		}
		t.Logf("a call took %v", time.Since(begun).Round(time.Millisecond))
	}
	call(id)
	http.DefaultClient.CloseIdleConnections()
	before := resources()

	siege := lay(s.TCP, many)
	defer siege.lift()
	eventually(t, "all stand there", func() bool { return siege.held.Load() == many })
	call(id)
	begun := time.Now()
	newcomer := photon(t, s, late, lateKey)
	eventually(t, "a device comes online in spite of them", newcomer.Online)
	t.Logf("a device came online in %v, beside %d", time.Since(begun).Round(time.Millisecond), siege.held.Load())
	call(late)
	eventually(t, "the server has ended as many", func() bool { return siege.ended.Load() >= many })
	eventually(t, "and they stand there again", func() bool { return siege.held.Load() >= many*9/10 })
	call(id)
	call(late)
	if k := knockOf(t, s, keys.DeviceID{}); k.Count < many || k.Reason != keys.ReasonTimeout || k.Step != keys.StepKeyExchange || k.What == "" {
		t.Errorf("on the list stands %+v", k)
	}
	if d.Counts().Disconnects > 0 || newcomer.Counts().Attempts > 1 {
		t.Errorf("the devices noticed: %+v, %+v", d.Counts(), newcomer.Counts())
	}
	siege.lift()
	var after usage
	eventually(t, "their goroutines and files are gone", func() bool {
		http.DefaultClient.CloseIdleConnections()
		after = resources()
		return after.goroutines < before.goroutines+30 && after.files < before.files+30
	})
	t.Logf("before %+v, after %+v", before, after)
}

// usage is what this process holds.
type usage struct{ goroutines, files int }

// resources counts goroutines, and open files where the system tells.
func resources() usage {
	open, _ := os.ReadDir("/proc/self/fd")
	return usage{runtime.NumGoroutine(), len(open)}
}

// drip writes one byte after the other, and returns how many it took until the other side had enough, at most most.
func drip(nc net.Conn, next func(n int) byte, most int) int {
	nc.SetDeadline(time.Time{})
	over := make(chan struct{})
	go func() {
		defer close(over)
		io.Copy(io.Discard, nc)
	}()
	slowly := time.NewTicker(100 * time.Millisecond)
	defer slowly.Stop()
	for n := range most {
		select {
		case <-slowly.C:
		case <-over:
			return n
		}
		if _, err := nc.Write([]byte{next(n)}); err != nil {
			return n
		}
	}
	return most
}

// Every drip goes on for longer than the server's patience, and the bytes are never the last ones.
func TestWhoDribblesIsCutOffInTime(t *testing.T) {
	t.Parallel()
	s := serve(t, t.TempDir())
	token := addUser(t, s.data, "ann")
	id := randomID()
	key := addDevice(t, s, id)
	server, err := readServerKey(t.Context(), exportKey(t, s.data), nil)
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup // at the same time, as they hardly do anything
	defer all.Wait()
	text := func(b string) func(int) byte { return func(n int) byte { return b[n%len(b)] } }
	for _, test := range []struct {
		name string
		from func() net.Conn
		next func(int) byte
		most int
	}{
		{"a block", func() net.Conn { return dial(t, s.TCP) }, text("x"), 255},
		{"a frame", func() net.Conn {
			i := &intruder{t: t, nc: dial(t, s.TCP), server: server, id: id, key: key}
			i.enter()
			return i.nc
		}, text("\x01\x00"), 257},
		{"a header", func() net.Conn {
			nc := dial(t, s.HTTP)
			io.WriteString(nc, "GET /v1/devices HTTP/1.1\r\nHost: cloud\r\n")
			return nc
		}, text("A: a\r\n"), 600},
		{"a body", func() net.Conn {
			nc := dial(t, s.HTTP)
			fmt.Fprintf(nc, "POST /v1/devices/events HTTP/1.1\r\nHost: cloud\r\nAuthorization: Bearer %s\r\nContent-Length: 1000\r\n\r\n", token)
			return nc
		}, text("a=b&"), 600},
		{"a body that nobody wants", func() net.Conn {
			nc := dial(t, s.HTTP)
			io.WriteString(nc, "POST /nowhere HTTP/1.1\r\nHost: cloud\r\nContent-Length: 1000\r\n\r\n")
			return nc
		}, text("a=b&"), 600},
		{"a file", func() net.Conn {
			nc := dial(t, s.HTTP)
			fmt.Fprintf(nc, "PUT /v1/devices/x HTTP/1.1\r\nHost: cloud\r\nAuthorization: Bearer %s\r\nContent-Type: multipart/form-data; boundary=b\r\n"+
				"Content-Length: 1000\r\n\r\n--b--\r\n", token)
			return nc
		}, text("more"), 600},
	} {
		nc := test.from()
		all.Go(func() {
			begun := time.Now()
			n := drip(nc, test.next, test.most)
			took := time.Since(begun)
			if n == test.most {
				t.Errorf("%s: after %d bytes in %v it was still listened to", test.name, n, took)
			}
			t.Logf("%s: cut off after %v and %d bytes", test.name, took.Round(time.Millisecond), n)
		})
	}
}

func TestReadersThatNeverReadDelayNobodyAndTheirLossIsCounted(t *testing.T) {
	t.Parallel()
	const readers, numbered, most, batch = 20, 100, 2048, 32 // the soak test has 100 readers
	s := serve(t, t.TempDir(), "--log-level", "error")
	token := addUser(t, s.data, "ann")
	command(t, "policy", "set", "events", "off", "--data", s.data)
	id := randomID()
	d := photon(t, s, id, addDevice(t, s, id))
	eventually(t, "the device is online", d.Online)
	api := client.Client{BaseURL: s.url, Token: cloud.Secret(token)}
	var status struct {
		Streams int
		Totals  cloud.Totals
	}
	look := func() {
		t.Helper()
		st, err := api.Status(t.Context())
		if err == nil {
			err = st.Decode(&status)
		}
		if err != nil {
			t.Fatal(err)
		}
	}

	var published [numbered]time.Time // before the number is sent
	for range readers {
		nc := dial(t, s.HTTP)
		nc.SetReadBuffer(4096)
		fmt.Fprintf(nc, "GET /v1/devices/events HTTP/1.1\r\nHost: cloud\r\nAuthorization: Bearer %s\r\n\r\n", token)
	}
	eventually(t, "all listen", func() bool { look(); return status.Streams == readers })

	// Users fill what the sockets hold, in large pieces, and what waits for them:
	// many at once, because who takes nothing for 20 s is cut off.
	filler := strings.Repeat("x", cloud.MaxEventData)
	filled := 0
	for ; filled < most && status.Totals.Lost < readers; filled += batch {
		var all sync.WaitGroup
		for range batch {
			all.Go(func() {
				if err := api.Publish(t.Context(), "filler", &filler, true); err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
		look()
	}
	if lost := status.Totals.Lost; lost < readers || t.Failed() {
		t.Fatalf("after %d events of %d bytes %d copies are lost", filled, len(filler), lost)
	}

	// Now a device publishes, and somebody listens. Were anybody waited for who
	// does not read, it would be for as long as a write may take: 20 s.
	witness := sse.NewReader(openStream(t, s.url+"/v1/devices/"+id.String()+"/events/number", token))
	var slowest, acknowledged time.Duration
	for n := range numbered {
		published[n] = time.Now()
		ev := virtual.Event{Name: "number", Data: []byte(strconv.Itoa(n)), WithAck: true}
		if err := d.Publish(t.Context(), ev); err != nil {
			t.Fatal(err)
		}
		acknowledged = max(acknowledged, time.Since(published[n]))
		frame, err := witness.Next()
		if err != nil {
			t.Fatal(err)
		}
		var got struct{ Data string }
		if json.Unmarshal(frame.Data, &got) != nil || got.Data != strconv.Itoa(n) {
			t.Fatalf("instead of number %d came %s", n, frame.Data)
		}
		slowest = max(slowest, time.Since(published[n]))
	}
	if slowest > 10*time.Second || acknowledged > 10*time.Second {
		t.Errorf("delivered in up to %v, acknowledged in up to %v", slowest, acknowledged)
	}
	if out := command(t, "device", "call", id.String(), "led", "four", "--data", s.data); out != "4\n" {
		t.Errorf("the device answers %q", out)
	}
	look()
	t.Logf("%d large events filled %d sockets; then delivered in at most %v, acknowledged in at most %v; %d copies lost",
		filled, readers, slowest, acknowledged, status.Totals.Lost)
	if out := command(t, "status", "--data", s.data); !strings.Contains(out, " lost by slow listeners") || strings.Contains(out, " 0 lost by slow") {
		t.Errorf("status says\n%s", out)
	}
	eventually(t, "who never reads is cut off", func() bool { look(); return status.Streams == 1 })
}

// exchange sends raw bytes over HTTP, in the background so that an answer can come before their end, and returns
// the answer and how many bytes were taken.
func exchange(t *testing.T, s *serving, head string, body io.Reader) (status int, kind, answer string, sent int64) {
	t.Helper()
	nc := dial(t, s.HTTP)
	wrote := make(chan int64, 1)
	go func() {
		n, _ := io.Copy(nc, io.MultiReader(strings.NewReader(head), body))
		wrote <- n
	}()
	resp, err := http.ReadResponse(bufio.NewReader(nc), nil)
	if err != nil {
		t.Fatalf("no answer: %v", err)
	}
	text, _ := io.ReadAll(io.LimitReader(resp.Body, 64<<10))
	nc.Close()
	return resp.StatusCode, resp.Header.Get("Content-Type"), string(text), <-wrote
}

// endless is a body of so many bytes.
func endless(n int64) io.Reader { return io.LimitReader(xs{}, n) }

type xs struct{}

func (xs) Read(b []byte) (int, error) { return copy(b, bytes.Repeat([]byte("x"), len(b))), nil }

// chunked is the same in chunks.
func chunked(n int64) io.Reader {
	const size = 64 << 10
	chunk := fmt.Sprintf("%x\r\n%s\r\n", size, strings.Repeat("x", size))
	var all []io.Reader
	for range n / size {
		all = append(all, strings.NewReader(chunk))
	}
	return io.MultiReader(append(all, strings.NewReader("0\r\n\r\n"))...)
}

func TestTooMuchIsRefusedBeforeItIsRead(t *testing.T) {
	t.Parallel()
	s := serve(t, t.TempDir())
	token := addUser(t, s.data, "ann")
	const huge = 100 << 20
	auth := "Host: cloud\r\nAuthorization: Bearer " + token + "\r\n"
	for _, test := range []struct {
		name, head string
		body       io.Reader
		status     int
	}{
		{"a form", "POST /v1/devices/events HTTP/1.1\r\n" + auth + "Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 104857600\r\n\r\n", endless(huge), 413},
		{"JSON", "POST /v1/devices/events HTTP/1.1\r\n" + auth + "Content-Type: application/json\r\nContent-Length: 104857600\r\n\r\n", endless(huge), 413},
		{"chunks", "POST /v1/devices/events HTTP/1.1\r\n" + auth + "Transfer-Encoding: chunked\r\n\r\n", chunked(huge), 413},
		{"a file", "PUT /v1/devices/x HTTP/1.1\r\n" + auth + "Content-Type: multipart/form-data; boundary=b\r\nContent-Length: 104857600\r\n\r\n" +
			"--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"f\"\r\n\r\n", endless(huge), 413},
		{"a password", "POST /oauth/token HTTP/1.1\r\nHost: cloud\r\nContent-Length: 104857600\r\n\r\n", endless(huge), 413},
		{"headers", "GET /v1/devices HTTP/1.1\r\n" + auth, io.LimitReader(repeat("X-Bomb: "+strings.Repeat("x", 1000)+"\r\n"), huge), 431},
		{"one header", "GET /v1/devices HTTP/1.1\r\n" + auth + "X-Bomb: ", endless(huge), 431},
		{"a path", "GET /v1/devices/", endless(huge), 431},
	} {
		t.Run(test.name, func(t *testing.T) {
			status, kind, answer, sent := exchange(t, s, test.head, test.body)
			if status != test.status {
				t.Errorf("the answer is %d %s", status, answer)
			}
			if status == 413 && (!strings.HasPrefix(kind, "application/json") || !json.Valid([]byte(answer))) {
				t.Errorf("the answer is %s: %q", kind, answer)
			}
			if sent > huge/2 {
				t.Errorf("%d bytes were taken", sent)
			}
			t.Logf("%d after %d kB", status, sent>>10)
		})
	}
	if out := command(t, "status", "--data", s.data); !strings.Contains(out, "runs") {
		t.Errorf("status says %s", out)
	}
}

// repeat is a text without an end.
func repeat(s string) io.Reader { return &repeated{text: s} }

type repeated struct {
	text string
	at   int
}

func (r *repeated) Read(b []byte) (int, error) {
	n := copy(b, r.text[r.at:])
	r.at = (r.at + n) % len(r.text)
	return n, nil
}

func TestGarbagePathsGetErrorsInJSON(t *testing.T) {
	t.Parallel()
	s := serve(t, t.TempDir())
	token := addUser(t, s.data, "ann")
	random := mathrand.New(mathrand.NewPCG(404, 0))
	roots := []string{"/", "/v1/", "/v1/devices/", "/v1/localcloud/", "/v1/access_tokens/", "/oauth/", "/v1/localcloud/devices/", "/v1/provisioning/"}
	methods := []string{"GET", "POST", "PUT", "DELETE", "PATCH", "HEAD", "TRACE", "get", "BREW"}
	seen := map[int]int{}
	nc := dial(t, s.HTTP)
	in := bufio.NewReader(nc)
	for range 1000 {
		raw := make([]byte, 1+random.IntN(60))
		for i := range raw {
			raw[i] = byte(random.Uint32())
		}
		path := roots[random.IntN(len(roots))]
		switch random.IntN(3) {
		case 0:
			path += url.PathEscape(string(raw))
		case 1:
			path += strings.ReplaceAll(url.PathEscape(string(raw)), "%2F", "/") + "/../%2e%2e/" + url.QueryEscape(string(raw))
		case 2:
			path += strings.Map(func(r rune) rune { return '!' + r%94 }, string(raw)) // any that can be seen
		}
		method := methods[random.IntN(len(methods))]
		nc.SetDeadline(time.Now().Add(bound))
		fmt.Fprintf(nc, "%s %s HTTP/1.1\r\nHost: cloud\r\nAuthorization: Bearer %s\r\nContent-Length: 0\r\n\r\n", method, path, token)
		resp, err := http.ReadResponse(in, &http.Request{Method: strings.ToUpper(method)})
		if err != nil {
			t.Fatalf("%s %q: %v", method, path, err)
		}
		body, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatalf("%s %q: %v", method, path, err)
		}
		seen[resp.StatusCode]++
		if resp.Close { // net/http itself refused what is no request at all
			if resp.StatusCode != http.StatusBadRequest {
				t.Errorf("%s %q: %s, and the connection ends", method, path, resp.Status)
			}
			nc = dial(t, s.HTTP)
			in = bufio.NewReader(nc)
			continue
		}
		if kind := resp.Header.Get("Content-Type"); !strings.HasPrefix(kind, "application/json") || resp.StatusCode >= 500 ||
			(method != "HEAD" && !json.Valid(body)) {
			t.Errorf("%s %q: %s, %s, %q", method, path, resp.Status, kind, body)
		}
	}
	t.Logf("the answers were %v", seen)
	if seen[404] < 100 {
		t.Error("hardly anything was not found: the test tests little")
	}
	if out := command(t, "status", "--data", s.data); !strings.Contains(out, "runs") {
		t.Errorf("status says %s", out)
	}
}
