package keys

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/x509"
	"errors"
	"fmt"
)

// ServerKey is the public key by which a board knows its cloud: RSA-2048 for TCP, P-256 for UDP, kept as its canonical
// SubjectPublicKeyInfo. The zero value means "no key". It is a value like PublicKey.
type ServerKey struct {
	algorithm Algorithm
	spki      string
}

// ParseServerKey reads a server's public key: PEM or DER, with padding behind it as in a board's slot. It takes
// RSA-2048 (exponent 65537) and EC P-256.
func ParseServerKey(b []byte) (ServerKey, error) {
	der, padding, err := publicDER(b)
	if err != nil {
		return ServerKey{}, fmt.Errorf("server key: %w", err)
	}
	if !isPadding(padding) {
		return ServerKey{}, errors.New("server key: there are other bytes behind it")
	}
	found, err := x509.ParsePKIXPublicKey(der)
	if err != nil {
		return ServerKey{}, errors.New("server key: not a public key (SubjectPublicKeyInfo), or a damaged one")
	}
	return newServerKey(found)
}

func newServerKey(found any) (ServerKey, error) {
	switch key := found.(type) {
	case *rsa.PublicKey:
		if key.N.BitLen() != 2048 || key.E != boardExponent || key.N.Bit(0) == 0 {
			return ServerKey{}, fmt.Errorf("server key: RSA-%d with exponent %d; boards use RSA-2048 with 65537", key.N.BitLen(), key.E)
		}
		return ServerKey{RSA, string(spki(key))}, nil
	case *ecdsa.PublicKey:
		if key.Curve != elliptic.P256() {
			return ServerKey{}, errors.New("server key: boards use the curve P-256")
		}
		return ServerKey{ECC, string(spki(key))}, nil
	}
	return ServerKey{}, errors.New("server key: neither RSA nor EC")
}

// IsZero reports whether there is no key.
func (k ServerKey) IsZero() bool { return k.spki == "" }

// Algorithm is RSA or ECC, or "" when there is no key.
func (k ServerKey) Algorithm() Algorithm { return k.algorithm }

// DER returns the SubjectPublicKeyInfo: 294 bytes for RSA-2048, 91 for P-256, nil when there is no key.
func (k ServerKey) DER() []byte {
	if k.IsZero() {
		return nil
	}
	return []byte(k.spki)
}

// PEM returns the SubjectPublicKeyInfo as a PUBLIC KEY block, nil when there is no key.
func (k ServerKey) PEM() []byte { return publicPEM([]byte(k.spki)) }

// Fingerprint is short enough to show and to compare by eye; "" when there is no key.
func (k ServerKey) Fingerprint() Fingerprint {
	if k.IsZero() {
		return ""
	}
	return fingerprint([]byte(k.spki))
}

// The fingerprints of the public keys of Particle's own cloud, from the key files that particle-cli brings along.
const (
	particleTCP Fingerprint = "SHA256:qoq6PJc+1LZomZBHoJWXlI827v3lJTUucF/o75jBZ34"
	particleUDP Fingerprint = "SHA256:oix47bvvwE3sczPaIn/G9pBHVNF9BCCZx2WgKGRVUYM"
)

// IsParticle reports whether the key is that of Particle's own cloud.
func (k ServerKey) IsParticle() bool {
	return k.Fingerprint() == particleTCP || k.Fingerprint() == particleUDP
}

// String returns algorithm and fingerprint, or "none".
func (k ServerKey) String() string {
	if k.IsZero() {
		return "none"
	}
	return string(k.algorithm) + " " + string(k.Fingerprint())
}

// TCPServerKey is the public half that boards on TCP hold.
func (id Identity) TCPServerKey() ServerKey { return ServerKey{RSA, string(id.TCPPublicDER())} }

// UDPServerKey is the public half that boards on UDP hold.
func (id Identity) UDPServerKey() ServerKey { return ServerKey{ECC, string(id.UDPPublicDER())} }
