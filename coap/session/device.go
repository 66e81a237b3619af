package session

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"localcloud/cloud"
	"localcloud/coap"
	"localcloud/keys"
)

// Link is a secured channel of messages to one device; *link.Conn is one.
type Link interface {
	// Read returns the next message, which is good until the next Read. After
	// its deadline it returns an error that is os.ErrDeadlineExceeded, and can be called again.
	Read() ([]byte, error)
	Write(message []byte) error
	SetReadDeadline(t time.Time) error
	SetWriteDeadline(t time.Time) error
	// Rest says that nothing, or only a ping, is likely to come for a while.
	Rest()
	Close() error
	RemoteAddr() net.Addr
	LocalAddr() net.Addr
	DeviceID() keys.DeviceID
}

const (
	// writeTimeout bounds one write to a device that does not read.
	writeTimeout = 10 * time.Second

	// vitalsEvery is how often a device is asked for its diagnostics, which tell how many publishes it refused by itself.
	vitalsEvery = 15 * time.Minute

	// restAfterTCP is how long nothing happens until a device's goroutine, session and link take as little memory as they can.
	restAfterTCP = 2 * time.Second

	inboxSize      = 64
	eventQueue     = 64
	maxUncommitted = 64
)

// Device is one device's connection: a Session, its link, and the goroutine
// that owns both (Run). It implements cloud.Conn for everybody else, who
// reach that goroutine by the inbox: a command is put there and the
// goroutine, which waits in Read, is woken by a read deadline in the past.
//
// Most devices are connected for weeks and say nothing but a ping in 15 s, which is answered with as little as possible; see pong.
// A goroutine that once handled another message has a stack of 4 or 8 kB, and never less again; so after each such message
// the device goes on in a fresh one of 2 kB.
type Device struct {
	link  Link
	home  *home
	begun time.Time
	heard atomic.Int64 // nanoseconds from begun to the last message

	// Owned by the goroutine of Run.
	session  *Session        // nil while it rests
	rest     resting         // what it is made of again
	presence *cloud.Presence // nil until Hello
	active   time.Duration   // from begun to when something happened last
	calm     bool            // before that nothing did, for a while
	waiting  bool            // Read is the next thing to do; see await
	resting  bool            // goroutine, session and link take little memory, and nothing but pings came since

	mu      sync.Mutex
	box     *box          // what others have for the device; nil: nothing
	woken   bool          // something waits; Read must not begin
	reading bool          // Run is in Read
	pending uint8         // publishes that wait for the disk, at most maxUncommitted; then the socket is not read
	closed  error         // why, once Close was called
	gone    chan struct{} // closed by Close; made for the first who waits for that
	room    chan struct{} // closed when a publish that waits for the disk is committed; made when Run waits for that
}

// home is what the devices of a Server have in common.
type home struct {
	hub      *cloud.Hub
	registry cloud.Registry
	logger   *slog.Logger // see Device.log
	clock    func() time.Time
	words    words
	boards   boards
}

func newHome(hub *cloud.Hub, registry cloud.Registry, logger *slog.Logger) *home {
	return &home{hub: hub, registry: registry, logger: logger, clock: hub.Clock().Now}
}

// box holds what others have for a device. It is made when there is something.
type box struct {
	events []*cloud.Event // from the Hub; beyond eventQueue an event is lost for this device and counted by the Hub
	inbox  []command      // calls and the like; more than inboxSize are refused as Limited
	acks   []verdict      // publishes that are committed or failed; bounded by maxUncommitted
}

// command is something to do on the device's goroutine.
type command func(now time.Time)

// verdict is the fate of one confirmable publish.
type verdict struct {
	message uint16
	err     error
}

// NewDevice returns the connection of a device that ended its handshake. Run makes it live.
func NewDevice(l Link, hub *cloud.Hub, registry cloud.Registry, logger *slog.Logger) *Device {
	return newHome(hub, registry, logger).device(l)
}

