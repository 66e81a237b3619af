package dtls

import (
	"encoding/binary"
	"errors"

	"golang.org/x/crypto/cryptobyte"
)

// Handshake message types.
const (
	msgClientHello        = 1
	msgServerHello        = 2
	msgHelloVerifyRequest = 3
	msgCertificate        = 11
	msgServerKeyExchange  = 12
	msgCertificateRequest = 13
	msgServerHelloDone    = 14
	msgCertificateVerify  = 15
	msgClientKeyExchange  = 16
	msgFinished           = 20
)

// maxMessage bounds a handshake message; the largest that we take is another client's ClientHello.
const maxMessage = 2048

const fragmentHeader = 12

var errMessage = errors.New("dtls: malformed handshake message")

// fragment is a handshake message or a part of one (RFC 6347 section 4.2.2):
//
//	type(1) length(3) message_seq(2) fragment_offset(3) fragment_length(3) bytes
type fragment struct {
	kind     byte
	length   int
	sequence uint16
	offset   int
	bytes    []byte
}

// parseFragment reads the first fragment of b, which it aliases, and returns what follows it.
func parseFragment(b []byte) (f fragment, rest []byte, err error) {
	if len(b) < fragmentHeader {
		return fragment{}, nil, errMessage
	}
	f = fragment{kind: b[0], length: uint24(b[1:]), sequence: binary.BigEndian.Uint16(b[4:]), offset: uint24(b[6:])}
	n := uint24(b[9:])
	b = b[fragmentHeader:]
	if n > len(b) || f.length > maxMessage || f.offset+n > f.length {
		return fragment{}, nil, errMessage
	}
	f.bytes = b[:n:n]
	return f, b[n:], nil
}

func uint24(b []byte) int { return int(b[0])<<16 | int(b[1])<<8 | int(b[2]) }

func appendUint24(b []byte, n int) []byte { return append(b, byte(n>>16), byte(n>>8), byte(n)) }

// appendMessage writes a whole message as one fragment, which is also its form in the transcript.
func appendMessage(b []byte, kind byte, sequence uint16, body []byte) []byte {
	b = appendUint24(append(b, kind), len(body))
	b = binary.BigEndian.AppendUint16(b, sequence)
	b = appendUint24(appendUint24(b, 0), len(body))
	return append(b, body...)
}

// helloVerifyRequest is version(2) cookie<0..255>.
func appendHelloVerifyRequest(b, cookie []byte) []byte {
	b = append(b, version>>8, version&0xff, byte(len(cookie)))
	return append(b, cookie...)
}

func parseHelloVerifyRequest(b []byte) (cookie []byte, err error) {
	s := cryptobyte.String(b)
	var v uint16
	var c cryptobyte.String
	if !s.ReadUint16(&v) || !s.ReadUint8LengthPrefixed(&c) || !s.Empty() {
		return nil, errMessage
	}
	return c, nil
}

// Certificate as RFC 7250 has it: one SubjectPublicKeyInfo with a length of three bytes, no list.
func appendCertificate(b, spki []byte) []byte { return append(appendUint24(b, len(spki)), spki...) }

func parseCertificate(b []byte) (spki []byte, err error) {
	s := cryptobyte.String(b)
	var key cryptobyte.String
	if !s.ReadUint24LengthPrefixed(&key) || !s.Empty() {
		return nil, errMessage
	}
	return key, nil
}

const pointSize = 65 // 04 X(32) Y(32)

// curveParams is named_curve(3) secp256r1(0017) and the length of a point, which stand before it in ServerKeyExchange.
var curveParams = [...]byte{3, 0, 23, pointSize}

const (
	schemeECDSA = 0x0403 // ECDSA with SHA-256
	curveP256   = 23
)

// ServerKeyExchange is
//
//	03 0017 41 point(65) ‖ 0403 signature<0..65535>
//
// signed over client random ‖ server random ‖ the first 69 bytes (RFC 8422 section 5.4).
func appendServerKeyExchange(b, point, signature []byte) []byte {
	b = append(append(b, curveParams[:]...), point...)
	return appendSignature(b, signature)
}

func parseServerKeyExchange(b []byte) (point, signature []byte, err error) {
	if len(b) < len(curveParams)+pointSize || [len(curveParams)]byte(b) != curveParams {
		return nil, nil, errMessage
	}
	b = b[len(curveParams):]
	signature, err = parseSignature(b[pointSize:])
	return b[:pointSize:pointSize], signature, err
}

// signedParams is what the server signs.
func signedParams(clientRandom, serverRandom, point []byte) []byte {
	b := append(append([]byte{}, clientRandom...), serverRandom...)
	return append(append(b, curveParams[:]...), point...)
}

// A signature is its scheme, 0403, and bytes with a length of two. CertificateVerify is nothing but one.
func appendSignature(b, signature []byte) []byte {
	b = binary.BigEndian.AppendUint16(b, schemeECDSA)
	b = binary.BigEndian.AppendUint16(b, uint16(len(signature)))
	return append(b, signature...)
}

func parseSignature(b []byte) ([]byte, error) {
	s := cryptobyte.String(b)
	var scheme uint16
	var signature cryptobyte.String
	if !s.ReadUint16(&scheme) || scheme != schemeECDSA || !s.ReadUint16LengthPrefixed(&signature) || !s.Empty() {
		return nil, errMessage
	}
	return signature, nil
}

// certificateRequest is the body of CertificateRequest: types [ecdsa_sign], schemes [0403], no authorities.
func certificateRequest() []byte {
	return []byte{1, 64, 0, 2, schemeECDSA >> 8, schemeECDSA & 0xff, 0, 0}
}

func parseCertificateRequest(b []byte) error {
	s := cryptobyte.String(b)
	var types, schemes, authorities cryptobyte.String
	if !s.ReadUint8LengthPrefixed(&types) || !s.ReadUint16LengthPrefixed(&schemes) ||
		!s.ReadUint16LengthPrefixed(&authorities) || !s.Empty() || len(schemes)%2 != 0 {
		return errMessage
	}
	return nil
}

// ClientKeyExchange is 41 point(65).
func appendClientKeyExchange(b, point []byte) []byte { return append(append(b, pointSize), point...) }

func parseClientKeyExchange(b []byte) (point []byte, err error) {
	if len(b) != 1+pointSize || b[0] != pointSize {
		return nil, errMessage
	}
	return b[1:], nil
}
