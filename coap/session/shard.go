package session

import (
	"container/heap"
	"context"
	"sync"
	"time"
)

// shard steps the sessions of many devices over UDP, one after the other, each when something waits for it or its
// deadline has come. It is one goroutine (run), so that a session has one owner and an idle one costs none. Nothing in it
// waits for a disk or a queue; see chores.go.
type shard struct {
	began  time.Time // what due of peers counts from
	timers timers    // owned by run

	mu    sync.Mutex
	ready []*Peer       // for whom something waits; each is in it at most once
	wake  chan struct{} // one place: there is somebody in ready
}

func newShard(began time.Time) *shard { return &shard{began: began, wake: make(chan struct{}, 1)} }

// push has a peer stepped. The peer sees to it that it is pushed only once.
func (s *shard) push(p *Peer) {
	s.mu.Lock()
	s.ready = append(s.ready, p)
	s.mu.Unlock()
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

func (s *shard) take() []*Peer {
	s.mu.Lock()
	defer s.mu.Unlock()
	ready := s.ready
	s.ready = nil
	return ready
}

// run steps peers until ctx ends.
func (s *shard) run(ctx context.Context) {
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		select {
		case <-s.wake:
		case <-timer.C:
		case <-ctx.Done():
			return
		}
		for _, p := range s.take() {
			s.step(p, time.Now())
		}
		now := time.Now()
		for len(s.timers) > 0 && s.timers[0].due <= now.Sub(s.began) {
			s.step(s.timers[0], now)
		}
		timer.Stop()
		if len(s.timers) > 0 {
			timer.Reset(max(s.timers[0].due-time.Since(s.began), time.Millisecond))
		}
	}
}

// step steps one peer and plans its next.
func (s *shard) step(p *Peer, now time.Time) {
	due, alive := p.step(now)
	switch planned := p.place >= 0; {
	case !alive || due.IsZero():
		if planned {
			heap.Remove(&s.timers, int(p.place))
		}
	case planned:
		p.due = due.Sub(s.began)
		heap.Fix(&s.timers, int(p.place))
	default:
		p.due = due.Sub(s.began)
		heap.Push(&s.timers, p)
	}
}

// timers is a heap of peers by the time at which they are due.
type timers []*Peer

func (t timers) Len() int           { return len(t) }
func (t timers) Less(i, j int) bool { return t[i].due < t[j].due }

func (t timers) Swap(i, j int) {
	t[i], t[j] = t[j], t[i]
	t[i].place, t[j].place = int32(i), int32(j)
}

func (t *timers) Push(x any) {
	p := x.(*Peer)
	p.place = int32(len(*t))
	*t = append(*t, p)
}

func (t *timers) Pop() any {
	last := len(*t) - 1
	p := (*t)[last]
	(*t)[last] = nil
	*t = (*t)[:last]
	p.place = -1
	return p
}
