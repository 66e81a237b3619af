package main

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

func TestGarbageIsCollectedOftenOnlyWhileThereIsLittleToDo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var cycles atomic.Uint64
		var percent atomic.Int64
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			pace(ctx, cycles.Load, func(p int) int { return int(percent.Swap(int64(p))) })
		}()
		for _, step := range []struct {
			what  string
			looks int
			each  uint64 // collections in a look
			want  int64
		}{
			{"nothing happens", 5, 0, garbageQuiet},
			{"one collection now and then", 20, 1, garbageQuiet},
			{"a storm", 2, 3, garbageBusy},
			{"it goes on", 30, 1, garbageBusy},
			{"a pause", paceQuiet - 2, 0, garbageBusy},
			{"once more", 1, 1, garbageBusy},
			{"it is over", paceQuiet + 1, 0, garbageQuiet},
		} {
			for range step.looks {
				cycles.Add(step.each)
				time.Sleep(paceLook)
				synctest.Wait()
			}
			if got := percent.Load(); got != step.want {
				t.Errorf("%s: %d %%, want %d", step.what, got, step.want)
			}
		}
		cancel()
		<-ended
	})
}

func TestCollectionsAreCounted(t *testing.T) {
	before := collections()
	releaseMemory()
	if now := collections(); now <= before {
		t.Errorf("%d collections, before %d", now, before)
	}
}
