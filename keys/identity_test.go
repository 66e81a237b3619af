package keys

import (
	"bytes"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

func openNew(t *testing.T, dir string) Identity {
	t.Helper()
	id, created, err := OpenIdentity(dir)
	if err != nil {
		t.Fatal(err)
	}
	if !created {
		t.Fatal("nothing was created in an empty directory")
	}
	return id
}

func TestIdentitySurvivesReopening(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data", "keys")
	first := openNew(t, dir)
	second, created, err := OpenIdentity(dir)
	if err != nil || created {
		t.Fatalf("created %v, %v", created, err)
	}
	if !first.TCP.Equal(second.TCP) || !first.UDP.Equal(second.UDP) {
		t.Error("another identity")
	}
	for file, kind := range map[string]string{tcpKeyFile: "RSA PRIVATE KEY", udpKeyFile: "EC PRIVATE KEY"} {
		text, err := os.ReadFile(filepath.Join(dir, file))
		if err != nil {
			t.Fatal(err)
		}
		if block, rest := pem.Decode(text); block == nil || block.Type != kind || len(rest) != 0 {
			t.Errorf("%s is no %s", file, kind)
		}
	}
	if files, _ := os.ReadDir(dir); len(files) != 2 {
		t.Errorf("left in the directory: %v", files)
	}
}

func TestIdentityIsPrivateOnDisk(t *testing.T) {
	if runtime.GOOS == "windows" {
		return // no such bits
	}
	dir := filepath.Join(t.TempDir(), "keys")
	openNew(t, dir)
	mode := func(path string) fs.FileMode {
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		return info.Mode().Perm()
	}
	file := filepath.Join(dir, tcpKeyFile)
	if mode(dir) != 0o700 || mode(file) != 0o600 || mode(filepath.Join(dir, udpKeyFile)) != 0o600 {
		t.Errorf("modes %o %o %o", mode(dir), mode(file), mode(filepath.Join(dir, udpKeyFile)))
	}
	if err := os.Chmod(file, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, _, err := OpenIdentity(dir); err != nil {
		t.Fatal(err)
	}
	if mode(file) != 0o600 {
		t.Errorf("mode %o was not repaired", mode(file))
	}
}

func TestDirectoryThatExistsKeepsItsMode(t *testing.T) {
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	before, _ := os.Stat(dir)
	openNew(t, dir)
	if after, _ := os.Stat(dir); after.Mode() != before.Mode() {
		t.Errorf("%v became %v", before.Mode(), after.Mode())
	}
}

func TestDamagedIdentityIsRefusedAndLeftAlone(t *testing.T) {
	dir := t.TempDir()
	openNew(t, dir)
	for _, name := range []string{tcpKeyFile, udpKeyFile} {
		path := filepath.Join(dir, name)
		whole, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for what, content := range map[string][]byte{
			"empty":          {},
			"first half":     whole[:len(whole)/2],
			"one line less":  whole[:bytes.LastIndexByte(whole[:len(whole)-1], '\n')],
			"zeros":          make([]byte, len(whole)),
			"a damaged byte": bytes.Replace(whole, whole[60:64], []byte("!!!!"), 1),
			"not a key":      []byte("hello\n"),
			"device key":     must(privatePEM(newRSA(t, 1024))),
			"P-384 key":      must(privatePEM(newEC(t, elliptic.P384()))),
		} {
			if err := os.WriteFile(path, content, 0o600); err != nil {
				t.Fatal(err)
			}
			id, created, err := OpenIdentity(dir)
			if err == nil || created || id.TCP != nil || id.UDP != nil {
				t.Errorf("%s, %s: created %v, %v", name, what, created, err)
			} else if !strings.Contains(err.Error(), path) || !strings.Contains(err.Error(), "left as it is") {
				t.Errorf("%s, %s: unclear error %v", name, what, err)
			}
			if now, _ := os.ReadFile(path); !bytes.Equal(now, content) {
				t.Errorf("%s, %s: the file was changed", name, what)
			}
		}
		if err := os.WriteFile(path, whole, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if _, created, err := OpenIdentity(dir); err != nil || created {
		t.Errorf("put back, but created %v, %v", created, err)
	}
}

func TestServerKeyThatBoardsCannotUseIsFound(t *testing.T) {
	good := newRSA(t, 2048)
	if err := CheckServerRSA(good); err != nil {
		t.Error(err)
	}
	other := *good
	other.E = 3
	for name, key := range map[string]*rsa.PrivateKey{
		"none": nil, "empty": {}, "RSA-1024": newRSA(t, 1024), "RSA-3072": newRSA(t, 3072), "exponent 3": &other,
	} {
		if CheckServerRSA(key) == nil {
			t.Errorf("%s passes", name)
		}
	}
}

func TestPowerCutDuringCreationIsMadeGood(t *testing.T) {
	dir := t.TempDir()
	first := openNew(t, dir)
	// The power went after the RSA key was stored and while the EC key was written.
	if err := os.Remove(filepath.Join(dir, udpKeyFile)); err != nil {
		t.Fatal(err)
	}
	half := filepath.Join(dir, udpKeyFile+".tmp")
	if err := os.WriteFile(half, []byte("-----BEGIN EC PRIV"), 0o600); err != nil {
		t.Fatal(err)
	}
	second, created, err := OpenIdentity(dir)
	if err != nil || !created {
		t.Fatalf("created %v, %v", created, err)
	}
	if !second.TCP.Equal(first.TCP) || second.UDP.Equal(first.UDP) {
		t.Error("the RSA key was not kept, or the EC key not made")
	}
	if _, err := os.Stat(half); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the rest of the attempt is still there: %v", err)
	}
	third, created, err := OpenIdentity(dir)
	if err != nil || created || !third.UDP.Equal(second.UDP) {
		t.Errorf("created %v, %v", created, err)
	}
}

func TestIdentityThatCannotBeStoredIsAnError(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, _, err := OpenIdentity(file); err == nil {
		t.Error("a file was taken for a directory")
	}
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, tcpKeyFile+".tmp"), 0o700); err != nil {
		t.Fatal(err)
	}
	if _, created, err := OpenIdentity(dir); err == nil || created {
		t.Errorf("created %v, %v", created, err)
	}
}

func TestPublicHalvesHaveTheSizesOfTheBoardsSlots(t *testing.T) {
	id, err := GenerateIdentity()
	if err != nil {
		t.Fatal(err)
	}
	tcp, udp := id.TCPPublicDER(), id.UDPPublicDER()
	if len(tcp) != 294 || len(udp) != 91 {
		t.Errorf("%d and %d bytes", len(tcp), len(udp))
	}
	// Boards take 256 bytes from offset 33 for the modulus.
	if !bytes.Equal(tcp[33:289], id.TCP.N.Bytes()) || tcp[32] != 0 {
		t.Error("the modulus is not at offset 33")
	}
	for text, der := range map[string][]byte{string(id.TCPPublicPEM()): tcp, string(id.UDPPublicPEM()): udp} {
		if block, _ := pem.Decode([]byte(text)); block == nil || block.Type != "PUBLIC KEY" || !bytes.Equal(block.Bytes, der) {
			t.Errorf("PEM %s", text)
		}
	}
	if key, err := x509.ParsePKIXPublicKey(tcp); err != nil || !id.TCP.PublicKey.Equal(key) {
		t.Errorf("%v", err)
	}
	if (Identity{}).TCPPublicDER() != nil || (Identity{}).UDPPublicDER() != nil || (Identity{}).TCPPublicPEM() != nil {
		t.Error("an empty identity has public keys")
	}
}

func TestIdentityNeverPrintsItsSecrets(t *testing.T) {
	id, err := GenerateIdentity()
	if err != nil {
		t.Fatal(err)
	}
	secrets := []string{
		id.TCP.D.String(), fmt.Sprintf("%x", id.TCP.D), id.TCP.Primes[0].String(), fmt.Sprintf("%x", id.TCP.Primes[0]),
		fmt.Sprintf("%X", id.TCP.D),
	}
	scalar, err := id.UDP.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	secrets = append(secrets, fmt.Sprintf("%x", scalar), fmt.Sprint(scalar))

	type holder struct {
		Identity Identity
		Pointer  *Identity
	}
	var printed bytes.Buffer
	for _, value := range []any{id, &id, holder{id, &id}, []Identity{id}} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%d", "%x", "%X"} {
			fmt.Fprintf(&printed, verb+"\n", value)
		}
		encoded, err := json.Marshal(value)
		if err != nil {
			t.Fatal(err)
		}
		printed.Write(encoded)
		for _, handler := range []slog.Handler{slog.NewTextHandler(&printed, nil), slog.NewJSONHandler(&printed, nil)} {
			slog.New(handler).Info("start", "identity", value)
		}
	}
	for _, secret := range secrets {
		if strings.Contains(printed.String(), secret) {
			t.Fatal("a private key was printed")
		}
	}
	if !strings.Contains(printed.String(), string(id.TCPFingerprint())) || !strings.Contains(printed.String(), string(id.UDPFingerprint())) {
		t.Error("the fingerprints are not there")
	}
	if got := (Identity{TCP: new(rsa.PrivateKey)}).String(); got != "identity incomplete" {
		t.Errorf("got %s", got)
	}
}
