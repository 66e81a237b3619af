package main

import (
	"context"
	"os"
	"runtime/debug"
	"runtime/metrics"
	"time"
)

// How much the heap grows, in percent of what is in use, before it is collected. Go's own 100 leaves holes as large again
// between what a storm of devices leaves behind. With little to do, collections cost nothing that anybody notices, and what is
// not collected is most of what an idle device seems to take; with much to do they would cost a tenth of a core.
const (
	garbageBusy  = 50
	garbageQuiet = 15
)

const (
	paceLook  = time.Second
	paceBusy  = 2  // collections in one look that are too many
	paceQuiet = 10 // looks in a row
	paceFew   = 3  // collections in those, with which there is little to do; thousands of idle devices make one or two
)

// ownPace reports whether the pace of collections is ours to choose: the owner of the process has not set GOGC.
func ownPace() bool { return os.Getenv("GOGC") == "" }

// pace chooses how often garbage is collected by how much there is to do, until ctx ends. cycles counts collections; release gives
// memory back when there was much to do and is no more.
func pace(ctx context.Context, cycles func() uint64, set func(percent int) (before int), release func()) {
	ticker := time.NewTicker(paceLook)
	defer ticker.Stop()
	set(garbageQuiet)
	busy, before := false, cycles()
	looks, began := 0, before // those in a row, and what there was at their beginning
	for {
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return
		}
		now := cycles()
		if !busy && now-before >= paceBusy {
			busy, looks, began = true, 0, now
			set(garbageBusy)
		}
		if looks++; busy && looks > paceQuiet {
			if now-began <= paceFew {
				busy = false
				set(garbageQuiet)
				release()
			}
			looks, began = 0, now
		}
		before = now
	}
}

// collections returns how often garbage was collected since the process began because there was enough of it. Those that
// release asks for do not count: they would look like much to do.
func collections() uint64 {
	sample := []metrics.Sample{{Name: "/gc/cycles/automatic:gc-cycles"}}
	metrics.Read(sample)
	return sample[0].Value.Uint64()
}

// keepPace runs pace for this process.
func keepPace(ctx context.Context) {
	if ownPace() {
		pace(ctx, collections, debug.SetGCPercent, releaseMemory)
	}
}
