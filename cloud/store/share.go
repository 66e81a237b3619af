package store

import (
	"math"
	"sync/atomic"
)

// What else is kept in the data directory, such as recordings of the relay,
// shares the bound of the log: it may take half of it, and the log takes what is
// left. When the disk is short it gives way before the log does.

// shareMargin is how much more than the reserve has to be free for it to grow.
const shareMargin = 16 << 20

// share is what is kept beside the log.
type share struct {
	beside atomic.Pointer[func() int64] // says how many bytes it takes now; nil: nothing is
}

// Share makes the log leave room for something else in the data directory. beside returns how
// many bytes that takes now; it is called often, by any goroutine, and does not block.
func (s *Store) Share(beside func() int64) { s.events.share.beside.Store(&beside) }

// Room returns how many bytes something that shares the log's bound may take
// altogether, when it takes held now: half of that bound, and less than held when the disk is nearly full.
func (s *Store) Room(held int64) int64 {
	if s.dir == "" {
		return math.MaxInt64
	}
	_, most := s.events.Bounds()
	if most < 0 || !s.mode.usesDisk() {
		most = s.space.logBytes()
	}
	most /= 2
	if free, known := s.space.left(); known {
		most = min(most, held+free-s.space.toCommit-shareMargin)
	}
	return max(most, 0)
}

// bound returns how many bytes the log may take beside what shares its bound.
func (s *share) bound(bytes int64) int64 {
	beside := s.beside.Load()
	if beside == nil || bytes < 0 {
		return bytes
	}
	return bytes - min((*beside)(), bytes/2)
}

// RoomOn is Room for what has a disk to itself, without a store beside it: a
// tenth of that, and less when it is nearly full. dir is somewhere on it.
func RoomOn(dir string, held int64) int64 {
	free, known := freeSpace(dir)
	if !known {
		return math.MaxInt64
	}
	return max(min((held+free)/10, held+free-loneReserve), 0)
}

const loneReserve = 64 << 20 // bytes that stay free
