package dtls

import (
	"encoding/binary"
	"errors"
	"fmt"

	"localcloud/keys"
)

// CID names a session in the records of its device.
type CID [cidSize]byte

// Session is what two sides hold after a handshake: keys and counters of epoch 1. It has no goroutine and no clock, and
// is not safe for concurrent use.
//
// No record number is ever used twice, not even after a crash: numbers are used only below a limit, and the limit is part
// of what is stored. See [Session.Reserve].
type Session struct {
	keys keyBlock
	cid  CID
	peer keys.PublicKey // the device's key, on the server's side

	next  uint64 // number of our next record
	limit uint64 // first number that must not be used
	came  window

	ciphers *ciphers // made of keys when needed; nil while the session rests

	server bool
	useCID bool // the device's records carry it
}

// ciphers are what is made of a session's keys: ten times as large as these, and made in a microsecond.
type ciphers struct {
	in, out *ccm                           // each nil until it is needed
	scratch [headerSize + cidSize + 4]byte // additional data
}

// epoch is the one that a session stays in: nobody renegotiates.
const epoch = 1

// noLimit is the limit of a session that is never stored.
const noLimit = 1 << 47

// Errors of Open and Seal.
var (
	errReplayed = errors.New("dtls: the record came before, or is too old to tell")
	errEpoch    = errors.New("dtls: a record of another epoch")
	errType     = errors.New("dtls: a record of another type than this session's")
	errLimit    = errors.New("dtls: no record number is reserved")
	// ErrTooLong says that a message is longer than a record that devices can hold.
	ErrTooLong = errors.New("dtls: the message is too long for a record")
)

// CID returns the name of the session. On sessions of older devices it does not go over the wire.
func (s *Session) CID() CID { return s.cid }

// HasCID reports whether the device's records carry the CID.
func (s *Session) HasCID() bool { return s.useCID }

// PeerKey returns the key that the device proved to hold.
func (s *Session) PeerKey() keys.PublicKey { return s.peer }

// String names the session; its keys never print.
func (s *Session) String() string { return fmt.Sprintf("session %x", s.cid) }

// rest gives memory back until the next record.
func (s *Session) rest() { s.ciphers = nil }

// awake returns the session's ciphers.
func (s *Session) awake() *ciphers {
	if s.ciphers == nil {
		s.ciphers = &ciphers{}
	}
	return s.ciphers
}

// sealer and opener return the ciphers of what we send and of what comes.
func (s *Session) sealer() *ccm {
	c := s.awake()
	if c.out == nil {
		c.out = s.cipher(s.server)
	}
	return c.out
}

func (s *Session) opener() *ccm {
	c := s.awake()
	if c.in == nil {
		c.in = s.cipher(!s.server)
	}
	return c.in
}

func (s *Session) cipher(ofServer bool) *ccm {
	if ofServer {
		return s.keys.server()
	}
	return s.keys.client()
}

// seal appends one record with content of that type to b. What a device sends carries the CID, if there is one:
//
//	25 fefd epoch number CID length ‖ explicit nonce(8) ‖ E(content ‖ type ‖ 0...) ‖ tag(8)
//
// and what a server sends does not:
//
//	type fefd epoch number length ‖ explicit nonce(8) ‖ E(content) ‖ tag(8)
//
// The nonce is the epoch and the number. The inner text with its type is padded to a multiple of 16 bytes.
func (s *Session) seal(b []byte, kind byte, content []byte) ([]byte, error) {
	if len(content) > maxContent {
		return b, ErrTooLong
	}
	if s.next >= s.limit {
		return b, errLimit
	}
	r := record{kind: kind, epoch: epoch, number: s.next}
	s.next++
	inner := len(content)
	if s.useCID && !s.server {
		r.kind, r.cid = typeCID, s.cid[:]
		inner = (len(content) + 1 + 15) &^ 15
	}
	b = r.appendHeader(b, inner+sealOverhead)
	var explicit [explicitSize]byte
	binary.BigEndian.PutUint64(explicit[:], epoch<<48|r.number)
	b = append(b, explicit[:]...)
	at := len(b)
	b = append(b, content...)
	if r.cid != nil {
		b = append(b, kind)
		for len(b) < at+inner {
			b = append(b, 0)
		}
	}
	tag := s.sealer().seal(&explicit, b[at:], s.additional(&r, inner))
	return append(b, tag[:]...), nil
}

