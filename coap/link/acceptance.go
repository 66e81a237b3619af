package link

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"errors"
	"io"
	"net"

	"localcloud/keys"
)

// acceptance is one handshake under way on the server's side.
type acceptance struct {
	server *Server
	nc     net.Conn
	steps  *steps
	step   keys.Step
	keys   serverKeys
	nonce  [nonceSize]byte
	offer  offer
	told   bool // offer is what the device said, not a substitute for it
}

// verdict is what became of a block: the RSA key to answer to, or why the decoy is answered.
type verdict struct {
	key    keys.PublicKey // zero: refused
	reason keys.Reason
	err    error
}

func (v verdict) refused() bool { return v.key.IsZero() }

func (a *acceptance) run() (*Conn, error) {
	if err := a.sendNonce(); err != nil {
		return nil, err
	}
	block, err := a.receiveBlock()
	if err != nil {
		return nil, err
	}
	v, err := a.judge(block)
	if err != nil {
		return nil, err
	}
	creds, err := a.answer(v)
	switch {
	case err == nil && v.refused():
		a.awaitFirstFrame(creds)
	case err == nil:
		conn := newConn(a.nc, creds, a.offer.id, v.key, a.server.buffers)
		conn.serverKey = a.server.fingerprint(a.keys.used)
		return conn, nil
	case !v.refused():
		return nil, err
	}
	a.nc.Close() // now, not after the record is made: that takes longer when there is more to tell
	a.step = keys.StepKeyExchange
	return nil, a.failure(v.reason, v.err)
}

// failure is the end of a handshake, with all that is known of the device.
func (a *acceptance) failure(reason keys.Reason, err error) error {
	k := newKnock(a.nc)
	k.Step, k.Reason = a.step, reason
	if a.told {
		k.ID = a.offer.id
		k.Key, _ = a.offer.publicKey()
		k.Fingerprint = k.Key.Fingerprint()
	}
	return &HandshakeError{Knock: k, Err: err}
}

// broken is the failure of the connection or the end of the context.
func (a *acceptance) broken(err error) error { return a.failure(a.steps.explain(err)) }

func (a *acceptance) sendNonce() error {
	a.step = keys.StepNonce
	if err := a.steps.next(); err != nil {
		return a.broken(err)
	}
	if _, err := io.ReadFull(a.server.rand(), a.nonce[:]); err != nil {
		return a.failure(keys.ReasonServerFault, err)
	}
	if _, err := a.nc.Write(a.nonce[:]); err != nil {
		return a.broken(err)
	}
	return nil
}

func (a *acceptance) receiveBlock() (*[blockSize]byte, error) {
	a.step = keys.StepKeyExchange
	if err := a.steps.next(); err != nil {
		return nil, a.broken(err)
	}
	var block [blockSize]byte
	if _, err := io.ReadFull(a.nc, block[:]); err != nil {
		return nil, a.broken(err)
	}
	return &block, nil
}

// judge does the same work for a block that does not decrypt, one that is too short and one that answers another nonce:
// the first two are replaced by random bytes, which fail as the third does. What comes after is for those who know our
// key and our nonce, and tells nothing about other blocks.
func (a *acceptance) judge(block *[blockSize]byte) (verdict, error) {
	var substitute [nonceSize + idSize + offeredKeySize]byte
	rand.Read(substitute[:])

	leave, err := a.server.work.enter(a.steps.ctx)
	switch {
	case errors.Is(err, errBusy):
		return verdict{}, a.failure(keys.ReasonBusy, nil)
	case err != nil:
		return verdict{}, a.broken(err)
	}
	plain, decrypts := a.keys.open(block, &a.nonce)
	leave()
	reason := keys.ReasonNonceMismatch
	switch {
	case !decrypts:
		plain, reason = substitute[:], keys.ReasonWrongServerKey
	case len(plain) < nonceSize+idSize:
		plain, reason = substitute[:], keys.ReasonShortBlock
	default:
		a.told = true
	}
	a.offer = parseOffer(plain)
	if subtle.ConstantTimeCompare(a.offer.nonce[:], a.nonce[:]) != 1 {
		return verdict{reason: reason}, nil
	}
	return a.authorize(), nil
}

func (a *acceptance) authorize() verdict {
	offered, badKey := a.offer.publicKey()
	if badKey == keys.ReasonECKeyOnTCP {
		return verdict{reason: badKey} // it could not decrypt an answer to any key
	}
	ctx, cancel := context.WithTimeout(a.steps.ctx, a.steps.timeout)
	defer cancel()
	key, err := a.server.Authorize(ctx, Attempt{ID: a.offer.id, Offered: offered, RemoteAddr: a.nc.RemoteAddr()})
	if err == nil {
		return usable(key)
	}
	refusal, ok := errors.AsType[*Refusal](err)
	switch {
	case !ok || refusal.Reason == "":
		return verdict{reason: a.steps.fault(), err: err}
	case badKey != "":
		return verdict{reason: badKey, err: err} // tells more than "unknown" or "no key"
	default:
		return verdict{reason: refusal.Reason, err: err}
	}
}

// usable checks the key that Authorize returned.
func usable(key keys.PublicKey) verdict {
	switch key.Algorithm() {
	case keys.RSA:
		return verdict{key: key}
	case "":
		return verdict{reason: keys.ReasonNoKey}
	default:
		return verdict{reason: keys.ReasonOtherKey}
	}
}

// answer sends C ‖ S, to the decoy when the verdict is no.
func (a *acceptance) answer(v verdict) (*credentials, error) {
	a.step = keys.StepCredentials
	var creds credentials
	if _, err := io.ReadFull(a.server.rand(), creds[:]); err != nil {
		return nil, a.failure(keys.ReasonServerFault, err)
	}
	recipient := a.server.decoy
	if !v.refused() {
		recipient = v.key.RSA()
	}
	leave, err := a.server.work.goOn(a.steps.ctx)
	if err != nil {
		return nil, a.broken(err)
	}
	sealed, err1 := sealCredentials(recipient, &creds)
	signature, err2 := sign(a.keys.used, creds.mac(sealed))
	leave()
	if err := errors.Join(err1, err2); err != nil {
		return nil, a.failure(keys.ReasonServerFault, err)
	}
	if err := a.steps.next(); err != nil {
		return nil, a.broken(err)
	}
	if _, err := a.nc.Write(append(sealed, signature...)); err != nil {
		return nil, a.broken(err)
	}
	return &creds, nil
}

// awaitFirstFrame treats a device that is refused as its first Read would treat one that is let in. Its frame cannot
// be right: nobody knows these credentials.
func (a *acceptance) awaitFirstFrame(creds *credentials) {
	a.steps.next() // fails only if the connection is gone, which Read finds, or the context
	if a.steps.ctx.Err() == nil {
		newConn(a.nc, creds, keys.DeviceID{}, keys.PublicKey{}, a.server.buffers).Read()
	}
}
