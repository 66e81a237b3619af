package cloud_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"localcloud/cloud"
)

func TestDeviceIsOnlineFromArriveToLeave(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		annSees, bobSees := cloud.NewQueue(9), cloud.NewQueue(9)
		w.hub.Subscribe(cloud.Filter{Owner: ann, Public: true}, annSees)
		w.hub.Subscribe(cloud.Filter{Owner: bob, Public: true}, bobSees)
		since := time.Now()
		p, _ := w.arrive(lamp, ann)
		st := w.hub.Status(lamp)
		if !w.hub.IsOnline(lamp) || !st.Online || !st.Since.Equal(since) || st.Address != "192.0.2.7:49152" || !st.LastHeard.Equal(time.Unix(42, 0)) {
			t.Errorf("status %+v", st)
		}
		time.Sleep(time.Minute)
		p.Leave(context.Background())
		p.Leave(context.Background())
		if w.hub.IsOnline(lamp) || w.hub.Status(lamp).Online {
			t.Error("still online")
		}
		w.wantHappened("spark/status=online", "spark/status=offline")
		if got := drain(annSees); len(got) != 2 {
			t.Errorf("the owner sees %q", got)
		}
		if got := drain(bobSees); len(got) != 0 {
			t.Errorf("another user sees %q", got)
		}
	})
}

func TestStatusEventSaysWhichDevice(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		w.arrive(lamp, ann)
		ev := <-w.all.C
		if ev.Device != lamp || ev.Owner != ann || !ev.Private || ev.Format != cloud.TextFormat || ev.TTL != 60 {
			t.Errorf("event %+v", ev)
		}
	})
}

func TestSecondArrivalReplacesTheFirst(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		first, c := w.arrive(lamp, ann)
		first.Want([]cloud.DeviceFilter{{Prefix: "a", Mine: true}})
		second, c2 := w.arrive(lamp, ann)
		if !errors.Is(c.closed, cloud.ErrReplaced) || c2.closed != nil {
			t.Errorf("closed: first %v, second %v", c.closed, c2.closed)
		}
		first.Leave(context.Background()) // as its goroutine does in the end
		first.Want([]cloud.DeviceFilter{{Prefix: "a", Mine: true}})
		w.publish(text("a", ann))
		if got := c.offered(); len(got) != 0 {
			t.Errorf("the first is offered %q", got)
		}
		if !w.hub.IsOnline(lamp) {
			t.Error("the end of the first took the second offline")
		}
		second.Leave(context.Background())
		w.wantHappened("spark/status=online", "spark/status=offline", "spark/status=online", "a=", "spark/status=offline")
	})
}

// A connection can arrive late, as it stores what Hello said first: when its device is back already, it is the one to go.
func TestALateArrivalOfAnOlderConnectionChangesNothing(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		older, newer := &conn{}, &conn{}
		begun := time.Now()
		w.hub.Arrive(t.Context(), cloud.Arrival{Conn: newer, Device: cloud.Device{ID: lamp, Owner: ann}, Begun: begun.Add(time.Millisecond)})
		late := w.hub.Arrive(t.Context(), cloud.Arrival{Conn: older, Device: cloud.Device{ID: lamp, Owner: ann}, Begun: begun})
		if newer.closed != nil || !errors.Is(older.closed, cloud.ErrReplaced) {
			t.Errorf("closed: newer %v, older %v", newer.closed, older.closed)
		}
		late.Want([]cloud.DeviceFilter{{Prefix: "a", Mine: true}})
		late.Leave(t.Context())
		w.publish(text("a", ann))
		if got := older.offered(); len(got) != 0 || !w.hub.IsOnline(lamp) {
			t.Errorf("the older is offered %q, the device is online: %v", got, w.hub.IsOnline(lamp))
		}
		w.wantHappened("spark/status=online", "a=")
	})
}

// TestStatusesComeInTheOrderOfWhatHappened has a departure wait for the log's queue while the device comes back.
func TestStatusesComeInTheOrderOfWhatHappened(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		p, _ := w.arrive(lamp, ann)
		room := make(chan struct{})
		var first atomic.Bool
		w.log.admit = func(context.Context) error {
			if !first.Swap(true) {
				<-room
			}
			return nil
		}
		go p.Leave(context.Background())
		synctest.Wait()
		go w.arrive(lamp, ann)
		synctest.Wait()
		close(room)
		w.wantHappened("spark/status=online", "spark/status=offline", "spark/status=online")
		if !w.hub.IsOnline(lamp) {
			t.Error("the device is offline")
		}
	})
}

