package dtls

import (
	"crypto/hmac"
	"crypto/sha256"
)

const (
	randomSize   = 32
	masterSize   = 48
	verifySize   = 12
	keyBlockSize = 2 * (keySize + fixedIVSize)
)

// prf is the pseudo-random function of TLS 1.2 with SHA-256 (RFC 5246 section 5). It fills out.
func prf(out, secret []byte, label string, seed ...[]byte) {
	labelled := []byte(label)
	for _, s := range seed {
		labelled = append(labelled, s...)
	}
	mac := hmac.New(sha256.New, secret)
	sum := func(parts ...[]byte) []byte {
		mac.Reset()
		for _, p := range parts {
			mac.Write(p)
		}
		return mac.Sum(nil)
	}
	for a := sum(labelled); len(out) > 0; a = sum(a) {
		out = out[copy(out, sum(a, labelled)):]
	}
}

// masterSecret and keyBlock are those of RFC 5246 sections 8.1 and 6.3, without extended master secret.
func masterSecret(shared, clientRandom, serverRandom []byte) (master [masterSize]byte) {
	prf(master[:], shared, "master secret", clientRandom, serverRandom)
	return master
}

// keyBlock is client key(16) ‖ server key(16) ‖ client IV(4) ‖ server IV(4).
type keyBlock [keyBlockSize]byte

func newKeyBlock(master, clientRandom, serverRandom []byte) (k keyBlock) {
	prf(k[:], master, "key expansion", serverRandom, clientRandom)
	return k
}

func (k *keyBlock) client() *ccm { return newCCM(k[0:16], k[32:36]) }
func (k *keyBlock) server() *ccm { return newCCM(k[16:32], k[36:40]) }

const (
	clientFinished = "client finished"
	serverFinished = "server finished"
)

// verifyData is the content of Finished over the handshake messages so far (RFC 5246 section 7.4.9).
func verifyData(master []byte, label string, transcript []byte) (out [verifySize]byte) {
	sum := sha256.Sum256(transcript)
	prf(out[:], master, label, sum[:])
	return out
}
