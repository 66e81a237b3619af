package store

import (
	"errors"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"localcloud/cloud"
)

func TestEventsThatWaitShareACommit(t *testing.T) {
	f := holding()
	s := OpenMemory(Options{commit: f.commit})
	l := s.Events()
	const n = 1000
	answers := make(chan error, n)
	appendOne := func(id cloud.EventID) {
		if err := l.Admit(background); err != nil {
			t.Fatal(err)
		}
		l.Append(sampleEvent(id), func(err error) { answers <- err })
	}
	appendOne(1)
	<-f.inside
	for id := cloud.EventID(2); id <= n; id++ {
		appendOne(id)
	}
	close(f.gate)
	for range n {
		if err := <-answers; err != nil {
			t.Fatal(err)
		}
	}
	if got, want := f.commits.Load(), int64(1+(n-1+maxCommitEvents-1)/maxCommitEvents); got != want {
		t.Errorf("%d commits for %d events, want %d", got, n, want)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

// No commit is larger than what Badger takes in a transaction.
func TestCommitsAreBounded(t *testing.T) {
	var largest int
	w := &world{t: t, Store: OpenMemory(Options{commit: func(db kv, ops []op) error {
		size := 0
		for _, o := range ops {
			size += o.size()
		}
		largest = max(largest, size)
		return db.commit(ops)
	}})}
	w.fill(300, cloud.MaxEventData, time.Second)
	w.close()
	if largest > maxCommitBytes || largest < maxCommitBytes/2 {
		t.Errorf("the largest commit has %d bytes, want at most %d and not much less", largest, maxCommitBytes)
	}
}

func TestAFailedCommitOfEventsIsAnsweredAndTheLogGoesOn(t *testing.T) {
	f := &faults{}
	w := memoryWorld(t)
	var logged strings.Builder
	logger := slog.New(slog.NewTextHandler(&logged, nil))
	w.open(Options{commit: f.commit, Logger: logger})
	if err := w.append(sampleEvent(1)); err != nil {
		t.Fatal(err)
	}
	f.set(syscall.ENOSPC)
	for id := range cloud.EventID(3) {
		err := w.append(sampleEvent(id+2), sampleEvent(id+2+100)) // the next is not greater: refused
		if id == 0 {
			wantKind2(t, err, cloud.NoSpace)
			if !errors.Is(err, syscall.ENOSPC) {
				t.Errorf("error %v hides its cause", err)
			}
		}
	}
	f.set(nil)
	if err := w.append(sampleEvent(500)); err != nil {
		t.Fatal(err)
	}
	u := w.Events().Usage()
	if u.Failed < 2 || u.Waiting != 0 || u.Events != 2 {
		t.Errorf("usage is %+v", u)
	}
	for range 2 {
		if got := w.ids(); !slices.Equal(got, []cloud.EventID{1, 500}) {
			t.Errorf("the log holds %v, want 1 and 500", got)
		}
		w.open(Options{})
	}
	w.close()
	if got := strings.Count(logged.String(), "cannot be stored"); got != 1 {
		t.Errorf("the failure is logged %d times, want once:\n%s", got, logged.String())
	}
	if !strings.Contains(logged.String(), "works again") {
		t.Errorf("the recovery is not logged:\n%s", logged.String())
	}
}

// A commit that failed may have reached the disk. Then its events are read, in order
// and once, and the accounts are right after a restart.
func TestEventsOfAFailedCommitThatTheDatabaseTook(t *testing.T) {
	f := &faults{}
	w := memoryWorld(t)
	opts := Options{EventsMaxBytes: 16 << 10, commit: f.commit} // segments of 4 kB
	w.open(opts)
	f.after.Store(true)
	for id := range cloud.EventID(300) {
		f.set(nil)
		if id%3 == 0 {
			f.set(syscall.ENOSPC)
		}
		if err := w.append(sampleEvent(id + 1)); (err != nil) != (id%3 == 0) {
			t.Fatalf("event %v: %v", id+1, err)
		}
	}
	f.set(nil)
	for range 2 {
		w.open(opts)
		ids := w.ids()
		if len(ids) < 50 || ids[len(ids)-1] != 300 || !slices.IsSorted(ids) {
			t.Errorf("the log holds %v", ids)
		}
		for i, id := range ids {
			if id != ids[0]+cloud.EventID(i) {
				t.Errorf("event %v is missing or out of order", ids[0]+cloud.EventID(i))
				break
			}
		}
	}
	w.close()
}

// The memory twin runs in a bubble, in virtual time.
func TestMemoryRunsInABubble(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{t: t, Store: OpenMemory(Options{EventsQueue: 1})}
		began := time.Now()
		w.fill(100, 10, time.Second)
		d := w.update(1, func(*cloud.Device) { time.Sleep(time.Hour) }) // virtual; others wait in virtual time, too
		if got := d.Created.Sub(began); got != 0 {
			t.Errorf("the device was created %v after the beginning", got)
		}
		if err := w.Events().Admit(background); err != nil {
			t.Fatal(err)
		}
		var waited time.Duration
		var all sync.WaitGroup
		all.Go(func() {
			began := time.Now()
			if err := w.Events().Admit(background); err != nil {
				t.Error(err)
			}
			waited = time.Since(began)
		})
		time.Sleep(time.Minute)
		w.Events().Append(sampleEvent(1<<50), func(error) {})
		all.Wait()
		if waited != time.Minute {
			t.Errorf("Admit waited for %v, want 1m", waited)
		}
		synctest.Wait()
		if got := len(w.ids()); got != 101 {
			t.Errorf("the log holds %d events, want 101", got)
		}
		w.close()
	})
}

