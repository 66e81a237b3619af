package sink

import (
	"math/rand/v2"
	"time"

	"localcloud/cloud"
)

// Bounds of one hook.
const (
	perHook  = 4   // requests at once
	laneSize = 256 // events that wait, those for another try included; one more is dropped, and recorded

	maxInARow = 10          // failures, after which the hook sleeps
	sleepTime = time.Minute // and makes one try each
)

// retryDelays is how long a failed delivery waits for its next try, and so how many tries it gets.
var retryDelays = [...]time.Duration{2 * time.Second, 10 * time.Second, time.Minute}

// skipDelays is the same for one that was put off because its hook sleeps.
var skipDelays = [...]time.Duration{30 * time.Second, time.Minute}

const maxRetryAfter = 5 * time.Minute

// job is one event on its way to one hook.
type job struct {
	hook    cloud.HookID
	ev      *cloud.Event
	attempt int  // the next, from 1
	skips   int  // how often it was put off
	sent    bool // hook-sent is published
	errored bool // hook-error is published

	due time.Time // when it is tried again, by the cloud's clock; zero: at once
}

// lane is where the events for one hook wait. Guarded by Sink.mu.
type lane struct {
	running  int
	waiting  []*job
	later    map[*job]*time.Timer // those that wait for another try
	inARow   int                  // failures since the last success
	sleeping time.Time            // until then nothing is tried
	record   record
}

func (l *lane) asleep(now time.Time) bool { return now.Before(l.sleeping) }

func (s *Sink) laneLocked(id cloud.HookID) *lane {
	l := s.lanes[id]
	if l == nil {
		l = &lane{later: make(map[*job]*time.Timer)}
		s.lanes[id] = l
	}
	return l
}

// enqueue lets a job wait, and starts a worker if the hook may have another one.
func (s *Sink) enqueue(j *job) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.enqueueLocked(j)
}

func (s *Sink) enqueueLocked(j *job) {
	l := s.laneLocked(j.hook)
	if len(l.waiting)+len(l.later) >= laneSize {
		s.giveUpLocked(j, "too many events wait for this webhook")
		return
	}
	l.waiting = append(l.waiting, j)
	if l.running < perHook && !s.stopped {
		l.running++
		s.busy.Add(1)
		go s.work(l)
	}
}

// work delivers what waits in a lane until nothing does, or the cloud stops.
func (s *Sink) work(l *lane) {
	defer s.busy.Done()
	for j := s.next(l); j != nil; j = s.next(l) {
		s.slots <- struct{}{}
		s.deliver(l, j)
		<-s.slots
	}
}

func (s *Sink) next(l *lane) *job {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(l.waiting) == 0 || s.stopped {
		l.running--
		return nil
	}
	j := l.waiting[0]
	l.waiting = l.waiting[1:]
	return j
}

// deliver makes one try.
func (s *Sink) deliver(l *lane, j *job) {
	h, ok := s.Registry.Hook(j.hook)
	if !ok || h.Disabled { // meanwhile
		s.forget(j.hook, ok)
		return
	}
	d, failed := s.tryOnce(l, &h, j)
	if failed != nil && !j.errored && s.ctx.Err() == nil {
		j.errored = true
		s.sayError(s.ctx, &h, j.ev, failed.text)
	}
	s.finish(l, j, d, failed)
}

// forget removes what is kept of a hook that was removed.
func (s *Sink) forget(id cloud.HookID, exists bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if l := s.lanes[id]; l != nil && !exists {
		l.takeAll()
		delete(s.lanes, id)
	}
}

// tryOnce makes the request, unless the hook sleeps.
func (s *Sink) tryOnce(l *lane, h *cloud.Hook, j *job) (cloud.HookDelivery, *failure) {
	s.mu.Lock()
	asleep := l.asleep(time.Now())
	if !asleep && l.inARow >= maxInARow {
		l.sleeping = time.Now().Add(sleepTime) // for the others, while this one is tried
	}
	s.mu.Unlock()
	if asleep {
		d := deliveryOf(j, time.Now())
		d.Error = errAsleep.text
		return d, errAsleep
	}
	return s.attempt(s.ctx, h, j)
}

// finish records a try and decides whether there is another one.
func (s *Sink) finish(l *lane, j *job, d cloud.HookDelivery, failed *failure) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case failed == nil:
		l.inARow, l.sleeping = 0, time.Time{}
	case s.ctx.Err() != nil && failed.retry: // the stop cut it short: that is nobody's failure
		d.Result, d.Error = cloud.HookRetried, "the cloud stopped before there was an answer"
		l.waiting = append(l.waiting, j)
	default:
		s.countLocked(l, j, failed)
		if delay, again := j.again(failed); again {
			d.Result = cloud.HookRetried
			if failed == errAsleep {
				d.Result = cloud.HookSkipped
			}
			s.laterLocked(l, j, delay)
		}
	}
	l.record.add(d)
}

// countLocked notes a failure, after many of which the hook sleeps.
func (s *Sink) countLocked(l *lane, j *job, failed *failure) {
	if failed == errAsleep {
		return
	}
	if l.inARow++; l.inARow == maxInARow {
		l.sleeping = time.Now().Add(sleepTime)
		s.Logger.Warn("webhook sleeps after too many errors", "hook", string(j.hook), "errors", l.inARow, "err", failed.text)
	}
}

// again returns how long to wait for the next try, if there is one.
func (j *job) again(failed *failure) (time.Duration, bool) {
	if failed == errAsleep {
		j.skips++
		if j.skips > len(skipDelays) {
			return 0, false
		}
		return skipDelays[j.skips-1], true
	}
	if !failed.retry || j.attempt > len(retryDelays) {
		return 0, false
	}
	delay := max(retryDelays[j.attempt-1], min(failed.after, maxRetryAfter))
	j.attempt++
	return delay + rand.N(delay/5), true // so that what failed together does not come back together
}

func (s *Sink) laterLocked(l *lane, j *job, delay time.Duration) {
	j.due = s.Hub.Clock().Now().Add(delay)
	l.later[j] = time.AfterFunc(delay, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if _, waits := l.later[j]; waits {
			delete(l.later, j)
			j.due = time.Time{}
			s.enqueueLocked(j)
		}
	})
}
