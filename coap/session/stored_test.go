package session

import (
	"bytes"
	"errors"
	"testing"

	"localcloud/coap"
)

func TestAStoredSessionGoesOn(t *testing.T) {
	d := describedUDP(t, helloArgon33)
	d.send(coap.SubscribeMessage(coap.Confirmable, d.nextID(), coap.Subscription{Prefix: "pre/"}))
	ev := eventFrom(d.nextID(), coap.Confirmable, "door", "open")
	d.send(ev)
	counters := d.s.Counters(nil, int(ev.ID))
	stored := d.s.Stored()
	used := d.s.nextID

	s, err := Resume(d.now, Config{Name: "den-lamp"}, stored, counters)
	if err != nil {
		t.Fatal(err)
	}
	d.s, d.sent, d.effects = s, nil, nil
	d.send(ev) // its acknowledgement did not come
	d.want(coap.Ack(ev.ID))
	d.wantEffects()
	d.send(coap.Ping(d.nextID()))
	d.want(coap.Ack(d.id))
	d.wantEffects(Returned{})
	if subs := s.Subscriptions(); len(subs) != 1 || subs[0].Prefix != "pre/" {
		t.Errorf("subscriptions %+v", subs)
	}
	d.call("led", "on").pending()
	if m := d.request(); m.ID-used < idsAhead {
		t.Errorf("message id %04x after %04x", m.ID, used)
	}
	again := s.Stored()
	if !bytes.Equal(again, stored) {
		t.Errorf("stored again as %s, was %s", again, stored)
	}
}

func TestWhatIsDamagedIsNotResumed(t *testing.T) {
	d := describedUDP(t, helloArgon33)
	d.send(eventFrom(d.nextID(), coap.Confirmable, "x", ""))
	counters, stored := d.s.Counters(nil, int(d.id)), d.s.Stored()
	if _, err := Resume(d.now, Config{}, stored, counters); err != nil {
		t.Fatal(err)
	}
	for _, c := range [][]byte{nil, counters[:3], counters[:len(counters)-1], append([]byte{9}, counters[1:]...)} {
		if _, err := Resume(d.now, Config{}, stored, c); !errors.Is(err, errStored) {
			t.Errorf("%x: %v", c, err)
		}
	}
	for n := range stored {
		if _, err := Resume(d.now, Config{}, stored[:n], counters); !errors.Is(err, errStored) {
			t.Errorf("%d of %d bytes: %v", n, len(stored), err)
		}
	}
	for _, s := range [][]byte{append(bytes.Clone(stored), 0), append([]byte{9}, stored[1:]...)} {
		if _, err := Resume(d.now, Config{}, s, counters); !errors.Is(err, errStored) {
			t.Errorf("%x: %v", s, err)
		}
	}
}

func TestResumedWithAHelloTheDeviceBeginsAnew(t *testing.T) {
	d := describedUDP(t, helloArgon33)
	s, err := Resume(d.now, Config{}, d.s.Stored(), d.s.Counters(nil, none))
	if err != nil {
		t.Fatal(err)
	}
	d.s = s
	hello := d.confirmableHello(helloArgon33)
	d.send(hello)
	if len(d.sent) != 2 || d.sent[0].ID != hello.ID || d.sent[0].Type != coap.Acknowledgement {
		t.Errorf("sent %v", d.sent)
	}
	d.wantEffects(Returned{}, Arrived{Hello: helloArgon33})
}

func FuzzResume(f *testing.F) {
	d := describedUDP(&testing.T{}, helloArgon33)
	d.send(eventFrom(d.nextID(), coap.Confirmable, "x", ""))
	f.Add(d.s.Stored(), d.s.Counters(nil, int(d.id)))
	f.Fuzz(func(t *testing.T, stored, counters []byte) {
		s, err := Resume(d.now, Config{}, stored, counters)
		if err != nil {
			return
		}
		if _, err := Resume(d.now, Config{}, s.Stored(), s.Counters(nil, none)); err != nil {
			t.Errorf("what was resumed cannot be resumed again: %v", err)
		}
		ping, _ := coap.Ping(1).Append(nil)
		if err := s.Receive(d.now, ping); err != nil {
			t.Errorf("a resumed session: %v", err)
		}
	})
}
