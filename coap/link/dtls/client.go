package dtls

import (
	"bytes"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"time"

	"localcloud/keys"
)

// Shape says which devices a Client's ClientHello looks like.
type Shape int

// The shapes of the recorded releases.
const (
	ShapeCID Shape = iota // 3.1 and later: with connection id
	ShapeOld              // 1.4 to 3.0
	Shape070              // 0.7: two more signature schemes, one record in a datagram
)

// ClientConfig is what a device knows before a handshake.
type ClientConfig struct {
	Key       *ecdsa.PrivateKey // P-256
	ServerKey *ecdsa.PublicKey
	Shape     Shape
}

// What a device makes of a handshake that fails.
var (
	ErrAuthentication = errors.New("dtls: the server's signature is wrong")
	ErrTimeout        = errors.New("dtls: no answer from the server")
	errUnexpected     = errors.New("dtls: unexpected handshake message")
)

// A device sends a flight again after 3, 6, 12 and 24 seconds and gives up after 45 (Device OS 1.4 and later).
const (
	clientWait     = 3 * time.Second
	clientAttempts = 4
)

// Client is the device's half of a handshake, for virtual devices and tests. It has no goroutine and no clock: it is
// stepped with Receive and Tick, and its datagrams are taken with Outbox.
type Client struct {
	cfg ClientConfig

	clientRandom, serverRandom [randomSize]byte
	cookie                     []byte
	transcript                 []byte
	in                         collector
	out                        flight
	outbox                     [][]byte
	number                     uint64
	sequence                   uint16 // of our next message

	point   []byte // the server's, nil until it came
	asked   bool   // CertificateRequest came
	cid     []byte
	master  [masterSize]byte
	session *Session // nil until the keys are known
	done    bool
}

// NewClient begins a handshake.
func NewClient(now time.Time, cfg ClientConfig) *Client {
	c := &Client{cfg: cfg}
	rand.Read(c.clientRandom[:])
	c.hello(now)
	return c
}

// Session returns the session once the handshake is over, nil before.
func (c *Client) Session() *Session {
	if !c.done {
		return nil
	}
	return c.session
}

// Outbox returns the datagrams to send and forgets them.
func (c *Client) Outbox() [][]byte {
	out := c.outbox
	c.outbox = nil
	return out
}

// Deadline returns when Tick is due.
func (c *Client) Deadline() time.Time { return c.out.again }

// Tick sends the last flight again when it is time. ErrTimeout ends the handshake.
func (c *Client) Tick(now time.Time) error {
	if c.done || now.Before(c.out.again) {
		return nil
	}
	if c.out.sent >= clientAttempts {
		return ErrTimeout
	}
	return c.send(now)
}

// Receive takes one datagram, which it changes. An error ends the handshake.
func (c *Client) Receive(now time.Time, datagram []byte) error {
	repeated, answered := false, false
	for len(datagram) > 0 {
		r, rest, err := parseRecord(datagram)
		if err != nil {
			break
		}
		datagram = rest
		repeated = c.record(&r) || repeated
		said, err := c.step(now)
		if err != nil {
			return err
		}
		answered = answered || said
	}
	if answered || !repeated || c.done {
		return nil
	}
	return c.send(now)
}

func (c *Client) record(r *record) (repeated bool) {
	body := r.body
	switch {
	case r.epoch == 0 && r.kind != typeHandshake, r.epoch > epoch:
		return false
	case r.epoch == epoch:
		if c.session == nil || c.done {
			return false
		}
		kind, content, _, err := c.session.open(r)
		if err != nil || kind != typeHandshake {
			return false
		}
		body = content
	}
	for len(body) > 0 {
		f, rest, err := parseFragment(body)
		if err != nil || (f.kind == msgFinished) != (r.epoch == epoch) {
			return repeated
		}
		body = rest
		old := c.in.add(f)
		repeated = repeated || old && f.kind == msgServerHello
	}
	return repeated
}

// step takes the messages that are whole and due. answered says that a flight was sent.
func (c *Client) step(now time.Time) (answered bool, err error) {
	for {
		kind, sequence, body, ok := c.in.take()
		if !ok {
			return answered, nil
		}
		if kind == msgHelloVerifyRequest {
			if c.cookie, err = parseHelloVerifyRequest(body); err != nil {
				return answered, err
			}
			c.transcript = nil
			c.hello(now)
			answered = true
			continue
		}
		before := c.transcript
		c.transcript = appendMessage(c.transcript, kind, sequence, body)
		if err := c.message(now, kind, body, before); err != nil {
			return answered, err
		}
		answered = answered || kind == msgServerHelloDone
	}
}

// message does what a device does. A device has the server's key and takes no Certificate.
func (c *Client) message(now time.Time, kind byte, body, before []byte) error {
	switch {
	case kind == msgServerHello && c.serverRandom == [randomSize]byte{}:
		h, err := parseServerHello(body)
		c.serverRandom, c.cid = h.random, h.cid
		return err
	case kind == msgServerKeyExchange && c.serverRandom != [randomSize]byte{} && c.point == nil:
		return c.keyExchange(body)
	case kind == msgCertificateRequest && c.point != nil && !c.asked:
		c.asked = true
		return parseCertificateRequest(body)
	case kind == msgServerHelloDone && c.asked && c.session == nil && len(body) == 0:
		return c.prove(now)
	case kind == msgFinished && c.session != nil:
		want := verifyData(c.master[:], serverFinished, before)
		if !bytes.Equal(body, want[:]) {
			return errFinished
		}
		c.done = true
		return nil
	}
	return errUnexpected
}

