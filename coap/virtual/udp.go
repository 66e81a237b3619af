package virtual

import (
	"context"
	"crypto/ecdsa"
	"errors"
	"fmt"
	"net"
	"os"
	"sync"
	"time"

	"localcloud/coap"
	"localcloud/coap/link/dtls"
)

// UDP makes a device one of the newer boards, which talk DTLS over UDP.
type UDP struct {
	Key       *ecdsa.PrivateKey // P-256
	ServerKey *ecdsa.PublicKey  // P-256

	// Dial makes a socket that sends to the server and hears it. It is called for each connection and change of address.
	Dial func(ctx context.Context) (net.Conn, error)

	KeepAlive time.Duration // 0: 25 s, as on Wi-Fi
}

// A board over UDP pings after this long without a word from the server, and gives up 30 s later. Device OS
// HAL_PLATFORM_DEFAULT_CLOUD_KEEPALIVE_INTERVAL; communication/src/dtls_protocol.cpp initialize_ping.
const (
	udpKeepAlive   = 25 * time.Second
	udpPingTimeout = 30 * time.Second
)

// channel carries messages to the server and back.
type channel interface {
	Read() ([]byte, error)
	Write(message []byte) error
	SetWriteDeadline(t time.Time) error
	Close() error
}

// Why a session is thrown away: the next connection begins with a handshake.
var (
	errUnanswered = errors.New("virtual: the server acknowledges nothing")
	errReset      = errors.New("virtual: the server reset the session")
	errForgotten  = errors.New("virtual: told to forget the session")
)

// stored is the session that a board keeps over disconnects and restarts. Only Run uses it.
type stored struct {
	session *dtls.Session
	id      uint16 // the last message id
	said    string // what the server knows of the device; when it changed, Hello is said again
	uses    int    // resumed without an answer
}

// maxUses is how often a session is resumed without an answer. Device OS communication/inc/dtls_session_persist.h, from 1.0 on.
const maxUses = 3

// attemptUDP is one connection over UDP, on a stored session if there is one.
func (d *Device) attemptUDP(ctx context.Context) error {
	l, err := d.openUDP(ctx)
	if err != nil {
		return whileLive(ctx, err)
	}
	c := newConnection(d, l, 0)
	c.udp = &exchange{link: l, keepAlive: d.cfg.UDP.KeepAlive}
	if c.udp.keepAlive == 0 {
		c.udp.keepAlive = udpKeepAlive
	}
	if l.resumed {
		c.id, c.udp.said = d.stored.id, d.stored.said
	}
	reason := c.run(ctx)
	switch {
	case errors.Is(reason, errUnanswered), errors.Is(reason, errReset), errors.Is(reason, errForgotten), !c.greeted && !l.resumed:
		d.stored = nil
	case d.stored == nil || d.stored.session != l.session:
		d.stored = &stored{session: l.session}
		fallthrough
	default:
		d.stored.id, d.stored.said = c.id, c.udp.said
		if l.heard() {
			d.stored.uses = 0
		}
	}
	return reason
}

// openUDP resumes the stored session, or shakes hands.
func (d *Device) openUDP(ctx context.Context) (*datagrams, error) {
	d.counters.attempts.Add(1)
	dialing, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	nc, err := d.cfg.UDP.Dial(dialing)
	if err != nil {
		return nil, fmt.Errorf("virtual: %w", err)
	}
	l := &datagrams{d: d, nc: d.faults.spoil(nc)}
	if s := d.stored; s != nil && s.uses < maxUses {
		s.uses++
		l.session, l.resumed, l.form = s.session, true, d.os.form()
		return l, nil
	}
	d.stored = nil
	if l.session, err = d.shakeHands(ctx, l.nc); err != nil {
		nc.Close()
		return nil, fmt.Errorf("virtual: %w", err)
	}
	d.counters.handshakes.Add(1)
	return l, nil
}

// form is how the first records of a resumed session look.
func (r *release) form() dtls.Form {
	switch r.name {
	case OS331:
		return dtls.FormPlain
	case OS620:
		return dtls.FormMovedCID
	}
	return dtls.FormMoved
}

// shape is how a ClientHello looks.
func (r *release) shape() dtls.Shape {
	switch r.name {
	case OS331, OS620:
		return dtls.ShapeCID
	case OS070:
		return dtls.Shape070
	}
	return dtls.ShapeOld
}

