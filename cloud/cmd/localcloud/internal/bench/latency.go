package bench

import (
	"sync"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// Bounds of a histogram, in microseconds. What is longer counts as the longest.
const (
	shortest = 1
	longest  = 60_000_000
	digits   = 3
)

// latency collects durations. It is safe for concurrent use.
type latency struct {
	mu sync.Mutex
	h  *hdrhistogram.Histogram
}

func newLatency() *latency { return &latency{h: hdrhistogram.New(shortest, longest, digits)} }

func (l *latency) record(d time.Duration) {
	v := min(max(d.Microseconds(), shortest), longest)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.h.RecordValue(v) // fails only for values out of bounds
}

// at returns the duration that a part of all, such as 0.99, does not exceed, in milliseconds.
func (l *latency) at(part float64) float64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return float64(l.h.ValueAtPercentile(100*part)) / 1e3
}

func (l *latency) count() int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.h.TotalCount()
}

// addLatency records what is usually asked of latencies. The aims may be nil.
func (r *run) addLatency(name string, l *latency, p50, p99 *Reference) {
	if l.count() == 0 {
		r.lack(name+", p50", "ms", "nothing happened")
		return
	}
	r.add(name+", p50", l.at(0.50), "ms", p50)
	r.add(name+", p99", l.at(0.99), "ms", p99)
	r.add(name+", max", l.at(1), "ms", nil)
}

// above returns how many took longer than d, as exactly as the histogram is.
func (l *latency) above(d time.Duration) (n int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, bar := range l.h.Distribution() {
		if bar.From > d.Microseconds() {
			n += bar.Count
		}
	}
	return n
}
