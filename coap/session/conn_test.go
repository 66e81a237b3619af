package session

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/plgd-dev/go-coap/v3/message/codes"

	"localcloud/cloud"
	"localcloud/coap"
)

func TestCallOverTheHub(t *testing.T) {
	inBubble(t, func(t *testing.T, s *site) {
		p := s.online(theID)
		p.answerCalls()
		if v, err := s.hub.Call(ctx(), theID, "led", "12345"); v != 5 || err != nil {
			t.Errorf("%d, %v", v, err)
		}
		if _, err := s.hub.Call(ctx(), theID, "nosuch", ""); cloud.KindOf(err) != cloud.NotExist || err.Error() != "call: Function nosuch not found" {
			t.Errorf("unknown function: %v", err)
		}
		if _, err := s.hub.Call(ctx(), otherID, "led", ""); cloud.KindOf(err) != cloud.Offline {
			t.Errorf("a device that never was: %v", err)
		}
	})
}

func TestVariableSignalPingAndMetricsOverTheHub(t *testing.T) {
	inBubble(t, func(t *testing.T, s *site) {
		p := s.online(theID)
		p.onMessage(func(m coap.Message) {
			switch m.Kind(coap.FromServer) {
			case coap.KindVariable:
				p.send(coap.VariableReturn(coap.Acknowledgement, m.ID, m.Token[0], []byte{1}))
			case coap.KindSignal:
				p.send(coap.AckCode(p.nextID(), m.Token, codes.Changed))
			case coap.KindPing:
				p.send(coap.Ack(p.nextID()))
			case coap.KindDescribe:
				p.send(coap.DescribeReply(coap.Acknowledgement, m.ID, m.Token[0], -1, coap.AppendMetrics(nil, coap.Metrics{{ID: 6, Value: 9}})))
			}
		})
		if v, err := s.hub.Variable(ctx(), theID, "on"); v != true || err != nil {
			t.Errorf("variable: %v, %v", v, err)
		}
		if _, err := s.hub.Variable(ctx(), theID, "nosuch"); cloud.KindOf(err) != cloud.NotExist {
			t.Errorf("unknown variable: %v", err)
		}
		if err := s.hub.Signal(ctx(), theID, true); err != nil {
			t.Errorf("signal: %v", err)
		}
		if err := s.hub.Ping(ctx(), theID); err != nil {
			t.Errorf("ping: %v", err)
		}
		if v, err := p.dev.Metrics(ctx()); err != nil || len(v) != 1 || v[0].Value != 9 {
			t.Errorf("metrics: %v, %v", v, err)
		}
	})
}

func TestCallTimesOutWhenTheCallerSaysSo(t *testing.T) {
	inBubble(t, func(t *testing.T, s *site) {
		p := s.online(theID)
		defer p.keepAlive()()
		for _, limit := range []time.Duration{time.Second, callTimeout, 0} {
			c, cancel := ctx(), context.CancelFunc(func() {})
			if limit > 0 {
				c, cancel = context.WithTimeout(c, limit)
			} else {
				limit = callTimeout // of a caller who sets none
			}
			start := time.Now()
			_, err := s.hub.Call(c, theID, "led", "on")
			if took := time.Since(start); cloud.KindOf(err) != cloud.Timeout || took != limit {
				t.Errorf("after %v: %v, want a timeout after %v", took, err, limit)
			}
			cancel()
		}
	})
}

func TestManyCallersAtOnceAllGetTheirOwnAnswer(t *testing.T) {
	inBubble(t, func(t *testing.T, s *site) {
		p := s.online(theID)
		p.answerCalls()
		var all sync.WaitGroup
		for caller := range 40 {
			all.Go(func() {
				for n := range 50 {
					want := (caller + n) % 60
					v, err := s.hub.Call(ctx(), theID, "led", strings.Repeat("x", want))
					if err != nil || v != int32(want) {
						t.Errorf("caller %d: %d, %v, want %d", caller, v, err, want)
						return
					}
				}
			})
		}
		for n := range 200 { // and the device talks, too
			p.send(eventFrom(p.nextID(), coap.NonConfirmable, "n", fmt.Sprint(n)))
		}
		all.Wait()
	})
}

func TestPendingCallsFailAtOnceWhenTheLinkCloses(t *testing.T) {
	inBubble(t, func(t *testing.T, s *site) {
		p := s.online(theID)
		start := time.Now()
		answers := make(chan error, 4)
		for range 3 {
			go func() { _, err := s.hub.Call(ctx(), theID, "led", "on"); answers <- err }()
		}
		go func() { answers <- s.hub.Ping(ctx(), theID) }()
		synctest.Wait()
		p.conn.Close()
		for range 4 {
			if err := <-answers; cloud.KindOf(err) != cloud.Offline {
				t.Errorf("%v, want Offline", err)
			}
		}
		if took := time.Since(start); took != 0 {
			t.Errorf("the callers waited %v", took)
		}
		if _, err := p.dev.Call(ctx(), "led", "on"); cloud.KindOf(err) != cloud.Offline {
			t.Errorf("a call to a connection that is over: %v", err)
		}
	})
}

func TestCloseEndsAConnectionThatWaits(t *testing.T) {
	inBubble(t, func(t *testing.T, s *site) {
		p := s.online(theID)
		time.Sleep(time.Second)
		why, start := errors.New("removed"), time.Now()
		p.dev.Close(why)
		p.dev.Close(errors.New("too late"))
		if err := p.ended(); err != why || time.Since(start) != 0 {
			t.Errorf("ended by %v after %v", err, time.Since(start))
		}
		if err := p.conn.Write([]byte("?")); !errors.Is(err, io.ErrClosedPipe) {
			t.Errorf("the link is open: %v", err)
		}
		s.wantHappened("e0 spark/status=offline")
	})
}

