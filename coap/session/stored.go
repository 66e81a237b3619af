package session

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"localcloud/coap"
	"localcloud/keys"
)

// A session over UDP can outlive the server: the device goes on with it and does not repeat its Hello, describe and
// subscriptions. What is stored has two parts: what seldom changes, in JSON, and counters, which change with every event and
// are stored with it.
//
//	counters   version 1 ‖ flags ‖ next message id(2) ‖ next token(1) ‖ for each answered message of the device: id(2) ‖ code(1)
const (
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

// stored is what seldom changes.
type stored struct {
	Device    keys.DeviceID       `json:"device"`
	Hello     coap.Hello          `json:"hello"`
	Subs      []coap.Subscription `json:"subscriptions,omitempty"`
	KeepAlive time.Duration       `json:"keep_alive"`

	Application bool                         `json:"application"` // the two parts that the device described
	System      bool                         `json:"system"`
	Functions   []string                     `json:"functions,omitempty"`
	Variables   map[string]coap.VariableType `json:"variables,omitempty"`
}

// Stored returns what seldom changes in a session that the device has begun with Hello, for Resume.
func (s *Session) Stored() []byte {
	known := &s.describing.known
	b, err := json.Marshal(stored{
		Device: s.device, Hello: s.hello, Subs: s.subs, KeepAlive: s.udp.keepAlive,
		Application: known.application, System: known.system, Functions: known.functions, Variables: known.variables,
	})
	if err != nil {
		panic("session: " + err.Error()) // nothing in it can fail
	}
	return b
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
	var st stored
	if err := json.Unmarshal(storedSession, &st); err != nil {
		return nil, fmt.Errorf("%w: %w", errStored, err)
	}
	n := len(counters) - countersHeader
	if n < 0 || counters[0] != storedVersion || n%3 != 0 || n/3 > storedIDs || st.KeepAlive <= 0 || st.KeepAlive > keepAliveMost {
		return nil, errStored
	}
	cfg.UDP, cfg.Device = true, st.Device
	s := New(now, cfg)
	s.nextID = binary.BigEndian.Uint16(counters[2:]) + idsAhead
	s.nextToken = counters[4] + tokensAhead
	for c := counters[countersHeader:]; len(c) > 0; c = c[3:] {
		s.answers.ring = append(s.answers.ring, seenID{id: binary.BigEndian.Uint16(c), code: c[2], reply: acknowledged})
	}
	s.hello, s.greeted, s.subs = st.Hello, true, st.Subs
	s.describing.known = abilities{application: st.Application, system: st.System, functions: st.Functions, variables: st.Variables}
	s.udp.keepAlive, s.udp.away, s.udp.left = st.KeepAlive, true, counters[1]&flagAway != 0
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
