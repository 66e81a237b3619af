package coap

import (
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/plgd-dev/go-coap/v3/message"
	"github.com/plgd-dev/go-coap/v3/message/codes"
)

// claimCodePath ends the path of a message whose payload gives the device to somebody.
const claimCodePath = "/spark/device/claim/code"

// String returns m in one line, for logs, failures and the console:
//
//	CON POST f/led "on" id=6e09 tok=10
//	NON POST E/vdev/tick id=f97a payload="{\"n\":0}"
//	ACK 2.05 id=f972 tok=3d payload=4:6b00fea1
//	ACK empty id=f96f
//
// Path and query come without quotes only when they are plain; text that the
// peer chose cannot break out of the line. Long values are cut, a claim code is not shown.
func (m Message) String() string {
	var b strings.Builder
	b.WriteString(m.Type.String())
	b.WriteByte(' ')
	b.WriteString(codeString(m.Code))
	path, ok := m.path()
	if ok {
		b.WriteByte(' ')
		b.WriteString(plain(path))
	}
	for _, o := range m.Options {
		if o.ID == message.URIQuery {
			b.WriteByte(' ')
			b.WriteString(cut(string(o.Value), 64))
		}
	}
	fmt.Fprintf(&b, " id=%04x", m.ID)
	if len(m.Token) > 0 {
		fmt.Fprintf(&b, " tok=%x", m.Token)
	}
	for _, o := range m.Options {
		writeOption(&b, o)
	}
	switch {
	case len(m.Payload) == 0:
	case strings.HasSuffix(path, claimCodePath):
		fmt.Fprintf(&b, " payload=secret(%d bytes)", len(m.Payload))
	default:
		b.WriteString(" payload=")
		b.WriteString(payloadString(m.Payload))
	}
	const longest = 1000 // of a message with hundreds of options
	if b.Len() > longest {
		return clip(b.String(), longest) + "..."
	}
	return b.String()
}

// writeOption writes those options that are neither path nor query.
func writeOption(b *strings.Builder, o message.Option) {
	switch o.ID {
	case message.URIPath, message.URIQuery:
	case message.ContentFormat:
		b.WriteString(" format=" + number(o.Value))
	case message.MaxAge:
		b.WriteString(" max-age=" + number(o.Value))
	case message.Block1:
		b.WriteString(" block1=" + blockString(o.Value))
	case message.Block2:
		b.WriteString(" block2=" + blockString(o.Value))
	case message.ETag:
		b.WriteString(" etag=" + hexString(o.Value))
	case message.NoResponse:
		b.WriteString(" no-response")
	default:
		fmt.Fprintf(b, " opt%d=%s", o.ID, number(o.Value))
	}
}

// number returns an option value as the number it may be, and else in hex.
func number(v []byte) string {
	if n, ok := uintOption(v); ok {
		return strconv.FormatUint(uint64(n), 10)
	}
	return "0x" + hexString(v)
}

func blockString(v []byte) string {
	b, err := ParseBlock(v)
	if err != nil {
		return "0x" + hexString(v)
	}
	return b.String()
}

// codeString returns the method's name or the code as RFC 7252 writes it.
func codeString(c codes.Code) string {
	switch c {
	case codes.Empty:
		return "empty"
	case codes.GET:
		return "GET"
	case codes.POST:
		return "POST"
	case codes.PUT:
		return "PUT"
	case codes.DELETE:
		return "DELETE"
	}
	return fmt.Sprintf("%d.%02d", c>>5, c&0x1f)
}

// plain returns s as it is when it consists of characters that mean nothing
// in a log line, and quoted when not.
func plain(s string) string {
	for i := range len(s) {
		c := s[i]
		if c <= ' ' || c >= 0x7f || strings.IndexByte(`"'\=<>`, c) >= 0 {
			return cut(s, 64)
		}
	}
	if len(s) > 64 {
		return cut(s, 64)
	}
	return s
}

// cut quotes s, at most max bytes of it, and says how long it is when that is
// not all.
func cut(s string, max int) string {
	if len(s) <= max {
		return strconv.Quote(s)
	}
	return strconv.Quote(clip(s, max)) + "...(" + strconv.Itoa(len(s)) + " bytes)"
}

// clip returns at most max bytes of s, which is longer, and no half character.
func clip(s string, max int) string {
	for end := max; end > max-utf8.UTFMax; end-- {
		if utf8.RuneStart(s[end]) {
			return s[:end]
		}
	}
	return s[:max]
}

// payloadString quotes text; of anything else it gives length and hex.
func payloadString(p []byte) string {
	if isText(p) {
		return cut(string(p), 64)
	}
	return strconv.Itoa(len(p)) + ":" + hexString(p)
}

func isText(p []byte) bool {
	for _, c := range p {
		if c < ' ' && c != '\n' && c != '\r' && c != '\t' {
			return false
		}
	}
	return utf8.Valid(p)
}

func hexString(p []byte) string {
	const max = 32
	if len(p) <= max {
		return hex.EncodeToString(p)
	}
	return hex.EncodeToString(p[:max]) + "..."
}
