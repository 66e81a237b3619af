package session

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"localcloud/cloud"
	"localcloud/coap"
	"localcloud/keys"
)

// crash ends the cloud as kill -9 does, and starts it again on what was stored. It returns the devices that were
// restored, by their ids, at the ends of new wires.
func (s *datagrams) crash(stop func()) (wires map[keys.DeviceID]*wire, stopAgain func()) {
	s.t.Helper()
	synctest.Wait()
	links := s.links()
	var saved []cloud.LinkState
	links.EachLink(func(l cloud.LinkState) bool { saved = append(saved, l); return true })
	old := s.peers
	stop()
	links.EachLink(func(l cloud.LinkState) bool { links.ForgetLink(l.Device); return true })
	for _, l := range saved { // what was stored on the way out did not happen
		links.KeepLink(l, func(error) {})
	}
	synctest.Wait()
	s.hub = cloud.NewHub(s.registry, s.disk, s.logger())
	s.events = cloud.NewQueue(4096)
	s.hub.Subscribe(cloud.Filter{AllOwners: true}, s.events)
	s.create()
	wires = make(map[keys.DeviceID]*wire)
	err := s.peers.Restore(func(l StoredLink, open func(Channel) *Peer) error {
		record, _ := s.registry.Device(l.Device)
		w := &wire{t: s.t, key: record.Key}
		if string(l.Secrets) != string(w.Secrets()) || !strings.HasSuffix(string(l.Counters), " received") || l.Address != w.RemoteAddr() {
			return fmt.Errorf("restored %+v", l)
		}
		w.peer = open(w)
		wires[l.Device] = w
		return nil
	}) // before Run, as in the program
	if err != nil || old == s.peers {
		s.t.Fatal(err)
	}
	return wires, s.start()
}

func (s *datagrams) links() cloud.Links { return s.disk.Log.(cloud.Links) }

func TestAfterACrashADevicesNextMessageJustWorks(t *testing.T) {
	inBubble(t, func(t *testing.T, site *site) {
		s := &datagrams{site: site}
		stop := s.run()
		w := s.online(theID, helloArgon33)
		w.send(coap.SubscribeMessage(coap.Confirmable, w.nextID(), coap.Subscription{Prefix: "pre/", MyDevices: true}))
		ev := eventFrom(w.nextID(), coap.Confirmable, "door", "open")
		w.send(ev)
		s.disk.stop()
		lost := eventFrom(w.nextID(), coap.Confirmable, "door", "shut") // its commit does not happen
		w.send(lost)
		w.received()
		s.disk.mu.Lock()
		s.disk.waiting, s.disk.stopped = nil, false
		s.disk.mu.Unlock()
		id := w.id

		wires, stop := s.crash(stop)
		defer stop()
		w = wires[theID]
		if w == nil {
			t.Fatal("nothing was restored")
		}
		w.id = id
		w.received()
		s.happened()
		w.send(ev, lost) // neither acknowledgement came
		s.wantHappened("e0 spark/status=online", "e0 door=shut")
		w.want(coap.Ack(ev.ID), coap.Ack(lost.ID))
		s.hub.Publish(ctx(), cloud.Event{Name: "pre/x", Owner: s.owner, Private: true, Source: "api"})
		if got := w.received(); len(got) != 1 || got[0].Kind(coap.FromServer) != coap.KindEvent {
			t.Errorf("its subscriptions are forgotten: %v", got)
		}
		w.act = func(m coap.Message) {
			if m.Kind(coap.FromServer) == coap.KindFunction {
				go w.send(coap.Ack(m.ID), coap.FunctionReturn(coap.Confirmable, w.nextID(), m.Token[0], 7))
			}
		}
		if got, err := s.hub.Call(ctx(), theID, "led", "on"); got != 7 || err != nil {
			t.Errorf("%d, %v: what it can do is forgotten", got, err)
		}
	})
}

func TestDevicesThatWereOnlineAreAskedAfterARestart(t *testing.T) {
	inBubble(t, func(t *testing.T, site *site) {
		s := &datagrams{site: site}
		stop := s.run()
		s.online(theID, helloArgon33)
		asleep := keys.DeviceID{7}
		w := s.online(asleep, helloBoron62)
		w.send(coap.GoodbyeMessage(coap.Confirmable, w.nextID(), coap.Goodbye{Cloud: 6}))
		wires, stop := s.crash(stop)
		defer stop()
		time.Sleep(time.Second)
		pings := wires[theID].received()
		if len(pings) != 1 || pings[0].Kind(coap.FromServer) != coap.KindPing {
			t.Fatalf("the one that was online gets %v", pings)
		}
		wires[asleep].want()
		s.wantHappened()
		wires[theID].send(coap.Ack(pings[0].ID))
		s.wantHappened("e0 spark/status=online")
	})
}

