package cloud_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"localcloud/cloud"
	"localcloud/cloud/store"
	"localcloud/keys"
)

// world is a cloud in memory, in virtual time.
type world struct {
	t        *testing.T
	registry *store.Registry
	log      *disk
	hub      *cloud.Hub
	said     *lines       // by the logger
	all      *cloud.Queue // every event
}

// disk is a log that can be made slow and broken.
type disk struct {
	cloud.Log
	admit func(ctx context.Context) error // before each Admit, if set

	mu      sync.Mutex
	stopped bool
	waiting []func()
	broken  error
}

func (d *disk) Admit(ctx context.Context) error {
	if d.admit != nil {
		if err := d.admit(ctx); err != nil {
			return err
		}
	}
	return d.Log.Admit(ctx)
}

func (d *disk) Append(ev *cloud.Event, done func(error)) {
	d.mu.Lock()
	defer d.mu.Unlock()
	err := d.broken
	write := func() {
		d.Log.Append(ev, func(e error) { done(errors.Join(e, err)) })
	}
	if d.stopped {
		d.waiting = append(d.waiting, write)
		return
	}
	write()
}

func (d *disk) stop() { d.mu.Lock(); d.stopped = true; d.mu.Unlock() }

// write lets n events go to the log that waited since stop.
func (d *disk) write(n int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, write := range d.waiting[:n] {
		write()
	}
	d.waiting = d.waiting[n:]
}

type lines struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *lines) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(b)
}

func (l *lines) count(what string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return bytes.Count(l.text.Bytes(), []byte(what))
}

// inBubble runs a test in virtual time.
func inBubble(t *testing.T, f func(t *testing.T, w *world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) { f(t, newWorld(t)) })
}

func newWorld(t *testing.T) *world {
	db := store.OpenMemory(store.Options{})
	t.Cleanup(func() { db.Close() })
	w := &world{
		t: t, registry: db.Registry(), log: &disk{Log: db.Events()}, said: &lines{}, all: cloud.NewQueue(10000),
	}
	w.hub = cloud.NewHub(w.registry, w.log, slog.New(slog.NewTextHandler(w.said, nil)))
	w.hub.Subscribe(cloud.Filter{AllOwners: true}, w.all)
	return w
}

// publish publishes an event of a user and waits for the disk.
func (w *world) publish(ev cloud.Event) {
	w.t.Helper()
	if err := w.hub.Publish(context.Background(), ev); err != nil {
		w.t.Fatal(err)
	}
}

// happened returns what was published since it was last asked, one line an event.
func (w *world) happened() []string {
	synctest.Wait()
	return drain(w.all)
}

func drain(q *cloud.Queue) []string {
	var out []string
	for {
		select {
		case ev := <-q.C:
			out = append(out, fmt.Sprintf("%s=%s", ev.Name, ev.Data))
		default:
			return out
		}
	}
}

func (w *world) wantHappened(want ...string) {
	w.t.Helper()
	if got := w.happened(); !slices.Equal(got, want) {
		w.t.Errorf("what happened:\n got %q\nwant %q", got, want)
	}
}

// conn is a device's connection that keeps what is done to it.
type conn struct {
	cloud.Conn
	mu     sync.Mutex
	full   bool
	got    []string
	name   string
	closed error
}

func (c *conn) Offer(ev *cloud.Event) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.full {
		return false
	}
	c.got = append(c.got, ev.Name)
	return true
}
func (c *conn) Renamed(name string)  { c.mu.Lock(); c.name = name; c.mu.Unlock() }
func (c *conn) Close(err error)      { c.mu.Lock(); c.closed = err; c.mu.Unlock() }
func (c *conn) LastHeard() time.Time { return time.Unix(42, 0) }
func (c *conn) offered() (got []string) {
	c.mu.Lock()
	got, c.got = c.got, nil
	c.mu.Unlock()
	return got
}

var (
	lamp  = keys.DeviceID{0xe0, 1}
	radio = keys.DeviceID{0xaa, 2}
)

const (
	ann cloud.UserID = "a11111111111111111111111"
	bob cloud.UserID = "b22222222222222222222222"
)

// arrive takes a device online.
func (w *world) arrive(id keys.DeviceID, owner cloud.UserID) (*cloud.Presence, *conn) {
	c := &conn{}
	p := w.hub.Arrive(context.Background(), cloud.Arrival{
		Conn: c, Device: cloud.Device{ID: id, Owner: owner}, Address: "192.0.2.7:49152",
	})
	return p, c
}

func text(name string, owner cloud.UserID) cloud.Event {
	return cloud.Event{Name: name, Owner: owner, Source: cloud.SourceAPI, Format: cloud.TextFormat}
}

func TestIdsFollowTheClock(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		for range 3 {
			time.Sleep(time.Second)
			w.publish(text("a", ann))
			ev := <-w.all.C
			if ev.ID != cloud.EventIDAt(time.Now()) || !ev.PublishedAt.Equal(time.Now()) {
				t.Errorf("id %v, published at %v, want those of %v", ev.ID, ev.PublishedAt, time.Now())
			}
		}
	})
}

func TestIdsGrowWhenTheClockStands(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		var last cloud.EventID
		for range 50 {
			w.publish(text("a", ann))
			if ev := <-w.all.C; ev.ID <= last {
				t.Fatalf("id %v after %v", ev.ID, last)
			} else {
				last = ev.ID
			}
		}
	})
}

// ahead is a log from a time when the clock was wrong.
type ahead struct {
	cloud.Log
	last cloud.EventID
}

func (l ahead) Last() cloud.EventID { return l.last }

