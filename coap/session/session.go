package session

import (
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/plgd-dev/go-coap/v3/message/codes"

	"localcloud/cloud"
	"localcloud/coap"
	"localcloud/keys"
)

// Timing of a session over TCP (device-os: a device pings after 15 s
// without a message from us and gives up 10 s later).
const (
	helloTimeout = 20 * time.Second // from the end of the handshake to Hello
	quietLimit   = 25 * time.Second // silence after which we ping
	deadLimit    = 45 * time.Second // silence after which the device is gone
)

// Config is what a Session knows from the beginning.
type Config struct {
	Device keys.DeviceID
	Name   string           // the device's name, for devices that ask
	IP     string           // the address it comes from, for devices that ask
	Clock  func() time.Time // the cloud's time, for devices that ask; nil: the time of the step
	Vitals time.Duration    // how often the device is asked for its diagnostics; 0: never
	Rand   io.Reader        // first message id and token; nil: crypto/rand

	words *words // what descriptions of other devices meant; nil: it is found out anew

	// UDP says that messages can get lost: ours are sent again until the device acknowledges them, and Hello
	// becomes an Asked effect, as only it says which device this is. See udp.go.
	UDP bool
	// Known reports, on UDP, whether the key of the link belongs to a device that is registered. Such a
	// client may ask for the time before it says Hello. It is called at most once; nil: it does not.
	Known func() bool
}

// Session is the conversation with one device. The zero value is not usable; see New.
type Session struct {
	device   keys.DeviceID
	greeted  bool
	closed   bool
	name, ip string
	clock    func() time.Time // nil: the time of the step
	vitals   time.Duration
	board    *board // what the session knew of its device when it rested last; nil: that has changed since. See rest.go
	words    *words // nil: none
	hello    coap.Hello

	udp *reliability // nil on TCP

	exchanges
	describing describing
	waiting    []waiter // requests that wait for the describe
	subs       []coap.Subscription

	started time.Time
	heard   moment // last message from the device
	pinged  moment // our last ping; never: heard since

	outbox  [][]byte
	effects []Effect
}

// Effect is something the cloud should know or do. The owner takes effects
// with Effects after each step, in order.
type Effect interface{ effect() }

// Arrived says that the device said Hello; it has been answered. A second
// Arrived in one session means that the device began anew: its subscriptions are gone.
type Arrived struct{ Hello coap.Hello }

// Described says what the device can do: one of the parts of its describe, or all of them.
type Described struct{ Describe coap.Describe }

// Published is an event of the device. When Confirmable, the owner calls
// Acknowledge with Message once the event is committed or refused.
type Published struct {
	Event       coap.Event
	Message     uint16
	Confirmable bool
}

// Subscribed carries the whole set of the device's subscriptions.
type Subscribed struct{ Subscriptions []coap.Subscription }

// ClaimShown says that the device showed a claim code, as it does after each
// Hello until Claimed is called. The code is a secret.
type ClaimShown struct{ Code cloud.ClaimCode }

// Left says that the device is about to disconnect on purpose.
type Left struct{ Goodbye coap.Goodbye }

func (Arrived) effect()    {}
func (Described) effect()  {}
func (Published) effect()  {}
func (Subscribed) effect() {}
func (ClaimShown) effect() {}
func (Left) effect()       {}

// Reasons for which a session ends.
var (
	ErrNoHello  = errors.New("no Hello from the device")
	ErrSilent   = errors.New("nothing heard from the device")
	ErrClosed   = errors.New("the connection is closed")
	ErrStopping = errors.New("the cloud is stopping")

	// errProtocol marks what the device did wrong; errFirst that it did not begin
	// with Hello, errFrame that it sent what is no frame of its link.
	errProtocol = errors.New("protocol error")
	errFirst    = errors.New("not a Hello")
	errFrame    = errors.New("unreadable frame")
)

// New returns a session that waits for Hello.
func New(now time.Time, cfg Config) *Session {
	if cfg.Rand == nil {
		cfg.Rand = rand.Reader
	}
	var first [3]byte
	if _, err := io.ReadFull(cfg.Rand, first[:]); err != nil {
		panic("session: no randomness: " + err.Error()) // crypto/rand never fails
	}
	s := &Session{device: cfg.Device, name: cfg.Name, ip: cfg.IP, clock: cfg.Clock, vitals: cfg.Vitals, words: cfg.words, started: now, heard: outset}
	if cfg.UDP {
		s.udp = &reliability{ask: cfg.Known}
	}
	s.nextID, s.nextToken = binary.BigEndian.Uint16(first[:]), first[2]
	return s
}

// Outbox returns the messages to send, in order, and forgets them. The slices belong to the caller.
func (s *Session) Outbox() [][]byte {
	out := s.outbox
	s.outbox = nil
	return out
}

