package coap

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/plgd-dev/go-coap/v3/message"
	"github.com/plgd-dev/go-coap/v3/message/codes"
)

// RequestTag is an option that go-coap has no name for; it holds the parts of a
// block-wise request together. RFC 9175 section 3.2.
const RequestTag message.OptionID = 292

// Content formats that devices use. Absent means text.
const (
	FormatText   = 0
	FormatBinary = 42 // application/octet-stream; also the protobuf of a system describe
	FormatJSON   = 50
	FormatCBOR   = 60
)

// With returns m with one more option, after those of the same number.
// The options of m itself are not changed.
func (m Message) With(id message.OptionID, value []byte) Message {
	at := len(m.Options)
	for at > 0 && m.Options[at-1].ID > id {
		at--
	}
	m.Options = slices.Insert(slices.Clone(m.Options), at, message.Option{ID: id, Value: value})
	return m
}

// option returns the value of the first option with this number.
func (m Message) option(id message.OptionID) ([]byte, bool) {
	for _, o := range m.Options {
		if o.ID == id {
			return o.Value, true
		}
	}
	return nil, false
}

// letter returns the first segment of the path: one letter in every Particle
// message, empty when there is no path.
func (m Message) letter() []byte {
	v, _ := m.option(message.URIPath)
	return v
}

// path joins the segments of the path with slashes.
func (m Message) path() (string, bool) {
	letter, ok := m.option(message.URIPath)
	if !ok {
		return "", false
	}
	if name := m.name(); name != "" {
		return string(letter) + "/" + name, true
	}
	return string(letter), true
}

// name returns what follows the letter in the path. Devices put a whole name,
// slashes and all, into one option; other servers split it. Both mean the same.
func (m Message) name() string {
	var first string
	var rest []string // only of a name in several options
	seen := 0
	for _, o := range m.Options {
		if o.ID != message.URIPath {
			continue
		}
		switch seen++; seen {
		case 1: // the letter
		case 2:
			first = string(o.Value)
		default:
			rest = append(rest, string(o.Value))
		}
	}
	if rest == nil {
		return first
	}
	return first + "/" + strings.Join(rest, "/")
}

// ETag returns the ETag of a block-wise answer, nil when there is none. It
// aliases m.
func ETag(m Message) []byte {
	v, _ := m.option(message.ETag)
	return v
}

// ContentFormat returns the Content-Format, and false when there is none.
func ContentFormat(m Message) (int, bool) {
	v, ok := m.option(message.ContentFormat)
	if !ok {
		return 0, false
	}
	n, ok := uintOption(v)
	return int(n), ok && n <= 0xffff
}

// uintOption reads an unsigned integer option: big-endian, no bytes for zero,
// and whatever leading zeros the peer likes, up to four bytes in all.
// RFC 7252 section 3.2.
func uintOption(v []byte) (uint32, bool) {
	if len(v) > 4 {
		return 0, false
	}
	var n uint32
	for _, c := range v {
		n = n<<8 | uint32(c)
	}
	return n, true
}

// appendUint writes n as an option value, in as few bytes as it takes.
func appendUint(b []byte, n uint32) []byte {
	for shift := 24; shift >= 0; shift -= 8 {
		if n>>shift != 0 {
			b = append(b, byte(n>>shift))
		}
	}
	return b
}

// Block is a Block1 or Block2 option: num<<4 | more<<3 | szx.
// RFC 7959 section 2.2; Device OS communication/src/description.cpp.
type Block struct {
	Num  uint32 // below 1<<20
	More bool
	SZX  uint8 // 0 to 6; 6 is 1024 bytes, 5 is 512
}

// Size returns the number of bytes in a block.
func (b Block) Size() int { return 16 << b.SZX }

// String returns number/more/size: "0/1/1024".
func (b Block) String() string {
	more := 0
	if b.More {
		more = 1
	}
	return fmt.Sprintf("%d/%d/%d", b.Num, more, b.Size())
}

// ParseBlock reads the value of a block option.
func ParseBlock(v []byte) (Block, error) {
	if len(v) > 3 {
		return Block{}, errors.New("coap: block option longer than 3 bytes")
	}
	n, _ := uintOption(v)
	b := Block{Num: n >> 4, More: n&8 != 0, SZX: uint8(n & 7)}
	if b.SZX == 7 {
		return Block{}, errors.New("coap: block size 7 is reserved")
	}
	return b, nil
}

// Append writes the value of the option.
func (b Block) Append(v []byte) []byte {
	n := b.Num<<4 | uint32(b.SZX&7)
	if b.More {
		n |= 8
	}
	return appendUint(v, n)
}

// Block1 returns the Block1 option of a request that comes in parts. It is
// false when there is none or it makes no sense.
func Block1(m Message) (Block, bool) { return m.block(message.Block1) }

// Block2 returns the Block2 option of an answer that comes in parts, or of the
// request for a part.
func Block2(m Message) (Block, bool) { return m.block(message.Block2) }

func (m Message) block(id message.OptionID) (Block, bool) {
	v, ok := m.option(id)
	if !ok {
		return Block{}, false
	}
	b, err := ParseBlock(v)
	return b, err == nil
}

// request builds a request: the path letter, the name when there is one, and
// further options in ascending order.
func request(t Type, code codes.Code, id uint16, tok []byte, letter byte, name string, more ...message.Option) Message {
	options := make(message.Options, 0, 2+len(more))
	options = append(options, message.Option{ID: message.URIPath, Value: []byte{letter}})
	if name != "" {
		options = append(options, message.Option{ID: message.URIPath, Value: []byte(name)})
	}
	options = append(options, more...)
	return Message{Type: t, Code: code, ID: id, Token: tok, Options: options}
}

// query is a Uri-Query option.
func query(v ...byte) message.Option {
	return message.Option{ID: message.URIQuery, Value: v}
}
