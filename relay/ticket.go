package relay

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"net/netip"
	"slices"
	"sync"
	"time"
)

// Bounds of tickets.
const (
	maxTickets       = 10000 // of all devices; the oldest goes
	ticketsPerDevice = 4     // the oldest goes
	maxStrangers     = 4096  // addresses whose wrong nonces are counted apart
)

// ticket is one nonce that was handed out: who may use it, and until when.
type ticket struct {
	hash    [sha256.Size]byte // of the nonce: looking it up tells nothing by its time
	device  string
	from    []netip.Addr // where the device may come from; none: from anywhere
	expires time.Time
}

// Why a nonce or token is refused.
type refusal string

const (
	refusedMissing refusal = "no nonce or token"
	refusedUnknown refusal = "unknown or used nonce"
	refusedExpired refusal = "expired nonce"
	refusedAddress refusal = "nonce of a device with another address"
	refusedToken   refusal = "the token may not write for a device"
	refusedBlocked refusal = "the owner blocked the device"
	refusedGuesses refusal = "too many wrong nonces from this address"
)

// tickets are the nonces that are good for one connection each. It is safe for concurrent use.
type tickets struct {
	life       time.Duration
	anyAddress bool

	mu       sync.Mutex
	byHash   map[[sha256.Size]byte]*ticket
	byDevice map[string][]*ticket // the oldest first
	order    []*ticket            // the oldest first; may hold some that are used
}

func newTickets(life time.Duration, anyAddress bool) *tickets {
	return &tickets{
		life: life, anyAddress: anyAddress,
		byHash: make(map[[sha256.Size]byte]*ticket), byDevice: make(map[string][]*ticket),
	}
}

// issue draws a nonce for a device that will come from one of the addresses: 128 random bits as 32 hex digits.
func (t *tickets) issue(device string, from []netip.Addr, now time.Time) (nonce string) {
	var b [16]byte
	rand.Read(b[:])
	nonce = hex.EncodeToString(b[:])
	k := &ticket{hash: sha256.Sum256([]byte(nonce)), device: device, from: from, expires: now.Add(t.life)}
	t.mu.Lock()
	defer t.mu.Unlock()
	for len(t.order) > 0 && (len(t.order) >= maxTickets || now.Sub(t.order[0].expires) > t.life) {
		t.forgetLocked(t.order[0]) // expired ones are known for a life longer, to say why they are refused
		t.order = t.order[1:]
	}
	if own := t.byDevice[device]; len(own) >= ticketsPerDevice {
		t.forgetLocked(own[0])
	}
	t.byHash[k.hash] = k
	t.byDevice[device] = append(t.byDevice[device], k)
	t.order = append(t.order, k)
	return nonce
}

// isNonce reports whether s can be a nonce: 32 lower-case hex digits.
func isNonce(s string) bool { return len(s) == 32 && isHex(s) }

func isHex(s string) bool {
	for i := range len(s) {
		if c := s[i]; (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return s != ""
}

// spend returns the device whose nonce it is, or why it is refused. A nonce is
// good for one try, also when that one is refused.
func (t *tickets) spend(nonce string, from netip.Addr, now time.Time) (device string, no refusal) {
	if !isNonce(nonce) {
		return "", refusedUnknown
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	k := t.byHash[sha256.Sum256([]byte(nonce))]
	if k == nil {
		return "", refusedUnknown
	}
	t.forgetLocked(k)
	switch {
	case !now.Before(k.expires):
		return k.device, refusedExpired
	case !t.anyAddress && len(k.from) > 0 && !slices.Contains(k.from, from):
		return k.device, refusedAddress
	}
	return k.device, ""
}

// spendByAddress returns the one device that was asked to come from this
// address, for clients that cannot say a nonce.
func (t *tickets) spendByAddress(from netip.Addr, now time.Time) (device string, ok bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	var found *ticket
	for _, k := range t.byHash {
		if now.Before(k.expires) && slices.Contains(k.from, from) {
			if found != nil && found.device != k.device {
				return "", false // two devices behind one address: nobody knows which this is
			}
			found = k
		}
	}
	if found == nil {
		return "", false
	}
	t.forgetLocked(found)
	return found.device, true
}

// count returns how many nonces are out.
func (t *tickets) count(now time.Time) (n int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, k := range t.byHash {
		if now.Before(k.expires) {
			n++
		}
	}
	return n
}

func (t *tickets) forgetLocked(k *ticket) {
	delete(t.byHash, k.hash)
	own := slices.DeleteFunc(t.byDevice[k.device], func(other *ticket) bool { return other == k })
	if len(own) == 0 {
		delete(t.byDevice, k.device)
		return
	}
	t.byDevice[k.device] = own
}

// guesses counts wrong nonces and tokens by address. An address that guesses
// more than its share is told so without any work; a right nonce is good from there all the same, so that
// nobody can lock a device out. Its owner guards it with a mutex.
type guesses struct {
	perAddress map[netip.Addr]*share
	others     share     // of all addresses beyond maxStrangers
	swept      time.Time // when quiet addresses were last looked for
}

// share is a bucket of guesses that fills with time.
type share struct {
	left float64
	at   time.Time
}

const (
	guessBurst = 20.0
	guessRate  = 1.0 // per second
)

func newGuesses() *guesses { return &guesses{perAddress: make(map[netip.Addr]*share)} }

// wrong counts one wrong guess and reports whether the address is over its share.
func (g *guesses) wrong(from netip.Addr, now time.Time) (over bool) {
	s := g.perAddress[from]
	if s == nil {
		if len(g.perAddress) >= maxStrangers && now.Sub(g.swept) >= time.Second {
			g.forgetFull(now)
			g.swept = now
		}
		if len(g.perAddress) >= maxStrangers {
			return g.others.take(now)
		}
		s = &share{}
		g.perAddress[from] = s
	}
	return s.take(now)
}

func (s *share) take(now time.Time) (over bool) {
	s.fill(now)
	if s.left < 1 {
		return true
	}
	s.left--
	return false
}

func (s *share) fill(now time.Time) {
	if s.at.IsZero() {
		s.left = guessBurst
	} else {
		s.left = min(guessBurst, s.left+max(0, now.Sub(s.at).Seconds())*guessRate)
	}
	s.at = now
}

// forgetFull forgets addresses that have been quiet for long enough.
func (g *guesses) forgetFull(now time.Time) {
	for address, s := range g.perAddress {
		if now.Sub(s.at).Seconds()*guessRate >= guessBurst {
			delete(g.perAddress, address)
		}
	}
}
