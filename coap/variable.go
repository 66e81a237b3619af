package coap

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"

	"github.com/plgd-dev/go-coap/v3/message/codes"
)

// VariableType is the type of a variable as the device's describe gives it.
// Values carry no type of their own.
type VariableType int

// The types that Device OS has. communication/src/spark_descriptor.h,
// SparkReturnType.
const (
	Bool   VariableType = 1
	Int    VariableType = 2
	String VariableType = 4
	Double VariableType = 9
)

// String returns the type's name in the API: bool, int32, string, double.
func (t VariableType) String() string {
	switch t {
	case Bool:
		return "bool"
	case Int:
		return "int32"
	case String:
		return "string"
	case Double:
		return "double"
	}
	return fmt.Sprintf("type %d", int(t))
}

// VariableMessage builds the request for a variable's value. The caller has
// checked the name against [Limits] and the device's describe: Device OS up to
// 0.7 answers for a name that it does not know with bytes that mean nothing.
//
//	41 01 id id tok b1 76  0n name    or 0d n-13 name
//
// Device OS communication/src/variables.cpp decode_request.
func VariableMessage(id uint16, tok byte, name string) Message {
	return request(Confirmable, codes.GET, id, []byte{tok}, 'v', name)
}

// ParseVariable reads the request, for the virtual device.
func ParseVariable(m Message) (name string, err error) {
	if m.Kind(FromServer) != KindVariable {
		return "", errors.New("variable: not a request")
	}
	if name = m.name(); name == "" {
		return "", errors.New("variable: no name")
	}
	return name, nil
}

// VariableReturn builds the device's answer: an Acknowledgement with the
// request's id up to 1.4, later a separate NonConfirmable on TCP or Confirmable
// on DTLS. The value is one of [EncodeVariable].
//
//	61 45 id id tok ff value     or 51 45, 41 45; no ff when the value is empty
func VariableReturn(t Type, id uint16, tok byte, value []byte) Message {
	return Message{Type: t, Code: codes.Content, ID: id, Token: []byte{tok}, Payload: value}
}

// DecodeVariable reads a value: a bool, int32, float64 or string.
//
//	bool     one byte, not zero is true (four are tolerated)
//	int32    be32
//	double   IEEE 754, little-endian: it may be NaN or infinite
//	string   the bytes as they are; nothing at all is the empty string
//
// Device OS communication/src/variables.cpp encode_response.
func DecodeVariable(t VariableType, payload []byte) (any, error) {
	switch {
	case t == Bool && (len(payload) == 1 || len(payload) == 4):
		for _, c := range payload {
			if c != 0 {
				return true, nil
			}
		}
		return false, nil
	case t == Int && len(payload) == 4:
		return int32(binary.BigEndian.Uint32(payload)), nil
	case t == Double && len(payload) == 8:
		return math.Float64frombits(binary.LittleEndian.Uint64(payload)), nil
	case t == String:
		return string(payload), nil
	}
	return nil, fmt.Errorf("variable: %s of %d bytes", t, len(payload))
}

// EncodeVariable writes a value of the Go type that DecodeVariable gives.
func EncodeVariable(t VariableType, v any) ([]byte, error) {
	switch v := v.(type) {
	case bool:
		if t == Bool {
			if v {
				return []byte{1}, nil
			}
			return []byte{0}, nil
		}
	case int32:
		if t == Int {
			return binary.BigEndian.AppendUint32(nil, uint32(v)), nil
		}
	case float64:
		if t == Double {
			return binary.LittleEndian.AppendUint64(nil, math.Float64bits(v)), nil
		}
	case string:
		if t == String {
			return []byte(v), nil
		}
	}
	return nil, fmt.Errorf("variable: no %s in a %T", t, v)
}
