package link

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/rsa"
	"errors"
	"math/big"
	"net"
	"slices"
	"testing"

	"localcloud/keys"
)

// rotating returns the server of the cast while its key is rotated out, and the key that takes its place.
func (c cast) rotating(t testing.TB) (*Server, *rsa.PrivateKey) {
	t.Helper()
	fresh, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	s := c.server()
	s.Key, s.Keys = nil, func() (key, old *rsa.PrivateKey) { return fresh, c.serverKey }
	return s, fresh
}

func TestABoardWithEitherKeyIsAnsweredByItsOwn(t *testing.T) {
	c := newCast(t)
	s, fresh := c.rotating(t)
	for _, key := range []*rsa.PrivateKey{fresh, c.serverKey} {
		a, b := net.Pipe()
		device := c.client()
		device.ServerKey = &key.PublicKey
		done := make(chan error, 1)
		go func() {
			_, err := device.Handshake(context.Background(), b)
			done <- err
		}()
		conn, err := s.Handshake(t.Context(), a)
		if err := errors.Join(err, <-done); err != nil {
			t.Fatal(err)
		}
		if got, want := conn.ServerKey(), keys.FingerprintOfRSA(&key.PublicKey); got != want {
			t.Errorf("the device holds %s, the server says %s", want, got)
		}
	}
}

// Whose signature it is must tell nobody whether a block of somebody else decrypts: the old key signs only for who answers
// the nonce.
func TestTheOldKeySignsOnlyForWhoAnswersTheNonce(t *testing.T) {
	c := newCast(t)
	s, fresh := c.rotating(t)
	for _, k := range knockers() {
		t.Run(k.name, func(t *testing.T) {
			answer, _, err := knock(t, s, func(nonce []byte) []byte { return k.block(t, c, nonce) })
			if k.reason != "" {
				checkRefusal(t, k, c, err)
			}
			if len(answer) != answerSize || bytes.Equal(answer, make([]byte, answerSize)) {
				t.Fatal("no answer")
			}
			// What is signed is not known here, but a signature has its padding under its own key alone.
			opens := func(key *rsa.PublicKey) bool { return signedBy(key, answer[sealedSize:]) }
			silent := []keys.Reason{keys.ReasonWrongServerKey, keys.ReasonNonceMismatch, keys.ReasonShortBlock}
			answersNonce := !slices.Contains(silent, k.reason)
			if opens(&c.serverKey.PublicKey) != answersNonce || opens(&fresh.PublicKey) == answersNonce {
				t.Errorf("signed by the old key: %v, by the new: %v", opens(&c.serverKey.PublicKey), opens(&fresh.PublicKey))
			}
		})
	}
}

// signedBy raises a signature to the public exponent and looks for its padding.
func signedBy(key *rsa.PublicKey, signature []byte) bool {
	plain := new(big.Int).Exp(new(big.Int).SetBytes(signature), big.NewInt(int64(key.E)), key.N).FillBytes(make([]byte, blockSize))
	return bytes.HasPrefix(plain, append([]byte{0, 1}, bytes.Repeat([]byte{0xff}, 233)...)) && plain[235] == 0
}

// BenchmarkBlockWhileRotating is BenchmarkBlock with two keys: the cases must take the same time, and about as much
// longer than there as one private operation takes.
func BenchmarkBlockWhileRotating(b *testing.B) {
	c := newCast(b)
	s, fresh := c.rotating(b)
	s.Rand = repeating{}
	nonce := make([]byte, nonceSize)
	notOurs := make([]byte, blockSize)
	rand.Read(notOurs)
	notOurs[0] = 0
	newBlock, err := sealBlock(&fresh.PublicKey, slices.Concat(nonce, c.id[:], c.device.DER()))
	if err != nil {
		b.Fatal(err)
	}
	for _, knock := range []struct {
		name  string
		block []byte
	}{
		{"does not decrypt", notOurs},
		{"above the modulus", bytes.Repeat([]byte{0xff}, blockSize)},
		{"too short", c.block(b, nonce)},
		{"another nonce", c.block(b, bytes.Repeat([]byte{1}, nonceSize), c.id[:], c.device.DER())},
		{"let in with the old key", c.block(b, nonce, c.id[:], c.device.DER())},
		{"let in with the new key", newBlock},
	} {
		b.Run(knock.name, func(b *testing.B) {
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
