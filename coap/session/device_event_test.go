package session

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/plgd-dev/go-coap/v3/message/codes"

	"localcloud/cloud"
	"localcloud/coap"
)

func TestConfirmablePublishIsAcknowledgedWhenItIsOnDisk(t *testing.T) {
	inBubble(t, func(t *testing.T, s *site) {
		p := s.online(theID)
		s.disk.stop()
		first, second := p.nextID(), p.nextID()
		p.send(eventFrom(first, coap.Confirmable, "a", "1"), eventFrom(second, coap.Confirmable, "a", "2"))
		s.wantHappened("e0 a=1", "e0 a=2") // listeners do not wait for the disk
		p.want()
		time.Sleep(5 * time.Second)
		p.want()
		s.disk.write(1)
		p.want(coap.Ack(first))
		s.disk.write(1)
		p.want(coap.Ack(second))
	})
}

func TestSocketIsNotReadWhileSixtyFourPublishesWaitForTheDisk(t *testing.T) {
	inBubble(t, func(t *testing.T, s *site) {
		p := s.online(theID)
		s.disk.stop()
		p.sent.Store(0)
		for n := range 100 {
			typ := coap.Confirmable
			if n%2 == 1 {
				typ = coap.NonConfirmable
			}
			p.send(eventFrom(p.nextID(), typ, "n", ""))
		}
		if got := len(s.happened()); got != maxUncommitted {
			t.Errorf("%d events were taken, want %d", got, maxUncommitted)
		}
		if got := p.sent.Load(); got != maxUncommitted+1 { // one is read and waits
			t.Errorf("%d messages were read, want %d", got, maxUncommitted+1)
		}
		s.disk.write(10)
		if got := len(s.happened()); got != 10 {
			t.Errorf("%d more were taken, want 10", got)
		}
		s.disk.write(maxUncommitted)
		s.happened()
		s.disk.write(100 - maxUncommitted - 10)
		if got := p.received(); len(got) != 50 || got[49].ID != p.lastID()-1 {
			t.Errorf("%d acknowledgements", len(got))
		}
	})
}

func TestDeviceThatWaitsForTheDiskCanBeClosed(t *testing.T) {
	inBubble(t, func(t *testing.T, s *site) {
		p := s.online(theID)
		s.disk.stop()
		for range maxUncommitted + 1 {
			p.send(eventFrom(p.nextID(), coap.Confirmable, "n", ""))
		}
		synctest.Wait()
		p.dev.Close(cloud.ErrReplaced)
		if err := p.ended(); !errors.Is(err, cloud.ErrReplaced) {
			t.Errorf("ended by %v", err)
		}
		s.disk.write(maxUncommitted + 1) // the last is spark/status
		synctest.Wait()
	})
}

func TestEventsThatADeviceDoesNotTakeAreCountedAndDelayNobody(t *testing.T) {
	inBubble(t, func(t *testing.T, s *site) {
		slow, quick := s.online(theID), (*peer)(nil)
		s.register(otherID)
		quick = s.online(otherID)
		for _, p := range []*peer{slow, quick} {
			p.send(coap.SubscribeMessage(coap.Confirmable, p.nextID(), coap.Subscription{Prefix: "n", MyDevices: true}))
			p.received()
		}
		slow.goDeaf()
		start := time.Now()
		const published = 200
		for n := range published {
			ev := cloud.Event{Name: "n", Owner: s.owner, Data: fmt.Append(nil, n), Format: cloud.TextFormat, Source: cloud.SourceAPI}
			if err := s.hub.Publish(ctx(), ev); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
		}
		if took := time.Since(start); took != 0 {
			t.Errorf("the publisher was held up for %v", took)
		}
		if got := len(quick.received()); got != published {
			t.Errorf("the other device got %d of %d", got, published)
		}
		if got := len(s.happened()); got != published {
			t.Errorf("the listener got %d of %d", got, published)
		}
		// One is in the blocked write, the queue is full.
		lost := uint64(published - eventQueue - 1)
		if st, total := s.hub.Status(theID), s.hub.Totals(); st.Missed != lost || total.Lost != lost {
			t.Errorf("missed by the device %d, lost in all %d, want %d", st.Missed, total.Lost, lost)
		}
		if st := s.hub.Status(otherID); st.Missed != 0 {
			t.Errorf("missed by the other: %d", st.Missed)
		}
	})
}

