package dtls

import (
	"context"
	"crypto/ecdsa"
	"crypto/rand"
	"errors"
	"hash/maphash"
	"maps"
	"net/netip"
	"slices"
	"sync"
	"time"

	"localcloud/keys"
)

const (
	// maxHandshakes bounds handshakes under way for each handshaker, maxOfSource those of one source. When all places are taken,
	// the oldest goes, of that source or of all: who has answered by then is through. So one source pushes out only its
	// own, and a fleet behind one router has room enough to return all at once.
	maxHandshakes = 4096
	maxOfSource   = maxHandshakes / 2
	// handshakeQueue bounds datagrams that wait for a handshaker, queueOfSource those of one source; more are dropped, and
	// clients send them again.
	handshakeQueue = 512
	queueOfSource  = handshakeQueue / 2
	// handshakeTime is how long a handshake may take, and how long one that ended is remembered for a client to whom our
	// last flight did not come. Devices give up after 45 seconds.
	handshakeTime = 60 * time.Second
	// tick is how often a handshaker looks what is due.
	tick = 250 * time.Millisecond
)

// Failure says why a handshake did not end well, for the owner's record.
type Failure struct {
	Knock keys.Knock
	Err   error // nil when Knock.Reason says it all
}

// handshaker does handshakes, one after the other, those of one part of all addresses.
type handshaker struct {
	listener *Listener
	waiting  chan waiting // see handshakeQueue

	mu     sync.Mutex
	open   map[netip.AddrPort]*underWay // only run's goroutine writes
	opened sources                      // how many of open
	queued sources                      // how many of waiting
}

// sources counts by where something came from.
type sources map[netip.Addr]int

// sourceOf is who one attacker can be: an address, or a network of IPv6, in which anyone has as many as they like.
func sourceOf(from netip.AddrPort) netip.Addr {
	if !from.Addr().Is6() {
		return from.Addr()
	}
	network, _ := from.Addr().Prefix(64)
	return network.Addr()
}

func (s sources) add(from netip.AddrPort, n int) {
	source := sourceOf(from)
	if s[source] += n; s[source] == 0 {
		delete(s, source)
	}
}

type waiting struct {
	datagram []byte
	from     netip.AddrPort
	cameTo   localAddr
}

// underWay is one handshake. Only run's goroutine uses it.
type underWay struct {
	*serverHandshake
	from  netip.AddrPort
	local localAddr // our address that it came to
	begun time.Time
	conn  *Conn // once it is done
	told  bool  // an alert came, and the owner knows

	key    *ecdsa.PrivateKey // ours, that it was signed with
	choice choice
}

func newHandshaker(l *Listener) *handshaker {
	return &handshaker{
		listener: l, waiting: make(chan waiting, handshakeQueue), open: make(map[netip.AddrPort]*underWay),
		opened: make(sources), queued: make(sources),
	}
}

var addressSeed = maphash.MakeSeed()

func (l *Listener) handshakerOf(from netip.AddrPort) *handshaker {
	return l.handshakes[maphash.Comparable(addressSeed, from)%uint64(len(l.handshakes))]
}

// has reports whether a handshake with this address is known.
func (h *handshaker) has(from netip.AddrPort) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.open[from] != nil
}

// queue hands over a copy of a datagram, or drops it when too many wait.
func (h *handshaker) queue(datagram []byte, from netip.AddrPort) {
	h.mu.Lock()
	full := len(h.waiting) == cap(h.waiting) || h.queued[sourceOf(from)] >= queueOfSource
	if !full {
		h.queued.add(from, 1)
	}
	h.mu.Unlock()
	if full {
		h.listener.counts.busy.Add(1)
		return
	}
	h.waiting <- waiting{slices.Clone(datagram), from, h.listener.cameTo} // only the reader sends: there is room
}

// run does handshakes until ctx ends.
func (h *handshaker) run(ctx context.Context) {
	timer := time.NewTimer(tick)
	timer.Stop()
	set := false
	for {
		select {
		case w := <-h.waiting:
			h.mu.Lock()
			h.queued.add(w.from, -1)
			h.mu.Unlock()
			h.receive(time.Now(), w)
		case <-timer.C:
			set = false
			h.tick(time.Now())
		case <-ctx.Done():
			timer.Stop()
			return
		}
		if !set && len(h.open) > 0 {
			timer.Reset(tick)
			set = true
		}
	}
}

func (h *handshaker) receive(now time.Time, w waiting) {
	u := h.open[w.from]
	if r, _, err := parseRecord(w.datagram); err == nil {
		if hello, f, ok := readClientHello(&r); ok && (u == nil || u.clientRandom != hello.random) {
			h.begin(now, w, &r, f, &hello)
			return
		}
	}
	if u == nil {
		return
	}
	wasDone := u.done
	var out [][]byte
	var err error
	u.locked(func() { out, err = u.receive(now, w.datagram) })
	switch {
	case err != nil:
		u.keyWas(true, now, &h.listener.rotation) // or it had not gone on
		h.drop(u)
		h.fail(u, err)
		return
	case u.done && !wasDone:
		u.keyWas(true, now, &h.listener.rotation)
		h.establish(u)
		h.sayAgain(now, u)
	case u.alert != 0 && !u.done && !u.told:
		u.told = true // but it goes on: anyone can send an alert in clear
		if !u.keyWas(false, now, &h.listener.rotation) {
			h.fail(u, nil)
		}
	}
	h.send(out, u)
}

