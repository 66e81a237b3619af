package session

import (
	"slices"
	"time"

	"github.com/plgd-dev/go-coap/v3/message/codes"

	"localcloud/cloud"
	"localcloud/coap"
)

const (
	// maxInFlight bounds the requests under way with one device; more are refused.
	maxInFlight = 64
	// lateFor is how long the token of a request that was given up stays
	// reserved: a device has no time limit for a function's result.
	lateFor = 10 * time.Minute
)

// exchange is one request of ours under way. It is matched by token; by
// message id only where the device answers without one.
type exchange struct {
	id       uint16
	token    byte
	deadline time.Time // when it is given up; zero: never
	over     bool      // given up or answered; the token is reserved until deadline

	// answer takes the device's answer. It returns true when the exchange goes
	// on: an empty ACK comes before a separate response, a describe may come in two parts.
	answer func(now time.Time, m coap.Message) (more bool)
	fail   func(err error)
}

// exchanges numbers our messages and keeps what is under way in both directions.
type exchanges struct {
	nextID    uint16
	nextToken byte
	open      []*exchange   // one for each token in use; few, so a list
	inFlight  int           // exchanges that are not over
	pings     []func(error) // callers that wait for a sign of life

	answers seen // to the device's messages
}

// id returns the next message id.
func (x *exchanges) id() uint16 {
	x.nextID++
	return x.nextID
}

// freeToken returns a token that nothing uses. Tokens of requests that were
// given up are the last resort, the one whose time is nearest first.
func (x *exchanges) freeToken() (byte, bool) {
	if x.inFlight >= maxInFlight {
		return 0, false
	}
	var used [256]bool
	var oldest *exchange
	for _, e := range x.open {
		used[e.token] = true
		if e.over && (oldest == nil || e.deadline.Before(oldest.deadline)) {
			oldest = e
		}
	}
	for range used {
		x.nextToken++
		if !used[x.nextToken] {
			return x.nextToken, true
		}
	}
	x.remove(oldest) // at most maxInFlight of 256 are not over, so there is one
	return oldest.token, true
}

func (x *exchanges) remove(e *exchange) {
	x.open = slices.DeleteFunc(x.open, func(o *exchange) bool { return o == e })
}

// request sends a message built with a fresh id and token and waits for the
// answer until deadline. When no token is free it fails at once.
func (s *Session) request(
	deadline time.Time, build func(id uint16, token byte) coap.Message,
	answer func(now time.Time, m coap.Message) bool, fail func(error),
) {
	token, ok := s.freeToken()
	if !ok {
		fail(cloud.Errorf("", cloud.Limited, "%d requests are under way with this device", s.inFlight))
		return
	}
	e := &exchange{id: s.id(), token: token, deadline: deadline, answer: answer, fail: fail}
	s.open = append(s.open, e)
	s.inFlight++
	s.send(build(e.id, token))
}

// end closes an exchange. Its token stays reserved until the given time; zero frees it.
func (s *Session) end(e *exchange, reserve time.Time) {
	if !e.over {
		e.over = true
		s.inFlight--
	}
	e.deadline = reserve
	if reserve.IsZero() {
		s.remove(e)
	}
}

// onAnswer matches an ACK or a response to its request, and acknowledges it
// where it asks for that. What matches nothing is late or a duplicate: it is dropped.
func (s *Session) onAnswer(now time.Time, m coap.Message) {
	if m.Type == coap.Confirmable {
		s.reply(m, coap.Ack(m.ID))
	}
	e := s.match(m)
	if e == nil {
		return
	}
	if e.over {
		s.end(e, time.Time{}) // the late answer came: nothing else will
		return
	}
	if m.Code == codes.Empty {
		return // "I have it": the answer itself comes separately
	}
	if !e.answer(now, m) {
		s.end(e, time.Time{})
	}
}

// match finds the request that m answers. On TCP the ACKs of pings and
// signals carry the device's own next id, so the token goes first.
func (s *Session) match(m coap.Message) *exchange {
	if len(m.Token) == 1 {
		i := slices.IndexFunc(s.open, func(e *exchange) bool { return e.token == m.Token[0] })
		if i < 0 {
			return nil
		}
		return s.open[i]
	}
	if m.Type != coap.Acknowledgement || len(m.Token) != 0 || m.Code == codes.Empty {
		return nil
	}
	return s.byID(m.ID)
}

func (s *Session) byID(id uint16) *exchange {
	i := slices.IndexFunc(s.open, func(e *exchange) bool { return !e.over && e.id == id })
	if i < 0 {
		return nil
	}
	return s.open[i]
}

func (s *Session) onReset(m coap.Message) {
	if e := s.byID(m.ID); e != nil {
		s.end(e, time.Time{})
		e.fail(cloud.Errorf("", cloud.Refused, "the device reset the request"))
	}
}

// expire gives up requests whose time is over and frees reserved tokens.
func (s *Session) expire(now time.Time) {
	for _, e := range slices.Clone(s.open) {
		if e.deadline.IsZero() || now.Before(e.deadline) {
			continue
		}
		if e.over {
			s.end(e, time.Time{})
			continue
		}
		s.end(e, now.Add(lateFor))
		e.fail(cloud.E("", cloud.Timeout, nil))
	}
}

func (s *Session) exchangeDeadline() time.Time {
	var next time.Time
	for _, e := range s.open {
		if !e.deadline.IsZero() && (next.IsZero() || e.deadline.Before(next)) {
			next = e.deadline
		}
	}
	return next
}

func (s *Session) failAll(err error) {
	for _, e := range slices.Clone(s.open) {
		if !e.over {
			s.end(e, time.Time{})
			e.fail(err)
		}
	}
	pings := s.pings
	s.pings = nil
	for _, done := range pings {
		done(err)
	}
}

// seen reports whether the device sent this id a short while ago, and the reply it got then. A new id is remembered.
func (s *Session) seen(now time.Time, id uint16) (reply []byte, again bool) {
	return s.answers.lookUp(s.seconds(now), id)
}

// seconds is the time for answers.
func (s *Session) seconds(now time.Time) uint32 { return uint32(now.Sub(s.started) / time.Second) }

// reply sends the answer to a message of the device and keeps it for duplicates.
func (s *Session) reply(to, answer coap.Message) {
	s.answers.replied(to.ID, s.send(answer))
}

// send encodes a message into the outbox. Only messages of ours come
// here, so one that cannot be encoded is our bug.
func (s *Session) send(m coap.Message) []byte {
	b, err := m.Append(nil)
	if err != nil {
		panic("session: cannot encode " + m.String() + ": " + err.Error())
	}
	s.outbox = append(s.outbox, b)
	if s.udp != nil && m.Type == coap.Confirmable {
		s.udp.sent(m.ID, b)
	}
	return b
}
