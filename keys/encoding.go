package keys

import (
	"bytes"
	"errors"
)

// maxKeyInput bounds what is parsed as a key. The largest there is, the PEM of an RSA-2048 private key, has about 1.7 kB.
const maxKeyInput = 16 << 10

const (
	tagInteger  = 0x02
	tagSequence = 0x30
)

var (
	byteOrderMark = []byte("\uFEFF")
	errTooLong    = errors.New("too long for a key")
)

// trimText removes what editors and shells put around PEM text.
func trimText(b []byte) []byte {
	return bytes.TrimSpace(bytes.TrimPrefix(bytes.TrimSpace(b), byteOrderMark))
}

func isPEM(b []byte) bool { return bytes.HasPrefix(trimText(b), []byte("-----BEGIN ")) }

// splitDER cuts the SEQUENCE at the start of b from what follows it. Only the outer length is read:
//
//	30 LL ...            LL < 80
//	30 81 LL ...
//	30 82 LL LL ...
func splitDER(b []byte) (der, rest []byte, err error) {
	switch {
	case len(b) == 0:
		return nil, nil, errors.New("empty")
	case len(b) > maxKeyInput:
		return nil, nil, errTooLong
	case isPadding(b):
		return nil, nil, errors.New("only FF, zero or space bytes: an erased key slot")
	}
	_, rest, ok := element(b, tagSequence)
	if !ok {
		return nil, nil, errors.New("neither PEM nor DER, or cut off")
	}
	return b[:len(b)-len(rest)], rest, nil
}

// element reads one DER element of the given tag: its content, and what follows it. It does not mind content that
// is not minimal, which boards write (see parseBoardRSA).
func element(b []byte, tag byte) (content, rest []byte, ok bool) {
	if len(b) < 2 || b[0] != tag {
		return nil, nil, false
	}
	length, head := int(b[1]), 2
	switch {
	case length == 0x81 && len(b) >= 3:
		length, head = int(b[2]), 3
	case length == 0x82 && len(b) >= 4:
		length, head = int(b[2])<<8|int(b[3]), 4
	case length >= 0x80:
		return nil, nil, false
	}
	if length > len(b)-head {
		return nil, nil, false
	}
	return b[head : head+length], b[head+length:], true
}

// isPadding reports whether b holds nothing but what fills up the rest of a key slot or of a text.
func isPadding(b []byte) bool {
	for _, c := range b {
		switch c {
		case 0xff, 0x00, ' ', '\t', '\r', '\n':
		default:
			return false
		}
	}
	return true
}
