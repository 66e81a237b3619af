package virtual

import (
	"bytes"
	"math"
	"time"
)

const (
	// maxReceived bounds the messages that wait to be handled. When there are
	// more, the device stops reading.
	maxReceived = 256
	// maxOrders bounds the events that wait to be sent. One more is refused with
	// ErrBusy and counted as Refused.
	maxOrders = 256
)

// order is something that another goroutine wants done.
type order struct {
	do   func(c *connection, now time.Time) error // by run; an error ends the connection
	fail func(error)                              // instead, if the connection ends first; nil: nobody cares
}

// read hands messages to run until the connection ends.
func (c *connection) read() {
	defer close(c.readDone)
	for {
		b, err := c.link.Read()
		if err == nil {
			c.d.faults.stall(c.over)
			b = bytes.Clone(b)
		}
		if !c.deliver(b, err) || err != nil {
			return
		}
	}
}

// deliver waits for room. It is false when the connection has ended.
func (c *connection) deliver(b []byte, err error) bool {
	for {
		c.mu.Lock()
		full := len(c.received) >= maxReceived && !c.closed
		if !full {
			c.readErr = err
			if err == nil {
				c.received = append(c.received, b)
			}
		}
		c.mu.Unlock()
		if !full {
			signal(c.wake)
			return true
		}
		select {
		case <-c.room:
		case <-c.over:
			return false
		}
	}
}

func (c *connection) take() ([][]byte, []order, error) {
	c.mu.Lock()
	received, orders, err := c.received, c.orders, c.readErr
	c.received, c.orders = nil, nil
	c.mu.Unlock()
	signal(c.room)
	return received, orders, err
}

// post gives run an order of the user's, of which there can be any number. An
// error means that it was not taken, and fail is not called.
func (c *connection) post(o order) error {
	return c.add(o, maxOrders)
}

// ask gives run an order of which there are few: an answer (the calls that wait
// are bounded, and none come while run cannot send), or a registration.
func (c *connection) ask(do func(c *connection, now time.Time) error) error {
	return c.add(order{do: do}, math.MaxInt)
}

func (c *connection) add(o order, limit int) error {
	c.mu.Lock()
	closed, full := c.closed, len(c.orders) >= limit
	if !closed && !full {
		c.orders = append(c.orders, o)
	}
	c.mu.Unlock()
	switch {
	case closed:
		return ErrOffline
	case full:
		c.d.counters.refused.Add(1)
		return ErrBusy
	}
	signal(c.wake)
	return nil
}

// signal leaves a note in a channel of size 1, where one is enough.
func signal(ch chan struct{}) {
	select {
	case ch <- struct{}{}:
	default:
	}
}

// obey runs orders. Those that are not reached fail.
func (c *connection) obey(now time.Time, orders []order) error {
	for i, o := range orders {
		if err := o.do(c, now); err != nil {
			failAll(orders[i+1:])
			return err
		}
	}
	return nil
}

func failAll(orders []order) {
	for _, o := range orders {
		if o.fail != nil {
			o.fail(ErrOffline)
		}
	}
}
