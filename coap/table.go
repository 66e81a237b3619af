package coap

import (
	"fmt"

	"github.com/plgd-dev/go-coap/v3/message/codes"
)

// Sender says which side sent a message. The same bytes can mean different
// things in the two directions: POST C from the server is a chunk.
type Sender uint8

// The two sides.
const (
	FromDevice Sender = 1 << iota
	FromServer

	fromBoth = FromDevice | FromServer
)

// String returns "device" or "server".
func (s Sender) String() string {
	switch s {
	case FromDevice:
		return "device"
	case FromServer:
		return "server"
	}
	return fmt.Sprintf("Sender(%d)", uint8(s))
}

// Kind is what a message is about: a row of the table.
type Kind uint8

// The kinds. A Kind stands for the request and for what the other side sends on
// the same path; answers, whatever they answer, are KindResponse, because only
// the token tells what they belong to.
const (
	KindUnknown      Kind = iota
	KindPing              // CON without anything, both ways
	KindEmptyAck          // ACK without anything
	KindReset             // RST: the peer does not know what was meant; to a device it ends the session
	KindResponse          // 2.xx, 4.xx, 5.xx, piggy-backed or separate
	KindHello             // first message of a session, and the server's answer on TCP
	KindDescribe          // GET d asks, POST d tells unasked
	KindFunction          // call a function
	KindVariable          // read a variable
	KindEvent             // an event, either way
	KindSubscribe         // the device wants events
	KindTime              // what time is it
	KindSignal            // shout rainbows, and stop it
	KindKeyChange         // the device forgets its session
	KindGoodbye           // planned disconnect
	KindServerMoved       // use another server; signed by Particle, so never ours to send
	KindLedger            // ledger, protobuf
	KindUpdateBegin       // classic update: announce a file
	KindSaveBegin         // the same for the factory slot
	KindChunk             // classic update: part of the file
	KindChunkMissed       // classic update: parts that did not arrive
	KindUpdateDone        // classic update: all sent, or all received
	KindUpdateStart       // update v3: announce a file
	KindUpdateChunk       // update v3: part of the file
	KindUpdateAck         // update v3: which parts arrived
	KindUpdateFinish      // update v3: all sent, or cancelled
)

// String returns one word for logs and the console.
func (k Kind) String() string {
	names := [...]string{
		KindUnknown:      "unknown",
		KindPing:         "ping",
		KindEmptyAck:     "ack",
		KindReset:        "reset",
		KindResponse:     "response",
		KindHello:        "hello",
		KindDescribe:     "describe",
		KindFunction:     "function",
		KindVariable:     "variable",
		KindEvent:        "event",
		KindSubscribe:    "subscribe",
		KindTime:         "time",
		KindSignal:       "signal",
		KindKeyChange:    "key-change",
		KindGoodbye:      "goodbye",
		KindServerMoved:  "server-moved",
		KindLedger:       "ledger",
		KindUpdateBegin:  "update-begin",
		KindSaveBegin:    "save-begin",
		KindChunk:        "chunk",
		KindChunkMissed:  "chunk-missed",
		KindUpdateDone:   "update-done",
		KindUpdateStart:  "update-start",
		KindUpdateChunk:  "update-chunk",
		KindUpdateAck:    "update-ack",
		KindUpdateFinish: "update-finish",
	}
	if int(k) < len(names) {
		return names[k]
	}
	return fmt.Sprintf("Kind(%d)", uint8(k))
}

// row is one message that is spoken: who sends it, in which types, with which
// code, path letter and token, since which Device OS, and where Device OS reads
// or writes it (communication/src/ unless said otherwise).
type row struct {
	kind   Kind
	from   Sender
	types  types
	code   codes.Code
	letter string
	token  tokens
	since  string
	source string
}

// types is a set of message types, one bit each.
type types uint8

const (
	con types = 1 << Confirmable
	non types = 1 << NonConfirmable
	ack types = 1 << Acknowledgement
	rst types = 1 << Reset
)

// tokens is the rule for the token's length.
type tokens uint8

const (
	noToken  tokens = iota // none
	token1                 // exactly one byte: the device looks for the path at byte 6
	token01                // none or one byte
	tokenAny               // up to eight bytes, as CoAP has it
)

func (t tokens) allow(n int) bool {
	switch t {
	case noToken:
		return n == 0
	case token1:
		return n == 1
	case token01:
		return n <= 1
	}
	return true
}

// anyAnswer stands for all codes of the classes 2, 4 and 5.
const anyAnswer codes.Code = 0xffff

