package dtls

import (
	"encoding/binary"
	"slices"

	"golang.org/x/crypto/cryptobyte"
)

const (
	suiteCCM8 = 0xc0ae // TLS_ECDHE_ECDSA_WITH_AES_128_CCM_8
	suiteSCSV = 0x00ff // TLS_EMPTY_RENEGOTIATION_INFO_SCSV
)

// Extensions.
const (
	extGroups        = 10
	extPointFormats  = 11
	extSchemes       = 13
	extClientCert    = 19 // client_certificate_type
	extServerCert    = 20 // server_certificate_type
	extCID           = 254
	extRenegotiation = 0xff01

	rawPublicKey = 2
)

// clientHello is (RFC 6347 section 4.2.1)
//
//	version(2) random(32) session_id<0..32> cookie<0..255> cipher_suites<2..> compression<1..> extensions<0..>
//
// with those extensions that matter here. A device's has 90 to 123 bytes.
type clientHello struct {
	random     [randomSize]byte
	sessionID  []byte
	cookie     []byte
	suites     []uint16
	extensions []uint16 // their types, in order

	schemes, groups         []uint16 // nil: not said
	clientCerts, serverCert []byte   // certificate types; nil: not said
	cid                     []byte   // what we would have to put into our records; nil: not said

	beforeCookie, afterCookie []byte // the message without its cookie
}

func parseClientHello(b []byte) (h clientHello, err error) {
	s := cryptobyte.String(b)
	var v uint16
	var sessionID, cookie, suites, compression cryptobyte.String
	if !s.ReadUint16(&v) || !s.CopyBytes(h.random[:]) || !s.ReadUint8LengthPrefixed(&sessionID) || len(sessionID) > 32 {
		return h, errMessage
	}
	h.beforeCookie = b[:len(b)-len(s)]
	if !s.ReadUint8LengthPrefixed(&cookie) {
		return h, errMessage
	}
	h.afterCookie = s
	if !s.ReadUint16LengthPrefixed(&suites) || !s.ReadUint8LengthPrefixed(&compression) {
		return h, errMessage
	}
	h.sessionID, h.cookie = sessionID, cookie
	var ok bool
	if h.suites, ok = readUint16s(suites); !ok || v != version || !slices.Contains(compression, 0) {
		return h, errMessage
	}
	if s.Empty() {
		return h, nil
	}
	var extensions cryptobyte.String
	if !s.ReadUint16LengthPrefixed(&extensions) || !s.Empty() || !h.readExtensions(extensions) {
		return h, errMessage
	}
	return h, nil
}

func (h *clientHello) readExtensions(s cryptobyte.String) bool {
	for !s.Empty() {
		var kind uint16
		var body cryptobyte.String
		if !s.ReadUint16(&kind) || !s.ReadUint16LengthPrefixed(&body) || slices.Contains(h.extensions, kind) {
			return false
		}
		h.extensions = append(h.extensions, kind)
		if !h.readExtension(kind, body) {
			return false
		}
	}
	return true
}

func (h *clientHello) readExtension(kind uint16, s cryptobyte.String) bool {
	var list cryptobyte.String
	ok := true
	switch kind {
	case extSchemes, extGroups:
		var values []uint16
		if !s.ReadUint16LengthPrefixed(&list) || !s.Empty() {
			return false
		}
		values, ok = readUint16s(list)
		if kind == extSchemes {
			h.schemes = values
		} else {
			h.groups = values
		}
	case extClientCert:
		ok = s.ReadUint8LengthPrefixed((*cryptobyte.String)(&h.clientCerts)) && s.Empty()
	case extServerCert:
		ok = s.ReadUint8LengthPrefixed((*cryptobyte.String)(&h.serverCert)) && s.Empty()
	case extCID:
		ok = s.ReadUint8LengthPrefixed((*cryptobyte.String)(&h.cid)) && s.Empty()
	}
	return ok
}

func readUint16s(s cryptobyte.String) (values []uint16, ok bool) {
	if len(s) == 0 || len(s)%2 != 0 {
		return nil, false
	}
	values = make([]uint16, 0, len(s)/2)
	for len(s) > 0 {
		values, s = append(values, binary.BigEndian.Uint16(s)), s[2:]
	}
	return values, true
}

