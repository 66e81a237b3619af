package store

import (
	"bytes"
	"context"
	"errors"
	"math/rand/v2"
	"reflect"
	"slices"
	"sync"
	"testing"
	"time"

	"localcloud/cloud"
)

func eventsInOrder(t *testing.T, w *world) {
	if got := w.ids(); got != nil {
		t.Errorf("an empty log holds %v", got)
	}
	for _, id := range []cloud.EventID{5, 7, 300, 70_000, 1 << 50} {
		if err := w.append(sampleEvent(id)); err != nil {
			t.Fatal(err)
		}
	}
	for range 2 {
		for after, want := range map[cloud.EventID][]cloud.EventID{
			0: {5, 7, 300, 70_000, 1 << 50}, 5: {7, 300, 70_000, 1 << 50}, 6: {7, 300, 70_000, 1 << 50},
			70_000: {1 << 50}, 1 << 50: nil, 1<<64 - 1: nil,
		} {
			var got []cloud.EventID
			err := w.Events().Read(background, after, func(ev *cloud.Event) bool { got = append(got, ev.ID); return true })
			if err != nil || !slices.Equal(got, want) {
				t.Errorf("after %v: %v, %v, want %v", after, got, err, want)
			}
		}
		w.open(Options{})
	}
}

func eventFieldsSurvive(t *testing.T, w *world) {
	full := cloud.Event{}
	fillIn(t, reflect.ValueOf(&full).Elem())
	full.ID, full.Link, full.Patient = 7, nil, false // the last two are no part of an event
	bare, empty, nothing := *sampleEvent(8), *sampleEvent(9), cloud.Event{ID: 10, PublishedAt: cloud.EventID(10).Time()}
	bare.Data, empty.Data = nil, []byte{}
	want := []cloud.Event{full, bare, empty, nothing}
	if err := w.append(&full, &bare, &empty, &nothing); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		var got []cloud.Event
		err := w.Events().Read(background, 0, func(ev *cloud.Event) bool { got = append(got, *ev); return true })
		if err != nil {
			t.Fatal(err)
		}
		wantSame(t, got, want)
		w.open(Options{})
	}
}

func readStops(t *testing.T, w *world) {
	w.fill(600, 10, time.Second)
	for _, n := range []int{1, pageEvents, pageEvents + 1, 599} {
		read := 0
		err := w.Events().Read(background, 0, func(*cloud.Event) bool { read++; return read < n })
		if err != nil || read != n {
			t.Errorf("Read went to %d, %v, want %d", read, err, n)
		}
	}
}

func readEndsWithContext(t *testing.T, w *world) {
	w.fill(3*pageEvents, 10, time.Second)
	ctx, cancel := context.WithCancel(background)
	read := 0
	err := w.Events().Read(ctx, 0, func(*cloud.Event) bool { read++; cancel(); return true })
	if !errors.Is(err, context.Canceled) || read > pageEvents {
		t.Errorf("after %d events: %v, want %v within a page", read, err, context.Canceled)
	}
}

func readPages(t *testing.T, w *world) {
	w.fill(3*pageEvents, 10, time.Second)
	w.fill(100, cloud.MaxEventData, time.Second) // several pages for their size
	got := w.ids()
	if len(got) != 3*pageEvents+100 || !slices.IsSorted(got) || len(slices.Compact(slices.Clone(got))) != len(got) {
		t.Errorf("Read yields %d events, want %d, each once and in order", len(got), 3*pageEvents+100)
	}
}

// eventsOfAllSizes writes enough for Badger to make tables, compact and drop them. On
// 32 bits it fails when a table takes more memory than Badger gets right.
func eventsOfAllSizes(t *testing.T, w *world) {
	opts := Options{EventsMaxBytes: 12 << 20}
	w.open(opts)
	random := rand.New(rand.NewPCG(1, 2))
	data := func(id cloud.EventID) []byte { // the same for an id each time
		size := [...]int{0, 30, 300, 2000, 4200, cloud.MaxEventData, maxValue - 200}[id%7]
		return bytes.Repeat([]byte(id.String()+" "), size/2+1)[:size]
	}
	for id := cloud.EventID(1); id < 3000; {
		var some []*cloud.Event
		for range 1 + random.IntN(100) {
			ev := sampleEvent(id)
			ev.Data = data(id)
			some = append(some, ev)
			id++
		}
		if err := w.append(some...); err != nil {
			t.Fatal(err)
		}
	}
	for range 2 {
		w.open(opts)
		next := w.Events().Usage().Oldest
		err := w.Events().Read(background, 0, func(ev *cloud.Event) bool {
			if ev.ID != next || !bytes.Equal(ev.Data, data(next)) {
				t.Errorf("event %v comes as %v with %d bytes, want %d", next, ev.ID, len(ev.Data), len(data(next)))
			}
			next++
			return !t.Failed()
		})
		if u := w.Events().Usage(); err != nil || next != w.Events().Last()+1 || u.Bytes < 11<<20 {
			t.Errorf("Read: %v; it went up to %v of %v; usage is %+v", err, next-1, w.Events().Last(), u)
		}
	}
}

