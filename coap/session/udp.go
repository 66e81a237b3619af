package session

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"localcloud/cloud"
	"localcloud/coap"
	"localcloud/keys"
)

// Timing over UDP. A device sends a message again after 4 s times 1.0 to 1.5, doubling, and gives up after the fourth
// transmission; so do we (device-os communication/src/coap_channel.h).
const (
	firstWait     = 4 * time.Second
	transmissions = 4

	// anonymousLimit is how long a session may be without Hello; devices send Hello for 60 to 90 s.
	anonymousLimit = 100 * time.Second
	// refusedPause is how long a Hello is not looked at after one was refused: devices wait longer, and each costs a line in the log.
	refusedPause = 2 * time.Second
	// knownLimit is how long a client with a registered key may be silent without Hello.
	knownLimit = 10 * time.Minute

	// How often a device says something when there is nothing to say, unless its application chose another interval
	// (device-os HAL_PLATFORM_DEFAULT_CLOUD_KEEPALIVE_INTERVAL).
	keepAliveWiFi     = 25 * time.Second
	keepAliveCellular = 23 * time.Minute
	// keepAliveMost bounds what we learn from a device.
	keepAliveMost = 4 * time.Hour

	// eventsAtOnce is how many events may be unacknowledged by a device, eventsWaiting how many wait behind them; what
	// is more is refused, and counted by the Hub.
	eventsAtOnce  = 4
	eventsWaiting = 64
)

// reliability is what a Session over UDP has beyond one over TCP: messages that are sent again, and silence that
// means nothing until a keep-alive is missing.
//
//	         a record            1.5 keep-alives of silence        nobody answered
//	online ───────────▶ online ─────────────────────────▶ asked ──────────────────▶ away
//	                                                        │  a record               │  a record
//	online ◀────────────────────────────────────────────────┘                         │
//	online ◀──────────────────────────────────── Returned ────────────────────────────┘
//
// A device that is away keeps its session: it may be asleep, and goes on where it was.
type reliability struct {
	unacked   []unacked      // ours, each until it is acknowledged; bounded by maxInFlight, eventsAtOnce and one ping
	events    []coap.Message // not sent yet; see eventsWaiting
	asking    coap.Message   // the Hello that waits for Admit or Refuse
	hello     *coap.Hello    // what it says; nil: none waits
	ask       func() bool    // Config.Known
	known     *bool          // what it said; nil: not asked
	refused   time.Time      // when the last Hello was refused
	keepAlive time.Duration  // how long the device may be silent
	away      bool           // it said goodbye, or did not answer
	left      bool           // it said goodbye; what it acknowledges after that does not bring it back
}

// unacked is a confirmable message of ours.
type unacked struct {
	id      uint16
	event   bool
	message []byte
	first   time.Time // when it was sent first, more or less
	again   time.Time // when it is sent again, or given up; zero: it has not been in a Tick yet
	wait    time.Duration
	sent    int
}

// Asked is an effect on UDP: a device said Hello. The owner compares id and key with the registry and
// calls Admit or Refuse, in this or a later step. Nothing is sent to the device before that.
type Asked struct{ Device keys.DeviceID }

// Returned is an effect on UDP: a device that was away is here again, without Hello.
type Returned struct{}

// Silent is an effect on UDP: the device does not answer. Its session goes on when it does.
type Silent struct{}

func (Asked) effect()    {}
func (Returned) effect() {}
func (Silent) effect()   {}

// beforeHello takes Hello. Others get nothing, but a client with a known key the time.
func (s *Session) beforeHello(now time.Time, kind coap.Kind, m coap.Message) error {
	if kind == coap.KindHello && now.Sub(s.udp.refused) < refusedPause {
		return fmt.Errorf("%w: Hello again %v after it was refused", errProtocol, now.Sub(s.udp.refused))
	}
	reply, again := s.seen(now, m.ID)
	switch {
	case again:
		if reply != nil {
			s.outbox = append(s.outbox, reply)
		}
		return nil
	case kind == coap.KindTime && s.isKnown():
		s.tellTime(now, m)
		return nil
	case kind != coap.KindHello:
		return fmt.Errorf("%w: %w but %s", errProtocol, errFirst, m)
	}
	h, err := coap.ParseHello(m.Payload)
	if err != nil || len(h.DeviceID) != len(keys.DeviceID{}) {
		return fmt.Errorf("%w: hello without a device id", errProtocol)
	}
	m.Payload, m.Options, m.Token = nil, nil, slices.Clone(m.Token) // which are part of the link's buffer
	s.udp.asking, s.udp.hello = m, &h
	s.effects = append(s.effects, Asked{Device: keys.DeviceID(h.DeviceID)})
	return nil
}

