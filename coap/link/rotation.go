package link

import (
	"crypto/rsa"
	"crypto/subtle"

	"localcloud/keys"
)

// serverKeys are the server's keys for one handshake.
type serverKeys struct {
	key  *rsa.PrivateKey
	old  *rsa.PrivateKey // being rotated out; nil: none
	used *rsa.PrivateKey // the one that the device holds, by which the answer is signed
}

func (s *Server) keys() serverKeys {
	if s.Keys == nil {
		return serverKeys{key: s.Key, used: s.Key}
	}
	key, old := s.Keys()
	return serverKeys{key: key, old: old, used: key}
}

// open decrypts a block with each key there is, whatever comes of it, so that all blocks take the same time.
//
// The old key signs only for a block that answers the nonce, which nobody can make of a recorded one. Anything less would
// show on the wire, by whose signature it is, whether a block decrypts under the old key (see the package comment).
func (k *serverKeys) open(block *[blockSize]byte, nonce *[nonceSize]byte) (plain []byte, ok bool) {
	plain, ok = openBlock(k.key, block)
	if k.old == nil {
		return plain, ok
	}
	other, otherOK := openBlock(k.old, block)
	switch {
	case otherOK && answers(other, nonce):
		k.used = k.old
		return other, true
	case !ok:
		return other, otherOK // for the record
	}
	return plain, ok
}

func answers(plain []byte, nonce *[nonceSize]byte) bool {
	return len(plain) >= nonceSize+idSize && subtle.ConstantTimeCompare(plain[:nonceSize], nonce[:]) == 1
}

// ServerKey is the fingerprint of the server's key that the device holds, "" on the device's side.
func (c *Conn) ServerKey() keys.Fingerprint { return c.serverKey }

// named is a key of the server with its fingerprint.
type named struct {
	key         *rsa.PrivateKey
	fingerprint keys.Fingerprint
}

// fingerprint names a key of the server. Nearly all devices hold the same, so the last one is remembered.
func (s *Server) fingerprint(key *rsa.PrivateKey) keys.Fingerprint {
	last := s.held.Load()
	if last == nil || last.key != key {
		last = &named{key, keys.FingerprintOfRSA(&key.PublicKey)}
		s.held.Store(last)
	}
	return last.fingerprint
}
