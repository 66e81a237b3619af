package coap

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/plgd-dev/go-coap/v3/message"
	"github.com/plgd-dev/go-coap/v3/message/codes"
)

// What a describe is about; or-ed together in a request's query. Device OS
// communication/inc/protocol_defs.h, DescriptionType.
//
// Up to 0.5.5 the numbers were others (system 2, application 4): there, and
// nowhere above 3.2, ask without a query for everything.
const (
	DescribeSystem      byte = 1 // platform and firmware modules
	DescribeApplication byte = 2 // functions and variables
	DescribeMetrics     byte = 4 // diagnostics, since 0.8
)

// Describe is what a device says of itself, in one message or in several that
// were merged.
type Describe struct {
	HasApplication bool
	Functions      []string
	Variables      map[string]VariableType
	VariableNames  []string // the keys of Variables in the device's order; written back in it

	HasSystem   bool
	HasPlatform bool // the protobuf form does not say it
	Platform    int
	IMEI        string
	ICCID       string
	CellFW      string
	Modules     []Module

	// Only in the protobuf form.
	Assets    []Asset
	Protected bool
	EnvHash   []byte

	HasMetrics bool
	Metrics    Metrics
}

// Bounds on what one describe may hold, far above what fits into a device.
const (
	maxNames   = 512 // functions; variables
	maxModules = 128
	maxDepends = 16
	maxAssets  = 256
)

// ParseDescribe reads a describe in any encoding: the payload of a POST d or of
// the answer to a GET d, its blocks put together. Which encoding it is depends on
// version and flags, and shows in the first byte.
//
//	00        metrics
//	{         JSON
//	others    protobuf, with Content-Format 42 or when only the system was asked for
//
// A contentFormat below 0 means that the message had none. The flags are those of
// the request and a hint only: Device OS 0.7 answers a request for metrics with
// everything it has.
func ParseDescribe(contentFormat int, flags byte, payload []byte) (Describe, error) {
	switch {
	case len(payload) > 0 && payload[0] == 0:
		metrics, err := ParseMetrics(payload)
		return Describe{HasMetrics: err == nil, Metrics: metrics}, err
	case bytes.HasPrefix(bytes.TrimLeft(payload, " \t\r\n"), []byte("{")):
		return ParseDescribeJSON(payload)
	case contentFormat == FormatBinary, contentFormat < 0 && flags == DescribeSystem && len(payload) > 0:
		return ParseDescribeProto(payload)
	}
	return Describe{}, errors.New("describe: neither JSON nor protobuf nor metrics")
}

// Part returns only those parts of d that flags name, for the virtual device.
func (d Describe) Part(flags byte) Describe {
	if flags&DescribeApplication == 0 {
		d.HasApplication, d.Functions, d.Variables, d.VariableNames = false, nil, nil, nil
	}
	if flags&DescribeSystem == 0 {
		d = Describe{
			HasApplication: d.HasApplication, Functions: d.Functions, Variables: d.Variables, VariableNames: d.VariableNames,
			HasMetrics: d.HasMetrics, Metrics: d.Metrics,
		}
	}
	if flags&DescribeMetrics == 0 {
		d.HasMetrics, d.Metrics = false, nil
	}
	return d
}

// AppHash returns the SHA-256 of the application in upper-case hex, as the event
// spark/device/app-hash has it, or "" when the describe does not hold it.
func (d Describe) AppHash() string {
	hash := ""
	for _, m := range d.Modules {
		if m.Function != ModuleUser || len(m.Hash) == 0 {
			continue
		}
		text := strings.ToUpper(hex.EncodeToString(m.Hash))
		if m.Location == LocationMain {
			return text
		}
		if hash == "" {
			hash = text
		}
	}
	return hash
}

// variableNames returns the names of all variables: those of VariableNames first,
// then the others by alphabet.
func (d Describe) variableNames() []string {
	names := make([]string, 0, len(d.Variables))
	for _, name := range d.VariableNames {
		if _, ok := d.Variables[name]; ok && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(d.Variables)) {
		if !slices.Contains(d.VariableNames, name) {
			names = append(names, name)
		}
	}
	return names
}

// DescribeRequest asks a device to describe itself. Without flags there is no
// query, which means application and system up to 3.2 and is refused from 3.3
// on; from 0.8 on ask for the parts one by one, they may be large.
//
//	41 01 id id tok b1 64 [41 flags]
//
// Device OS communication/src/description.cpp receiveRequest.
func DescribeRequest(id uint16, tok byte, flags byte) Message {
	var more []message.Option
	if flags != 0 {
		more = append(more, query(flags))
	}
	return request(Confirmable, codes.GET, id, []byte{tok}, 'd', "", more...)
}

// DescribeBlockRequest asks for the next part of an answer that came with a
// Block2 option: same flags, another token, and the size that the device chose,
// which is the only one it takes.
//
//	41 01 id id tok b1 64 41 flags 8n block
func DescribeBlockRequest(id uint16, tok byte, flags byte, num uint32, szx uint8) Message {
	block := Block{Num: num, SZX: szx}
	return DescribeRequest(id, tok, flags).With(message.Block2, block.Append(nil))
}

// DescribePost builds the describe that a device sends unasked, for the virtual
// device: without token (nil) up to 3.2, with one byte later. A format below 0
// means no Content-Format.
//
//	40 02 id id     b1 64       41 flags ff payload     2.0 to 3.2
//	41 02 id id tok b1 64       41 flags ff payload     from 3.3 on
//	41 02 id id tok b1 64 11 2a 31 flags ff payload     from 5.5 on, system
//
// One that comes in parts has a Block1 option after the query: see [Message.With].
// Device OS communication/src/description.cpp initDescribeRequest.
func DescribePost(id uint16, tok []byte, flags byte, format int, payload []byte) Message {
	m := request(Confirmable, codes.POST, id, tok, 'd', "", query(flags))
	m.Payload = payload
	return m.withFormat(format)
}

// DescribeReply builds the answer to a DescribeRequest, for the virtual device:
// an Acknowledgement up to 1.5, a separate Confirmable later.
//
//	61 45 id id tok ff payload       up to 1.5
//	41 45 id id tok ff payload       later; c1 2a before ff in the protobuf form
func DescribeReply(t Type, id uint16, tok byte, format int, payload []byte) Message {
	m := Message{Type: t, Code: codes.Content, ID: id, Token: []byte{tok}, Payload: payload}
	return m.withFormat(format)
}

func (m Message) withFormat(format int) Message {
	if format < 0 {
		return m
	}
	return m.With(message.ContentFormat, appendUint(nil, uint32(format)))
}

// DescribeFlags returns the flags of a describe, asked for or told unasked, and
// false when the message has no query. The query is one binary byte in all
// versions; the low three bits of an ASCII digit give the same flags.
func DescribeFlags(m Message) (byte, bool) {
	v, ok := m.option(message.URIQuery)
	if !ok || len(v) != 1 {
		return 0, false
	}
	return v[0] & (DescribeSystem | DescribeApplication | DescribeMetrics), true
}

func tooMany(what string, max int) error {
	return fmt.Errorf("describe: more than %d %s", max, what)
}
