package main

import (
	"context"
	"runtime"
	"runtime/debug"
	"time"
)

const (
	memoryLook  = 5 * time.Second // how often relax looks
	memorySteps = 100             // devices more or less that make no difference
)

// beFrugal begins as if there were much to do; see pace.
func beFrugal() {
	if ownPace() {
		debug.SetGCPercent(garbageBusy)
	}
}

// relax gives memory back when many devices have come or gone and it is quiet again, until ctx ends. A
// storm needs several times what the same devices need when they are only connected: stacks that the first
// conversation made large, and garbage. Left alone, the process would keep it for
// minutes, and the system has better use for it on a small board. It is given back twice: at first some of it is still
// in use, for what the storm left to do.
func relax(ctx context.Context, online func() int, release func()) {
	ticker := time.NewTicker(memoryLook)
	defer ticker.Stop()
	before, released, again := 0, 0, false
	for {
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return
		}
		now := online()
		quiet, stormy := distance(now, before) <= now/100, distance(now, released) >= max(memorySteps, released/4)
		if quiet && (stormy || again) {
			release()
			released, again = now, stormy
		}
		before = now
	}
}

func distance(a, b int) int { return max(a-b, b-a) }

// releaseMemory collects twice, as each time a stack becomes smaller by half at most, and returns what is free to the system.
func releaseMemory() {
	runtime.GC()
	debug.FreeOSMemory()
}
