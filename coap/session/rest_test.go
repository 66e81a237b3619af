package session

import (
	"reflect"
	"runtime"
	"testing"
	"time"

	"localcloud/cloud"
	"localcloud/coap"
	"localcloud/keys"
)

// settled is a session over UDP of which the first conversation is over.
func settled(t *testing.T, now time.Time) *Session {
	t.Helper()
	s := New(now, Config{UDP: true, Vitals: vitalsEvery})
	h := helloArgon33
	h.DeviceID = theID[:]
	say := func(m coap.Message) {
		t.Helper()
		b, err := m.Append(nil)
		if err == nil {
			err = s.Receive(now, b)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	say(coap.HelloMessage(coap.Confirmable, 1, h.Append(nil)))
	s.Admit(now, Config{Device: theID, Name: "kitchen", IP: "192.0.2.7"})
	now = now.Add(time.Second)
	say(coap.DescribePost(2, nil, coap.DescribeApplication, -1, theApp.AppendJSON(nil)))
	say(coap.DescribePost(3, nil, coap.DescribeSystem, -1, theSystem.AppendJSON(nil)))
	say(coap.SubscribeMessage(coap.Confirmable, 4, coap.Subscription{Prefix: "pre/", MyDevices: true}))
	say(coap.TimeRequest(5, 0x77))
	now = now.Add(10 * time.Second)
	if err := s.Tick(now); err != nil {
		t.Fatal(err)
	}
	s.Outbox()
	s.Effects()
	return s
}

func TestASessionThatRestedIsWhatItWas(t *testing.T) {
	now := time.Now()
	before := settled(t, now)
	var bs boards
	later := now.Add(time.Minute)
	r, ok := before.rest(later, &bs)
	if !ok {
		t.Fatal("it does not rest")
	}
	after := r.wake(now, Config{Device: theID, IP: "192.0.2.7", Vitals: vitalsEvery, UDP: true})
	if _, again := after.seen(later, 6); again {
		t.Error("a new id counts as seen")
	}
	for id := uint16(1); id < 6; id++ {
		want, _ := before.seen(later, id)
		if got, again := after.seen(later, id); !again || string(got) != string(want) {
			t.Errorf("message %d gets %x again, got %x before", id, got, want)
		}
	}
	if got, want := after.Deadline(), before.Deadline(); !got.Equal(want) {
		t.Errorf("it is due at %v, was at %v", got, want)
	}
	if got, want := string(after.Stored()), string(before.Stored()); got != want {
		t.Errorf("stored\n got %s\nwant %s", got, want)
	}
	after.answers, before.answers = seen{}, seen{}                                           // compared above
	before.udp.asking, before.udp.refused, before.udp.ask = coap.Message{}, time.Time{}, nil // nobody asks any more
	if !reflect.DeepEqual(after, before) {
		t.Errorf("\n got %+v\nwant %+v", after, before)
	}
}

func TestAfterAWhileNothingIsKeptOfTheMessagesOfASessionThatRests(t *testing.T) {
	now := time.Now()
	s := settled(t, now)
	var bs boards
	if r, ok := s.rest(now.Add(time.Minute), &bs); !ok || len(r.answers) == 0 {
		t.Errorf("after a minute %d bytes are kept, and it rests: %v", len(r.answers), ok)
	}
	if r, ok := s.rest(now.Add(seenFor+time.Minute), &bs); !ok || len(r.answers) != 0 {
		t.Errorf("when no id counts any more %d bytes are kept, and it rests: %v", len(r.answers), ok)
	}
}

func TestASessionWithAnythingUnderWayDoesNotRest(t *testing.T) {
	now := time.Now()
	for name, begin := range map[string]func(*Session){
		"a call":                func(s *Session) { s.Call(now, now.Add(time.Second), "led", "on", func(int32, error) {}) },
		"a ping":                func(s *Session) { s.Ping(now, func(error) {}) },
		"an event to it":        func(s *Session) { s.Send(&cloud.Event{Name: "pre/x"}) },
		"a describe in blocks":  func(s *Session) { s.describing.arriving = &arriving{next: 1} },
		"a describe to ask for": func(s *Session) { s.describing.askAt = s.at(now) },
	} {
		s := settled(t, now)
		begin(s)
		s.Outbox()
		var bs boards
		if _, ok := s.rest(now, &bs); ok {
			t.Errorf("%s is under way, and it rests", name)
		}
	}
}

func TestBoardsOfOneKindShareWhatTheySaidWhileTheyRest(t *testing.T) {
	overUDP(t, func(t *testing.T, s *datagrams) {
		a, b := s.online(theID, helloArgon33), s.online(keys.DeviceID{7}, helloArgon33)
		other := s.online(keys.DeviceID{8}, helloBoron62)
		time.Sleep(2 * pushWait) // until then each could be asked for what it did not say
		for _, w := range []*wire{a, b, other} {
			w.send(coap.Ping(w.nextID()))
			if w.peer.session != nil || w.peer.resting.board == nil {
				t.Error("a device with which nothing is under way does not rest")
			}
		}
		if a.peer.resting.board != b.peer.resting.board || a.peer.resting.board == other.peer.resting.board {
			t.Error("two of one kind do not share, or two of different kinds do")
		}
		before := a.peer.resting.board
		if before == nil {
			return
		}
		a.send(coap.SubscribeMessage(coap.Confirmable, a.nextID(), coap.Subscription{Prefix: "pre/", MyDevices: true}))
		if a.peer.resting.board == before || len(before.subs) != 0 || len(a.peer.resting.board.subs) != 1 {
			t.Error("what one subscribed to changed what the other one knows")
		}
	})
}

func TestKindsOfWhichThereIsNoBoardAreForgotten(t *testing.T) {
	var bs boards
	b := bs.share(helloArgon33, abilities{functions: []string{"led"}}, nil)
	if again := bs.share(helloArgon33, abilities{functions: []string{"led"}}, nil); again != b {
		t.Error("the same is not shared")
	}
	runtime.KeepAlive(b)
	b = nil
	known := func() int {
		bs.mu.Lock()
		defer bs.mu.Unlock()
		return len(bs.known)
	}
	for end := time.Now().Add(30 * time.Second); known() > 0; runtime.Gosched() {
		if time.Now().After(end) {
			t.Fatal("it is still known")
		}
		runtime.GC()
	}
}

func TestASessionOverTCPThatRestedIsWhatItWas(t *testing.T) {
	d := described(t, helloPhoton33)
	began := d.s.started
	question := coap.TimeRequest(d.nextID(), 7)
	d.send(question, coap.SubscribeMessage(coap.Confirmable, d.nextID(), coap.Subscription{Prefix: "pre/"}))
	d.effects = nil
	d.advance(2 * pushWait)
	var bs boards
	r, ok := d.s.rest(d.now, &bs)
	if !ok {
		t.Fatal("it does not rest")
	}
	due := func(what string, got time.Time) {
		t.Helper()
		if want := d.s.Deadline(); !got.Equal(want) {
			t.Errorf("%s it is due at %v, was at %v", what, got, want)
		}
	}
	due("at rest", r.deadline(began))

	d.advance(10 * time.Second)
	ping, _ := coap.Ping(d.nextID()).Append(nil)
	other, _ := coap.Ping(d.id).Append(nil)
	if !r.pong(began, d.now, ping) || !d.s.Pong(d.now, other) || string(ping) != string(other) {
		t.Errorf("at rest it answers %x, was to answer %x", ping, other)
	}
	due("after a ping", r.deadline(began))
	if question, _ := question.Append(nil); r.pong(began, d.now, question) {
		t.Error("at rest it answers a question for the time with a pong")
	}

	after := r.wake(began, Config{Device: theID, Name: "lamp", Vitals: d.s.vitals})
	due("awake", after.Deadline())
	want, _ := d.s.seen(d.now, question.ID)
	if got, again := after.seen(d.now, question.ID); !again || string(got) != string(want) {
		t.Errorf("a question that comes again gets %x, got %x before", got, want)
	}
	if !reflect.DeepEqual(after.describing.known, d.s.describing.known) || !reflect.DeepEqual(after.subs, d.s.subs) ||
		after.nextID != d.s.nextID || after.name != d.s.name {
		t.Errorf("it is %+v, was %+v", after, d.s)
	}
}
