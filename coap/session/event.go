package session

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"strings"
	"time"

	"localcloud/cloud"
	"localcloud/coap"
)

// firstWithFormats is the system version from which events to a device may
// carry a content format: Device OS 6.2.0. Older ones lose the data.
const firstWithFormats = 6200

// onEvent takes what the device publishes: a question to the cloud is answered
// to the asker, everything else becomes a Published effect.
func (s *Session) onEvent(now time.Time, m coap.Message) error {
	ev, err := coap.ParseEvent(m)
	if err != nil {
		return fmt.Errorf("event: %w", err)
	}
	ev.Data = bytes.Clone(ev.Data) // which is part of the link's buffer
	confirmable := m.Type == coap.Confirmable
	if s.answerSystem(ev) {
		if confirmable {
			s.reply(m, coap.Ack(m.ID))
		}
		return nil
	}
	s.effects = append(s.effects, Published{Event: ev, Message: m.ID, Confirmable: confirmable})
	return nil
}

// Acknowledge answers a confirmable publish: err nil when it is committed.
func (s *Session) Acknowledge(message uint16, err error) {
	ack := coap.Ack(message)
	if err != nil {
		ack = coap.AckCode(message, nil, codeFor(err))
	}
	s.reply(coap.Message{ID: message}, ack)
}

// answerSystem answers the questions a device asks by event (protocol
// reference, section 4.2) with an event of the same name, to it alone.
func (s *Session) answerSystem(ev coap.Event) bool {
	space, what, _ := strings.Cut(ev.Name, "/")
	if space != "spark" && space != "particle" {
		return false
	}
	switch what {
	case "device/name":
		s.tell(ev.Name, s.name)
	case "device/ip":
		s.tell(ev.Name, s.ip)
	case "device/random":
		s.tell(ev.Name, randomText())
	case "device/claim/code":
		s.effects = append(s.effects, ClaimShown{Code: cloud.ClaimCode(ev.Data)})
	default:
		return false
	}
	return true
}

// Claimed makes the device forget its claim code: any event below this name does.
func (s *Session) Claimed() { s.tell("spark/device/claim/code/ok", "") }

// randomText returns 30 random bytes as 40 characters, so that the data holds no NUL.
func randomText() string {
	var b [30]byte
	rand.Read(b[:])
	return base64.StdEncoding.EncodeToString(b[:])
}

func (s *Session) tell(name, data string) {
	s.sendEvent(coap.Event{Name: name, Private: true, Data: []byte(data), HasData: data != "", ContentFormat: cloud.TextFormat})
}

// Send sends an event to the device. It returns false when the device cannot
// take one of that size, or has not said Hello.
func (s *Session) Send(ev *cloud.Event) bool {
	if !s.greeted || len(ev.Data) > s.limits().EventToIt || len(ev.Name) > s.limits().EventName {
		return false
	}
	out := coap.Event{
		Name: ev.Name, Private: ev.Private, Data: ev.Data, HasData: len(ev.Data) > 0,
		TTL: ev.TTL, HasTTL: true, ContentFormat: cloud.TextFormat,
	}
	if s.systemAtLeast(firstWithFormats) {
		out.ContentFormat = ev.Format
	}
	return s.sendEvent(out)
}

// sendEvent sends CON on UDP, few at a time, and NON on TCP, where a device never acknowledges an event.
func (s *Session) sendEvent(ev coap.Event) bool {
	kind := coap.NonConfirmable
	if s.udp != nil {
		kind = coap.Confirmable
	}
	m, err := coap.EventMessage(kind, s.id(), ev)
	if err != nil || !s.fits(m) {
		return false
	}
	if s.udp != nil {
		return s.queueEvent(m)
	}
	s.send(m)
	return true
}
