package keys

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/subtle"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"log/slog"
	"math/big"
)

// Algorithm names a key's kind as the API and particle-cli do.
type Algorithm string

const (
	RSA Algorithm = "rsa" // RSA-1024 with exponent 65537: devices on TCP
	ECC Algorithm = "ecc" // EC on P-256: devices on DTLS
)

// boardExponent is the only RSA exponent there is: boards do not store one and assume it
// (device-os communication/src/handshake.cpp).
const boardExponent = 65537

// PublicKey is the public key of a device, kept as its canonical SubjectPublicKeyInfo. The zero value means "no key".
// It is a value: == compares, copies are free, nothing can change it.
type PublicKey struct{ spki string }

// ParsePublicKey reads a device's public key: PEM with any white space around it, or DER; SubjectPublicKeyInfo, or
// PKCS#1 for RSA. After DER there may be padding of FF, zero or space bytes, as in a board's flash slot.
// It takes RSA-1024 (exponent 65537) and EC P-256 and says of anything else what it is. It does not keep b.
func ParsePublicKey(b []byte) (PublicKey, error) {
	if _, ok := canonicalRSA(b); ok {
		return PublicKey{string(b)}, nil
	}
	der, padding, err := publicDER(b)
	if err != nil {
		return PublicKey{}, fmt.Errorf("public key: %w", err)
	}
	key, err := classify(der)
	if err != nil {
		return PublicKey{}, fmt.Errorf("public key: %w", err)
	}
	if !isPadding(padding) {
		return PublicKey{}, errors.New("public key: there are other bytes behind it")
	}
	return key, nil
}

// NewRSAPublicKey wraps the public half of a device's RSA-1024 key.
func NewRSAPublicKey(key *rsa.PublicKey) (PublicKey, error) {
	if key.N == nil {
		return PublicKey{}, errors.New("RSA key without a modulus")
	}
	switch bits := key.N.BitLen(); {
	case bits == 2048:
		return PublicKey{}, errors.New("RSA-2048 key: this looks like a server key, a device's has 1024 bits")
	case bits != 1024:
		return PublicKey{}, fmt.Errorf("RSA-%d key: a device's has 1024 bits", bits)
	case key.E != boardExponent:
		return PublicKey{}, fmt.Errorf("RSA key with exponent %d: devices always use 65537", key.E)
	case key.N.Bit(0) == 0:
		return PublicKey{}, errors.New("RSA key with an even modulus: it is damaged")
	}
	return newPublicKey(key)
}

// NewECDSAPublicKey wraps the public half of a device's P-256 key.
func NewECDSAPublicKey(key *ecdsa.PublicKey) (PublicKey, error) {
	if key.Curve != elliptic.P256() {
		return PublicKey{}, fmt.Errorf("EC key on curve %s: devices use P-256", key.Params().Name)
	}
	return newPublicKey(key)
}

// A board's RSA key in its canonical form, which is what boards send and what is stored: rsaHead, the modulus, rsaTail.
//
//	SEQUENCE { SEQUENCE { rsaEncryption, NULL }, BIT STRING { SEQUENCE { INTEGER 00 ‖ modulus(128), INTEGER 65537 } } }
const (
	rsaHead = "\x30\x81\x9f\x30\x0d\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01\x05\x00" +
		"\x03\x81\x8d\x00\x30\x81\x89\x02\x81\x81\x00"
	rsaTail = "\x02\x03\x01\x00\x01"

	modulusSize = 128
)

// canonicalRSA takes what NewRSAPublicKey makes of a key, without the general parser: a storm of devices, or a start with
// thousands of them, reads many.
func canonicalRSA[T string | []byte](spki T) (modulus T, ok bool) {
	if len(spki) != len(rsaHead)+modulusSize+len(rsaTail) {
		return modulus, false
	}
	modulus = spki[len(rsaHead) : len(rsaHead)+modulusSize]
	ok = string(spki[:len(rsaHead)]) == rsaHead && string(spki[len(rsaHead)+modulusSize:]) == rsaTail &&
		modulus[0]&0x80 != 0 && modulus[modulusSize-1]&1 != 0
	return modulus, ok
}

func newPublicKey(key any) (PublicKey, error) {
	spki, err := x509.MarshalPKIXPublicKey(key)
	if err != nil {
		return PublicKey{}, err
	}
	return PublicKey{string(spki)}, nil
}

// IsZero reports whether there is no key.
func (k PublicKey) IsZero() bool { return k.spki == "" }

// Algorithm is RSA or ECC, or "" when there is no key.
func (k PublicKey) Algorithm() Algorithm {
	if k.IsZero() {
		return ""
	}
	if _, ok := canonicalRSA(k.spki); ok {
		return RSA
	}
	return ECC
}

// DER returns the SubjectPublicKeyInfo: 162 bytes for RSA-1024, 91 for P-256, nil when there is no key.
// The slice is the caller's.
func (k PublicKey) DER() []byte { return bytes.Clone([]byte(k.spki)) }

