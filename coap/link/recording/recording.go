// Package recording reads the recordings of real Device OS sessions that serve as golden test data.
// It is for tests only.
//
// A recording is ASCII text, line by line. Empty lines and lines that begin with # are comments. "[name]" or
// "[name argument]" begins a section; inside it each line is "key = value", except in [key ...] and [keylog], whose lines
// are taken as they are. Binary values are lower-case hex.
//
//	[recording]             transport (tcp, dtls), device_os, device_id, ...
//	[session]               TCP: credentials, aes_key, iv, salt
//	                        DTLS: client_random, server_random, master_secret, client_write_key, ..., cid_device_to_server
//	[keylog]                DTLS: one line as packet analysers read it
//	[key server-private]    PEM
//	[key device-private]    PEM
//	[chunk N]               TCP: from, ms, kind, wire, plain, means: one handshake message or one frame
//	[close]                 TCP: from, ms: who sent FIN
//	[datagram N]            DTLS: from, ms, device_port, wire, and for each record k in it
//	                        record.k (type, epoch, seq, offset, length), inner.k, plain.k, means.k
//
// Other sections are kept as they are, see [Recording.Sections].
package recording

import (
	"bufio"
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
)

// The two sides, as From says it.
const (
	Device = "device"
	Server = "server"
)

// The kinds of a Chunk.
const (
	Nonce           = "nonce"            // wire: 40 bytes
	HandshakeDevice = "handshake-device" // wire: 256 bytes; plain: nonce(40), device id(12), device public key(162)
	HandshakeServer = "handshake-server" // wire: 384 bytes; plain: the 40 credential bytes
	Frame           = "frame"            // wire: length(2), ciphertext; plain: the CoAP message
)

// Recording is one file. Every slice in it is the caller's.
type Recording struct {
	Transport string // "tcp" or "dtls"
	DeviceOS  string // version
	DeviceID  string // 24 hex digits
	ServerKey []byte // private, PEM: PKCS#1 (TCP) or SEC1 (DTLS)
	DeviceKey []byte // private, PEM
	Session   Session
	Chunks    []Chunk    // TCP, in order of arrival
	Datagrams []Datagram // DTLS, in order of arrival
	Sections  []Section  // all of the file, those above included
}

// Session holds the secrets of a connection. Which are set depends on the transport.
type Session struct {
	Credentials, AESKey, IV, Salt []byte // TCP

	ClientRandom, ServerRandom, MasterSecret []byte // DTLS
	ClientWriteKey, ServerWriteKey           []byte
	ClientWriteIV, ServerWriteIV             []byte
	CIDDeviceToServer                        []byte
}

// Chunk is one handshake message or one frame of a TCP stream.
type Chunk struct {
	Number int
	From   string
	MS     float64 // since the first packet
	Kind   string
	Wire   []byte
	Plain  []byte // nil for the nonce
	Means  string // for people
}

// Datagram is one UDP payload.
type Datagram struct {
	Number     int
	From       string
	MS         float64
	DevicePort int
	Wire       []byte
	Records    []Record
}

// Record is one DTLS record of a Datagram.
type Record struct {
	Type, Epoch, Sequence, Offset, Length int    // Offset and Length are those inside Wire
	Inner                                 []byte // the decrypted text of a record with connection id: content, type, zeros
	Plain                                 []byte // the decrypted content, nil in epoch 0
	Means                                 string
}

// Section is one section of the file.
type Section struct {
	Name     string // "chunk"
	Argument string // "12"
	Values   map[string]string
	Lines    []string // of [key ...] and [keylog]
}

// Open reads a recording from a file.
func Open(path string) (Recording, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return Recording{}, err
	}
	r, err := Parse(bytes.NewReader(text))
	if err != nil {
		return Recording{}, fmt.Errorf("%s: %w", path, err)
	}
	return r, nil
}

// Parse reads a recording.
func Parse(text io.Reader) (Recording, error) {
	sections, err := parseSections(text)
	if err != nil {
		return Recording{}, err
	}
	r := Recording{Sections: sections}
	for _, s := range sections {
		if err := r.add(s); err != nil {
			return Recording{}, fmt.Errorf("[%s %s]: %w", s.Name, s.Argument, err)
		}
	}
	if len(sections) == 0 {
		return Recording{}, errors.New("not a recording: no section")
	}
	return r, nil
}

// PlainFrom returns the messages that one side sent in frames.
func (r Recording) PlainFrom(side string) [][]byte {
	var messages [][]byte
	for _, c := range r.Chunks {
		if c.Kind == Frame && c.From == side {
			messages = append(messages, c.Plain)
		}
	}
	return messages
}

// WireFrom returns what one side put on the wire, chunk by chunk.
func (r Recording) WireFrom(side string) [][]byte {
	var chunks [][]byte
	for _, c := range r.Chunks {
		if c.From == side {
			chunks = append(chunks, c.Wire)
		}
	}
	return chunks
}

// Chunk returns the first chunk of a kind, for the three that occur once.
func (r Recording) Chunk(kind string) Chunk {
	for _, c := range r.Chunks {
		if c.Kind == kind {
			return c
		}
	}
	return Chunk{}
}

