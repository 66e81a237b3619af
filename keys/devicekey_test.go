package keys

import (
	"bytes"
	"crypto"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/x509"
	"math/big"
	"slices"
	"strings"
	"testing"
)

// boardReads reads a private key the way device-os does (communication/src/handshake.cpp,
// init_rsa_context_with_private_key): fixed distances, and one more where the length byte is odd.
func boardReads(der []byte) (integers []*big.Int) {
	at := 9
	for i, length := range []int{128, 128, 64, 64, 64, 64, 64} {
		at += int(der[at]&1) + 1
		integers = append(integers, new(big.Int).SetBytes(der[at:at+length]))
		at += length + 1
		if i == 0 {
			at += 6 // the exponent, and the d's 02 81
		}
	}
	return integers
}

func TestGeneratedDeviceKeyIsReadByABoard(t *testing.T) {
	for range 12 {
		key, err := GenerateDeviceRSA()
		if err != nil {
			t.Fatal(err)
		}
		der := x509.MarshalPKCS1PrivateKey(key)
		if len(der) < 607 || len(der) > 612 {
			t.Errorf("%d bytes of DER", len(der))
		}
		want := []*big.Int{key.N, key.D, key.Primes[0], key.Primes[1], key.Precomputed.Dp, key.Precomputed.Dq, key.Precomputed.Qinv}
		if got := boardReads(der); !slices.EqualFunc(got, want, func(a, b *big.Int) bool { return a.Cmp(b) == 0 }) {
			t.Fatal("a board would read other integers")
		}
		if _, err := NewRSAPublicKey(&key.PublicKey); err != nil {
			t.Error(err)
		}
	}
}

func TestKeysThatABoardWouldMisreadAreFound(t *testing.T) {
	good, err := GenerateDeviceRSA()
	if err != nil {
		t.Fatal(err)
	}
	if err := CheckBoardRSA(good); err != nil {
		t.Fatal(err)
	}
	short := new(big.Int).Rsh(good.D, 8)
	for name, spoil := range map[string]func(*rsa.PrivateKey){
		"short d":         func(k *rsa.PrivateKey) { k.D = short },
		"short p":         func(k *rsa.PrivateKey) { k.Primes = []*big.Int{big.NewInt(7), k.Primes[1]} },
		"short q":         func(k *rsa.PrivateKey) { k.Primes = []*big.Int{k.Primes[0], big.NewInt(7)} },
		"short dP":        func(k *rsa.PrivateKey) { k.Precomputed.Dp = big.NewInt(7) },
		"short dQ":        func(k *rsa.PrivateKey) { k.Precomputed.Dq = big.NewInt(7) },
		"short qInv":      func(k *rsa.PrivateKey) { k.Precomputed.Qinv = big.NewInt(7) },
		"exponent 3":      func(k *rsa.PrivateKey) { k.E = 3 },
		"not precomputed": func(k *rsa.PrivateKey) { k.Precomputed = rsa.PrecomputedValues{} },
	} {
		spoiled := *good
		spoil(&spoiled)
		if CheckBoardRSA(&spoiled) == nil {
			t.Errorf("%s was not found", name)
		}
	}
	if CheckBoardRSA(newRSA(t, 2048)) == nil {
		t.Error("an RSA-2048 key passes")
	}
}

func TestDevicePrivateKeyIsReadInEveryForm(t *testing.T) {
	rsaKey, ecKey := newRSA(t, 1024), newEC(t, elliptic.P256())
	pkcs8 := func(key any) []byte {
		der, err := x509.MarshalPKCS8PrivateKey(key)
		if err != nil {
			t.Fatal(err)
		}
		return der
	}
	sec1, err := x509.MarshalECPrivateKey(ecKey)
	if err != nil {
		t.Fatal(err)
	}
	pkcs1 := x509.MarshalPKCS1PrivateKey(rsaKey)
	parameters := pemBlock("EC PARAMETERS", []byte{6, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 3, 1, 7})

	for name, test := range map[string]struct {
		input []byte
		want  crypto.Signer
	}{
		"PKCS#1 DER":              {pkcs1, rsaKey},
		"PKCS#1 PEM":              {pemBlock("RSA PRIVATE KEY", pkcs1), rsaKey},
		"PKCS#1 in a slot":        {append(bytes.Clone(pkcs1), 0xff, 0xff, 0xff), rsaKey},
		"RSA PKCS#8 DER":          {pkcs8(rsaKey), rsaKey},
		"RSA PKCS#8 PEM":          {pemBlock("PRIVATE KEY", pkcs8(rsaKey)), rsaKey},
		"SEC1 DER":                {sec1, ecKey},
		"SEC1 PEM":                {pemBlock("EC PRIVATE KEY", sec1), ecKey},
		"SEC1 in a slot":          {append(bytes.Clone(sec1), make([]byte, 71)...), ecKey},
		"openssl ecparam -genkey": {append(parameters, pemBlock("EC PRIVATE KEY", sec1)...), ecKey},
		"EC PKCS#8 PEM":           {pemBlock("PRIVATE KEY", pkcs8(ecKey)), ecKey},
	} {
		key, err := ParseDevicePrivateKey(test.input)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if !test.want.(interface{ Equal(crypto.PrivateKey) bool }).Equal(key) {
			t.Errorf("%s: another key", name)
		}
	}
	if len(sec1) != 121 {
		t.Errorf("SEC1 has %d bytes, boards have 121", len(sec1))
	}
}

