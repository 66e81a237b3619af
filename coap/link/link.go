// Package link is the secured message channel between the cloud and a device over TCP, as the Core, Photon and P1 speak
// it: an RSA handshake, then frames of AES-128-CBC. A [Server] turns an accepted connection into a [Conn], a [Client]
// does the device's half; a Conn carries whole messages and knows nothing of what they say.
//
//	device                                                                server
//	   │                              nonce(40)                             │  at once, in clear
//	   │◀───────────────────────────────────────────────────────────────────│
//	   │  RSA-2048 under the server's key of                                │
//	   │      nonce(40) ‖ device id(12) ‖ device public key(162, SPKI)      │  very old firmware: without the key
//	   │────────────────────────────── 256 bytes ──────────────────────────▶│  is the nonce ours? who is it?
//	   │                                                                    │
//	   │  C = RSA-1024 under the device's key of credentials(40)            │
//	   │  S = RSA-2048 raw signature of HMAC-SHA1(credentials, C)           │
//	   │◀───────────────────────── C(128) ‖ S(256) ─────────────────────────│
//	   │                                                                    │
//	   │  credentials = AES key(16) ‖ IV(16) ‖ salt(8)                      │
//	   │◀═══════════════ frames: length(2, big-endian) ‖ AES ══════════════▶│
//
// All RSA padding is PKCS#1 v1.5. Each direction has its own CBC chain; both start with the same IV, and the next IV is
// the FIRST cipher block of the frame just sent or received. PKCS#7 padding is always there. There is no MAC: order
// matters, and what follows a frame that does not decrypt is worthless.
//
// Sources: device-os communication/src/handshake.cpp, lightssl_message_channel.cpp; recorded sessions in testdata.
//
// # What an attacker learns
//
// One RSA key decrypts the block and signs the answer, so a server that tells "does not decrypt" from "decrypts, but"
// can be used to decrypt recorded blocks and to forge signatures (Bleichenbacher). [Server.Handshake] therefore goes
// the same way for every block: what is wrong is remembered, the answer is made of fresh credentials under a key that
// nobody holds, the first frame is read, and only then does it fail. The reason goes to the owner's record, a
// [keys.Knock], and never to the wire.
package link

import (
	"crypto/hmac"
	"crypto/sha1"

	"localcloud/keys"
)

// Sizes on the wire.
const (
	nonceSize     = 40
	idSize        = len(keys.DeviceID{})
	blockSize     = 256 // the device's block: one RSA-2048 ciphertext
	sealedSize    = 128 // C: one RSA-1024 ciphertext
	signatureSize = 256 // S: one RSA-2048 signature
	answerSize    = sealedSize + signatureSize
)

// credentials are what the server draws for one connection: AES key(16) ‖ IV(16) ‖ salt(8).
type credentials [40]byte

func (c *credentials) key() []byte   { return c[0:16] }
func (c *credentials) iv() []byte    { return c[16:32] }
func (c *credentials) salt() [8]byte { return [8]byte(c[32:40]) }

// mac is the HMAC-SHA1 over C, which S signs. It shows that whoever holds the server's key knows the credentials.
func (c *credentials) mac(sealed []byte) []byte {
	h := hmac.New(sha1.New, c[:])
	h.Write(sealed)
	return h.Sum(nil)
}
