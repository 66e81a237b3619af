package link

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math/big"
	"net"
	"os"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"localcloud/keys"
)

// meet does a handshake between a server and a client in memory.
func meet(t *testing.T, s *Server, c *Client) (server, device *Conn, serverErr, deviceErr error) {
	t.Helper()
	a, b := net.Pipe()
	t.Cleanup(func() { a.Close(); b.Close() })
	done := make(chan struct{})
	go func() {
		defer close(done)
		if device, deviceErr = c.Handshake(context.Background(), b); deviceErr != nil {
			b.Close()
		}
	}()
	if server, serverErr = s.Handshake(context.Background(), a); serverErr != nil {
		a.Close()
	}
	<-done
	return server, device, serverErr, deviceErr
}

func TestClientAndServerUnderstandEachOther(t *testing.T) {
	c := newCast(t)
	byBytes := func(b []byte) [][]byte { return slices.Collect(slices.Chunk(b, 1)) }
	omitting, slow := c.client(), c.client()
	omitting.OmitKey = true
	slow.Segment = byBytes
	for name, client := range map[string]*Client{"usual": c.client(), "without key": omitting, "a byte a segment": slow} {
		t.Run(name, func(t *testing.T) {
			server, device, serverErr, deviceErr := meet(t, c.server(), client)
			if serverErr != nil || deviceErr != nil {
				t.Fatal(serverErr, deviceErr)
			}
			if server.Salt() != device.Salt() || server.DeviceID() != c.id || device.DeviceID() != c.id ||
				!server.DeviceKey().Equal(c.device) || !device.DeviceKey().Equal(c.device) {
				t.Errorf("%v and %v differ", server, device)
			}
			for _, direction := range [][2]*Conn{{device, server}, {server, device}, {device, server}} {
				written := make(chan error, 1)
				go func() { written <- direction[0].Write([]byte("a message")) }()
				wantMessage(t, direction[1], "a message")
				if err := <-written; err != nil {
					t.Error(err)
				}
			}
		})
	}
}

func TestSegmentsAreWrittenOneByOne(t *testing.T) {
	written := &countingWrites{}
	nc := segmented{written, func(b []byte) [][]byte { return [][]byte{b[:1], b[1:5], b[5:]} }}
	if n, err := nc.Write([]byte("eight by")); n != 8 || err != nil || !slices.Equal(written.sizes, []int{1, 4, 3}) {
		t.Errorf("%d, %v, %v", n, err, written.sizes)
	}
	if written.out.String() != "eight by" {
		t.Errorf("wrote %q", written.out.String())
	}
}

func TestRefusedClientCannotDecrypt(t *testing.T) {
	c := newCast(t)
	stranger := c.client()
	stranger.ID = strangerID
	server, device, serverErr, deviceErr := meet(t, c.server(), stranger)
	if !errors.Is(deviceErr, ErrDecryption) || device != nil || server != nil {
		t.Errorf("device: %v", deviceErr)
	}
	if failure, ok := errors.AsType[*HandshakeError](serverErr); !ok || failure.Knock.Reason != keys.ReasonUnknownDevice {
		t.Errorf("server: %v", serverErr)
	}
}

// An answer that is encrypted to the device, but not signed with the key it holds, or not for these credentials.
func TestClientTellsWhichHalfOfTheAnswerIsWrong(t *testing.T) {
	c := newCast(t)
	creds := testCredentials
	sealed, err := sealCredentials(&c.deviceKey.PublicKey, &creds)
	if err != nil {
		t.Fatal(err)
	}
	signature, err := sign(c.serverKey, creds.mac(sealed))
	if err != nil {
		t.Fatal(err)
	}
	short, err := sealBlock(&c.deviceKey.PublicKey, creds[:39])
	if err != nil {
		t.Fatal(err)
	}
	flipped := func(b []byte) []byte {
		b = bytes.Clone(b)
		b[len(b)-1] ^= 1
		return b
	}
	other := credentials(bytes.Repeat([]byte{1}, 40))
	otherSignature, err := sign(c.serverKey, other.mac(sealed))
	if err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		sealed, signature []byte
		want              error
	}{
		"right":                          {sealed, signature, nil},
		"wrong credentials":              {flipped(sealed), signature, ErrDecryption},
		"39 bytes of credentials":        {short, signature, ErrDecryption},
		"wrong signature":                {sealed, flipped(signature), ErrAuthentication},
		"signature of other credentials": {sealed, otherSignature, ErrAuthentication},
		"no signature":                   {sealed, make([]byte, signatureSize), ErrAuthentication},
	} {
		got, err := c.client().openAnswer(test.sealed, test.signature)
		if !errors.Is(err, test.want) || (err == nil) != (test.want == nil) {
			t.Errorf("%s: %v, want %v", name, err, test.want)
		}
		if (err == nil) != (got == creds) {
			t.Errorf("%s: credentials together with an error", name)
		}
	}
}

