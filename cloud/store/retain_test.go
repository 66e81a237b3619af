package store

import (
	"errors"
	"log/slog"
	"slices"
	"syscall"
	"testing"
	"time"

	"localcloud/cloud"
)

// noDrop is a database that cannot give space back.
type noDrop struct{ *memory }

func (noDrop) drop(...[]byte) error { return syscall.EIO }

// cut drops once, and only the first half of the keys, like a crash on the way.
type cut struct {
	*memory
	cut bool
}

func (c *cut) drop(prefixes ...[]byte) error {
	if c.cut {
		return syscall.EIO
	}
	c.cut = true
	var keys []op
	for _, p := range prefixes {
		_ = c.scan(p, nil, func(key, _ []byte) bool { keys = append(keys, op{key: slices.Clone(key)}); return true })
	}
	return errors.Join(c.commit(keys[:len(keys)/2]), syscall.EIO)
}

// openOn opens a store on two databases.
func openOn(t *testing.T, registry, events kv, opts Options) *world {
	t.Helper()
	w := &world{t: t, Store: &Store{}}
	if err := w.Store.start(registry, events, opts.withDefaults()); err != nil {
		t.Fatal(err)
	}
	return w
}

func TestSegmentsThatWereNotDroppedAreNotReadAndDroppedLater(t *testing.T) {
	for _, broken := range []func(*memory) kv{
		func(m *memory) kv { return noDrop{m} },
		func(m *memory) kv { return &cut{memory: m} },
	} {
		registry, events := &memory{}, &memory{}
		opts := Options{EventsMaxBytes: 64 << 10} // segments of 16 kB
		w := openOn(t, registry, broken(events), opts)
		w.fill(200, 1000, time.Second)
		w.close()
		stored := rawKeys(t, events, prefixEvent)
		if stored < 100 {
			t.Fatalf("%d events are left: the test does not cut anything off", stored)
		}

		w = openOn(t, registry, broken(events), opts)
		ids, usage := w.ids(), w.Events().Usage()
		if len(ids) > 64 || len(ids) < 40 || usage.Events != uint64(len(ids)) || usage.Bytes > 64<<10 {
			t.Errorf("%d of %d events are read, usage is %+v", len(ids), stored, usage)
		}
		w.close()

		w = openOn(t, registry, events, opts)
		w.close()
		if got := rawKeys(t, events, prefixEvent); got != len(ids) {
			t.Errorf("%d events are in the database, want the %d that are read", got, len(ids))
		}
	}
}

func TestNothingIsForgottenUnlessTheMarkIsCommitted(t *testing.T) {
	f := &faults{}
	w := memoryWorld(t)
	w.open(Options{EventsMaxBytes: 8 << 20, commit: f.commit})
	w.fill(100, 1000, time.Second)
	f.set(syscall.EIO)
	w.open(Options{EventsMaxBytes: 1000, commit: f.commit}) // too small; the commit of the mark fails
	w.open(Options{EventsMaxBytes: 8 << 20})
	if got := len(w.ids()); got != 100 {
		t.Errorf("the log holds %d events, want 100", got)
	}
	w.close()
}

func TestAccountsAreMadeAnewWhenTheyAreLost(t *testing.T) {
	events := &memory{}
	opts := Options{EventsMaxBytes: 64 << 20}
	w := openOn(t, &memory{}, events, opts)
	w.fill(3000, 1000, time.Second) // segments 0, 1 and 2
	want := w.Events().Usage()
	w.close()
	if rawKeys(t, events, prefixSegment) < 2 {
		t.Fatal("there are no accounts to lose")
	}
	for _, damage := range [][]op{
		{{key: segmentKey(0)}},
		{{segmentKey(1), []byte("{")}},
		{(&segment{Number: 2, First: 1, Last: 1, Events: 1}).op()}, // the last one's is older than its events
	} {
		if err := events.commit(damage); err != nil {
			t.Fatal(err)
		}
		w := openOn(t, &memory{}, events, opts)
		wantSame(t, w.Events().Usage(), want)
		w.close()
	}
}

func TestADamagedMarkIsNotOpened(t *testing.T) {
	events := &memory{}
	if err := events.commit([]op{{[]byte(keyMark), []byte("{")}}); err != nil {
		t.Fatal(err)
	}
	if _, err := newLog(events, events.commit, Options{}.withDefaults()); err == nil {
		t.Error("it opens")
	}
}

func TestDamagedEventsArePassedOver(t *testing.T) {
	events := &memory{}
	l := must(newLog(events, events.commit, Options{Logger: slog.New(slog.DiscardHandler)}.withDefaults()))
	w := &world{t: t, Store: &Store{events: l}}
	if err := w.append(sampleEvent(1), sampleEvent(2), sampleEvent(3)); err != nil {
		t.Fatal(err)
	}
	damaged := op{appendEventKey(nil, 0, 2), []byte{eventVersion}}
	if err := events.commit([]op{damaged, {[]byte{prefixEvent, 0, 0, 0, 0, 9}, nil}, {[]byte{prefixEvent, 0, 0, 0, 0, 9}, []byte{1}}}); err != nil {
		t.Fatal(err)
	}
	if got := w.ids(); !slices.Equal(got, []cloud.EventID{1, 3}) {
		t.Errorf("the log reads %v, want 1 and 3", got)
	}
	if err := l.Close(); err != nil {
		t.Error(err)
	}
	l = must(newLog(events, events.commit, Options{}.withDefaults()))
	if got := l.Last(); got != 3 {
		t.Errorf("Last is %v, want 3", got)
	}
	if err := l.Close(); err != nil {
		t.Error(err)
	}
}

func TestExcess(t *testing.T) {
	hour := func(n uint64, bytes int64) segment { return segment{Events: n, Bytes: bytes, Span: time.Hour} }
	three := []segment{hour(1, 100), hour(1, 100), hour(1, 100)}
	for _, test := range []struct {
		name     string
		bounds   bounds
		segments []segment
		want     int
	}{
		{"all fits", bounds{age: 3 * time.Hour, bytes: 300}, three, 0},
		{"one byte too many", bounds{age: 3 * time.Hour, bytes: 299}, three, 1},
		{"much too large", bounds{age: 3 * time.Hour, bytes: 100}, three, 2},
		{"even the last is too large", bounds{age: 3 * time.Hour, bytes: 99}, three, 3},
		{"the oldest is two hours old", bounds{age: 2*time.Hour - 1, bytes: 300}, three, 1},
		{"the newest is never old", bounds{age: 0, bytes: 300}, three, 2},
		{"no bounds", bounds{age: -1, bytes: -1}, three, 0},
		{"an empty one stays", bounds{age: 0, bytes: 0}, []segment{{}}, 0},
	} {
		if got := test.bounds.excess(test.segments); got != test.want {
			t.Errorf("%s: excess is %d, want %d", test.name, got, test.want)
		}
	}
}

func TestStep(t *testing.T) {
	const day = cloud.EventID(24 * time.Hour / time.Microsecond)
	for _, test := range []struct {
		before, after cloud.EventID
		want          time.Duration
	}{
		{0, day, 0}, // the first event
		{5, 6, time.Microsecond},
		{5, 5 + day, 24 * time.Hour},
		{5, 6 + day, 0},
		{1, 1<<64 - 1, 0},
		{6, 5, 0},
	} {
		if got := step(test.before, test.after); got != test.want {
			t.Errorf("step(%v, %v) = %v, want %v", test.before, test.after, got, test.want)
		}
	}
}
