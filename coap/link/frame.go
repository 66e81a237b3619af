package link

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/subtle"
	"encoding/binary"
	"errors"
	"slices"
	"sync"
)

// A frame:
//
//	length(2, big-endian) ‖ ciphertext(length)        length = (n & ^15) + 16 for a message of n bytes
const headerSize = 2

// DefaultMaxFrame is the ciphertext length that is accepted and sent unless told otherwise. Devices take less: a Core
// 640 bytes, a Photon 800 or 960.
const DefaultMaxFrame = 2048

var (
	// ErrBadFrame is the one error for everything that can be wrong with a received frame: its length, its padding.
	ErrBadFrame = errors.New("link: bad frame")
	// ErrTooLong means that a message does not fit into a frame. Nothing was sent.
	ErrTooLong = errors.New("link: message too long for a frame")
)

// maxFrame makes a usable limit of a configured one: whole blocks, and what two bytes can say.
func maxFrame(configured int) int {
	if configured <= 0 {
		configured = DefaultMaxFrame
	}
	return min(max(configured, aes.BlockSize), 0xffff) &^ (aes.BlockSize - 1)
}

// frameSize is the ciphertext length for a message of n bytes.
func frameSize(n int) int { return n&^(aes.BlockSize-1) + aes.BlockSize }

// chains are the two directions of a connection. The IV of the next frame is the first cipher block of this one. They share the
// key schedule, half a kilobyte, which the CBC modes of crypto/cipher would each copy. It is kept while nothing is said: to make
// it for each ping would leave more garbage behind than all schedules take. One goroutine may open while another seals.
type chains struct {
	out, in [aes.BlockSize]byte // IV of the next frame
	block   cipher.Block
}

// newChains makes both directions.
func newChains(creds *credentials) *chains {
	block, err := aes.NewCipher(creds.key())
	if err != nil {
		panic(err) // the key always has 16 bytes
	}
	iv := [aes.BlockSize]byte(creds.iv())
	return &chains{out: iv, in: iv, block: block}
}

// seal encrypts whole blocks, at least one, in place.
func (c *chains) seal(blocks []byte) {
	last := c.out[:]
	for b := range slices.Chunk(blocks, aes.BlockSize) {
		subtle.XORBytes(b, b, last)
		c.block.Encrypt(b, b)
		last = b
	}
	copy(c.out[:], blocks)
}

// open decrypts whole blocks, at least one, in place and returns the message inside, or false if the padding is wrong.
func (c *chains) open(blocks []byte) ([]byte, bool) {
	next := [aes.BlockSize]byte(blocks)
	for at := len(blocks) - aes.BlockSize; at > 0; at -= aes.BlockSize { // backwards: each needs the one before as it came
		b := blocks[at : at+aes.BlockSize]
		c.block.Decrypt(b, b)
		subtle.XORBytes(b, b, blocks[at-aes.BlockSize:at])
	}
	first := blocks[:aes.BlockSize]
	c.block.Decrypt(first, first)
	subtle.XORBytes(first, first, c.in[:])
	c.in = next
	return unpad(blocks)
}

// pad fills b behind the message of n bytes: PKCS#7, 1 to 16 bytes.
func pad(b []byte, n int) {
	for i := n; i < len(b); i++ {
		b[i] = byte(len(b) - n)
	}
}

// unpad looks at all sixteen bytes that can be padding, whatever they hold, so that its time tells nothing.
func unpad(b []byte) ([]byte, bool) {
	last := b[len(b)-aes.BlockSize:]
	size := int(last[aes.BlockSize-1])
	good := subtle.ConstantTimeLessOrEq(1, size) & subtle.ConstantTimeLessOrEq(size, aes.BlockSize)
	for i := range aes.BlockSize {
		isPadding := subtle.ConstantTimeLessOrEq(aes.BlockSize-i, size)
		good &= subtle.ConstantTimeSelect(isPadding, subtle.ConstantTimeByteEq(last[i], byte(size)), 1)
	}
	if good != 1 {
		return nil, false
	}
	return b[:len(b)-size], true
}

// frameLength reads a header. False means that no such frame can be.
func frameLength(header []byte, limit int) (int, bool) {
	n := int(binary.BigEndian.Uint16(header))
	return n, n > 0 && n <= limit && n%aes.BlockSize == 0
}

// buffers lends room for one whole frame. Connections share it, so that one that is idle holds none.
type buffers struct {
	limit int // largest ciphertext
	pool  sync.Pool
}

type buffer struct{ bytes []byte }

func newBuffers(configured int) *buffers { return &buffers{limit: maxFrame(configured)} }

func (p *buffers) get() *buffer {
	if b, ok := p.pool.Get().(*buffer); ok {
		return b
	}
	return &buffer{make([]byte, headerSize+p.limit)}
}

func (p *buffers) put(b *buffer) { p.pool.Put(b) }
