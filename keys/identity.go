package keys

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"path/filepath"
)

// The files of an identity inside its directory.
const (
	tcpKeyFile = "server-rsa.pem" // PKCS#1
	udpKeyFile = "server-ec.pem"  // SEC1
)

// Identity is what makes a server this server: every board holds one of its two public keys. Losing it means to give
// every board a new key by hand, so it belongs into every backup.
//
// An Identity prints, logs and encodes as its two fingerprints only.
type Identity struct {
	TCP *rsa.PrivateKey   // RSA-2048, see CheckServerRSA
	UDP *ecdsa.PrivateKey // P-256

	// The keys that are being rotated out and are honoured until then; nil: none. See Keyring.
	OldTCP *rsa.PrivateKey
	OldUDP *ecdsa.PrivateKey
	// Former are the public halves of keys that are no longer honoured, the oldest first.
	Former []ServerKey
}

// CheckServerRSA reports why boards could not use key as the server's TCP key, nil if they can: they read 256 bytes of
// modulus at a fixed place and assume the exponent (device-os communication/src/handshake.cpp).
func CheckServerRSA(key *rsa.PrivateKey) error {
	if key == nil || key.N == nil || key.N.BitLen() != 2048 || key.E != boardExponent {
		return errors.New("the server's TCP key must be RSA-2048 with exponent 65537")
	}
	return nil
}

// GenerateIdentity makes a new identity in memory. It takes some hundred milliseconds, on small boards seconds.
func GenerateIdentity() (Identity, error) {
	tcp, err := generateTCP()
	if err != nil {
		return Identity{}, fmt.Errorf("identity: %w", err)
	}
	udp, err := generateUDP()
	if err != nil {
		return Identity{}, fmt.Errorf("identity: %w", err)
	}
	return Identity{TCP: tcp, UDP: udp}, nil
}

func generateTCP() (*rsa.PrivateKey, error) { return rsa.GenerateKey(rand.Reader, 2048) }

func generateUDP() (*ecdsa.PrivateKey, error) {
	return ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
}

// OpenIdentity reads the identity from server-rsa.pem and server-ec.pem in dir. What does not exist is made: dir with
// mode 0700, the files with 0600 and so that after a power cut there is a whole key or none; created then is true.
//
// A file that exists is never written. If it holds no usable key, that is an error which names it. If others may read
// it, its mode is set to 0600; where that cannot be done, that is an error too.
//
// Two processes must not create the same identity at once: the caller holds the lock of the data directory.
func OpenIdentity(dir string) (id Identity, created bool, err error) {
	if err := makeDir(dir); err != nil {
		return Identity{}, false, fmt.Errorf("identity: %w", err)
	}
	tcp, madeTCP, err := openKey(filepath.Join(dir, tcpKeyFile), parseTCP, generateTCP)
	if err != nil {
		return Identity{}, madeTCP, fmt.Errorf("identity: %w", err)
	}
	udp, madeUDP, err := openKey(filepath.Join(dir, udpKeyFile), parseUDP, generateUDP)
	if err != nil {
		return Identity{}, madeTCP || madeUDP, fmt.Errorf("identity: %w", err)
	}
	id = Identity{TCP: tcp, UDP: udp}
	return id, madeTCP || madeUDP, id.readRotation(dir)
}

// readRotation adds the keys that are being rotated out, and those that were.
func (id *Identity) readRotation(dir string) (err error) {
	if id.OldTCP, err = readOld(filepath.Join(dir, oldTCPKeyFile), parseTCP, id.TCP); err != nil {
		return fmt.Errorf("identity: %w", err)
	}
	if id.OldUDP, err = readOld(filepath.Join(dir, oldUDPKeyFile), parseUDP, id.UDP); err != nil {
		return fmt.Errorf("identity: %w", err)
	}
	if id.Former, err = readFormer(dir); err != nil {
		return fmt.Errorf("identity: %w", err)
	}
	return nil
}

// openKey reads the key at path, or makes and stores one if there is no such file.
func openKey[K crypto.Signer](path string, parse func([]byte) (K, error), generate func() (K, error)) (key K, created bool, err error) {
	text, err := readPrivateFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		if key, err = generate(); err != nil {
			return key, false, err
		}
		err = storeKey(path, key)
		return key, err == nil, err
	}
	if err != nil {
		return key, false, err
	}
	if key, err = parse(text); err != nil {
		return key, false, fmt.Errorf("%s holds no usable server key (%w) and was left as it is: put it back from a backup, "+
			"or move it away to have a new one made, which every board must then be given", path, err)
	}
	return key, false, nil
}

func storeKey(path string, key crypto.Signer) error {
	text, err := privatePEM(key)
	if err != nil {
		return err
	}
	return writePrivateFile(path, text)
}

func parseTCP(text []byte) (*rsa.PrivateKey, error) {
	parsed, err := parsePrivate(text)
	if err != nil {
		return nil, err
	}
	key, _ := parsed.(*rsa.PrivateKey)
	return key, CheckServerRSA(key)
}

func parseUDP(text []byte) (*ecdsa.PrivateKey, error) {
	parsed, err := parsePrivate(text)
	if err != nil {
		return nil, err
	}
	key, ok := parsed.(*ecdsa.PrivateKey)
	if !ok || key.Curve != elliptic.P256() {
		return nil, errors.New("the server's UDP key must be EC P-256")
	}
	return key, nil
}

// TCPPublicDER returns the 294 bytes of SubjectPublicKeyInfo that boards keep at a fixed place.
func (id Identity) TCPPublicDER() []byte {
	if id.TCP == nil {
		return nil
	}
	return spki(&id.TCP.PublicKey)
}

// UDPPublicDER returns the 91 bytes of SubjectPublicKeyInfo that boards keep at a fixed place.
func (id Identity) UDPPublicDER() []byte {
	if id.UDP == nil {
		return nil
	}
	return spki(&id.UDP.PublicKey)
}

// TCPPublicPEM returns TCPPublicDER as a PUBLIC KEY block.
func (id Identity) TCPPublicPEM() []byte { return publicPEM(id.TCPPublicDER()) }

// UDPPublicPEM returns UDPPublicDER as a PUBLIC KEY block.
func (id Identity) UDPPublicPEM() []byte { return publicPEM(id.UDPPublicDER()) }

func spki(key crypto.PublicKey) []byte {
	der, err := x509.MarshalPKIXPublicKey(key)
	if err != nil {
		return nil // cannot be: both kinds have an encoding
	}
	return der
}

// TCPFingerprint is the fingerprint of the TCP key's public half.
func (id Identity) TCPFingerprint() Fingerprint { return fingerprint(id.TCPPublicDER()) }

// UDPFingerprint is the fingerprint of the UDP key's public half.
func (id Identity) UDPFingerprint() Fingerprint { return fingerprint(id.UDPPublicDER()) }

// String returns the two fingerprints.
func (id Identity) String() string {
	if id.TCP == nil || id.UDP == nil {
		return "identity incomplete"
	}
	return fmt.Sprintf("identity tcp %s udp %s", id.TCPFingerprint(), id.UDPFingerprint())
}

// Format prints String for every verb: %d and %#v would otherwise show the private keys.
func (id Identity) Format(s fmt.State, _ rune) { io.WriteString(s, id.String()) }

// LogValue is String.
func (id Identity) LogValue() slog.Value { return slog.StringValue(id.String()) }

// MarshalText is String, so that an Identity inside a larger value does not leak through an encoder.
func (id Identity) MarshalText() ([]byte, error) { return []byte(id.String()), nil }