func TestClientWithAnotherServersKeyIsFoundOutByTheServer(t *testing.T) {
	c := newCast(t)
	client := c.client()
	particle := *client.ServerKey
	particle.N = new(big.Int).SetBit(particle.N, 1024, particle.N.Bit(1024)^1)
	client.ServerKey = &particle
	_, _, serverErr, deviceErr := meet(t, c.server(), client)
	if failure, ok := errors.AsType[*HandshakeError](serverErr); !ok || failure.Knock.Reason != keys.ReasonWrongServerKey || deviceErr == nil {
		t.Errorf("server: %v, device: %v", serverErr, deviceErr)
	}
}

func TestClientEndsEachStep(t *testing.T) {
	for name, test := range map[string]struct {
		server func(nc net.Conn)
		step   string
	}{
		"no nonce":     {func(net.Conn) {}, "nonce"},
		"half a nonce": {func(nc net.Conn) { nc.Write(make([]byte, 20)) }, "nonce"},
		"takes no block": {func(nc net.Conn) {
			nc.Write(make([]byte, nonceSize))
			io.ReadFull(nc, make([]byte, 100))
		}, "block"},
		"half an answer": {func(nc net.Conn) {
			nc.Write(make([]byte, nonceSize))
			io.ReadFull(nc, make([]byte, blockSize))
			nc.Write(make([]byte, sealedSize))
		}, "answer"},
	} {
		for _, end := range []struct {
			name string
			want error
			took time.Duration
		}{
			{"by its deadline", os.ErrDeadlineExceeded, deviceStepTimeout},
			{"by its context", context.Canceled, 7 * time.Second},
		} {
			t.Run(name+", ended "+end.name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					ctx, cancel := context.WithCancel(t.Context())
					defer cancel()
					if end.want == context.Canceled {
						time.AfterFunc(end.took, cancel)
					}
					a, b := net.Pipe()
					defer b.Close()
					go test.server(a)
					start := time.Now()
					conn, err := newCast(t).client().Handshake(ctx, b)
					if conn != nil || !errors.Is(err, end.want) || time.Since(start) != end.took {
						t.Errorf("%v, %v after %v", conn, err, time.Since(start))
					}
					if !bytes.HasPrefix([]byte(err.Error()), []byte("link: handshake: "+test.step+": ")) {
						t.Errorf("error %q is not about the %s", err, test.step)
					}
				})
			})
		}
	}
}

func TestClientRefusesAKeyThatIsNoDevices(t *testing.T) {
	c := newCast(t)
	client := c.client()
	client.Key = c.serverKey
	a, _ := net.Pipe()
	if _, err := client.Handshake(context.Background(), a); err == nil {
		t.Error("an RSA-2048 device key was taken")
	}
}

func TestFirstMessageIDWraps(t *testing.T) {
	for salt, want := range map[[8]byte]uint16{{0x6d, 0xf9}: 0xf96e, {0xff, 0xff}: 0, {0xff, 0}: 0x100} {
		if got := (&Conn{salt: salt}).FirstMessageID(); got != want {
			t.Errorf("%x: %04x, want %04x", salt, got, want)
		}
	}
}

func TestConnMakesTheRecordOfADeviceThatIsTurnedAwayLater(t *testing.T) {
	c := newCast(t)
	server, _, err, _ := meet(t, c.server(), c.client())
	if err != nil {
		t.Fatal(err)
	}
	want := keys.Knock{ID: c.id, Key: c.device, Fingerprint: c.device.Fingerprint(), Address: "pipe", Transport: "tcp",
		Step: keys.StepHello, Reason: keys.ReasonNoHello}
	if got := server.Knock(keys.StepHello, keys.ReasonNoHello); got != want {
		t.Errorf("got %+v", got)
	}
}
