package sse

import (
	"bytes"
	"strconv"
	"time"
	"unicode/utf8"
)

// Bytes that are no event.
const (
	Preamble  = ":ok\n\n" // the first bytes of a stream, by which clients see that it is open
	KeepAlive = "\n"      // an empty line; clients give a stream up after some 13 s without a byte
)

// Frame is one event of a stream.
type Frame struct {
	ID    string // id of the event; empty: none
	Event string // name of the event; empty: none, which browsers call "message"
	Data  []byte // text, of one or more lines
}

// AppendEvent appends a frame:
//
//	id: ID\n          unless ID is empty
//	event: EVENT\n    unless Event is empty
//	data: LINE\n      for each line of Data, at least one
//	\n
//
// In ID and Event everything that some reader takes for the end of a line, and
// every other control character, becomes U+FFFD, as does what is not UTF-8.
// Data keeps its bytes, but CR LF and a single CR end a line as LF does.
func AppendEvent(b []byte, f Frame) []byte {
	if f.ID != "" {
		b = appendField(b, "id: ", f.ID)
	}
	if f.Event != "" {
		b = appendField(b, "event: ", f.Event)
	}
	data, more := f.Data, true
	for more {
		var line []byte
		line, data, more = cutLine(data)
		b = append(b, "data: "...)
		b = append(b, line...)
		b = append(b, '\n')
	}
	return append(b, '\n')
}

// cutLine splits data at its first line end; more is false when it has none.
func cutLine(data []byte) (line, rest []byte, more bool) {
	i := bytes.IndexAny(data, "\r\n")
	if i < 0 {
		return data, nil, false
	}
	line, rest = data[:i], data[i+1:]
	if data[i] == '\r' && len(rest) > 0 && rest[0] == '\n' {
		rest = rest[1:]
	}
	return line, rest, true
}

// AppendParticle appends a frame as the Particle cloud writes it (http-api.md, 4.2):
//
//	id: ID\n          unless id is 0
//	event: NAME\n
//	data: {"data":"..","ttl":60,"published_at":"2026-11-21T01:00:00.000Z","coreid":".."}\n
//	\n
//
// The id stands first. So what follows is to the byte what the official cloud
// sends, event and data stay adjacent, and clients that split a stream into
// lines and finish an event at its data line (particle-cli 1.x) or
// take everything behind "data:" for JSON do not stumble over it.
//
// The JSON is ASCII only, because a character may be cut in two on its way:
// others are written as \uXXXX, and what is not UTF-8 as \ufffd. Data that is
// nil becomes null. The name is cleaned as in AppendEvent. Nothing is
// allocated but room in b.
func AppendParticle(b []byte, id uint64, name string, data []byte, ttl uint32, publishedAt time.Time, coreid string) []byte {
	if id != 0 {
		b = append(b, "id: "...)
		b = strconv.AppendUint(b, id, 10)
		b = append(b, '\n')
	}
	b = appendField(b, "event: ", name)
	b = append(b, `data: {"data":`...)
	if data == nil {
		b = append(b, "null"...)
	} else {
		b = appendJSON(b, data)
	}
	b = append(b, `,"ttl":`...)
	b = strconv.AppendUint(b, uint64(ttl), 10)
	b = append(b, `,"published_at":"`...)
	b = publishedAt.UTC().AppendFormat(b, "2006-01-02T15:04:05.000Z")
	b = append(b, `","coreid":`...)
	b = appendJSON(b, coreid)
	return append(b, "}\n\n"...)
}

// appendField appends one line with a value that cannot end it.
func appendField(b []byte, field, value string) []byte {
	b = append(b, field...)
	for _, r := range value { // what is not UTF-8 comes as U+FFFD
		if endsLine(r) {
			r = utf8.RuneError
		}
		b = utf8.AppendRune(b, r)
	}
	return append(b, '\n')
}

// endsLine reports whether r ends a line for some reader, or is a control
// character: Python's str.splitlines, which popular clients use, knows many more ends
// than the standard does.
func endsLine(r rune) bool {
	return r < ' ' || (r >= 0x7f && r <= 0x9f) || r == '\u2028' || r == '\u2029'
}

const hexDigits = "0123456789abcdef"

// appendJSON appends s as a JSON string in ASCII.
func appendJSON[T string | []byte](b []byte, s T) []byte {
	b = append(b, '"')
	for i := 0; i < len(s); {
		if c := s[i]; c < utf8.RuneSelf {
			b = appendASCII(b, c)
			i++
			continue
		}
		r, size := decodeRune(s[i:])
		i += size
		if r >= 0x10000 {
			r -= 0x10000
			b = appendUnit(b, uint16(0xd800+r>>10))
			r = 0xdc00 + r&0x3ff
		}
		b = appendUnit(b, uint16(r))
	}
	return append(b, '"')
}

func decodeRune[T string | []byte](s T) (rune, int) {
	var head [utf8.UTFMax]byte
	n := copy(head[:], s)
	return utf8.DecodeRune(head[:n])
}

func appendASCII(b []byte, c byte) []byte {
	switch c {
	case '"', '\\':
		return append(b, '\\', c)
	case '\n':
		return append(b, '\\', 'n')
	case '\r':
		return append(b, '\\', 'r')
	case '\t':
		return append(b, '\\', 't')
	}
	if c < ' ' || c == 0x7f {
		return appendUnit(b, uint16(c))
	}
	return append(b, c)
}

// appendUnit appends \uXXXX, one UTF-16 code unit.
func appendUnit(b []byte, u uint16) []byte {
	return append(b, '\\', 'u', hexDigits[u>>12], hexDigits[u>>8&15], hexDigits[u>>4&15], hexDigits[u&15])
}