// Effects returns what the cloud should know, in order, and forgets it.
func (s *Session) Effects() []Effect {
	out := s.effects
	s.effects = nil
	return out
}

// Receive steps the session with one message from the device. b may be reused
// afterwards. An error says that the message cannot be parsed or breaks the protocol. On TCP it
// ends the session; on UDP the message was dropped, and nothing else happens.
func (s *Session) Receive(now time.Time, b []byte) error {
	m, err := coap.Parse(b)
	if err != nil {
		return fmt.Errorf("%w: message of %d bytes: %w", errProtocol, len(b), err)
	}
	kind := m.Kind(coap.FromDevice)
	if s.udp != nil {
		s.udp.observe(s.quiet(now), kind == coap.KindPing)
	}
	s.heard, s.pinged = s.at(now), never
	s.answerPings()
	if s.udp != nil && !s.greeted {
		return s.beforeHello(now, kind, m)
	}
	if !s.greeted && kind != coap.KindHello {
		if kind == coap.KindPing {
			s.send(coap.Ack(m.ID))
			return nil
		}
		return fmt.Errorf("%w: %w but %s", errProtocol, errFirst, m)
	}
	// A ping that comes twice gets the same answer again without being remembered.
	if kind != coap.KindPing && (m.Type == coap.Confirmable || m.Type == coap.NonConfirmable) {
		if reply, again := s.seen(now, m.ID); again && (kind != coap.KindHello || s.udp != nil) {
			if reply != nil {
				s.outbox = append(s.outbox, reply)
			}
			return nil
		}
	}
	if s.udp != nil {
		s.returns(m)
	}
	if err := s.handle(now, kind, m); err != nil {
		return fmt.Errorf("%w: %w", errProtocol, err)
	}
	return nil
}

// handle is the one dispatcher of what devices say.
func (s *Session) handle(now time.Time, kind coap.Kind, m coap.Message) error {
	switch kind {
	case coap.KindHello:
		return s.onHello(now, m)
	case coap.KindDescribe:
		return s.onDescribe(now, m)
	case coap.KindEvent:
		return s.onEvent(now, m)
	case coap.KindSubscribe:
		return s.onSubscribe(m)
	case coap.KindTime:
		return s.onTime(now, m)
	case coap.KindPing:
		s.send(coap.Ack(m.ID))
	case coap.KindGoodbye:
		return s.onGoodbye(m)
	case coap.KindEmptyAck, coap.KindResponse:
		s.arrived(now, m)
		s.onAnswer(now, m)
	case coap.KindReset:
		s.arrived(now, m)
		s.onReset(m)
	default:
		s.refuse(m)
	}
	return nil
}

// refuse answers what this server does not speak: never a reset, which would
// cost a device its session, but 4.04 with the request's token.
func (s *Session) refuse(m coap.Message) {
	if m.Type == coap.Confirmable {
		s.reply(m, coap.AckCode(m.ID, m.Token, codes.NotFound))
	}
}

// Tick steps the session with time alone. An error ends the session.
func (s *Session) Tick(now time.Time) error {
	if s.udp != nil {
		return s.tickUDP(now)
	}
	if !s.greeted {
		if now.Sub(s.started) >= helloTimeout {
			return ErrNoHello
		}
		return nil
	}
	silence := s.quiet(now)
	if silence >= deadLimit {
		return ErrSilent
	}
	if silence >= quietLimit && s.pinged == never {
		s.ping(now)
	}
	s.describeTick(now)
	s.expire(now)
	return nil
}

// Deadline returns when Tick is due; zero, on UDP: never.
func (s *Session) Deadline() time.Time {
	if s.udp != nil {
		return s.deadlineUDP()
	}
	if !s.greeted {
		return s.started.Add(helloTimeout)
	}
	heard := s.when(s.heard)
	next := heard.Add(deadLimit)
	if s.pinged == never {
		next = heard.Add(quietLimit)
	}
	next = earlier(next, s.describeDeadline())
	return earlier(next, s.exchangeDeadline())
}

// earlier returns the earlier of two times, of which the second may be zero for never.
func earlier(a, b time.Time) time.Time {
	if b.IsZero() || a.Before(b) {
		return a
	}
	return b
}

// Close fails every request under way with an Offline error that wraps err.
func (s *Session) Close(err error) {
	s.closed = true
	s.failAll(cloud.E("", cloud.Offline, err))
	waiting := s.waiting
	s.waiting = nil
	for _, w := range waiting {
		w.fail(cloud.E("", cloud.Offline, err))
	}
}

// Rename tells the session the device's name.
func (s *Session) Rename(name string) { s.name = name }
