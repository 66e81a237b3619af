package dtls

import (
	"bytes"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"fmt"
	"time"

	"localcloud/keys"
)

// Reasons for which a handshake fails. They are for the owner's record; the client is told nothing.
var (
	errBadDeviceKey  = errors.New("dtls: the client's public key is no EC key on P-256")
	errRSAKey        = errors.New("dtls: the client's public key is an RSA key")
	errNoCertificate = errors.New("dtls: the client shows no public key")
	errNoProof       = errors.New("dtls: the client's signature does not fit its key")
	errFinished      = errors.New("dtls: the client's Finished is wrong")
	errOrder         = errors.New("dtls: a handshake message out of order")
	errSuits         = errors.New("dtls: the client has not our cipher suite, curve or raw public keys")
)

const (
	serverWait     = 2 * time.Second // before a flight is sent again, then twice as long each time
	serverAttempts = 4
)

// serverHandshake is the server's half of one handshake, from the ClientHello with a good cookie on. It has no goroutine
// and no clock.
type serverHandshake struct {
	key *ecdsa.PrivateKey
	cid CID

	clientRandom, serverRandom [randomSize]byte
	useCID                     bool
	private                    *ecdh.PrivateKey
	transcript                 []byte // all messages so far, as RFC 6347 section 4.2.6 has them
	in                         collector
	out                        flight
	number                     uint64 // of our next record in epoch 0

	device  keys.PublicKey
	proved  bool
	master  [masterSize]byte
	session *Session
	done    bool // Finished was right: session is good
	alert   byte // description of a fatal alert in clear that came, 0: none
}

// beginServerHandshake answers a ClientHello that came in the record of that number.
func beginServerHandshake(key *ecdsa.PrivateKey, cid CID, number uint64, f fragment, h *clientHello) (*serverHandshake, error) {
	if !h.suits() {
		return nil, errSuits
	}
	hs := &serverHandshake{
		key: key, cid: cid, clientRandom: h.random, number: number, in: collector{next: f.sequence + 1},
		useCID: h.cid != nil && len(h.cid) == 0,
	}
	rand.Read(hs.serverRandom[:])
	var err error
	if hs.private, err = ecdh.P256().GenerateKey(rand.Reader); err != nil {
		return nil, err
	}
	hs.transcript = appendMessage(nil, f.kind, f.sequence, f.bytes)
	return hs, hs.answer(h, f.sequence)
}

// answer makes the flight from ServerHello to ServerHelloDone.
func (hs *serverHandshake) answer(h *clientHello, sequence uint16) error {
	point := hs.private.PublicKey().Bytes()
	digest := sha256.Sum256(signedParams(hs.clientRandom[:], hs.serverRandom[:], point))
	signature, err := ecdsa.SignASN1(rand.Reader, hs.key, digest[:])
	if err != nil {
		return err
	}
	sessionID := make([]byte, 32) // never used again, but devices know it from their own server
	rand.Read(sessionID)
	hello := serverHello{
		random: hs.serverRandom, sessionID: sessionID, pointFormats: true, renegotiate: true,
	}
	if hs.useCID {
		hello.cid = hs.cid[:]
	}
	hs.out = flight{wait: serverWait}
	add := func(kind byte, body []byte) {
		message := appendMessage(nil, kind, sequence, body)
		sequence++
		hs.transcript = append(hs.transcript, message...)
		hs.out.records = append(hs.out.records, outgoing{kind: typeHandshake, content: message})
	}
	add(msgServerHello, hello.append(nil))
	if !h.isParticle() {
		spki, err := x509.MarshalPKIXPublicKey(&hs.key.PublicKey)
		if err != nil {
			return err
		}
		add(msgCertificate, appendCertificate(nil, spki))
	}
	add(msgServerKeyExchange, appendServerKeyExchange(nil, point, signature))
	add(msgCertificateRequest, certificateRequest())
	add(msgServerHelloDone, nil)
	return nil
}

// sequenceAfter is the message_seq that follows those of the last flight.
func (hs *serverHandshake) sequenceAfter() uint16 {
	last := hs.out.records[len(hs.out.records)-1].content
	return uint16(last[4])<<8 | uint16(last[5]) + 1
}

// send writes the present flight and plans its repetition. It returns nothing when it was sent often enough.
func (hs *serverHandshake) send(now time.Time) [][]byte {
	if hs.out.sent >= 2*serverAttempts {
		return nil
	}
	hs.out.sent++
	datagrams, err := hs.out.datagrams(&hs.number, hs.session)
	if err != nil {
		return nil
	}
	hs.out.again = time.Time{}
	if !hs.done && hs.out.sent <= serverAttempts { // the last flight is sent again only when the client asks for it
		hs.out.again = now.Add(hs.out.wait)
		hs.out.wait *= 2
	}
	return datagrams
}

// receive takes one datagram and returns what to send. An error ends the handshake.
func (hs *serverHandshake) receive(now time.Time, datagram []byte) (out [][]byte, err error) {
	finished, again := false, false
	for len(datagram) > 0 {
		r, rest, err := parseRecord(datagram)
		if err != nil {
			break // RFC 6347 section 4.1.2.7: dropped without a word
		}
		datagram = rest
		repeated, err := hs.receiveRecord(&r)
		if err != nil {
			return nil, err
		}
		over, err := hs.step() // at once: the key for the next record comes of it
		if err != nil {
			return nil, err
		}
		again, finished = again || repeated, finished || over
	}
	if finished || again {
		return hs.send(now), nil
	}
	return nil, nil
}

