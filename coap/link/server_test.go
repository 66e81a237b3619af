package link

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"localcloud/keys"
)

// knocker is what comes to the server: what its block holds, and what it does when it has the answer.
type knocker struct {
	name   string
	block  func(t *testing.T, c cast, nonce []byte) []byte
	reason keys.Reason // "" is let in
	known  string      // what the record tells: "id", "id and key", or nothing
}

func plainBlock(parts func(c cast, nonce []byte) [][]byte) func(t *testing.T, c cast, nonce []byte) []byte {
	return func(t *testing.T, c cast, nonce []byte) []byte { return c.block(t, nil, parts(c, nonce)...) }
}

var strangerID = keys.DeviceID([]byte("stranger-1-2"))

// ecBoardKey is what a board sends that holds an EC key where TCP needs RSA: 128 bytes of its private key as a modulus.
func ecBoardKey(t *testing.T) (sent []byte, secret *ecdsa.PrivateKey) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	slot := append(der, bytes.Repeat([]byte{0xff}, 200)...)
	header := unhex(t, "30819f300d06092a864886f70d010101050003818d0030818902818100")
	return slices.Concat(header, slot[11:139], unhex(t, "0203010001")), key
}

func knockers() []knocker {
	return []knocker{
		{"device with its key", plainBlock(func(c cast, nonce []byte) [][]byte {
			return [][]byte{nonce, c.id[:], c.device.DER()}
		}), "", "id and key"},
		{"old firmware without key", plainBlock(func(c cast, nonce []byte) [][]byte {
			return [][]byte{nonce, c.id[:]}
		}), "", "id"},
		{"old firmware with padding", plainBlock(func(c cast, nonce []byte) [][]byte {
			return [][]byte{nonce, c.id[:], make([]byte, 60), []byte("  ")}
		}), "", "id"},
		{"key with padding", plainBlock(func(c cast, nonce []byte) [][]byte {
			return [][]byte{nonce, c.id[:], c.device.DER(), make([]byte, 20)}
		}), "", "id and key"},
		{"unknown device", plainBlock(func(c cast, nonce []byte) [][]byte {
			return [][]byte{nonce, strangerID[:], c.other.DER()}
		}), keys.ReasonUnknownDevice, "id and key"},
		{"known device with another key", plainBlock(func(c cast, nonce []byte) [][]byte {
			return [][]byte{nonce, c.id[:], c.other.DER()}
		}), keys.ReasonOtherKey, "id and key"},
		{"unknown device with a bad key", plainBlock(func(_ cast, nonce []byte) [][]byte {
			return [][]byte{nonce, strangerID[:], bytes.Repeat([]byte("bad key"), 20)}
		}), keys.ReasonBadDeviceKey, "id"},
		{"EC key in the RSA slot", func(t *testing.T, c cast, nonce []byte) []byte {
			sent, _ := ecBoardKey(t)
			return c.block(t, nonce, c.id[:], sent)
		}, keys.ReasonECKeyOnTCP, "id"},
		{"another server's key", func(t *testing.T, c cast, nonce []byte) []byte {
			particle, err := rsa.GenerateKey(rand.Reader, 2048)
			if err != nil {
				t.Fatal(err)
			}
			block, err := sealBlock(&particle.PublicKey, slices.Concat(nonce, c.id[:], c.device.DER()))
			if err != nil {
				t.Fatal(err)
			}
			return block
		}, keys.ReasonWrongServerKey, ""},
		{"a number above the modulus", func(*testing.T, cast, []byte) []byte {
			return bytes.Repeat([]byte{0xff}, blockSize)
		}, keys.ReasonWrongServerKey, ""},
		{"zero", func(*testing.T, cast, []byte) []byte { return make([]byte, blockSize) }, keys.ReasonWrongServerKey, ""},
		{"another nonce", plainBlock(func(c cast, nonce []byte) [][]byte {
			recorded := bytes.Clone(nonce)
			recorded[39] ^= 1
			return [][]byte{recorded, c.id[:], c.device.DER()}
		}), keys.ReasonNonceMismatch, "id and key"},
		{"too little", plainBlock(func(c cast, nonce []byte) [][]byte {
			return [][]byte{nonce, c.id[:11]}
		}), keys.ReasonShortBlock, ""},
		{"nothing", plainBlock(func(cast, []byte) [][]byte { return nil }), keys.ReasonShortBlock, ""},
	}
}

