package cloud

import (
	"sync"
	"time"
)

// Clock is the cloud's time. It follows the machine's clock as long as that
// is plausible, and never runs backwards over a restart: a small board without a
// battery wakes up in 1970, and one with an empty battery in any year.
//
// When the machine's clock cannot be right, the cloud goes on from the last
// time it knows of, and says so. Nothing expires because of a clock that
// cannot be right. Set ends that: the owner knows better. It is safe for
// concurrent use; the zero value is not usable, see NewClock.
type Clock struct {
	known time.Time // the last time known when the cloud started; zero: none
	begun time.Time // the machine's clock then, with its monotonic reading

	mu     sync.Mutex
	offset time.Duration // from the machine's clock, once the owner set it
	set    bool
}

// leap is how far the machine's clock may be ahead of the last time known: a
// cloud that was switched off for longer asks its owner.
const leap = 2 * 365 * 24 * time.Hour

// NewClock returns a clock for a cloud that last knew this time, such as that of its newest event; zero when it is new.
func NewClock(known time.Time) *Clock { return &Clock{known: known, begun: time.Now()} }

// Now returns the cloud's time, UTC.
func (c *Clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now()
	if c.set {
		return now.Add(c.offset).Round(0).UTC()
	}
	expected := c.expected(now)
	if c.aheadLocked(now) || now.Round(0).Before(expected) {
		return expected
	}
	return now.UTC()
}

// expected is the time by the last one known and by what went by since, whatever the machine's clock was set to.
func (c *Clock) expected(now time.Time) time.Time { return c.known.Add(now.Sub(c.begun)).UTC() }

// Set makes t the cloud's time from now on. The machine's clock stays as it is.
func (c *Clock) Set(t time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.set, c.offset = true, t.Sub(time.Now().Round(0))
}

// Doubt says why the machine's clock is not followed, or "" when it is.
func (c *Clock) Doubt() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.set {
		return ""
	}
	return c.doubtLocked(time.Now())
}

// Doubts.
const (
	ClockBehind = "behind" // earlier than what the cloud knows to be past
	ClockAhead  = "ahead"  // years after the last time known
)

// slack is how far the machine's clock may be put back while it is adjusted, without a word about it.
const slack = time.Minute

func (c *Clock) doubtLocked(now time.Time) string {
	switch {
	case now.Round(0).Add(slack).Before(c.expected(now)):
		return ClockBehind
	case c.aheadLocked(now):
		return ClockAhead
	}
	return ""
}

func (c *Clock) aheadLocked(now time.Time) bool {
	return !c.known.IsZero() && now.Round(0).Sub(c.expected(now)) > leap
}
