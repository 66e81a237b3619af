package session

import (
	"context"
	"errors"
	"io"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"localcloud/cloud"
	"localcloud/coap"
)

func TestDeviceGoesOnlineWithHelloAndOfflineWithItsConnection(t *testing.T) {
	inBubble(t, func(t *testing.T, s *site) {
		p := s.connect(theID).listen()
		synctest.Wait()
		if s.hub.IsOnline(theID) {
			t.Error("online before Hello")
		}
		time.Sleep(3 * time.Second)
		hello := time.Now()
		p.hello()
		s.wantHappened("e0 spark/status=online")
		r, _ := s.registry.Device(theID)
		if r.PlatformID != 6 || r.ProductID != 6 || r.ProductVersion != 0xffff || r.SystemVersion != "3.3.1" ||
			r.LastAddress != "192.0.2.7:49152" || !r.LastHandshake.Equal(hello) || !r.LastHeard.Equal(hello) {
			t.Errorf("record %+v", r)
		}
		if st := s.hub.Status(theID); !st.Online || st.Address != "192.0.2.7:49152" || !st.LastHeard.Equal(hello) {
			t.Errorf("status %+v", st)
		}

		time.Sleep(7 * time.Second)
		heard := time.Now()
		p.send(coap.Ping(p.nextID()))
		synctest.Wait()
		if got := p.dev.LastHeard(); !got.Equal(heard) {
			t.Errorf("last heard at %v, want %v", got, heard)
		}
		time.Sleep(time.Second)
		p.conn.Close()
		s.wantHappened("e0 spark/status=offline")
		if err := p.ended(); !errors.Is(err, io.EOF) {
			t.Errorf("ended by %v", err)
		}
		if r, _ := s.registry.Device(theID); !r.LastHeard.Equal(heard) {
			t.Errorf("the record says last heard at %v, want %v", r.LastHeard, heard)
		}
		if s.hub.IsOnline(theID) {
			t.Error("still online")
		}
	})
}

// readerOf returns the id of the goroutine that waits in Read.
func readerOf(t *testing.T) string {
	t.Helper()
	synctest.Wait()
	all := make([]byte, 1<<20)
	for _, g := range strings.Split(string(all[:runtime.Stack(all, true)]), "\n\n") {
		if strings.Contains(g, "session.(*Device).loop") {
			id, _, _ := strings.Cut(g, " [")
			return id
		}
	}
	t.Fatal("no goroutine waits for the device")
	return ""
}

func TestDeviceThatSaysNothingRestsInAFreshGoroutine(t *testing.T) {
	inBubble(t, func(t *testing.T, s *site) {
		p := s.online(theID)
		p.answerCalls()
		link := p.dev.link.(*pipe)
		busy := readerOf(t)
		time.Sleep(restAfterTCP - time.Millisecond)
		if resting := readerOf(t); resting != busy || link.rests.Load() != 0 {
			t.Errorf("it rests already: %d", link.rests.Load())
		}
		time.Sleep(time.Millisecond)
		first := readerOf(t)
		if first == busy || link.rests.Load() != 1 {
			t.Errorf("%s after %s, %d rests", first, busy, link.rests.Load())
		}
		p.received()
		for range 3 {
			time.Sleep(15 * time.Second)
			before, rests := readerOf(t), link.rests.Load()
			p.send(coap.Ping(p.nextID()))
			if after := readerOf(t); after != before || link.rests.Load() != rests+1 {
				t.Errorf("after a ping %s after %s, %d more rests", after, before, link.rests.Load()-rests)
			}
			p.want(coap.Ack(p.lastID()))
			if heard := s.hub.Status(theID).LastHeard; !heard.Equal(time.Now()) {
				t.Errorf("last heard at %v", heard)
			}
		}
		time.Sleep(5 * time.Second)
		before, rests := readerOf(t), link.rests.Load()
		p.send(coap.TimeRequest(p.nextID(), 1)) // another message, in one go
		if after := readerOf(t); after == before || link.rests.Load() != rests+1 {
			t.Errorf("%s after %s, %d more rests", after, before, link.rests.Load()-rests)
		}
		if v, err := s.hub.Call(ctx(), theID, "led", "12345"); err != nil || v != 5 {
			t.Errorf("call of a device at rest: %d, %v", v, err)
		}
	})
}

func TestSecondConnectionReplacesTheFirst(t *testing.T) {
	inBubble(t, func(t *testing.T, s *site) {
		first := s.online(theID)
		pending := make(chan error, 1)
		go func() { _, err := s.hub.Call(ctx(), theID, "led", "on"); pending <- err }()
		time.Sleep(5 * time.Second)

		second := s.connect(theID).listen()
		hello := time.Now()
		second.hello()
		s.wantHappened("e0 spark/status=offline", "e0 spark/status=online")
		if err := first.ended(); !errors.Is(err, cloud.ErrReplaced) {
			t.Errorf("the first ended by %v", err)
		}
		if err := <-pending; cloud.KindOf(err) != cloud.Offline {
			t.Errorf("a call on the first: %v", err)
		}
		if r, _ := s.registry.Device(theID); !r.LastHeard.Equal(hello) {
			t.Errorf("the end of the first set last heard to %v, want %v", r.LastHeard, hello)
		}

		second.send(coap.DescribePost(second.nextID(), nil, coap.DescribeApplication, -1, theApp.AppendJSON(nil)))
		second.answerCalls()
		if v, err := s.hub.Call(ctx(), theID, "led", "123"); v != 3 || err != nil {
			t.Errorf("a call on the second: %d, %v", v, err)
		}
		second.conn.Close()
		s.wantHappened("e0 spark/status=offline")
	})
}

