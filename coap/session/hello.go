package session

import (
	"fmt"
	"time"

	"github.com/plgd-dev/go-coap/v3/message/codes"

	"localcloud/coap"
)

// helloAnswer is the payload of our Hello: the device looks at the type only,
// and this is what recorded devices accepted.
var helloAnswer = [6]byte{}

// onHello answers Hello at once (a Core waits 2 s for it) and begins anew.
func (s *Session) onHello(now time.Time, m coap.Message) error {
	h, err := coap.ParseHello(m.Payload)
	if err != nil {
		return fmt.Errorf("hello: %w", err)
	}
	if h.DeviceID != nil && string(h.DeviceID) != string(s.device[:]) {
		return fmt.Errorf("hello names the device id %x, the handshake proved %s", h.DeviceID, s.device)
	}
	s.welcome(now, m, h)
	return nil
}

// welcome answers a Hello and begins anew.
func (s *Session) welcome(now time.Time, m coap.Message, h coap.Hello) {
	switch {
	case m.Type != coap.Confirmable:
	case len(m.Token) > 0: // no device, but a client that expects an answer to what it asks
		s.reply(m, coap.AckCode(m.ID, m.Token, codes.Changed))
	default:
		s.reply(m, coap.Ack(m.ID))
	}
	s.send(coap.HelloMessage(coap.NonConfirmable, s.id(), helloAnswer[:]))
	s.changed()
	s.hello, s.greeted = h, true
	s.hello.DeviceID = nil // which is in device
	s.subs = nil           // the device sends its whole set again
	s.describeAfterHello(now)
	s.effects = append(s.effects, Arrived{Hello: h})
	if s.udp != nil {
		s.udp.begin(h)
	}
}

// systemAtLeast reports whether the device announced Device OS of at least
// this system version number, such as 6200 for 6.2.0. Device OS before 3.0 announces none.
func (s *Session) systemAtLeast(version uint16) bool {
	return s.hello.HasSystem && s.hello.SystemVersion >= version
}

// limits are what the device takes; it has said Hello.
func (s *Session) limits() coap.Limits { return coap.LimitsFor(s.hello, s.udp != nil) }
