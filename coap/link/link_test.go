package link

import (
	"bytes"
	"context"
	"crypto/rsa"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"io"
	"net"
	"path/filepath"
	"sync"
	"testing"

	"localcloud/coap/link/recording"
	"localcloud/keys"
)

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func privateKey(t testing.TB, text []byte) *rsa.PrivateKey {
	t.Helper()
	key, err := parseRSA(text)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// cast is who takes part in a test: a server's and two devices' keys, and an id.
type cast struct {
	serverKey, deviceKey, otherKey *rsa.PrivateKey
	device, other                  keys.PublicKey
	id                             keys.DeviceID
}

// theCast makes keys once for all tests: those of a recording, and another device's.
var theCast = sync.OnceValues(func() (cast, error) {
	r, err := recording.Open(filepath.Join("testdata", "recordings", "tcp-v3.3.1.txt"))
	if err != nil {
		return cast{}, err
	}
	var c cast
	var errs [6]error
	c.serverKey, errs[0] = parseRSA(r.ServerKey)
	c.deviceKey, errs[1] = parseRSA(r.DeviceKey)
	c.otherKey, errs[2] = keys.GenerateDeviceRSA()
	c.id, errs[3] = keys.ParseDeviceID(r.DeviceID)
	if err := errors.Join(errs[:4]...); err != nil {
		return cast{}, err
	}
	c.device, errs[4] = keys.NewRSAPublicKey(&c.deviceKey.PublicKey)
	c.other, errs[5] = keys.NewRSAPublicKey(&c.otherKey.PublicKey)
	return c, errors.Join(errs[4:]...)
})

func newCast(t testing.TB) cast {
	t.Helper()
	c, err := theCast()
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// server lets in the device of the cast with its own key, and no other.
func (c cast) server() *Server {
	return &Server{Key: c.serverKey, Authorize: func(_ context.Context, a Attempt) (keys.PublicKey, error) {
		switch {
		case a.ID != c.id:
			return keys.PublicKey{}, &Refusal{keys.ReasonUnknownDevice}
		case !a.Offered.IsZero() && !a.Offered.Equal(c.device):
			return keys.PublicKey{}, &Refusal{keys.ReasonOtherKey}
		}
		return c.device, nil
	}}
}

func (c cast) client() *Client {
	return &Client{ServerKey: &c.serverKey.PublicKey, ID: c.id, Key: c.deviceKey}
}

// block is what the device of the cast answers to a nonce.
func (c cast) block(t testing.TB, nonce []byte, rest ...[]byte) []byte {
	t.Helper()
	plain := append([]byte(nil), nonce...)
	for _, part := range rest {
		plain = append(plain, part...)
	}
	block, err := sealBlock(&c.serverKey.PublicKey, plain)
	if err != nil {
		t.Fatal(err)
	}
	return block
}

// linked returns both ends of a connection that is ready for messages.
func linked(t testing.TB) (server, device *Conn) {
	t.Helper()
	a, b := net.Pipe()
	creds := testCredentials
	return newConn(a, &creds, keys.DeviceID{}, keys.PublicKey{}, newBuffers(0)),
		newConn(b, &creds, keys.DeviceID{}, keys.PublicKey{}, newBuffers(0))
}

var testCredentials = credentials([]byte("0123456789abcdef" + "an iv of 16 byte" + "the salt"))

func parseRSA(text []byte) (*rsa.PrivateKey, error) {
	block, _ := pem.Decode(text)
	if block == nil {
		return nil, errors.New("no PEM")
	}
	return x509.ParsePKCS1PrivateKey(block.Bytes)
}

func zeros(n int) io.Reader { return bytes.NewReader(make([]byte, n)) }

func credentialsReader() io.Reader { return bytes.NewReader(testCredentials[:]) }
