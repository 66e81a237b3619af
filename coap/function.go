package coap

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/plgd-dev/go-coap/v3/message"
	"github.com/plgd-dev/go-coap/v3/message/codes"
)

// FunctionMessage builds a call. The argument option is there even when the
// argument is empty: devices read its length without looking.
//
//	41 02 id id tok b1 66  0n name           or 0d n-13 name
//	                       4n arg            or 4d n-13 arg, 4e be16(n-269) arg
//
// Device OS communication/src/functions.h. The caller has checked name and
// argument against [Limits]; what a device does with longer ones depends on its
// age and ranges from cutting them to calling with the last argument.
func FunctionMessage(id uint16, tok byte, name, arg string) Message {
	return request(Confirmable, codes.POST, id, []byte{tok}, 'f', name, query([]byte(arg)...))
}

// ParseFunction reads a call, for the virtual device.
func ParseFunction(m Message) (name, arg string, err error) {
	if m.Kind(FromServer) != KindFunction {
		return "", "", errors.New("function: not a call")
	}
	name = m.name()
	if name == "" {
		return "", "", errors.New("function: no name")
	}
	v, ok := m.option(message.URIQuery)
	if !ok {
		return "", "", errors.New("function: no argument option")
	}
	return name, string(v), nil
}

// FunctionReturn builds the device's answer, which it sends when the function
// has returned: NonConfirmable on TCP, Confirmable on DTLS.
//
//	51 44 id id tok ff value(be32)
//
// Device OS communication/src/messages.cpp function_return.
func FunctionReturn(t Type, id uint16, tok byte, v int32) Message {
	return Message{
		Type:    t,
		Code:    codes.Changed,
		ID:      id,
		Token:   []byte{tok},
		Payload: binary.BigEndian.AppendUint32(nil, uint32(v)),
	}
}

// FunctionResult reads the device's answer. An answer of class 4 or 5 is a
// *[ResponseError].
func FunctionResult(m Message) (int32, error) {
	if err := m.Err(); err != nil {
		return 0, err
	}
	if m.Code != codes.Changed {
		return 0, fmt.Errorf("function: answered %s", codeString(m.Code))
	}
	if len(m.Payload) != 4 {
		return 0, fmt.Errorf("function: result of %d bytes", len(m.Payload))
	}
	return int32(binary.BigEndian.Uint32(m.Payload)), nil
}
