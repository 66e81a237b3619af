package virtual

import (
	"context"
	"slices"
	"time"

	"localcloud/coap"
)

// How messages are sent again over UDP. Device OS communication/src/coap_channel.h, CoAPMessageStore.
const (
	firstWait     = 4 * time.Second // times 1.0 to 1.5, then doubling
	transmissions = 4
	// seenFor is how long an id of the server is remembered; the same one again gets the same answer and is not done twice.
	seenFor = 45 * time.Second
)

// exchange is what a connection over UDP has beyond one over TCP. Its run method owns it.
type exchange struct {
	link      *datagrams
	keepAlive time.Duration
	said      string // see stored
	helloID   uint16 // of the Hello that waits for its acknowledgement
	moveAt    time.Time

	unacked []unacked
	seen    []seen
}

// unacked is a confirmable message that is sent again.
type unacked struct {
	id    uint16
	bytes []byte
	again time.Time
	wait  time.Duration
	sent  int
}

// seen is a confirmable message of the server, with the answer that it got.
type seen struct {
	id     uint16
	at     time.Time
	answer []byte
}

// adapt makes a message one for UDP: what devices send without asking for an acknowledgement on TCP is confirmable there.
func (c *connection) adapt(m coap.Message) coap.Message {
	if c.udp != nil && m.Type == coap.NonConfirmable {
		m.Type = coap.Confirmable
	}
	return m
}

// note remembers what was sent, for when it gets lost.
func (x *exchange) note(c *connection, m coap.Message, b []byte) {
	switch m.Type {
	case coap.Confirmable:
		wait := firstWait + time.Duration(c.d.random.Int64N(int64(firstWait/2)))
		x.unacked = append(x.unacked, unacked{id: m.ID, bytes: b, again: time.Now().Add(wait), wait: wait, sent: 1})
	case coap.Acknowledgement:
		for i := range x.seen {
			if x.seen[i].id == m.ID {
				x.seen[i].answer = b
			}
		}
	}
}

// arrived sorts out what comes over UDP: what came before is answered again, and while Hello waits for its acknowledgement
// requests are dropped.
func (c *connection) arrived(now time.Time, m coap.Message) (done bool, err error) {
	x := c.udp
	switch m.Type {
	case coap.Acknowledgement:
		x.unacked = slices.DeleteFunc(x.unacked, func(u unacked) bool { return u.id == m.ID })
		if !c.greeted && m.ID == x.helloID {
			return true, c.welcomed(now)
		}
		return false, nil
	case coap.Reset:
		return true, errReset
	}
	if !c.greeted {
		return true, nil
	}
	if m.Type != coap.Confirmable {
		return false, nil
	}
	x.seen = slices.DeleteFunc(x.seen, func(s seen) bool { return now.Sub(s.at) >= seenFor })
	for _, s := range x.seen {
		if s.id == m.ID {
			if s.answer != nil {
				return true, c.write(s.answer)
			}
			return true, nil
		}
	}
	x.seen = append(x.seen, seen{id: m.ID, at: now})
	return false, nil
}

// repeat sends again what is due. A device that gets no acknowledgement at all throws its session away.
func (c *connection) repeat(now time.Time) error {
	for i := range c.udp.unacked {
		u := &c.udp.unacked[i]
		if now.Before(u.again) {
			continue
		}
		if u.sent >= transmissions {
			return errUnanswered
		}
		u.sent++
		u.wait *= 2
		u.again = now.Add(u.wait)
		c.d.counters.repeated.Add(1)
		if err := c.write(u.bytes); err != nil {
			return err
		}
	}
	return nil
}

func (x *exchange) deadline() (next time.Time) {
	for i := range x.unacked {
		next = earlier(next, x.unacked[i].again)
	}
	return earlier(next, x.moveAt)
}

// tickUDP does what is due over UDP alone.
func (c *connection) tickUDP(ctx context.Context, now time.Time) error {
	x := c.udp
	if every := c.d.faults.moveEvery(); every > 0 {
		if !x.moveAt.IsZero() && !now.Before(x.moveAt) {
			c.d.counters.moves.Add(1)
			if err := x.link.move(ctx); err != nil {
				return err
			}
		}
		if x.moveAt.IsZero() || !now.Before(x.moveAt) {
			x.moveAt = now.Add(every)
		}
	}
	return c.repeat(now)
}

// beginUDP says Hello, or goes on with a resumed session as a board does: when nothing changed, with a ping and two events at once.
func (c *connection) beginUDP(now time.Time) error {
	x := c.udp
	says := c.d.whatTheServerKnows()
	c.quietSince = now
	if !x.link.resumed || says != x.said {
		x.said = says
		x.helloID = c.id + 1
		c.helloBy = now.Add(24 * time.Hour) // until it is given up, see repeat
		return c.send(coap.HelloMessage(coap.Confirmable, c.nextID(), c.d.hello().Append(nil)))
	}
	c.d.counters.resumes.Add(1)
	if err := c.send(coap.Ping(c.nextID())); err != nil {
		return err
	}
	c.greeted, c.announced = true, true
	c.rebootAt = c.d.faults.rebootAt(now)
	c.d.arrive(c)
	if err := c.say(now, stepUpdates, nil); err != nil {
		return err
	}
	c.d.greet()
	return nil
}

// welcomed takes the acknowledgement of Hello.
func (c *connection) welcomed(now time.Time) error {
	if c.d.faults.ignoresHello() {
		return nil
	}
	c.greeted = true
	c.rebootAt = c.d.faults.rebootAt(now)
	if err := c.burst(now, c.d.arrive(c)); err != nil {
		return err
	}
	c.announced = true
	c.d.greet()
	return nil
}
