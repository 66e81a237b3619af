package link

import (
	"bytes"
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"net"
	"slices"
	"testing"

	"localcloud/keys"
)

var benchmarkSizes = []int{64, 1024}

func BenchmarkWrite(b *testing.B) {
	for _, size := range benchmarkSizes {
		b.Run(fmt.Sprintf("%dB", size), func(b *testing.B) {
			creds := testCredentials
			c := newConn(&discarding{}, &creds, keys.DeviceID{}, keys.PublicKey{}, newBuffers(0))
			message := make([]byte, size)
			b.SetBytes(int64(size))
			b.ReportAllocs()
			for b.Loop() {
				if err := c.Write(message); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkRead(b *testing.B) {
	for _, size := range benchmarkSizes {
		b.Run(fmt.Sprintf("%dB", size), func(b *testing.B) {
			creds := testCredentials
			source := bytes.NewReader(stream(b, string(make([]byte, size))))
			c := newConn(&script{in: source}, &creds, keys.DeviceID{}, keys.PublicKey{}, newBuffers(0))
			b.SetBytes(int64(size))
			b.ReportAllocs()
			for b.Loop() {
				source.Seek(0, io.SeekStart)
				c.chains.in = [16]byte(creds.iv()) // the same frame again
				if _, err := c.Read(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

type discarding struct{ script }

func (*discarding) Write(b []byte) (int, error) { return len(b), nil }

// BenchmarkBlock is what the server computes for a block: everything between its last byte and the answer. The cases
// must take the same time, those before "unknown device" above all: they are what an attacker could compare.
func BenchmarkBlock(b *testing.B) {
	c := newCast(b)
	nonce := make([]byte, nonceSize)
	otherNonce := bytes.Repeat([]byte{1}, nonceSize)
	notOurs := make([]byte, blockSize)
	rand.Read(notOurs)
	notOurs[0] = 0
	for _, knock := range []struct {
		name  string
		block []byte
	}{
		{"does not decrypt", notOurs},
		{"above the modulus", bytes.Repeat([]byte{0xff}, blockSize)},
		{"too short", c.block(b, nonce)},
		{"another nonce", c.block(b, otherNonce, c.id[:], c.device.DER())},
		{"unknown device", c.block(b, nonce, strangerID[:], c.other.DER())},
		{"let in", c.block(b, nonce, c.id[:], c.device.DER())},
	} {
		b.Run(knock.name, func(b *testing.B) {
			s := c.server()
			s.Rand = repeating{}
			for b.Loop() {
				nc := &knockScript{script{in: bytes.NewReader(slices.Concat(knock.block, []byte{0, 1}))}}
				s.Handshake(context.Background(), nc)
				if nc.out.Len() != nonceSize+answerSize {
					b.Fatalf("%d bytes sent", nc.out.Len())
				}
			}
		})
	}
}

// repeating is a source of zeros, so that the nonce is known.
type repeating struct{}

func (repeating) Read(b []byte) (int, error) {
	clear(b)
	return len(b), nil
}

// BenchmarkHandshake is both halves.
func BenchmarkHandshake(b *testing.B) {
	c := newCast(b)
	s := c.server()
	for b.Loop() {
		server, device := net.Pipe()
		done := make(chan error, 1)
		go func() {
			_, err := c.client().Handshake(context.Background(), device)
			done <- err
		}()
		if _, err := s.Handshake(context.Background(), server); err != nil {
			b.Fatal(err)
		}
		if err := <-done; err != nil {
			b.Fatal(err)
		}
	}
}
