package virtual

import "sync"

// maxWaiting bounds what waits for the user's code. When it is full, what comes
// then is left out and counted as Missed: a function that is not called and not
// answered, an event that is not seen.
const maxWaiting = 256

// application runs the user's code, one piece after the other, on a goroutine
// that is there while there is something to run.
type application struct {
	mu      sync.Mutex
	queue   []func()
	running bool

	threads sync.WaitGroup
}

// do queues f. It is false when too much waits already. Only Run's goroutine
// calls it, so that nothing is queued once Run waits.
func (a *application) do(f func()) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.queue) >= maxWaiting {
		return false
	}
	a.queue = append(a.queue, f)
	if !a.running {
		a.running = true
		a.threads.Go(a.work)
	}
	return true
}

func (a *application) work() {
	for {
		f := a.next()
		if f == nil {
			return
		}
		f()
	}
}

func (a *application) next() func() {
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.queue) == 0 {
		a.queue, a.running = nil, false
		return nil
	}
	f := a.queue[0]
	a.queue[0] = nil
	a.queue = a.queue[1:]
	return f
}

// wait returns when everything that was queued has run.
func (a *application) wait() { a.threads.Wait() }
