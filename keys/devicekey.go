package keys

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"strings"
)

// GenerateDeviceRSA makes the RSA-1024 key of a device that talks TCP, one that every board can read: see CheckBoardRSA.
// It takes some tens of milliseconds.
func GenerateDeviceRSA() (*rsa.PrivateKey, error) {
	// About 2 of 100 keys have an integer that is too short.
	for range 100 {
		key, err := rsa.GenerateKey(rand.Reader, 1024)
		if err != nil {
			return nil, fmt.Errorf("device key: %w", err)
		}
		if CheckBoardRSA(key) == nil {
			return key, nil
		}
	}
	return nil, errors.New("device key: no usable key in 100 attempts")
}

// CheckBoardRSA reports why a board could not use key, nil if it can. Boards read the private key at fixed distances:
// modulus and private exponent must have 128 bytes, the two primes, exponents and the coefficient 64, not counting
// DER's leading zero (device-os communication/src/handshake.cpp, init_rsa_context_with_private_key).
func CheckBoardRSA(key *rsa.PrivateKey) error {
	if key.N.BitLen() != 1024 || key.E != boardExponent || len(key.Primes) != 2 {
		return errors.New("device key: boards use RSA-1024 with exponent 65537")
	}
	crt := key.Precomputed
	if crt.Dp == nil || crt.Dq == nil || crt.Qinv == nil {
		return errors.New("device key: not precomputed")
	}
	for _, v := range []struct {
		integer *big.Int
		length  int
	}{{key.D, 128}, {key.Primes[0], 64}, {key.Primes[1], 64}, {crt.Dp, 64}, {crt.Dq, 64}, {crt.Qinv, 64}} {
		if (v.integer.BitLen()+7)/8 != v.length {
			return errors.New("device key: an integer is shorter than boards read it, make another key")
		}
	}
	return nil
}

// ParseDevicePrivateKey reads a device's private key, RSA-1024 or EC P-256: PEM (other blocks before it are skipped)
// or DER, as PKCS#1, SEC1 or PKCS#8, with padding behind it as in a board's flash slot.
// The result is a *rsa.PrivateKey or a *ecdsa.PrivateKey. Errors say nothing about the key's content.
func ParseDevicePrivateKey(b []byte) (crypto.Signer, error) {
	key, err := parsePrivate(b)
	if err != nil {
		return nil, fmt.Errorf("device key: %w", err)
	}
	switch key := key.(type) {
	case *rsa.PrivateKey:
		_, err = NewRSAPublicKey(&key.PublicKey)
	case *ecdsa.PrivateKey:
		_, err = NewECDSAPublicKey(&key.PublicKey)
	default:
		err = errors.New("neither RSA nor EC")
	}
	if err != nil {
		return nil, fmt.Errorf("device key: %w", err)
	}
	return key, nil
}

// MarshalDevicePrivateKeyPEM returns PEM as OpenSSL and particle-cli read it: PKCS#1 for RSA, SEC1 for EC.
func MarshalDevicePrivateKeyPEM(key crypto.Signer) ([]byte, error) {
	text, err := privatePEM(key)
	if err != nil {
		return nil, fmt.Errorf("device key: %w", err)
	}
	return text, nil
}

func privatePEM(key crypto.Signer) ([]byte, error) {
	switch key := key.(type) {
	case *rsa.PrivateKey:
		return pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)}), nil
	case *ecdsa.PrivateKey:
		der, err := x509.MarshalECPrivateKey(key)
		if err != nil {
			return nil, err
		}
		return pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: der}), nil
	default:
		return nil, errors.New("neither RSA nor EC")
	}
}

// parsePrivate reads a private key of any size in any of the usual forms.
func parsePrivate(b []byte) (crypto.Signer, error) {
	der, padding, err := privateDER(b)
	if err != nil {
		return nil, err
	}
	if !isPadding(padding) {
		return nil, errors.New("there are other bytes behind the key")
	}
	return parsePrivateDER(der)
}

func privateDER(b []byte) (der, rest []byte, err error) {
	if !isPEM(b) {
		return splitDER(b)
	}
	if len(b) > maxKeyInput {
		return nil, nil, errTooLong
	}
	b = trimText(b)
	for {
		block, rest := pem.Decode(b)
		switch {
		case block == nil:
			return nil, nil, errors.New("no whole PRIVATE KEY block in the PEM text")
		case !isPrivatePEM(block):
			b = rest // such as the EC PARAMETERS that openssl ecparam -genkey writes first
		case block.Type == "ENCRYPTED PRIVATE KEY" || block.Headers["DEK-Info"] != "":
			return nil, nil, errors.New("the key is encrypted with a passphrase")
		default:
			return splitDER(block.Bytes)
		}
	}
}

func isPrivatePEM(block *pem.Block) bool { return strings.HasSuffix(block.Type, "PRIVATE KEY") }

// parsePrivateDER hides the parsers' own errors: they could quote what they found.
func parsePrivateDER(der []byte) (crypto.Signer, error) {
	if key, err := x509.ParsePKCS1PrivateKey(der); err == nil {
		return key, nil
	}
	if key, err := x509.ParseECPrivateKey(der); err == nil {
		return key, nil
	}
	if key, err := x509.ParsePKCS8PrivateKey(der); err == nil {
		if signer, ok := key.(crypto.Signer); ok {
			return signer, nil
		}
	}
	if key, ok := parseBoardRSA(der); ok {
		return key, nil
	}
	return nil, errors.New("not a private key, or a damaged one")
}

// parseBoardRSA reads PKCS#1 as a board writes the key it made itself: every integer with a leading zero, needed or
// not, which DER does not allow and crypto/x509 refuses (device-os communication/src/dsakeygen.cpp).
//
//	30 82 LL LL  02 01 00  n e d p q dP dQ qInv       each 02 length bytes
func parseBoardRSA(der []byte) (*rsa.PrivateKey, bool) {
	content, _, ok := element(der, tagSequence)
	if !ok {
		return nil, false
	}
	var n [6]*big.Int // version, n, e, d, p, q; the rest follows from them
	for i := range n {
		var integer []byte
		if integer, content, ok = element(content, tagInteger); !ok || len(integer) == 0 {
			return nil, false
		}
		n[i] = new(big.Int).SetBytes(integer)
	}
	if n[0].Sign() != 0 || n[2].Cmp(big.NewInt(boardExponent)) != 0 {
		return nil, false
	}
	key := &rsa.PrivateKey{
		PublicKey: rsa.PublicKey{N: n[1], E: boardExponent},
		D:         n[3],
		Primes:    []*big.Int{n[4], n[5]},
	}
	key.Precompute()
	if key.Validate() != nil {
		return nil, false
	}
	return key, true
}
