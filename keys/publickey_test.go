package keys

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"log/slog"
	"math/big"
	"slices"
	"strings"
	"testing"
)

// The public key of the throw-away device of the recordings, as Device OS 3.3.1 sent it.
const recordedSPKI = "30819f300d06092a864886f70d010101050003818d0030818902818100" +
	"d4cd037aae3363cce4b2b586440f701941ad13084331413f0a128fd0a9d75760ee0bea6ee6b1cb132580092016d1f632" +
	"d9aad9f651485efdc7aedf7d3f4584214f697264d4dd6a458f25625369ac6f05dc1976f6a9d50de97443a14a66256c9a" +
	"acaa8b632a286f9d519eb67d0d6db3207419412ab9a91f0b576e292c58fc45d5" + "0203010001"

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func newRSA(t testing.TB, bits int) *rsa.PrivateKey {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, bits)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func newEC(t testing.TB, curve elliptic.Curve) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(curve, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func pkix(t testing.TB, key crypto.PublicKey) []byte {
	t.Helper()
	der, err := x509.MarshalPKIXPublicKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

func pemBlock(kind string, der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
}

func TestPublicKeyIsReadInEveryForm(t *testing.T) {
	device := unhex(t, recordedSPKI)
	recorded, err := x509.ParsePKIXPublicKey(device)
	if err != nil {
		t.Fatal(err)
	}
	pkcs1 := x509.MarshalPKCS1PublicKey(recorded.(*rsa.PublicKey))
	ec := pkix(t, newEC(t, elliptic.P256()).Public())

	for _, test := range []struct {
		name      string
		input     []byte
		algorithm Algorithm
		want      []byte
	}{
		{"RSA SPKI DER", device, RSA, device},
		{"RSA SPKI PEM", pemBlock("PUBLIC KEY", device), RSA, device},
		{"RSA PKCS#1 DER", pkcs1, RSA, device},
		{"RSA PKCS#1 PEM", pemBlock("RSA PUBLIC KEY", pkcs1), RSA, device},
		{"PEM in white space", slices.Concat([]byte("\r\n\t "), pemBlock("PUBLIC KEY", device), []byte("\n \r\n")), RSA, device},
		{"PEM with CRLF", bytes.ReplaceAll(pemBlock("PUBLIC KEY", device), []byte("\n"), []byte("\r\n")), RSA, device},
		{"PEM after a byte order mark", append([]byte("\uFEFF"), pemBlock("PUBLIC KEY", device)...), RSA, device},
		{"PEM without the last line end", bytes.TrimSpace(pemBlock("PUBLIC KEY", device)), RSA, device},
		{"slot filled with FF", append(bytes.Clone(device), bytes.Repeat([]byte{0xff}, 222)...), RSA, device},
		{"slot filled with zeros", append(bytes.Clone(device), make([]byte, 222)...), RSA, device},
		{"padded with spaces", append(bytes.Clone(device), "   "...), RSA, device},
		{"EC SPKI DER", ec, ECC, ec},
		{"EC SPKI PEM", pemBlock("PUBLIC KEY", ec), ECC, ec},
		{"EC slot", append(bytes.Clone(ec), bytes.Repeat([]byte{0xff}, 101)...), ECC, ec},
	} {
		t.Run(test.name, func(t *testing.T) {
			before := bytes.Clone(test.input)
			key, err := ParsePublicKey(test.input)
			if err != nil {
				t.Fatal(err)
			}
			if key.IsZero() || key.Algorithm() != test.algorithm || !bytes.Equal(key.DER(), test.want) {
				t.Errorf("got %s %x", key.Algorithm(), key.DER())
			}
			if (key.RSA() != nil) != (test.algorithm == RSA) || (key.ECDSA() != nil) != (test.algorithm == ECC) {
				t.Errorf("RSA() = %v, ECDSA() = %v", key.RSA(), key.ECDSA())
			}
			if !bytes.Equal(before, test.input) {
				t.Error("the input was changed")
			}
		})
	}
}

func TestPublicKeyRefusalSaysWhatWasFound(t *testing.T) {
	device := newRSA(t, 1024)
	spki := pkix(t, device.Public())
	withExponent := func(e int) []byte { return pkix(t, &rsa.PublicKey{N: device.N, E: e}) }
	even := new(big.Int).SetBit(device.N, 0, 0)
	edPublic, _, _ := ed25519.GenerateKey(rand.Reader)

	for _, test := range []struct {
		name  string
		input []byte
		want  string
	}{
		{"RSA-2048", pkix(t, newRSA(t, 2048).Public()), "RSA-2048 key: this looks like a server key"},
		{"RSA-2048 in a slot with an address", append(pkix(t, newRSA(t, 2048).Public()), 0xff, 0xff, 1, 3), "RSA-2048 key"},
		{"RSA-3072", pkix(t, newRSA(t, 3072).Public()), "RSA-3072 key"},
		{"RSA-1023", pkix(t, &rsa.PublicKey{N: new(big.Int).Rsh(device.N, 1), E: 65537}), "RSA-1023 key"},
		{"exponent 3", withExponent(3), "exponent 3"},
		{"even modulus", pkix(t, &rsa.PublicKey{N: even, E: 65537}), "even modulus"},
		{"P-384", pkix(t, newEC(t, elliptic.P384()).Public()), "curve P-384"},
		{"Ed25519", pkix(t, edPublic), "ed25519.PublicKey"},
		{"private PEM", must(privatePEM(device)), "private key"},
		{"private DER", x509.MarshalPKCS1PrivateKey(device), "private key"},
		{"certificate", pemBlock("CERTIFICATE", spki), "another kind"},
		{"empty", nil, "empty"},
		{"erased slot", bytes.Repeat([]byte{0xff}, 384), "erased key slot"},
		{"text", []byte("hello"), "neither PEM nor DER"},
		{"cut DER", spki[:len(spki)-1], "cut off"},
		{"cut PEM", pemBlock("PUBLIC KEY", spki)[:100], "cut off or damaged"},
		{"bytes behind DER", append(bytes.Clone(spki), 1), "other bytes behind"},
		{"two PEM blocks", append(pemBlock("PUBLIC KEY", spki), pemBlock("PUBLIC KEY", spki)...), "other bytes behind"},
		{"another SEQUENCE", []byte{0x30, 3, 2, 1, 7}, "neither an RSA-1024 nor"},
		{"huge", bytes.Repeat([]byte{0x30}, 1<<20), "too long"},
		{"huge PEM", append(pemBlock("PUBLIC KEY", spki), bytes.Repeat([]byte{' ', '\n', 'x'}, 1<<19)...), "too long"},
	} {
		t.Run(test.name, func(t *testing.T) {
			key, err := ParsePublicKey(test.input)
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("error %v, want %q in it", err, test.want)
			}
			if !key.IsZero() {
				t.Errorf("a key together with an error: %v", key)
			}
		})
	}
	if _, err := NewRSAPublicKey(&rsa.PublicKey{}); err == nil {
		t.Error("an RSA key without modulus was taken")
	}
}

func TestPublicKeyComparesByValue(t *testing.T) {
	spki := unhex(t, recordedSPKI)
	a, _ := ParsePublicKey(spki)
	b, _ := ParsePublicKey(pemBlock("PUBLIC KEY", spki))
	other, err := NewRSAPublicKey(&newRSA(t, 1024).PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	if !a.Equal(b) || a != b {
		t.Error("the same key from DER and PEM differs")
	}
	if a.Equal(other) || a.Equal(PublicKey{}) || (PublicKey{}).Equal(a) {
		t.Error("different keys are equal")
	}
	if (PublicKey{}).Equal(PublicKey{}) {
		t.Error("no key equals no key: a device without key would pass for one that is registered without")
	}
	a.DER()[40] ^= 1
	a.RSA().N.SetInt64(7)
	if !a.Equal(b) {
		t.Error("a caller could change the key")
	}
}

func TestFingerprintIsThatOfOpenSSHStyle(t *testing.T) {
	spki := unhex(t, recordedSPKI)
	key, _ := ParsePublicKey(spki)
	sum := sha256.Sum256(spki)
	want := "SHA256:" + strings.TrimRight(base64.StdEncoding.EncodeToString(sum[:]), "=")
	if string(key.Fingerprint()) != want || len(want) != 50 {
		t.Errorf("got %s, want %s", key.Fingerprint(), want)
	}
	if (PublicKey{}).Fingerprint() != "" {
		t.Error("no key has a fingerprint")
	}
}

func TestPublicKeyPrintsAsFingerprint(t *testing.T) {
	key, _ := ParsePublicKey(unhex(t, recordedSPKI))
	want := "rsa " + string(key.Fingerprint())
	if got := fmt.Sprintf("%v", key); got != want {
		t.Errorf("got %s", got)
	}
	var line bytes.Buffer
	slog.New(slog.NewTextHandler(&line, nil)).Info("x", "key", key)
	if !strings.Contains(line.String(), want) {
		t.Errorf("log line %s", &line)
	}
	if got := (PublicKey{}).String(); got != "none" {
		t.Errorf("no key prints as %q", got)
	}
}

func TestPublicKeyGoesThroughText(t *testing.T) {
	ec, err := NewECDSAPublicKey(&newEC(t, elliptic.P256()).PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	rsaKey, _ := ParsePublicKey(unhex(t, recordedSPKI))
	for _, key := range []PublicKey{{}, ec, rsaKey} {
		encoded, err := json.Marshal(key)
		if err != nil {
			t.Fatal(err)
		}
		back := rsaKey
		if err := json.Unmarshal(encoded, &back); err != nil || back != key {
			t.Errorf("%s came back as %v, %v", encoded, back, err)
		}
		var fromPEM PublicKey
		if err := fromPEM.UnmarshalText(key.PEM()); err != nil || fromPEM != key {
			t.Errorf("PEM came back as %v, %v", fromPEM, err)
		}
	}
	kept := rsaKey
	for _, text := range []string{"!", "AAAA", base64.StdEncoding.EncodeToString([]byte("hello"))} {
		if err := kept.UnmarshalText([]byte(text)); err == nil || kept != rsaKey {
			t.Errorf("%q: %v, %v", text, kept, err)
		}
	}
}

func FuzzParsePublicKey(f *testing.F) {
	spki := unhex(f, recordedSPKI)
	f.Add(spki)
	f.Add(append(bytes.Clone(spki), 0xff, 0, ' '))
	f.Add(pemBlock("PUBLIC KEY", spki))
	f.Add(pkix(f, newEC(f, elliptic.P256()).Public()))
	f.Add([]byte("-----BEGIN PUBLIC KEY-----"))
	f.Add([]byte{0x30, 0x82, 0xff})
	f.Fuzz(func(t *testing.T, input []byte) {
		key, err := ParsePublicKey(input)
		if err != nil {
			if !key.IsZero() {
				t.Fatal("a key together with an error")
			}
			return
		}
		size := map[Algorithm]int{RSA: 162, ECC: 91}[key.Algorithm()]
		if len(key.DER()) != size {
			t.Fatalf("%s key of %d bytes", key.Algorithm(), len(key.DER()))
		}
		for _, form := range [][]byte{key.DER(), key.PEM()} {
			if back, err := ParsePublicKey(form); err != nil || !back.Equal(key) {
				t.Fatalf("%q came back as %v, %v", form, back, err)
			}
		}
	})
}

// The general parser is the judge of the short way that canonical RSA keys take.
func TestCanonicalRSAIsWhatTheGeneralParserMakesOfIt(t *testing.T) {
	for range 8 {
		private, err := rsa.GenerateKey(rand.Reader, 1024)
		if err != nil {
			t.Fatal(err)
		}
		spki, err := x509.MarshalPKIXPublicKey(&private.PublicKey)
		if err != nil {
			t.Fatal(err)
		}
		if modulus, ok := canonicalRSA(spki); !ok || !bytes.Equal(modulus, private.N.Bytes()) {
			t.Fatal("a board's key is not canonical")
		}
		key, err := ParsePublicKey(spki)
		if general, err2 := classify(spki); err != nil || err2 != nil || key != general {
			t.Errorf("%v, %v: %v, %v", key, general, err, err2)
		}
		if got := key.RSA(); !got.Equal(&private.PublicKey) {
			t.Errorf("the key is %v, want %v", got, private.PublicKey)
		}
		for i := range spki { // each other byte is another key, or none
			for _, flip := range []byte{1, 0x80} {
				spki[i] ^= flip
				_, canonical := canonicalRSA(spki)
				if general, err := classify(spki); canonical && (err != nil || general.spki != string(spki)) {
					t.Errorf("byte %d: the general parser says %v, %v", i, general, err)
				}
				spki[i] ^= flip
			}
		}
	}
}
