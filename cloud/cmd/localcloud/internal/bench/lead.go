package bench

import (
	"context"
	"sync/atomic"
)

// ahead is how many events a publisher may be ahead of the slowest listener. A
// stream's queue at the server holds more, so none overflows.
const ahead = 64

// lead keeps a publisher from running away from its listeners. Each of them has to
// get every event, in order.
type lead struct {
	listeners int64
	places    chan struct{}       // one taken for each event that somebody lacks
	lacking   [ahead]atomic.Int64 // how many lack it, by number
}

func newLead(listeners int) *lead {
	return &lead{listeners: int64(listeners), places: make(chan struct{}, ahead)}
}

// take waits until event n may be published; false when ctx has ended.
func (l *lead) take(ctx context.Context, n uint64) bool {
	select {
	case l.places <- struct{}{}:
		l.lacking[n%ahead].Store(l.listeners)
		return true
	case <-ctx.Done():
		return false
	}
}

// arrived notes that one more listener has got event n.
func (l *lead) arrived(n uint64) {
	if l.lacking[n%ahead].Add(-1) == 0 {
		<-l.places
	}
}

// giveBack takes back a take whose event was not published.
func (l *lead) giveBack() { <-l.places }