// traced notes what goes over the wire on the server's side, in order.
type traced struct {
	net.Conn
	start time.Time
	mu    sync.Mutex
	trace []string
}

func (c *traced) note(format string, args ...any) {
	c.mu.Lock()
	defer c.mu.Unlock()
	line := fmt.Sprintf(format, args...) + " after " + time.Since(c.start).String()
	if len(c.trace) == 0 || c.trace[len(c.trace)-1] != line {
		c.trace = append(c.trace, line)
	}
}

func (c *traced) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	c.note("read %d of %d, %v", n, len(b), err)
	return n, err
}

func (c *traced) Write(b []byte) (int, error) {
	n, err := c.Conn.Write(b)
	c.note("write %d of %d, %v", n, len(b), err)
	return n, err
}

func (c *traced) Close() error {
	c.note("close")
	return c.Conn.Close()
}

// What a device that does not have the session keys may do with the answer.
func endings() map[string]func(nc net.Conn) {
	return map[string]func(nc net.Conn){
		"garbage frame":      func(nc net.Conn) { nc.Write(append([]byte{0, 32}, bytes.Repeat([]byte{0xa5}, 32)...)) },
		"bad length":         func(nc net.Conn) { nc.Write([]byte{0, 33}) },
		"silence":            func(net.Conn) {},
		"silence in a frame": func(nc net.Conn) { nc.Write([]byte{0, 32, 1, 2, 3}) },
		"leaves":             func(nc net.Conn) { nc.Close() },
	}
}

// admit is what a server does with a connection, as far as the first message: the same for everyone who comes.
func admit(s *Server, nc net.Conn) (first error, err error) {
	defer nc.Close()
	conn, err := s.Handshake(context.Background(), nc)
	if err != nil {
		return nil, err
	}
	conn.SetReadDeadline(time.Now().Add(DefaultStepTimeout))
	_, first = conn.Read()
	return first, nil
}

// Nothing that goes over the wire, and no time, tells a device that is let in and does not hold the key from one that
// is refused, whatever the reason.
func TestEveryKnockLooksTheSameOnTheWire(t *testing.T) {
	for ending, end := range endings() {
		t.Run(ending, func(t *testing.T) {
			var want []string
			for _, k := range knockers() {
				t.Run(k.name, func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) {
						got := traceOf(t, k, end)
						if want == nil {
							want = got
						}
						if !slices.Equal(got, want) {
							t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
						}
					})
				})
			}
			if len(want) < 4 {
				t.Errorf("traces are empty: %q", want)
			}
		})
	}
}

func traceOf(t *testing.T, k knocker, end func(net.Conn)) []string {
	c := newCast(t)
	a, b := net.Pipe()
	nc := &traced{Conn: a, start: time.Now()}
	go func() {
		defer b.Close()
		nonce := make([]byte, nonceSize)
		io.ReadFull(b, nonce)
		b.Write(k.block(t, c, nonce))
		io.ReadFull(b, make([]byte, answerSize))
		end(b)
		io.Copy(io.Discard, b)
	}()
	// The same credentials for all, so that garbage decrypts to the same in all.
	s := c.server()
	s.Rand = io.MultiReader(bytes.NewReader(make([]byte, nonceSize)), bytes.NewReader(testCredentials[:]))
	first, err := admit(s, nc)
	if k.reason == "" {
		if err != nil || first == nil {
			t.Errorf("handshake %v, first frame %v", err, first)
		}
		return nc.trace
	}
	checkRefusal(t, k, c, err)
	return nc.trace
}