func TestStatusThatCannotBePublishedHoldsUpNobody(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		w.log.admit = func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		start := time.Now()
		w.hub.Arrive(ctx, cloud.Arrival{Conn: &conn{}, Device: cloud.Device{ID: lamp, Owner: ann}})
		p := w.hub.Arrive(ctx, cloud.Arrival{Conn: &conn{}, Device: cloud.Device{ID: lamp, Owner: ann}})
		p.Leave(ctx)
		if took := time.Since(start); took != time.Second {
			t.Errorf("took %v", took)
		}
		if got := w.said.count("presence not published"); got != 4 {
			t.Errorf("%d lines in the log, want 4", got)
		}
		w.log.admit = nil
		w.arrive(lamp, ann)
		w.wantHappened("spark/status=online")
	})
}

func TestOwnerMayChangeWhileDevicesComeAndGo(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		var all, coming sync.WaitGroup
		stop := make(chan struct{})
		for range 4 {
			coming.Go(func() {
				for range 200 {
					p, _ := w.arrive(lamp, ann)
					p.Want([]cloud.DeviceFilter{{Prefix: "a", Mine: true}})
					p.Leave(context.Background())
				}
			})
		}
		for _, owner := range []cloud.UserID{ann, bob} {
			all.Go(func() {
				for {
					select {
					case <-stop:
						return
					default:
						w.hub.DeviceChanged(cloud.Device{ID: lamp, Owner: owner, Name: "n"})
					}
				}
			})
		}
		coming.Wait()
		close(stop)
		all.Wait()
		got := w.happened()
		for i, line := range got {
			if want := []string{"spark/status=online", "spark/status=offline"}[i%2]; line != want {
				t.Fatalf("event %d of %d is %s, want %s", i, len(got), line, want)
			}
		}
		if n := w.hub.Totals().Listeners; n != 1 {
			t.Errorf("%d subscriptions are left, want that of the test", n)
		}
	})
}

func TestDeviceChangedMovesSubscriptionsToTheNewOwner(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		p, c := w.arrive(lamp, ann)
		p.Want([]cloud.DeviceFilter{{Prefix: "a", Mine: true}, {Prefix: "all/"}})
		w.publish(text("a1", ann))
		w.publish(text("a2", bob))
		if got := c.offered(); !slices.Equal(got, []string{"a1"}) {
			t.Errorf("the device got %q", got)
		}
		w.hub.DeviceChanged(cloud.Device{ID: lamp, Owner: bob, Name: "bobs-lamp"})
		if c.name != "bobs-lamp" {
			t.Errorf("the connection heard of the name %q", c.name)
		}
		w.publish(text("a3", ann))
		w.publish(text("a4", bob))
		w.publish(text("all/1", ann)) // public
		if got := c.offered(); !slices.Equal(got, []string{"a4", "all/1"}) {
			t.Errorf("with its new owner the device got %q", got)
		}
		w.happened()
		if err := p.Publish(context.Background(), text("mine", ""), func(error) {}); err != nil {
			t.Fatal(err)
		}
		if ev := <-w.all.C; ev.Owner != bob || ev.Device != lamp {
			t.Errorf("its event belongs to %s", ev.Owner)
		}
		w.hub.DeviceChanged(cloud.Device{ID: lamp})
		w.publish(text("a5", bob))
		w.publish(text("a6", ""))
		if got := c.offered(); len(got) != 0 {
			t.Errorf("unclaimed it got %q", got)
		}
		w.hub.DeviceChanged(cloud.Device{ID: radio, Owner: bob}) // which is offline
	})
}

