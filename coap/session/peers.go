package session

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"localcloud/cloud"
	"localcloud/keys"
)

// Channel is a secured channel of messages over UDP to one device, whichever it is: only its key is proved. *dtls.Conn is
// one. None of its methods blocks.
type Channel interface {
	// Write sends one message; an error means that it was not sent, and that the next one may be.
	Write(message []byte) error
	PeerKey() keys.PublicKey
	RemoteAddr() netip.AddrPort
	LocalAddr() net.Addr
	// Bind tells the channel which device this is. key is equal to PeerKey: both can share it.
	Bind(id keys.DeviceID, key keys.PublicKey)
	// Close forgets the channel; with notify it tells the device, which throws its session away then.
	Close(notify bool)

	// Secrets and Counters are what has to be stored of the channel so that it goes on after the program has ended: what
	// never changes, and what changes with every message.
	Secrets() []byte
	// Counters appends to b and returns up to where the channel may send once they are stored.
	Counters(b []byte) (stored []byte, limit uint64)
	// Limit lets the channel send up to there and no further.
	Limit(limit uint64)
	// NeedsReserve reports whether Counters should be stored soon, for Limit.
	NeedsReserve() bool
}

// PeersConfig is what Peers need to know.
type PeersConfig struct {
	Hub      *cloud.Hub
	Registry cloud.Registry
	Logger   *slog.Logger
	Links    cloud.Links // where sessions are stored; nil: they end with the program
	// Knock records a device that proved its key but was not let in. It must not block.
	Knock func(keys.Knock)
}

// Bounds of Peers.
const (
	// maxAnonymous bounds sessions whose device has not said Hello, or was not let in. The oldest goes.
	maxAnonymous = 4096
	// stopWorkers is how many devices go offline at once when the cloud stops.
	stopWorkers = 256
)

// Peers takes in devices over UDP and steps their sessions, in as many shards as there are processors.
//
//	dtls.Listener ── Receive ──▶ Peer: inbox ──▶ shard ── step ──▶ Session ──▶ Channel.Write
//	HTTP, Hub ────── Call... ──▶                                      │
//	                                                                  └─ effects ──▶ chores (registry, Hub, log)
type Peers struct {
	cfg    PeersConfig
	began  time.Time
	clock  func() time.Time // the cloud's, for all sessions
	shards []*shard
	next   atomic.Uint32 // to spread peers over shards
	ctx    context.Context
	cancel context.CancelFunc
	chores sync.WaitGroup // goroutines that do chores
	boards boards         // of sessions that rest

	mu        sync.Mutex
	all       map[*Peer]struct{}
	admitted  map[keys.DeviceID]*Peer // the newest of each device
	anonymous []*Peer                 // those that were not admitted when they came; the oldest first
	restored  []*Peer                 // those that were online when the program ended, until Run has asked them whether they still are
	stopped   bool
}

// NewPeers returns Peers without any device. Run makes them live.
func NewPeers(cfg PeersConfig) *Peers {
	ps := &Peers{cfg: cfg, began: time.Now(), clock: cfg.Hub.Clock().Now, all: make(map[*Peer]struct{}), admitted: make(map[keys.DeviceID]*Peer)}
	ps.ctx, ps.cancel = context.WithCancel(context.Background())
	for range runtime.GOMAXPROCS(0) {
		ps.shards = append(ps.shards, newShard(ps.began))
	}
	return ps
}

// Run steps the devices' sessions until ctx ends; then it takes all devices offline and returns nil. Nothing is sent to
// them: they do not notice. Run is called once.
func (ps *Peers) Run(ctx context.Context) error {
	defer ps.cancel()
	var shards sync.WaitGroup
	for _, s := range ps.shards {
		shards.Go(func() { s.run(ctx) })
	}
	shards.Go(func() { ps.askRestored(ctx) })
	shards.Wait()
	ps.stop()
	return nil
}

// stop takes all devices offline.
func (ps *Peers) stop() {
	ps.mu.Lock()
	ps.stopped = true
	all := ps.all
	ps.all = make(map[*Peer]struct{})
	ps.mu.Unlock()
	var workers sync.WaitGroup
	places := make(chan struct{}, stopWorkers)
	for p := range all {
		places <- struct{}{}
		workers.Go(func() {
			defer func() { <-places }()
			p.stop()
		})
	}
	workers.Wait()
	ps.chores.Wait()
}

// Open takes in a channel whose device has just proved its key.
func (ps *Peers) Open(c Channel) *Peer {
	now := time.Now()
	p := ps.newPeer(c, now)
	p.session = New(now, Config{
		UDP: true, Known: func() bool { return ps.isKnown(c.PeerKey()) }, Clock: ps.clock, Vitals: vitalsEvery,
	})
	ps.mu.Lock()
	ps.all[p] = struct{}{}
	evicted := ps.makeRoomLocked(p)
	ps.mu.Unlock()
	if evicted != nil {
		evicted.Close(errCrowded)
	}
	p.wake()
	return p
}

func (ps *Peers) newPeer(c Channel, now time.Time) *Peer {
	return &Peer{
		peers: ps, shard: ps.next.Add(1) % uint32(len(ps.shards)), channel: c, begun: now.Sub(ps.began), place: -1,
	}
}

var errCrowded = errors.New("too many devices have not said Hello")

// makeRoomLocked puts p on the list of those without Hello, and returns the oldest when there are too many.
func (ps *Peers) makeRoomLocked(p *Peer) (evicted *Peer) {
	ps.anonymous = append(ps.anonymous, p)
	if len(ps.anonymous) <= maxAnonymous {
		return nil
	}
	kept := ps.anonymous[:0]
	for _, other := range ps.anonymous {
		if _, here := ps.all[other]; here && !other.admitted.Load() {
			kept = append(kept, other)
		}
	}
	clear(ps.anonymous[len(kept):])
	ps.anonymous = kept
	if len(kept) > maxAnonymous {
		evicted = kept[0]
		ps.anonymous = kept[1:]
	}
	return evicted
}

// isKnown reports whether a device is registered with this key.
func (ps *Peers) isKnown(key keys.PublicKey) bool {
	for _, d := range ps.cfg.Registry.Devices() {
		if d.Key.Equal(key) {
			return true
		}
	}
	return false
}

// admit makes p the peer of a device, and reports whether it had another one, which is closed.
func (ps *Peers) admit(p *Peer, id keys.DeviceID) (replaces bool) {
	p.admitted.Store(true)
	ps.mu.Lock()
	old := ps.admitted[id]
	ps.admitted[id] = p
	ps.mu.Unlock()
	if old == nil || old == p {
		return false
	}
	old.Close(cloud.ErrReplaced)
	return true
}

// isNewest reports whether p is the newest of its device.
func (ps *Peers) isNewest(p *Peer) bool {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	return ps.admitted[p.session.Device()] == p
}

// forget takes p out of all lists, and reports whether it was the newest of its device.
func (ps *Peers) forget(p *Peer, id keys.DeviceID) (newest bool) {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	delete(ps.all, p)
	newest = ps.admitted[id] == p
	if newest {
		delete(ps.admitted, id)
	}
	return newest
}
