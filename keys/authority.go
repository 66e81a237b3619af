package keys

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	names "crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"net/netip"
	"path/filepath"
	"time"
)

// The files of an authority inside its directory.
const (
	authorityKeyFile  = "ca-key.pem" // SEC1
	authorityCertFile = "ca.pem"
)

// Lives of certificates. Some systems take none that lives longer than 398
// days, unless it is an authority's.
const (
	authorityLife = 20 * 365 * 24 * time.Hour
	leafLife      = 397 * 24 * time.Hour
	leafRenewal   = 60 * 24 * time.Hour // before its end
	clockSlack    = 24 * time.Hour      // clients' clocks may be behind
)

// Authority is a certificate authority of this server's own: who trusts its
// certificate can speak HTTPS with this server by any of its names. Whoever has its key can
// pose as any server to those who trust it.
type Authority struct {
	key  *ecdsa.PrivateKey
	cert *x509.Certificate
}

// OpenAuthority reads the authority from ca-key.pem and ca.pem in dir, and makes
// it when there is no key, as OpenIdentity does with the server's keys. A certificate
// that is missing is made anew with the same key; it is another one to those who trusted the old.
func OpenAuthority(dir string, now time.Time) (a *Authority, created bool, err error) {
	if err := makeDir(dir); err != nil {
		return nil, false, fmt.Errorf("authority: %w", err)
	}
	key, created, err := openKey(filepath.Join(dir, authorityKeyFile), parseUDP, generateUDP)
	if err != nil {
		return nil, created, fmt.Errorf("authority: %w", err)
	}
	path := filepath.Join(dir, authorityCertFile)
	text, err := readPrivateFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		text, err = selfSign(key, now)
		if err == nil {
			err = writePrivateFile(path, text)
		}
	}
	if err != nil {
		return nil, created, fmt.Errorf("authority: %w", err)
	}
	cert, err := parseCertificate(text)
	if err != nil || !key.PublicKey.Equal(cert.PublicKey) {
		return nil, created, fmt.Errorf("authority: %s is not the certificate of %s: move it away to have one made", path, authorityKeyFile)
	}
	return &Authority{key: key, cert: cert}, created, nil
}

// HasAuthority reports whether there is one in dir.
func HasAuthority(dir string) bool {
	_, err := readPrivateFile(filepath.Join(dir, authorityKeyFile))
	return err == nil
}

func parseCertificate(text []byte) (*x509.Certificate, error) {
	block, _ := pem.Decode(text)
	if block == nil || block.Type != "CERTIFICATE" {
		return nil, errors.New("no certificate")
	}
	return x509.ParseCertificate(block.Bytes)
}

// selfSign makes the authority's certificate. Its name tells two clouds apart.
func selfSign(key *ecdsa.PrivateKey, now time.Time) ([]byte, error) {
	serial := newSerial()
	template := &x509.Certificate{
		SerialNumber:          serial,
		Subject:               names.Name{CommonName: fmt.Sprintf("localcloud %x", serial.Bytes()[:4]), Organization: []string{"localcloud"}},
		NotBefore:             now.Add(-clockSlack),
		NotAfter:              now.Add(authorityLife),
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
		BasicConstraintsValid: true,
		IsCA:                  true,
		MaxPathLenZero:        true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, err
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), nil
}

func newSerial() *big.Int {
	var b [16]byte
	rand.Read(b[:])
	b[0] = b[0]&0x7f | 0x40 // positive, and of one length
	return new(big.Int).SetBytes(b[:])
}

// PEM returns the authority's certificate, which clients have to trust.
func (a *Authority) PEM() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: a.cert.Raw})
}

// DER returns it in the form that phones and Windows open with a click.
func (a *Authority) DER() []byte { return a.cert.Raw }

// Name is what trust stores show.
func (a *Authority) Name() string { return a.cert.Subject.CommonName }

// Fingerprint is the SHA-256 of the certificate.
func (a *Authority) Fingerprint() Fingerprint { return fingerprint(a.cert.Raw) }

// Issue makes a key and a certificate for a server of these names and addresses. What is neither is left out.
func (a *Authority) Issue(hosts []string, now time.Time) (tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, err
	}
	template := &x509.Certificate{
		SerialNumber:          newSerial(),
		Subject:               names.Name{CommonName: "localcloud"},
		NotBefore:             now.Add(-clockSlack),
		NotAfter:              now.Add(leafLife - clockSlack),
		KeyUsage:              x509.KeyUsageDigitalSignature,
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		BasicConstraintsValid: true,
	}
	if a.cert.NotAfter.Before(template.NotAfter) {
		template.NotAfter = a.cert.NotAfter
	}
	for _, host := range hosts {
		if ip, err := netip.ParseAddr(host); err == nil {
			template.IPAddresses = append(template.IPAddresses, ip.WithZone("").AsSlice())
		} else if isHostName(host) {
			template.DNSNames = append(template.DNSNames, host)
		}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, crypto.PublicKey(&key.PublicKey), a.key)
	if err != nil {
		return tls.Certificate{}, err
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		return tls.Certificate{}, err
	}
	return tls.Certificate{Certificate: [][]byte{der, a.cert.Raw}, PrivateKey: key, Leaf: leaf}, nil
}

// Fresh reports whether a certificate of Issue is good at now, and for a while.
func Fresh(c *tls.Certificate, now time.Time) bool {
	return c != nil && c.Leaf != nil && now.After(c.Leaf.NotBefore) && now.Before(c.Leaf.NotAfter.Add(-leafRenewal))
}

// isHostName reports whether a certificate can hold the name: letters, digits, dashes and dots.
func isHostName(s string) bool {
	if s == "" || len(s) > 253 {
		return false
	}
	for _, r := range s {
		if !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '-' || r == '.' || r == '_') {
			return false
		}
	}
	return true
}