// The Hub works on the store as it is.
func TestHubReplaysWhatItPublished(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{t: t, Store: OpenMemory(Options{})}
		hub := cloud.NewHub(w.Registry(), w.Events(), slog.New(slog.DiscardHandler))
		for _, name := range []string{"one", "two", "three"} {
			if err := hub.Publish(background, cloud.Event{Name: name, Owner: "a", Format: cloud.TextFormat}); err != nil {
				t.Fatal(err)
			}
		}
		queue := cloud.NewQueue(10)
		subscription := hub.Subscribe(cloud.Filter{Owner: "a"}, queue)
		defer hub.Unsubscribe(subscription)
		var got []string
		err := hub.Replay(background, subscription, 0, func(ev *cloud.Event) bool {
			got = append(got, ev.Name)
			return true
		})
		if err != nil {
			t.Error(err)
		}
		wantSame(t, got, []string{"one", "two", "three"})
		w.close()
	})
}

// slowScan is a database whose scans wait.
type slowScan struct {
	*memory
	inside, gate chan struct{}
}

func (s slowScan) scan(prefix, from []byte, yield func(key, value []byte) bool) error {
	if s.inside != nil && from != nil { // a page of Read
		s.inside <- struct{}{}
		<-s.gate
	}
	return s.memory.scan(prefix, from, yield)
}

// A database that is closed under a reader is memory that is unmapped under it.
func TestCloseWaitsForReaders(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		events := slowScan{memory: &memory{}}
		w := openOn(t, &memory{}, events.memory, Options{})
		w.fill(10, 10, time.Second)
		events.inside, events.gate = make(chan struct{}, 1), make(chan struct{})
		w.Events().db = events
		read := 0
		ended := make(chan error, 1)
		go func() {
			ended <- w.Events().Read(background, 0, func(*cloud.Event) bool { read++; return true })
		}()
		<-events.inside
		closed := make(chan error, 1)
		go func() { closed <- w.Events().Close() }()
		synctest.Wait()
		select {
		case <-closed:
			t.Error("the log is closed under a reader")
		default:
		}
		close(events.gate)
		wantClosed(t, <-ended) // when it comes for the next page
		if read != 10 {
			t.Errorf("the reader got %d events, want 10", read)
		}
		<-closed
		w.Store.opened = w.Store.opened[:1] // the log is closed already
		w.close()
	})
}
