package relay

import (
	"net/netip"
	"sync"
)

// crowd counts those who are somewhere, altogether and by address, and keeps more out. It is safe for concurrent use.
type crowd struct {
	most, mostEach int

	mu      sync.Mutex
	all     int
	each    map[netip.Addr]int
	refused uint64
}

func newCrowd(most, mostEach int) *crowd {
	return &crowd{most: most, mostEach: mostEach, each: make(map[netip.Addr]int)}
}

// enter reports whether there is room for one more; if so, leave has to follow.
func (c *crowd) enter(from netip.Addr) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.all >= c.most || c.each[from] >= c.mostEach {
		c.refused++
		return false
	}
	c.all++
	c.each[from]++
	return true
}

func (c *crowd) leave(from netip.Addr) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.all--
	if c.each[from]--; c.each[from] == 0 {
		delete(c.each, from)
	}
}

// count returns how many are in, and how many were kept out so far.
func (c *crowd) count() (in int, refused uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.all, c.refused
}