// A board pads every integer of the key it makes with a zero byte (device-os communication/src/dsakeygen.cpp), which is
// not DER when the next bit is clear.
func TestKeyThatABoardMadeIsRead(t *testing.T) {
	// Make sure that at least one integer is padded without need.
	var key *rsa.PrivateKey
	for key = newRSA(t, 1024); key.D.BitLen() == 1024 && key.Precomputed.Dp.BitLen() == 512; {
		key = newRSA(t, 1024)
	}
	der := boardPKCS1(key)
	if _, err := x509.ParsePKCS1PrivateKey(der); err == nil {
		t.Fatal("crypto/x509 takes it: this test shows nothing")
	}
	for _, input := range [][]byte{der, append(bytes.Clone(der), 0xff, 0xff), pemBlock("RSA PRIVATE KEY", der)} {
		got, err := ParseDevicePrivateKey(input)
		if err != nil {
			t.Fatal(err)
		}
		if !key.Equal(got) {
			t.Error("another key")
		}
	}
	der[30] ^= 1 // inside the modulus
	if _, err := ParseDevicePrivateKey(der); err == nil {
		t.Error("a damaged modulus was taken")
	}
}

func boardPKCS1(key *rsa.PrivateKey) []byte {
	content := []byte{2, 1, 0}
	integer := func(v *big.Int, length int) {
		content = append(content, 2)
		if length >= 0x80 {
			content = append(content, 0x81)
		}
		content = append(content, byte(length))
		content = append(content, v.FillBytes(make([]byte, length))...)
	}
	integer(key.N, 129)
	integer(big.NewInt(65537), 3)
	integer(key.D, 129)
	for _, v := range []*big.Int{key.Primes[0], key.Primes[1], key.Precomputed.Dp, key.Precomputed.Dq, key.Precomputed.Qinv} {
		integer(v, 65)
	}
	return append([]byte{0x30, 0x82, byte(len(content) >> 8), byte(len(content))}, content...)
}

func TestDevicePrivateKeyRefusals(t *testing.T) {
	device := newRSA(t, 1024)
	der := x509.MarshalPKCS1PrivateKey(device)
	for name, test := range map[string]struct {
		input []byte
		want  string
	}{
		"server key":      {must(privatePEM(newRSA(t, 2048))), "RSA-2048"},
		"P-384":           {pemBlock("EC PRIVATE KEY", must(x509.MarshalECPrivateKey(newEC(t, elliptic.P384())))), "P-384"},
		"public key":      {pemBlock("PUBLIC KEY", pkix(t, device.Public())), "no whole PRIVATE KEY block"},
		"public DER":      {pkix(t, device.Public()), "not a private key"},
		"erased slot":     {bytes.Repeat([]byte{0xff}, 612), "erased"},
		"cut":             {der[:300], "cut off"},
		"bytes behind it": {append(bytes.Clone(der), 'x'), "other bytes"},
		"passphrase":      {pemBlock("ENCRYPTED PRIVATE KEY", der), "passphrase"},
		"empty":           {nil, "empty"},
	} {
		if _, err := ParseDevicePrivateKey(test.input); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: error %v, want %q in it", name, err, test.want)
		}
	}
}

func must(b []byte, err error) []byte {
	if err != nil {
		panic(err)
	}
	return b
}

func TestDevicePrivateKeyGoesThroughPEM(t *testing.T) {
	for kind, key := range map[string]crypto.Signer{"RSA": newRSA(t, 1024), "EC": newEC(t, elliptic.P256())} {
		text, err := MarshalDevicePrivateKeyPEM(key)
		if err != nil || !bytes.HasPrefix(text, []byte("-----BEGIN "+kind+" PRIVATE KEY-----")) {
			t.Fatalf("%s: %.40s, %v", kind, text, err)
		}
		back, err := ParseDevicePrivateKey(text)
		if err != nil || !key.(interface{ Equal(crypto.PrivateKey) bool }).Equal(back) {
			t.Errorf("%s: another key, %v", kind, err)
		}
	}
	if _, err := MarshalDevicePrivateKeyPEM(nil); err == nil {
		t.Error("nil was marshalled")
	}
}

func FuzzParseDevicePrivateKey(f *testing.F) {
	device := newRSA(f, 1024)
	f.Add(x509.MarshalPKCS1PrivateKey(device))
	f.Add(boardPKCS1(device))
	f.Add(must(privatePEM(device)))
	f.Add(must(privatePEM(newEC(f, elliptic.P256()))))
	f.Add([]byte{0x30, 6, 2, 1, 0, 2, 1, 0})
	f.Fuzz(func(t *testing.T, input []byte) {
		key, err := ParseDevicePrivateKey(input)
		if err != nil {
			return
		}
		text, err := MarshalDevicePrivateKeyPEM(key)
		if err != nil {
			t.Fatal(err)
		}
		if back, err := ParseDevicePrivateKey(text); err != nil || !key.(interface{ Equal(crypto.PrivateKey) bool }).Equal(back) {
			t.Fatalf("came back as another key, %v", err)
		}
	})
}
