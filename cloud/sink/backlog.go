package sink

import (
	"encoding/json"
	"maps"
	"slices"
	"time"

	"localcloud/cloud"
)

// Backlog keeps a text while the cloud is off.
type Backlog interface {
	Save(text []byte) error // nothing: there is none any more
	Load() ([]byte, error)  // nothing: there is none
}

// maxKept is how old an event may be when it is tried again after the cloud was off: what
// is older is given up, since a target would take it for news.
const maxKept = 24 * time.Hour

// kept is what outlives a stop: the events that wait, and the dead letters. It is written
// as JSON, and read once at the next start.
type kept struct {
	Jobs []keptJob                             `json:"jobs"`
	Dead map[cloud.HookID][]cloud.HookDelivery `json:"dead"`
}

type keptJob struct {
	Hook    cloud.HookID `json:"hook"`
	Event   cloud.Event  `json:"event"`
	Attempt int          `json:"attempt"`
	Skips   int          `json:"skips,omitempty"`
	Sent    bool         `json:"sent,omitempty"`
	Errored bool         `json:"errored,omitempty"`
	Due     time.Time    `json:"due,omitzero"`
}

// save writes down what waits when all workers have ended. What cannot be written is given up.
func (s *Sink) save() {
	s.mu.Lock()
	defer s.mu.Unlock()
	k := kept{Dead: make(map[cloud.HookID][]cloud.HookDelivery)}
	var jobs []*job
	for id, l := range s.lanes {
		jobs = append(jobs, l.takeAll()...)
		if len(l.record.dead) > 0 {
			k.Dead[id] = l.record.dead
		}
	}
	for _, j := range jobs {
		ev := *j.ev
		ev.Link = nil
		k.Jobs = append(k.Jobs, keptJob{j.hook, ev, j.attempt, j.skips, j.sent, j.errored, j.due})
	}
	err := s.write(k)
	switch {
	case err != nil:
		s.Logger.Error("events for webhooks are given up, because they cannot be kept until the next start", "events", len(jobs), "err", err)
		for _, j := range jobs {
			s.giveUpLocked(j, "the cloud stopped, and could not keep it: "+err.Error())
		}
	case len(jobs) > 0:
		s.Logger.Info("events for webhooks wait for the next start", "events", len(jobs))
	}
}

func (s *Sink) write(k kept) error {
	if len(k.Jobs) == 0 && len(k.Dead) == 0 {
		return s.Backlog.Save(nil)
	}
	text, err := json.Marshal(k)
	if err != nil {
		return err
	}
	return s.Backlog.Save(text)
}

// takeAll empties the lane: what it returns is in the order of its events.
func (l *lane) takeAll() []*job {
	for _, timer := range l.later {
		timer.Stop()
	}
	jobs := slices.AppendSeq(l.waiting, maps.Keys(l.later))
	l.waiting, l.later = nil, make(map[*job]*time.Timer)
	slices.SortFunc(jobs, func(a, b *job) int { return a.ev.PublishedAt.Compare(b.ev.PublishedAt) })
	return jobs
}

// resume takes up what waited when the cloud stopped. From here on it is not on disk any
// more: a crash loses it, and no target gets it over and over.
func (s *Sink) resume() {
	text, err := s.Backlog.Load()
	var k kept
	if err == nil && len(text) > 0 {
		err = json.Unmarshal(text, &k)
	}
	if err == nil {
		err = s.Backlog.Save(nil)
	}
	if err != nil {
		s.Logger.Error("what waited for webhooks cannot be read", "err", err)
		return
	}
	s.mu.Lock()
	for id, dead := range k.Dead {
		if _, ok := s.Registry.Hook(id); ok {
			r := &s.laneLocked(id).record
			r.dead, r.counts.Dead = dead[max(0, len(dead)-keptDead):], uint64(len(dead))
		}
	}
	s.mu.Unlock()
	for i := range k.Jobs {
		s.takeUp(&k.Jobs[i])
	}
}

// takeUp lets a job wait as it did before the stop.
func (s *Sink) takeUp(k *keptJob) {
	if _, ok := s.Registry.Hook(k.Hook); !ok {
		return
	}
	j := &job{hook: k.Hook, ev: &k.Event, attempt: max(1, k.Attempt), skips: k.Skips, sent: k.Sent, errored: k.Errored}
	now := s.Hub.Clock().Now()
	switch wait := k.Due.Sub(now); {
	case now.Sub(k.Event.PublishedAt) > maxKept:
		s.mu.Lock()
		s.giveUpLocked(j, "the cloud was off for more than "+maxKept.String())
		s.mu.Unlock()
	case k.Due.IsZero() || wait <= 0:
		s.enqueue(j)
	default:
		s.mu.Lock()
		s.laterLocked(s.laneLocked(j.hook), j, min(wait, maxRetryAfter+maxRetryAfter/5))
		s.mu.Unlock()
	}
}

// giveUpLocked makes a job a dead letter.
func (s *Sink) giveUpLocked(j *job, why string) {
	d := deliveryOf(j, time.Now())
	d.Result, d.Error = cloud.HookDropped, why
	s.laneLocked(j.hook).record.add(d)
}
