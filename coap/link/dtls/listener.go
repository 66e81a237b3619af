package dtls

import (
	"context"
	"crypto/ecdsa"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"runtime"
	"sync"
	"sync/atomic"
	"time"
	"unique"

	"localcloud/keys"
)

// PacketConn is what a Listener needs of a socket; *net.UDPConn is one.
type PacketConn interface {
	ReadFromUDPAddrPort(b []byte) (n int, from netip.AddrPort, err error)
	WriteToUDPAddrPort(b []byte, to netip.AddrPort) (n int, err error)
	LocalAddr() net.Addr
	Close() error
}

// answering is a PacketConn that knows to which address of the machine a datagram came, and answers from there.
type answering interface {
	PacketConn
	readFromTo(b, control []byte) (n int, from netip.AddrPort, to netip.Addr, err error)
	writeFrom(b []byte, to netip.AddrPort, from netip.Addr) error
}

// Config is what a Listener needs to know.
type Config struct {
	Key *ecdsa.PrivateKey // the server's, on P-256
	// Keys, if set, is asked at each handshake in place of Key: for the key, and for one that is being rotated out, nil when
	// there is none.
	Keys func() (key, old *ecdsa.PrivateKey)
	// HoldsOld, if set, tells whether the board at an address is known to hold the key that is being rotated out.
	HoldsOld func(netip.Addr) bool

	// Open takes in the session of a handshake that has just ended, and returns who gets what comes for it. It must not block.
	Open func(*Conn) Receiver
	// Failed, if set, hears of handshakes that did not end well. It must not block.
	Failed func(Failure)

	Logger *slog.Logger // nil: silent
}

// Listener serves one socket. One goroutine reads it: it finds the session of each datagram, decrypts, and hands the
// message to the session's Receiver. Handshakes are done by others, as many as half of the processors, so that sessions go
// on while any number of devices return; see handshakes.go.
type Listener struct {
	cfg        Config
	socket     PacketConn
	logger     *slog.Logger
	cookies    cookies
	handshakes []*handshaker
	buffers    sync.Pool // of *[]byte, for datagrams to send
	counts     counts
	rotation   rotation
	recent     recent
	awake      awake
	began      time.Time
	closing    atomic.Bool

	cameTo localAddr // our address that the datagram under way came to; only Serve's goroutine uses it

	mu        sync.RWMutex
	byCID     map[CID]*Conn            // all sessions
	byAddress map[netip.AddrPort]*Conn // those without CID in their records, by where the newest came from
	byID      map[keys.DeviceID]*Conn  // those without CID in their records, once bound
}

// NewListener returns a Listener that serves nothing until Serve.
func NewListener(socket PacketConn, cfg Config) *Listener {
	l := &Listener{
		cfg: cfg, socket: socket, logger: cfg.Logger, began: time.Now(), cameTo: unique.Make(netip.Addr{}),
		byCID: make(map[CID]*Conn), byAddress: make(map[netip.AddrPort]*Conn), byID: make(map[keys.DeviceID]*Conn),
	}
	if l.logger == nil {
		l.logger = slog.New(slog.DiscardHandler)
	}
	rand.Read(l.cookies.secret[:])
	l.buffers.New = func() any {
		b := make([]byte, 0, maxDatagram)
		return &b
	}
	for range max(1, runtime.GOMAXPROCS(0)/2) {
		l.handshakes = append(l.handshakes, newHandshaker(l))
	}
	return l
}

// Stats are a Listener's figures since it was made. What is dropped is dropped without a word on the wire.
type Stats struct {
	Sessions   int    `json:"sessions"`   // now
	Datagrams  uint64 `json:"datagrams"`  // that came
	KeepAlives uint64 `json:"keepalives"` // of one byte, which keep a way through a router open
	Cookies    uint64 `json:"cookies"`    // ClientHellos that were answered with a cookie and forgotten
	Begun      uint64 `json:"handshakes"` // with a good cookie
	Ended      uint64 `json:"completed"`  // of these
	Busy       uint64 `json:"busy"`       // datagrams dropped since handshakes took all the time there is for them
	Crowded    uint64 `json:"crowded"`    // handshakes given up for newer ones, since there were too many

	Unknown   uint64 `json:"unknown"`   // records dropped: of no session that we have
	Replayed  uint64 `json:"replayed"`  // records dropped: came before
	Forged    uint64 `json:"forged"`    // records dropped: not sealed with the session's key, of another epoch or type
	Malformed uint64 `json:"malformed"` // datagrams dropped: no DTLS
}

type counts struct {
	datagrams, keepAlives, cookies, begun, ended, busy, crowded, unknown, replayed, forged, malformed atomic.Uint64
}

