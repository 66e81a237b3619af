package session

import (
	"fmt"
	"time"

	"github.com/plgd-dev/go-coap/v3/message/codes"

	"localcloud/cloud"
	"localcloud/coap"
)

// onTime answers GET /t with the present second.
func (s *Session) onTime(now time.Time, m coap.Message) error {
	s.tellTime(now, m)
	s.describeAfterBurst(now)
	return nil
}

func (s *Session) tellTime(now time.Time, m coap.Message) {
	clock := now
	if s.clock != nil {
		clock = s.clock()
	}
	answer := coap.TimeResponse(m.ID, 0, uint32(clock.Unix()))
	answer.Token = m.Token
	s.reply(m, answer)
}

// Ping asks for a sign of life. done is called with nil at the next message
// of any kind, or with an Offline error when the session ends first.
func (s *Session) Ping(now time.Time, done func(error)) {
	s.pings = append(s.pings, done)
	if s.pinged == never {
		s.ping(now)
	}
}

func (s *Session) ping(now time.Time) {
	s.pinged = s.at(now)
	s.send(coap.Ping(s.id()))
}

// Pong steps the session, on TCP, with what the device said if that is a ping, and makes b the answer. It reports false, and
// has done nothing, when b is something else or there is more to do than to answer; then b is for Receive.
func (s *Session) Pong(now time.Time, b []byte) bool {
	if s.udp != nil || !s.greeted || len(s.pings) > 0 || !coap.Pong(b) {
		return false
	}
	s.heard, s.pinged = s.at(now), never
	return true
}

func (s *Session) answerPings() {
	pings := s.pings
	s.pings = nil
	for _, done := range pings {
		done(nil)
	}
}

// Signal makes the board shout rainbows, or stop. done is called once.
func (s *Session) Signal(now, deadline time.Time, on bool, done func(error)) {
	s.request(deadline, func(id uint16, token byte) coap.Message {
		return coap.SignalMessage(id, token, on)
	}, func(_ time.Time, m coap.Message) bool {
		done(refusal(m))
		return false
	}, done)
}

func (s *Session) onGoodbye(m coap.Message) error {
	g, err := coap.ParseGoodbye(m)
	if err != nil {
		return fmt.Errorf("goodbye: %w", err)
	}
	if m.Type == coap.Confirmable {
		s.reply(m, coap.Ack(m.ID))
	}
	if s.udp != nil {
		s.leave()
		s.udp.left = true
	}
	s.effects = append(s.effects, Left{Goodbye: g})
	return nil
}

// codeFor says by which code a confirmable publish that failed is refused.
func codeFor(err error) codes.Code {
	switch cloud.KindOf(err) {
	case cloud.Limited:
		return codes.TooManyRequests
	case cloud.Permission, cloud.Invalid:
		return codes.BadRequest
	}
	return codes.ServiceUnavailable
}