// locked runs f while nobody else uses the session, if there is one already.
func (u *underWay) locked(f func()) {
	if u.conn == nil {
		f()
		return
	}
	u.conn.mu.Lock()
	defer u.conn.mu.Unlock()
	rested := u.conn.session.ciphers == nil
	f()
	if rested { // it is not among those that are awake
		u.conn.session.rest()
	}
}

// begin answers a ClientHello with a good cookie. One that came from there before is forgotten; its session, if it has
// one, lives until the device's new one takes its place.
func (h *handshaker) begin(now time.Time, w waiting, r *record, f fragment, hello *clientHello) {
	h.listener.counts.begun.Add(1)
	var cid CID
	rand.Read(cid[:])
	if before := h.open[w.from]; before != nil && !before.done {
		before.keyWas(false, now, &h.listener.rotation)
	}
	u := &underWay{from: w.from, local: w.cameTo, begun: now}
	u.key, u.choice = h.listener.chooseKey(now, w.from.Addr())
	hs, err := beginServerHandshake(u.key, cid, r.number, f, hello)
	if err != nil {
		u.serverHandshake = &serverHandshake{}
		h.fail(u, err)
		return
	}
	u.serverHandshake = hs
	h.take(u)
	h.send(u.send(now), u)
}

// take gives a handshake a place: that of the last one from there, a free one, or that of the oldest.
func (h *handshaker) take(u *underWay) {
	if old := h.open[u.from]; old != nil {
		h.drop(old)
	}
	source := sourceOf(u.from)
	switch {
	case h.opened[source] >= maxOfSource:
		h.dropOldest(func(other *underWay) bool { return sourceOf(other.from) == source })
	case len(h.open) >= maxHandshakes:
		h.dropOldest(func(*underWay) bool { return true })
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.open[u.from] = u
	h.opened.add(u.from, 1)
}

func (h *handshaker) dropOldest(of func(*underWay) bool) {
	var oldest *underWay
	for _, u := range h.open {
		if of(u) && (oldest == nil || u.begun.Before(oldest.begun)) {
			oldest = u
		}
	}
	if !oldest.done {
		h.listener.counts.crowded.Add(1)
	}
	h.drop(oldest)
}

func (h *handshaker) drop(u *underWay) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.open[u.from] == u {
		delete(h.open, u.from)
		h.opened.add(u.from, -1)
	}
}

// establish makes the session of a handshake live.
func (h *handshaker) establish(u *underWay) {
	l := h.listener
	l.counts.ended.Add(1)
	u.conn = l.newConn(u.session, u.from)
	u.session = &u.conn.session
	u.conn.local, u.conn.serverKey = u.local, &u.key.PublicKey
	u.conn.receiver = l.cfg.Open(u.conn)
	l.add(u.conn)
}

// tick sends flights again and ends what took too long.
func (h *handshaker) tick(now time.Time) {
	for _, u := range h.open {
		switch {
		case now.Sub(u.begun) >= handshakeTime:
			h.drop(u)
			if !u.done && !u.told && !u.keyWas(false, now, &h.listener.rotation) {
				h.fail(u, nil)
			}
		case !u.done && !u.out.again.IsZero() && !now.Before(u.out.again):
			h.send(u.send(now), u)
		}
	}
	if len(h.open) == 0 {
		h.calm(now)
	}
}

// calm gives back the memory of a storm when the last handshake is over: a map never becomes smaller.
func (h *handshaker) calm(now time.Time) {
	h.mu.Lock()
	h.open, h.opened, h.queued = make(map[netip.AddrPort]*underWay), make(sources), maps.Clone(h.queued)
	h.mu.Unlock()
	h.listener.recent.forget(now)
}

func (h *handshaker) send(datagrams [][]byte, to *underWay) {
	for _, d := range datagrams {
		_ = h.listener.send(d, to.from, to.local.Value()) // the client asks again
	}
}

// fail tells the owner.
func (h *handshaker) fail(u *underWay, err error) {
	k := keys.Knock{
		Key: u.device, Fingerprint: u.device.Fingerprint(), Address: u.from.String(), Transport: "udp",
		Step: keys.StepCertificate, Reason: reasonOf(u.serverHandshake, err),
	}
	switch {
	case u.in.next == 0:
		k.Step = keys.StepClientHello
	case u.proved:
		k.Step = keys.StepFinished
	}
	h.tell(k, err)
}

func (h *handshaker) tell(k keys.Knock, err error) {
	if h.listener.cfg.Failed != nil {
		h.listener.cfg.Failed(Failure{Knock: k, Err: err})
	}
}

// Alerts that a device sends when the server's signature does not fit the key that it holds: bad_certificate,
// decrypt_error, handshake_failure, internal_error (mbed TLS has several).
var wrongKeyAlerts = []byte{42, 51, 40, 80}

func reasonOf(hs *serverHandshake, err error) keys.Reason {
	switch {
	case errors.Is(err, errSuits):
		return keys.ReasonNoRawKey
	case errors.Is(err, errNoCertificate):
		return keys.ReasonNoCertificate
	case errors.Is(err, errRSAKey):
		return keys.ReasonRSAKeyOnUDP
	case errors.Is(err, errBadDeviceKey):
		return keys.ReasonBadDeviceKey
	case errors.Is(err, errNoProof):
		return keys.ReasonNoProof
	case err != nil:
		return keys.ReasonMalformed
	case slices.Contains(wrongKeyAlerts, hs.alert):
		return keys.ReasonWrongServerKey
	case hs.alert != 0:
		return keys.ReasonClosed
	}
	return keys.ReasonTimeout
}
