package link

import (
	"context"
	"errors"
	"io"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"localcloud/keys"
)

// These tests run in virtual time: a step's deadline is met to the nanosecond.

// device is a device that does its part by hand.
type device struct {
	t  *testing.T
	c  cast
	nc net.Conn
}

func (d device) nonce() []byte {
	nonce := make([]byte, nonceSize)
	if _, err := io.ReadFull(d.nc, nonce); err != nil {
		d.t.Errorf("nonce: %v", err)
	}
	return nonce
}

func (d device) block(nonce []byte) []byte { return d.c.block(d.t, nonce, d.c.id[:], d.c.device.DER()) }

func (d device) stranger(nonce []byte) []byte {
	return d.c.block(d.t, nonce, strangerID[:], d.c.other.DER())
}

func (d device) answer() { io.ReadFull(d.nc, make([]byte, answerSize)) }

// dribble writes one byte a second.
func (d device) dribble(b []byte) {
	for i := range b {
		<-time.After(time.Second)
		if _, err := d.nc.Write(b[i : i+1]); err != nil {
			return
		}
	}
}

// devicesThatStop do their part up to somewhere. A known reason of the device's own goes before "timeout" and "closed".
var devicesThatStop = []struct {
	name   string
	do     func(d device)
	step   keys.Step
	after  time.Duration // when the handshake times out
	reason keys.Reason   // if it is not about the connection
}{
	{"takes no nonce", func(device) {}, keys.StepNonce, 10 * time.Second, ""},
	{"takes half a nonce", func(d device) { io.ReadFull(d.nc, make([]byte, 20)) }, keys.StepNonce, 10 * time.Second, ""},
	{"sends no block", func(d device) { d.nonce() }, keys.StepKeyExchange, 10 * time.Second, ""},
	{"sends a byte less", func(d device) { d.nc.Write(d.block(d.nonce())[:255]) }, keys.StepKeyExchange, 10 * time.Second, ""},
	{"takes no answer", func(d device) { d.nc.Write(d.block(d.nonce())) }, keys.StepCredentials, 10 * time.Second, ""},
	{"takes half an answer", func(d device) {
		d.nc.Write(d.block(d.nonce()))
		io.ReadFull(d.nc, make([]byte, answerSize/2))
	}, keys.StepCredentials, 10 * time.Second, ""},
	{"stranger that takes no answer", func(d device) { d.nc.Write(d.stranger(d.nonce())) },
		keys.StepKeyExchange, 10 * time.Second, keys.ReasonUnknownDevice},
	{"stranger that sends no frame", func(d device) {
		d.nc.Write(d.stranger(d.nonce()))
		d.answer()
	}, keys.StepKeyExchange, 10 * time.Second, keys.ReasonUnknownDevice},
}

func TestEachStepEndsAtItsDeadline(t *testing.T) {
	for _, test := range devicesThatStop {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				knock, took, err := stopped(t, context.Background(), test.do)
				reason := test.reason
				if reason == "" {
					reason = keys.ReasonTimeout
				}
				if knock.Step != test.step || knock.Reason != reason || took != test.after {
					t.Errorf("%s, %s after %v (%v)", knock.Step, knock.Reason, took, err)
				}
			})
		})
	}
}

func TestEachStepEndsWhenTheDeviceLeaves(t *testing.T) {
	for _, test := range devicesThatStop {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				knock, took, err := stopped(t, context.Background(), func(d device) {
					test.do(d)
					d.nc.Close()
				})
				reason := test.reason
				if reason == "" {
					reason = keys.ReasonClosed
				}
				if knock.Step != test.step || knock.Reason != reason || took != 0 {
					t.Errorf("%s, %s after %v (%v)", knock.Step, knock.Reason, took, err)
				}
			})
		})
	}
}

func TestEachStepEndsWithTheContext(t *testing.T) {
	for _, test := range devicesThatStop {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithCancel(t.Context())
				time.AfterFunc(3*time.Second, cancel)
				knock, took, err := stopped(t, ctx, test.do)
				reason := test.reason
				if reason == "" {
					reason = keys.ReasonInterrupted
					if !errors.Is(err, context.Canceled) {
						t.Errorf("got %v", err)
					}
				}
				if knock.Step != test.step || knock.Reason != reason || took != 3*time.Second {
					t.Errorf("%s, %s after %v (%v)", knock.Step, knock.Reason, took, err)
				}
			})
		})
	}
}

func TestContextThatRunsOutIsATimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 4*time.Second)
		defer cancel()
		knock, took, err := stopped(t, ctx, func(d device) { d.nonce() })
		if knock.Reason != keys.ReasonTimeout || knock.Step != keys.StepKeyExchange || took != 4*time.Second || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%s, %s after %v (%v)", knock.Step, knock.Reason, took, err)
		}
	})
}

