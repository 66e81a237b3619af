package store

import (
	"sync/atomic"
	"testing"
	"time"
)

func TestTheLogLeavesRoomForWhatSharesItsBound(t *testing.T) {
	var free, beside atomic.Int64
	free.Store(1 << 40)
	w := diskWorld(t)
	w.open(Options{EventsMaxBytes: 4 << 20, free: func(string) (int64, bool) { return free.Load(), true }})
	w.fill(390, 10_000, time.Second) // 3.9 MB
	w.Share(beside.Load)
	for _, step := range []struct{ beside, most int64 }{
		{1 << 20, 3 << 20}, {3 << 20, 2 << 20}, // never more than half
	} {
		beside.Store(step.beside)
		for range 2 { // the first is answered before the log looks at what it keeps
			if err := w.append(sampleEvent(w.Events().Last() + 1)); err != nil {
				t.Fatal(err)
			}
		}
		if got := w.Events().Usage().Bytes; got > step.most || got < step.most-400_000 {
			t.Errorf("with %d bytes beside it the log has %d", step.beside, got)
		}
	}
	need := w.Status().Reserve + shareMargin
	for _, test := range []struct{ free, held, want int64 }{
		{1 << 40, 0, 2 << 20}, {1 << 40, 5 << 20, 2 << 20}, {need + 1000, 500, 1500}, {need - 400, 500, 100}, {need - 600, 500, 0},
	} {
		free.Store(test.free)
		if got := w.Room(test.held); got != test.want {
			t.Errorf("with %d bytes free and %d held there is room for %d, want %d", test.free, test.held, got, test.want)
		}
	}
	w.close()

	free.Store(1 << 30)
	w.open(Options{EventsMaxBytes: -1, free: func(string) (int64, bool) { return free.Load(), true }})
	if got, tenth := w.Room(0), w.space.logBytes(); got != tenth/2 {
		t.Errorf("beside a log without a bound there is room for %d, want half of %d", got, tenth)
	}
	w.close()
}