func checkRefusal(t *testing.T, k knocker, c cast, err error) {
	t.Helper()
	failure, ok := errors.AsType[*HandshakeError](err)
	if !ok {
		t.Fatalf("error %v", err)
	}
	got := failure.Knock
	if got.Reason != k.reason || got.Step != keys.StepKeyExchange || got.Transport != "tcp" || got.Address != "pipe" {
		t.Errorf("record %+v", got)
	}
	if (k.known != "") != !got.ID.IsZero() || (k.known == "id and key") != !got.Key.IsZero() || got.Fingerprint != got.Key.Fingerprint() {
		t.Errorf("record %+v, should tell %q", got, k.known)
	}
	if k.known != "" && got.ID != c.id && got.ID != strangerID {
		t.Errorf("id %s", got.ID)
	}
}

func TestECKeyOfABoardGetsIntoNoRecord(t *testing.T) {
	c := newCast(t)
	sent, secret := ecBoardKey(t)
	scalar, err := secret.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Contains(sent, scalar[4:]) {
		t.Fatal("the secret is not in what the board sends: this test shows nothing")
	}
	s := c.server()
	s.Authorize = func(context.Context, Attempt) (keys.PublicKey, error) {
		t.Error("asked about an EC key")
		return c.device, nil
	}
	_, _, err = knock(t, s, func(nonce []byte) []byte { return c.block(t, nonce, c.id[:], sent) })
	if failure, ok := errors.AsType[*HandshakeError](err); !ok || !failure.Knock.Key.IsZero() || failure.Knock.Reason != keys.ReasonECKeyOnTCP {
		t.Errorf("got %+v", err)
	}
}

// knock does a handshake in memory, with a device that answers with a block and then leaves.
func knock(t *testing.T, s *Server, block func(nonce []byte) []byte) (answer []byte, conn *Conn, err error) {
	t.Helper()
	a, b := net.Pipe()
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer b.Close()
		nonce := make([]byte, nonceSize)
		if _, err := io.ReadFull(b, nonce); err != nil {
			return
		}
		b.Write(block(nonce))
		answer = make([]byte, answerSize)
		io.ReadFull(b, answer)
	}()
	conn, err = s.Handshake(context.Background(), a)
	if err != nil {
		a.Close()
	}
	<-done
	return answer, conn, err
}