func parseSections(text io.Reader) ([]Section, error) {
	var sections []Section
	lines := bufio.NewScanner(text)
	lines.Buffer(nil, 1<<20)
	for number := 1; lines.Scan(); number++ {
		line := strings.TrimSuffix(lines.Text(), "\r")
		if line == "" || line[0] == '#' {
			continue
		}
		if line[0] == '[' {
			name, argument, _ := strings.Cut(strings.TrimSuffix(line[1:], "]"), " ")
			sections = append(sections, Section{Name: name, Argument: argument, Values: map[string]string{}})
			continue
		}
		if len(sections) == 0 {
			return nil, fmt.Errorf("line %d: before the first section", number)
		}
		if err := sections[len(sections)-1].addLine(line); err != nil {
			return nil, fmt.Errorf("line %d: %w", number, err)
		}
	}
	return sections, lines.Err()
}

func (s *Section) addLine(line string) error {
	if s.Name == "key" || s.Name == "keylog" {
		s.Lines = append(s.Lines, line)
		return nil
	}
	key, value, ok := strings.Cut(line, " = ")
	if !ok {
		return errors.New("no key = value")
	}
	if _, twice := s.Values[key]; twice {
		return fmt.Errorf("%s occurs twice in a section", key)
	}
	s.Values[key] = value
	return nil
}

func (r *Recording) add(s Section) error {
	v := values{of: s.Values}
	switch s.Name {
	case "recording":
		if format := v.number("format"); v.err == nil && format != 1 {
			return fmt.Errorf("format %d is not known", format)
		}
		r.Transport, r.DeviceOS, r.DeviceID = s.Values["transport"], s.Values["device_os"], s.Values["device_id"]
	case "session":
		r.Session = v.session()
	case "key":
		r.addKey(s)
	case "chunk":
		r.Chunks = append(r.Chunks, v.chunk(s.Argument))
	case "datagram":
		r.Datagrams = append(r.Datagrams, v.datagram(s.Argument))
	}
	return v.err
}

func (r *Recording) addKey(s Section) {
	text := []byte(strings.Join(s.Lines, "\n") + "\n")
	switch s.Argument {
	case "server-private":
		r.ServerKey = text
	case "device-private":
		r.DeviceKey = text
	}
}

// values converts the values of a section and keeps the first error.
type values struct {
	of  map[string]string
	err error
}

func (v *values) keep(key string, err error) {
	if err != nil && v.err == nil {
		v.err = fmt.Errorf("%s: %w", key, err)
	}
}

func (v *values) hex(key string) []byte {
	text, ok := v.of[key]
	if !ok {
		return nil
	}
	b, err := hex.DecodeString(text)
	v.keep(key, err)
	return b
}

func (v *values) number(key string) int { return v.parseNumber(key, v.of[key]) }

func (v *values) parseNumber(key, text string) int {
	n, err := strconv.Atoi(text)
	v.keep(key, err)
	return n
}

func (v *values) ms() float64 {
	f, err := strconv.ParseFloat(v.of["ms"], 64)
	v.keep("ms", err)
	return f
}

func (v *values) from() string {
	from := v.of["from"]
	if from != Device && from != Server {
		v.keep("from", errors.New("neither device nor server"))
	}
	return from
}

func (v *values) session() Session {
	return Session{
		Credentials: v.hex("credentials"), AESKey: v.hex("aes_key"), IV: v.hex("iv"), Salt: v.hex("salt"),
		ClientRandom: v.hex("client_random"), ServerRandom: v.hex("server_random"), MasterSecret: v.hex("master_secret"),
		ClientWriteKey: v.hex("client_write_key"), ServerWriteKey: v.hex("server_write_key"),
		ClientWriteIV: v.hex("client_write_iv"), ServerWriteIV: v.hex("server_write_iv"),
		CIDDeviceToServer: v.hex("cid_device_to_server"),
	}
}

func (v *values) chunk(number string) Chunk {
	return Chunk{
		Number: v.parseNumber("chunk", number),
		From:   v.from(), MS: v.ms(), Kind: v.of["kind"],
		Wire: v.hex("wire"), Plain: v.hex("plain"), Means: v.of["means"],
	}
}

func (v *values) datagram(number string) Datagram {
	d := Datagram{
		Number: v.parseNumber("datagram", number),
		From:   v.from(), MS: v.ms(), DevicePort: v.number("device_port"), Wire: v.hex("wire"),
	}
	for k := 1; ; k++ {
		suffix := "." + strconv.Itoa(k)
		fields, ok := v.of["record"+suffix]
		if !ok {
			return d
		}
		record := Record{Inner: v.hex("inner" + suffix), Plain: v.hex("plain" + suffix), Means: v.of["means"+suffix]}
		v.recordFields(&record, fields)
		d.Records = append(d.Records, record)
	}
}

func (v *values) recordFields(r *Record, fields string) {
	for field := range strings.FieldsSeq(fields) {
		name, text, _ := strings.Cut(field, "=")
		n := v.parseNumber(name, text)
		switch name {
		case "type":
			r.Type = n
		case "epoch":
			r.Epoch = n
		case "seq":
			r.Sequence = n
		case "offset":
			r.Offset = n
		case "length":
			r.Length = n
		}
	}
}
