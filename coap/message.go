package coap

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"github.com/plgd-dev/go-coap/v3/message"
	"github.com/plgd-dev/go-coap/v3/message/codes"
	"github.com/plgd-dev/go-coap/v3/udp/coder"
)

// Type is the type of a message, RFC 7252 section 3.
type Type uint8

// The four types, with their values on the wire.
const (
	Confirmable     Type = 0
	NonConfirmable  Type = 1
	Acknowledgement Type = 2
	Reset           Type = 3
)

// String returns the short form that Device OS logs use: CON, NON, ACK, RST.
func (t Type) String() string {
	switch t {
	case Confirmable:
		return "CON"
	case NonConfirmable:
		return "NON"
	case Acknowledgement:
		return "ACK"
	case Reset:
		return "RST"
	}
	return fmt.Sprintf("Type(%d)", uint8(t))
}

// Message is one CoAP message, on TCP as on DTLS: Particle puts the UDP frame
// of RFC 7252 into both.
//
// Options are in ascending order of their number; [Message.With] keeps it.
type Message struct {
	Type    Type
	Code    codes.Code
	ID      uint16
	Token   []byte
	Options message.Options
	Payload []byte
}

const (
	headerSize   = 4
	maxTokenSize = 8
	// maxOptions bounds what a message of empty options can make Parse
	// allocate. An event name of 255 bytes split at every second one has 128.
	maxOptions = 256
)

// Errors of Parse. A frame that does not parse says that the peer is broken or
// hostile: on TCP the channel is out of step, on DTLS the datagram is dropped.
var (
	ErrTruncated = errors.New("coap: truncated message")
	ErrVersion   = errors.New("coap: version is not 1")
	ErrToken     = errors.New("coap: token longer than 8 bytes")
	ErrOptions   = errors.New("coap: malformed options")
)

// Parse reads one message, which is the whole of b. Token, option values and
// payload alias b.
//
//	 0                   1                   2                   3
//	 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//	|1 0| T |  TKL  |      Code     |          Message ID           |
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//	|   Token, TKL bytes ...        |   Options ...                 |
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//	|1 1 1 1 1 1 1 1|   Payload, one byte or more ...               |
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//
// RFC 7252 section 3. The four bytes of header are read here and only the
// options by go-coap, because its whole-message Decode silently drops an
// option whose length its table does not allow. Function arguments are
// Uri-Query options of up to 1024 bytes, its limit is 255: the argument would
// be gone. With no table it keeps everything (but option 0, which is reserved).
//
// A payload marker with nothing behind it is a format error by the RFC, but it
// is how devices up to 2.x send empty data (communication/src/messages.cpp): it
// is read as no payload.
func Parse(b []byte) (Message, error) {
	if len(b) < headerSize {
		return Message{}, ErrTruncated
	}
	if b[0]>>6 != 1 {
		return Message{}, ErrVersion
	}
	m := Message{
		Type: Type(b[0] >> 4 & 3),
		Code: codes.Code(b[1]),
		ID:   binary.BigEndian.Uint16(b[2:]),
	}
	tkl := int(b[0] & 0x0f)
	if tkl > maxTokenSize {
		return Message{}, ErrToken
	}
	b = b[headerSize:]
	if len(b) < tkl {
		return Message{}, ErrTruncated
	}
	if tkl > 0 {
		m.Token = b[:tkl:tkl]
	}
	b = b[tkl:]
	if len(b) == 0 {
		return m, nil
	}

	options, n, err := parseOptions(b)
	if err != nil {
		return Message{}, err
	}
	m.Options = options
	if n < len(b) {
		m.Payload = b[n:]
	}
	return m, nil
}

// parseOptions reads the options at the start of b and returns how many bytes
// they take, a payload marker included. go-coap fills a slice but does not grow
// it; nearly every Particle message has four options or fewer.
func parseOptions(b []byte) (message.Options, int, error) {
	for size := 4; ; size *= 4 {
		options := make(message.Options, 0, size)
		n, err := options.Unmarshal(b, nil)
		switch {
		case err == nil && len(options) == 0:
			return nil, n, nil
		case err == nil:
			return options, n, nil
		case !errors.Is(err, message.ErrOptionsTooSmall):
			return nil, 0, fmt.Errorf("%w: %w", ErrOptions, err)
		case size >= maxOptions:
			return nil, 0, fmt.Errorf("%w: more than %d", ErrOptions, maxOptions)
		}
	}
}

// Append writes m to the end of b, without allocating when b has the room. It
// fails for a Message that no frame can hold, which is a mistake in our own
// code: b is then returned as it was.
func (m Message) Append(b []byte) ([]byte, error) {
	if err := m.check(); err != nil {
		return b, err
	}
	frame := message.Message{
		Token:     m.Token,
		Options:   m.Options,
		Code:      m.Code,
		Payload:   m.Payload,
		MessageID: int32(m.ID),
		Type:      message.Type(m.Type),
	}
	n, err := coder.DefaultCoder.Encode(frame, b[len(b):cap(b)])
	if errors.Is(err, message.ErrTooSmall) {
		b = slices.Grow(b, n)
		n, err = coder.DefaultCoder.Encode(frame, b[len(b):cap(b)])
	}
	if err != nil {
		return b, fmt.Errorf("coap: %w", err)
	}
	return b[:len(b)+n], nil
}

// check finds what go-coap's Encode would write as something else instead of
// refusing it.
func (m Message) check() error {
	if m.Type > Reset {
		return fmt.Errorf("coap: no message type %d", m.Type)
	}
	if m.Code > 0xff {
		return fmt.Errorf("coap: no code %d", m.Code)
	}
	if len(m.Token) > maxTokenSize {
		return ErrToken
	}
	const longest = 0xffff + 269 // RFC 7252 section 3.1, Option Length
	var last message.OptionID
	for _, o := range m.Options {
		if o.ID < last {
			return fmt.Errorf("%w: option %d after option %d", ErrOptions, o.ID, last)
		}
		if len(o.Value) > longest {
			return fmt.Errorf("%w: option %d of %d bytes", ErrOptions, o.ID, len(o.Value))
		}
		last = o.ID
	}
	return nil
}

// Err returns a *[ResponseError] when m is an answer of class 4 or 5, and nil
// for everything else.
func (m Message) Err() error {
	if class := m.Code >> 5; class != 4 && class != 5 {
		return nil
	}
	return &ResponseError{Code: m.Code, Text: string(m.Payload)}
}

// ResponseError is an answer that says no.
type ResponseError struct {
	Code codes.Code
	Text string // diagnostic payload, as the peer wrote it
}

func (e *ResponseError) Error() string {
	if e.Text == "" {
		return "coap: answered " + codeString(e.Code)
	}
	return fmt.Sprintf("coap: answered %s %s", codeString(e.Code), cut(e.Text, 80))
}
