package link

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"time"

	"localcloud/keys"
)

// HandshakeError says why a handshake failed. It is for the owner: the device was told nothing.
type HandshakeError struct {
	Knock keys.Knock // everything known of the attempt; First, Last and Count are left to who keeps it
	Err   error      // the cause, nil when Knock.Reason says it all
}

func (e *HandshakeError) Error() string {
	who := "unknown device"
	if !e.Knock.ID.IsZero() {
		who = e.Knock.ID.String()
	}
	text := fmt.Sprintf("link: handshake with %s: %s: %s", who, e.Knock.Step, e.Knock.Reason)
	if e.Err != nil {
		text += ": " + e.Err.Error()
	}
	return text
}

func (e *HandshakeError) Unwrap() error { return e.Err }

// Refusal is how Server.Authorize says no, with the reason for the owner's record.
type Refusal struct{ Reason keys.Reason }

func (r *Refusal) Error() string { return "refused: " + string(r.Reason) }

func newKnock(nc net.Conn) keys.Knock {
	k := keys.Knock{Transport: "tcp"}
	if addr := nc.RemoteAddr(); addr != nil {
		k.Address = addr.String()
	}
	return k
}

// steps gives each step of a handshake its own deadline, which no dribble of bytes extends, and ends all of them when
// the context does.
type steps struct {
	ctx     context.Context
	nc      net.Conn
	timeout time.Duration
	stop    func() bool
	woken   chan struct{} // closed when the context has ended the step under way
}

func beginSteps(ctx context.Context, nc net.Conn, timeout time.Duration) *steps {
	s := &steps{ctx: ctx, nc: nc, timeout: timeout, woken: make(chan struct{})}
	s.stop = context.AfterFunc(ctx, func() {
		defer close(s.woken)
		nc.SetDeadline(time.Unix(1, 0))
	})
	return s
}

// next begins a step. The order matters: a context that ends after the check finds the new deadline and replaces it.
func (s *steps) next() error {
	if err := s.nc.SetDeadline(time.Now().Add(s.timeout)); err != nil {
		return err
	}
	return s.ctx.Err()
}

// end gives the connection back without deadline, or returns the context's error if that ended meanwhile.
// A connection that broke just now is left for the next read to find.
func (s *steps) end() error {
	if !s.stop() {
		<-s.woken
		return s.ctx.Err()
	}
	s.nc.SetDeadline(time.Time{})
	return nil
}

// explain finds the record's word for an error of the connection, and the context's error behind it if there is one.
func (s *steps) explain(err error) (keys.Reason, error) {
	if ended := s.ctx.Err(); ended != nil {
		err = ended
	}
	switch {
	case errors.Is(err, context.Canceled):
		return keys.ReasonInterrupted, err
	case errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, context.DeadlineExceeded):
		return keys.ReasonTimeout, err
	default:
		return keys.ReasonClosed, err
	}
}

// fault is the reason for a failure of ours: none of our doing if the context ended.
func (s *steps) fault() keys.Reason {
	if s.ctx.Err() != nil {
		return keys.ReasonInterrupted
	}
	return keys.ReasonServerFault
}