func TestManyConnectionsOfOneDeviceAlternateOnlineAndOffline(t *testing.T) {
	inBubble(t, func(t *testing.T, s *site) {
		var all sync.WaitGroup
		for n := range 30 {
			p := s.connect(theID).listen()
			all.Go(func() {
				p.send(coap.HelloMessage(coap.NonConfirmable, 1, helloPhoton33.Append(nil)))
				time.Sleep(time.Duration(n%5) * time.Millisecond)
				p.conn.Close()
			})
		}
		all.Wait()
		for i, got := range s.happened() {
			want := "e0 spark/status=online"
			if i%2 == 1 {
				want = "e0 spark/status=offline"
			}
			if got != want {
				t.Fatalf("event %d is %s, want %s", i, got, want)
			}
		}
		if s.hub.IsOnline(theID) {
			t.Error("still online")
		}
	})
}

func TestPanicCostsOneDeviceItsConnection(t *testing.T) {
	inBubble(t, func(t *testing.T, s *site) {
		p := s.online(theID)
		s.register(otherID)
		other := s.online(otherID)
		p.goDeaf() // so that what follows is done in one step
		start := time.Now()
		s.hub.Ping(expired(), theID)
		synctest.Wait()
		p.dev.do(func(time.Time) { panic("a bug") })
		answered := make(chan error, 1)
		go func() { _, err := s.hub.Call(ctx(), theID, "led", "on"); answered <- err }()
		synctest.Wait()
		p.hear()
		if err := <-answered; cloud.KindOf(err) != cloud.Offline || time.Since(start) != 0 {
			t.Errorf("a call behind the panic: %v after %v", err, time.Since(start))
		}
		if err := p.ended(); err == nil || !strings.Contains(err.Error(), "a bug") {
			t.Errorf("ended by %v", err)
		}
		s.wantHappened("e0 spark/status=offline")
		if text := s.log.String(); !strings.Contains(text, "level=ERROR") || !strings.Contains(text, "device_test.go") {
			t.Errorf("the log does not show the panic and its stack:\n%s", text)
		}
		other.send(coap.Ping(other.nextID()))
		other.want(coap.Ack(other.lastID()))
	})
}

func TestMessageThatCannotBeParsedCostsThatDeviceOnly(t *testing.T) {
	inBubble(t, func(t *testing.T, s *site) {
		bad := s.online(theID)
		s.register(otherID)
		good := s.online(otherID)
		if err := bad.conn.Write([]byte{0xff, 0xff}); err != nil {
			t.Fatal(err)
		}
		if err := bad.ended(); !errors.Is(err, errProtocol) {
			t.Errorf("ended by %v", err)
		}
		s.wantHappened("e0 spark/status=offline")
		good.send(eventFrom(good.nextID(), coap.NonConfirmable, "a", "1"))
		s.wantHappened("aa a=1")
	})
}

func TestGoodbyeEndsTheConnection(t *testing.T) {
	inBubble(t, func(t *testing.T, s *site) {
		p := s.online(theID)
		p.send(eventFrom(p.nextID(), coap.NonConfirmable, "last", ""))
		p.send(coap.GoodbyeMessage(coap.Confirmable, p.nextID(), coap.Goodbye{Cloud: 6, Sleep: 60}))
		p.want(coap.Ack(p.lastID()))
		if err := p.ended(); err == nil || !strings.Contains(err.Error(), "sleep") {
			t.Errorf("ended by %v", err)
		}
		s.wantHappened("e0 last=", "e0 spark/status=offline")
	})
}

func TestSilentDeviceGoesOffline(t *testing.T) {
	inBubble(t, func(t *testing.T, s *site) {
		p := s.online(theID)
		start := time.Now()
		if err := <-p.end; !errors.Is(err, ErrSilent) || time.Since(start) != deadLimit {
			t.Errorf("ended by %v after %v", err, time.Since(start))
		}
		if got := p.received(); len(got) != 1 || got[0].Kind(coap.FromServer) != coap.KindPing {
			t.Errorf("meanwhile the cloud sent %v, want one ping", got)
		}
	})
}

func TestEndOfTheContextEndsTheConnection(t *testing.T) {
	inBubble(t, func(t *testing.T, s *site) {
		c, cancel := context.WithCancelCause(ctx())
		p := s.connectUntil(c, theID).listen()
		p.hello()
		synctest.Wait()
		why := errors.New("going down")
		cancel(why)
		if err := p.ended(); err != why {
			t.Errorf("ended by %v", err)
		}
		s.wantHappened("e0 spark/status=online", "e0 spark/status=offline") // also when ctx is over
	})
}

func TestDeviceThatWasRemovedDoesNotGoOnline(t *testing.T) {
	inBubble(t, func(t *testing.T, s *site) {
		for _, late := range []bool{false, true} { // gone before the handshake ended, or before Hello
			s.register(theID)
			if !late {
				s.registry.RemoveDevice(theID)
			}
			p := s.connect(theID).listen()
			synctest.Wait()
			s.registry.RemoveDevice(theID)
			p.hello()
			if err := p.ended(); cloud.KindOf(err) != cloud.NotExist {
				t.Errorf("ended by %v", err)
			}
			s.wantHappened()
			if _, ok := s.registry.Device(theID); ok {
				t.Error("the device is back in the registry")
			}
		}
	})
}
