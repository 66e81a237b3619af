package link

import (
	"bytes"
	"crypto/aes"
	"encoding/binary"
	"io"
	"net"
	"slices"
	"testing"
)

// device-os communication/tests/ConstructorFixture.cpp: the Hello of a Core, and the IV of the frame after it.
const (
	fixtureCredentials = "ead9e1e2014903b9e76632f6fa5afa669522a567e100cd3cfe5215473921b63d97b197250038fa09"
	fixtureFrame       = "0010de896027ba111a95be396f4dfc309b6b"
	fixtureHello       = "500297b2b168ffffffffff0000"
	fixtureNextIV      = "de896027ba111a95be396f4dfc309b6b"
)

func TestFirstFrameOfTheDeviceOSUnitTests(t *testing.T) {
	creds := credentials(unhex(t, fixtureCredentials))
	wire, hello := unhex(t, fixtureFrame), unhex(t, fixtureHello)

	written := &script{}
	device := newConn(written, &creds, newCast(t).id, newCast(t).device, newBuffers(0))
	if err := device.Write(hello); err != nil || !bytes.Equal(written.out.Bytes(), wire) {
		t.Errorf("wrote %x, %v, want %x", written.out.Bytes(), err, wire)
	}
	server := newConn(&script{in: bytes.NewReader(wire)}, &creds, newCast(t).id, newCast(t).device, newBuffers(0))
	if message, err := server.Read(); err != nil || !bytes.Equal(message, hello) {
		t.Errorf("read %x, %v, want %x", message, err, hello)
	}
	// A Core pre-increments be16(salt[0:2]) for its Hello.
	if salt := server.Salt(); binary.BigEndian.Uint16(salt[:])+1 != binary.BigEndian.Uint16(hello[2:]) {
		t.Errorf("salt %x", salt)
	}

	// The second frame, by hand: AES-CBC with the recorded next IV.
	if err := device.Write(hello); err != nil {
		t.Fatal(err)
	}
	block, err := aes.NewCipher(creds.key())
	if err != nil {
		t.Fatal(err)
	}
	want := append(bytes.Clone(hello), 3, 3, 3)
	for i, b := range unhex(t, fixtureNextIV) {
		want[i] ^= b
	}
	block.Encrypt(want, want)
	if got := written.out.Bytes()[len(wire)+headerSize:]; !bytes.Equal(got, want) {
		t.Errorf("second frame %x, want %x", got, want)
	}
}

func TestPaddingIsAlwaysThere(t *testing.T) {
	for n, want := range map[int]int{0: 16, 1: 16, 15: 16, 16: 32, 17: 32, 31: 32, 32: 48, 2032: 2048, 2047: 2048} {
		if got := frameSize(n); got != want {
			t.Errorf("%d bytes make %d, want %d", n, got, want)
		}
		b := bytes.Repeat([]byte{0xee}, want)
		pad(b, n)
		message, ok := unpad(b)
		if !ok || len(message) != n || (n > 0 && message[n-1] != 0xee) {
			t.Errorf("%d bytes came back as %d, %v", n, len(message), ok)
		}
	}
}

// plainUnpad is PKCS#7 as one would write it without a thought for time.
func plainUnpad(b []byte) ([]byte, bool) {
	n := int(b[len(b)-1])
	if n < 1 || n > 16 {
		return nil, false
	}
	for _, c := range b[len(b)-n:] {
		if int(c) != n {
			return nil, false
		}
	}
	return b[:len(b)-n], true
}

func TestUnpadAgreesWithThePlainWay(t *testing.T) {
	for last := range 256 {
		// The right padding for the last byte, and that with each single byte of the block changed.
		good := bytes.Repeat([]byte{byte(last)}, 16)
		blocks := [][]byte{good}
		for i := range 15 {
			changed := bytes.Clone(good)
			changed[i] ^= 0x40
			blocks = append(blocks, changed)
		}
		for _, block := range blocks {
			for _, b := range [][]byte{block, append(make([]byte, 16), block...)} {
				got, ok := unpad(b)
				want, wantOK := plainUnpad(b)
				if ok != wantOK || !bytes.Equal(got, want) {
					t.Fatalf("%x: %x, %v, want %x, %v", b, got, ok, want, wantOK)
				}
			}
		}
	}
}

func TestFrameLimitIsMadeOfWholeBlocks(t *testing.T) {
	for configured, want := range map[int]int{-1: 2048, 0: 2048, 1: 16, 16: 16, 100: 96, 2048: 2048, 1 << 20: 0xfff0} {
		if got := maxFrame(configured); got != want {
			t.Errorf("%d became %d, want %d", configured, got, want)
		}
	}
}

// script is a connection whose other side has said everything already.
type script struct {
	net.Conn
	in  io.Reader
	out bytes.Buffer
}

func (s *script) Read(b []byte) (int, error)  { return s.in.Read(b) }
func (s *script) Write(b []byte) (int, error) { return s.out.Write(b) }
func (s *script) Close() error                { return nil }

// decode is the straightforward reader: all of the stream at once, crypto/cipher's blocks one by one.
func decode(creds credentials, stream []byte, limit int) (messages [][]byte, err error) {
	block, _ := aes.NewCipher(creds.key())
	iv := creds.iv()
	for {
		switch {
		case len(stream) == 0:
			return messages, io.EOF
		case len(stream) < 2:
			return messages, io.ErrUnexpectedEOF
		}
		n := int(stream[0])<<8 | int(stream[1])
		if n == 0 || n > limit || n%16 != 0 {
			return messages, ErrBadFrame
		}
		if len(stream) < 2+n {
			return messages, io.ErrUnexpectedEOF
		}
		ciphertext := stream[2 : 2+n]
		stream = stream[2+n:]
		var plain []byte
		previous := iv
		for c := range slices.Chunk(ciphertext, 16) {
			p := make([]byte, 16)
			block.Decrypt(p, c)
			for i := range p {
				p[i] ^= previous[i]
			}
			plain, previous = append(plain, p...), c
		}
		iv = ciphertext[:16]
		message, ok := plainUnpad(plain)
		if !ok {
			return messages, ErrBadFrame
		}
		messages = append(messages, message)
	}
}