// PEM returns the SubjectPublicKeyInfo as a PUBLIC KEY block, nil when there is no key.
func (k PublicKey) PEM() []byte { return publicPEM([]byte(k.spki)) }

// RSA returns the key for crypto/rsa, nil unless the algorithm is RSA. Each call returns a new one.
func (k PublicKey) RSA() *rsa.PublicKey {
	modulus, ok := canonicalRSA(k.spki)
	if !ok {
		return nil
	}
	return &rsa.PublicKey{N: new(big.Int).SetBytes([]byte(modulus)), E: boardExponent}
}

// ECDSA returns the key for crypto/ecdsa, nil unless the algorithm is ECC. Each call returns a new one.
func (k PublicKey) ECDSA() *ecdsa.PublicKey {
	key, _ := k.standard().(*ecdsa.PublicKey)
	return key
}

func (k PublicKey) standard() any {
	if k.IsZero() {
		return nil
	}
	key, err := x509.ParsePKIXPublicKey([]byte(k.spki))
	if err != nil {
		return nil // cannot be: newPublicKey wrote it
	}
	return key
}

// Equal reports whether both are the same key, in time that does not depend on where they differ.
// "No key" equals nothing, not even itself: an absent key proves nothing.
func (k PublicKey) Equal(other PublicKey) bool {
	return !k.IsZero() && subtle.ConstantTimeCompare([]byte(k.spki), []byte(other.spki)) == 1
}

// Fingerprint is short enough to show and to compare by eye; "" when there is no key.
func (k PublicKey) Fingerprint() Fingerprint {
	if k.IsZero() {
		return ""
	}
	return fingerprint([]byte(k.spki))
}

// String returns algorithm and fingerprint, or "none".
func (k PublicKey) String() string {
	if k.IsZero() {
		return "none"
	}
	return string(k.Algorithm()) + " " + string(k.Fingerprint())
}

// LogValue is String: a log line shows the fingerprint, not the whole key.
func (k PublicKey) LogValue() slog.Value { return slog.StringValue(k.String()) }

// MarshalText returns base64 of DER, "" when there is no key.
func (k PublicKey) MarshalText() ([]byte, error) {
	return base64.StdEncoding.AppendEncode(nil, []byte(k.spki)), nil
}

// UnmarshalText reads base64 of anything ParsePublicKey takes as DER, or PEM. Nothing but white space is "no key".
func (k *PublicKey) UnmarshalText(text []byte) error {
	text = bytes.TrimSpace(text)
	if len(text) == 0 {
		*k = PublicKey{}
		return nil
	}
	if !isPEM(text) {
		der, err := base64.StdEncoding.AppendDecode(nil, text)
		if err != nil {
			return errors.New("public key: neither PEM nor base64")
		}
		text = der
	}
	parsed, err := ParsePublicKey(text)
	if err != nil {
		return err
	}
	*k = parsed
	return nil
}

// Fingerprint is "SHA256:" and the unpadded base64 of the SHA-256 of a SubjectPublicKeyInfo, written as OpenSSH does.
type Fingerprint string

func fingerprint(spki []byte) Fingerprint {
	sum := sha256.Sum256(spki)
	return Fingerprint("SHA256:" + base64.RawStdEncoding.EncodeToString(sum[:]))
}

// classify tells which key der holds and refuses what is not a device's public key.
func classify(der []byte) (PublicKey, error) {
	var found any
	if key, err := x509.ParsePKIXPublicKey(der); err == nil {
		found = key
	} else if key, err := x509.ParsePKCS1PublicKey(der); err == nil {
		found = key
	}
	switch key := found.(type) {
	case *rsa.PublicKey:
		return NewRSAPublicKey(key)
	case *ecdsa.PublicKey:
		return NewECDSAPublicKey(key)
	case nil:
		if _, err := parsePrivateDER(der); err == nil {
			return PublicKey{}, errPrivate
		}
		return PublicKey{}, errors.New("neither an RSA-1024 nor an EC P-256 key")
	default:
		return PublicKey{}, fmt.Errorf("a %T: devices have RSA-1024 or EC P-256 keys", key)
	}
}

var errPrivate = errors.New("this is a private key: keep it to yourself and give its public half")

// publicDER returns the DER of PEM or DER input and what follows it.
func publicDER(b []byte) (der, rest []byte, err error) {
	if !isPEM(b) {
		return splitDER(b)
	}
	if len(b) > maxKeyInput {
		return nil, nil, errTooLong
	}
	block, rest := pem.Decode(trimText(b))
	switch {
	case block == nil:
		return nil, nil, errors.New("PEM text that is cut off or damaged")
	case isPrivatePEM(block):
		return nil, nil, errPrivate
	case block.Type != "PUBLIC KEY" && block.Type != "RSA PUBLIC KEY":
		return nil, nil, errors.New("a PEM block of another kind: PUBLIC KEY is needed")
	}
	return block.Bytes, bytes.TrimSpace(rest), nil
}

func publicPEM(spki []byte) []byte {
	if len(spki) == 0 {
		return nil
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: spki})
}