func TestEventsThatNeverPauseDoNotKeepTheDeviceFromItsLink(t *testing.T) {
	inBubble(t, func(t *testing.T, s *site) {
		near, far := net.Pipe()
		defer far.Close()
		d := NewDevice(&pipe{Conn: near, id: theID}, s.hub, s.registry, s.logger())
		offered := 0
		d.home.logger = slog.New(onLog(func() { // each event that is not sent is followed by another
			if offered++; offered < 10*eventQueue {
				d.Offer(&cloud.Event{Name: "n"})
			}
		}))
		d.Offer(&cloud.Event{Name: "n"})
		if err := d.drain(time.Now()); err != nil {
			t.Fatal(err)
		}
		if offered > eventQueue {
			t.Errorf("%d events were handled in one step, want at most %d", offered, eventQueue)
		}
		if !d.woken {
			t.Error("what is left is forgotten")
		}
	})
}

func TestSubscriptionsAreReplacedAtHelloAndFollowTheOwner(t *testing.T) {
	inBubble(t, func(t *testing.T, s *site) {
		p := s.online(theID)
		publish := func(name string, owner cloud.UserID, private bool) {
			t.Helper()
			ev := cloud.Event{Name: name, Owner: owner, Private: private, Format: cloud.TextFormat, Source: cloud.SourceAPI}
			if err := s.hub.Publish(ctx(), ev); err != nil {
				t.Fatal(err)
			}
		}
		names := func() []string {
			var all []string
			for _, m := range p.received() {
				if ev, err := coap.ParseEvent(m); err == nil {
					all = append(all, ev.Name)
				}
			}
			return all
		}
		want := func(want ...string) {
			t.Helper()
			if got := names(); !slices.Equal(got, want) {
				t.Errorf("the device got %q, want %q", got, want)
			}
		}
		p.send(coap.SubscribeMessage(coap.Confirmable, p.nextID(), coap.Subscription{Prefix: "mine/", MyDevices: true}))
		p.send(coap.SubscribeMessage(coap.Confirmable, p.nextID(), coap.Subscription{Prefix: "all/"}))
		p.send(coap.SubscribeMessage(coap.Confirmable, p.nextID(), coap.Subscription{Prefix: "spark"}))
		p.send(coap.SubscribeMessage(coap.Confirmable, p.nextID(), coap.Subscription{Prefix: "cut/", DeviceID: "53ff73065067"}))
		p.received()
		publish("mine/1", s.owner, true)
		publish("mine/2", "someone", false)
		publish("all/1", "someone", false)
		publish("all/2", "someone", true)
		publish("all/3", s.owner, true)
		publish("other", s.owner, false)
		publish("cut/1", s.owner, false)
		for _, name := range []string{"spark/device/reset", "spark/device/key/restore", "spark/x", "particle/device/reset", "SPARK/x"} {
			publish(name, s.owner, false)
		}
		want("mine/1", "all/1", "all/3")

		s.hub.DeviceChanged(cloud.Device{ID: theID, Owner: "someone"})
		publish("mine/3", s.owner, false)
		publish("mine/4", "someone", true)
		want("mine/4")

		p.hello()
		synctest.Wait()
		publish("mine/5", "someone", false)
		publish("all/4", "someone", false)
		want()
		p.send(coap.SubscribeMessage(coap.Confirmable, p.nextID(), coap.Subscription{Prefix: "all/"}))
		synctest.Wait()
		publish("mine/6", "someone", false)
		publish("all/5", "someone", false)
		want("all/5")
	})
}

func TestSubscriptionToOneDevice(t *testing.T) {
	inBubble(t, func(t *testing.T, s *site) {
		p := s.online(theID)
		s.register(otherID)
		other := s.online(otherID)
		p.send(coap.SubscribeMessage(coap.Confirmable, p.nextID(), coap.Subscription{Prefix: "n", DeviceID: otherID.String()}))
		p.received()
		p.send(eventFrom(p.nextID(), coap.NonConfirmable, "n/own", ""))
		other.send(eventFrom(other.nextID(), coap.NonConfirmable, "n/other", "x"))
		got := p.received()
		if len(got) != 1 {
			t.Fatalf("the device got %v", got)
		}
		if ev, err := coap.ParseEvent(got[0]); err != nil || ev.Name != "n/other" || string(ev.Data) != "x" || !ev.Private {
			t.Errorf("the device got %s", got[0])
		}
	})
}

