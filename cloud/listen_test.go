package cloud_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"localcloud/cloud"
	"localcloud/keys"
)

func TestFilterSaysWhoSeesWhat(t *testing.T) {
	event := func(owner cloud.UserID, private bool, device keys.DeviceID) cloud.Event {
		return cloud.Event{Name: "weather/us", Owner: owner, Private: private, Device: device}
	}
	annPrivate, annPublic := event(ann, true, lamp), event(ann, false, lamp)
	bobPrivate, bobPublic := event(bob, true, radio), event(bob, false, radio)
	freePrivate, freePublic := event("", true, radio), event("", false, radio) // of a device without owner
	fromUser := event(ann, true, keys.DeviceID{})
	names := []string{"ann's private", "ann's public", "bob's private", "bob's public", "unclaimed private", "unclaimed public", "by ann herself"}
	events := []cloud.Event{annPrivate, annPublic, bobPrivate, bobPublic, freePrivate, freePublic, fromUser}
	for name, c := range map[string]struct {
		filter cloud.Filter
		want   string // + or - for each event
	}{
		"nobody":                      {cloud.Filter{}, "-------"},
		"ann's own":                   {cloud.Filter{Owner: ann}, "++----+"},
		"ann and what is public":      {cloud.Filter{Owner: ann, Public: true}, "++-+-++"},
		"an admin":                    {cloud.Filter{Owner: ann, AllOwners: true}, "+++++++"},
		"an admin without name":       {cloud.Filter{AllOwners: true}, "+++++++"},
		"nobody, public":              {cloud.Filter{Public: true}, "-+-+-+-"},
		"token of the lamp":           {cloud.Filter{Owner: ann, Reaches: only(lamp)}, "++-----"},
		"token of both":               {cloud.Filter{Owner: ann, Public: true, Reaches: only(lamp, radio)}, "++-+-+-"},
		"token of the lamp, admin":    {cloud.Filter{AllOwners: true, Reaches: only(lamp)}, "++-----"},
		"from the radio":              {cloud.Filter{Owner: ann, Public: true, Device: radio}, "---+-+-"},
		"from the radio, not allowed": {cloud.Filter{Owner: ann, Device: radio}, "-------"},
		"radio, token of the lamp":    {cloud.Filter{AllOwners: true, Reaches: only(lamp), Device: radio}, "-------"},
		"prefix":                      {cloud.Filter{Owner: ann, Prefix: "weather"}, "++----+"},
		"whole name":                  {cloud.Filter{Owner: ann, Prefix: "weather/us"}, "++----+"},
		"longer":                      {cloud.Filter{Owner: ann, Prefix: "weather/us/"}, "-------"},
		"case matters":                {cloud.Filter{Owner: ann, Prefix: "Weather"}, "-------"},
	} {
		for i, ev := range events {
			if got, want := c.filter.Match(&ev), c.want[i] == '+'; got != want {
				t.Errorf("%s: %s matches: %v, want %v", name, names[i], got, want)
			}
		}
	}
}

func TestUsersHearReservedEvents(t *testing.T) {
	f := cloud.Filter{Owner: ann, Prefix: "spark"}
	if !f.Match(&cloud.Event{Name: "spark/status", Owner: ann, Private: true}) {
		t.Error("the owner does not hear spark/status")
	}
}

// TestHubOffersWhatTheFilterMatches checks that the index by owner never hides an event.
func TestHubOffersWhatTheFilterMatches(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		var filters []cloud.Filter
		for _, owner := range []cloud.UserID{"", ann, bob} {
			for _, public := range []bool{false, true} {
				for _, all := range []bool{false, true} {
					filters = append(filters, cloud.Filter{Owner: owner, Public: public, AllOwners: all})
				}
			}
		}
		var queues []*cloud.Queue
		for _, f := range filters {
			q := cloud.NewQueue(100)
			w.hub.Subscribe(f, q)
			queues = append(queues, q)
		}
		var events []cloud.Event
		for _, owner := range []cloud.UserID{"", ann, bob} {
			for _, private := range []bool{false, true} {
				ev := text(fmt.Sprint(owner, private), owner)
				ev.Private = private
				events = append(events, ev)
				w.publish(ev)
			}
		}
		for i, f := range filters {
			var want []string
			for _, ev := range events {
				if f.Match(&ev) {
					want = append(want, ev.Name+"=")
				}
			}
			if got := drain(queues[i]); !slices.Equal(got, want) {
				t.Errorf("%+v\n got %q\nwant %q", f, got, want)
			}
		}
	})
}

