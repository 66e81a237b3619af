package api

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"localcloud/cloud"
	"localcloud/cloud/sse"
	"localcloud/cloud/store"
)

func TestCatchUp(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		var ids []cloud.EventID
		var names []string
		for i := range 3*page + 5 {
			names = append(names, fmt.Sprint("x", i))
			ids = append(ids, w.publish("alice", names[i], ""))
			w.publish("Bob", names[i], "")
		}
		for _, from := range []int{0, 1, page, 2*page - 1, len(ids) - 1} {
			w.follow("/v1/devices/events/x", w.alice, "Last-Event-ID: "+ids[from].String()).wants(names[from+1:]...)
		}
		w.follow("/v1/devices/events?last_event_id="+ids[50].String(), w.alice).wants(names[51:]...)
		w.follow("/v1/devices/events/x7?last_event_id=0", w.alice).wants(slices.DeleteFunc(slices.Clone(names), func(s string) bool { return !strings.HasPrefix(s, "x7") })...)
		// An id that no event has goes on behind it, and one to come waits.
		w.follow("/v1/devices/events/x", w.alice, "Last-Event-ID: "+(ids[50]-1).String()).wants(names[50:]...)
		w.follow("/v1/devices/events/x", w.alice, "Last-Event-ID: "+(ids[len(ids)-1]+1000000).String()).wants()
		w.follow("/v1/devices/events/x", w.alice).wants() // nobody asked
		w.follow("/v1/devices/events/x", w.alice, "Last-Event-ID: ").wants()
	})
}

func TestHistoryIsNotInTheFirstWrite(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		w.publish("alice", "x", "")
		r := w.open("/v1/devices/events/x?last_event_id=0", w.alice).started()
		if got := r.chunk(); !strings.Contains(got, "event: x\n") {
			t.Errorf("got %q", got)
		}
	})
}

// slowLog reads as a very large log would.
type slowLog struct {
	cloud.Log
	delay    time.Duration
	stubborn bool // it does not look at ctx
}

func (l slowLog) Read(ctx context.Context, after cloud.EventID, yield func(*cloud.Event) bool) error {
	if l.stubborn {
		ctx = context.Background()
	}
	select {
	case <-time.After(l.delay):
	case <-ctx.Done():
		return ctx.Err()
	}
	return l.Log.Read(ctx, after, yield)
}

func TestKeepAliveWhileTheLogIsSearched(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		w.useLog(slowLog{delay: time.Minute})
		w.publish("alice", "x", "")
		r := w.open("/v1/devices/events/x?last_event_id=0", w.alice).started()
		start := time.Now()
		for range 6 {
			if got := r.chunk(); got != "\n" {
				t.Errorf("after %v: %q", time.Since(start), got)
			}
		}
		if got := r.chunk(); !strings.Contains(got, "event: x\n") || time.Since(start) != time.Minute {
			t.Errorf("after %v: %q", time.Since(start), got)
		}
	})
}

func TestSearchOfTheLogEndsWithItsStream(t *testing.T) {
	for _, stubborn := range []bool{false, true} {
		inBubble(t, func(t *testing.T, w *world) {
			w.useLog(slowLog{delay: time.Minute, stubborn: stubborn})
			r := w.open("/v1/devices/events/x?last_event_id=0", w.alice).started()
			synctest.Wait()
			r.Close()
			synctest.Wait()
			if n := w.server.OpenStreams(); (n == 1) != stubborn {
				t.Errorf("stubborn %v: %d streams while the log is searched", stubborn, n)
			}
			wait(time.Minute)
			synctest.Wait()
			if n := w.server.OpenStreams(); n != 0 {
				t.Errorf("stubborn %v: %d streams are left", stubborn, n)
			}
		})
	}
}

// useLog gives the world a Hub whose log goes through l.
func (w *world) useLog(l slowLog) {
	st := store.OpenMemory(store.Options{})
	w.Cleanup(func() { st.Close() })
	l.Log = st.Events()
	w.hub = cloud.NewHub(w.registry, l, w.server.Logger)
	w.server.Hub = w.hub
}

// unreadable fails with an error.
type unreadable struct {
	cloud.Log
	err error
}

func (l unreadable) Read(ctx context.Context, after cloud.EventID, yield func(*cloud.Event) bool) error {
	return l.err
}

func TestDamagedLogDoesNotEndTheStream(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		w.useLog(slowLog{})
		w.hub = cloud.NewHub(w.registry, unreadable{emptyLog{}, errors.New("block 7 is damaged")}, w.server.Logger)
		w.server.Hub = w.hub
		s := w.follow("/v1/devices/events/x?last_event_id=0", w.alice)
		s.wants()
		if w.server.OpenStreams() != 1 || !strings.Contains(w.logged(), "block 7 is damaged") {
			t.Errorf("%d streams; the log says %s", w.server.OpenStreams(), w.logged())
		}
	})
}

func TestClosedLogEndsAStreamThatCatchesUp(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		w.useLog(slowLog{})
		w.hub = cloud.NewHub(w.registry, unreadable{emptyLog{}, cloud.E("event log", cloud.Other, cloud.ErrClosed)}, w.server.Logger)
		w.server.Hub = w.hub
		w.follow("/v1/devices/events/x?last_event_id=0", w.alice)
		synctest.Wait()
		if n := w.server.OpenStreams(); n != 0 {
			t.Errorf("%d streams go on, with a gap that their clients cannot see", n)
		}
	})
}

// TestCatchUpIsExact: while several publish, a client that is cut off again
// and again, and goes on by id, gets every event once and in order.
func TestCatchUpIsExact(t *testing.T) {
	const publishers, each = 4, 150
	inBubble(t, func(t *testing.T, w *world) {
		w.publish("alice", "x", "")
		all := w.listen()
		var wg sync.WaitGroup
		for range publishers {
			wg.Go(func() {
				for range each {
					if err := w.hub.Publish(t.Context(), cloud.Event{Name: "x", Owner: w.userID("alice")}); err != nil {
						t.Error(err)
					}
				}
			})
		}
		var got []string
		last, reconnects := "0", -1
		for len(got) < publishers*each+1 {
			reconnects++
			ctx, cancel := context.WithCancel(t.Context())
			r := must(http.NewRequestWithContext(ctx, "GET", "http://cloud/v1/devices/events/x", nil))
			r.Header.Set("Authorization", "Bearer "+string(w.alice))
			r.Header.Set("Last-Event-ID", last)
			resp := must(w.client.Do(r))
			reader := sse.NewReader(resp.Body)
			for n := 1 + rand.IntN(40); n > 0 && len(got) < publishers*each+1; n-- {
				ev, err := reader.Next()
				if err != nil {
					break
				}
				got, last = append(got, ev.ID), ev.ID
			}
			cancel()
			resp.Body.Close()
		}
		wg.Wait()
		want := got[:1:1]
		for _, ev := range all.events {
			want = append(want, ev.ID.String())
		}
		if !slices.Equal(got, want) {
			t.Errorf("after %d reconnects: %d events, want %d, in order and without doubles", reconnects, len(got), len(want))
		}
		t.Logf("%d reconnects", reconnects)
	})
}
