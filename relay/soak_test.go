//go:build soak

package relay

import (
	"runtime"
	"strings"
	"testing"
)

// Ten million lines leave nothing behind.
func TestTenMillionLinesInFlatMemory(t *testing.T) {
	const lines, rounds, atOnce = 10_000_000, 10, 1000
	w := newWorld(t)
	d := w.device(photon)
	fast := w.count("/data", lines)
	w.watch("/data/kitchen") // is not read: it loses, and holds nobody up
	w.eventually("both watch", func() bool { return w.relay.figures().Viewers == 2 })
	text := strings.Repeat("1.234,-5.678,270.125,12.250,1013.25,21.5\n", atOnce)
	var first int64
	for round := range rounds {
		for range lines / rounds / atOnce {
			d.say(text)
		}
		sent := uint64((round + 1) * lines / rounds)
		w.eventually("the lines are here", func() bool { return w.relay.figures().Lines == sent })
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		t.Logf("%d lines: heap %d KiB, %d goroutines", sent, m.HeapAlloc>>10, runtime.NumGoroutine())
		if first == 0 {
			first = int64(m.HeapAlloc)
		}
		if grown := int64(m.HeapAlloc) - first; grown > 8<<20 {
			t.Errorf("after %d lines the heap has grown by %d bytes", sent, grown)
		}
	}
	<-fast.done
	t.Logf("the fast viewer saw %d lines and lost %d", fast.lines, fast.lost)
	if fast.lines+fast.lost != lines {
		t.Errorf("%d lines are missing without a word", lines-fast.lines-fast.lost)
	}
}