func TestUnsubscribedListenerGetsNothingMore(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		for _, f := range []cloud.Filter{{Owner: ann}, {Owner: ann, Public: true}, {AllOwners: true}} {
			before := w.hub.Totals().Listeners
			q := cloud.NewQueue(10)
			s := w.hub.Subscribe(f, q)
			w.publish(text("a", ann))
			w.hub.Unsubscribe(s)
			w.hub.Unsubscribe(s)
			w.publish(text("b", ann))
			if got := drain(q); !slices.Equal(got, []string{"a="}) {
				t.Errorf("%+v got %q", f, got)
			}
			if s.Delivered() != 1 || s.Lost() != 0 {
				t.Errorf("%+v delivered %d, lost %d", f, s.Delivered(), s.Lost())
			}
			if got := w.hub.Totals().Listeners; got != before {
				t.Errorf("%d listeners are left, want %d", got, before)
			}
		}
	})
}

func TestFullQueueTakesNoMoreAndSaysSo(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		q := cloud.NewQueue(2)
		s := w.hub.Subscribe(cloud.Filter{Owner: ann}, q)
		w.publish(text("a", ann))
		w.publish(text("b", ann))
		if q.Overflowed() {
			t.Error("a queue that is just full has lost nothing")
		}
		w.publish(text("c", ann))
		if !q.Overflowed() {
			t.Error("nobody knows of the loss")
		}
		if got := drain(q); !slices.Equal(got, []string{"a=", "b="}) {
			t.Errorf("got %q", got)
		}
		w.publish(text("d", ann)) // there is room, but the reader would not see the gap
		if got := drain(q); len(got) != 0 {
			t.Errorf("behind the gap came %q", got)
		}
		if s.Delivered() != 2 || s.Lost() != 2 || w.hub.Totals().Lost != 2 {
			t.Errorf("delivered %d, lost %d, in all %d", s.Delivered(), s.Lost(), w.hub.Totals().Lost)
		}
		w.wantHappened("a=", "b=", "c=", "d=") // and others lost nothing
	})
}

// replayed returns what Replay yields.
func (w *world) replayed(s *cloud.Subscription, after cloud.EventID) []string {
	w.t.Helper()
	var out []string
	err := w.hub.Replay(context.Background(), s, after, func(ev *cloud.Event) bool {
		out = append(out, ev.Name)
		return true
	})
	if err != nil {
		w.t.Error(err)
	}
	return out
}

func TestReplayIsWhatCameBefore(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		var ids []cloud.EventID
		for _, name := range []string{"a", "b", "c"} {
			time.Sleep(time.Second)
			w.publish(text(name, ann))
			ids = append(ids, (<-w.all.C).ID)
		}
		w.publish(text("of-bob", bob))
		w.log.stop()
		go w.hub.Publish(context.Background(), text("d", ann)) // on its way to the disk
		go w.hub.Publish(context.Background(), text("of-bob", bob))
		synctest.Wait()
		q := cloud.NewQueue(10)
		s := w.hub.Subscribe(cloud.Filter{Owner: ann}, q)
		go w.hub.Publish(context.Background(), text("e", ann)) // live
		synctest.Wait()
		for after, want := range map[cloud.EventID][]string{
			0:          {"a", "b", "c", "d"},
			ids[0]:     {"b", "c", "d"},
			ids[0] - 1: {"a", "b", "c", "d"}, // an id that never was goes on at the next
			ids[0] + 1: {"b", "c", "d"},
			ids[2]:     {"d"},
			1 << 62:    nil, // one from the future: nothing
		} {
			if got := w.replayed(s, after); !slices.Equal(got, want) {
				t.Errorf("after %d: %q, want %q", after, got, want)
			}
		}
		w.log.write(3)
		synctest.Wait()
		if got := w.replayed(s, ids[2]); !slices.Equal(got, []string{"d"}) {
			t.Errorf("when d is in the log, too, replay has %q", got)
		}
		if got := drain(q); !slices.Equal(got, []string{"e="}) {
			t.Errorf("live came %q", got)
		}
	})
}

