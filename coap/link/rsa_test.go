package link

import (
	"bytes"
	"testing"
	"time"
)

// aboveModulus returns a block that is not below the modulus and has a good block's bits but for the first.
func aboveModulus(t *testing.T, c cast) (above, good []byte) {
	t.Helper()
	for {
		good = c.block(t, make([]byte, nonceSize), c.id[:])
		above = bytes.Clone(good)
		above[0] |= 0x80
		if good[0] < 0x80 && bytes.Compare(above, c.serverKey.N.Bytes()) >= 0 {
			return above, good
		}
	}
}

func TestBlockAboveTheModulusIsRefusedAfterTheSameWork(t *testing.T) {
	c := newCast(t)
	above, good := aboveModulus(t, c)
	if plain, ok := openBlock(c.serverKey, (*[blockSize]byte)(good)); !ok || len(plain) != nonceSize+idSize {
		t.Fatalf("%x, %v", plain, ok)
	}
	before := bytes.Clone(above)
	if _, ok := openBlock(c.serverKey, (*[blockSize]byte)(above)); ok || !bytes.Equal(above, before) {
		t.Error("taken, or changed")
	}
	// Without the private operation it would be hundreds of times faster.
	if fast, usual := quickest(c, above), quickest(c, good); fast < usual/4 {
		t.Errorf("%v for a block above the modulus, %v for another", fast, usual)
	}
}

func quickest(c cast, block []byte) time.Duration {
	best := time.Hour
	for range 10 {
		start := time.Now()
		openBlock(c.serverKey, (*[blockSize]byte)(block))
		best = min(best, time.Since(start))
	}
	return best
}