func TestIdsGoOnBehindTheLogWhenTheClockWentBack(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		last := cloud.EventIDAt(time.Now().Add(time.Hour))
		w.hub = cloud.NewHub(w.registry, ahead{w.log, last}, slog.New(slog.DiscardHandler))
		q := cloud.NewQueue(10)
		w.hub.Subscribe(cloud.Filter{AllOwners: true}, q)
		w.publish(text("a", ann))
		w.publish(text("b", ann))
		a, b := <-q.C, <-q.C
		if a.ID != last+1 || b.ID != last+2 {
			t.Errorf("ids %v and %v behind %v", a.ID, b.ID, last)
		}
		if a.PublishedAt.Before(last.Time()) || b.PublishedAt.Before(a.PublishedAt) {
			t.Errorf("published at %v and %v: cloud time ran backwards", a.PublishedAt, b.PublishedAt)
		}
		if doubt := w.hub.Clock().Doubt(); doubt != cloud.ClockBehind {
			t.Errorf("doubt %q", doubt)
		}
		time.Sleep(2 * time.Hour) // and cloud time goes on from there
		w.publish(text("c", ann))
		if c := <-q.C; c.ID != cloud.EventIDAt(last.Time().Add(2*time.Hour)) {
			t.Errorf("id %v, want two hours after %v", c.ID, last)
		}
	})
}

func TestTheOwnersTimeOutlivesARestart(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		last := cloud.EventIDAt(time.Now().AddDate(70, 0, 0)) // somebody's clock stood in 2070
		w.hub = cloud.NewHub(w.registry, ahead{w.log, last}, slog.New(slog.DiscardHandler))
		if err := w.hub.SetClock(time.Now()); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Hour)
		w.hub = cloud.NewHub(w.registry, ahead{w.log, last}, slog.New(slog.DiscardHandler))
		if doubt, now := w.hub.Clock().Doubt(), w.hub.Clock().Now(); doubt != "" || !now.Equal(time.Now()) {
			t.Errorf("after a restart it is %v, doubt %q; want %v", now, doubt, time.Now())
		}
		q := cloud.NewQueue(1)
		w.hub.Subscribe(cloud.Filter{AllOwners: true}, q)
		w.publish(text("a", ann))
		if a := <-q.C; a.ID != last+1 || !a.PublishedAt.Equal(time.Now()) {
			t.Errorf("id %v published at %v: ids go on, the time is the owner's", a.ID, a.PublishedAt)
		}
	})
}

func TestPublishReturnsWhenTheEventIsOnDisk(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		w.log.stop()
		done := make(chan error, 1)
		go func() { done <- w.hub.Publish(context.Background(), text("a", ann)) }()
		w.wantHappened("a=") // listeners do not wait
		select {
		case <-done:
			t.Error("returned before the commit")
		default:
		}
		w.log.write(1)
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

func TestPublishThatTheDiskDoesNotTakeFails(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		w.log.broken = cloud.E("log", cloud.NoSpace, nil)
		if err := w.hub.Publish(context.Background(), text("a", ann)); !errors.Is(err, w.log.broken) {
			t.Errorf("%v, want %v", err, w.log.broken)
		}
		w.wantHappened("a=") // live listeners had it all the same
	})
}

func TestPublisherWhoDoesNotWaitGetsATimeout(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		w.log.stop()
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		if err := w.hub.Publish(ctx, text("a", ann)); cloud.KindOf(err) != cloud.Timeout {
			t.Errorf("%v, want a timeout", err)
		}
		w.log.admit = func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() } // the queue is full
		if err := w.hub.Publish(ctx, text("b", ann)); cloud.KindOf(err) != cloud.Limited {
			t.Errorf("%v, want Limited", err)
		}
		w.wantHappened("a=")
		w.log.write(1)
	})
}

func TestConcurrentEventsReachEveryListenerInOrderOfId(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		listeners := []*cloud.Queue{w.all, cloud.NewQueue(10000), cloud.NewQueue(10000)}
		for _, q := range listeners[1:] {
			w.hub.Subscribe(cloud.Filter{Owner: ann}, q)
		}
		var all sync.WaitGroup
		for range 8 {
			all.Go(func() {
				for range 100 {
					w.publish(text("a", ann))
				}
			})
		}
		all.Wait()
		for i, q := range listeners {
			var last cloud.EventID
			for n := range 800 {
				ev := <-q.C
				if ev.ID <= last {
					t.Fatalf("listener %d: event %d has the id %v after %v", i, n, ev.ID, last)
				}
				last = ev.ID
			}
		}
	})
}

func TestEventHasTheDefaultTTLUnlessItSaysOtherwise(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		for given, want := range map[uint32]uint32{0: cloud.DefaultTTL, 5: 5} {
			ev := text("a", ann)
			ev.TTL = given
			w.publish(ev)
			if got := (<-w.all.C).TTL; got != want {
				t.Errorf("ttl %d became %d, want %d", given, got, want)
			}
		}
	})
}

func TestTotals(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		p, _ := w.arrive(lamp, ann)
		w.arrive(radio, ann)
		p.Want([]cloud.DeviceFilter{{Prefix: "a", Mine: true}})
		s := w.hub.Subscribe(cloud.Filter{Owner: bob}, cloud.NewQueue(1))
		w.publish(text("x", bob))
		w.publish(text("x", bob)) // one too many for bob
		want := cloud.Totals{Online: 2, Listeners: 3, Events: 4, Lost: 1}
		if got := w.hub.Totals(); got != want {
			t.Errorf("%+v, want %+v", got, want)
		}
		w.hub.Unsubscribe(s)
		p.Leave(context.Background())
		want = cloud.Totals{Online: 1, Listeners: 1, Events: 5, Lost: 1}
		if got := w.hub.Totals(); got != want {
			t.Errorf("%+v, want %+v", got, want)
		}
	})
}
