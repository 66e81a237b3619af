package keys_test

import (
	"crypto/x509"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"localcloud/keys"
)

func TestAuthorityIsMadeOnceAndIssuesForManyNames(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "keys")
	now := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	if keys.HasAuthority(dir) {
		t.Error("there is one before it was made")
	}
	a, created, err := keys.OpenAuthority(dir, now)
	if err != nil || !created || !keys.HasAuthority(dir) {
		t.Fatalf("OpenAuthority = %v, %v", created, err)
	}
	again, created, err := keys.OpenAuthority(dir, now.Add(time.Hour))
	if err != nil || created || string(again.PEM()) != string(a.PEM()) || again.Fingerprint() != a.Fingerprint() {
		t.Errorf("a second time: %v, %v", created, err)
	}

	cert, err := again.Issue([]string{"api.particle.io", "pi", "192.168.1.5", "fe80::1%eth0", "not a name", ""}, now)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(a.PEM()) {
		t.Fatal("the certificate cannot be read")
	}
	for host, want := range map[string]bool{"api.particle.io": true, "pi": true, "192.168.1.5": true, "fe80::1": true, "particle.io": false, "192.168.1.6": false} {
		_, err := cert.Leaf.Verify(x509.VerifyOptions{Roots: roots, DNSName: host, CurrentTime: now})
		if strings.Contains(host, ":") {
			err = cert.Leaf.VerifyHostname(host)
		}
		if (err == nil) != want {
			t.Errorf("%s: %v, want good %v", host, err, want)
		}
	}
	if !slices.Equal(cert.Leaf.DNSNames, []string{"api.particle.io", "pi"}) || len(cert.Leaf.IPAddresses) != 2 || cert.Leaf.IsCA {
		t.Errorf("the certificate is for %v %v", cert.Leaf.DNSNames, cert.Leaf.IPAddresses)
	}
	if life := cert.Leaf.NotAfter.Sub(cert.Leaf.NotBefore); life > 398*24*time.Hour {
		t.Errorf("it lives for %v, which Apple's systems refuse", life)
	}
	for at, want := range map[time.Duration]bool{0: true, -48 * time.Hour: false, 300 * 24 * time.Hour: true, 340 * 24 * time.Hour: false} {
		if got := keys.Fresh(&cert, now.Add(at)); got != want {
			t.Errorf("after %v it is fresh: %v", at, got)
		}
	}
	if keys.Fresh(nil, now) {
		t.Error("none is fresh")
	}
}

func TestAuthorityOfAnotherKeyIsRefused(t *testing.T) {
	one, other := t.TempDir(), t.TempDir()
	for _, dir := range []string{one, other} {
		if _, _, err := keys.OpenAuthority(dir, time.Now()); err != nil {
			t.Fatal(err)
		}
	}
	text, err := os.ReadFile(filepath.Join(other, "ca.pem"))
	if err != nil {
		t.Fatal(err)
	}
	for _, bad := range [][]byte{text, []byte("junk"), nil} {
		if err := os.WriteFile(filepath.Join(one, "ca.pem"), bad, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, _, err := keys.OpenAuthority(one, time.Now()); err == nil || !strings.Contains(err.Error(), "ca.pem") {
			t.Errorf("%.20q: %v", bad, err)
		}
	}
	if err := os.Remove(filepath.Join(one, "ca.pem")); err != nil {
		t.Fatal(err)
	}
	if _, created, err := keys.OpenAuthority(one, time.Now()); err != nil || created {
		t.Errorf("without a certificate: %v, %v", created, err)
	}
}