func TestOnlyTheLastSessionOfADeviceIsStored(t *testing.T) {
	overUDP(t, func(t *testing.T, s *datagrams) {
		w := s.online(theID, helloArgon33)
		again := s.open(w.key)
		again.send(again.hello(theID, helloArgon33))
		synctest.Wait()
		n := 0
		s.links().EachLink(func(cloud.LinkState) bool { n++; return true })
		if n != 1 {
			t.Errorf("%d are stored", n)
		}
		s.hub.Disconnect(theID, fmt.Errorf("key changed"))
		synctest.Wait()
		s.links().EachLink(func(l cloud.LinkState) bool { t.Errorf("a session that ended is stored: %s", l.Device); return true })
	})
}

// stored returns how many sessions are stored.
func (s *datagrams) stored() (n int) {
	synctest.Wait()
	s.links().EachLink(func(cloud.LinkState) bool { n++; return true })
	return n
}

// greeted returns a registered device that said Hello, and its key.
func (s *datagrams) greeted(t *testing.T) (*wire, keys.PublicKey) {
	key := newECKey(t)
	s.registerKey(theID, key)
	w := s.open(key)
	w.send(w.hello(theID, helloArgon33))
	return w, key
}

func TestASessionIsStoredWhenItsFirstConversationIsOver(t *testing.T) {
	inBubble(t, func(t *testing.T, site *site) {
		s := &datagrams{site: site}
		stop := s.run()
		w, key := s.greeted(t)
		w.send(coap.DescribePost(w.nextID(), nil, coap.DescribeApplication, -1, theApp.AppendJSON(nil)))
		time.Sleep(settleTime - time.Millisecond)
		if n := s.stored(); n != 0 || !s.hub.IsOnline(theID) {
			t.Errorf("%d are stored, and it is online: %v", n, s.hub.IsOnline(theID))
		}
		time.Sleep(time.Millisecond)
		if n := s.stored(); n != 1 {
			t.Errorf("%d are stored then", n)
		}
		again := s.open(key)
		again.send(again.hello(theID, helloArgon33))
		wires, stop := s.crash(stop)
		defer stop()
		if wires[theID] == nil {
			t.Error("a session that takes the place of a stored one is not stored at once")
		}
	})
}

func TestAnEventHasItsSessionStoredWithIt(t *testing.T) {
	overUDP(t, func(t *testing.T, s *datagrams) {
		w, _ := s.greeted(t)
		before := s.stored()
		w.send(eventFrom(w.nextID(), coap.Confirmable, "door", "open"))
		if n := s.stored(); before != 0 || n != 1 {
			t.Errorf("%d sessions are stored before the event, %d after it", before, n)
		}
	})
}

func TestAnOrderlyStopStoresSessionsThatHaveJustBegun(t *testing.T) {
	inBubble(t, func(t *testing.T, site *site) {
		s := &datagrams{site: site}
		stop := s.run()
		s.greeted(t)
		if n := s.stored(); n != 0 {
			t.Errorf("%d are stored at once", n)
		}
		stop()
		if n := s.stored(); n != 1 {
			t.Errorf("%d are stored at the end", n)
		}
	})
}

// Messages that are no events are stored now and then only: a device that pings costs no write each.
func TestStoredCountersLagByABoundedNumberOfMessages(t *testing.T) {
	overUDP(t, func(t *testing.T, s *datagrams) {
		w := s.online(theID, helloArgon33)
		synctest.Wait()
		stored := func() (counters string) {
			s.links().EachLink(func(l cloud.LinkState) bool { counters = string(l.Counters); return true })
			return counters
		}
		before := stored()
		for range lagMost - 1 {
			w.send(coap.Ping(w.nextID()))
		}
		if stored() != before {
			t.Error("pings are written one by one")
		}
		w.send(coap.Ping(w.nextID()))
		if stored() == before {
			t.Errorf("after %d pings the stored counters are those of before", lagMost)
		}
	})
}

// What a board's diagnostics say is no part of a session: they cost no write.
func TestDiagnosticsAreNotStoredWithTheSession(t *testing.T) {
	overUDP(t, func(t *testing.T, s *datagrams) {
		w := s.online(theID, helloArgon33)
		synctest.Wait()
		stored := func() (state string) {
			s.links().EachLink(func(l cloud.LinkState) bool { state = string(l.Secrets) + string(l.Counters); return true })
			return state
		}
		before := stored()
		w.send(coap.Ping(w.nextID())) // changes the counters as soon as they are stored
		w.send(coap.DescribePost(w.nextID(), nil, coap.DescribeMetrics, -1, coap.AppendMetrics(nil, coap.Metrics{{ID: metricThrottled, Value: 3}})))
		if s.hub.Status(theID).Throttled != 3 {
			t.Error("the diagnostics did not come")
		}
		if stored() != before {
			t.Error("the session was stored for its diagnostics")
		}
	})
}