func TestHandshakeBeginsNothingForAContextThatEnded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		knock, took, err := stopped(t, ctx, func(device) {})
		if knock.Reason != keys.ReasonInterrupted || knock.Step != keys.StepNonce || took != 0 || !errors.Is(err, context.Canceled) {
			t.Errorf("%s, %s after %v (%v)", knock.Step, knock.Reason, took, err)
		}
	})
}

func TestLookUpEndsWithTheContextAndItsStep(t *testing.T) {
	for name, test := range map[string]struct {
		cancelAfter, took time.Duration
		step              keys.Step
		reason            keys.Reason
	}{
		"cancelled": {2 * time.Second, 2 * time.Second, keys.StepKeyExchange, keys.ReasonInterrupted},
		"too slow":  {time.Hour, DefaultStepTimeout, keys.StepKeyExchange, keys.ReasonServerFault},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				time.AfterFunc(test.cancelAfter, cancel)
				c := newCast(t)
				s := c.server()
				s.Authorize = func(ctx context.Context, _ Attempt) (keys.PublicKey, error) {
					<-ctx.Done()
					return keys.PublicKey{}, ctx.Err()
				}
				knock, took, err := stoppedAt(t, ctx, s, func(d device) {
					d.nc.Write(d.block(d.nonce()))
					d.answer()
					d.nc.Close()
				})
				if knock.Reason != test.reason || knock.Step != test.step || took != test.took {
					t.Errorf("%s, %s after %v (%v)", knock.Step, knock.Reason, took, err)
				}
			})
		})
	}
}

// The step after the one in which the context ended must not begin with a deadline of its own.
func TestNoStepBeginsAfterTheContextEnded(t *testing.T) {
	for name, refusal := range map[string]error{"let in": nil, "refused": &Refusal{keys.ReasonUnknownDevice}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithCancel(t.Context())
				c := newCast(t)
				s := c.server()
				s.Authorize = func(context.Context, Attempt) (keys.PublicKey, error) {
					cancel()
					synctest.Wait() // for what the end of the context sets off
					return c.device, refusal
				}
				knock, took, err := stoppedAt(t, ctx, s, func(d device) { d.nc.Write(d.block(d.nonce())) })
				if took != 0 || refusal == nil && knock.Reason != keys.ReasonInterrupted {
					t.Errorf("%s, %s after %v (%v)", knock.Step, knock.Reason, took, err)
				}
			})
		})
	}
}

// A byte a second would take more than four minutes; the step as a whole has ten seconds.
func TestSlowBytesDoNotExtendAStep(t *testing.T) {
	for name, test := range map[string]struct {
		do   func(d device)
		want keys.Reason
		took time.Duration
	}{
		"block": {func(d device) { d.dribble(d.block(d.nonce())) }, keys.ReasonTimeout, DefaultStepTimeout},
		"first frame of a stranger": {func(d device) {
			d.nc.Write(d.stranger(d.nonce()))
			d.answer()
			d.dribble(append([]byte{0, 32}, make([]byte, 32)...))
		}, keys.ReasonUnknownDevice, DefaultStepTimeout},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				knock, took, err := stopped(t, context.Background(), test.do)
				if knock.Reason != test.want || took != test.took {
					t.Errorf("%s, %s after %v (%v)", knock.Step, knock.Reason, took, err)
				}
			})
		})
	}
}

func TestEachStepHasItsOwnTimeAndNoneIsLeftOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCast(t)
		a, b := net.Pipe()
		defer a.Close()
		d := device{t, c, b}
		message := stream(t, "late, but here")
		s := c.server()
		s.Rand = io.MultiReader(zeros(nonceSize), credentialsReader())
		go func() {
			wait := func() { <-time.After(9 * time.Second) }
			wait()
			nonce := d.nonce()
			wait()
			d.nc.Write(d.block(nonce))
			wait()
			d.answer()
			<-time.After(time.Hour)
			d.nc.Write(message)
		}()
		conn, err := s.Handshake(context.Background(), a)
		if err != nil {
			t.Fatal(err)
		}
		wantMessage(t, conn, "late, but here") // an hour later: no deadline stayed
	})
}

// stopped runs a handshake with a device that does what do does and nothing more, and returns how it failed.
func stopped(t *testing.T, ctx context.Context, do func(d device)) (keys.Knock, time.Duration, error) {
	t.Helper()
	return stoppedAt(t, ctx, newCast(t).server(), do)
}

func stoppedAt(t *testing.T, ctx context.Context, s *Server, do func(d device)) (keys.Knock, time.Duration, error) {
	t.Helper()
	a, b := net.Pipe()
	done := make(chan struct{})
	go func() {
		defer close(done)
		do(device{t, newCast(t), b})
	}()
	start := time.Now()
	conn, err := s.Handshake(ctx, a)
	took := time.Since(start)
	a.Close()
	<-done
	b.Close()
	failure, ok := errors.AsType[*HandshakeError](err)
	if !ok || conn != nil {
		t.Fatalf("%v, %v", conn, err)
	}
	return failure.Knock, took, err
}
