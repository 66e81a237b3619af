package session

import (
	"encoding/binary"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"localcloud/cloud"
	"localcloud/coap"
	"localcloud/keys"
)

func TestADeviceOverUDPComesOnlineAndIsCalled(t *testing.T) {
	overUDP(t, func(t *testing.T, s *datagrams) {
		w := s.online(theID, helloArgon33)
		s.wantHappened("e0 spark/status=online")
		w.act = func(m coap.Message) {
			if m.Kind(coap.FromServer) == coap.KindFunction {
				go w.send(coap.Ack(m.ID), coap.FunctionReturn(coap.Confirmable, w.nextID(), m.Token[0], 7))
			}
		}
		if got, err := s.hub.Call(ctx(), theID, "led", "on"); got != 7 || err != nil {
			t.Errorf("%d, %v", got, err)
		}
		if d, _ := s.registry.Device(theID); d.SystemVersion != "3.3.1" || !slices.Contains(d.Functions, "led") || d.LastAddress == "" {
			t.Errorf("%+v", d)
		}
	})
}

func TestAHelloWithAnotherKeyIsNotAnsweredUntilItsOwnerSaysSo(t *testing.T) {
	overUDP(t, func(t *testing.T, s *datagrams) {
		s.registerKey(theID, newECKey(t))
		thief := s.open(newECKey(t))
		hello := thief.hello(theID, helloArgon33)
		thief.send(hello, hello)
		thief.want()
		other := keys.DeviceID{1}
		stranger := s.open(newECKey(t))
		strange := stranger.hello(other, helloArgon33)
		stranger.send(strange)
		stranger.want()
		if len(s.knocks) < 2 || s.knocks[0].Reason != keys.ReasonOtherKey || s.knocks[len(s.knocks)-1].Reason != keys.ReasonUnknownDevice {
			t.Errorf("%+v", s.knocks)
		}
		s.wantHappened()
		s.registerKey(other, stranger.key)
		time.Sleep(5 * time.Second) // until it is sent again
		stranger.send(strange)
		if got := stranger.received(); len(got) < 1 || got[0].ID != strange.ID {
			t.Errorf("received %v", got)
		}
		s.wantHappened("01 spark/status=online")
	})
}

func TestAPublishIsAcknowledgedWhenItIsOnDiskAndHelloPingAndTimeAreNot(t *testing.T) {
	overUDP(t, func(t *testing.T, s *datagrams) {
		w := s.online(theID, helloArgon33)
		s.happened()
		s.disk.stop()
		ev := eventFrom(w.nextID(), coap.Confirmable, "door", "open")
		w.send(ev, ev)
		w.want()
		s.wantHappened("e0 door=open")
		ping := coap.Ping(w.nextID())
		w.send(ping)
		w.want(coap.Ack(ping.ID))
		w.send(coap.TimeRequest(w.nextID(), 9))
		if got := w.received(); len(got) != 1 {
			t.Errorf("%v", got)
		}
		again := w.hello(theID, helloArgon33)
		w.send(again)
		if got := w.received(); len(got) != 2 || got[0].ID != again.ID {
			t.Errorf("%v", got)
		}
		s.disk.write(1)
		w.want(coap.Ack(ev.ID))
		s.disk.mu.Lock()
		s.disk.stopped = false
		s.disk.mu.Unlock()
	})
}

func TestMoreThanTheDiskTakesIsLeftToTheDevice(t *testing.T) {
	overUDP(t, func(t *testing.T, s *datagrams) {
		w := s.online(theID, helloArgon33)
		s.happened()
		s.disk.stop()
		var all []coap.Message
		for n := range maxUncommitted + 5 {
			all = append(all, eventFrom(w.nextID(), coap.Confirmable, "n", fmt.Sprint(n)))
			w.send(all[n])
		}
		if got := s.happened(); len(got) != maxUncommitted {
			t.Errorf("%d events", len(got))
		}
		w.want()
		s.disk.write(maxUncommitted)
		if got := w.received(); len(got) != maxUncommitted {
			t.Errorf("%d acknowledged", len(got))
		}
		s.disk.mu.Lock()
		s.disk.stopped = false
		s.disk.mu.Unlock()
		w.send(all[maxUncommitted:]...)
		if got := s.happened(); len(got) != 5 {
			t.Errorf("%d events", len(got))
		}
	})
}

func TestANewSessionTakesThePlaceOfTheOldOne(t *testing.T) {
	overUDP(t, func(t *testing.T, s *datagrams) {
		old := s.online(theID, helloArgon33)
		w := s.open(old.key)
		w.send(w.hello(theID, helloArgon33))
		s.wantHappened("e0 spark/status=online", "e0 spark/status=offline", "e0 spark/status=online")
		if closed, told := old.isClosed(); !closed || told {
			t.Errorf("closed %v, told %v", closed, told)
		}
		s.hub.Disconnect(theID, fmt.Errorf("removed"))
		s.wantHappened("e0 spark/status=offline")
		if closed, told := w.isClosed(); !closed || !told {
			t.Errorf("closed %v, told %v", closed, told)
		}
	})
}