// table holds every message of the protocol, and Kind is decided by nothing
// else. First versions are of Device OS; "0.4.9" is the oldest that was read, so
// it stands for "always". The type and token columns are what was seen or read,
// over all versions and both transports: on TCP several messages are NON that
// are CON on DTLS.
var table = [...]row{
	// kind, sender, types, code, letter, token, since, source

	// Session.
	{KindPing, fromBoth, con, codes.Empty, "", noToken, "0.4.9", "ping.h; protocol.cpp, case PING"},
	{KindEmptyAck, fromBoth, ack, codes.Empty, "", noToken, "0.4.9", "messages.h empty_ack"},
	{KindReset, fromBoth, rst, codes.Empty, "", noToken, "0.4.9", "messages.h reset; coap_channel.h"},
	{KindResponse, fromBoth, con | non | ack, anyAnswer, "", tokenAny, "0.4.9", "messages.cpp separate_response, coded_ack"},
	{KindHello, FromDevice, con | non, codes.POST, "h", tokenAny, "0.4.9", "messages.cpp hello, without; other CoAP clients may have one"},
	{KindHello, FromServer, con | non, codes.POST, "h", noToken, "0.4.9", "protocol.cpp, case HELLO"},
	{KindTime, FromDevice, con, codes.GET, "t", tokenAny, "0.4.9", "messages.cpp time_request, with one byte; other CoAP clients may have more"},
	{KindSignal, FromServer, con, codes.PUT, "s", token1, "0.4.9", "protocol.cpp, case SIGNAL_START"},
	{KindKeyChange, FromServer, con, codes.PUT, "k", token01, "0.4.9", "protocol.cpp handle_key_change"},
	{KindGoodbye, FromDevice, con | non, codes.POST, "x", noToken, "2.0.0", "messages.cpp goodbye"},
	{KindServerMoved, FromServer, con, codes.POST, "M", token1, "4.1.0", "protocol.cpp handle_server_moved_request"},

	// What the device has, and using it.
	{KindDescribe, FromServer, con, codes.GET, "d", token1, "0.4.9", "description.cpp receiveRequest"},
	{KindDescribe, FromDevice, con, codes.POST, "d", token01, "1.2.0", "description.cpp sendRequest; without token up to 3.2: messages.cpp describe_post_header"},
	{KindFunction, FromServer, con, codes.POST, "f", token1, "0.4.9", "functions.h handle_function_call"},
	{KindVariable, FromServer, con, codes.GET, "v", token1, "0.4.9", "variables.cpp decode_request"},

	// Events. Those of the device have a token only when block-wise (6.3).
	{KindEvent, FromDevice, con | non, codes.POST, "e", token01, "0.4.9", "publisher.cpp send_event"},
	{KindEvent, FromDevice, con | non, codes.POST, "E", token01, "0.4.9", "publisher.cpp send_event"},
	{KindEvent, FromServer, con | non, codes.POST, "e", tokenAny, "0.4.9", "subscriptions.cpp handle_event"},
	{KindEvent, FromServer, con | non, codes.POST, "E", tokenAny, "0.4.9", "subscriptions.cpp handle_event"},
	{KindSubscribe, FromDevice, con | non, codes.GET, "e", noToken, "0.4.9", "subscriptions.cpp send_subscription_impl; events.cpp subscription"},
	{KindLedger, fromBoth, con, codes.POST, "L", token1, "5.8.0", "system/src/ledger/ledger_manager.cpp"},

	// Classic update: Gen 1, Gen 2, and Gen 3 before 3.0.
	{KindUpdateBegin, FromServer, con, codes.POST, "u", token1, "0.4.9", "chunked_transfer.cpp handle_update_begin"},
	{KindSaveBegin, FromServer, con, codes.POST, "s", token1, "0.4.9", "protocol.cpp, case SAVE_BEGIN"},
	{KindChunk, FromServer, con | non, codes.POST, "c", token1, "0.4.9", "chunked_transfer.cpp handle_chunk"},
	{KindUpdateDone, FromServer, con, codes.PUT, "u", token1, "0.4.9", "chunked_transfer.cpp handle_update_done"},
	{KindUpdateDone, FromDevice, con | non, codes.PUT, "u", noToken, "0.4.9", "messages.cpp update_done; up to 0.8.0-rc.1"},
	{KindChunkMissed, FromDevice, con | non, codes.GET, "c", noToken, "0.4.9", "chunked_transfer.cpp send_missing_chunks"},

	// Update v3: Gen 3 and Gen 4 from 3.0.
	{KindUpdateStart, FromServer, con, codes.POST, "S", token1, "3.0.0", "firmware_update.cpp decodeStartRequest"},
	{KindUpdateChunk, FromServer, non, codes.POST, "C", noToken, "3.0.0", "firmware_update.cpp decodeChunkRequest"},
	{KindUpdateAck, FromDevice, non, codes.POST, "A", noToken, "3.0.0", "firmware_update.cpp initChunkAck"},
	{KindUpdateFinish, FromServer, con, codes.POST, "F", token1, "3.0.0", "firmware_update.cpp decodeFinishRequest"},
}

// Kind looks m up in the table. It is KindUnknown when the sender does not say
// this, in this type or with such a token: answer 4.04 to a CON, ignore a NON.
// The kind does not promise that options and payload make sense; the typed
// forms do.
func (m Message) Kind(from Sender) Kind {
	if m.Code == codes.Empty && len(m.Token)+len(m.Options)+len(m.Payload) > 0 {
		return KindUnknown // RFC 7252 section 4.1: a format error
	}
	letter := m.letter()
	for i := range table {
		r := &table[i]
		if r.from&from != 0 && r.types&(1<<m.Type) != 0 && r.codeIs(m.Code) &&
			r.letter == string(letter) && r.token.allow(len(m.Token)) {
			return r.kind
		}
	}
	return KindUnknown
}

func (r *row) codeIs(c codes.Code) bool {
	if r.code != anyAnswer {
		return r.code == c
	}
	class := c >> 5
	return class == 2 || class == 4 || class == 5
}