// open decrypts a record in place and returns its true type and its content. newest says that no record with a greater
// number came before.
func (s *Session) open(r *record) (kind byte, content []byte, newest bool, err error) {
	switch {
	case r.epoch != epoch:
		return 0, nil, false, errEpoch
	case s.server && s.useCID != (r.kind == typeCID), !s.server && r.kind == typeCID, s.useCID && r.cid != nil && CID(r.cid) != s.cid:
		return 0, nil, false, errType
	case len(r.body) < sealOverhead || len(r.body) > maxContent+16+sealOverhead:
		return 0, nil, false, errRecord
	case !s.came.fresh(r.number):
		return 0, nil, false, errReplayed
	}
	explicit := [explicitSize]byte(r.body)
	text := r.body[explicitSize : len(r.body)-tagSize]
	if err := s.opener().open(&explicit, text, r.body[len(r.body)-tagSize:], s.additional(r, len(text))); err != nil {
		return 0, nil, false, err
	}
	kind = r.kind
	if r.cid != nil {
		if kind, text, err = unpad(text); err != nil {
			return 0, nil, false, err
		}
	}
	return kind, text, s.came.note(r.number), nil
}

// unpad takes the zeros and the type off the text of a CID record.
func unpad(text []byte) (kind byte, content []byte, err error) {
	for n := len(text) - 1; n >= 0; n-- {
		if text[n] != 0 {
			return text[n], text[:n], nil
		}
	}
	return 0, nil, errRecord
}

// additional is the data that a record's tag covers beside its text.
//
//	without CID   epoch(2) number(6) type fefd length(2)
//	with CID      epoch(2) number(6) 25 fefd CID(8) 08 length(2)
//
// The length is that of the text. Source: draft-ietf-tls-dtls-connection-id-05 section 5.3; RFC 9146 has it otherwise.
func (s *Session) additional(r *record, length int) []byte {
	b := binary.BigEndian.AppendUint64(s.awake().scratch[:0], uint64(r.epoch)<<48|r.number)
	b = append(b, r.kind, version>>8, version&0xff)
	if r.cid != nil {
		b = append(append(b, r.cid...), cidSize)
	}
	return binary.BigEndian.AppendUint16(b, uint16(length))
}

// Reservation is how many records a session may send beyond those that it sent when it was stored last.
const Reservation = 1024

// reservationLow is when it should be stored again.
const reservationLow = Reservation / 2

// NeedsReserve reports whether the session should be stored soon, since it may send only few records otherwise.
func (s *Session) NeedsReserve() bool { return s.limit-s.next < reservationLow }

// Reserve allows record numbers below limit, which is stored: it comes from [Session.Counters].
func (s *Session) Reserve(limit uint64) { s.limit = max(s.limit, limit) }

// Stored forms.
//
//	secrets   version 1 ‖ flags ‖ CID(8) ‖ key block(40) ‖ peer key (SPKI, the rest)
//	counters  version 1 ‖ CID(8) ‖ limit(8) ‖ window next(8) ‖ window bits(8)
const (
	storedVersion = 1
	storedUseCID  = 1
	secretsSize   = 2 + cidSize + keyBlockSize
	countersSize  = 1 + cidSize + 24
)

var errStored = errors.New("dtls: what was stored of the session is damaged")

// Secrets returns what does not change in a session, for storage. It holds the keys.
func (s *Session) Secrets() []byte {
	b := make([]byte, 0, secretsSize+91)
	var flags byte
	if s.useCID {
		flags = storedUseCID
	}
	b = append(b, storedVersion, flags)
	b = append(append(b, s.cid[:]...), s.keys[:]...)
	return append(b, s.peer.DER()...)
}

