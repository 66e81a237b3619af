package cloud

import (
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"golang.org/x/time/rate"
)

// Action says what happens to an event beyond the rate.
type Action string

// The actions. Warn delivers everything and counts the excess; Drop accepts
// and forgets; Reject answers 4.29 to a confirmable publish and forgets.
const (
	Warn   Action = "warn"
	Drop   Action = "drop"
	Reject Action = "reject"
)

// Policy is a rate limit: events per second in the long run, how many at
// once, and what happens to the excess. The zero value is off.
type Policy struct {
	Rate   float64 // events per second; 0: no limit
	Burst  int     // events at once, at least 1 when Rate is set
	Action Action
}

// The presets. Particle's own cloud allows one event a second on average and
// four at once (device-os publisher.h); localcloud by default only warns.
func PolicyOff() Policy      { return Policy{} }
func PolicyWarn() Policy     { return Policy{Rate: 1, Burst: 4, Action: Warn} }
func PolicyParticle() Policy { return Policy{Rate: 1, Burst: 4, Action: Drop} }

// IsOff reports whether the policy limits nothing.
func (p Policy) IsOff() bool { return p.Rate == 0 }

// String returns the form that ParsePolicy reads: "off", "warn", "particle" or "2/s:10 reject".
func (p Policy) String() string {
	switch p {
	case PolicyOff():
		return "off"
	case PolicyWarn():
		return "warn"
	case PolicyParticle():
		return "particle"
	}
	return fmt.Sprintf("%s/s:%d %s", strconv.FormatFloat(p.Rate, 'g', -1, 64), p.Burst, p.Action)
}

// ParsePolicy reads "off", "warn", "particle", or RATE/s:BURST with an
// optional action behind a blank ("1/s:4 reject"; the action is warn when it is missing).
func ParsePolicy(s string) (Policy, error) {
	switch s {
	case "off":
		return PolicyOff(), nil
	case "warn":
		return PolicyWarn(), nil
	case "particle":
		return PolicyParticle(), nil
	}
	bad := func() (Policy, error) {
		return Policy{}, Errorf("policy", Invalid, "%q is not a policy: off, warn, particle, or RATE/s:BURST with warn, drop or reject", s)
	}
	spec, action, _ := strings.Cut(strings.TrimSpace(s), " ")
	if action == "" {
		action = string(Warn)
	}
	perSecond, burst, ok := strings.Cut(spec, "/s:")
	r, err1 := strconv.ParseFloat(perSecond, 64)
	b, err2 := strconv.Atoi(burst)
	if !ok || err1 != nil || err2 != nil || math.IsNaN(r) || r <= 0 || r > 1e6 || b < 1 || b > 1e6 {
		return bad()
	}
	switch a := Action(action); a {
	case Warn, Drop, Reject:
		return Policy{Rate: r, Burst: b, Action: a}, nil
	}
	return bad()
}

// MarshalJSON writes the policy as its String.
func (p Policy) MarshalJSON() ([]byte, error) { return json.Marshal(p.String()) }

// UnmarshalJSON reads what MarshalJSON wrote.
func (p *Policy) UnmarshalJSON(b []byte) error {
	var s string
	if err := json.Unmarshal(b, &s); err != nil {
		return err
	}
	parsed, err := ParsePolicy(s)
	if err == nil {
		*p = parsed
	}
	return err
}

// limiter holds one policy's state: a token bucket. The zero value is off.
// It is owned by whoever holds the Hub's lock.
type limiter struct {
	policy Policy
	bucket *rate.Limiter // nil: full
}

// set changes the policy; the bucket starts full when the figures change.
func (l *limiter) set(p Policy) {
	if l.policy == p {
		return
	}
	l.policy, l.bucket = p, nil
}

// take counts one event at now and returns what the policy says of it: "" within the rate.
func (l *limiter) take(now time.Time) Action {
	if l.policy.IsOff() {
		return ""
	}
	if l.bucket == nil { // a device that never publishes has none
		l.bucket = rate.NewLimiter(rate.Limit(l.policy.Rate), l.policy.Burst)
	}
	if l.bucket.AllowN(now, 1) {
		return ""
	}
	return l.policy.Action
}
