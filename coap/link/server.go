package link

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"localcloud/keys"
)

// DefaultStepTimeout is how long each step of a handshake may take. Devices themselves wait 20 seconds for each.
const DefaultStepTimeout = 10 * time.Second

// Server does the cloud's half of the handshake. Its fields are set before the first Handshake and not changed then;
// Handshake may be called from many goroutines. It must not be copied.
type Server struct {
	// Key is the server's key, see keys.CheckServerRSA.
	Key *rsa.PrivateKey
	// Keys, if set, is asked at each handshake in place of Key: for the key, and for one that is being rotated out, nil
	// when there is none.
	Keys func() (key, old *rsa.PrivateKey)

	// Authorize decides who may come in. It returns the public key that the credentials are encrypted to, which is the
	// one registered for the device: only its owner can go on. An error refuses the device; a *Refusal in it names the
	// reason, any other is a fault of ours. It may block and should end with ctx, which lasts for StepTimeout.
	Authorize func(ctx context.Context, a Attempt) (keys.PublicKey, error)

	// Rand is read for the nonce (40 bytes) and then for the credentials (40 bytes). Nil is the system's random source.
	// Anything else is for tests that replay a recording.
	Rand io.Reader

	// StepTimeout bounds each step as a whole, however the bytes come. Zero is DefaultStepTimeout. Who reads the first
	// message from a Conn should allow it the same time, so that a refused device cannot tell the difference.
	StepTimeout time.Duration

	// MaxFrame is the largest ciphertext of a frame in bytes, in both directions. Zero is DefaultMaxFrame.
	MaxFrame int

	once     sync.Once
	setUpErr error
	decoy    *rsa.PublicKey // nobody holds its private half
	buffers  *buffers
	work     *work
	held     atomic.Pointer[named] // the key of ours that was used last
}

// Attempt is what a device said of itself in a block that was encrypted for this server and answers its nonce.
type Attempt struct {
	ID         keys.DeviceID
	Offered    keys.PublicKey // zero if the device sent none, or something that is no RSA-1024 key
	RemoteAddr net.Addr
}

// Handshake does the server's half on a connection that was just accepted, and returns it ready for messages, without
// a deadline. It blocks, at most StepTimeout for each step, and ends promptly when ctx does.
//
// Every error is a *HandshakeError. A device that is refused gets an answer that it cannot use and is waited for like
// one that is let in: Handshake returns only after its first frame, with nc closed. After any other error the caller
// closes nc. It should also do so at once when the first Read of a Conn fails: the two look the same then.
func (s *Server) Handshake(ctx context.Context, nc net.Conn) (*Conn, error) {
	a := acceptance{server: s, nc: nc, step: keys.StepNonce}
	if err := s.setUp(); err != nil {
		return nil, a.failure(keys.ReasonServerFault, err)
	}
	a.keys = s.keys()
	a.steps = beginSteps(ctx, nc, s.stepTimeout())
	conn, err := a.run()
	if ended := a.steps.end(); ended != nil && err == nil {
		return nil, a.broken(ended)
	}
	return conn, err
}

// Calm blocks while more handshakes wait for a processor than can end in a few seconds, or until ctx ends, and then
// returns its error. Who accepts connections calls it first: devices that were not accepted wait patiently, those that
// were are on the clock.
func (s *Server) Calm(ctx context.Context) error {
	if err := s.setUp(); err != nil {
		return err
	}
	return s.work.calm(ctx)
}

func (s *Server) stepTimeout() time.Duration {
	if s.StepTimeout > 0 {
		return s.StepTimeout
	}
	return DefaultStepTimeout
}

func (s *Server) rand() io.Reader {
	if s.Rand != nil {
		return s.Rand
	}
	return rand.Reader
}

// setUp runs before the first nonce is sent, so that making the decoy costs no handshake more than another.
func (s *Server) setUp() error {
	s.once.Do(func() {
		if err := keys.CheckServerRSA(s.keys().key); err != nil {
			s.setUpErr = fmt.Errorf("link: %w", err)
			return
		}
		if s.Authorize == nil {
			s.setUpErr = errors.New("link: nobody decides who may come in")
			return
		}
		decoy, err := rsa.GenerateKey(rand.Reader, 8*sealedSize)
		if err != nil {
			s.setUpErr = fmt.Errorf("link: decoy key: %w", err)
			return
		}
		s.decoy, s.buffers, s.work = &decoy.PublicKey, newBuffers(s.MaxFrame), newWork()
	})
	return s.setUpErr
}
