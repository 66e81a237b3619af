package session

import (
	"encoding/binary"
	"errors"
	"maps"
	"slices"
	"time"

	"localcloud/coap"
	"localcloud/keys"
)

// A session over UDP can outlive the server: the device goes on with it and does not repeat its Hello, describe and
// subscriptions. What is stored has two parts: what seldom changes, and counters, which change with every event and are stored
// with it. It is small, as each device that comes has some written, and they stay in the pages of the database's files. A part
// is a length and its bytes.
//
//	board      version 2 ‖ flags ‖ device id(12) ‖ keep-alive(varint, ns) ‖ part: Hello without the id
//	           ‖ number(varint) of subscriptions, each: part: prefix ‖ part: device id ‖ flags ‖ format
//	           ‖ number(varint) of functions, each: part: name
//	           ‖ number(varint) of variables, each: part: name ‖ type(varint)
//	counters   version 1 ‖ flags ‖ next message id(2) ‖ next token(1) ‖ for each answered message of the device: id(2) ‖ code(1)
const (
	boardVersion    = 2
	flagApplication = 1 // the two parts that the device described
	flagSystem      = 2

	flagMine = 1 // of a subscription

	storedVersion  = 1
	countersHeader = 5
	flagAway       = 1 // the device was away
	// storedIDs is how many answered messages are stored: a device has fewer under way.
	storedIDs = 16
	// After a restart ids and tokens go on that much further, since some were used after they were stored. A device
	// ignores an id that it saw within 45 s (device-os communication/src/coap_channel.h).
	idsAhead    = 1024
	tokensAhead = 64
)

// Stored returns what seldom changes in a session that the device has begun with Hello, for Resume.
func (s *Session) Stored() []byte {
	b := append([]byte{boardVersion, s.describing.known.flags()}, s.device[:]...)
	b = binary.AppendUvarint(b, uint64(s.udp.keepAlive))
	return appendBoard(b, s.hello, s.describing.known, s.subs)
}

func (a *abilities) flags() (flags byte) {
	if a.application {
		flags |= flagApplication
	}
	if a.system {
		flags |= flagSystem
	}
	return flags
}

// appendBoard appends what may be the same for many devices, but for flags.
func appendBoard(b []byte, hello coap.Hello, known abilities, subs []coap.Subscription) []byte {
	b = appendPart(b, hello.Append(nil))
	b = binary.AppendUvarint(b, uint64(len(subs)))
	for _, s := range subs {
		var flags byte
		if s.MyDevices {
			flags = flagMine
		}
		b = append(appendPart(appendPart(b, []byte(s.Prefix)), []byte(s.DeviceID)), flags, s.Format)
	}
	b = binary.AppendUvarint(b, uint64(len(known.functions)))
	for _, name := range known.functions {
		b = appendPart(b, []byte(name))
	}
	b = binary.AppendUvarint(b, uint64(len(known.variables)))
	for _, name := range slices.Sorted(maps.Keys(known.variables)) {
		b = binary.AppendVarint(appendPart(b, []byte(name)), int64(known.variables[name]))
	}
	return b
}

// storedReader takes fields off the front. After the first that is not there, bad stays set and what it returns means nothing.
type storedReader struct {
	rest []byte
	bad  bool
}

func (r *storedReader) bytes(n int) []byte {
	if n > len(r.rest) {
		r.bad = true
		return make([]byte, n) // n is a size of ours
	}
	b := r.rest[:n]
	r.rest = r.rest[n:]
	return b
}

func (r *storedReader) part() []byte {
	part, rest, err := cutPart(r.rest)
	if err != nil {
		r.bad = true
		return nil
	}
	r.rest = rest
	return part
}

func (r *storedReader) number() (v uint64) {
	v, n := binary.Uvarint(r.rest)
	if n <= 0 {
		r.bad = true
		return 0
	}
	r.rest = r.rest[n:]
	return v
}

