package store

import (
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"localcloud/cloud"
)

func TestModesAreReadAndWritten(t *testing.T) {
	for _, text := range []string{"disk", "interval=30s", "memory", "off"} {
		if m, err := ParseMode(text); err != nil || m.String() != text || (m.Acknowledged() == "synced") != (text == "disk") {
			t.Errorf("%s is %v (%s), %v", text, m, m.Acknowledged(), err)
		}
	}
	for _, text := range []string{"", "disc", "interval", "interval=", "interval=0s", "interval=2h", "memory=1", "off=1s", "disk="} {
		if m, err := ParseMode(text); err == nil {
			t.Errorf("%q is %v", text, m)
		}
	}
}

// No event is written in these modes, nor anything else while devices publish.
func TestNothingIsWrittenWithMemoryAndOff(t *testing.T) {
	for _, text := range []string{"memory", "off"} {
		f := &faults{}
		w := diskWorld(t)
		opts := Options{Events: must(ParseMode(text)), EventsMaxBytes: 64 << 10, commit: f.commit}
		w.open(opts)
		at := cloud.EventIDAt(time.Now())
		for n := range cloud.EventID(1000) {
			if err := w.append(sampleEvent(at + n)); err != nil {
				t.Fatal(err)
			}
		}
		last := w.Events().Last()
		if got := f.commits.Load(); got != 0 {
			t.Errorf("%s: %d commits for 1000 events", text, got)
		}
		ids, u := w.ids(), w.Events().Usage()
		if text == "memory" && (len(ids) < 100 || len(ids) > 1000 || ids[len(ids)-1] != last || u.Bytes > 64<<10) || text == "off" && len(ids) > 0 {
			t.Errorf("%s: %d events are kept, usage %+v", text, len(ids), u)
		}
		if st := w.Status(); st.Mode != text || st.Acknowledged != "accepted" {
			t.Errorf("%s: status is %+v", text, st)
		}
		crashed := copyDir(t, w.onDisk)
		w.open(opts)
		if got := w.Events().Last(); got != last || len(w.ids()) != 0 {
			t.Errorf("%s: Last is %v after a restart, was %v", text, got, last)
		}
		w.close()
		opts.NoSync = true
		for _, mode := range []string{text, "disk"} { // the crash, and a change of mode
			opts.Events = must(ParseMode(mode))
			s := must(Open(crashed, opts))
			if got := s.Events().Last(); got < last || got > last+2*idsAhead {
				t.Errorf("%s, then %s: Last is %v after a crash, was %v", text, mode, got, last)
			}
			must(0, s.Close())
		}
	}
}

func TestIntervalAcknowledgesAtOnceAndWritesLater(t *testing.T) {
	w := diskWorld(t)
	f := &faults{}
	opts := Options{Events: must(ParseMode("interval=1h")), commit: f.commit}
	w.open(opts)
	w.fill(300, 100, time.Second)
	if got := f.commits.Load(); got != 0 {
		t.Errorf("%d commits before the hour is over", got)
	}
	want := w.ids() // who catches up gets what is not written, too
	if len(want) != 300 || !slices.IsSorted(want) {
		t.Errorf("%d events can be read", len(want))
	}
	w.open(opts)
	wantSame(t, w.ids(), want)
	w.fill(200, 30_000, time.Second) // more than may wait
	if f.commits.Load() < 4 {
		t.Error("what waits is not bounded")
	}
	if got := w.ids(); len(got) != 500 || len(slices.Compact(got)) != 500 {
		t.Errorf("%d events can be read, want 500, each once", len(got))
	}
	w.close()
}

func TestIntervalWritesWhenItIsTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var commits atomic.Int64
		db := &memory{}
		late := &delayed{db: db, write: func(ops []op) error { commits.Add(1); return db.commit(ops) }}
		opts := Options{Events: must(ParseMode("interval=30s"))}.withDefaults()
		l := must(newLogAt(logPlace{flush: late.flush}, late, late.commit, opts))
		w := &world{t: t, Store: &Store{events: l}}
		w.fill(10, 10, time.Second)
		time.Sleep(29 * time.Second)
		if got := commits.Load(); got != 0 {
			t.Errorf("%d commits after 29s", got)
		}
		time.Sleep(2 * time.Second)
		if got := rawKeys(t, db, prefixEvent); got != 10 || commits.Load() != 1 {
			t.Errorf("%d events are written in %d commits after 31s", got, commits.Load())
		}
		must(0, l.Close())
	})
}

func TestAnErrorOfTheDiskMakesTheLogReadOnly(t *testing.T) {
	f := &faults{}
	var logged strings.Builder
	var mu sync.Mutex
	w := diskWorld(t)
	w.open(Options{commit: f.commit, Logger: textLogger(&mu, &logged)})
	w.fill(10, 10, time.Second)
	f.set(syscall.EIO)
	last := w.Events().Last()
	wantKind2(t, w.append(sampleEvent(last+1)), cloud.Other)
	f.set(nil)
	before := f.commits.Load()
	for n := range cloud.EventID(5) {
		wantKind2(t, w.append(sampleEvent(last+2+n)), cloud.Other)
	}
	if got := f.commits.Load(); got != before {
		t.Errorf("%d commits are tried after the error", got-before)
	}
	st := w.Status()
	if !strings.Contains(st.ReadOnly, syscall.EIO.Error()) || st.Failed != 6 || len(st.Warnings()) != 1 || len(w.ids()) != 10 {
		t.Errorf("status is %+v", st)
	}
	w.update(1, func(*cloud.Device) {})
	w.open(Options{})
	if st := w.Status(); st.ReadOnly != "" || len(w.ids()) != 10 {
		t.Errorf("after a restart status is %+v", st)
	}
	w.fill(1, 10, time.Second)
	w.close()
	if got := strings.Count(logged.String(), "level=ERROR"); got != 1 {
		t.Errorf("%d errors are logged, want one:\n%s", got, logged.String())
	}
}