func TestWantReplacesWhatADeviceWants(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		p, c := w.arrive(lamp, ann)
		p.Want([]cloud.DeviceFilter{{Prefix: "a", Mine: true}})
		p.Want([]cloud.DeviceFilter{{Prefix: "b", Mine: true}, {Prefix: "bb", Mine: true}})
		w.publish(text("a", ann))
		w.publish(text("bbb", ann)) // matches twice, comes once
		if got := c.offered(); !slices.Equal(got, []string{"bbb"}) {
			t.Errorf("the device got %q", got)
		}
		p.Want(nil)
		w.publish(text("b", ann))
		if got := c.offered(); len(got) != 0 {
			t.Errorf("the device got %q", got)
		}
	})
}

func TestReservedEventsAreNeverForwardedToDevices(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		p, c := w.arrive(lamp, ann)
		p.Want([]cloud.DeviceFilter{{Prefix: "", Mine: true}, {Prefix: ""}, {Prefix: "spark"}, {Prefix: "spark/device/reset", From: lamp}})
		other, _ := w.arrive(radio, ann)
		for _, name := range []string{
			"spark/device/reset", "spark/device/key/restore", "spark/status", "spark", "sparkle", "Spark/device/reset",
			"particle/device/updates/forced", "PARTICLE/x",
		} {
			w.publish(text(name, ann))
			_ = other.Publish(context.Background(), text(name, ""), func(error) {})
			_ = p.Publish(context.Background(), text(name, ""), func(error) {})
		}
		w.publish(text("not-spark", ann))
		if got := c.offered(); !slices.Equal(got, []string{"not-spark"}) {
			t.Errorf("the device got %q", got)
		}
	})
}

// Every board asks for these two by itself. With 10,000 boards that would be 10,000 listeners to ask at each event.
func TestABoardThatWantsReservedEventsOnlyIsNoListener(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		p, _ := w.arrive(lamp, ann)
		before := w.hub.Totals().Listeners
		for _, step := range []struct {
			wants []cloud.DeviceFilter
			more  int
		}{
			{[]cloud.DeviceFilter{{Prefix: "spark"}, {Prefix: "particle"}}, 0},
			{[]cloud.DeviceFilter{{Prefix: "spark"}, {Prefix: "spar"}}, 1},
			{[]cloud.DeviceFilter{{Prefix: "Spark/x"}}, 0},
		} {
			p.Want(step.wants)
			if got := w.hub.Totals().Listeners - before; got != step.more {
				t.Errorf("%+v make %d listeners", step.wants, got)
			}
		}
	})
}

func TestDeviceHearsEventsOfOneOtherDeviceOnly(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		p, c := w.arrive(lamp, ann)
		p.Want([]cloud.DeviceFilter{{Prefix: "n", From: radio}})
		other, _ := w.arrive(radio, ann)
		for _, from := range []*cloud.Presence{p, other} {
			if err := from.Publish(context.Background(), text("n", ""), func(error) {}); err != nil {
				t.Fatal(err)
			}
		}
		w.publish(text("n", ann))
		if got := c.offered(); len(got) != 1 {
			t.Errorf("the device got %q", got)
		}
	})
}

func TestPublishOfADeviceIsDoneWhenItIsOnDisk(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		p, _ := w.arrive(lamp, ann)
		w.log.stop()
		done := make(chan error, 2)
		if err := p.Publish(context.Background(), text("a", "liar"), func(err error) { done <- err }); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if len(done) != 0 {
			t.Error("done before the commit")
		}
		w.log.write(1)
		synctest.Wait()
		if len(done) != 1 || <-done != nil {
			t.Errorf("done %d times", len(done))
		}
		w.happened()
		w.log.broken = errors.New("disk")
		if err := p.Publish(context.Background(), text("b", ""), func(err error) { done <- err }); err != nil {
			t.Fatal(err)
		}
		w.log.write(1)
		if err := <-done; !errors.Is(err, w.log.broken) {
			t.Errorf("done with %v", err)
		}
		if ev := <-w.all.C; ev.Owner != ann || ev.Device != lamp {
			t.Errorf("the event is %s's, from %v: a device cannot choose", ev.Owner, ev.Device)
		}
	})
}