// each reads as many things as the number before them says.
func (r *storedReader) each(read func()) {
	for n := r.number(); n > 0 && !r.bad; n-- {
		read()
	}
}

// readStored puts what Stored returned into a session.
func (s *Session) readStored(stored []byte) error {
	r := &storedReader{rest: stored}
	head := r.bytes(2)
	known := &s.describing.known
	known.application, known.system = head[1]&flagApplication != 0, head[1]&flagSystem != 0
	s.device = keys.DeviceID(r.bytes(len(s.device)))
	keepAlive := r.number()
	hello, err := coap.ParseHello(r.part())
	s.hello, s.greeted = hello, true
	r.each(func() {
		sub := coap.Subscription{Prefix: string(r.part()), DeviceID: string(r.part())}
		flags := r.bytes(2)
		sub.MyDevices, sub.Format = flags[0]&flagMine != 0, flags[1]
		s.subs = append(s.subs, sub)
	})
	r.each(func() { known.functions = append(known.functions, string(r.part())) })
	r.each(func() {
		name := string(r.part())
		kind, n := binary.Varint(r.rest)
		if n <= 0 {
			r.bad = true
			return
		}
		r.rest = r.rest[n:]
		if known.variables == nil {
			known.variables = make(map[string]coap.VariableType)
		}
		known.variables[name] = coap.VariableType(kind)
	})
	if err != nil || r.bad || len(r.rest) > 0 || head[0] != boardVersion || keepAlive == 0 || keepAlive > uint64(keepAliveMost) {
		return errStored
	}
	s.udp.keepAlive = time.Duration(keepAlive)
	return nil
}

// Counters appends what changes with every message, for Resume. The message of the device with that id counts as
// acknowledged: what is appended is stored together with it. none stands for none.
func (s *Session) Counters(b []byte, message int) []byte {
	var flags byte
	if s.udp.away {
		flags = flagAway
	}
	b = append(b, storedVersion, flags)
	b = append(binary.BigEndian.AppendUint16(b, s.nextID), s.nextToken)
	room := storedIDs
	s.answers.latest(func(r seenID) bool {
		if r.reply == acknowledged || int(r.id) == message {
			b = append(binary.BigEndian.AppendUint16(b, r.id), r.code)
			room--
		}
		return room > 0
	})
	return b
}

// none is no message for Counters.
const none = -1

var errStored = errors.New("what was stored of the session is damaged")

// Resume returns the session of which Stored and Counters were stored. It is away until something comes from the device.
func Resume(now time.Time, cfg Config, storedSession, counters []byte) (*Session, error) {
	n := len(counters) - countersHeader
	if n < 0 || counters[0] != storedVersion || n%3 != 0 || n/3 > storedIDs {
		return nil, errStored
	}
	cfg.UDP = true
	s := New(now, cfg)
	if err := s.readStored(storedSession); err != nil {
		return nil, err
	}
	s.nextID = binary.BigEndian.Uint16(counters[2:]) + idsAhead
	s.nextToken = counters[4] + tokensAhead
	for c := counters[countersHeader:]; len(c) > 0; c = c[3:] {
		s.answers.ring = append(s.answers.ring, seenID{id: binary.BigEndian.Uint16(c), code: c[2], reply: acknowledged})
	}
	s.udp.away, s.udp.left = true, counters[1]&flagAway != 0
	if s.missing() != 0 {
		s.describing.askAt = s.at(now)
	}
	return s, nil
}

// Nudge asks a device that is away, but may be there, for a sign of life, once.
func (s *Session) Nudge() {
	m, err := coap.Ping(s.id()).Append(nil)
	if err == nil && s.udp.away {
		s.outbox = append(s.outbox, m)
	}
}

// Subscriptions returns the device's present set, which the caller does not change.
func (s *Session) Subscriptions() []coap.Subscription { return s.subs }

// Device returns the id of the device; zero, on UDP, before it was admitted.
func (s *Session) Device() keys.DeviceID { return s.device }
