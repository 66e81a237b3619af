package dtls

import "time"

// flightSize is how long a datagram of a flight may be, so that it fits every path. Ours are shorter.
const flightSize = 1200

// outgoing is one record of a flight, without its number: each transmission has a fresh one.
type outgoing struct {
	kind    byte
	epoch   uint16
	content []byte
}

// flight is what one side says before it waits for the other. It is sent again until the other answers.
type flight struct {
	records []outgoing
	apart   bool // one record in a datagram, as old releases do it

	sent  int           // transmissions
	wait  time.Duration // until the next one
	again time.Time     // when that is due; zero: never
}

// datagrams writes the flight with fresh record numbers: of epoch 0 from number on, of epoch 1 from the session.
func (f *flight) datagrams(number *uint64, s *Session) ([][]byte, error) {
	var out [][]byte
	var b []byte
	for _, o := range f.records {
		var r []byte
		if o.epoch == 0 {
			r = (&record{kind: o.kind, number: *number, body: o.content}).appendTo(nil)
			*number++
		} else {
			var err error
			if r, err = s.seal(nil, o.kind, o.content); err != nil {
				return nil, err
			}
		}
		if len(b) > 0 && (f.apart || len(b)+len(r) > flightSize) {
			out, b = append(out, b), nil
		}
		b = append(b, r...)
	}
	return append(out, b), nil
}

// collector puts the other side's handshake messages together and in order. What it holds is bounded.
type collector struct {
	next    uint16 // message_seq of the message that is due
	waiting []partial
}

// partial is a message that is not whole, or not due yet.
type partial struct {
	kind     byte
	sequence uint16
	body     []byte
	have     []bool // for each byte
	missing  int
}

const (
	maxAhead   = 6        // messages beyond the one that is due
	maxWaiting = 4 * 1024 // bytes of messages that are not whole or not due
)

// add takes one fragment; it keeps nothing of it. Messages that were taken before are passed over.
func (c *collector) add(f fragment) (old bool) {
	if int16(f.sequence-c.next) < 0 {
		return true
	}
	if f.sequence-c.next > maxAhead {
		return false
	}
	p := c.find(f)
	if p == nil {
		return false
	}
	copy(p.body[f.offset:], f.bytes)
	for i := range f.bytes {
		if !p.have[f.offset+i] {
			p.have[f.offset+i] = true
			p.missing--
		}
	}
	return false
}

// find returns the message that a fragment belongs to, nil when it contradicts an earlier one or there is no room.
func (c *collector) find(f fragment) *partial {
	held := f.length
	for i := range c.waiting {
		p := &c.waiting[i]
		if p.sequence == f.sequence {
			if p.kind != f.kind || len(p.body) != f.length {
				return nil
			}
			return p
		}
		held += len(p.body)
	}
	if held > maxWaiting {
		return nil
	}
	c.waiting = append(c.waiting, partial{
		kind: f.kind, sequence: f.sequence, body: make([]byte, f.length), have: make([]bool, f.length), missing: f.length,
	})
	return &c.waiting[len(c.waiting)-1]
}

// take returns the message that is due, if it is whole.
func (c *collector) take() (kind byte, sequence uint16, body []byte, ok bool) {
	for i, p := range c.waiting {
		if p.sequence == c.next && p.missing == 0 {
			c.waiting = append(c.waiting[:i], c.waiting[i+1:]...)
			c.next++
			return p.kind, p.sequence, p.body, true
		}
	}
	return 0, 0, nil, false
}
