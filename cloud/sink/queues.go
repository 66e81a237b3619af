package sink

import "time"

// Queues says what waits on its way to webhooks, of all of them together.
type Queues struct {
	Arriving int `json:"arriving"` // events that no hook has yet; at most 1024
	Waiting  int `json:"waiting"`  // deliveries, those for another try included; at most 256 a hook
	Running  int `json:"running"`  // requests under way; at most 64
	Asleep   int `json:"asleep"`   // hooks that rest, since too many tries in a row failed
}

// Queues returns what waits now.
func (s *Sink) Queues() Queues {
	now := time.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	q := Queues{Arriving: len(s.queue), Running: len(s.slots)}
	for _, l := range s.lanes {
		q.Waiting += len(l.waiting) + len(l.later)
		if l.asleep(now) {
			q.Asleep++
		}
	}
	return q
}
