package dtls

import (
	"crypto/ecdsa"
	"math/rand/v2"
	"net/netip"
	"sync"
	"time"

	"localcloud/keys"
)

// While the server's key is rotated, boards hold one of two. The server signs before it knows who is there, and a board
// that finds the wrong signature leaves and comes again within seconds. So the server remembers by address which key was
// right, begins with that, and takes the other after an attempt that failed or stayed unanswered: a board with either key
// gets in by its second attempt. Boards behind one address (NAT) share what is remembered; when both keys failed there
// within a short time, chance decides, so that no two of them can keep each other out.

const (
	// unanswered is how long a flight of ours stays without an answer until another ClientHello of that address counts as
	// a new attempt of the same board, which does not come again sooner than after a second.
	unanswered = 500 * time.Millisecond
	// mixedFor is how long a failed attempt is held against a key.
	mixedFor = 2 * time.Minute
	// maxHosts bounds the addresses that are remembered. Any is forgotten when there are more: it costs its board an attempt.
	maxHosts = 16384
)

// rotation remembers which key the boards of an address hold.
type rotation struct {
	mu    sync.Mutex
	hosts map[netip.Addr]*host
}

type host struct {
	old     bool         // the key to take next
	begun   time.Time    // when a handshake with it began that has not ended; zero: none
	failed  [2]time.Time // when a handshake with the new and with the old key failed last
	succeed [2]time.Time // and when one ended well
}

func indexOf(old bool) int {
	if old {
		return 1
	}
	return 0
}

// mixed reports whether both keys failed lately, or one failed with which another board had come: there is more than one
// board at this address.
func (h *host) mixed(now time.Time) bool {
	late := func(t time.Time) bool { return !t.IsZero() && now.Sub(t) < mixedFor }
	return late(h.failed[0]) && late(h.failed[1]) || late(h.failed[0]) && late(h.succeed[0]) || late(h.failed[1]) && late(h.succeed[1])
}

// choose returns whether the next handshake with an address is signed with the old key. first is asked for an address of
// which nothing is remembered; coin decides when there are boards of both kinds.
func (r *rotation) choose(now time.Time, address netip.Addr, first func(netip.Addr) bool, coin func() bool) (old bool) {
	r.mu.Lock()
	h := r.hosts[address]
	r.mu.Unlock()
	known := h != nil
	if !known {
		h = &host{old: first != nil && first(address)} // outside of the lock: it may look through the registry
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if !known {
		if r.hosts == nil {
			r.hosts = make(map[netip.Addr]*host)
		}
		for other := range r.hosts {
			if len(r.hosts) < maxHosts {
				break
			}
			delete(r.hosts, other)
		}
		r.hosts[address] = h
	}
	switch {
	case h.mixed(now):
		h.old = coin()
	case !h.begun.IsZero() && now.Sub(h.begun) >= unanswered:
		h.failed[indexOf(h.old)] = now
		h.old = !h.old
	}
	h.begun = now
	return h.old
}

// ended notes how a handshake ended, and reports whether lately neither key was right at this address.
func (r *rotation) ended(now time.Time, address netip.Addr, old, good bool) (neither bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	h := r.hosts[address]
	if h == nil {
		return true
	}
	h.begun = time.Time{}
	if good {
		h.old = old
		h.succeed[indexOf(old)], h.failed = now, [2]time.Time{}
		return false
	}
	h.failed[indexOf(old)] = now
	h.old = !old
	other := h.failed[indexOf(!old)]
	return !other.IsZero() && now.Sub(other) < mixedFor
}

// forget empties the memory when no rotation is under way.
func (r *rotation) forget() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.hosts = nil
}

// keys returns the server's keys; old is nil when none is rotated out.
func (l *Listener) keys() (key, old *ecdsa.PrivateKey) {
	if l.cfg.Keys == nil {
		return l.cfg.Key, nil
	}
	return l.cfg.Keys()
}

// choice is which key a handshake was signed with.
type choice struct {
	rotating bool // there were two
	old      bool // it was the one that is rotated out
	noted    bool // the rotation knows how it ended
}

// chooseKey returns the key that signs the next handshake with an address.
func (l *Listener) chooseKey(now time.Time, address netip.Addr) (*ecdsa.PrivateKey, choice) {
	key, old := l.keys()
	if old == nil {
		l.rotation.forget()
		return key, choice{}
	}
	if l.rotation.choose(now, address, l.cfg.HoldsOld, coin) {
		return old, choice{rotating: true, old: true}
	}
	return key, choice{rotating: true}
}

func coin() bool { return rand.N(2) == 0 }

// keyWas notes whether the device of a handshake holds the key that it was signed with. It reports whether the rotation
// explains a handshake that failed: then the device comes again and is answered with the other key.
func (u *underWay) keyWas(right bool, now time.Time, r *rotation) (explained bool) {
	if !u.choice.rotating || u.choice.noted {
		return false
	}
	u.choice.noted = true
	neither := r.ended(now, u.from.Addr(), u.choice.old, right)
	return !right && !neither
}

// ServerKey is the fingerprint of the server's key that the device holds, "" for a session that was restored.
func (c *Conn) ServerKey() keys.Fingerprint {
	if c.serverKey == nil {
		return ""
	}
	return keys.FingerprintOfEC(c.serverKey)
}
