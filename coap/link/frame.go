package link

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/subtle"
	"encoding/binary"
	"errors"
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

// cbcMode is what crypto/cipher's CBC modes are; crypto/tls relies on SetIV in the same way.
type cbcMode interface {
	cipher.BlockMode
	SetIV([]byte)
}

// chain is one direction of a connection. The IV of the next frame is the first cipher block of this one. The key schedule,
// half a kilobyte, is made when there is something to do and kept until rest.
type chain struct {
	begin func(cipher.Block, []byte) cipher.BlockMode
	state *chainState // a pointer, so that fmt prints no key
	mode  cbcMode     // nil at rest
}

type chainState struct {
	key [16]byte
	iv  [aes.BlockSize]byte // of the next frame
}

// newChains makes both directions.
func newChains(creds *credentials) (encrypt, decrypt chain) {
	state := chainState{key: [16]byte(creds.key()), iv: [aes.BlockSize]byte(creds.iv())}
	other := state
	return chain{begin: cipher.NewCBCEncrypter, state: &state}, chain{begin: cipher.NewCBCDecrypter, state: &other}
}

// crypt encrypts or decrypts the whole blocks of a frame in place.
func (c *chain) crypt(blocks []byte) {
	if c.mode == nil {
		block, err := aes.NewCipher(c.state.key[:])
		if err != nil {
			panic(err) // the key always has 16 bytes
		}
		c.mode = c.begin(block, c.state.iv[:]).(cbcMode)
	}
	c.mode.SetIV(c.state.iv[:])
	c.mode.CryptBlocks(blocks, blocks)
}

// rest gives the key schedule back to the memory.
func (c *chain) rest() { c.mode = nil }

// seal encrypts whole blocks in place.
func (c *chain) seal(blocks []byte) {
	c.crypt(blocks)
	copy(c.state.iv[:], blocks)
}

// open decrypts whole blocks, at least one, in place and returns the message inside, or false if the padding is wrong.
func (c *chain) open(blocks []byte) ([]byte, bool) {
	next := [aes.BlockSize]byte(blocks)
	c.crypt(blocks)
	c.state.iv = next
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
