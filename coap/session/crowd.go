package session

import (
	"maps"
	"slices"
	"sync"
)

// crowd is the devices that a Server talks to, for it to disconnect. The zero value is empty. To have each wait for a context
// would take eight times the memory.
type crowd struct {
	mu      sync.Mutex
	devices map[*Device]struct{}
	closed  error // why nobody may join any more
}

// join takes a device in, or closes it.
func (c *crowd) join(d *Device) {
	c.mu.Lock()
	if c.devices == nil {
		c.devices = make(map[*Device]struct{})
	}
	c.devices[d] = struct{}{}
	closed := c.closed
	c.mu.Unlock()
	if closed != nil {
		d.Close(closed)
	}
}

func (c *crowd) leave(d *Device) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.devices, d)
}

// close closes all devices, and those that join later.
func (c *crowd) close(reason error) {
	c.mu.Lock()
	c.closed = reason
	all := slices.Collect(maps.Keys(c.devices))
	c.mu.Unlock()
	for _, d := range all {
		d.Close(reason)
	}
}
