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
	l := s.laneLocked(j.hook)
	switch {
	case s.stopped:
		return
	case len(l.waiting)+len(l.later) >= laneSize:
		d := deliveryOf(j, time.Now())
		d.Result, d.Error = cloud.HookDropped, "too many events wait for this webhook"
		l.record.add(d)
		return
	}
	l.waiting = append(l.waiting, j)
	if l.running < perHook {
		l.running++
		s.busy.Add(1)
		go s.work(l)
	}
}

// giveUp drops all that waits and returns how much it was.
func (l *lane) giveUp() int {
	n := len(l.waiting) + len(l.later)
	for _, timer := range l.later {
		timer.Stop()
	}
	l.waiting, l.later = nil, make(map[*job]*time.Timer)
	return n
}

// work delivers what waits in a lane until nothing does.
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
	if len(l.waiting) == 0 {
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
		l.giveUp()
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
	case failed == errAsleep:
	default:
		if l.inARow++; l.inARow == maxInARow {
			l.sleeping = time.Now().Add(sleepTime)
			s.Logger.Warn("webhook sleeps after too many errors", "hook", string(j.hook), "errors", l.inARow, "err", failed.text)
		}
	}
	if failed != nil {
		delay, again := j.again(failed)
		switch {
		case s.stopped:
			d.Result = cloud.HookDropped
		case again && failed == errAsleep:
			d.Result = cloud.HookSkipped
		case again:
			d.Result = cloud.HookRetried
		}
		if again && !s.stopped {
			s.laterLocked(l, j, delay)
		}
	}
	l.record.add(d)
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
	l.later[j] = time.AfterFunc(delay, func() {
		s.mu.Lock()
		_, waits := l.later[j]
		delete(l.later, j)
		s.mu.Unlock()
		if waits {
			s.enqueue(j)
		}
	})
}
