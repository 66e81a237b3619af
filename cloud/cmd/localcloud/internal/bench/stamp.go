package bench

import (
	"bytes"
	"strconv"
	"time"
)

// stamp is what each event of ours carries, as text:
//
//	lcb PHASE DEVICE NUMBER SENT x...     numbers in decimal; SENT in ns since the epoch of the run; filled up with x
type stamp struct {
	phase  uint64 // of the measurement
	device int    // index of the publisher
	number uint64 // 1 for the first event of that device in that phase
	sent   time.Duration
}

const stampMark = "lcb "

// eventSize is the length of the data of our events: some readings in JSON have about that.
const eventSize = 64

func (s stamp) append(b []byte) []byte {
	begin := len(b)
	b = append(b, stampMark...)
	for _, n := range [...]uint64{s.phase, uint64(s.device), s.number, uint64(s.sent)} {
		b = append(strconv.AppendUint(b, n, 10), ' ')
	}
	for len(b)-begin < eventSize {
		b = append(b, 'x')
	}
	return b
}

// findStamp reads the stamp that is somewhere in b, such as in the JSON of an event stream.
func findStamp(b []byte) (s stamp, ok bool) {
	_, b, ok = bytes.Cut(b, []byte(stampMark))
	if !ok {
		return s, false
	}
	var n [4]uint64
	for i := range n {
		if n[i], b, ok = cutNumber(b); !ok {
			return s, false
		}
	}
	return stamp{phase: n[0], device: int(n[1]), number: n[2], sent: time.Duration(n[3])}, true
}

// cutNumber reads digits up to a blank.
func cutNumber(b []byte) (n uint64, rest []byte, ok bool) {
	for i, c := range b {
		switch {
		case c == ' ' && i > 0:
			return n, b[i+1:], true
		case c < '0' || c > '9' || i > 19:
			return 0, nil, false
		}
		n = n*10 + uint64(c-'0')
	}
	return 0, nil, false
}
