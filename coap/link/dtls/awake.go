package dtls

import "sync"

// awakeSize is how many sessions have ciphers at hand: about 1.2 kB for each.
const awakeSize = 256

// awake are the sessions that were used lately. All others rest: their ciphers, which are larger than all the rest of a
// session, are made again of the keys when a record comes. One that wakes sends the one to rest that woke the longest time ago.
type awake struct {
	mu   sync.Mutex
	ring [awakeSize]*Conn // each at most once
	next int
}

// add takes in a session that has just woken. Nobody holds its mu.
func (a *awake) add(c *Conn) {
	a.mu.Lock()
	oldest := a.ring[a.next]
	a.ring[a.next] = c
	a.next = (a.next + 1) % awakeSize
	a.mu.Unlock()
	if oldest != nil {
		oldest.rest()
	}
}
