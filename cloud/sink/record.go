package sink

import (
	"slices"

	"localcloud/cloud"
)

// Bounds of what is remembered of one hook.
const (
	keptLatest = 30
	keptDead   = 30
	maxExcerpt = 1024 // bytes of an event or an answer
)

// record is what is remembered of a hook. Guarded by Sink.mu.
type record struct {
	counts cloud.HookCounts
	latest []cloud.HookDelivery // the oldest first
	dead   []cloud.HookDelivery
}

func (r *record) add(d cloud.HookDelivery) {
	r.latest = keep(r.latest, d, keptLatest)
	switch d.Result {
	case cloud.HookDelivered:
		r.counts.Delivered++
	case cloud.HookSkipped:
		r.counts.Skipped++
	case cloud.HookRetried:
		r.counts.Failed++
	case cloud.HookFailed:
		r.counts.Failed++
		r.counts.Dead++
		r.dead = keep(r.dead, d, keptDead)
	case cloud.HookDropped:
		r.counts.Dead++
		r.dead = keep(r.dead, d, keptDead)
	}
}

// keep appends, and forgets the oldest beyond n.
func keep(list []cloud.HookDelivery, d cloud.HookDelivery, n int) []cloud.HookDelivery {
	if len(list) == n {
		list = slices.Delete(list, 0, 1)
	}
	return append(list, d)
}

// view returns a copy, the newest first.
func (r *record) view() cloud.HookRecord {
	v := cloud.HookRecord{Counts: r.counts, Latest: slices.Clone(r.latest), Dead: slices.Clone(r.dead)}
	slices.Reverse(v.Latest)
	slices.Reverse(v.Dead)
	return v
}

// excerpt is the beginning of a text, for people.
func excerpt(b []byte) string {
	if len(b) > maxExcerpt {
		return string(b[:maxExcerpt]) + "…"
	}
	return string(b)
}
