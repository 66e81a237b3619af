package link

import (
	"bytes"

	"localcloud/keys"
)

// offeredKeySize is the public key that boards send: SubjectPublicKeyInfo of RSA-1024.
const offeredKeySize = 162

// offer is what a device says in its block:
//
//	nonce(40) ‖ device id(12) ‖ public key(162, may be absent)
type offer struct {
	nonce [nonceSize]byte
	id    keys.DeviceID
	key   []byte // as sent, with any padding
}

// parseOffer reads a plaintext of at least 52 bytes. The offer keeps plain.
func parseOffer(plain []byte) offer {
	return offer{
		nonce: [nonceSize]byte(plain),
		id:    keys.DeviceID(plain[nonceSize:]),
		key:   plain[nonceSize+idSize:],
	}
}

// oidP256 is the object identifier of the curve P-256 in DER, which stands in every EC key of a board.
var oidP256 = []byte{0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07}

// publicKey returns the key that was sent, or why there is none: "" when the device sent none at all.
func (o offer) publicKey() (keys.PublicKey, keys.Reason) {
	if len(bytes.Trim(o.key, "\x00 ")) == 0 {
		return keys.PublicKey{}, ""
	}
	// A board copies 128 bytes from a fixed place of its private key and sends them as a modulus, whatever they are
	// (device-os communication/src/handshake.cpp, extract_public_rsa_key). From an EC key that is most of its secret:
	// it must not get into a record.
	if bytes.Contains(o.key, oidP256) {
		return keys.PublicKey{}, keys.ReasonECKeyOnTCP
	}
	key, err := keys.ParsePublicKey(o.key)
	if err != nil {
		return keys.PublicKey{}, keys.ReasonBadDeviceKey
	}
	return key, ""
}
