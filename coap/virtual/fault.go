package virtual

import (
	"context"
	"crypto/ecdsa"
	"crypto/rsa"
	"encoding/binary"
	"io"
	"math/rand/v2"
	"net"
	"sync/atomic"
	"time"

	"localcloud/coap"
	"localcloud/coap/link"
	"localcloud/keys"
)

// Faults make a device misbehave. The zero value is a good device. What happens
// by chance is decided by Seed and the device's id, so that it happens again in
// the same way when the device says the same.
type Faults struct {
	Seed uint64

	// Chance, from 0 to 1, for each message after Hello: that it is not sent, that
	// it is sent twice, that a frame that decrypts to random bytes goes before it.
	Drop      float64
	Duplicate float64
	Garbage   float64

	// Every StallEvery the device stops reading for StallFor.
	StallEvery time.Duration
	StallFor   time.Duration

	RebootAfter time.Duration // online; 0: never

	SingleBytes bool // every byte is written by itself
	WrongKey    bool // another key than Config.Key is used
	HalfOpen    bool // it connects and never says anything

	HelloAfter time.Duration // over TCP: how long it waits after the key exchange before it says Hello

	// Over UDP: the chance, from 0 to 1, that a datagram gets lost or comes twice, each way, and how long one may be on
	// its way more than another. MoveEvery gives the device another address every so often.
	Lose      float64
	Double    float64
	Late      time.Duration
	MoveEvery time.Duration

	MuteFunctions bool // calls are acknowledged and never answered; the function is not called
	MutePings     bool // the server's pings are not answered
	IgnoreHello   bool // the server's Hello is not understood
}

func (f *Faults) any() bool {
	zero := Faults{Seed: f.Seed}
	return *f != zero
}

// injector commits the faults of one device. A nil injector commits none.
type injector struct {
	// fixed at creation
	faults *Faults
	counts *counters

	// owned by Run
	chance *rand.Rand
	key    *rsa.PrivateKey // the wrong one
	ecKey  *ecdsa.PrivateKey

	// owned by the reader
	stallAt time.Time
}

func newInjector(cfg *Config, counts *counters) *injector {
	if !cfg.Faults.any() {
		return nil
	}
	id := binary.BigEndian.Uint64(cfg.ID[4:])
	return &injector{faults: &cfg.Faults, counts: counts, chance: rand.New(rand.NewPCG(cfg.Faults.Seed, id))}
}

// prepare changes how the device shakes hands.
func (i *injector) prepare(c *link.Client) error {
	if i == nil {
		return nil
	}
	if i.faults.SingleBytes {
		i.counts.singleBytes.Add(1)
		c.Segment = singleBytes
	}
	if !i.faults.WrongKey {
		return nil
	}
	i.counts.wrongKeys.Add(1)
	if i.key == nil {
		key, err := keys.GenerateDeviceRSA()
		if err != nil {
			return err
		}
		i.key = key
	}
	c.Key = i.key
	return nil
}

func singleBytes(b []byte) [][]byte {
	pieces := make([][]byte, len(b))
	for n := range b {
		pieces[n] = b[n : n+1]
	}
	return pieces
}

// halfOpen holds a connection until the server or ctx ends it.
func (i *injector) halfOpen(ctx context.Context, nc net.Conn) error {
	i.counts.halfOpens.Add(1)
	stop := context.AfterFunc(ctx, func() { nc.Close() })
	defer stop()
	_, err := io.Copy(io.Discard, nc)
	if err == nil {
		err = io.EOF
	}
	return whileLive(ctx, err)
}

// copies says how often m is to be sent.
func (i *injector) copies(c *connection, m coap.Message) int {
	if i == nil || !c.greeted {
		return 1
	}
	if i.strikes(i.faults.Garbage, &i.counts.garbage) {
		i.sendGarbage(c)
	}
	switch {
	case i.strikes(i.faults.Drop, &i.counts.dropped):
		c.trace("dropped", m)
		return 0
	case i.strikes(i.faults.Duplicate, &i.counts.duplicated):
		return 2
	}
	return 1
}

// strikes draws only for faults that are wanted, so that one fault's course
// does not depend on another's being there.
func (i *injector) strikes(chance float64, count *atomic.Uint64) bool {
	if chance <= 0 || i.chance.Float64() >= chance {
		return false
	}
	count.Add(1)
	return true
}

func (i *injector) sendGarbage(c *connection) {
	b := make([]byte, 1+i.chance.IntN(64))
	for n := range b {
		b[n] = byte(i.chance.Uint32())
	}
	_ = c.write(b) // if it fails, so does what follows
}

// stall holds the reader up when it is time, at most until the connection ends.
func (i *injector) stall(over <-chan struct{}) {
	if i == nil || i.faults.StallEvery <= 0 || i.faults.StallFor <= 0 {
		return
	}
	now := time.Now()
	if i.stallAt.IsZero() {
		i.stallAt = now.Add(i.faults.StallEvery)
	}
	if now.Before(i.stallAt) {
		return
	}
	i.counts.stalls.Add(1)
	timer := time.NewTimer(i.faults.StallFor)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-over:
	}
	i.stallAt = time.Now().Add(i.faults.StallEvery)
}

func (i *injector) rebootAt(now time.Time) time.Time {
	if i == nil || i.faults.RebootAfter <= 0 {
		return time.Time{}
	}
	return now.Add(i.faults.RebootAfter)
}

func (i *injector) neverReturns() bool {
	return i != nil && i.faults.MuteFunctions && counted(&i.counts.mutedFunctions)
}

func (i *injector) ignoresPing() bool {
	return i != nil && i.faults.MutePings && counted(&i.counts.mutedPings)
}

func (i *injector) ignoresHello() bool {
	return i != nil && i.faults.IgnoreHello && counted(&i.counts.ignoredHellos)
}

func counted(n *atomic.Uint64) bool {
	n.Add(1)
	return true
}
