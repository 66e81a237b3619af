package link

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"
	"unsafe"
)

// stream returns the frames of messages as one side writes them from the start of a connection.
func stream(t testing.TB, messages ...string) []byte {
	t.Helper()
	creds := testCredentials
	written := &script{}
	c := newConn(written, &creds, newCast(t).id, newCast(t).device, newBuffers(0))
	for _, m := range messages {
		if err := c.Write([]byte(m)); err != nil {
			t.Fatal(err)
		}
	}
	return written.out.Bytes()
}

// reader returns a Conn and the raw other end of its connection.
func reader(t testing.TB) (*Conn, net.Conn) {
	t.Helper()
	a, b := net.Pipe()
	creds := testCredentials
	return newConn(a, &creds, newCast(t).id, newCast(t).device, newBuffers(0)), b
}

func wantMessage(t *testing.T, c *Conn, want string) {
	t.Helper()
	if message, err := c.Read(); err != nil || string(message) != want {
		t.Fatalf("read %q, %v, want %q", message, err, want)
	}
}

func wantTimeout(t *testing.T, c *Conn) {
	t.Helper()
	if message, err := c.Read(); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatalf("read %q, %v, want a timeout", message, err)
	}
}

func TestReadGoesOnAfterATimeoutAnywhereInAFrame(t *testing.T) {
	whole := stream(t, "first message", "second")
	for cut := range len(whole) {
		synctest.Test(t, func(t *testing.T) {
			c, peer := reader(t)
			defer c.Close()
			go peer.Write(whole[:cut])
			c.SetReadDeadline(time.Now().Add(time.Second))
			if cut >= len(stream(t, "first message")) {
				wantMessage(t, c, "first message")
			}
			wantTimeout(t, c)
			wantTimeout(t, c) // the deadline stands

			go peer.Write(whole[cut:])
			c.SetReadDeadline(time.Now().Add(time.Second))
			if cut < len(stream(t, "first message")) {
				wantMessage(t, c, "first message")
			}
			wantMessage(t, c, "second")
		})
	}
}

func TestReadIsWokenByADeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, peer := reader(t)
		defer c.Close()
		woken := make(chan error)
		go func() {
			_, err := c.Read()
			woken <- err
		}()
		synctest.Wait()
		c.SetReadDeadline(time.Unix(1, 0))
		if err := <-woken; !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Fatal(err)
		}
		c.SetReadDeadline(time.Time{})
		go peer.Write(stream(t, "still here"))
		wantMessage(t, c, "still here")
	})
}

func TestFramesOfOneSegmentAreReadInTwoReads(t *testing.T) {
	messages := []string{"", "a", strings.Repeat("b", 500), "c", strings.Repeat("d", 16)}
	counted := &countingReads{script: script{in: bytes.NewReader(stream(t, messages...))}}
	creds := testCredentials
	c := newConn(counted, &creds, newCast(t).id, newCast(t).device, newBuffers(0))
	c.calm = false // as in a conversation
	for _, want := range messages {
		wantMessage(t, c, want)
	}
	if counted.reads != 2 {
		t.Errorf("%d reads", counted.reads)
	}
	if _, err := c.Read(); err != io.EOF {
		t.Error(err)
	}
}

func TestPingAtRestIsOneReadAndNoBuffer(t *testing.T) {
	counted := &countingReads{script: script{in: bytes.NewReader(stream(t, "ping", "ping"))}}
	creds := testCredentials
	c := newConn(counted, &creds, newCast(t).id, newCast(t).device, newBuffers(0))
	for i := range 2 {
		wantMessage(t, c, "ping")
		if counted.reads != i+1 || c.buffer != nil {
			t.Errorf("%d reads for %d frames, buffer %v", counted.reads, i+1, c.buffer)
		}
		c.Rest()
	}
}

type countingReads struct {
	script
	reads int
}

func (c *countingReads) Read(b []byte) (int, error) {
	c.reads++
	return c.script.Read(b)
}

func TestIdleConnectionHoldsNoBuffer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, peer := reader(t)
		defer c.Close()
		go peer.Write(stream(t, "first", "second"))
		wantMessage(t, c, "first")
		wantMessage(t, c, "second")
		c.SetReadDeadline(time.Now().Add(time.Second))
		wantTimeout(t, c)
		if c.buffer != nil {
			t.Error("a buffer is held between messages")
		}
	})
	if size := unsafe.Sizeof(Conn{}); size > 192 {
		t.Errorf("a Conn has %d bytes", size)
	}
}

func TestConversationGoesOnAfterARest(t *testing.T) {
	server, device := linked(t)
	for i := range 4 {
		for _, way := range [][2]*Conn{{device, server}, {server, device}} {
			text := fmt.Sprint("message ", i)
			written := make(chan error, 1)
			go func() { written <- way[0].Write([]byte(text)) }()
			wantMessage(t, way[1], text)
			if err := <-written; err != nil {
				t.Fatal(err)
			}
		}
		server.Rest()
	}
}

func TestEverythingThatIsNoFrameIsOneAndTheSameError(t *testing.T) {
	good := stream(t, "hello")
	badPadding := bytes.Clone(good)
	badPadding[len(badPadding)-1] ^= 1
	for what, wire := range map[string][]byte{
		"length 0":              {0, 0},
		"length 15":             append([]byte{0, 15}, good...),
		"length 17":             append([]byte{0, 17}, good...),
		"longer than the limit": append([]byte{8, 16}, make([]byte, 2064)...),
		"ffff":                  {0xff, 0xff},
		"HTTP":                  []byte("GET / HTTP/1.1\r\n\r\n"),
		"bad padding":           badPadding,
		"the same frame twice":  append(bytes.Clone(good), good...),
		"a block of zeros":      append([]byte{0, 16}, make([]byte, 16)...),
	} {
		t.Run(what, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c, peer := reader(t)
				go peer.Write(wire)
				if what == "the same frame twice" {
					wantMessage(t, c, "hello")
				}
				for range 2 {
					if message, err := c.Read(); err != ErrBadFrame || message != nil {
						t.Fatalf("read %q, %v", message, err)
					}
				}
				if err := c.Write([]byte("x")); err == nil {
					t.Error("the connection can still be written to")
				}
				peer.SetReadDeadline(time.Now().Add(time.Second))
				if _, err := peer.Read(make([]byte, 1)); err != io.EOF {
					t.Errorf("the other side sees %v", err)
				}
			})
		})
	}
}

