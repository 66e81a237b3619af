package coap

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/plgd-dev/go-coap/v3/message"
	"github.com/plgd-dev/go-coap/v3/message/codes"
)

// Flags of a Hello. Device OS communication/src/protocol.cpp, HELLO_FLAG_*.
const (
	FlagOTASucceeded     uint16 = 0x01 // the last update was applied
	FlagDiagnostics      uint16 = 0x02 // since 0.8
	FlagImmediateUpdates uint16 = 0x04 // since 1.2
	FlagGoodbye          uint16 = 0x10 // says goodbye, since 2.0
	FlagDescribePush     uint16 = 0x20 // describes itself unasked, since 2.0
	FlagCompressedOTA    uint16 = 0x40 // takes compressed modules, since 2.0 on Gen 3
	FlagOTAv3            uint16 = 0x80 // takes updates by protocol v3 only, since 3.0 on Gen 3
)

// Hello is the first message of a device in a new session.
type Hello struct {
	ProductID      uint16 // 0xffff or the platform's id when the application sets none
	ProductVersion uint16 // 0xffff when the application sets none
	Flags          uint16

	HasPlatform bool
	PlatformID  uint16

	DeviceID []byte // 12 bytes on DTLS, nil on TCP, where the handshake has said it

	// Device OS 3.0 and later.
	HasSystem     bool
	SystemVersion uint16 // number of the system module, see SystemVersionString
	MaxMessage    uint16 // largest CoAP message, bytes
	MaxBinary     uint32 // largest firmware image, bytes
	OTAChunk      uint16 // bytes of a chunk in a classic update
}

const (
	deviceIDSize = 12
	systemSize   = 10
)

var errHello = errors.New("hello: truncated")

// ParseHello reads the payload of a Hello. What belongs together is there whole
// or not at all; what follows the last field is ignored. The result does not
// alias payload.
//
//	off  0  product id        be16
//	     2  product version   be16
//	     4  flags             be16
//	     -- the oldest Core ends here --
//	     6  platform id       be16
//	     -- TCP up to 2.x ends here --
//	     8  length of the id  be16   12 on DTLS, 0 on TCP
//	    10  device id
//	     -- DTLS up to 2.x ends here --
//	     +  system version    be16
//	     +  max message       be16
//	     +  max binary        be32
//	     +  ota chunk         be16
//
// Device OS communication/src/messages.cpp hello (6.2.0, 2.3.1) and
// communication/tests/ConstructorFixture.cpp (0.4.9) for the oldest.
func ParseHello(payload []byte) (Hello, error) {
	be := binary.BigEndian
	p := payload
	if len(p) < 6 {
		return Hello{}, errHello
	}
	h := Hello{ProductID: be.Uint16(p), ProductVersion: be.Uint16(p[2:]), Flags: be.Uint16(p[4:])}
	if p = p[6:]; len(p) == 0 {
		return h, nil
	}

	if len(p) < 2 {
		return Hello{}, errHello
	}
	h.HasPlatform = true
	h.PlatformID = be.Uint16(p)
	if p = p[2:]; len(p) == 0 {
		return h, nil
	}

	if len(p) < 2 {
		return Hello{}, errHello
	}
	n := int(be.Uint16(p))
	if n != 0 && n != deviceIDSize {
		return Hello{}, fmt.Errorf("hello: device id of %d bytes", n)
	}
	if p = p[2:]; len(p) < n {
		return Hello{}, errHello
	}
	if n > 0 {
		h.DeviceID = append([]byte(nil), p[:n]...)
	}
	if p = p[n:]; len(p) == 0 {
		return h, nil
	}

	if len(p) < systemSize {
		return Hello{}, errHello
	}
	h.HasSystem = true
	h.SystemVersion = be.Uint16(p)
	h.MaxMessage = be.Uint16(p[2:])
	h.MaxBinary = be.Uint32(p[4:])
	h.OTAChunk = be.Uint16(p[8:])
	return h, nil
}

// Append writes the payload of a Hello to the end of b. Fields that come later
// in the layout bring the earlier ones with them.
func (h Hello) Append(b []byte) []byte {
	be := binary.BigEndian
	b = be.AppendUint16(b, h.ProductID)
	b = be.AppendUint16(b, h.ProductVersion)
	b = be.AppendUint16(b, h.Flags)
	hasID := h.DeviceID != nil || h.HasSystem
	if !h.HasPlatform && !hasID {
		return b
	}
	b = be.AppendUint16(b, h.PlatformID)
	if !hasID {
		return b
	}
	b = be.AppendUint16(b, uint16(len(h.DeviceID)))
	b = append(b, h.DeviceID...)
	if !h.HasSystem {
		return b
	}
	b = be.AppendUint16(b, h.SystemVersion)
	b = be.AppendUint16(b, h.MaxMessage)
	b = be.AppendUint32(b, h.MaxBinary)
	return be.AppendUint16(b, h.OTAChunk)
}

// HelloMessage builds a Hello: the device's with [Hello.Append], or the
// server's answer, which TCP devices wait 2 s (Core) or 4 s (Photon) for and of
// which they look at nothing but the type. The reference server sends six zero
// bytes in a NonConfirmable.
//
//	50 02 id id b1 68 ff payload     TCP
//	40 02 id id b1 68 ff payload     DTLS
func HelloMessage(t Type, id uint16, payload []byte) Message {
	return Message{
		Type:    t,
		Code:    codes.POST,
		ID:      id,
		Options: message.Options{{ID: message.URIPath, Value: []byte{'h'}}},
		Payload: payload,
	}
}