// receiveRecord reports whether the record repeats what the client said before our last flight: that was lost.
func (hs *serverHandshake) receiveRecord(r *record) (repeated bool, err error) {
	body := r.body
	switch {
	case r.epoch == 0 && r.kind == typeAlert && len(body) == 2 && body[0] == 2:
		hs.alert = body[1]
		return false, nil
	case r.epoch == 0 && r.kind != typeHandshake, r.epoch > epoch:
		return false, nil
	case r.epoch == epoch:
		if hs.session == nil || hs.done {
			return false, nil // it comes again with the rest of its flight
		}
		kind, content, _, err := hs.session.open(r)
		if err != nil || kind != typeHandshake {
			return false, nil
		}
		body = content
	}
	for len(body) > 0 {
		f, rest, err := parseFragment(body)
		if err != nil {
			return false, nil
		}
		body = rest
		if (f.kind == msgFinished) != (r.epoch == epoch) {
			return false, nil
		}
		old := hs.in.add(f)
		first := byte(msgClientHello)
		if hs.done {
			first = msgCertificate
		}
		repeated = repeated || old && f.kind == first
	}
	return repeated, nil
}

// step takes the messages that are whole and due. finished says that the last one was the client's Finished.
func (hs *serverHandshake) step() (finished bool, err error) {
	for {
		kind, sequence, body, ok := hs.in.take()
		if !ok {
			return finished, nil
		}
		before := hs.transcript
		if err := hs.message(kind, body, before); err != nil {
			return false, err
		}
		hs.transcript = appendMessage(hs.transcript, kind, sequence, body)
		if kind == msgClientKeyExchange {
			hs.session = &Session{
				server: true, cid: hs.cid, useCID: hs.useCID, peer: hs.device, limit: noLimit,
				keys: newKeyBlock(hs.master[:], hs.clientRandom[:], hs.serverRandom[:]),
			}
		}
		if kind == msgFinished {
			hs.done, finished = true, true
			hs.last()
		}
	}
}

// message checks one message of the client. The order is fixed: each needs what the one before it gave.
func (hs *serverHandshake) message(kind byte, body, before []byte) (err error) {
	switch {
	case kind == msgCertificate && hs.device.IsZero():
		hs.device, err = deviceKey(body)
	case kind == msgClientKeyExchange && !hs.device.IsZero() && hs.session == nil:
		err = hs.agree(body)
	case kind == msgClientKeyExchange && hs.device.IsZero():
		err = errNoCertificate
	case kind == msgCertificateVerify && hs.session != nil && !hs.proved:
		err = hs.verify(body, before)
	case kind == msgFinished && hs.proved && !hs.done:
		want := verifyData(hs.master[:], clientFinished, before)
		if !bytes.Equal(body, want[:]) { // what is compared is no secret: it came under the session's key
			err = errFinished
		}
	default:
		err = errOrder
	}
	return err
}

// deviceKey reads the client's Certificate.
func deviceKey(body []byte) (keys.PublicKey, error) {
	spki, err := parseCertificate(body)
	if err != nil {
		return keys.PublicKey{}, err
	}
	if len(spki) == 0 {
		return keys.PublicKey{}, errNoCertificate
	}
	key, err := keys.ParsePublicKey(spki)
	switch {
	case err != nil:
		return keys.PublicKey{}, fmt.Errorf("%w: %w", errBadDeviceKey, err)
	case key.Algorithm() != keys.ECC:
		return keys.PublicKey{}, errRSAKey
	}
	return key, nil
}

func (hs *serverHandshake) agree(body []byte) error {
	point, err := parseClientKeyExchange(body)
	if err != nil {
		return err
	}
	public, err := ecdh.P256().NewPublicKey(point)
	if err != nil {
		return err
	}
	shared, err := hs.private.ECDH(public)
	if err != nil {
		return err
	}
	hs.master = masterSecret(shared, hs.clientRandom[:], hs.serverRandom[:])
	return nil
}

// verify checks the proof that the client has its key: a signature over all messages before it.
func (hs *serverHandshake) verify(body, before []byte) error {
	signature, err := parseSignature(body)
	if err != nil {
		return err
	}
	digest := sha256.Sum256(before)
	if !ecdsa.VerifyASN1(hs.device.ECDSA(), digest[:], signature) {
		return errNoProof
	}
	hs.proved = true
	return nil
}

// last makes the server's last flight.
func (hs *serverHandshake) last() {
	verify := verifyData(hs.master[:], serverFinished, hs.transcript)
	message := appendMessage(nil, msgFinished, hs.sequenceAfter(), verify[:])
	hs.out = flight{records: []outgoing{
		{kind: typeChangeCipherSpec, content: []byte{1}},
		{kind: typeHandshake, epoch: epoch, content: message},
	}}
	hs.private, hs.transcript, hs.master = nil, nil, [masterSize]byte{}
}