// Stats returns the Listener's figures.
func (l *Listener) Stats() Stats {
	l.mu.RLock()
	sessions := len(l.byCID)
	l.mu.RUnlock()
	c := &l.counts
	return Stats{
		Sessions: sessions, Datagrams: c.datagrams.Load(), KeepAlives: c.keepAlives.Load(), Cookies: c.cookies.Load(),
		Begun: c.begun.Load(), Ended: c.ended.Load(), Busy: c.busy.Load(), Crowded: c.crowded.Load(), Unknown: c.unknown.Load(),
		Replayed: c.replayed.Load(), Forged: c.forged.Load(), Malformed: c.malformed.Load(),
	}
}

// Addr returns the address of the socket.
func (l *Listener) Addr() net.Addr { return l.socket.LocalAddr() }

// Serve reads the socket until ctx ends, and returns nil then. It closes the socket. Sessions are left as they are: they
// can be stored, and go on in another Listener.
func (l *Listener) Serve(ctx context.Context) error {
	var all sync.WaitGroup
	defer all.Wait()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stop := context.AfterFunc(ctx, func() {
		l.closing.Store(true)
		l.socket.Close()
	})
	defer stop()
	for _, h := range l.handshakes {
		all.Go(func() { h.run(ctx) })
	}
	buffer, control := make([]byte, maxDatagram+1), make([]byte, 128)
	for pause := time.Duration(0); ; {
		n, from, err := l.read(buffer, control)
		switch {
		case err == nil:
			pause = 0
			l.receive(buffer[:n], netip.AddrPortFrom(from.Addr().Unmap(), from.Port()))
		case l.closing.Load():
			return nil
		case errors.Is(err, net.ErrClosed):
			return err
		default: // such as a datagram that is too long, or what an unreachable address told us, on some systems
			pause = min(2*pause+time.Millisecond, time.Second)
			l.logger.Debug("udp socket", "err", err)
			time.Sleep(pause)
		}
	}
}

func (l *Listener) read(b, control []byte) (n int, from netip.AddrPort, err error) {
	if s, ok := l.socket.(answering); ok {
		n, from, to, err := s.readFromTo(b, control)
		if to != l.cameTo.Value() { // rare
			l.cameTo = unique.Make(to)
		}
		return n, from, err
	}
	return l.socket.ReadFromUDPAddrPort(b)
}

// receive takes one datagram, which it changes.
func (l *Listener) receive(datagram []byte, from netip.AddrPort) {
	l.counts.datagrams.Add(1)
	if len(datagram) == 1 {
		l.counts.keepAlives.Add(1)
		return
	}
	if len(datagram) < headerSize || len(datagram) > maxDatagram {
		l.counts.malformed.Add(1)
		return
	}
	datagram, move := normalize(datagram)
	kind, recordEpoch := datagram[0], binary.BigEndian.Uint16(datagram[3:])
	switch {
	case kind == typeHandshake || kind == typeChangeCipherSpec || kind == typeAlert && recordEpoch == 0:
		l.shakeHands(datagram, from)
	case kind == typeCID || kind == typeApplication || kind == typeAlert:
		l.deliver(datagram, from, move)
	default:
		l.counts.malformed.Add(1)
	}
}

// deliver takes the records of one session.
func (l *Listener) deliver(datagram []byte, from netip.AddrPort, move moved) {
	c := l.find(datagram, from, move)
	if c == nil {
		if datagram[0] == typeCID && l.handshakerOf(from).has(from) { // Finished, in a datagram of its own
			l.handshakerOf(from).queue(datagram, from)
			return
		}
		l.counts.unknown.Add(1)
		return
	}
	for len(datagram) > 0 {
		r, rest, err := parseRecord(datagram)
		if err != nil {
			l.counts.malformed.Add(1)
			return
		}
		datagram = rest
		kind, content, movedHere, err := c.open(&r, from)
		if err != nil {
			l.drop(err)
			l.sayReplayed(c, from, err)
			continue
		}
		if movedHere {
			l.move(c, from)
		}
		switch kind {
		case typeApplication:
			c.receiver.Receive(content)
		case typeAlert:
			if alert, ok := errors.AsType[Alert](alertOf(content)); ok {
				c.receiver.Closed(alert)
			}
		}
	}
}

func (l *Listener) drop(err error) {
	if errors.Is(err, errReplayed) {
		l.counts.replayed.Add(1)
		return
	}
	l.counts.forged.Add(1)
}

