package cloud

import (
	"fmt"
	"maps"
	"math"
	"strings"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// Limits bound what strangers may try, per address of the network. Zero means
// no bound. The figures of DefaultLimits are those of the official cloud.
type Limits struct {
	LogIns        int `json:"log_ins"`        // failed log-ins until an address, or a user at strange addresses, is locked out
	LockMinutes   int `json:"lock_minutes"`   // how long
	TokenRequests int `json:"token_requests"` // requests for tokens within 5 minutes
	StreamOpens   int `json:"stream_opens"`   // event streams opened within 5 minutes
	Streams       int `json:"streams"`        // event streams open at once
}

// DefaultLimits are those of a new cloud.
func DefaultLimits() Limits {
	return Limits{LogIns: 10, LockMinutes: 30, TokenRequests: 100, StreamOpens: 100, Streams: 100}
}

// LimitedError says that somebody has tried too often, and when to come back.
type LimitedError struct {
	What  string
	After time.Duration
}

// Error implements error.
func (e *LimitedError) Error() string {
	minutes := int(math.Ceil(e.After.Minutes()))
	if minutes <= 1 {
		return fmt.Sprintf("%s: try again in %d s", e.What, int(math.Ceil(e.After.Seconds())))
	}
	return fmt.Sprintf("%s: try again in %d minutes", e.What, minutes)
}

// Guard counts what each address tries and refuses what is beyond the Limits.
// It keeps its counts in memory, and of no more than 10,000 addresses and names: a restart forgets them, which
// only the owner can bring about, and a lock-out that is in nobody's file cannot wear a memory card.
// It is safe for concurrent use.
//
// A failed log-in counts for its address and for the user whose name was
// given. An address that has failed too often is locked out whatever it tries. A user is
// locked out only at addresses where they have not logged in before, and one
// address alone cannot bring that about: it counts for no more than half. So
// somebody who guesses the owner's password does not lock the owner out elsewhere.
type Guard struct {
	limits func() Limits

	mu        sync.Mutex
	addresses map[string]*tally
	users     map[string]*userTally
	tokens    map[string]*rate.Limiter
	opens     map[string]*rate.Limiter
	streams   map[string]int
}

// maxGuarded bounds each of the Guard's maps.
const maxGuarded = 10_000

// limitWindow is what TokenRequests and StreamOpens count in.
const limitWindow = 5 * time.Minute

// NewGuard returns a Guard. limits is asked at each check, so that a change works at once.
func NewGuard(limits func() Limits) *Guard {
	return &Guard{
		limits: limits, addresses: map[string]*tally{}, users: map[string]*userTally{},
		tokens: map[string]*rate.Limiter{}, opens: map[string]*rate.Limiter{}, streams: map[string]int{},
	}
}

// tally counts failures that are less than a lock's time apart.
type tally struct {
	failures int
	last     time.Time
}

func (t *tally) add(now time.Time, lock time.Duration) {
	if now.Sub(t.last) >= lock {
		t.failures = 0
	}
	t.failures++
	t.last = now
}

// left returns how much longer a lock lasts.
func (t *tally) left(now time.Time, limit int, lock time.Duration) time.Duration {
	if t == nil || t.failures < limit {
		return 0
	}
	return lock - now.Sub(t.last)
}

// userTally counts the failures of one user, and where they logged in.
type userTally struct {
	tally
	from map[string]int       // failures of each address that were counted
	good map[string]time.Time // where they logged in last; at most maxGood
}

const maxGood = 16

// MayLogIn reports why nobody may try to log in as the user from the address now, if so
// (Limited, with a LimitedError inside).
func (g *Guard) MayLogIn(address, user string) error {
	limit, lock := g.bounds()
	if limit == 0 {
		return nil
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	now := time.Now()
	left := g.addresses[address].left(now, limit, lock)
	if u := g.users[userKey(user)]; u != nil && u.good[address].IsZero() {
		left = max(left, u.left(now, limit, lock))
	}
	if left <= 0 {
		return nil
	}
	return E("log in", Limited, &LimitedError{"too many failed log-ins", left})
}

// LoggedIn notes how a try to log in ended.
func (g *Guard) LoggedIn(address, user string, ok bool) {
	limit, lock := g.bounds()
	if limit == 0 {
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	now := time.Now()
	u := keep(g.users, userKey(user), func() *userTally { return &userTally{from: map[string]int{}, good: map[string]time.Time{}} },
		func(u *userTally) bool { return now.Sub(u.last) >= lock && len(u.good) == 0 })
	if ok {
		u.succeeded(address, now)
		return
	}
	keep(g.addresses, address, func() *tally { return &tally{} }, func(t *tally) bool { return now.Sub(t.last) >= lock }).add(now, lock)
	if now.Sub(u.last) >= lock {
		clear(u.from)
	}
	if u.from[address]++; u.from[address] <= max(1, limit/2) && len(u.from) <= maxGuarded {
		u.add(now, lock)
	}
}

func (u *userTally) succeeded(address string, now time.Time) {
	if len(u.good) >= maxGood {
		oldest := address
		for a, t := range u.good {
			if oldest == address || t.Before(u.good[oldest]) {
				oldest = a
			}
		}
		delete(u.good, oldest)
	}
	u.good[address] = now
	delete(u.from, address)
}

func (g *Guard) bounds() (limit int, lock time.Duration) {
	l := g.limits()
	return l.LogIns, time.Duration(l.LockMinutes) * time.Minute
}

// userKey is how a user is counted: names ignore case.
func userKey(name string) string { return strings.ToLower(name[:min(len(name), 128)]) }

// MayAskForToken reports why an address may not ask for another token now, if so.
func (g *Guard) MayAskForToken(address string) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	return take(g.tokens, address, g.limits().TokenRequests, "too many requests for tokens")
}

// OpenStream reports why an address may not open another event stream now, if
// so. Otherwise CloseStream has to follow.
func (g *Guard) OpenStream(address string) error {
	limits := g.limits()
	g.mu.Lock()
	defer g.mu.Unlock()
	if limits.Streams > 0 && g.streams[address] >= limits.Streams {
		return E("events", Limited, &LimitedError{"too many event streams are open", 10 * time.Second})
	}
	if err := take(g.opens, address, limits.StreamOpens, "too many event streams were opened"); err != nil {
		return err
	}
	g.streams[address]++
	return nil
}

// CloseStream notes that a stream of an address has ended.
func (g *Guard) CloseStream(address string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.streams[address]--; g.streams[address] <= 0 {
		delete(g.streams, address)
	}
}

// take takes one of the limit things that an address may do within limitWindow.
func take(m map[string]*rate.Limiter, address string, limit int, what string) error {
	if limit == 0 {
		return nil
	}
	now := time.Now()
	each := rate.Every(limitWindow / time.Duration(limit))
	l := keep(m, address, func() *rate.Limiter { return rate.NewLimiter(each, limit) },
		func(l *rate.Limiter) bool { return l.TokensAt(now) >= float64(l.Burst()) })
	if l.Burst() != limit { // the owner changed it
		l.SetLimitAt(now, each)
		l.SetBurstAt(now, limit)
	}
	r := l.ReserveN(now, 1)
	if wait := r.DelayFrom(now); wait > 0 {
		r.CancelAt(now)
		return E("", Limited, &LimitedError{what, wait})
	}
	return nil
}

// keep returns the entry of a key, made anew when there is none. A map that is
// full forgets what is spent, and if that is little, an eighth of the rest.
func keep[V any](m map[string]V, key string, make func() V, spent func(V) bool) V {
	if v, ok := m[key]; ok {
		return v
	}
	if len(m) >= maxGuarded {
		maps.DeleteFunc(m, func(_ string, v V) bool { return spent(v) })
		for k := range m {
			if len(m) < maxGuarded*7/8 { // not one by one: looking through all costs too much
				break
			}
			delete(m, k)
		}
	}
	v := make()
	m[key] = v
	return v
}