func TestAuthorizeDecides(t *testing.T) {
	c := newCast(t)
	ecKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	ec, err := keys.NewECDSAPublicKey(&ecKey.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	broken := errors.New("the store is broken")
	for _, test := range []struct {
		name   string
		key    keys.PublicKey
		err    error
		reason keys.Reason
	}{
		{"key", c.device, nil, ""},
		{"no key", keys.PublicKey{}, nil, keys.ReasonNoKey},
		{"EC key", ec, nil, keys.ReasonOtherKey},
		{"refusal", keys.PublicKey{}, &Refusal{keys.ReasonDuplicate}, keys.ReasonDuplicate},
		{"wrapped refusal", keys.PublicKey{}, fmt.Errorf("registry: %w", &Refusal{keys.ReasonNoKey}), keys.ReasonNoKey},
		{"key with a refusal", c.device, &Refusal{keys.ReasonUnknownDevice}, keys.ReasonUnknownDevice},
		{"refusal without a reason", keys.PublicKey{}, &Refusal{}, keys.ReasonServerFault},
		{"fault", keys.PublicKey{}, broken, keys.ReasonServerFault},
		{"key with a fault", c.device, broken, keys.ReasonServerFault},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := c.server()
			s.Authorize = func(context.Context, Attempt) (keys.PublicKey, error) { return test.key, test.err }
			answer, conn, err := knock(t, s, func(nonce []byte) []byte { return c.block(t, nonce, c.id[:], c.device.DER()) })
			_, readable := openCredentials(c.deviceKey, answer[:sealedSize])
			if readable != (test.reason == "") {
				t.Errorf("the device can read its credentials: %v", readable)
			}
			if test.reason == "" {
				if err != nil || !conn.DeviceKey().Equal(c.device) || conn.DeviceID() != c.id {
					t.Errorf("%v, %v", conn, err)
				}
				return
			}
			failure, ok := errors.AsType[*HandshakeError](err)
			if !ok || conn != nil || failure.Knock.Reason != test.reason || (test.err != nil && !errors.Is(err, test.err)) {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestAttemptTellsWhatTheDeviceSaid(t *testing.T) {
	c := newCast(t)
	for name, test := range map[string]struct {
		sent []byte
		want keys.PublicKey
	}{
		"key":          {c.other.DER(), c.other},
		"none":         {nil, keys.PublicKey{}},
		"unusable key": {[]byte("not a key"), keys.PublicKey{}},
	} {
		t.Run(name, func(t *testing.T) {
			var got Attempt
			s := c.server()
			s.Authorize = func(ctx context.Context, a Attempt) (keys.PublicKey, error) {
				got = a
				if deadline, ok := ctx.Deadline(); !ok || time.Until(deadline) > DefaultStepTimeout {
					t.Error("no deadline for the look-up")
				}
				return c.device, nil
			}
			if _, _, err := knock(t, s, func(nonce []byte) []byte { return c.block(t, nonce, strangerID[:], test.sent) }); err != nil {
				t.Fatal(err)
			}
			if got.ID != strangerID || got.Offered != test.want || got.RemoteAddr.String() != "pipe" {
				t.Errorf("got %+v", got)
			}
		})
	}
}

// Closing is part of the answer: its time must not depend on how much there is to record.
func TestRefusedConnectionIsClosedByTheHandshake(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCast(t)
		a, b := net.Pipe()
		go func() {
			nonce := make([]byte, nonceSize)
			io.ReadFull(b, nonce)
			b.Write(c.block(t, nonce, strangerID[:]))
			io.ReadFull(b, make([]byte, answerSize))
		}()
		if _, err := c.server().Handshake(context.Background(), a); err == nil {
			t.Fatal("let in")
		}
		if _, err := b.Read(make([]byte, 1)); err != io.EOF {
			t.Errorf("the device sees %v", err)
		}
	})
}

func TestServerThatCannotWorkSaysSo(t *testing.T) {
	c := newCast(t)
	small := c.server()
	small.Key = c.deviceKey
	nobody := c.server()
	nobody.Authorize = nil
	noRandom := c.server()
	noRandom.Rand = bytes.NewReader(nil)
	noCredentials := c.server()
	noCredentials.Rand = bytes.NewReader(make([]byte, nonceSize))
	for name, s := range map[string]*Server{
		"no key": {Authorize: c.server().Authorize}, "RSA-1024": small, "no Authorize": nobody,
		"no random bytes": noRandom, "no random credentials": noCredentials,
	} {
		_, conn, err := knock(t, s, func(nonce []byte) []byte { return c.block(t, nonce, c.id[:], c.device.DER()) })
		failure, ok := errors.AsType[*HandshakeError](err)
		if !ok || conn != nil || failure.Knock.Reason != keys.ReasonServerFault || failure.Err == nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestNoncesAndCredentialsAreFresh(t *testing.T) {
	c := newCast(t)
	s := c.server()
	seen := map[string]bool{}
	for range 8 {
		var nonce []byte
		answer, conn, err := knock(t, s, func(n []byte) []byte {
			nonce = n
			return c.block(t, n, c.id[:], c.device.DER())
		})
		if err != nil {
			t.Fatal(err)
		}
		creds, ok := openCredentials(c.deviceKey, answer[:sealedSize])
		if !ok || conn.Salt() != creds.salt() {
			t.Fatal("the answer is not for the device")
		}
		seen[string(nonce)], seen[string(creds[:])] = true, true
	}
	if len(seen) != 16 {
		t.Errorf("%d different values of 16", len(seen))
	}
}

func TestHandshakeErrorTellsNoSecret(t *testing.T) {
	c := newCast(t)
	for _, k := range knockers() {
		if k.reason == "" {
			continue
		}
		_, _, err := knock(t, c.server(), func(nonce []byte) []byte { return k.block(t, c, nonce) })
		who := "unknown device"
		if failure, _ := errors.AsType[*HandshakeError](err); k.known != "" {
			who = failure.Knock.ID.String()
		}
		want := "link: handshake with " + who + ": key-exchange: " + string(k.reason)
		if text := err.Error(); text != want && !strings.HasPrefix(text, want+": refused: ") {
			t.Errorf("%s: %q, want %q", k.name, text, want)
		}
	}
}
