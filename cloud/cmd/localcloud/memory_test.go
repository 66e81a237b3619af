package main

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

func TestMemoryIsGivenBackWhenAStormIsOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var online, releases atomic.Int64
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			relax(ctx, func() int { return int(online.Load()) }, func() { releases.Add(1) })
		}()
		for _, step := range []struct {
			what     string
			online   int64
			releases int64 // that there were in all, three looks later
		}{
			{"nobody is there", 0, 0},
			{"a few come", 99, 0},
			{"a fleet comes", 10_000, 2},
			{"it stays", 10_050, 2},
			{"some more come", 12_000, 2},
			{"all are gone", 0, 4},
		} {
			online.Store(step.online)
			time.Sleep(3*memoryLook + memoryLook/2)
			synctest.Wait()
			if got := releases.Load(); got != step.releases {
				t.Errorf("%s: %d releases, want %d", step.what, got, step.releases)
			}
		}
		for range 20 { // they come all the time: it is not over
			online.Add(500)
			time.Sleep(memoryLook)
			synctest.Wait()
		}
		if got := releases.Load(); got != 4 {
			t.Errorf("%d releases in the middle of a storm", got-4)
		}
		cancel()
		<-ended
	})
}