func (l *Listener) find(datagram []byte, from netip.AddrPort, move moved) *Conn {
	l.mu.RLock()
	defer l.mu.RUnlock()
	switch {
	case move.byID:
		return l.byID[move.id]
	case datagram[0] != typeCID:
		return l.byAddress[from]
	case len(datagram) < headerSize+cidSize:
		return nil
	}
	return l.byCID[CID(datagram[11:])]
}

// shakeHands takes a datagram that begins with a record in clear.
func (l *Listener) shakeHands(datagram []byte, from netip.AddrPort) {
	h := l.handshakerOf(from)
	r, _, err := parseRecord(datagram)
	if err != nil {
		l.counts.malformed.Add(1)
		return
	}
	hello, f, ok := readClientHello(&r)
	switch {
	case ok && !l.cookies.check(time.Now(), from, &hello):
		l.sendCookie(&r, f, &hello, from)
	case ok || h.has(from):
		h.queue(datagram, from)
	default:
		l.counts.unknown.Add(1)
	}
}

// readClientHello reads a record that is one whole ClientHello.
func readClientHello(r *record) (h clientHello, f fragment, ok bool) {
	if r.kind != typeHandshake || r.epoch != 0 {
		return h, f, false
	}
	f, rest, err := parseFragment(r.body)
	if err != nil || f.kind != msgClientHello || len(f.bytes) != f.length || len(rest) > 0 {
		return h, f, false
	}
	h, err = parseClientHello(f.bytes)
	return h, f, err == nil
}

// sendCookie answers a ClientHello and forgets it. The answer has 60 bytes, the shortest ClientHello more, and the
// record's number is that of the ClientHello, as nothing is remembered (RFC 6347 section 4.2.1).
func (l *Listener) sendCookie(r *record, f fragment, h *clientHello, from netip.AddrPort) {
	l.counts.cookies.Add(1)
	body := appendHelloVerifyRequest(nil, l.cookies.make(time.Now(), from, h))
	answer := record{kind: typeHandshake, number: r.number, body: appendMessage(nil, msgHelloVerifyRequest, f.sequence, body)}
	_ = l.send(answer.appendTo(nil), from, l.cameTo.Value())
}

// send sends a datagram, from one of our addresses if it is valid.
func (l *Listener) send(datagram []byte, to netip.AddrPort, from netip.Addr) error {
	if !to.IsValid() {
		return errNowhere
	}
	if s, ok := l.socket.(answering); ok && from.IsValid() {
		return s.writeFrom(datagram, to, from)
	}
	_, err := l.socket.WriteToUDPAddrPort(datagram, to)
	return err
}

var errNowhere = errors.New("dtls: the device's address is not known")

// add takes a session into the tables. One without CID takes the place of another at its address.
func (l *Listener) add(c *Conn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.byCID[c.session.cid] = c
	if !c.session.useCID && c.address.IsValid() {
		l.byAddress[c.address] = c
	}
}

func (l *Listener) bind(c *Conn, id keys.DeviceID) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !c.session.useCID && l.byCID[c.session.cid] == c {
		l.byID[id] = c
	}
}

func (l *Listener) move(c *Conn, to netip.AddrPort) {
	if c.session.useCID {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for address, other := range l.byAddress { // rare: an older device came from a new address
		if other == c {
			delete(l.byAddress, address)
		}
	}
	l.byAddress[to] = c
}

func (l *Listener) remove(c *Conn) (was bool) {
	address := c.RemoteAddr()
	c.mu.Lock()
	id := c.id
	c.mu.Unlock()
	l.mu.Lock()
	defer l.mu.Unlock()
	was = l.byCID[c.session.cid] == c
	delete(l.byCID, c.session.cid)
	if l.byAddress[address] == c {
		delete(l.byAddress, address)
	}
	if l.byID[id] == c {
		delete(l.byID, id)
	}
	return was
}

// Restore takes in a session that was stored, of the device with that id, and returns its Conn; open is told of it and
// returns who gets what comes. address is where the device was last, invalid if unknown. Nothing is sent until Limit is called.
func (l *Listener) Restore(
	secrets, counters []byte, id keys.DeviceID, address netip.AddrPort, open func(*Conn) Receiver,
) (*Conn, error) {
	s, err := RestoreSession(secrets, counters)
	if err != nil {
		return nil, err
	}
	c := l.newConn(s, address)
	c.receiver = open(c)
	l.add(c)
	c.Bind(id, s.peer)
	return c, nil
}

// newConn takes the session over: s must not be used any more.
func (l *Listener) newConn(s *Session, address netip.AddrPort) *Conn {
	s.rest()
	return &Conn{listener: l, session: *s, address: address, local: unique.Make(netip.Addr{})}
}
