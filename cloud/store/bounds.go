package store

import "time"

// bounds says what the log keeps.
type bounds struct {
	age   time.Duration // negative: any
	bytes int64         // negative: any
	most  int64         // of one segment, on a small disk; 0: maxSegmentBytes
}

// or returns b with the age and the size that are given; 0 leaves what is there.
func (b bounds) or(age time.Duration, bytes int64) bounds {
	if age != 0 {
		b.age = age
	}
	if bytes != 0 {
		b.bytes = bytes
	}
	return b
}

// Bounds of one segment. Small ones make many files and many drops; large ones
// make retention coarse.
const (
	maxSegmentBytes = 16 << 20
	minSegmentBytes = 64 << 10
	minSegmentSpan  = time.Minute
)

// isFull reports whether the next event should begin another segment.
func (b bounds) isFull(s *segment) bool {
	if s.Events == 0 {
		return false
	}
	return s.Bytes >= b.segmentBytes() || b.age >= 0 && s.Span >= max(b.age/segmentsKept, minSegmentSpan)
}

func (b bounds) segmentBytes() int64 {
	most := int64(maxSegmentBytes)
	if b.most > 0 {
		most = min(most, b.most)
	}
	if b.bytes < 0 {
		return most
	}
	return min(most, max(b.bytes/segmentsKept, min(minSegmentBytes, b.bytes/4)))
}

// excess returns how many of the oldest segments the log has to let go. A
// segment is too old when its last event is.
func (b bounds) excess(segments []segment) int {
	var bytes int64
	var span time.Duration
	for _, s := range segments {
		bytes += s.Bytes
		span += s.Span
	}
	for i, s := range segments {
		span -= s.Span // now the age of its last event
		large := b.bytes >= 0 && bytes > b.bytes
		old := b.age >= 0 && span > b.age
		if !large && !old {
			return i
		}
		bytes -= s.Bytes
	}
	return len(segments)
}
