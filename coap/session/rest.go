package session

import (
	"encoding/binary"
	"runtime"
	"slices"
	"sync"
	"time"
	"weak"

	"localcloud/coap"
)

// A session that has nothing under way rests: nearly all boards, nearly always. What it has to know then fits into
// a tenth of a Session, of which its owner makes a new one when anything comes, over TCP anything but a ping:
//
//	                    nothing is under way
//	Session ─────────────────────────────────────▶ resting ──▶ board, shared by all that are of one kind
//	        ◀─────────────────────────────────────
//	          a message, a command, a deadline

// resting is what one session knows while it rests.
type resting struct {
	board     *board // nil: the session does not rest
	name      string
	answers   string // see seen.pack
	heard     moment
	metricsAt moment
	keepAlive time.Duration
	nextID    uint16
	nextToken byte
	away      bool
	left      bool
}

// board is what a session knows of its device that is the same for many: those of one kind with the same firmware share it.
// It never changes.
type board struct {
	hello coap.Hello
	known abilities
	subs  []coap.Subscription
}

// rest returns what a session is made of again by wake, if nothing is under way with it.
func (s *Session) rest(now time.Time, boards *boards) (r resting, ok bool) {
	if !s.mayRest() {
		return r, false
	}
	if s.board == nil {
		s.board = boards.share(s.hello, s.describing.known, s.subs)
	}
	r = resting{
		board: s.board, name: s.name, answers: s.answers.pack(s.seconds(now)), heard: s.heard, metricsAt: s.describing.metricsAt,
		nextID: s.nextID, nextToken: s.nextToken,
	}
	if u := s.udp; u != nil {
		r.keepAlive, r.away, r.left = u.keepAlive, u.away, u.left
	}
	return r, true
}

// mayRest reports whether all that the session has to know is in a resting.
func (s *Session) mayRest() bool {
	d, u := &s.describing, s.udp
	return s.greeted && !s.closed && len(s.open) == 0 && len(s.pings) == 0 && len(s.waiting) == 0 && s.pinged == never &&
		len(s.outbox) == 0 && len(s.effects) == 0 && d.askAt == never && !d.asked && d.arriving == nil &&
		(u == nil || len(u.unacked) == 0 && len(u.events) == 0 && u.hello == nil)
}

// wake makes the session again, which began at started. Of cfg it takes Device, IP, Clock, Vitals and UDP.
func (r *resting) wake(started time.Time, cfg Config) *Session {
	b := r.board
	s := &Session{
		device: cfg.Device, name: r.name, ip: cfg.IP, clock: cfg.Clock, vitals: cfg.Vitals, words: cfg.words,
		board: b, hello: b.hello, greeted: true, subs: b.subs, started: started, heard: r.heard,
		describing: describing{known: b.known, metricsAt: r.metricsAt},
	}
	if cfg.UDP {
		s.udp = &reliability{keepAlive: r.keepAlive, away: r.away, left: r.left}
	}
	s.nextID, s.nextToken = r.nextID, r.nextToken
	s.answers.unpack(r.answers)
	return s
}

// pong is Session.Pong, of a session over TCP that began at started.
func (r *resting) pong(started, now time.Time, b []byte) bool {
	if !coap.Pong(b) {
		return false
	}
	r.heard = momentOf(started, now)
	return true
}

// deadline is Session.Deadline, of a session over TCP that began at started.
func (r *resting) deadline(started time.Time) time.Time {
	return earlier(r.heard.since(started).Add(quietLimit), r.metricsAt.since(started))
}

// changed says that what the session knows of its device is not what the board says that it rested with.
func (s *Session) changed() { s.board = nil }

// boards are all kinds of boards of which a session rests.
type boards struct {
	mu    sync.Mutex
	known map[string]weak.Pointer[board] // by all that is in it
}

// share returns the board that says this.
func (bs *boards) share(hello coap.Hello, known abilities, subs []coap.Subscription) *board {
	text := appendBoard([]byte{known.flags()}, hello, known, subs)
	bs.mu.Lock()
	defer bs.mu.Unlock()
	if b := bs.known[string(text)].Value(); b != nil {
		return b
	}
	b := &board{hello: hello, known: known, subs: slices.Clip(subs)}
	if bs.known == nil {
		bs.known = make(map[string]weak.Pointer[board])
	}
	bs.known[string(text)] = weak.Make(b)
	runtime.AddCleanup(b, bs.forget, string(text))
	return b
}

// forget lets a kind go that no session is of any more.
func (bs *boards) forget(text string) {
	bs.mu.Lock()
	defer bs.mu.Unlock()
	if bs.known[text].Value() == nil {
		delete(bs.known, text)
	}
}

// pack returns the ids that still count, the oldest first, each as
//
//	at(4) id(2) code(1) kind(1)   and, if it is answered, length(varint) reply
//
// at is in seconds since the session began.
func (s *seen) pack(at uint32) string {
	var b []byte
	for i := range s.ring {
		r := s.ring[(s.at+i)%len(s.ring)]
		if r.reply == forgotten || !r.recent(at) {
			continue
		}
		b = binary.BigEndian.AppendUint32(b, r.at)
		b = append(binary.BigEndian.AppendUint16(b, r.id), r.code, byte(r.reply))
		if r.reply == answered {
			b = appendPart(b, s.replyOf(r))
		}
	}
	return string(b)
}

// unpack takes in what pack returned.
func (s *seen) unpack(packed string) {
	const size = 8
	for b := []byte(packed); len(b) > 0; {
		r := seenID{at: binary.BigEndian.Uint32(b), id: binary.BigEndian.Uint16(b[4:]), code: b[6], reply: replyKind(b[7])}
		b = b[size:]
		if r.reply == answered {
			var reply []byte
			reply, b, _ = cutPart(b) // pack wrote it
			s.long = append(s.long, longReply{r.id, string(reply)})
		}
		s.ring = append(s.ring, r)
	}
}
