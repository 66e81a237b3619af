package virtual

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	cryptorand "crypto/rand"
	"encoding/binary"
	"math/rand/v2"
	"net"
	"slices"
	"sync"
	"time"
)

// wrongECKey is a key that is not the device's.
func (i *injector) wrongECKey() *ecdsa.PrivateKey {
	i.counts.wrongKeys.Add(1)
	if i.ecKey == nil {
		key, err := ecdsa.GenerateKey(elliptic.P256(), cryptorand.Reader)
		if err != nil {
			panic("virtual: " + err.Error()) // crypto/rand never fails
		}
		i.ecKey = key
	}
	return i.ecKey
}

func (i *injector) moveEvery() time.Duration {
	if i == nil {
		return 0
	}
	return i.faults.MoveEvery
}

// spoil makes a socket one of a bad network. Each has a course of its own, which Seed and the device's id decide.
func (i *injector) spoil(nc net.Conn) net.Conn {
	if i == nil || i.faults.Lose <= 0 && i.faults.Double <= 0 && i.faults.Late <= 0 {
		return nc
	}
	var seed [8]byte
	binary.BigEndian.PutUint64(seed[:], i.chance.Uint64())
	return &badSocket{Conn: nc, faults: i.faults, counts: i.counts, chance: rand.New(rand.NewPCG(binary.BigEndian.Uint64(seed[:]), 1))}
}

// badSocket loses, doubles and delays what is sent, and loses what comes: the device's whole way to the server and back.
type badSocket struct {
	net.Conn
	faults *Faults
	counts *counters

	mu     sync.Mutex
	chance *rand.Rand
}

func (s *badSocket) Write(b []byte) (int, error) {
	copies, late := s.fate()
	for range copies {
		if late == 0 {
			if _, err := s.Conn.Write(b); err != nil {
				return 0, err
			}
			continue
		}
		b := slices.Clone(b)
		time.AfterFunc(late, func() { _, _ = s.Conn.Write(b) })
	}
	return len(b), nil
}

func (s *badSocket) Read(b []byte) (int, error) {
	for {
		n, err := s.Conn.Read(b)
		if copies, _ := s.fate(); err != nil || copies > 0 {
			return n, err
		}
	}
}

func (s *badSocket) fate() (copies int, late time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.faults.Late > 0 {
		late = time.Duration(s.chance.Int64N(int64(s.faults.Late)))
	}
	switch p := s.chance.Float64(); {
	case p < s.faults.Lose:
		s.counts.lost.Add(1)
		return 0, late
	case p < s.faults.Lose+s.faults.Double:
		return 2, late
	}
	return 1, late
}