// device is NewDevice.
func (h *home) device(l Link) *Device {
	record, _ := h.registry.Device(l.DeviceID())
	d := &Device{link: l, home: h, begun: time.Now()}
	cfg := d.config()
	cfg.Name = record.Name
	d.session = New(d.begun, cfg)
	return d
}

// config is what a session is told of the device besides its name.
func (d *Device) config() Config {
	return Config{
		Device: d.link.DeviceID(), IP: hostOf(d.link.RemoteAddr().String()), Clock: d.home.clock, Vitals: vitalsEvery, words: &d.home.words,
	}
}

// log returns the logger that names the device. It is made when there is something to say: most devices are
// connected for weeks and say nothing.
func (d *Device) log() *slog.Logger { return d.home.logger.With("device", d.link.DeviceID().String()) }

// hostOf returns a part of the address, or all of it.
func hostOf(address string) string {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return address
	}
	return host
}

// Run talks to the device until the connection ends, Close is called or ctx
// ends, and returns the reason. It blocks, and must be called once.
func (d *Device) Run(ctx context.Context) error {
	stop := context.AfterFunc(ctx, func() { d.Close(context.Cause(ctx)) })
	defer stop()
	ended := make(chan error, 1)
	d.run(ctx, func(f func()) { go f() }, func(err error) { ended <- err })
	return <-ended
}

// run is Run that returns when the device rests, and goes on by then in a goroutine that it has started. In the end, the last of
// them calls ended. Who ends ctx closes the device.
func (d *Device) run(ctx context.Context, start func(func()), ended func(error)) {
	err := d.guard(ctx)
	if err == errResting {
		start(func() { d.run(ctx, start, ended) })
		return
	}
	d.end(err)
	ended(err)
}

// errResting says that the device waits and goes on in a fresh goroutine.
var errResting = errors.New("the device rests")

// guard runs the loop. A panic is our bug: it costs this device its connection, nobody else theirs.
func (d *Device) guard(ctx context.Context) (err error) {
	defer func() {
		if r := recover(); r != nil {
			d.log().Error("panic in a device's connection", "panic", r, "stack", string(debug.Stack()))
			err = fmt.Errorf("panic: %v", r)
		}
	}()
	return d.loop(ctx)
}

// loop is careful with its stack up to Read, where it waits: see Device.
func (d *Device) loop(ctx context.Context) error {
	for {
		if !d.waiting {
			if err := d.step(ctx); err != nil {
				return d.late(err)
			}
		}
		if !d.waiting {
			continue // something came meanwhile
		}
		message, err := d.link.Read()
		if err == nil {
			d.show("from device", message)
		}
		if err == nil && d.resting && d.isPong(message) {
			err = d.pong(message)
		} else {
			err = d.took(message, err)
		}
		if err != nil {
			return err
		}
	}
}

// show logs a message, where the owner wants to see each.
func (d *Device) show(direction string, message []byte) {
	if !d.home.logger.Enabled(context.Background(), slog.LevelDebug) {
		return
	}
	if m, err := coap.Parse(message); err == nil {
		d.log().Debug(direction, "message", m)
	}
}

// step does what is to be done before the device's next message is read. It returns errResting when that may take a while.
func (d *Device) step(ctx context.Context) error {
	now := time.Now()
	d.awake()
	if err := d.drain(now); err != nil {
		return err
	}
	if err := d.session.Tick(now); err != nil {
		return err
	}
	if err := d.settle(ctx, now); err != nil {
		return err
	}
	d.resting = d.calm || now.Sub(d.begun)-d.active >= restAfterTCP
	if d.calm = false; d.resting {
		d.link.Rest()
		if r, ok := d.session.rest(now, &d.home.boards); ok {
			d.rest, d.session = r, nil
		}
	}
	if d.await() && d.resting {
		return errResting
	}
	return nil
}