func TestReplayHasWhatIsOnDiskAndWhatIsOnItsWay(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		w.log.stop()
		for _, name := range []string{"a", "b", "c", "d"} {
			go w.hub.Publish(context.Background(), text(name, ann))
			synctest.Wait()
		}
		for committed := range 4 {
			s := w.hub.Subscribe(cloud.Filter{Owner: ann}, cloud.NewQueue(1))
			if got := w.replayed(s, 0); !slices.Equal(got, []string{"a", "b", "c", "d"}) {
				t.Errorf("with %d of 4 on disk replay has %q", committed, got)
			}
			w.log.write(1)
			synctest.Wait()
		}
	})
}

func TestReplayStopsWhenTheReaderHasEnough(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		for range 3 {
			w.publish(text("a", ann))
		}
		w.log.stop()
		for range 3 {
			go w.hub.Publish(context.Background(), text("a", ann))
		}
		synctest.Wait()
		s := w.hub.Subscribe(cloud.Filter{Owner: ann}, cloud.NewQueue(1))
		for enough := 1; enough <= 6; enough++ {
			n := 0
			err := w.hub.Replay(context.Background(), s, 0, func(*cloud.Event) bool { n++; return n < enough })
			if err != nil || n != enough {
				t.Errorf("%d events for a reader who wants %d, %v", n, enough, err)
			}
		}
		w.log.write(3)
	})
}

func TestReplayEndsWithItsContext(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		for range 100 {
			w.publish(text("a", ann))
		}
		s := w.hub.Subscribe(cloud.Filter{Owner: ann}, cloud.NewQueue(1))
		ctx, cancel := context.WithCancel(context.Background())
		n := 0
		err := w.hub.Replay(ctx, s, 0, func(*cloud.Event) bool { n++; cancel(); return true })
		if err == nil {
			t.Errorf("%d events and no error", n)
		}
	})
}

// TestReplayAndLiveHaveEachEventOnce lets readers join at any time while events are published.
func TestReplayAndLiveHaveEachEventOnce(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		const publishers, each, readers = 4, 200, 20
		var publishing, reading sync.WaitGroup
		for range publishers {
			publishing.Go(func() {
				for range each {
					w.publish(text("a", ann))
					if rand.IntN(8) == 0 {
						time.Sleep(time.Millisecond)
					}
				}
			})
		}
		type reader struct {
			replayed []cloud.EventID
			q        *cloud.Queue
		}
		all := make([]reader, readers)
		for i := range all {
			reading.Go(func() {
				time.Sleep(time.Duration(i) * time.Millisecond)
				r := &all[i]
				r.q = cloud.NewQueue(publishers * each)
				s := w.hub.Subscribe(cloud.Filter{Owner: ann}, r.q)
				if i%2 == 0 {
					time.Sleep(time.Millisecond) // so that what was pending is in the log
				}
				err := w.hub.Replay(context.Background(), s, 0, func(ev *cloud.Event) bool {
					r.replayed = append(r.replayed, ev.ID)
					return true
				})
				if err != nil {
					t.Error(err)
				}
			})
		}
		publishing.Wait()
		reading.Wait()
		var want []cloud.EventID
		for range publishers * each {
			want = append(want, (<-w.all.C).ID)
		}
		both := 0
		for i, r := range all {
			got := r.replayed
			live := 0
			for len(r.q.C) > 0 {
				got = append(got, (<-r.q.C).ID)
				live++
			}
			if !slices.Equal(got, want) {
				t.Errorf("reader %d has %d events replayed and %d live, %d in all; want each of %d once, in order", i, len(r.replayed), live, len(got), len(want))
			}
			if live > 0 && len(r.replayed) > 0 {
				both++
			}
		}
		if both == 0 {
			t.Error("no reader joined in the middle: the test shows nothing")
		}
	})
}

// only is what a token reaches that is tied to these devices.
func only(ids ...keys.DeviceID) func(keys.DeviceID) bool {
	return func(id keys.DeviceID) bool { return slices.Contains(ids, id) }
}
