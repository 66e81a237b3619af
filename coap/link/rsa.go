package link

import (
	"bytes"
	"crypto/rand"
	"crypto/rsa"
)

// This file holds every use of PKCS#1 v1.5. It is what boards speak and nothing else can be spoken with them, so the
// advice of crypto/rsa to use something newer does not apply here; what it warns of is dealt with in server.go.
// crypto/rsa draws padding from the system's random source, whatever reader it is given.

// openBlock decrypts what the device sent under the server's key. It fails for a wrong padding and for a number that is
// not below the modulus, after the same work; the caller must go on as if it had not failed (see the package comment).
func openBlock(key *rsa.PrivateKey, block *[blockSize]byte) (plain []byte, ok bool) {
	ciphertext := *block
	inRange := bytes.Compare(ciphertext[:], key.N.Bytes()) < 0 // both are public
	if !inRange {
		ciphertext[0] &= 0x7f // below any modulus of 2048 bits, so that the private operation is not skipped
	}
	//lint:ignore SA1019 the boards' protocol; the error is turned into a flag and never shown to the device
	plain, err := rsa.DecryptPKCS1v15(nil, key, ciphertext[:])
	return plain, err == nil && inRange
}

// sealBlock is openBlock's other half, done by the device.
func sealBlock(key *rsa.PublicKey, plain []byte) ([]byte, error) {
	//lint:ignore SA1019 the boards' protocol
	return rsa.EncryptPKCS1v15(rand.Reader, key, plain)
}

// sealCredentials makes C.
func sealCredentials(key *rsa.PublicKey, creds *credentials) ([]byte, error) {
	//lint:ignore SA1019 the boards' protocol
	return rsa.EncryptPKCS1v15(rand.Reader, key, creds[:])
}

// openCredentials is sealCredentials' other half, done by the device.
func openCredentials(key *rsa.PrivateKey, sealed []byte) (creds credentials, ok bool) {
	//lint:ignore SA1019 the boards' protocol, in the device's half; it is not reachable for those who send to the server
	plain, err := rsa.DecryptPKCS1v15(nil, key, sealed)
	if err != nil || len(plain) != len(creds) {
		return credentials{}, false
	}
	return credentials(plain), true
}

// sign makes S: 00 01 FF... 00 mac(20), raised to the private exponent. There is no DigestInfo in it.
func sign(key *rsa.PrivateKey, mac []byte) ([]byte, error) {
	return rsa.SignPKCS1v15(nil, key, 0, mac)
}

// verify is sign's other half, done by the device.
func verify(key *rsa.PublicKey, mac, signature []byte) error {
	return rsa.VerifyPKCS1v15(key, 0, mac, signature)
}