// took handles what Read returned.
func (d *Device) took(message []byte, err error) error {
	d.waiting, d.resting = false, false
	d.mu.Lock()
	d.reading = false
	d.mu.Unlock()
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		return nil
	case err != nil:
		return broken(err)
	}
	return d.receive(message)
}

// broken tells an error of the connection from a frame that the link could not read.
func broken(err error) error {
	if _, ok := errors.AsType[*net.OpError](err); ok {
		return err
	}
	for _, ended := range []error{io.EOF, io.ErrUnexpectedEOF, io.ErrClosedPipe, net.ErrClosed} {
		if errors.Is(err, ended) {
			return err
		}
	}
	return fmt.Errorf("%w: %w: %w", errProtocol, errFrame, err)
}

func (d *Device) receive(message []byte) error {
	now := time.Now()
	d.stir(now)
	d.heard.Store(int64(now.Sub(d.begun)))
	return d.awake().Receive(now, message)
}

// wakeLocked ends the wait in Read, or keeps it from beginning.
func (d *Device) wakeLocked() {
	if !d.woken && d.reading {
		d.link.SetReadDeadline(time.Unix(1, 0))
	}
	d.woken = true
}

// drain runs what the inbox holds and hands the session its events.
func (d *Device) drain(now time.Time) error {
	d.mu.Lock()
	var full box
	if d.box != nil {
		full = *d.box
		d.stir(now)
	}
	closed := d.closed
	d.box, d.woken = nil, false
	d.mu.Unlock()
	for _, a := range full.acks {
		d.session.Acknowledge(a.message, a.err)
	}
	if closed != nil {
		d.flush() // what is committed is acknowledged, if the device still listens
		return closed
	}
	for _, run := range full.inbox {
		run(now)
	}
	for _, ev := range full.events {
		if !d.session.Send(ev) {
			d.log().Debug("event not sent to device", "event", ev)
		}
	}
	return nil
}

// settle writes what the session wants sent and carries out its effects, until it wants nothing more.
func (d *Device) settle(ctx context.Context, now time.Time) error {
	for {
		if err := d.flush(); err != nil {
			return err
		}
		effects := d.session.Effects()
		if len(effects) == 0 {
			return nil
		}
		for _, e := range effects {
			if err := d.apply(ctx, e); err != nil {
				return err
			}
		}
	}
}

func (d *Device) flush() error {
	out := d.session.Outbox()
	if len(out) == 0 {
		return nil
	}
	d.link.SetWriteDeadline(together(time.Now().Add(writeTimeout)))
	for _, b := range out {
		d.show("to device", b)
		if err := d.link.Write(b); err != nil {
			return err
		}
	}
	return nil
}

// end takes the device offline and fails what is under way.
func (d *Device) end(err error) {
	d.Close(err)
	d.link.Close()
	if d.session != nil {
		d.session.Close(ErrClosed)
	}
	if d.presence == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), writeTimeout)
	defer cancel()
	d.presence.Leave(ctx)
	if errors.Is(err, cloud.ErrReplaced) {
		return // the newer connection keeps the record
	}
	d.keep(func(r *cloud.Device) { r.LastHeard = d.LastHeard() })
}

// record returns what the registry knows of the device. It is not kept: that would be half of what a device costs
// that is only connected.
func (d *Device) record() cloud.Device {
	r, _ := d.home.registry.Device(d.link.DeviceID())
	return r
}

// keep changes the device's record in the registry, if the device is still there.
func (d *Device) keep(change func(*cloud.Device)) {
	if _, err := d.update(change); err != nil {
		d.log().Warn("device's record not stored", "err", err)
	}
}

func (d *Device) update(change func(*cloud.Device)) (cloud.Device, error) {
	return d.home.registry.NoteDevice(d.link.DeviceID(), change)
}

// LastHeard implements cloud.Conn.
func (d *Device) LastHeard() time.Time {
	ago := time.Since(d.begun) - time.Duration(d.heard.Load())
	return d.home.clock().Add(-ago)
}