// The extensions of Device OS, in its order: with the connection id from 3.1 on, without it before.
var (
	particleExtensions    = []uint16{extSchemes, extGroups, extPointFormats, extCID, extClientCert, extServerCert}
	oldParticleExtensions = []uint16{extSchemes, extGroups, extPointFormats, extClientCert, extServerCert}
)

// isParticle reports whether a Particle device sent this, which aborts a handshake in which it gets a Certificate. All
// releases that are known send the same two suites and the same extensions; see clienthello.txt among the recordings.
func (h *clientHello) isParticle() bool {
	return slices.Equal(h.suites, []uint16{suiteCCM8, suiteSCSV}) &&
		(slices.Equal(h.extensions, particleExtensions) || slices.Equal(h.extensions, oldParticleExtensions))
}

// suits reports whether we can talk to this client: it has our suite, curve and signature, and raw public keys on both sides.
func (h *clientHello) suits() bool {
	return slices.Contains(h.suites, suiteCCM8) &&
		(h.groups == nil || slices.Contains(h.groups, curveP256)) &&
		slices.Contains(h.schemes, schemeECDSA) &&
		slices.Contains(h.clientCerts, rawPublicKey) && slices.Contains(h.serverCert, rawPublicKey)
}

// serverHello is
//
//	version(2) random(32) session_id<0..32> cipher_suite(2) compression(1) extensions<0..>
type serverHello struct {
	random       [randomSize]byte
	sessionID    []byte
	cid          []byte // for the client's records; nil: none
	pointFormats bool
	renegotiate  bool // answer to the SCSV
}

// append writes the extensions in the order of a server that devices know: certificate types are one byte each here, and
// were lists in the ClientHello (RFC 7250 section 3).
func (h *serverHello) append(b []byte) []byte {
	b = append(append(b, version>>8, version&0xff), h.random[:]...)
	b = append(append(b, byte(len(h.sessionID))), h.sessionID...)
	b = append(b, suiteCCM8>>8, suiteCCM8&0xff, 0)
	var ext []byte
	add := func(kind uint16, body ...byte) {
		ext = binary.BigEndian.AppendUint16(ext, kind)
		ext = append(binary.BigEndian.AppendUint16(ext, uint16(len(body))), body...)
	}
	if h.renegotiate {
		add(extRenegotiation, 0)
	}
	if h.cid != nil {
		add(extCID, append([]byte{byte(len(h.cid))}, h.cid...)...)
	}
	if h.pointFormats {
		add(extPointFormats, 1, 0)
	}
	add(extClientCert, rawPublicKey)
	add(extServerCert, rawPublicKey)
	return append(binary.BigEndian.AppendUint16(b, uint16(len(ext))), ext...)
}

// parseServerHello reads what a server chose, and refuses what a device would.
func parseServerHello(b []byte) (h serverHello, err error) {
	s := cryptobyte.String(b)
	var v, suite, kind uint16
	var compression uint8
	var sessionID, extensions, body cryptobyte.String
	if !s.ReadUint16(&v) || !s.CopyBytes(h.random[:]) || !s.ReadUint8LengthPrefixed(&sessionID) || !s.ReadUint16(&suite) ||
		!s.ReadUint8(&compression) || !s.ReadUint16LengthPrefixed(&extensions) || !s.Empty() {
		return h, errMessage
	}
	if v != version || suite != suiteCCM8 || compression != 0 {
		return h, errMessage
	}
	var clientCert, serverCert []byte
	for !extensions.Empty() {
		if !extensions.ReadUint16(&kind) || !extensions.ReadUint16LengthPrefixed(&body) {
			return h, errMessage
		}
		switch kind {
		case extCID:
			if !body.ReadUint8LengthPrefixed((*cryptobyte.String)(&h.cid)) || !body.Empty() {
				return h, errMessage
			}
		case extClientCert:
			clientCert = body
		case extServerCert:
			serverCert = body
		}
	}
	h.sessionID = sessionID
	if string(clientCert) != "\x02" || string(serverCert) != "\x02" {
		return h, errMessage
	}
	return h, nil
}
