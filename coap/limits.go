package coap

// Limits are what a device takes, in bytes. A server keeps to them because a
// device does not refuse what is too long: it cuts it, calls a function with the
// argument of the last call, or (Core) drops the connection.
type Limits struct {
	FunctionName int
	FunctionArg  int
	VariableName int
	EventName    int
	EventData    int // data of an event from the device
	EventToIt    int // data of an event to the device, which may be more than it sends
	MaxMessage   int // a whole message, from header to payload
}

// Platforms that have limits of their own.
const (
	platformCore     = 0
	platformPhoton   = 6
	platformP1       = 8
	platformElectron = 10
)

// Bytes of a message that are neither argument nor data, at most.
// Device OS communication/inc/protocol_defs.h, MAX_EVENT_MESSAGE_SIZE and
// MAX_FUNCTION_CALL_MESSAGE_SIZE (6.2.0).
const (
	eventOverhead    = 4 + 1 + (64 + 5) + 5 + 1
	functionOverhead = 4 + 1 + (64 + 5) + 3
)

// LimitsFor returns the limits of the device that said h, over DTLS or TCP.
//
// Device OS communication/src/protocol_defs.h, MAX_FUNCTION_KEY_LENGTH and its
// neighbours:
//
//	               name  event  argument  data
//	Core             12     63        63   255   and all others before 0.8
//	0.8 to 2.x       64     64       622   622
//	3.x, Gen 2       64     64       864   864   Photon, P1, Electron
//	3.0, Gen 3+      64     64      1024  1024
//
// Before 0.8 a device publishes 255 bytes of data and takes 512: it hands an
// event out where it lies in the buffer (communication/src/subscriptions.h,
// handle_event, 0.6.4), and the pieces of a webhook's answer are that long.
//
// From 3.0 on the Hello says the size of a message. Before, nothing in it says
// 0.8 but the diagnostics flag, which came with 0.8; what does not set it is
// treated as older, and loses only length.
func LimitsFor(h Hello, udp bool) Limits {
	var l Limits
	switch {
	case h.HasSystem:
		l = Limits{FunctionName: 64, FunctionArg: 1024, VariableName: 64, EventName: 64, EventData: 1024, EventToIt: 1024, MaxMessage: 1152}
		if gen2(h) {
			l.FunctionArg, l.EventData, l.EventToIt, l.MaxMessage = 864, 864, 864, 960
		}
	case h.isCore():
		// The buffer for ciphertext is 640 bytes. Length and padding take up to 18.
		return Limits{FunctionName: 12, FunctionArg: 63, VariableName: 12, EventName: 63, EventData: 255, EventToIt: 512, MaxMessage: 620}
	case h.Flags&FlagDiagnostics != 0:
		l = Limits{FunctionName: 64, FunctionArg: 622, VariableName: 64, EventName: 64, EventData: 622, EventToIt: 622, MaxMessage: 800}
	default:
		l = Limits{FunctionName: 12, FunctionArg: 63, VariableName: 12, EventName: 63, EventData: 255, EventToIt: 512, MaxMessage: 800}
		if udp {
			l.MaxMessage = 768 // 0.4.9 to 0.6; 0.7 has 800
		}
	}
	// A cellular modem with a small MTU announces less than its generation has.
	if h.HasSystem && h.MaxMessage > 0 {
		l.MaxMessage = int(h.MaxMessage)
		l.FunctionArg = max(0, min(l.FunctionArg, l.MaxMessage-functionOverhead))
		l.EventData = max(0, min(l.EventData, l.MaxMessage-eventOverhead))
		l.EventToIt = l.EventData
	}
	if !udp {
		l.MaxMessage = fitsFrame(l.MaxMessage)
	}
	return l
}

// fitsFrame returns the longest message whose frame fits a device's buffer on
// TCP: 18 bytes of it are taken, and the ciphertext is padded by 1 to 16 bytes.
// Device OS communication/src/buffer_message_channel.h create.
func fitsFrame(buffer int) int { return max(0, (buffer-18)&^15-1) }

// isCore reports a Core: it says platform 0, and the oldest say no platform.
func (h Hello) isCore() bool {
	return !h.HasPlatform || h.PlatformID == platformCore
}

// gen2 reports a device of the second generation. Device OS 3.x for the host
// computer (platform gcc) counts as one too; its messages are 960 bytes long.
func gen2(h Hello) bool {
	switch h.PlatformID {
	case platformPhoton, platformP1, platformElectron:
		return true
	}
	return h.MaxMessage == 960
}
