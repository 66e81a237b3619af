package link

import (
	"context"
	"crypto/rsa"
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	"localcloud/keys"
)

// What a device makes of an answer that it cannot use.
var (
	// ErrDecryption is device error 6: C is not for our key. It is also what a device sees that the server refused.
	ErrDecryption = errors.New("link: the credentials do not decrypt")
	// ErrAuthentication is device error 8: S is not the signature of the server whose key we hold.
	ErrAuthentication = errors.New("link: the server's signature is wrong")
)

// deviceStepTimeout is how long a device waits for each step (device-os lightssl_message_channel.cpp).
const deviceStepTimeout = 20 * time.Second

// Client does the device's half of the handshake, for virtual devices and tests. Its fields are not changed while it is
// in use; Handshake may be called from many goroutines.
type Client struct {
	ServerKey *rsa.PublicKey
	ID        keys.DeviceID
	Key       *rsa.PrivateKey // RSA-1024

	// OmitKey leaves the public key out of the block, as very old Core firmware does.
	OmitKey bool

	// Segment, if set, splits every write, handshake and frames alike, into the pieces that are written one by one.
	Segment func(b []byte) [][]byte

	// StepTimeout bounds each step. Zero is a device's 20 seconds.
	StepTimeout time.Duration

	// MaxFrame is the largest ciphertext of a frame in bytes. Zero is DefaultMaxFrame.
	MaxFrame int
}

// Handshake does the device's half on a connection to a server, and returns it ready for messages, without a deadline.
// It blocks, at most StepTimeout for each step, and ends promptly when ctx does. The caller closes nc after an error.
func (c *Client) Handshake(ctx context.Context, nc net.Conn) (*Conn, error) {
	key, err := keys.NewRSAPublicKey(&c.Key.PublicKey)
	if err != nil {
		return nil, fmt.Errorf("link: %w", err)
	}
	if c.Segment != nil {
		nc = segmented{nc, c.Segment}
	}
	timeout := c.StepTimeout
	if timeout <= 0 {
		timeout = deviceStepTimeout
	}
	steps := beginSteps(ctx, nc, timeout)
	creds, err := c.exchange(steps, nc, key)
	if ended := steps.end(); ended != nil && err == nil {
		err = fmt.Errorf("link: handshake: %w", ended)
	}
	if err != nil {
		return nil, err
	}
	return newConn(nc, &creds, c.ID, key, newBuffers(c.MaxFrame)), nil
}

func (c *Client) exchange(steps *steps, nc net.Conn, key keys.PublicKey) (credentials, error) {
	plain := make([]byte, nonceSize, nonceSize+idSize+offeredKeySize)
	if err := c.step(steps, "nonce", func() error { return readFull(nc, plain) }); err != nil {
		return credentials{}, err
	}
	plain = append(plain, c.ID[:]...)
	if !c.OmitKey {
		plain = append(plain, key.DER()...)
	}
	block, err := sealBlock(c.ServerKey, plain)
	if err != nil {
		return credentials{}, fmt.Errorf("link: server key: %w", err)
	}
	var answer [answerSize]byte
	if err := c.step(steps, "block", func() error { _, err := nc.Write(block); return err }); err != nil {
		return credentials{}, err
	}
	if err := c.step(steps, "answer", func() error { return readFull(nc, answer[:]) }); err != nil {
		return credentials{}, err
	}
	return c.openAnswer(answer[:sealedSize], answer[sealedSize:])
}

// openAnswer checks in a device's order: first decrypt, then verify.
func (c *Client) openAnswer(sealed, signature []byte) (credentials, error) {
	creds, ok := openCredentials(c.Key, sealed)
	if !ok {
		return credentials{}, ErrDecryption
	}
	if verify(c.ServerKey, creds.mac(sealed), signature) != nil {
		return credentials{}, ErrAuthentication
	}
	return creds, nil
}

func (c *Client) step(steps *steps, name string, do func() error) error {
	err := steps.next()
	if err == nil {
		err = do()
	}
	if err != nil {
		_, err = steps.explain(err)
		return fmt.Errorf("link: handshake: %s: %w", name, err)
	}
	return nil
}

func readFull(r io.Reader, b []byte) error {
	_, err := io.ReadFull(r, b)
	return err
}

// segmented writes in pieces.
type segmented struct {
	net.Conn
	split func([]byte) [][]byte
}

func (s segmented) Write(b []byte) (written int, err error) {
	for _, piece := range s.split(b) {
		n, err := s.Conn.Write(piece)
		written += n
		if err != nil {
			return written, err
		}
	}
	return written, nil
}
