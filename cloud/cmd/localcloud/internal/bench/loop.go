package bench

import (
	"context"
	"sync"
	"sync/atomic"
	"time"
)

// warmUp is how long a load runs before it is measured.
const warmUp = time.Second

// loop keeps a number of requests under way: each of so many workers begins
// the next when it has the answer to the last.
type loop struct {
	workers []func(ctx context.Context) error // one request each
	cloud   *Cloud                            // whose server is measured

	took   *latency
	done   atomic.Int64
	failed atomic.Int64
	last   atomic.Pointer[error]
	spent  spent
}

// measure runs the loop for d after the warm-up, or until ctx ends.
func (l *loop) measure(ctx context.Context, d time.Duration) {
	l.took = newLatency()
	ctx, stop := context.WithCancel(ctx)
	var counting atomic.Bool
	var workers sync.WaitGroup
	for _, request := range l.workers {
		workers.Go(func() {
			for ctx.Err() == nil {
				l.one(ctx, &counting, request)
			}
		})
	}
	wait(ctx, min(warmUp, d))
	counting.Store(true)
	span := l.cloud.begin()
	wait(ctx, d)
	counting.Store(false)
	l.spent = span.end()
	stop()
	workers.Wait()
}

// one makes one request and counts it if it began and ended while that was wanted.
func (l *loop) one(ctx context.Context, counting *atomic.Bool, request func(context.Context) error) {
	wanted, began := counting.Load(), time.Now()
	err := request(ctx)
	if !wanted || !counting.Load() || ctx.Err() != nil {
		return
	}
	if err != nil {
		l.failed.Add(1)
		l.last.Store(&err)
		wait(ctx, 10*time.Millisecond) // not as fast as it goes
		return
	}
	l.took.record(time.Since(began))
	l.done.Add(1)
}

// rate returns requests a second.
func (l *loop) rate() float64 { return float64(l.done.Load()) / l.spent.elapsed.Seconds() }

// addFailures records failed requests.
func (r *run) addFailedRequests(name string, l *loop) {
	r.add(name+" that failed", float64(l.failed.Load()), "requests", aim("<=", 0))
	if err := l.last.Load(); err != nil {
		r.note("%s: a request failed: %v", r.name, *err)
	}
}