func TestCloseInAFrameIsNotAnEnd(t *testing.T) {
	whole := stream(t, "hello")
	for cut := range len(whole) {
		synctest.Test(t, func(t *testing.T) {
			c, peer := reader(t)
			go func() {
				peer.Write(whole[:cut])
				peer.Close()
			}()
			want := io.ErrUnexpectedEOF
			if cut == 0 {
				want = io.EOF
			}
			for range 2 {
				if _, err := c.Read(); err != want {
					t.Fatalf("closed after %d bytes: %v", cut, err)
				}
			}
		})
	}
}

func TestPeerThatTCPGaveUpOnIsNotATimeout(t *testing.T) {
	creds := testCredentials
	gone := &net.OpError{Op: "read", Err: timedOut{}}
	nc := &script{in: &failingOnce{gone, bytes.NewReader(stream(t, "after the end"))}}
	c := newConn(nc, &creds, newCast(t).id, newCast(t).device, newBuffers(0))
	for range 2 {
		if _, err := c.Read(); err != gone || errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("got %v", err)
		}
	}
	if !gone.Timeout() {
		t.Error("this test shows nothing")
	}
}

type timedOut struct{}

func (timedOut) Error() string { return "connection timed out" }
func (timedOut) Timeout() bool { return true }

// failingOnce reads an error and then what is behind it.
type failingOnce struct {
	err  error
	rest io.Reader
}

func (r *failingOnce) Read(b []byte) (int, error) {
	if err := r.err; err != nil {
		r.err = nil
		return 0, err
	}
	return r.rest.Read(b)
}

func TestWriteIsOneWriteOfOneFrame(t *testing.T) {
	creds := testCredentials
	counted := &countingWrites{}
	c := newConn(counted, &creds, newCast(t).id, newCast(t).device, newBuffers(64))
	longest := bytes.Repeat([]byte{7}, 63)
	for _, m := range [][]byte{nil, []byte("abc"), longest} {
		before := bytes.Clone(m)
		if err := c.Write(m); err != nil || !bytes.Equal(m, before) {
			t.Fatalf("%d bytes: %v", len(m), err)
		}
	}
	if err := c.Write(append(longest, 7)); err != ErrTooLong {
		t.Errorf("64 bytes: %v", err)
	}
	if err := c.Write([]byte("goes on")); err != nil {
		t.Error(err)
	}
	if fmt.Sprint(counted.sizes) != "[18 18 66 18]" {
		t.Errorf("writes of %v bytes", counted.sizes)
	}
	messages, err := decode(creds, counted.out.Bytes(), 64)
	if err != io.EOF || len(messages) != 4 || !bytes.Equal(messages[2], longest) || string(messages[3]) != "goes on" {
		t.Errorf("got %q, %v", messages, err)
	}
}

type countingWrites struct {
	script
	sizes []int
}

func (c *countingWrites) Write(b []byte) (int, error) {
	c.sizes = append(c.sizes, len(b))
	return c.script.Write(b)
}

func TestWriteThatMissesItsDeadlineIsTheLast(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, peer := reader(t)
		c.SetWriteDeadline(time.Now().Add(time.Second))
		first := c.Write([]byte("nobody reads this"))
		if !errors.Is(first, os.ErrDeadlineExceeded) {
			t.Fatal(first)
		}
		c.SetWriteDeadline(time.Time{})
		go io.Copy(io.Discard, peer)
		if err := c.Write([]byte("nor this")); err != first {
			t.Errorf("the stream went on: %v", err)
		}
		peer.Close()
	})
}

func TestBothDirectionsAtOnce(t *testing.T) {
	server, device := linked(t)
	const count = 300
	failed := make(chan error, 4)
	send := func(c *Conn) {
		for i := range count {
			if err := c.Write(bytes.Repeat([]byte{byte(i)}, i)); err != nil {
				failed <- err
				return
			}
		}
		failed <- nil
	}
	receive := func(c *Conn) {
		for i := range count {
			message, err := c.Read()
			if err == nil && !bytes.Equal(message, bytes.Repeat([]byte{byte(i)}, i)) {
				err = fmt.Errorf("message %d is another", i)
			}
			if err != nil {
				failed <- err
				return
			}
		}
		failed <- nil
	}
	go send(server)
	go send(device)
	go receive(server)
	go receive(device)
	for range 4 {
		if err := <-failed; err != nil {
			t.Fatal(err)
		}
	}
}

func TestConnPrintsNoSecret(t *testing.T) {
	c, _ := reader(t)
	key := testCredentials.key()
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%d", "%x", "%q"} {
		printed := fmt.Sprintf(verb, c)
		for _, secret := range []string{string(key), fmt.Sprintf("%x", key), fmt.Sprintf("%d", key[:4]), "30 31 32 33", "0x30, 0x31"} {
			if strings.Contains(printed, strings.Trim(secret, "[]")) {
				t.Errorf("%s prints %s", verb, printed)
			}
		}
	}
	if got, want := c.String(), "link to "+newCast(t).id.String()+" at pipe"; got != want {
		t.Errorf("got %s", got)
	}
}