func (s *Session) isKnown() bool {
	if s.udp.known == nil {
		known := s.udp.ask != nil && s.udp.ask()
		s.udp.known = &known
	}
	return *s.udp.known
}

// asks reports whether a Hello of that device waits for Admit or Refuse.
func (s *Session) asks(id keys.DeviceID) bool {
	return s.udp.hello != nil && keys.DeviceID(s.udp.hello.DeviceID) == id
}

// Admit lets the device of the last Asked in, as what cfg says of it: only Device, Name and IP are taken.
func (s *Session) Admit(now time.Time, cfg Config) {
	if s.udp.hello == nil {
		return
	}
	s.device, s.name, s.ip = cfg.Device, cfg.Name, cfg.IP
	s.udp.ask = nil // nobody does any more
	h := *s.udp.hello
	s.udp.hello = nil
	s.welcome(now, s.udp.asking, h)
}

// Refuse leaves the device of the last Asked without an answer. It says Hello again, and may be admitted then.
func (s *Session) Refuse() {
	s.udp.hello = nil
	s.udp.refused = s.when(s.heard)
	s.answers.forget(s.udp.asking.ID)
}

// Unanswered forgets a message of the device that its owner could not take in, so that the device's
// next transmission of it counts as the first.
func (s *Session) Unanswered(message uint16) { s.answers.forget(message) }

// begin learns what can be learned from a Hello.
func (r *reliability) begin(h coap.Hello) {
	r.away, r.left = false, false
	if r.keepAlive == 0 {
		r.keepAlive = keepAliveWiFi
		if h.HasPlatform && isCellular(h.PlatformID) {
			r.keepAlive = keepAliveCellular
		}
	}
}

// isCellular reports a platform whose devices may be on a cellular network.
func isCellular(platform uint16) bool {
	switch platform {
	case 10, 13, 23, 25, 26, 28, 35, 37: // Electron, Boron, B-SoM, B5-SoM, Tracker, Tracker M, M-SoM, Electron 2
		return true
	}
	return false
}

// vitalsEvery is how often a device is asked for its diagnostics: rarely where every byte is paid for.
func (s *Session) vitalsEvery() time.Duration {
	if s.udp != nil && isCellular(s.hello.PlatformID) {
		return 24 * s.vitals
	}
	return s.vitals
}

// observe learns a keep-alive interval that an application has chosen: the device pinged, or came back,
// after a longer silence than we know of.
func (r *reliability) observe(silence time.Duration, ping bool) {
	if (ping || r.away) && silence > r.keepAlive && r.keepAlive > 0 {
		r.keepAlive = min(silence, keepAliveMost)
	}
}

// sent notes a confirmable message of ours.
func (r *reliability) sent(id uint16, b []byte) {
	wait := firstWait + time.Duration(rand.Int64N(int64(firstWait/2)))
	r.unacked = append(r.unacked, unacked{id: id, message: b, wait: wait, sent: 1})
}

// arrived ends the repetition of what the device has: m acknowledges it, or answers the request in it.
func (s *Session) arrived(now time.Time, m coap.Message) {
	if s.udp == nil {
		return
	}
	id := m.ID
	if m.Type == coap.Confirmable || m.Type == coap.NonConfirmable {
		e := s.match(m)
		if e == nil {
			return
		}
		id = e.id
	}
	s.udp.unacked = slices.DeleteFunc(s.udp.unacked, func(u unacked) bool { return u.id == id })
	s.pump()
	if len(s.udp.unacked) == 0 {
		s.udp.unacked = nil // as it is nearly always
	}
}

// queueEvent sends an event when few enough are unacknowledged.
func (s *Session) queueEvent(m coap.Message) bool {
	if len(s.udp.events) >= eventsWaiting || s.udp.away {
		return false
	}
	s.udp.events = append(s.udp.events, m)
	s.pump()
	return true
}

