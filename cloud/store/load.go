package store

import (
	"encoding/json"
	"fmt"
	"math"

	"localcloud/cloud"
)

// load finds out what the log holds. It reads the accounts of the full
// segments and counts the events of the others, mostly those of the last one only.
func (l *Log) load() error {
	m, err := l.loadMark()
	if err != nil {
		return err
	}
	accounts, err := l.loadAccounts()
	if err != nil {
		return err
	}
	numbers, err := l.numbers()
	if err != nil {
		return err
	}
	l.last = m.Last
	for i, number := range numbers {
		s, known := accounts[number]
		switch {
		case number < m.First:
			l.dropped = append(l.dropped, segmentPrefix(number))
			continue
		case !known || i == len(numbers)-1: // the account of the last one may be older than its events
			if s, err = l.count(number); err != nil {
				return err
			}
		}
		l.segments = append(l.segments, s)
		l.last = max(l.last, s.Last)
	}
	if len(l.segments) == 0 {
		l.segments = []segment{{Number: m.First}}
	}
	return nil
}

func (l *Log) loadMark() (m mark, err error) {
	var damage error
	err = l.db.scan([]byte(keyMark), nil, func(_, value []byte) bool {
		damage = json.Unmarshal(value, &m)
		return false
	})
	if err == nil && damage != nil {
		err = fmt.Errorf("mark of the event log: %w", damage)
	}
	return m, err
}

// loadAccounts leaves out an account that it cannot read: its segment is counted.
func (l *Log) loadAccounts() (map[uint32]segment, error) {
	accounts := make(map[uint32]segment)
	err := l.db.scan([]byte{prefixSegment}, nil, func(_, value []byte) bool {
		var s segment
		if err := json.Unmarshal(value, &s); err != nil {
			l.logger.Warn("account of a segment of the event log is damaged", "err", err)
			return true
		}
		accounts[s.Number] = s
		return true
	})
	return accounts, err
}

// numbers returns the numbers of all segments that have events, in order.
func (l *Log) numbers() ([]uint32, error) {
	var numbers []uint32
	for next := uint64(0); next <= math.MaxUint32; {
		found := false
		err := l.db.scan([]byte{prefixEvent}, segmentPrefix(uint32(next)), func(key, _ []byte) bool {
			number, _, ok := parseEventKey(key)
			if !ok {
				return true
			}
			numbers = append(numbers, number)
			found, next = true, uint64(number)+1
			return false
		})
		if err != nil || !found {
			return numbers, err
		}
	}
	return numbers, nil
}

// count makes the account of a segment from its events.
func (l *Log) count(number uint32) (segment, error) {
	s := segment{Number: number}
	before := l.newest()
	err := l.db.scan(segmentPrefix(number), nil, func(key, value []byte) bool {
		if _, id, ok := parseEventKey(key); ok {
			s.add(before, id, op{key, value}.size())
			before = id
		}
		return true
	})
	return s, err
}

var _ cloud.Log = (*Log)(nil)
var _ cloud.Registry = (*Registry)(nil)
