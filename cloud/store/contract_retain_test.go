package store

import (
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"localcloud/cloud"
)

func usageCounts(t *testing.T, w *world) {
	wantSame(t, w.Events().Usage(), Usage{})
	w.open(Options{EventsMaxBytes: 64 << 20}) // segments of 1 MB
	w.fill(3000, 1000, time.Second)
	ids := w.ids()
	want := Usage{Events: 3000, Oldest: ids[0], Newest: ids[2999]}
	for range 2 {
		got := w.Events().Usage()
		if got.Bytes < 3000*1000 || got.Bytes > 3000*1060 {
			t.Errorf("%d bytes", got.Bytes)
		}
		want.Bytes = got.Bytes
		wantSame(t, got, want)
		w.open(Options{EventsMaxBytes: 64 << 20})
		wantSame(t, w.Events().Usage(), want)
		w.fill(1, 1000, time.Second)
		want.Events, want.Newest = want.Events+1, w.Events().Last()
	}
}

func retainSize(t *testing.T, w *world) {
	const most = 2 << 20
	w.open(Options{EventsMaxBytes: most})
	for range 6 {
		w.fill(1000, 1000, time.Second)
		w.open(Options{EventsMaxBytes: most}) // it forgets after it has acknowledged
		ids := w.ids()
		u := w.Events().Usage()
		if u.Bytes > most || u.Events != uint64(len(ids)) || u.Oldest != ids[0] || u.Newest != ids[len(ids)-1] {
			t.Fatalf("usage is %+v, the log holds %d events from %v to %v", u, len(ids), ids[0], ids[len(ids)-1])
		}
	}
	u := w.Events().Usage()
	if u.Bytes < most*9/10 || u.Newest != w.Events().Last() {
		t.Errorf("too much is forgotten: %+v", u)
	}
	if w.onDisk != "" {
		w.close()
		if got := sizeOf(t, w.onDisk, ".sst"); got > most*5/4 {
			t.Errorf("%d bytes on disk for %d of events", got, u.Bytes)
		}
	}
	w.open(Options{EventsMaxBytes: most})
	wantSame(t, w.Events().Usage(), u)
}

// sizeOf adds up the files below a directory with that ending.
func sizeOf(t *testing.T, dir, ending string) int64 {
	t.Helper()
	var size int64
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, ending) {
			return err
		}
		info, err := entry.Info()
		if err == nil {
			size += info.Size()
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return size
}

func retainAge(t *testing.T, w *world) {
	opts := Options{EventsMaxAge: 10 * time.Hour}
	w.open(opts)
	w.fill(300, 10, 6*time.Minute) // 30 hours
	for range 2 {
		w.open(opts) // it forgets after it has acknowledged
		u := w.Events().Usage()
		kept := u.Newest.Time().Sub(u.Oldest.Time())
		// An event more and an event less, and a segment, which has 10 hours / 64.
		if kept < 10*time.Hour-12*time.Minute || kept > 10*time.Hour+24*time.Minute {
			t.Errorf("%v are kept, want 10h: %+v", kept, u)
		}
		if got := len(w.ids()); uint64(got) != u.Events {
			t.Errorf("the log holds %d events, usage is %+v", got, u)
		}
	}
}

func retainClockJump(t *testing.T, w *world) {
	opts := Options{EventsMaxAge: 10 * time.Hour}
	w.open(opts)
	w.fill(50, 10, 6*time.Minute)
	w.fill(1, 10, 14*365*24*time.Hour) // the clock shows another year
	w.fill(50, 10, time.Microsecond)   // it is right again, ids are last + 1
	if got := len(w.ids()); got != 101 {
		t.Errorf("the log holds %d events, want all 101", got)
	}
	w.open(opts)
	w.fill(50, 10, 6*time.Minute)
	if got := len(w.ids()); got != 151 {
		t.Errorf("the log holds %d events, want all 151", got)
	}
	w.fill(150, 10, 6*time.Minute)
	w.open(opts)
	if got := w.Events().Usage().Events; got > 110 {
		t.Errorf("the log holds %d events, those of 10 hours are 100", got)
	}
}

func retainAll(t *testing.T, w *world) {
	opts := Options{EventsMaxBytes: 1}
	w.open(opts)
	for range 3 {
		w.fill(10, 10, time.Second)
		last := w.Events().Last()
		w.open(opts)
		if got := w.ids(); got != nil {
			t.Errorf("the log holds %v, want nothing", got)
		}
		if got := w.Events().Last(); got != last {
			t.Errorf("Last is %v, want %v", got, last)
		}
		wantSame(t, w.Events().Usage(), Usage{})
	}
}

func retainSmaller(t *testing.T, w *world) {
	w.open(Options{EventsMaxBytes: 8 << 20})
	w.fill(4000, 1000, time.Second)
	last := w.Events().Last()
	w.open(Options{EventsMaxBytes: 1 << 20})
	w.fill(1, 10, time.Second) // what is too much goes before it is acknowledged
	u := w.Events().Usage()
	ids := w.ids()
	if u.Bytes > 1<<20 || u.Events != uint64(len(ids)) || len(ids) < 100 {
		t.Errorf("usage is %+v, the log holds %d events", u, len(ids))
	}
	if !slices.Contains(ids, last) {
		t.Error("the newest event went first")
	}
}

func retainUnbounded(t *testing.T, w *world) {
	w.open(Options{EventsMaxAge: -1, EventsMaxBytes: -1})
	w.fill(500, 1000, 23*time.Hour)
	if got := len(w.ids()); got != 500 {
		t.Errorf("the log holds %d events, want 500", got)
	}
}

func retainChanged(t *testing.T, w *world) {
	w.open(Options{EventsMaxAge: 10 * time.Hour})
	w.fill(100, 10, 6*time.Minute) // 10 hours
	w.Events().SetBounds(2*time.Hour, 0)
	for began := time.Now(); w.Events().Usage().Events > 30; time.Sleep(time.Millisecond) {
		if time.Since(began) > 10*time.Second {
			t.Fatalf("the log still holds %+v", w.Events().Usage())
		}
	}
	w.Events().SetBounds(-1, -1)
	w.fill(100, 10, 6*time.Minute)
	if u := w.Events().Usage(); u.Events < 120 {
		t.Errorf("without bounds the log holds %+v", u)
	}
	w.Events().SetBounds(0, 0)
	if age, bytes := w.Events().Bounds(); age != DefaultEventsMaxAge || bytes <= 0 || bytes > DefaultEventsMaxBytes {
		t.Errorf("what is usual is %v and %d bytes", age, bytes)
	}
}

func retainRemembered(t *testing.T, w *world) {
	w.fill(100, 10, 3*time.Hour) // 300 hours, more than is usual
	must(w.Registry().UpdateSettings(func(s *cloud.Settings) error {
		s.EventsMaxAge, s.EventsMaxBytes = 30*24*time.Hour, 2<<20
		return nil
	}))
	for _, test := range []struct {
		opts  Options
		age   time.Duration
		bytes int64
	}{
		{Options{}, 30 * 24 * time.Hour, 2 << 20},
		{Options{EventsMaxBytes: -1}, 30 * 24 * time.Hour, -1},
		{Options{EventsMaxAge: 400 * time.Hour}, 400 * time.Hour, 2 << 20},
	} {
		w.open(test.opts)
		if age, bytes := w.Events().Bounds(); age != test.age || bytes != test.bytes {
			t.Errorf("%+v: bounds are %v, %d", test.opts, age, bytes)
		}
	}
}