func (c *Client) keyExchange(body []byte) error {
	point, signature, err := parseServerKeyExchange(body)
	if err != nil {
		return err
	}
	digest := sha256.Sum256(signedParams(c.clientRandom[:], c.serverRandom[:], point))
	if !ecdsa.VerifyASN1(c.cfg.ServerKey, digest[:], signature) {
		c.refuse(decryptError)
		return ErrAuthentication
	}
	c.point = point
	return nil
}

// decryptError is the alert of a device that finds the server's signature wrong.
const decryptError = 51

// refuse puts a fatal alert into the outbox, the last thing that a device sends.
func (c *Client) refuse(description byte) {
	alert := record{kind: typeAlert, number: c.number, body: []byte{2, description}}
	c.number++
	c.outbox = append(c.outbox, alert.appendTo(nil))
}

// hello makes the first flight, with the cookie once there is one.
func (c *Client) hello(now time.Time) {
	body := append([]byte{version >> 8, version & 0xff}, c.clientRandom[:]...)
	body = append(append(body, 0, byte(len(c.cookie))), c.cookie...)
	body = append(body, 0, 4, suiteCCM8>>8, suiteCCM8&0xff, 0, suiteSCSV, 1, 0)
	schemes := []byte{4, 3, 4, 1, 3, 3, 3, 1}
	if c.cfg.Shape == Shape070 {
		schemes = append(schemes, 2, 3, 2, 1)
	}
	var ext []byte
	add := func(kind uint16, body ...byte) {
		ext = binary.BigEndian.AppendUint16(ext, kind)
		ext = append(binary.BigEndian.AppendUint16(ext, uint16(len(body))), body...)
	}
	add(extSchemes, append([]byte{0, byte(len(schemes))}, schemes...)...)
	add(extGroups, 0, 2, 0, curveP256)
	add(extPointFormats, 1, 0)
	if c.cfg.Shape == ShapeCID {
		add(extCID, 0)
	}
	add(extClientCert, 1, rawPublicKey)
	add(extServerCert, 1, rawPublicKey)
	body = append(binary.BigEndian.AppendUint16(body, uint16(len(ext))), ext...)

	c.begin()
	c.add(msgClientHello, body)
	_ = c.send(now) // nothing is sealed
}

func (c *Client) begin() {
	c.out = flight{wait: clientWait, apart: c.cfg.Shape == Shape070}
}

func (c *Client) add(kind byte, body []byte) {
	message := appendMessage(nil, kind, c.sequence, body)
	c.sequence++
	c.transcript = append(c.transcript, message...)
	c.out.records = append(c.out.records, outgoing{kind: typeHandshake, content: message})
}

// prove makes the second flight: our key, the proof that it is ours, and Finished.
func (c *Client) prove(now time.Time) error {
	private, err := ecdh.P256().GenerateKey(rand.Reader)
	if err != nil {
		return err
	}
	theirs, err := ecdh.P256().NewPublicKey(c.point)
	if err != nil {
		return err
	}
	shared, err := private.ECDH(theirs)
	if err != nil {
		return err
	}
	key, err := keys.NewECDSAPublicKey(&c.cfg.Key.PublicKey)
	if err != nil {
		return err
	}
	c.master = masterSecret(shared, c.clientRandom[:], c.serverRandom[:])
	c.session = &Session{
		useCID: len(c.cid) == cidSize, limit: noLimit, keys: newKeyBlock(c.master[:], c.clientRandom[:], c.serverRandom[:]),
	}
	copy(c.session.cid[:], c.cid)

	c.begin()
	c.add(msgCertificate, appendCertificate(nil, key.DER()))
	c.add(msgClientKeyExchange, appendClientKeyExchange(nil, private.PublicKey().Bytes()))
	digest := sha256.Sum256(c.transcript)
	signature, err := ecdsa.SignASN1(rand.Reader, c.cfg.Key, digest[:])
	if err != nil {
		return err
	}
	c.add(msgCertificateVerify, appendSignature(nil, signature))
	verify := verifyData(c.master[:], clientFinished, c.transcript)
	c.add(msgFinished, verify[:])
	last := &c.out.records[len(c.out.records)-1]
	last.epoch = epoch
	ccs := outgoing{kind: typeChangeCipherSpec, content: []byte{1}}
	c.out.records = append(c.out.records[:3], ccs, *last)
	return c.send(now)
}

func (c *Client) send(now time.Time) error {
	datagrams, err := c.out.datagrams(&c.number, c.session)
	if err != nil {
		return err
	}
	c.outbox = append(c.outbox, datagrams...)
	c.out.sent++
	c.out.again = now.Add(c.out.wait)
	c.out.wait *= 2
	return nil
}
