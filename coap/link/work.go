package link

import (
	"context"
	"errors"
	"runtime"
	"sync"
	"time"
)

// Bounds of the queue for RSA work. A device waits 20 seconds for the answer to its block, which takes two turns.
const (
	// calmWait is how long the queue may be, in time, while new connections are still taken.
	calmWait = 4 * time.Second
	// longestWait is how long a block may have to wait for its first turn. One that would wait longer is refused at once.
	longestWait = 8 * time.Second
)

// errBusy refuses a handshake that could not end in time.
var errBusy = errors.New("link: too many handshakes at once")

// work is the queue for the server's RSA operations: first come, first served, as many at once as there are processors.
// Everything else that the server does then finds a processor within a scheduler's slice, however many devices return.
type work struct {
	places chan struct{} // one for each operation under way; those who wait are served in order

	mu      sync.Mutex
	waiting int
	cost    time.Duration // of one piece of work, a moving average
	calmed  chan struct{} // closed when the queue is short again; nil while it is
}

func newWork() *work { return &work{places: make(chan struct{}, runtime.GOMAXPROCS(0))} }

// enter blocks until there is a place, the context ends, or longestWait is over; when that is certain already, it does
// not wait. The caller leaves with the returned function.
func (w *work) enter(ctx context.Context) (leave func(), err error) {
	if !w.queue() {
		return nil, errBusy
	}
	ctx, cancel := context.WithTimeoutCause(ctx, longestWait, errBusy)
	defer cancel()
	return w.wait(ctx)
}

// goOn is enter for the second piece of work of a handshake: one that has begun is not refused.
func (w *work) goOn(ctx context.Context) (leave func(), err error) {
	w.mu.Lock()
	w.waiting++
	w.mu.Unlock()
	return w.wait(ctx)
}

func (w *work) wait(ctx context.Context) (leave func(), err error) {
	select {
	case w.places <- struct{}{}:
	case <-ctx.Done():
		w.unqueue(0)
		return nil, context.Cause(ctx)
	}
	begun := time.Now()
	return func() {
		<-w.places
		w.unqueue(time.Since(begun))
	}, nil
}

func (w *work) queue() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.waitLocked() > longestWait {
		return false
	}
	w.waiting++
	if w.calmed == nil && w.waitLocked() > calmWait {
		w.calmed = make(chan struct{})
	}
	return true
}

// unqueue takes one out, whose work took that long; 0 when it did none.
func (w *work) unqueue(took time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.waiting--
	if took > 0 {
		w.cost += (took - w.cost) / 8
	}
	if w.calmed != nil && w.waitLocked() <= calmWait {
		close(w.calmed)
		w.calmed = nil
	}
}

// waitLocked is how long a block that came now would wait.
func (w *work) waitLocked() time.Duration {
	return time.Duration(w.waiting) * w.cost / time.Duration(cap(w.places))
}

// calm blocks while the queue is long, or until ctx ends.
func (w *work) calm(ctx context.Context) error {
	for {
		w.mu.Lock()
		calmed := w.calmed
		w.mu.Unlock()
		if calmed == nil {
			return ctx.Err()
		}
		select {
		case <-calmed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