func TestDeviceCannotSpeakForTheCloud(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		p, _ := w.arrive(lamp, ann)
		w.happened()
		for _, name := range []string{
			"spark/status", "SPARK/STATUS", "spark/flash/status", "spark/device/app-hash", "spark/device/diagnostics/update",
			"spark/device/limited", "hook-sent/x", "hook-response/x/0", "hook-error/x",
		} {
			err := p.Publish(context.Background(), text(name, ""), func(error) { t.Errorf("%s is done", name) })
			if cloud.KindOf(err) != cloud.Permission {
				t.Errorf("%s: %v", name, err)
			}
		}
		w.wantHappened()
		for _, name := range []string{"spark/device/last_reset", "spark/device/safemode", "particle/device/updates/enabled", "hook"} {
			if err := p.Publish(context.Background(), text(name, ""), func(error) {}); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
	})
}

func TestRequestsToADeviceThatIsOffline(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		ctx := context.Background()
		_, err1 := w.hub.Call(ctx, lamp, "f", "")
		_, err2 := w.hub.Variable(ctx, lamp, "v")
		for _, err := range []error{err1, err2, w.hub.Signal(ctx, lamp, true), w.hub.Ping(ctx, lamp)} {
			if cloud.KindOf(err) != cloud.Offline {
				t.Errorf("%v, want Offline", err)
			}
		}
		w.hub.Disconnect(lamp, errors.New("nobody there"))
	})
}

// talker is a connection whose device answers.
type talker struct{ conn }

func (*talker) Call(_ context.Context, function, argument string) (int32, error) {
	return int32(len(function + argument)), nil
}
func (*talker) Variable(_ context.Context, name string) (any, error) { return name, nil }
func (*talker) Signal(_ context.Context, on bool) error {
	if on {
		return nil
	}
	return cloud.E("", cloud.Refused, nil)
}
func (*talker) Ping(context.Context) error { return cloud.E("", cloud.Timeout, nil) }

func TestRequestsReachTheDevice(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		ctx := context.Background()
		w.hub.Arrive(ctx, cloud.Arrival{Conn: &talker{}, Device: cloud.Device{ID: lamp, Owner: ann}})
		if v, err := w.hub.Call(ctx, lamp, "led", "on"); v != 5 || err != nil {
			t.Errorf("call: %v, %v", v, err)
		}
		if v, err := w.hub.Variable(ctx, lamp, "temp"); v != "temp" || err != nil {
			t.Errorf("variable: %v, %v", v, err)
		}
		if err := w.hub.Signal(ctx, lamp, true); err != nil {
			t.Errorf("signal on: %v", err)
		}
		if err := w.hub.Signal(ctx, lamp, false); cloud.KindOf(err) != cloud.Refused {
			t.Errorf("signal off: %v", err)
		}
		if err := w.hub.Ping(ctx, lamp); cloud.KindOf(err) != cloud.Timeout {
			t.Errorf("ping: %v", err)
		}
	})
}

func TestDisconnectClosesTheConnection(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		_, c := w.arrive(lamp, ann)
		why := errors.New("removed")
		w.hub.Disconnect(lamp, why)
		if c.closed != why {
			t.Errorf("closed with %v", c.closed)
		}
	})
}

func TestMissedAndLostAreDifferentNumbers(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		p, c := w.arrive(lamp, ann)
		p.Want([]cloud.DeviceFilter{{Prefix: "to-lamp", Mine: true}})
		c.full = true
		for range 3 {
			w.publish(text("to-lamp", ann))
		}
		p.Want([]cloud.DeviceFilter{{Prefix: "to-lamp", Mine: true}, {Prefix: "more", Mine: true}})
		w.publish(text("more", ann))

		w.hub.Subscribe(cloud.Filter{Owner: ann}, cloud.NewQueue(1))
		for range 3 {
			if err := p.Publish(context.Background(), text("from-lamp", ""), func(error) {}); err != nil {
				t.Fatal(err)
			}
		}
		p.Throttled(7)
		if st := w.hub.Status(lamp); st.Missed != 4 || st.Lost != 2 || st.Throttled != 7 || st.Events != 3 || st.Limited != 0 {
			t.Errorf("status %+v", st)
		}
		p.Leave(context.Background())
		_, _ = w.arrive(lamp, ann)
		if st := w.hub.Status(lamp); st.Missed != 0 || st.Lost < 2 || st.Events != 3 { // the count of the connection begins again
			t.Errorf("status after it came back %+v", st)
		}
	})
}
