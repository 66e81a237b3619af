package bench

// sequence checks the numbers of one device's events as one listener gets them.
// The first is 1. The zero value has got nothing.
type sequence struct {
	seen    []uint64 // a bit for each number
	highest uint64

	got      uint64 // different ones
	twice    uint64 // copies beyond the first
	disorder uint64 // that came after a higher one
}

// add takes the next number that came, and reports whether it is new.
func (s *sequence) add(n uint64) bool {
	word, bit := n/64, uint64(1)<<(n%64)
	for uint64(len(s.seen)) <= word {
		s.seen = append(s.seen, 0)
	}
	if s.seen[word]&bit != 0 {
		s.twice++
		return false
	}
	s.seen[word] |= bit
	s.got++
	if n < s.highest {
		s.disorder++
	}
	s.highest = max(s.highest, n)
	return true
}

// lost returns how many of the first sent numbers never came.
func (s *sequence) lost(sent uint64) uint64 {
	got := s.got
	for n := sent + 1; n <= s.highest; n++ { // sent by nobody that we know
		if s.seen[n/64]&(1<<(n%64)) != 0 {
			got--
		}
	}
	return sent - got
}