// shakeHands does the handshake on a socket.
func (d *Device) shakeHands(ctx context.Context, nc net.Conn) (*dtls.Session, error) {
	stop := context.AfterFunc(ctx, func() { nc.Close() })
	defer stop()
	key := d.cfg.UDP.Key
	if d.faults != nil && d.faults.faults.WrongKey {
		key = d.faults.wrongECKey()
	}
	h := dtls.NewClient(time.Now(), dtls.ClientConfig{Key: key, ServerKey: d.cfg.UDP.ServerKey, Shape: d.os.shape()})
	buffer := make([]byte, 2048)
	for {
		for _, b := range h.Outbox() {
			if _, err := nc.Write(b); err != nil && ctx.Err() != nil {
				return nil, err
			} // a server that is not there yet may say so; it is tried again
		}
		if s := h.Session(); s != nil {
			nc.SetReadDeadline(time.Time{})
			return s, nil
		}
		nc.SetReadDeadline(h.Deadline())
		n, err := nc.Read(buffer)
		switch {
		case err == nil:
			err = h.Receive(time.Now(), buffer[:n])
		case ctx.Err() != nil:
			return nil, err
		case errors.Is(err, os.ErrDeadlineExceeded):
			err = h.Tick(time.Now())
		default: // such as a refusal that came back
			err = sleep(ctx, 100*time.Millisecond)
		}
		if err != nil {
			for _, b := range h.Outbox() { // why it goes
				_, _ = nc.Write(b)
			}
			return nil, err
		}
	}
}

// datagrams is the channel of a device over UDP. Read and the rest may be used by two goroutines.
type datagrams struct {
	d       *Device
	resumed bool
	buffer  [2048]byte // of Read

	mu      sync.Mutex
	nc      net.Conn
	session *dtls.Session
	form    dtls.Form // of what is sent until something was heard
	answers int       // records of the server
	closed  bool
}

// heard reports whether the server has said anything.
func (l *datagrams) heard() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.answers > 0
}

func (l *datagrams) Read() ([]byte, error) {
	for {
		l.mu.Lock()
		nc, closed := l.nc, l.closed
		l.mu.Unlock()
		if closed {
			return nil, net.ErrClosed
		}
		n, err := nc.Read(l.buffer[:])
		if err != nil {
			if l.moved(nc) {
				continue
			}
			if errors.Is(err, net.ErrClosed) {
				return nil, err
			}
			time.Sleep(10 * time.Millisecond) // such as a refusal that came back: the server may be there again soon
			continue
		}
		if n == 1 {
			continue // a keep-alive
		}
		message, err := l.open(l.buffer[:n])
		var alert dtls.Alert
		if errors.As(err, &alert) {
			return nil, fmt.Errorf("%w: %w", errReset, err)
		}
		if err == nil {
			return message, nil
		} // what is not sealed with our keys is nobody's
	}
}

func (l *datagrams) open(b []byte) ([]byte, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	message, err := l.session.Open(b)
	if err == nil {
		l.answers++
		l.form = dtls.FormPlain
	}
	return message, err
}

// moved reports whether the device has another socket meanwhile.
func (l *datagrams) moved(from net.Conn) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.nc != from && !l.closed
}

func (l *datagrams) Write(message []byte) error {
	l.mu.Lock()
	b, err := l.session.Seal(nil, message)
	if err == nil {
		b = l.form.Resumed(b, l.d.cfg.ID)
	}
	nc := l.nc
	l.mu.Unlock()
	if err != nil {
		return err
	}
	_, _ = nc.Write(b) // lost, like any other; it is sent again
	return nil
}

// move gives the device another address, as a router or a network does.
func (l *datagrams) move(ctx context.Context) error {
	nc, err := l.d.cfg.UDP.Dial(ctx)
	if err != nil {
		return err
	}
	nc = l.d.faults.spoil(nc)
	l.mu.Lock()
	old := l.nc
	if l.closed {
		old = nc
	} else {
		l.nc = nc
	}
	l.mu.Unlock()
	return old.Close()
}

func (l *datagrams) SetWriteDeadline(time.Time) error { return nil } // a datagram never waits

func (l *datagrams) Close() error {
	l.mu.Lock()
	nc := l.nc
	l.closed = true
	l.mu.Unlock()
	return nc.Close()
}

// whatTheServerKnows is what a board compares before it leaves out Hello, subscriptions and describe on a resumed session.
func (d *Device) whatTheServerKnows() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	app := d.applicationLocked().AppendJSON(nil)
	said := fmt.Sprintf("%x %s", d.hello().Append(nil), app)
	for _, s := range d.subscriptions {
		said += fmt.Sprintf(" %+v", s.wire(d.os))
	}
	return said
}

var _ channel = (*datagrams)(nil)

// defaultUDPVersion is the release of a device over UDP: the newest, which is no Gen 2 board.
const defaultUDPVersion = OS620

// Platforms over UDP: Electron for the releases that it runs on, Argon for newer ones.
const (
	platformElectron = 10
	platformArgon    = 12
)

func platformUDP(r *release) uint16 {
	if r.name == OS620 {
		return platformArgon
	}
	return platformElectron
}

var errNoUDP = errors.New("virtual: a Core knows no UDP")

// hasUDP reports whether the device is one over UDP.
func (d *Device) hasUDP() bool { return d.cfg.UDP != nil }

// acksEvent acknowledges an event that is confirmable, which is done over UDP only.
func (c *connection) acksEvent(m coap.Message) error {
	if c.udp == nil || m.Type != coap.Confirmable {
		return nil
	}
	return c.send(coap.Ack(m.ID))
}
