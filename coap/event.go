package coap

import (
	"errors"
	"fmt"

	"github.com/plgd-dev/go-coap/v3/message"
	"github.com/plgd-dev/go-coap/v3/message/codes"
)

// MaxEventName is the longest event name that is read or written; devices use
// 63 or 64 of it, see [Limits].
const MaxEventName = 255

// defaultTTL is what an event without Max-Age means, RFC 7252 section 5.10.5.
const defaultTTL = 60

// Event is a published event, in either direction.
type Event struct {
	Name    string
	Private bool // path E. From 6.2 on devices say nothing else

	Data    []byte // any bytes; aliases the message when parsed
	HasData bool   // len(Data) > 0: an empty payload does not exist

	TTL    uint32 // seconds
	HasTTL bool   // false means 60

	ContentFormat int // FormatText and so on; -1 when the message has none, which means text
}

// ParseEvent reads an event from either side.
//
//	40|50 02 id id b1 'e'|'E'
//	      0n name | 0d n-13 name      one option, or several: joined with "/"
//	      [1n format]                 Content-Format, from 6.2 on
//	      [33|2n ttl]                 Max-Age in seconds; 0 to 4 bytes
//	      [ff data]
//
// Device OS communication/src/publisher.cpp send_event (6.2.0), events.cpp
// (before), and subscriptions.cpp handle_event for the other direction.
//
// A part of a block-wise event (6.3) parses as an event of that part's data;
// look at [Block1] first.
func ParseEvent(m Message) (Event, error) {
	letter := string(m.letter())
	if m.Code != codes.POST || letter != "e" && letter != "E" {
		return Event{}, errors.New("event: not an event")
	}
	ev := Event{
		Name:          m.name(),
		Private:       letter == "E",
		Data:          m.Payload,
		HasData:       len(m.Payload) > 0,
		TTL:           defaultTTL,
		ContentFormat: -1,
	}
	if err := ev.checkName(); err != nil {
		return Event{}, err
	}
	if v, ok := m.option(message.MaxAge); ok {
		if ev.TTL, ev.HasTTL = uintOption(v); !ev.HasTTL {
			return Event{}, fmt.Errorf("event: ttl of %d bytes", len(v))
		}
	}
	if _, ok := m.option(message.ContentFormat); ok {
		if ev.ContentFormat, ok = ContentFormat(m); !ok {
			return Event{}, errors.New("event: content format out of range")
		}
	}
	return ev, nil
}

// EventMessage builds an event in the one form that devices of all ages take:
// the whole name in one option, a Max-Age of three bytes and only when it is
// not 60, and a Content-Format only when it is not text. The caller sends one
// that is not text to devices from 6.2 on only: older ones lose the data.
//
// NonConfirmable on TCP, where a device never acknowledges an event;
// Confirmable on DTLS.
func EventMessage(t Type, id uint16, ev Event) (Message, error) {
	if err := ev.checkName(); err != nil {
		return Message{}, err
	}
	letter := byte('e')
	if ev.Private {
		letter = 'E'
	}
	var more message.Options
	if ev.ContentFormat > 0xffff {
		return Message{}, fmt.Errorf("event: no content format %d", ev.ContentFormat)
	}
	if ev.ContentFormat > FormatText {
		more = append(more, message.Option{ID: message.ContentFormat, Value: appendUint(nil, uint32(ev.ContentFormat))})
	}
	if ev.HasTTL && ev.TTL != defaultTTL {
		if ev.TTL > 0xffffff {
			return Message{}, fmt.Errorf("event: ttl of %d s", ev.TTL)
		}
		more = append(more, message.Option{ID: message.MaxAge, Value: []byte{byte(ev.TTL >> 16), byte(ev.TTL >> 8), byte(ev.TTL)}})
	}
	m := request(t, codes.POST, id, nil, letter, ev.Name, more...)
	m.Payload = ev.Data
	return m, nil
}

func (ev Event) checkName() error {
	if ev.Name == "" {
		return errors.New("event: no name")
	}
	if len(ev.Name) > MaxEventName {
		return fmt.Errorf("event: name of %d bytes", len(ev.Name))
	}
	return nil
}
