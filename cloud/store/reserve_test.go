package store

import (
	"errors"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"localcloud/cloud"
)

type lockedWriter struct {
	mu *sync.Mutex
	w  io.Writer
}

func (l lockedWriter) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.w.Write(b)
}

func textLogger(mu *sync.Mutex, w io.Writer) *slog.Logger {
	return slog.New(slog.NewTextHandler(lockedWriter{mu, w}, nil))
}

func TestBelowTheReserveTheOldestGoesAndThenPublishesAreRefused(t *testing.T) {
	var free atomic.Int64
	free.Store(1 << 40)
	w := diskWorld(t)
	opts := Options{EventsMaxBytes: 4 << 20, free: func(string) (int64, bool) { return free.Load(), true }}
	w.open(opts)
	w.fill(300, 10_000, time.Second) // 3 MB
	w.update(1, func(*cloud.Device) {})
	need := w.Status().Reserve
	before := w.Events().Usage()

	free.Store(need - 100_000) // the oldest segments are enough, by their size
	wantKind(t, w.append(sampleEvent(w.Events().Last()+1)), cloud.NoSpace)
	shed := w.Events().Usage()
	if gone := before.Bytes - shed.Bytes; gone < 100_000 || gone > 300_000 || shed.Oldest <= before.Oldest {
		t.Errorf("%d bytes are dropped, want some 100000", gone)
	}
	free.Store(need - 1<<30) // nothing is
	wantKind(t, w.append(sampleEvent(w.Events().Last()+1)), cloud.NoSpace)
	if got := w.Events().Usage(); got.Events != shed.Events || got.Failed != 2 {
		t.Errorf("usage is %+v, was %+v", got, shed)
	}

	free.Store(need - 1)
	r := w.Registry()
	_, err := r.UpdateDevice(id(2), func(*cloud.Device, bool) error { return nil })
	wantKind(t, err, cloud.NoSpace)
	if err := r.RemoveDevice(id(1)); err != nil {
		t.Errorf("a removal is refused: %v", err)
	}
	if got := w.Status().Warnings(); len(got) != 1 || !strings.Contains(got[0], "nearly full") {
		t.Errorf("warnings are %q", got)
	}
	free.Store(need)
	if err := w.append(sampleEvent(w.Events().Last() + 1)); err != nil {
		t.Errorf("with room again: %v", err)
	}
	w.close()

	free.Store(1 << 20)
	if s, err := Open(w.onDisk, Options{NoSync: true, free: opts.free}); err == nil {
		s.Close()
		t.Error("it opens on a full disk")
	} else if cloud.KindOf(err) != cloud.NoSpace || !strings.Contains(err.Error(), "1.0 MB are free") || !strings.Contains(err.Error(), "delete") {
		t.Errorf("error %q", err)
	}
}

func TestTheLogTakesATenthOfASmallDisk(t *testing.T) {
	w := diskWorld(t)
	for _, test := range []struct{ free, set, want int64 }{
		{200 << 20, 0, 20 << 20}, {1 << 40, 0, DefaultEventsMaxBytes}, {200 << 20, 100 << 20, 100 << 20}, {200 << 20, -1, -1},
	} {
		w.open(Options{EventsMaxBytes: test.set, free: func(string) (int64, bool) { return test.free, true }})
		if got := w.Events().bounds.bytes; got != test.want {
			t.Errorf("%+v: the bound is %d", test, got)
		}
	}
	w.close()
}

func TestTheBallastIsGivenUpWhenOthersFillTheDisk(t *testing.T) {
	var free atomic.Int64
	free.Store(1 << 40)
	dir := t.TempDir()
	r := newReserve(dir, Options{free: func(string) (int64, bool) { return free.Load(), true }})
	for _, step := range []struct {
		free int64
		held bool
	}{{1 << 40, true}, {r.toCommit - r.ballast, true}, {0, false}, {r.toCommit - 1, false}, {r.toCommit, true}} {
		free.Store(step.free)
		if err := r.settle(); err != nil {
			t.Fatal(err)
		}
		info, err := os.Stat(filepath.Join(dir, ballastName))
		if (err == nil) != step.held || r.held.Load() != step.held || step.held && info.Size() < r.ballast {
			t.Errorf("%d free: the ballast is %v, %v", step.free, info, err)
		}
	}
	if other := newReserve(dir, Options{free: freeSpace}); !other.held.Load() {
		t.Error("a later start does not know of the ballast")
	}
}

var errNoTmpfs = errors.New("no small file system could be mounted")