func TestSilenceAndGoodbyeTakeADeviceOfflineAndItsNextWordBringsItBack(t *testing.T) {
	overUDP(t, func(t *testing.T, s *datagrams) {
		w := s.online(theID, helloArgon33)
		w.send(coap.SubscribeMessage(coap.Confirmable, w.nextID(), coap.Subscription{Prefix: "pre/", MyDevices: true}))
		s.happened()
		time.Sleep(3 * time.Minute)
		s.wantHappened("e0 spark/status=offline")
		w.received()
		w.send(coap.Ping(w.nextID()))
		s.wantHappened("e0 spark/status=online")
		w.received()
		s.hub.Publish(ctx(), cloud.Event{Name: "pre/x", Owner: s.owner, Private: true, Source: "api"})
		if got := w.received(); len(got) != 1 || got[0].Kind(coap.FromServer) != coap.KindEvent || got[0].Type != coap.Confirmable {
			t.Errorf("its subscriptions are forgotten: %v", got)
		}
		s.happened()
		w.send(coap.GoodbyeMessage(coap.Confirmable, w.nextID(), coap.Goodbye{Cloud: 6}))
		s.wantHappened("e0 spark/status=offline")
		w.send(coap.Ping(w.nextID()))
		s.wantHappened("e0 spark/status=online")
	})
}

func TestADeviceThatWasRemovedWhileItSleptIsNotLetIn(t *testing.T) {
	overUDP(t, func(t *testing.T, s *datagrams) {
		w := s.online(theID, helloArgon33)
		w.send(coap.GoodbyeMessage(coap.Confirmable, w.nextID(), coap.Goodbye{Cloud: 6}))
		s.happened()
		if err := s.registry.RemoveDevice(theID); err != nil {
			t.Fatal(err)
		}
		w.send(eventFrom(w.nextID(), coap.Confirmable, "x", "1"))
		s.wantHappened()
		if closed, told := w.isClosed(); !closed || !told {
			t.Errorf("closed %v, told %v", closed, told)
		}
	})
}

func TestSessionsWithoutHelloAreBounded(t *testing.T) {
	overUDP(t, func(t *testing.T, s *datagrams) {
		key := newECKey(t)
		var all []*wire
		for range maxAnonymous + 10 {
			all = append(all, s.open(key))
		}
		synctest.Wait()
		open := 0
		for _, w := range all {
			if closed, _ := w.isClosed(); !closed {
				open++
			}
		}
		if open != maxAnonymous {
			t.Errorf("%d are open", open)
		}
		time.Sleep(anonymousLimit + time.Second)
		synctest.Wait()
		s.peers.mu.Lock()
		left := len(s.peers.all)
		s.peers.mu.Unlock()
		if left != 0 {
			t.Errorf("%d are left", left)
		}
	})
}

// A day with a thousand devices that sleep and say one word every 23 minutes.
func TestAThousandSleepersStayKnownForADay(t *testing.T) {
	overUDP(t, func(t *testing.T, s *datagrams) {
		const n = 1000
		key := newECKey(t)
		sleepers := make([]*wire, n)
		for i := range sleepers {
			id := keys.DeviceID{0xe1}
			binary.BigEndian.PutUint16(id[10:], uint16(i))
			s.registerKey(id, key)
			w := s.open(key)
			w.send(w.hello(id, helloBoron62))
			w.send(coap.DescribePost(w.nextID(), nil, coap.DescribeApplication, -1, theApp.AppendJSON(nil)),
				coap.DescribePost(w.nextID(), nil, coap.DescribeSystem, -1, theSystem.AppendJSON(nil)))
			w.act = func(m coap.Message) { // it answers what it is asked
				if m.Type == coap.Confirmable {
					b, _ := coap.Ack(m.ID).Append(nil)
					go w.peer.Receive(b)
				}
			}
			sleepers[i] = w
		}
		s.happened()
		for range 24 * 60 / 23 {
			time.Sleep(23 * time.Minute)
			for _, w := range sleepers {
				b, _ := coap.Ping(w.nextID()).Append(nil)
				w.peer.Receive(b)
			}
			synctest.Wait()
		}
		if got := s.hub.Totals().Online; got != n {
			t.Errorf("%d of %d are known", got, n)
		}
		if got := s.happened(); len(got) != 0 {
			t.Errorf("%d times a device came or went, such as %s", len(got), got[0])
		}
	})
}
