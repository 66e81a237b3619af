package coap

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/plgd-dev/go-coap/v3/message"
	"github.com/plgd-dev/go-coap/v3/message/codes"
)

// Goodbye announces that a device leaves on purpose. Zero means that the device
// did not say. The DTLS session stays good: the device may resume it.
type Goodbye struct {
	Cloud   CloudReason
	Reset   ResetReason   // when it resets
	Sleep   uint32        // seconds, when it goes to sleep
	Network NetworkReason // when it leaves the network too
}

// Reasons for leaving. Device OS services/inc/system_defs.h.
type (
	CloudReason   uint32
	NetworkReason uint32
	ResetReason   uint32
)

// String returns the reason as the vitals name it.
func (r CloudReason) String() string {
	return reason(uint32(r), "none", "error", "user", "network_disconnect", "listening",
		"system_reset", "sleep", "unknown", "server_moved")
}

// String returns the reason as the vitals name it.
func (r NetworkReason) String() string {
	return reason(uint32(r), "none", "error", "user", "network_off", "listening", "sleep", "reset", "unknown")
}

// String returns the reason as the event spark/device/last_reset names it. The
// numbers are tens.
func (r ResetReason) String() string {
	names := [...]string{"none", "unknown", "pin_reset", "power_management", "power_down",
		"power_brownout", "watchdog", "update", "update_error", "update_timeout", "factory_reset",
		"safe_mode", "dfu_mode", "panic", "user", "config_update"}
	if r%10 != 0 || int(r/10) >= len(names) {
		return fmt.Sprint(uint32(r))
	}
	return names[r/10]
}

func reason(n uint32, names ...string) string {
	if n < uint32(len(names)) {
		return names[n]
	}
	return fmt.Sprint(n)
}

// Which fields follow, in this order.
const (
	goodbyeCloud   = 0x01
	goodbyeReset   = 0x02
	goodbyeSleep   = 0x04
	goodbyeNetwork = 0x08
)

// ParseGoodbye reads a goodbye. Fields that later versions may add come last and
// are ignored.
//
//	40 02 id id b1 78       ff mask [cloud] [reset] [sleep] [network]    DTLS
//	50 02 id id b1 78 d0 ea ff mask ...                                  TCP; d0 ea is No-Response
//
// All numbers are varints (LEB128). Device OS communication/src/messages.cpp goodbye.
func ParseGoodbye(m Message) (Goodbye, error) {
	if m.Kind(FromDevice) != KindGoodbye {
		return Goodbye{}, errors.New("goodbye: not a goodbye")
	}
	p := m.Payload
	mask, p, err := varint(p)
	if err != nil {
		return Goodbye{}, err
	}
	var g Goodbye
	for _, field := range []struct {
		bit uint32
		to  *uint32
	}{
		{goodbyeCloud, (*uint32)(&g.Cloud)},
		{goodbyeReset, (*uint32)(&g.Reset)},
		{goodbyeSleep, &g.Sleep},
		{goodbyeNetwork, (*uint32)(&g.Network)},
	} {
		if mask&field.bit == 0 {
			continue
		}
		if *field.to, p, err = varint(p); err != nil {
			return Goodbye{}, err
		}
	}
	return g, nil
}

func varint(p []byte) (uint32, []byte, error) {
	v, n := binary.Uvarint(p)
	if n <= 0 || v > 0xffffffff {
		return 0, nil, errors.New("goodbye: malformed number")
	}
	return uint32(v), p[n:], nil
}

// GoodbyeMessage builds a goodbye, for the virtual device. A NonConfirmable one
// asks for no answer.
func GoodbyeMessage(t Type, id uint16, g Goodbye) Message {
	mask, fields := uint64(0), []byte(nil)
	for _, field := range []struct {
		bit   uint64
		value uint32
	}{
		{goodbyeCloud, uint32(g.Cloud)},
		{goodbyeReset, uint32(g.Reset)},
		{goodbyeSleep, g.Sleep},
		{goodbyeNetwork, uint32(g.Network)},
	} {
		if field.value != 0 {
			mask |= field.bit
			fields = binary.AppendUvarint(fields, uint64(field.value))
		}
	}
	var more []message.Option
	if t == NonConfirmable {
		more = append(more, message.Option{ID: message.NoResponse})
	}
	m := request(t, codes.POST, id, nil, 'x', "", more...)
	m.Payload = append(binary.AppendUvarint(nil, mask), fields...)
	return m
}
