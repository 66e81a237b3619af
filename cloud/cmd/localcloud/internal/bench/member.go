package bench

import (
	"context"
	"math/rand/v2"
	"net"
	"sync/atomic"
	"time"

	"localcloud/coap/virtual"
	"localcloud/keys"
)

// member is one device of a fleet.
type member struct {
	fleet  *fleet
	index  int
	id     keys.DeviceID
	device *virtual.Device

	// Set before the device runs, not changed then.
	ctx     context.Context
	arrived func() // called when the device is online for the first time since connect

	known atomic.Bool // arrived was called
}

func newMember(f *fleet, i int) *member {
	m := &member{fleet: f, index: i, id: deviceID(i)}
	m.device = virtual.New(f.proof.config(m))
	m.device.OnOnline(m.onOnline)
	m.device.OnOffline(m.onOffline)
	return m
}

// live keeps the device connected until ctx ends. After a failure it waits as long as a board does.
func (m *member) live(ctx context.Context) {
	m.ctx = ctx
	m.known.Store(false)
	for {
		err := m.device.Run(ctx)
		if ctx.Err() != nil {
			return
		}
		m.fleet.tally.fail(err)
		wait(ctx, time.Second+rand.N(time.Second/8))
	}
}

func (m *member) onOnline() {
	m.fleet.tally.online.Add(1)
	if !m.known.Swap(true) {
		m.arrived()
	}
}

func (m *member) onOffline(error) {
	m.fleet.tally.online.Add(-1)
	if m.ctx.Err() == nil {
		m.fleet.tally.dropped.Add(1)
	}
}

// dialUDP makes a socket of the device's own.
func (m *member) dialUDP(ctx context.Context) (net.Conn, error) {
	m.fleet.tally.attempts.Add(1)
	return m.fleet.cloud.DialUDP(ctx)
}

func (m *member) dial(ctx context.Context) (net.Conn, error) {
	m.fleet.tally.attempts.Add(1)
	nc, err := m.fleet.cloud.DialTCP(ctx)
	if err != nil {
		return nil, err
	}
	return &helloTimer{Conn: nc, answer: m.fleet.tally.answer}, nil
}

// helloTimer measures how long the server takes to answer a device's Hello. It
// knows it by its place: a device writes the block of the key exchange, then
// Hello, and what it reads next is the server's.
type helloTimer struct {
	net.Conn
	answer *latency

	writes int          // owned by who writes
	hello  atomic.Int64 // when Hello was sent, Unix nanoseconds; 0: not yet, negative: it was answered
}

func (t *helloTimer) Write(b []byte) (int, error) {
	if t.writes++; t.writes == 2 {
		t.hello.Store(time.Now().UnixNano())
	}
	return t.Conn.Write(b)
}

func (t *helloTimer) Read(b []byte) (int, error) {
	n, err := t.Conn.Read(b)
	if at := t.hello.Load(); n > 0 && at > 0 && t.hello.CompareAndSwap(at, -1) {
		t.answer.record(time.Duration(time.Now().UnixNano() - at))
	}
	return n, err
}
