package dtls

import (
	"crypto/ecdsa"
	"net"
	"net/netip"
	"sync"
	"time"
	"unique"

	"localcloud/keys"
)

// Receiver takes what comes for one session. Its methods are called by the Listener's goroutine and must not block.
type Receiver interface {
	// Receive takes one message, which is good during the call only.
	Receive(message []byte)
	// Closed says that the device ended the session, why, and that nothing more comes. The receiver closes the Conn.
	Closed(err error)
}

// Conn is the server's side of one session. Its methods may be called from any goroutine and do not block, other than
// for a full socket buffer.
type Conn struct {
	// Fixed at creation, or before it is in the Listener's tables.
	listener  *Listener
	receiver  Receiver
	serverKey *ecdsa.PublicKey // ours, which the device holds; nil for a session that was restored

	mu       sync.Mutex
	session  Session        // its CID and whether records carry it are fixed
	address  netip.AddrPort // where its newest record came from; invalid: none came since the session was restored
	local    localAddr      // our address that it came to
	replayed time.Duration  // from the Listener's beginning to when the owner was last told of a copy of its records
	id       keys.DeviceID  // zero until Bind
	heard    bool           // a record came since the handshake
}

// localAddr is one of the machine's addresses, shared by all sessions that have it; invalid: unknown.
type localAddr = unique.Handle[netip.Addr]

// PeerKey returns the key that the device proved to hold.
func (c *Conn) PeerKey() keys.PublicKey {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.session.peer
}

// RemoteAddr returns where the session's newest record came from; for a restored one of which none came, what Restore was
// given.
func (c *Conn) RemoteAddr() netip.AddrPort {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.address
}

// LocalAddr returns our address that the session's newest record came to, or that of the socket where it is not known.
func (c *Conn) LocalAddr() net.Addr {
	c.mu.Lock()
	defer c.mu.Unlock()
	address, ok := c.listener.socket.LocalAddr().(*net.UDPAddr)
	if !ok || !c.local.Value().IsValid() {
		return c.listener.socket.LocalAddr()
	}
	return net.UDPAddrFromAddrPort(netip.AddrPortFrom(c.local.Value(), uint16(address.Port)))
}

// Bind says which device this is, so that a record of type 254 finds the session. key is the device's, which the caller
// has in memory anyway: the session shares it.
func (c *Conn) Bind(id keys.DeviceID, key keys.PublicKey) {
	c.mu.Lock()
	c.id = id
	if key == c.session.peer {
		c.session.peer = key
	}
	c.mu.Unlock()
	c.listener.bind(c, id)
}

// Write sends one message. An error means that it was not sent; the session goes on.
func (c *Conn) Write(message []byte) error { return c.write(typeApplication, message) }

func (c *Conn) write(kind byte, content []byte) error {
	buffer := c.listener.buffers.Get().(*[]byte)
	defer c.listener.buffers.Put(buffer)
	c.mu.Lock()
	rested := c.session.ciphers == nil
	datagram, err := c.session.seal((*buffer)[:0], kind, content)
	to, from := c.address, c.local
	woke := rested && c.session.ciphers != nil
	c.mu.Unlock()
	if woke {
		c.listener.awake.add(c)
	}
	if err != nil {
		return err
	}
	return c.listener.send(datagram, to, from.Value())
}

// Close forgets the session: no record of it is taken any more. With notify it tells the device, which then throws the
// session away and shakes hands again. A second Close does nothing.
func (c *Conn) Close(notify bool) {
	if c.listener.remove(c) && notify {
		_ = c.write(typeAlert, []byte{1, byte(closeNotify)}) // nothing can be done about an error
	}
}

// Secrets returns what does not change in the session, for storage; see [Session.Secrets].
func (c *Conn) Secrets() []byte {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.session.Secrets()
}

// Counters appends what changes with every record, for storage; see [Session.Counters].
func (c *Conn) Counters(b []byte) (stored []byte, limit uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.session.Counters(b)
}

// Limit makes the session one that is stored: it sends only what is reserved, from now on up to the limit of Counters that
// are stored. See [Session.Reserve].
func (c *Conn) Limit(limit uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.session.limit == noLimit {
		c.session.limit = limit
		return
	}
	c.session.Reserve(limit)
}

// NeedsReserve reports whether the counters should be stored soon; see [Session.NeedsReserve].
func (c *Conn) NeedsReserve() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.session.NeedsReserve()
}

// open decrypts one record, and takes its sender's address when it is the newest.
func (c *Conn) open(r *record, from netip.AddrPort) (kind byte, content []byte, movedHere bool, err error) {
	c.mu.Lock()
	rested := c.session.ciphers == nil
	kind, content, newest, err := c.session.open(r)
	c.heard = c.heard || err == nil
	if err == nil && newest {
		movedHere = c.address != from
		c.address, c.local = from, c.listener.cameTo
	}
	woke := rested && c.session.ciphers != nil
	c.mu.Unlock()
	if woke {
		c.listener.awake.add(c)
	}
	return kind, content, movedHere, err
}

func (c *Conn) rest() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.session.rest()
}