func TestPublishThatThePolicyRejectsIsRefused(t *testing.T) {
	inBubble(t, func(t *testing.T, s *site) {
		p := s.online(theID)
		s.hub.SettingsChanged(cloud.Settings{DevicePolicy: cloud.Policy{Rate: 1, Burst: 1, Action: cloud.Reject}})
		first, second, third := p.nextID(), p.nextID(), p.nextID()
		p.send(eventFrom(first, coap.Confirmable, "a", ""))
		p.want(coap.Ack(first))
		p.send(eventFrom(second, coap.Confirmable, "a", ""), eventFrom(third, coap.NonConfirmable, "a", ""))
		p.want(coap.AckCode(second, nil, codes.TooManyRequests))
		s.wantHappened("e0 a=", "e0 spark/device/limited=1/s:1 reject")

		s.hub.SettingsChanged(cloud.Settings{DevicePolicy: cloud.PolicyParticle()})
		for range 6 {
			p.send(eventFrom(p.nextID(), coap.Confirmable, "b", ""))
		}
		if got := p.received(); len(got) != 6 || got[5].Code != codes.Empty { // dropped, as the owner wants it: no error
			t.Errorf("answers %v", got)
		}
		if got := s.happened(); len(got) != 4 {
			t.Errorf("%d events, want 4", len(got))
		}
	})
}

func TestDeviceCannotPublishWhatOnlyTheCloudSays(t *testing.T) {
	inBubble(t, func(t *testing.T, s *site) {
		p := s.online(theID)
		for _, name := range []string{"spark/status", "Spark/Status", "spark/flash/status", "spark/device/app-hash", "hook-response/x"} {
			p.send(eventFrom(p.nextID(), coap.Confirmable, name, "offline"))
			p.want(coap.AckCode(p.lastID(), nil, codes.BadRequest))
			p.send(eventFrom(p.nextID(), coap.NonConfirmable, name, "offline"))
			p.want()
		}
		s.wantHappened()
	})
}

func TestEventKeepsWhatTheDeviceSaid(t *testing.T) {
	inBubble(t, func(t *testing.T, s *site) {
		p := s.online(theID)
		for _, c := range []struct {
			sent coap.Event
			want cloud.Event
		}{
			{
				coap.Event{Name: "a", ContentFormat: -1},
				cloud.Event{Name: "a", TTL: 60, Format: cloud.TextFormat},
			},
			{
				coap.Event{Name: "b", Private: true, Data: []byte{0, 0xff}, HasData: true, TTL: 5, HasTTL: true, ContentFormat: 60},
				cloud.Event{Name: "b", Private: true, Data: []byte{0, 0xff}, TTL: 5, Format: cloud.CBORFormat},
			},
		} {
			m, err := coap.EventMessage(coap.NonConfirmable, p.nextID(), c.sent)
			if err != nil {
				t.Fatal(err)
			}
			p.send(m)
			synctest.Wait()
			got := <-s.events.C
			if got.Name != c.want.Name || got.Private != c.want.Private || got.TTL != c.want.TTL || got.Format != c.want.Format ||
				!bytes.Equal(got.Data, c.want.Data) || (got.Data == nil) != (c.want.Data == nil) || got.Device != theID || got.Owner != s.owner {
				t.Errorf("event %+v, want %+v", got, c.want)
			}
		}
	})
}

func TestMissedEventsAreCountedForTheWholeConnection(t *testing.T) {
	inBubble(t, func(t *testing.T, s *site) {
		p := s.online(theID)
		p.send(coap.SubscribeMessage(coap.Confirmable, p.nextID(), coap.Subscription{Prefix: "n", MyDevices: true}))
		synctest.Wait()
		p.goDeaf()
		for range eventQueue + 10 {
			ev := cloud.Event{Name: "n", Owner: s.owner, Format: cloud.TextFormat, Source: cloud.SourceAPI}
			if err := s.hub.Publish(ctx(), ev); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
		}
		p.hear()
		p.send(coap.SubscribeMessage(coap.Confirmable, p.nextID(), coap.Subscription{Prefix: "m", MyDevices: true}))
		synctest.Wait()
		if got := s.hub.Status(theID).Missed; got != 9 {
			t.Errorf("missed %d, want 9", got)
		}
	})
}
