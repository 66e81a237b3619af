package virtual

import (
	"context"
	cryptorand "crypto/rand"
	"crypto/rsa"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"sync"
	"time"

	"localcloud/coap"
	"localcloud/keys"
)

// Config says what a Device is. It is not changed after New.
type Config struct {
	ID        keys.DeviceID
	Key       *rsa.PrivateKey // RSA-1024
	ServerKey *rsa.PublicKey  // RSA-2048

	// Dial connects to the server. It ends when the context does.
	Dial func(ctx context.Context) (net.Conn, error)

	// UDP makes it one of the newer boards; Key, ServerKey and Dial are not used then.
	UDP *UDP

	OS             Version       // "": DefaultVersion, or 6.2.0 over UDP
	PlatformID     uint16        // 0: Photon (6), or Core (0) when OS is Core045; over UDP Electron (10), or Argon (12) when OS is OS620
	ProductID      uint16        // 0: the platform's id, as boards have it without PRODUCT_ID()
	ProductVersion uint16        // 0: 0xffff, as boards have it without PRODUCT_VERSION()
	Modules        []coap.Module // nil: what a board of this platform and release has
	ClaimCode      string        // told to the server until it says that it has it

	// Reconnect makes Run connect again, with a board's back-off, instead of
	// returning when a connection fails or ends.
	Reconnect bool

	// PublishLimit turns the limit of the firmware on: 4 events at once, then 1 a second.
	PublishLimit bool

	Faults Faults
	Rand   io.Reader    // first token and jitter, read once in New; nil: crypto/rand
	Logger *slog.Logger // nil: silent. Every message is logged at Debug
}

// Errors that say why something was not done or why a connection ended.
var (
	ErrOffline     = errors.New("virtual: offline")
	ErrTooLong     = errors.New("virtual: longer than a device takes")
	ErrTooMany     = errors.New("virtual: more than a device holds")
	ErrRateLimited = errors.New("virtual: the device's own limit: 4 events at once, then 1 a second")
	ErrBusy        = errors.New("virtual: too much waits to be sent")
	ErrNoACK       = errors.New("virtual: not acknowledged within 20 s")
	ErrNoHello     = errors.New("virtual: no Hello from the server")
	ErrPingTimeout = errors.New("virtual: ping not answered within 10 s")
)

// Why an attempt ended that was not the connection's fault.
var (
	errRebooted = errors.New("virtual: rebooted")
	errLeft     = errors.New("virtual: told to disconnect")
)

// Device is a device in software; see New. Its methods may be called from any
// goroutine and do not wait for the network, except Run and Publish.
type Device struct {
	// fixed at creation
	cfg    Config
	os     *release
	osErr  error // of a release that does not exist
	limits coap.Limits
	log    *slog.Logger
	app    application
	faults *injector // nil: none
	kick   chan struct{}
	failed func() // called by Run when a connection was lost or not made; nil: nobody cares

	// owned by Run
	random    *rand.Rand
	token     byte // the last one used
	etag      uint32
	leftover  string // argument of the last function called
	limiter   limiter
	attempts  int // that failed in a row
	booted    time.Time
	claimCode string
	stored    *stored // over UDP: the session that is resumed; nil: none

	counters counters

	mu            sync.Mutex // guards what follows
	running       bool
	away          bool // until Connect is called
	interrupt     context.CancelCauseFunc
	online        *connection // nil: offline
	functions     []function
	variables     []variable
	subscriptions []subscription
	onOnline      []func()
	onOffline     []func(error)
	onSignal      []func(bool)
}

// New returns a Device that is offline and knows no functions, variables and
// subscriptions. A release that does not exist shows when it is Run.
func New(cfg Config) *Device {
	if cfg.OS == "" {
		cfg.OS = DefaultVersion
		if cfg.UDP != nil {
			cfg.OS = defaultUDPVersion
		}
	}
	if cfg.Rand == nil {
		cfg.Rand = cryptorand.Reader
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	d := &Device{cfg: cfg, log: cfg.Logger.With("device", cfg.ID), kick: make(chan struct{}, 1)}
	if d.os, d.osErr = findRelease(cfg.OS); d.osErr != nil {
		d.os, _ = findRelease(DefaultVersion)
	}
	switch {
	case cfg.PlatformID != 0:
	case cfg.UDP != nil:
		d.cfg.PlatformID = platformUDP(d.os)
	case !d.os.core:
		d.cfg.PlatformID = platformPhoton
	}
	if cfg.UDP != nil && d.os.core && d.osErr == nil {
		d.osErr = errNoUDP
	}
	if cfg.ProductID == 0 {
		d.cfg.ProductID = d.cfg.PlatformID
	}
	if cfg.ProductVersion == 0 {
		d.cfg.ProductVersion = 0xffff
	}
	d.limits = coap.LimitsFor(d.hello(), d.hasUDP())
	d.faults = newInjector(&d.cfg, &d.counters)
	d.seed(cfg.Rand)
	d.claimCode = cfg.ClaimCode
	return d
}

func (d *Device) seed(random io.Reader) {
	var seed [17]byte
	if _, err := io.ReadFull(random, seed[:]); err != nil {
		panic(fmt.Sprintf("virtual: no randomness: %v", err)) // crypto/rand never fails
	}
	le := binary.LittleEndian
	d.random = rand.New(rand.NewPCG(le.Uint64(seed[:]), le.Uint64(seed[8:])))
	if d.os.randomToken {
		d.token = seed[16]
	}
}

// ID returns the device's id.
func (d *Device) ID() keys.DeviceID { return d.cfg.ID }

// Version returns the release of Device OS that the device behaves like.
func (d *Device) Version() Version { return d.os.name }

// Online reports whether the server has said Hello and the connection stands.
func (d *Device) Online() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.online != nil
}

// OnOnline adds a callback for when the device has come online and has said all
// that it says then.
func (d *Device) OnOnline(f func()) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.onOnline = append(d.onOnline, f)
}

// OnOffline adds a callback for when the device has gone offline, with the reason.
func (d *Device) OnOffline(f func(reason error)) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.onOffline = append(d.onOffline, f)
}

// OnSignal adds a callback for when the server starts and stops the light show.
func (d *Device) OnSignal(f func(on bool)) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.onSignal = append(d.onSignal, f)
}
