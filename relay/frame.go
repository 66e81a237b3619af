package relay

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"unicode/utf8"
)

// WebSocket frames (RFC 6455, section 5.2):
//
//	FIN 1 bit, RSV 3 bits, opcode 4 bits
//	MASK 1 bit, length 7 bits; 126: 16 bits follow, 127: 64 bits follow
//	mask, 4 bytes, if MASK
//	payload
//
// A client has to mask what it sends. The old libraries for the Core do not
// always: text with a mask of zeros (which is one), text and pongs without any, a
// goodbye with opcode 7. With legacy these are taken (relay.md, 8).
const (
	opContinue = 0
	opText     = 1
	opBinary   = 2
	opClose    = 8
	opPing     = 9
	opPong     = 10

	opLegacyGoodbye = 7

	maxMessage = 256 << 10 // bytes, of one message with all its fragments
	maxControl = 125
)

// Codes of close frames (RFC 6455, section 7.4.1).
const (
	closeNormal   = 1000
	closeGoing    = 1001
	closeProtocol = 1002
	closeBadText  = 1007
	closePolicy   = 1008
	closeTooBig   = 1009
	closeRestart  = 1012
)

// protocolError is why a WebSocket is closed because of what the other side sent.
type protocolError struct {
	code int
	text string
}

// Error implements error.
func (e protocolError) Error() string { return "closed by us: " + e.text }

func violation(format string, args ...any) error {
	return protocolError{closeProtocol, fmt.Sprintf(format, args...)}
}

// message is one message, or one control frame.
type message struct {
	op   byte
	data []byte
}

// messageReader reads what a client sends, for one goroutine.
type messageReader struct {
	in     *bufio.Reader
	legacy bool
	op     byte // of the message under way; 0: there is none
	buf    []byte
	odd    uint64 // frames that only legacy takes
}

// next returns the next message or control frame. Its data is valid until the next call. It blocks.
func (r *messageReader) next() (message, error) {
	for {
		fin, op, data, err := r.frame()
		if err != nil {
			return message{}, err
		}
		switch {
		case op >= opClose || op == opLegacyGoodbye:
			return message{op, data}, nil
		case op == opContinue && r.op == 0:
			return message{}, violation("a fragment of nothing")
		case op != opContinue && r.op != 0:
			return message{}, violation("a message within a message")
		case op != opContinue:
			r.op = op
		}
		if !fin {
			continue
		}
		m := message{r.op, r.buf}
		r.op, r.buf = 0, r.buf[:0]
		if m.op == opText && !r.legacy && !utf8.Valid(m.data) {
			return message{}, protocolError{closeBadText, "text that is not UTF-8"}
		}
		return m, nil
	}
}

// frame reads one frame. The payload of data frames is appended to r.buf; that of control frames is returned.
func (r *messageReader) frame() (fin bool, op byte, control []byte, err error) {
	var h [2]byte
	if _, err = io.ReadFull(r.in, h[:]); err != nil {
		return false, 0, nil, unfinished(err, r.op != 0)
	}
	fin, op = h[0]&0x80 != 0, h[0]&0x0f
	masked, n := h[1]&0x80 != 0, uint64(h[1]&0x7f)
	if h[0]&0x70 != 0 {
		return false, 0, nil, violation("reserved bits are set")
	}
	if err = r.check(fin, op, masked, n); err != nil {
		return false, 0, nil, err
	}
	if n, err = r.length(n); err != nil {
		return false, 0, nil, err
	}
	if n > maxMessage || len(r.buf)+int(n) > maxMessage {
		return false, 0, nil, protocolError{closeTooBig, fmt.Sprintf("a message of more than %d bytes", maxMessage)}
	}
	var mask [4]byte
	if masked {
		if _, err = io.ReadFull(r.in, mask[:]); err != nil {
			return false, 0, nil, unfinished(err, true)
		}
	}
	if op >= opClose || op == opLegacyGoodbye {
		control = make([]byte, n)
		_, err = io.ReadFull(r.in, control)
		unmask(control, mask)
		return fin, op, control, unfinished(err, true)
	}
	return fin, op, nil, r.payload(int(n), mask)
}

// check reports what is wrong with the first two bytes of a frame.
func (r *messageReader) check(fin bool, op byte, masked bool, n uint64) error {
	switch op {
	case opContinue, opText, opBinary:
	case opClose, opPing, opPong:
		if !fin || n > maxControl {
			return violation("a control frame in pieces, or of more than %d bytes", maxControl)
		}
	case opLegacyGoodbye:
		if !r.legacy || n > maxControl {
			return violation("reserved opcode %d", op)
		}
		r.odd++
	default:
		return violation("reserved opcode %d", op)
	}
	if masked {
		return nil
	}
	if !r.legacy {
		return violation("a frame without a mask; for the old libraries of the Core: localcloud relay set --legacy")
	}
	r.odd++
	return nil
}

func (r *messageReader) length(n uint64) (uint64, error) {
	var b [8]byte
	switch n {
	case 126:
		_, err := io.ReadFull(r.in, b[:2])
		return uint64(binary.BigEndian.Uint16(b[:2])), unfinished(err, true)
	case 127:
		_, err := io.ReadFull(r.in, b[:])
		return binary.BigEndian.Uint64(b[:]), unfinished(err, true)
	}
	return n, nil
}

// payload reads n bytes into r.buf, which grows as they come: a length alone costs no memory.
func (r *messageReader) payload(n int, mask [4]byte) error {
	const step = 4 << 10
	for done := 0; done < n; {
		part := min(step, n-done)
		at := len(r.buf)
		r.buf = append(r.buf, make([]byte, part)...)
		if _, err := io.ReadFull(r.in, r.buf[at:]); err != nil {
			return unfinished(err, true)
		}
		unmask(r.buf[at:], mask) // step is a multiple of the mask's length
		done += part
	}
	return nil
}

// unfinished is err for a connection that ended inside something.
func unfinished(err error, inside bool) error {
	if err == io.EOF && inside {
		return io.ErrUnexpectedEOF
	}
	return err
}

func unmask(b []byte, mask [4]byte) {
	if mask == [4]byte{} {
		return
	}
	for i := range b {
		b[i] ^= mask[i&3]
	}
}

// appendMessage appends one unfragmented frame, without a mask: what a server sends.
func appendMessage(dst []byte, op byte, data []byte) []byte {
	dst = append(dst, 0x80|op)
	switch n := len(data); {
	case n < 126:
		dst = append(dst, byte(n))
	case n < 1<<16:
		dst = binary.BigEndian.AppendUint16(append(dst, 126), uint16(n))
	default:
		dst = binary.BigEndian.AppendUint64(append(dst, 127), uint64(n))
	}
	return append(dst, data...)
}

// appendClose appends a close frame, which always has a code: old clients read two bytes even where there are none.
func appendClose(dst []byte, code int, text string) []byte {
	body := binary.BigEndian.AppendUint16(nil, uint16(code))
	return appendMessage(dst, opClose, append(body, text[:min(len(text), maxControl-2)]...))
}
