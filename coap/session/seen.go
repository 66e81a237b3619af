package session

import (
	"encoding/binary"
	"slices"
	"time"
)

const (
	// seenIDs is how many message ids of the device are remembered, and seenFor
	// for how long (RFC 7252 section 4.8.2, EXCHANGE_LIFETIME).
	seenIDs = 64
	seenFor = 247 * time.Second
)

// seen remembers the device's latest messages, other than pings, by their ids, each with the reply that it got. Each device has
// a dozen or two, so an id takes eight bytes: nearly all replies are an acknowledgement without token and payload, whose code
// says it all.
type seen struct {
	ring []seenID // in order of time from at on, round and round; grows to seenIDs, then the oldest goes
	at   int
	long []longReply // the other replies
}

type seenID struct {
	at    uint32 // seconds since the session began
	id    uint16
	code  byte // of the acknowledgement, if reply is acknowledged
	reply replyKind
}

// recent reports whether the id still counts. at is in seconds since the session began.
func (r seenID) recent(at uint32) bool { return at-r.at < uint32(seenFor/time.Second) }

type replyKind byte

const (
	unanswered   replyKind = iota // not yet, or never
	acknowledged                  // with code
	answered                      // with a longReply
	forgotten                     // the id counts as new
)

type longReply struct {
	id    uint16
	reply string
}

// lookUp reports whether the id came a short while ago, and the reply that it got then, nil if none. A
// new id is remembered, in place of the oldest if that has had its time. at is in seconds since the session began.
func (s *seen) lookUp(at uint32, id uint16) (reply []byte, again bool) {
	for i, r := range s.ring {
		switch {
		case r.id != id || r.reply == forgotten:
		case r.recent(at):
			return s.replyOf(r), true
		default:
			s.drop(i)
		}
	}
	fresh := seenID{id: id, at: at}
	if len(s.ring) < seenIDs && (len(s.ring) == 0 || s.ring[s.at].recent(at)) {
		s.ring = slices.Insert(s.ring, s.at, fresh)
	} else {
		s.drop(s.at)
		s.ring[s.at] = fresh
	}
	s.at = (s.at + 1) % len(s.ring)
	return nil, false
}

func (s *seen) replyOf(r seenID) []byte {
	switch r.reply {
	case acknowledged:
		return appendACK(nil, r.id, r.code)
	case answered:
		i := slices.IndexFunc(s.long, func(l longReply) bool { return l.id == r.id })
		return []byte(s.long[i].reply)
	}
	return nil
}

// replied notes the reply that the id got.
func (s *seen) replied(id uint16, reply []byte) {
	i := slices.IndexFunc(s.ring, func(r seenID) bool { return r.id == id && r.reply != forgotten })
	if i < 0 {
		return
	}
	s.drop(i)
	r := &s.ring[i]
	if code, ok := ackCode(reply); ok {
		r.code, r.reply = code, acknowledged
		return
	}
	r.reply = answered
	s.long = append(s.long, longReply{id, string(reply)})
}

// forget lets an id that got no reply count as new when it comes again.
func (s *seen) forget(id uint16) {
	for i, r := range s.ring {
		if r.id == id && r.reply == unanswered {
			s.drop(i)
		}
	}
}

// drop forgets what is in one place of the ring.
func (s *seen) drop(i int) {
	r := &s.ring[i]
	if r.reply == answered {
		s.long = slices.DeleteFunc(s.long, func(l longReply) bool { return l.id == r.id })
	}
	if len(s.long) == 0 {
		s.long = nil
	}
	r.reply = forgotten
}

// latest calls yield with the latest ids first, until it returns false.
func (s *seen) latest(yield func(seenID) bool) {
	for i := len(s.ring); i > 0; i-- {
		if !yield(s.ring[(s.at+i-1)%len(s.ring)]) {
			return
		}
	}
}

// An acknowledgement without token and payload is 60 code id(2).
const ackHeader = 0x60

func appendACK(b []byte, id uint16, code byte) []byte {
	return binary.BigEndian.AppendUint16(append(b, ackHeader, code), id)
}

// ackCode returns the code of an acknowledgement without token and payload.
func ackCode(reply []byte) (code byte, ok bool) {
	if len(reply) != 4 || reply[0] != ackHeader {
		return 0, false
	}
	return reply[1], true
}
