package dtls

import (
	"errors"
	"net/netip"
	"sync"
	"time"

	"localcloud/keys"
)

// What goes wrong with devices that prove their keys, or with copies of what they sent, is told to the owner too.

// againWithin is how soon after a handshake a device may begin another without it being odd. A device says Hello at once
// when a handshake has ended, and repeats it after four seconds and more.
const againWithin = 30 * time.Second

// maxRecent bounds the handshakes that are remembered.
const maxRecent = 4096

// recent remembers who shook hands lately and has said nothing since.
type recent struct {
	mu    sync.Mutex
	conns map[keys.PublicKey]recentConn
}

type recentConn struct {
	conn *Conn
	at   time.Time
}

// again notes the end of a handshake, and reports whether the same device ended another one shortly before and never made
// use of it: it does not accept what was agreed, most likely the connection id.
func (r *recent) again(now time.Time, c *Conn) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	key := c.PeerKey()
	before, known := r.conns[key]
	if r.conns == nil {
		r.conns = make(map[keys.PublicKey]recentConn)
	}
	for old, other := range r.conns {
		if len(r.conns) < maxRecent && now.Sub(other.at) < againWithin {
			break // what is left is as young, or goes another time
		}
		delete(r.conns, old)
	}
	r.conns[key] = recentConn{c, now}
	return known && now.Sub(before.at) < againWithin && !before.conn.spoke()
}

// forget lets go who shook hands too long ago to matter.
func (r *recent) forget(now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for key, other := range r.conns {
		if now.Sub(other.at) >= againWithin {
			delete(r.conns, key)
		}
	}
	if len(r.conns) == 0 {
		r.conns = nil
	}
}

// spoke reports whether the device has sent a record since its handshake.
func (c *Conn) spoke() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.heard
}

// sayAgain tells the owner of a device that shakes hands again and again.
func (h *handshaker) sayAgain(now time.Time, u *underWay) {
	if h.listener.recent.again(now, u.conn) {
		h.tell(keys.Knock{
			Key: u.device, Fingerprint: u.device.Fingerprint(), Address: u.from.String(), Transport: "udp",
			Step: keys.StepFinished, Reason: keys.ReasonBadConnectionID,
		}, nil)
	}
}

// replayedEvery is how often the owner is told of copies of a session's records.
const replayedEvery = time.Minute

// sayReplayed tells the owner of a record that came before and now comes from somewhere else. From where its device is, it
// is but a network that delivers twice.
func (l *Listener) sayReplayed(c *Conn, from netip.AddrPort, err error) {
	if !errors.Is(err, errReplayed) || l.cfg.Failed == nil {
		return
	}
	now := time.Since(l.began)
	c.mu.Lock()
	tell := c.address != from && (c.replayed == 0 || now-c.replayed >= replayedEvery)
	if tell {
		c.replayed = now
	}
	k := keys.Knock{
		ID: c.id, Key: c.session.peer, Fingerprint: c.session.peer.Fingerprint(), Address: from.String(), Transport: "udp",
		Step: keys.StepHello, Reason: keys.ReasonReplayed,
	}
	c.mu.Unlock()
	if tell {
		l.cfg.Failed(Failure{Knock: k, Err: err})
	}
}
