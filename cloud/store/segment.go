package store

import (
	"encoding/binary"
	"encoding/json"
	"time"

	"localcloud/cloud"
)

// The log's database. Numbers in keys are big-endian, so keys sort by segment, and
// within one by event id.
//
//	e <4 bytes segment> <8 bytes event id>   the event, see event.go
//	s <4 bytes segment>                      segment, JSON; written when the segment is full
//	m                                        mark, JSON
//	l <12 bytes device id>                   what seldom changes in the device's link over UDP, with its keys; see links.go
//	c <12 bytes device id>                   its counters
//
// Events are kept in segments, each about a 64th of what the log may hold. A
// segment goes as a whole: Badger drops all keys of a prefix by deleting the files that
// hold nothing else and rewriting those at the border. Deleting event by event would
// write a tombstone for each, and the space comes back only when compaction has taken
// the tombstones down to the events (measured for a log of 64 MB: 97 MB of
// disk instead of 68, three times the memory, twice the time).
// It also makes the accounts cheap: the figures of full segments are read at open, only the
// last segment is counted anew.
const (
	prefixEvent   = 'e'
	prefixSegment = 's'
	keyMark       = "m"
	segmentsKept  = 64
)

// mark is written before segments are dropped. It remembers what the dropped events would
// have shown: an id is never given twice, though the log may be empty.
type mark struct {
	Last  cloud.EventID `json:"last"`  // no event after this one was ever appended
	First uint32        `json:"first"` // what is in segments before this one is to be dropped
}

// segment is the account of some consecutive events.
//
// Retention measures age in the log's own time, never by the clock: the age of
// an event is the sum of the steps from each event after it to the next, up
// to the newest, and a step of more than a day counts as nothing. So a clock that jumps
// ahead by years makes no event old, and one that is behind (ids then grow by one) just
// stops the time. A house where nothing happens for days keeps its events for longer,
// which costs it nothing.
type segment struct {
	Number uint32        `json:"number"`
	First  cloud.EventID `json:"first"` // of its events; 0: none
	Last   cloud.EventID `json:"last"`
	Events uint64        `json:"events"`
	Bytes  int64         `json:"bytes"`
	Span   time.Duration `json:"span"` // the steps to its events, the first one's from the segment before
}

// longestStep is the longest time between two events that counts for their age.
const longestStep = 24 * time.Hour

// step returns how much older the events up to before get when after comes.
func step(before, after cloud.EventID) time.Duration {
	if before == 0 || after <= before {
		return 0
	}
	if d := uint64(after - before); d <= uint64(longestStep/time.Microsecond) {
		return time.Duration(d) * time.Microsecond
	}
	return 0
}

// add counts an event of so many bytes. before is the id of the event before it, 0 when there is none.
func (s *segment) add(before, id cloud.EventID, bytes int) {
	if s.Events == 0 {
		s.First = id
	}
	s.Last = id
	s.Events++
	s.Bytes += int64(bytes)
	s.Span += step(before, id)
}

func segmentPrefix(number uint32) []byte {
	return binary.BigEndian.AppendUint32([]byte{prefixEvent}, number)
}

func appendEventKey(b []byte, number uint32, id cloud.EventID) []byte {
	b = binary.BigEndian.AppendUint32(append(b, prefixEvent), number)
	return binary.BigEndian.AppendUint64(b, uint64(id))
}

// parseEventKey reports false for what is not an event's key.
func parseEventKey(key []byte) (number uint32, id cloud.EventID, ok bool) {
	if len(key) != 1+4+8 || key[0] != prefixEvent {
		return 0, 0, false
	}
	return binary.BigEndian.Uint32(key[1:]), cloud.EventID(binary.BigEndian.Uint64(key[5:])), true
}

func segmentKey(number uint32) []byte {
	return binary.BigEndian.AppendUint32([]byte{prefixSegment}, number)
}

// op returns what stores the account.
func (s *segment) op() op { return op{segmentKey(s.Number), encodeJSON(s)} }

func (m mark) op() op { return op{[]byte(keyMark), encodeJSON(m)} }

func encodeJSON(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic("store: " + err.Error()) // integers only
	}
	return b
}
