package dtls

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/subtle"
	"encoding/binary"
	"errors"
)

// Sizes of AES-128-CCM-8 (RFC 6655): a nonce is the 4 bytes of the key block and 8 bytes that stand in the record.
const (
	keySize      = 16
	fixedIVSize  = 4
	explicitSize = 8
	tagSize      = 8
)

// errTag says that a record was not sealed with the key of the session, or was changed.
var errTag = errors.New("dtls: the record does not authenticate")

// ccm seals and opens records of one direction, in place. It is not safe for concurrent use.
//
// It is here because the standard library has no CCM. It follows RFC 3610 with M = 8 (tag) and L = 3 (length):
//
//	B0  = 5a ‖ nonce(12) ‖ length(3)           then AAD: its length(2) ‖ AAD ‖ 0..., then the message ‖ 0...
//	A_i = 02 ‖ nonce(12) ‖ i(3)                E(A_0) hides the tag, E(A_1)... the message
type ccm struct {
	block cipher.Block
	iv    [fixedIVSize]byte

	// Scratch: slices that go through an interface would be allocated otherwise.
	mac, counter, stream [aes.BlockSize]byte
}

func newCCM(key, iv []byte) *ccm {
	block, err := aes.NewCipher(key)
	if err != nil {
		panic("dtls: " + err.Error()) // the key has 16 bytes
	}
	return &ccm{block: block, iv: [fixedIVSize]byte(iv)}
}

// seal encrypts message in place and returns the tag.
func (c *ccm) seal(explicit *[explicitSize]byte, message, additional []byte) [tagSize]byte {
	c.authenticate(explicit, message, additional)
	c.xor(explicit, message)
	return [tagSize]byte(c.mac[:])
}

// open decrypts message in place. After an error its content means nothing.
func (c *ccm) open(explicit *[explicitSize]byte, message, tag, additional []byte) error {
	c.xor(explicit, message)
	c.authenticate(explicit, message, additional)
	c.hideTag(explicit)
	if subtle.ConstantTimeCompare(c.mac[:tagSize], tag) != 1 {
		clear(message)
		return errTag
	}
	return nil
}

// xor encrypts or decrypts with the key stream, and after that, when it encrypts, hides the tag in mac.
func (c *ccm) xor(explicit *[explicitSize]byte, message []byte) {
	c.hideTag(explicit)
	for i := uint32(1); len(message) > 0; i++ {
		c.keyStream(explicit, i)
		n := subtle.XORBytes(message, message, c.stream[:])
		message = message[n:]
	}
}

// hideTag applies E(A_0) to mac; twice is none.
func (c *ccm) hideTag(explicit *[explicitSize]byte) {
	c.keyStream(explicit, 0)
	subtle.XORBytes(c.mac[:], c.mac[:], c.stream[:])
}

func (c *ccm) keyStream(explicit *[explicitSize]byte, i uint32) {
	c.counter[0] = 2
	copy(c.counter[1:], c.iv[:])
	copy(c.counter[1+fixedIVSize:], explicit[:])
	c.counter[13], c.counter[14], c.counter[15] = byte(i>>16), byte(i>>8), byte(i)
	c.block.Encrypt(c.stream[:], c.counter[:])
}

// authenticate puts the CBC-MAC into mac.
func (c *ccm) authenticate(explicit *[explicitSize]byte, message, additional []byte) {
	c.mac[0] = 0x5a
	copy(c.mac[1:], c.iv[:])
	copy(c.mac[1+fixedIVSize:], explicit[:])
	c.mac[13], c.mac[14], c.mac[15] = byte(len(message)>>16), byte(len(message)>>8), byte(len(message))
	c.block.Encrypt(c.mac[:], c.mac[:])

	var head [2]byte
	binary.BigEndian.PutUint16(head[:], uint16(len(additional)))
	c.mac[0] ^= head[0]
	c.mac[1] ^= head[1]
	n := subtle.XORBytes(c.mac[2:], c.mac[2:], additional)
	c.block.Encrypt(c.mac[:], c.mac[:])
	c.absorb(additional[n:])
	c.absorb(message)
}

func (c *ccm) absorb(b []byte) {
	for len(b) > 0 {
		n := subtle.XORBytes(c.mac[:], c.mac[:], b)
		b = b[n:]
		c.block.Encrypt(c.mac[:], c.mac[:])
	}
}
