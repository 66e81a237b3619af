package dtls

import (
	"context"
	"crypto/ecdsa"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"localcloud/keys"
)

// world is a Listener on a network in memory, inside a bubble.
type world struct {
	*testing.T
	net      *network
	key      *ecdsa.PrivateKey
	listener *Listener
	boxes    chan *inbox
	failures chan Failure
}

func inWorld(t *testing.T, f func(*world)) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{T: t, net: newNetwork(), key: newKey(t), boxes: make(chan *inbox, 2048), failures: make(chan Failure, 2048)}
		stop := w.serve()
		f(w)
		stop()
	})
}

// serve starts a Listener and returns what ends it.
func (w *world) serve() (stop func()) {
	w.listener = NewListener(w.net.listen(server), Config{Key: w.key, Open: w.open, Failed: func(f Failure) { w.failures <- f }})
	ctx, cancel := context.WithCancel(w.Context())
	ended := make(chan error, 1)
	go func() { ended <- w.listener.Serve(ctx) }()
	return func() {
		cancel()
		if err := <-ended; err != nil {
			w.Errorf("serve: %v", err)
		}
	}
}

func (w *world) open(c *Conn) Receiver {
	box := &inbox{conn: c}
	w.boxes <- box
	return box
}

// device is a client with its session.
type device struct {
	*world
	socket  *socket
	session *Session
	box     *inbox
	form    Form
	id      keys.DeviceID
}

func (w *world) connect(address string, shape Shape) *device {
	w.Helper()
	s := w.net.listen(netip.MustParseAddrPort(address))
	session, err := connect(s, ClientConfig{Key: newKey(w), ServerKey: &w.key.PublicKey, Shape: shape})
	if err != nil {
		w.Fatalf("connect: %v", err)
	}
	synctest.Wait()
	return &device{world: w, socket: s, session: session, box: <-w.boxes}
}

// say sends a message and returns its datagram.
func (d *device) say(message string) []byte {
	d.Helper()
	b, err := d.session.Seal(nil, []byte(message))
	if err != nil {
		d.Fatal(err)
	}
	b = d.form.Resumed(b, d.id)
	d.socket.WriteToUDPAddrPort(b, server)
	synctest.Wait()
	return b
}

// want waits for a message of the server.
func (d *device) want(message string) {
	d.Helper()
	for {
		b, err := d.socket.read(time.Second)
		if err != nil {
			d.Errorf("want %q: %v", message, err)
			return
		}
		got, err := d.session.Open(b)
		if err != nil {
			continue // a flight that came twice
		}
		if string(got) != message {
			d.Errorf("got %q, want %q", got, message)
		}
		return
	}
}

// silence checks that nothing that can be opened comes.
func (d *device) silence() {
	d.Helper()
	for {
		b, err := d.socket.read(time.Second)
		if err != nil {
			return
		}
		if got, err := d.session.Open(b); err == nil {
			d.Errorf("got %q", got)
		}
	}
}