func readAndAppend(t *testing.T, w *world) {
	w.fill(10, 10, time.Second)
	read := 0
	err := w.Events().Read(background, 0, func(ev *cloud.Event) bool {
		read++
		if read == 5 {
			w.fill(2, 10, time.Second)
			if _, err := w.Registry().UpdateSettings(func(*cloud.Settings) error { return nil }); err != nil {
				t.Error(err)
			}
		}
		return true
	})
	if err != nil || read != 12 {
		t.Errorf("Read yields %d events, %v, want 12", read, err)
	}
}

func acknowledgedIsReadable(t *testing.T, w *world) {
	for id := range cloud.EventID(50) {
		found := make(chan bool, 1)
		if err := w.Events().Admit(background); err != nil {
			t.Fatal(err)
		}
		w.Events().Append(sampleEvent(id+1), func(error) {
			ok := false
			err := w.Events().Read(background, id, func(ev *cloud.Event) bool { ok = ev.ID == id+1; return false })
			found <- ok && err == nil
		})
		if !<-found {
			t.Errorf("event %v is acknowledged and cannot be read", id+1)
		}
	}
}

// acknowledgedInOrder holds a lock around Append that done takes, as the Hub does.
func acknowledgedInOrder(t *testing.T, w *world) {
	const n = 1000
	var hub sync.Mutex
	var got []cloud.EventID
	all := make(chan struct{})
	for id := cloud.EventID(1); id <= n; id++ {
		if err := w.Events().Admit(background); err != nil {
			t.Fatal(err)
		}
		hub.Lock()
		w.Events().Append(sampleEvent(id), func(err error) {
			if err != nil {
				t.Error(err)
			}
			hub.Lock()
			defer hub.Unlock()
			if got = append(got, id); len(got) == n {
				close(all)
			}
		})
		hub.Unlock()
	}
	<-all
	if !slices.IsSorted(got) {
		t.Error("the acknowledgements are not in order")
	}
}

func lastKnown(t *testing.T, w *world) {
	if got := w.Events().Last(); got != 0 {
		t.Errorf("Last of an empty log is %v", got)
	}
	answered := make(chan error, 1)
	if err := w.Events().Admit(background); err != nil {
		t.Fatal(err)
	}
	w.Events().Append(sampleEvent(77), func(err error) { answered <- err })
	if got := w.Events().Last(); got != 77 {
		t.Errorf("Last is %v right after Append of 77", got)
	}
	if err := <-answered; err != nil {
		t.Fatal(err)
	}
	for range 3 {
		w.open(Options{})
		if got := w.Events().Last(); got != 77 {
			t.Errorf("Last is %v after a restart, want 77", got)
		}
	}
}

func idMustGrow(t *testing.T, w *world) {
	if err := w.append(sampleEvent(10)); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		for _, id := range []cloud.EventID{10, 9, 0} {
			ev := sampleEvent(id)
			ev.Name = "second"
			wantKind(t, w.append(ev), cloud.Invalid)
		}
		w.open(Options{})
	}
	err := w.Events().Read(background, 0, func(ev *cloud.Event) bool {
		if ev.ID != 10 || ev.Name == "second" {
			t.Errorf("the log holds %v %v", ev.ID, ev)
		}
		return true
	})
	if err != nil {
		t.Error(err)
	}
	if got := w.Events().Usage().Waiting; got != 0 {
		t.Errorf("%d slots are lost", got)
	}
}

func largeEventRefused(t *testing.T, w *world) {
	errs := make([]error, 4)
	var all sync.WaitGroup
	for i, size := range []int{10, maxValue, maxValue - 200, 10} {
		if err := w.Events().Admit(background); err != nil {
			t.Fatal(err)
		}
		ev := sampleEvent(cloud.EventID(i + 1))
		ev.Data = make([]byte, size)
		all.Add(1)
		w.Events().Append(ev, func(err error) { errs[i] = err; all.Done() })
	}
	all.Wait()
	wantKind(t, errs[1], cloud.Invalid)
	if err := errors.Join(errs[0], errs[2], errs[3]); err != nil {
		t.Error(err)
	}
	if got := w.ids(); !slices.Equal(got, []cloud.EventID{1, 3, 4}) {
		t.Errorf("the log holds %v", got)
	}
}