// Counters appends what changes with every record, for storage, and returns the limit that holds once it is stored.
func (s *Session) Counters(b []byte) (stored []byte, limit uint64) {
	limit = s.next + Reservation
	b = append(append(b, storedVersion), s.cid[:]...)
	b = binary.BigEndian.AppendUint64(b, limit)
	b = binary.BigEndian.AppendUint64(b, s.came.next)
	return binary.BigEndian.AppendUint64(b, s.came.bits), limit
}

// RestoreSession makes the server's side of a session of what was stored. It goes on at the stored limit, and may not
// send more than Reservation records until it is stored again: the caller stores it soon.
func RestoreSession(secrets, counters []byte) (*Session, error) {
	if len(secrets) < secretsSize || len(counters) != countersSize || secrets[0] != storedVersion || counters[0] != storedVersion {
		return nil, errStored
	}
	peer, err := keys.ParsePublicKey(secrets[secretsSize:])
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errStored, err)
	}
	s := &Session{
		server: true, useCID: secrets[1]&storedUseCID != 0, cid: CID(secrets[2:]), keys: keyBlock(secrets[2+cidSize:]), peer: peer,
	}
	if CID(counters[1:]) != s.cid {
		return nil, errStored // of another session
	}
	c := counters[1+cidSize:]
	s.next = binary.BigEndian.Uint64(c)
	s.limit = s.next // nothing may be sent before this is stored
	s.came = window{next: binary.BigEndian.Uint64(c[8:]), bits: binary.BigEndian.Uint64(c[16:])}
	return s, nil
}

// Seal appends a record with one message to b: a whole datagram. It fails with ErrTooLong, or when no number is reserved.
func (s *Session) Seal(b, message []byte) ([]byte, error) { return s.seal(b, typeApplication, message) }

// Open returns the message of a datagram, which it decrypts in place: the first that is one. It is for the device's
// side; a Listener does it for the server's.
func (s *Session) Open(datagram []byte) ([]byte, error) {
	for len(datagram) > 0 {
		r, rest, err := parseRecord(datagram)
		if err != nil {
			return nil, err
		}
		kind, content, _, err := s.open(&r)
		switch {
		case err != nil:
			return nil, err
		case kind == typeApplication:
			return content, nil
		case kind == typeAlert:
			return nil, alertOf(content)
		}
		datagram = rest
	}
	return nil, errRecord
}

// Alert is what the other side said before it ended a session.
type Alert byte

// closeNotify is the alert that means nothing bad.
const closeNotify Alert = 0

func (a Alert) Error() string {
	if a == closeNotify {
		return "dtls: the other side ended the session"
	}
	return fmt.Sprintf("dtls: the other side ended the session with alert %d", byte(a))
}

var errWarning = errors.New("dtls: a warning of the other side")

// alertOf reads an alert: level(1) description(1).
func alertOf(content []byte) error {
	if len(content) == 2 && (content[0] == 2 || Alert(content[1]) == closeNotify) {
		return Alert(content[1])
	}
	return errWarning
}

// Form is how a device writes the first records of a session that it resumes.
type Form int

// The forms by release; see [normalize].
const (
	FormPlain    Form = iota // 0.4 and 3.1 to 3.3: like any other record
	FormMovedCID             // 4.0 and later: type 253
	FormMoved                // 0.5 to 3.0: type 254, and the device's id behind the record
)

// Resumed changes a datagram of Seal into one of a session that was just resumed.
func (f Form) Resumed(datagram []byte, id keys.DeviceID) []byte {
	switch f {
	case FormMovedCID:
		datagram[0] = typeMovedCID
	case FormMoved:
		datagram[0] = typeMoved
		datagram = append(append(datagram, id[:]...), byte(len(id)))
	}
	return datagram
}