// pump sends events that wait. Their ids were drawn when they came, so they are sent in the order of their ids.
func (s *Session) pump() {
	under := 0
	for _, u := range s.udp.unacked {
		if u.event {
			under++
		}
	}
	for ; len(s.udp.events) > 0 && under < eventsAtOnce; under++ {
		m := s.udp.events[0]
		s.udp.events = s.udp.events[1:]
		s.send(m)
		s.udp.unacked[len(s.udp.unacked)-1].event = true
	}
	if len(s.udp.events) == 0 {
		s.udp.events = nil
	}
}

// tickUDP is Tick for UDP.
func (s *Session) tickUDP(now time.Time) error {
	if !s.greeted {
		if !now.Before(s.deadlineUDP()) {
			return ErrNoHello
		}
		return nil
	}
	if s.udp.away {
		s.expire(now) // tokens that are reserved
		return nil
	}
	if s.toAsk() && s.quiet(now) >= s.silence() {
		s.ping(now)
	}
	s.describeTick(now)
	s.expire(now)
	s.repeat(now)
	return nil
}

// toAsk reports whether a ping is the way to know that a silent device is there: nothing else is under way.
func (s *Session) toAsk() bool { return s.pinged == never && len(s.udp.unacked) == 0 }

// silence is how long a device may say nothing before it is asked.
func (s *Session) silence() time.Duration { return s.udp.keepAlive * 3 / 2 }

// repeat sends again what is due, and gives up what was sent often enough: when nothing at all came since, the device
// is away.
func (s *Session) repeat(now time.Time) {
	var lost []unacked
	s.udp.unacked = slices.DeleteFunc(s.udp.unacked, func(u unacked) bool {
		over := u.sent >= transmissions && !u.again.IsZero() && !now.Before(u.again)
		if over {
			lost = append(lost, u)
		}
		return over
	})
	for i := range s.udp.unacked {
		u := &s.udp.unacked[i]
		switch {
		case u.again.IsZero():
			u.first, u.again = now, now.Add(u.wait)
		case !now.Before(u.again):
			s.outbox = append(s.outbox, u.message)
			u.sent++
			u.wait *= 2
			u.again = now.Add(u.wait)
		}
	}
	for _, u := range lost {
		s.giveUp(now, u)
	}
	s.pump()
}

func (s *Session) giveUp(now time.Time, u unacked) {
	if e := s.byID(u.id); e != nil {
		s.end(e, now.Add(lateFor))
		e.fail(cloud.Errorf("", cloud.Timeout, "the device did not acknowledge the request"))
	}
	if !s.when(s.heard).After(u.first) && !s.udp.away {
		s.leave()
		s.effects = append(s.effects, Silent{})
	}
}

// returns notes that a device that was away is here.
func (s *Session) returns(m coap.Message) {
	if !s.udp.away || s.udp.left && m.Type != coap.Confirmable && m.Type != coap.NonConfirmable {
		return
	}
	s.udp.away, s.udp.left = false, false
	s.effects = append(s.effects, Returned{})
}

// leave ends what is under way with a device that is away.
func (s *Session) leave() {
	s.udp.away = true
	s.udp.unacked, s.udp.events = nil, nil
	s.pinged = never
	s.failAll(cloud.Errorf("", cloud.Offline, "the device does not answer"))
}

// deadlineUDP is Deadline for UDP.
func (s *Session) deadlineUDP() time.Time {
	if !s.greeted {
		if s.udp.known != nil && *s.udp.known {
			return s.when(s.heard).Add(knownLimit)
		}
		return s.started.Add(anonymousLimit)
	}
	next := s.exchangeDeadline()
	if s.udp.away {
		return next
	}
	if s.toAsk() {
		next = sooner(next, s.when(s.heard).Add(s.silence()))
	}
	next = sooner(next, s.describeDeadline())
	for i := range s.udp.unacked {
		u := &s.udp.unacked[i]
		if u.again.IsZero() {
			return s.when(s.heard) // at once: its time is set in Tick
		}
		next = sooner(next, u.again)
	}
	return next
}

// sooner returns the earlier of two times, each of which may be zero for never.
func sooner(a, b time.Time) time.Time {
	if a.IsZero() {
		return b
	}
	return earlier(a, b)
}
