package relay

import (
	"cmp"
	"context"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"localcloud/cloud"
)

// Cloud is what the relay needs of the cloud whose devices it serves. All
// methods are safe for concurrent use.
type Cloud interface {
	// Events calls yield with each event whose name begins with prefix, until
	// ctx ends. It goes on whatever breaks. yield does not block.
	Events(ctx context.Context, prefix string, yield func(Notice))
	// Device returns a device by its id or name; cloud.NotExist when there is none.
	Device(ctx context.Context, device string) (Device, error)
	// Devices returns all devices that the relay may serve.
	Devices(ctx context.Context) ([]Device, error)
	// Call calls a function of a device and waits for its answer; see cloud.Conn.
	Call(ctx context.Context, id, function, argument string) (int32, error)
	// Access returns what the bearer of a token may do here.
	Access(secret string) (Access, error)
}

// Notice is one event: the device it is from, its name, and its data as text.
type Notice struct{ Device, Event, Data string }

// Device is what the relay knows of a device.
type Device struct {
	ID      string // 24 hex digits
	Name    string
	Online  bool
	Address netip.Addr // where its cloud connection comes from; invalid: not known
	Ours    netip.Addr // our address, as that connection reached it; invalid: not known
}

// Access is what the bearer of a token may do.
type Access struct {
	Read, Write, Admin bool
	Sees               func(device string) bool // by id
	Only               []string                 // the devices it is tied to, by id; none: all that it sees

	// Hold returns a context that ends with the token; nil: it never ends.
	Hold func(ctx context.Context) (held context.Context, release func())
}

// Config says what a Relay works with. It is not changed after New.
type Config struct {
	Cloud  Cloud
	Logger *slog.Logger

	Advertise  netip.AddrPort                 // told to devices instead of what we find out; its port may be 0: our own
	NonceLife  time.Duration                  // 0: 60 s
	Silence    time.Duration                  // a stream without a byte for so long ends; 0: 24 h
	AnyAddress bool                           // a nonce is good from any address: NAT, containers
	ByAddress  bool                           // a WebSocket without a secret is the device that was called at its address; see Settings
	Legacy     bool                           // take what the old libraries for the Core do wrong in WebSockets; see Settings
	TokenReads bool                           // who reads needs a token; otherwise everybody on the network may, as in the original; see Settings
	CheckHost  func(host string) error        // says why a browser may not use that Host without a token; nil: see host.go
	Pages      string                         // the owner's own pages; empty: none
	Dir        string                         // for what is remembered; empty: nothing is
	MaxRecord  int64                          // bytes of all recordings together; 0: 256 MB
	Room       func(held int64) int64         // how many bytes they may take now, when they take held; nil: MaxRecord
	Addresses  func() ([]netip.Prefix, error) // of this machine as it is now; nil: asks the system
}

// Relay serves devices and browsers. It is safe for concurrent use.
type Relay struct {
	Config
	log      *slog.Logger
	started  time.Time
	boot     string // part of the ids of lines: those of another run mean nothing to this one
	tickets  *tickets
	state    *store
	pages    *pages
	web      http.Handler
	admin    http.Handler
	merged   *channel
	recorder *recorder
	counts   counts
	conns    gate
	viewers  *crowd

	strangers lobby // WebSockets that have not said who they are
	doors     doors // for who reads without a token

	port    atomic.Int32    // we listen on
	bound   atomic.Value    // netip.Addr: the one address we listen on; unspecified: all
	context context.Context // ends with the relay
	end     context.CancelCauseFunc
	work    sync.WaitGroup

	mu       sync.Mutex
	channels map[string]*channel // by name
	streams  map[string]*stream  // by name: the device that sends into it
	records  map[string]*Record  // by device: what happened to it
	calls    map[string]*calling // by device: invitations under way
	guesses  *guesses
	refusals []Refusal // the newest last
	public   map[string]*publication
}

// counts are the relay's figures since it started.
type counts struct {
	lines, bytes, truncated      atomic.Uint64
	refused, guessed, slow, odd  atomic.Uint64
	accepted, calls, callsFailed atomic.Uint64
	viewersRefused               atomic.Uint64 // of what is public
}

const (
	defaultNonceLife = 60 * time.Second // the firmware may take its connect time-out
	defaultSilence   = 24 * time.Hour
	defaultMaxRecord = 256 << 20
	maxDevices       = 10000 // records of devices
)

// New returns a Relay. It reads what it remembers from Dir.
func New(c Config) (*Relay, error) {
	c.NonceLife = cmp.Or(c.NonceLife, defaultNonceLife)
	c.Silence = cmp.Or(c.Silence, defaultSilence)
	c.MaxRecord = cmp.Or(c.MaxRecord, defaultMaxRecord)
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.CheckHost == nil {
		c.CheckHost = checkOwnHost
	}
	if c.Addresses == nil {
		c.Addresses = ownAddresses
	}
	if c.Advertise.IsValid() && !c.Advertise.Addr().Unmap().Is4() {
		return nil, cloud.Errorf("relay", cloud.Invalid, "%v: devices are told an IPv4 address, such as 192.168.1.5", c.Advertise.Addr())
	}
	r := &Relay{
		Config: c, log: c.Logger.With("part", "relay"), started: time.Now(), boot: newBoot(),
		tickets: newTickets(c.NonceLife, c.AnyAddress), merged: newChannel("", "", mergedFactor),
		channels: make(map[string]*channel), streams: make(map[string]*stream), records: make(map[string]*Record),
		calls: make(map[string]*calling), guesses: newGuesses(), public: make(map[string]*publication),
		doors: newDoors(), viewers: newCrowd(maxViewers, maxViewers/2),
	}
	r.conns.init()
	r.context, r.end = context.WithCancelCause(context.Background())
	var err error
	if r.state, err = openStore(c.Dir); err != nil {
		return nil, err
	}
	if r.pages, err = openPages(c.Pages); err != nil {
		return nil, err
	}
	if r.recorder, err = newRecorder(r); err != nil {
		return nil, err
	}
	r.web, r.admin = r.newWeb(), r.newAdmin()
	if r.state.get().Settings != (Settings{}) {
		r.tellSettings("settings are those that were changed while it ran, not those it was started with; see: localcloud relay set")
	}
	return r, nil
}

// Serve serves until ctx ends; then it ends every stream and returns nil. It
// closes ln. It is called once.
func (r *Relay) Serve(ctx context.Context, ln net.Listener) error {
	if a, ok := ln.Addr().(*net.TCPAddr); ok {
		r.port.Store(int32(a.Port))
		address, _ := netip.AddrFromSlice(a.IP)
		r.bound.Store(address.Unmap())
	}
	defer r.work.Wait()
	defer r.end(errStopping)
	r.resume()
	r.work.Go(func() { r.listen(r.context) })
	r.work.Go(func() { r.watchOnline(r.context) })
	r.work.Go(func() { r.inviteKnown(r.context) })
	if r.recorder.dir != "" {
		r.work.Go(func() { r.recorder.watch(r.context) })
	}
	return r.accept(ctx, ln)
}

// publish hands frames of n lines to the device's channel and to the merged one.
func (r *Relay) publish(c *channel, frames []byte, n int) {
	b := batch{n: n, at: time.Now().UnixMilli(), frames: frames, from: c}
	r.counts.lines.Add(uint64(n))
	r.counts.bytes.Add(uint64(len(frames)))
	c.publish(b)
	r.merged.publish(b)
}