func TestCloseNeedsNoReason(t *testing.T) {
	inBubble(t, func(t *testing.T, s *site) {
		p := s.online(theID)
		s.hub.Disconnect(theID, nil)
		s.hub.Disconnect(theID, nil)
		if err := p.ended(); err == nil {
			t.Error("ended without a reason")
		}
	})
}

func TestCloseBeforeRunAndBeforeHello(t *testing.T) {
	inBubble(t, func(t *testing.T, s *site) {
		near, far := net.Pipe()
		defer far.Close()
		d := NewDevice(&pipe{Conn: near, id: theID}, s.hub, s.registry, s.logger())
		why := errors.New("stopping")
		d.Close(why)
		if err := d.Run(ctx()); err != why {
			t.Errorf("ended by %v", err)
		}
		s.wantHappened()
	})
}

func TestWriteToADeviceThatDoesNotReadIsBounded(t *testing.T) {
	inBubble(t, func(t *testing.T, s *site) {
		p := s.connect(theID) // and nobody reads the answer to Hello
		start := time.Now()
		p.hello()
		err := <-p.end
		if took := time.Since(start); !errors.Is(err, os.ErrDeadlineExceeded) || took != writeTimeout {
			t.Errorf("ended by %v after %v, want a deadline after %v", err, took, writeTimeout)
		}
	})
}

func TestAnswerToAPingOfADeviceAtRestIsBounded(t *testing.T) {
	inBubble(t, func(t *testing.T, s *site) {
		p := s.online(theID)
		time.Sleep(restAfterTCP)
		p.goDeaf()
		start := time.Now()
		p.send(coap.Ping(p.nextID()))
		err := <-p.end
		if took := time.Since(start); !errors.Is(err, os.ErrDeadlineExceeded) || took != writeTimeout {
			t.Errorf("ended by %v after %v, want a deadline after %v", err, took, writeTimeout)
		}
	})
}

// A request that comes while a ping is answered is done right after.
func TestCallDuringTheAnswerToAPingIsMade(t *testing.T) {
	inBubble(t, func(t *testing.T, s *site) {
		p := s.online(theID)
		time.Sleep(restAfterTCP)
		p.goDeaf()
		p.send(coap.Ping(p.nextID()))
		synctest.Wait() // its answer is not taken
		called := make(chan error, 1)
		go func() { _, err := s.hub.Call(ctx(), theID, "led", "12345"); called <- err }()
		synctest.Wait()
		p.answerCalls()
		p.hear()
		if err := <-called; err != nil {
			t.Error(err)
		}
	})
}

// goDeaf makes the device read nothing any more, until hear is called.
func (p *peer) goDeaf() {
	stop := make(chan struct{})
	p.hear = sync.OnceFunc(func() { close(stop) })
	p.t.Cleanup(p.hear)
	p.onMessage(func(coap.Message) { <-stop })
	p.send(coap.Ping(p.nextID())) // its answer is the last message read
	synctest.Wait()
}

func TestCloseDuringABlockedWriteIsBounded(t *testing.T) {
	inBubble(t, func(t *testing.T, s *site) {
		p := s.online(theID)
		p.goDeaf()
		failed := make(chan error, 1)
		start := time.Now()
		go func() { _, err := s.hub.Call(ctx(), theID, "led", "on"); failed <- err }()
		synctest.Wait()
		why := errors.New("removed")
		p.dev.Close(why)
		if err := <-failed; cloud.KindOf(err) != cloud.Offline || time.Since(start) != 0 {
			t.Errorf("the call: %v after %v", err, time.Since(start))
		}
		if <-p.end; time.Since(start) > writeTimeout {
			t.Errorf("ended after %v", time.Since(start))
		}
		s.wantHappened("e0 spark/status=offline")
	})
}

func TestRequestsToABlockedDeviceAreBounded(t *testing.T) {
	inBubble(t, func(t *testing.T, s *site) {
		p := s.online(theID)
		p.goDeaf()
		s.hub.Ping(expired(), theID)
		synctest.Wait() // its write blocks
		start := time.Now()
		var refused atomic.Int32
		var all sync.WaitGroup
		for range inboxSize + 5 {
			all.Go(func() {
				if _, err := s.hub.Call(ctx(), theID, "led", ""); cloud.KindOf(err) == cloud.Limited {
					refused.Add(1)
					if time.Since(start) != 0 {
						t.Errorf("refused after %v, want at once", time.Since(start))
					}
				} else if cloud.KindOf(err) != cloud.Offline {
					t.Errorf("a call that waited: %v", err)
				}
			})
		}
		all.Wait()
		if got := refused.Load(); got != 5 {
			t.Errorf("%d requests were refused, want 5", got)
		}
	})
}

// expired is the context of a caller who does not wait.
func expired() context.Context {
	c, cancel := context.WithCancel(ctx())
	cancel()
	return c
}

func TestRenamedDeviceHearsItsNameOverTheHub(t *testing.T) {
	inBubble(t, func(t *testing.T, s *site) {
		p := s.online(theID)
		ask := func(want string) {
			t.Helper()
			p.send(eventFrom(p.nextID(), coap.NonConfirmable, "particle/device/name", ""))
			if got := p.received(); len(got) != 1 || string(got[0].Payload) != want {
				t.Errorf("answer %v, want %s", got, want)
			}
		}
		ask("lamp-e0")
		r, _ := s.registry.Device(theID)
		r.Name = "attic"
		s.hub.DeviceChanged(r)
		ask("attic")
		s.wantHappened()
	})
}