func manyPublishers(t *testing.T, w *world) {
	const publishers, each = 16, 100
	var hub sync.Mutex // gives ids and appends in one order
	var next cloud.EventID
	var all sync.WaitGroup
	for range publishers {
		all.Go(func() {
			answers := make(chan error, each)
			for range each {
				if err := w.Events().Admit(background); err != nil {
					t.Error(err)
				}
				hub.Lock()
				next++
				w.Events().Append(sampleEvent(next), func(err error) { answers <- err })
				hub.Unlock()
			}
			for range each {
				if err := <-answers; err != nil {
					t.Error(err)
				}
			}
		})
		all.Go(func() { w.ids(); w.Events().Usage(); w.Events().Last() })
	}
	all.Wait()
	for range 2 {
		got := w.ids()
		for i, id := range got {
			if id != cloud.EventID(i+1) {
				t.Fatalf("event %d of the log is %v", i+1, id)
			}
		}
		if len(got) != publishers*each {
			t.Fatalf("the log holds %d events, want %d", len(got), publishers*each)
		}
		w.open(Options{})
	}
}

// stuck opens the world with a log of n slots whose commits wait until release is called.
func stuck(w *world, n int) (release func()) {
	gate := make(chan struct{})
	w.open(Options{EventsQueue: n, commit: func(db kv, ops []op) error {
		<-gate
		return db.commit(ops)
	}})
	return sync.OnceFunc(func() { close(gate) })
}

func admitWaits(t *testing.T, w *world) {
	release := stuck(w, 3)
	defer release()
	answers := make(chan error, 4)
	for id := range cloud.EventID(3) {
		if err := w.Events().Admit(background); err != nil {
			t.Fatal(err)
		}
		w.Events().Append(sampleEvent(id+1), func(err error) { answers <- err })
	}
	if got := w.Events().Usage().Waiting; got != 3 {
		t.Errorf("%d events wait, want 3", got)
	}
	full, cancel := context.WithTimeout(background, time.Millisecond)
	defer cancel()
	wantKind(t, w.Events().Admit(full), cloud.Limited)
	admitted := make(chan error, 1)
	go func() { admitted <- w.Events().Admit(background) }()
	release()
	if err := <-admitted; err != nil {
		t.Error(err)
	}
	w.Events().Append(sampleEvent(4), func(err error) { answers <- err })
	for range 4 {
		if err := <-answers; err != nil {
			t.Error(err)
		}
	}
	if got := w.Events().Usage().Waiting; got != 0 {
		t.Errorf("%d events wait, want none", got)
	}
}

func admitEndsWithContext(t *testing.T, w *world) {
	w.open(Options{EventsQueue: 1})
	ctx, cancel := context.WithCancel(background)
	if err := w.Events().Admit(ctx); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- w.Events().Admit(ctx) }()
	cancel()
	err := <-ended
	wantKind(t, err, cloud.Limited)
	if !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, want %v", err, context.Canceled)
	}
	closed := make(chan error, 1)
	go func() { closed <- w.Events().Admit(background) }()
	w.close()
	wantClosed(t, <-closed)
	w.open(Options{EventsQueue: 1})
	wantKind(t, w.Events().Admit(ctx), cloud.Limited) // though there is room
}

func closeCommits(t *testing.T, w *world) {
	release := stuck(w, 100)
	answers := make(chan error, 100)
	for id := range cloud.EventID(100) {
		if err := w.Events().Admit(background); err != nil {
			t.Fatal(err)
		}
		w.Events().Append(sampleEvent(id+1), func(err error) { answers <- err })
	}
	go release()
	w.close()
	for range 100 {
		select {
		case err := <-answers:
			if err != nil {
				t.Error(err)
			}
		default:
			t.Fatal("an event was not answered before Close returned")
		}
	}
	w.open(Options{})
	if got := len(w.ids()); got != 100 {
		t.Errorf("%d events are left, want 100", got)
	}
}

func closedLog(t *testing.T, w *world) {
	if err := w.append(sampleEvent(1)); err != nil {
		t.Fatal(err)
	}
	if err := w.Events().Admit(background); err != nil {
		t.Fatal(err)
	}
	w.close()
	answer := make(chan error, 1)
	w.Events().Append(sampleEvent(2), func(err error) { answer <- err }) // admitted before
	wantClosed(t, <-answer)
	wantClosed(t, w.Events().Admit(background))
	wantClosed(t, w.Events().Read(background, 0, func(*cloud.Event) bool { t.Error("an event"); return true }))
	if got := w.Events().Last(); got != 1 {
		t.Errorf("Last is %v", got)
	}
	if err := w.Close(); err != nil {
		t.Errorf("second Close: %v", err)
	}
}
