package dtls

import (
	"encoding/binary"
	"errors"

	"localcloud/keys"
)

// Content types of records.
const (
	typeChangeCipherSpec = 20
	typeAlert            = 21
	typeHandshake        = 22
	typeApplication      = 23
	typeCID              = 25

	// What devices send in place of 25 and 23 when they go on with a stored session, until they hear something. Only
	// the first byte on the wire differs; the record is sealed as 25 or 23.
	typeMovedCID = 253 // Device OS 4.0 and later
	typeMoved    = 254 // Device OS 0.5 to 3.0: with the device's id behind the record
)

const (
	version      = 0xfefd // DTLS 1.2
	versionDTLS1 = 0xfeff // some clients write it into records of their first flight

	cidSize      = 8
	headerSize   = 13
	sealOverhead = explicitSize + tagSize

	// maxContent is the longest content of a record that a device's buffers hold.
	maxContent = 1152
	// maxDatagram is the longest datagram that is read; it leaves room for the flights of other clients.
	maxDatagram = 2048

	moveTrailer = len(keys.DeviceID{}) + 1
)

// record is one record as it stands in a datagram.
//
//	type(1) version(2) epoch(2) sequence(6) [CID(8) if type 25] length(2) body
//
// Source: RFC 6347 section 4.1; draft-ietf-tls-dtls-connection-id-05 section 4.
type record struct {
	kind   byte
	epoch  uint16
	number uint64 // 48 bits
	cid    []byte // nil unless kind is typeCID
	body   []byte
}

var errRecord = errors.New("dtls: malformed record")

// parseRecord reads the first record of b, which it aliases, and returns what follows it.
func parseRecord(b []byte) (r record, rest []byte, err error) {
	if len(b) < headerSize {
		return record{}, nil, errRecord
	}
	if v := binary.BigEndian.Uint16(b[1:]); v != version && v != versionDTLS1 {
		return record{}, nil, errRecord
	}
	r = record{kind: b[0], epoch: binary.BigEndian.Uint16(b[3:]), number: binary.BigEndian.Uint64(b[3:]) & (1<<48 - 1)}
	b = b[11:]
	if r.kind == typeCID {
		if len(b) < cidSize+2 {
			return record{}, nil, errRecord
		}
		r.cid, b = b[:cidSize:cidSize], b[cidSize:]
	}
	n := int(binary.BigEndian.Uint16(b))
	if b = b[2:]; n > len(b) {
		return record{}, nil, errRecord
	}
	r.body = b[:n:n]
	return r, b[n:], nil
}

// appendHeader writes everything but the body.
func (r *record) appendHeader(b []byte, length int) []byte {
	b = append(b, r.kind, version>>8, version&0xff)
	b = binary.BigEndian.AppendUint64(b, uint64(r.epoch)<<48|r.number)
	b = append(b, r.cid...)
	return binary.BigEndian.AppendUint16(b, uint16(length))
}

// appendTo writes a record in clear.
func (r *record) appendTo(b []byte) []byte { return append(r.appendHeader(b, len(r.body)), r.body...) }

// moved is what the first bytes of a datagram say of the session that it belongs to.
type moved struct {
	byID bool // by the device's id, which stood behind the record
	id   keys.DeviceID
}

// normalize undoes what devices do to the first records of a session that they resume, so that the datagram begins with
// a record of type 25 or 23:
//
//	253 ...                    an ordinary CID record, but for its first byte
//	254 ... device id(12) 0c   an ordinary record of type 23, but for its first byte; the last 13 bytes are no part of it
//
// Source: device-os communication/src/dtls_message_channel.cpp, DTLSMessageChannel::send.
func normalize(datagram []byte) ([]byte, moved) {
	if len(datagram) == 0 {
		return datagram, moved{}
	}
	switch datagram[0] {
	case typeMovedCID:
		datagram[0] = typeCID
	case typeMoved:
		n := len(datagram) - moveTrailer
		if n < headerSize || datagram[len(datagram)-1] != byte(len(keys.DeviceID{})) {
			return datagram, moved{}
		}
		id := keys.DeviceID(datagram[n:])
		datagram[0] = typeApplication
		return datagram[:n], moved{byID: true, id: id}
	}
	return datagram, moved{}
}
