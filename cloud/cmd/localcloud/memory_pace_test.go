package main

import (
	"context"
	"runtime/debug"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

func TestGarbageIsCollectedOftenOnlyWhileThereIsLittleToDo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var cycles atomic.Uint64
		var percent, releases atomic.Int64
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			pace(ctx, cycles.Load, func(p int) int { return int(percent.Swap(int64(p))) }, func() { releases.Add(1) })
		}()
		for _, step := range []struct {
			what     string
			looks    int
			every    int // looks to one with collections
			each     uint64
			want     int64
			releases int64
		}{
			{"nothing happens", 5, 1, 0, garbageQuiet, 0},
			{"one collection now and then", 20, 1, 1, garbageQuiet, 0},
			{"a storm", 2, 1, 3, garbageBusy, 0},
			{"it goes on", 3 * paceQuiet, 1, 1, garbageBusy, 0},
			{"it is over, and some thousand devices idle", 3 * paceQuiet, 5, 1, garbageQuiet, 1},
			{"they stay", 3 * paceQuiet, 5, 1, garbageQuiet, 1},
		} {
			for i := range step.looks {
				if i%step.every == 0 {
					cycles.Add(step.each)
				}
				time.Sleep(paceLook)
				synctest.Wait()
			}
			if got := percent.Load(); got != step.want || releases.Load() != step.releases {
				t.Errorf("%s: %d %%, %d releases, want %d %%, %d", step.what, got, releases.Load(), step.want, step.releases)
			}
		}
		cancel()
		<-ended
	})
}

func TestCollectionsThatWeAskForDoNotCount(t *testing.T) {
	defer debug.SetGCPercent(debug.SetGCPercent(-1))
	before := collections()
	releaseMemory()
	if now := collections(); now != before {
		t.Errorf("%d collections, before %d", now, before)
	}
	debug.SetGCPercent(garbageQuiet)
	var garbage []byte
	for pieces := 0; collections() == before; pieces++ {
		if pieces > 4<<10 {
			t.Fatalf("no collection is counted after %d pieces of %d bytes", pieces, len(garbage))
		}
		garbage = make([]byte, 1<<20)
	}
}
