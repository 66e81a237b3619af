package coap

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/plgd-dev/go-coap/v3/message"
	"github.com/plgd-dev/go-coap/v3/message/codes"
)

// Ping builds a ping, in either direction: 40 00 id id. The answer is an Ack;
// on TCP a device answers with its own next id, so there any message counts.
func Ping(id uint16) Message {
	return Message{Type: Confirmable, Code: codes.Empty, ID: id}
}

// Ack builds the empty acknowledgement of a Confirmable: 60 00 id id.
func Ack(id uint16) Message {
	return Message{Type: Acknowledgement, Code: codes.Empty, ID: id}
}

// Pong makes a ping the acknowledgement of it, in place, and reports whether b was a ping. It is for servers of thousands of
// devices that say nothing else.
func Pong(b []byte) bool {
	if len(b) != 4 || b[0] != 0x40 || b[1] != byte(codes.Empty) {
		return false
	}
	b[0] = 0x60
	return true
}

// AckCode builds an acknowledgement that answers at once: 61 code id id tok.
// The token is that of the request, nil for one without.
func AckCode(id uint16, tok []byte, code codes.Code) Message {
	return Message{Type: Acknowledgement, Code: code, ID: id, Token: tok}
}

// ResetMessage builds a reset: 70 00 id id. A device that gets one throws its
// DTLS session away and shakes hands again.
func ResetMessage(id uint16) Message {
	return Message{Type: Reset, Code: codes.Empty, ID: id}
}

// TimeRequest builds the device's question for the time: 41 01 id id tok b1 74.
func TimeRequest(id uint16, tok byte) Message {
	return request(Confirmable, codes.GET, id, []byte{tok}, 't', "")
}

// TimeResponse builds the answer, in seconds since 1970. The
// device reads the time at byte 6 without looking, so with exactly one byte of
// token; and it takes every 2.05 for the time, so nothing else may be answered
// with that code.
//
//	61 45 id id tok ff time(be32)
//
// Device OS communication/src/protocol.cpp, case TIME.
func TimeResponse(id uint16, tok byte, unix uint32) Message {
	return Message{
		Type:    Acknowledgement,
		Code:    codes.Content,
		ID:      id,
		Token:   []byte{tok},
		Payload: binary.BigEndian.AppendUint32(nil, unix),
	}
}

// ParseTime reads the answer, for the virtual device.
func ParseTime(m Message) (unix uint32, err error) {
	if err := m.Err(); err != nil {
		return 0, err
	}
	if m.Code != codes.Content || len(m.Payload) != 4 {
		return 0, fmt.Errorf("time: answered %s with %d bytes", codeString(m.Code), len(m.Payload))
	}
	return binary.BigEndian.Uint32(m.Payload), nil
}

// SignalMessage makes the device's light go through all colours, and stop. The
// answer is a 2.04 with the token; on TCP its id is not that of the request.
//
//	41 03 id id tok b1 73 41 01|00
//
// Device OS communication/src/protocol.cpp, case SIGNAL_START.
func SignalMessage(id uint16, tok byte, on bool) Message {
	var v byte
	if on {
		v = 1
	}
	return request(Confirmable, codes.PUT, id, []byte{tok}, 's', "", query(v))
}

// ParseSignal reads a signal, for the virtual device.
func ParseSignal(m Message) (on bool, err error) {
	v, _ := m.option(message.URIQuery)
	if m.Kind(FromServer) != KindSignal || len(v) != 1 {
		return false, errors.New("signal: not a signal")
	}
	return v[0] != 0, nil
}

// KeyChange makes a DTLS device forget its session and shake hands again.
//
//	41 03 id id tok b1 6b 41 01
//
// Device OS communication/src/protocol.cpp handle_key_change.
func KeyChange(id uint16, tok byte) Message {
	return request(Confirmable, codes.PUT, id, []byte{tok}, 'k', "", query(1))
}
