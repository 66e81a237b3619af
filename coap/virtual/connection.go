package virtual

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"sync"
	"time"

	"github.com/plgd-dev/go-coap/v3/message"
	"github.com/plgd-dev/go-coap/v3/message/codes"

	"localcloud/coap"
	"localcloud/coap/link"
)

const (
	// writeTimeout is how long a server may refuse to take what the device says.
	// Device OS communication/src/lightssl_message_channel.cpp blocking_send.
	writeTimeout = 20 * time.Second

	// maxReceived bounds the messages that wait to be handled. When there are
	// more, the device stops reading.
	maxReceived = 256
	// maxOrders bounds the events that wait to be sent. One more is refused with
	// ErrBusy and counted as Refused.
	maxOrders = 256
)

// connection is one connection to the server, from Hello to its end. Its run
// method owns it; a second goroutine reads.
type connection struct {
	// fixed at creation
	d        *Device
	link     *link.Conn
	wake     chan struct{} // there is something to do
	room     chan struct{} // there is room in received again
	over     chan struct{} // closed when run ends
	readDone chan struct{} // closed when the reader has ended

	// owned by run
	id         uint16 // the last one used
	greeted    bool   // the server's Hello has come
	announced  bool   // the application knows that the device is online
	helloBy    time.Time
	quietSince time.Time // last message from the server, or our last ping
	pinging    bool      // our ping is not answered yet
	describing describing
	waiting    []unacknowledged
	late       []lateReturn
	rebootAt   time.Time // by fault; zero: never

	mu       sync.Mutex // guards what follows
	closed   bool
	received [][]byte
	orders   []order
	readErr  error
}

// order is something that another goroutine wants done.
type order struct {
	do   func(c *connection, now time.Time) error // by run; an error ends the connection
	fail func(error)                              // instead, if the connection ends first; nil: nobody cares
}

func newConnection(d *Device, l *link.Conn) *connection {
	c := &connection{
		d: d, link: l,
		wake: make(chan struct{}, 1), room: make(chan struct{}, 1),
		over: make(chan struct{}), readDone: make(chan struct{}),
	}
	c.id = l.FirstMessageID() - 1
	if d.os.core {
		salt := l.Salt()
		c.id = uint16(salt[0])<<8 | uint16(salt[1])
		d.token = salt[2]
	}
	return c
}

// run says Hello and then does what comes until the connection ends. It
// returns the reason, which is never nil.
func (c *connection) run(ctx context.Context) (reason error) {
	go c.read()
	defer func() { c.end(reason) }()
	if err := c.sayHello(time.Now()); err != nil {
		return err
	}
	timer := time.NewTimer(time.Until(c.deadline()))
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return c.leave(context.Cause(ctx))
		case <-c.wake:
		case <-timer.C:
		}
		if err := c.step(time.Now()); err != nil {
			return err
		}
		timer.Reset(time.Until(c.deadline()))
	}
}

// step does what there is to do.
func (c *connection) step(now time.Time) error {
	received, orders, readErr := c.take()
	for _, b := range received {
		if err := c.receive(now, b); err != nil {
			return err
		}
	}
	if err := c.obey(now, orders); err != nil {
		return err
	}
	if readErr != nil {
		return fmt.Errorf("virtual: %w", readErr)
	}
	return c.tick(now)
}

// obey runs orders. Those that are not reached fail.
func (c *connection) obey(now time.Time, orders []order) error {
	for i, o := range orders {
		if err := o.do(c, now); err != nil {
			failAll(orders[i+1:])
			return err
		}
	}
	return nil
}

func failAll(orders []order) {
	for _, o := range orders {
		if o.fail != nil {
			o.fail(ErrOffline)
		}
	}
}

// leave says goodbye if the device leaves because it was told to.
func (c *connection) leave(cause error) error {
	if !errors.Is(cause, errLeft) || !c.greeted {
		return cause
	}
	if err := c.step(time.Now()); err != nil { // what was published before
		return cause
	}
	if c.d.os.flags&coap.FlagGoodbye != 0 {
		c.send(coap.GoodbyeMessage(coap.NonConfirmable, c.nextID(), coap.Goodbye{Cloud: goodbyeUser}))
	}
	return cause
}

// goodbyeUser says that the application wanted to disconnect.
// Device OS system/inc/system_cloud.h CLOUD_DISCONNECT_REASON_USER.
const goodbyeUser coap.CloudReason = 2

// end closes the connection and tells everyone who waits for it.
func (c *connection) end(reason error) {
	c.d.depart()
	c.mu.Lock()
	c.closed = true
	orders := c.orders
	c.orders, c.received = nil, nil
	c.mu.Unlock()

	close(c.over)
	c.link.Close()
	<-c.readDone
	failAll(orders)
	c.forsake()
	if c.announced {
		c.d.mourn(reason)
	}
}

// read hands messages to run until the connection ends.
func (c *connection) read() {
	defer close(c.readDone)
	for {
		b, err := c.link.Read()
		if err == nil {
			c.d.faults.stall(c.over)
			b = bytes.Clone(b)
		}
		if !c.deliver(b, err) || err != nil {
			return
		}
	}
}

// deliver waits for room. It is false when the connection has ended.
func (c *connection) deliver(b []byte, err error) bool {
	for {
		c.mu.Lock()
		full := len(c.received) >= maxReceived && !c.closed
		if !full {
			c.readErr = err
			if err == nil {
				c.received = append(c.received, b)
			}
		}
		c.mu.Unlock()
		if !full {
			signal(c.wake)
			return true
		}
		select {
		case <-c.room:
		case <-c.over:
			return false
		}
	}
}

func (c *connection) take() ([][]byte, []order, error) {
	c.mu.Lock()
	received, orders, err := c.received, c.orders, c.readErr
	c.received, c.orders = nil, nil
	c.mu.Unlock()
	signal(c.room)
	return received, orders, err
}

// post gives run an order of the user's, of which there can be any number. An
// error means that it was not taken, and fail is not called.
func (c *connection) post(o order) error {
	return c.add(o, maxOrders)
}

// ask gives run an order of which there are few: an answer (the calls that wait
// are bounded, and none come while run cannot send), or a registration.
func (c *connection) ask(do func(c *connection, now time.Time) error) error {
	return c.add(order{do: do}, math.MaxInt)
}

func (c *connection) add(o order, limit int) error {
	c.mu.Lock()
	closed, full := c.closed, len(c.orders) >= limit
	if !closed && !full {
		c.orders = append(c.orders, o)
	}
	c.mu.Unlock()
	switch {
	case closed:
		return ErrOffline
	case full:
		c.d.counters.refused.Add(1)
		return ErrBusy
	}
	signal(c.wake)
	return nil
}

// signal leaves a note in a channel of size 1, where one is enough.
func signal(ch chan struct{}) {
	select {
	case ch <- struct{}{}:
	default:
	}
}

// tick does what is due.
func (c *connection) tick(now time.Time) error {
	if !c.greeted {
		if !now.Before(c.helloBy) {
			return ErrNoHello
		}
		return nil
	}
	if !c.rebootAt.IsZero() && !now.Before(c.rebootAt) {
		c.d.counters.reboots.Add(1)
		return errRebooted
	}
	if err := c.returnLate(now); err != nil {
		return err
	}
	if err := c.describeTick(now); err != nil {
		return err
	}
	c.expire(now)
	return c.pingTick(now)
}

// deadline returns when tick is due.
func (c *connection) deadline() time.Time {
	if !c.greeted {
		return c.helloBy
	}
	next := c.pingDeadline()
	for _, t := range []time.Time{c.rebootAt, c.lateDeadline(), c.describing.deadline(), c.ackDeadline()} {
		next = earlier(next, t)
	}
	return next
}

// earlier returns the earlier of two times, each of which may be zero for never.
func earlier(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

// receive handles one message from the server. An error ends the connection,
// as a non-zero ProtocolError does on a board.
func (c *connection) receive(now time.Time, b []byte) error {
	if frame := len(b)&^15 + 16; frame > c.d.os.maxFrame {
		return fmt.Errorf("virtual: frame of %d bytes from the server, only %d fit", frame, c.d.os.maxFrame)
	}
	m, err := coap.Parse(b)
	if err != nil {
		return fmt.Errorf("virtual: from the server: %w", err)
	}
	c.trace("received", m)
	c.quietSince, c.pinging = now, false
	return c.handle(now, m)
}

// handle is the one dispatcher of what the server says. As a board on TCP does,
// it does not care whether a message came twice.
func (c *connection) handle(now time.Time, m coap.Message) error {
	switch m.Kind(coap.FromServer) {
	case coap.KindHello:
		return c.onHello(now, m)
	case coap.KindDescribe:
		return c.onDescribe(now, m)
	case coap.KindFunction:
		return c.onFunction(m)
	case coap.KindVariable:
		return c.onVariable(m)
	case coap.KindEvent:
		return c.onEvent(m)
	case coap.KindPing:
		return c.onPing(m)
	case coap.KindSignal:
		return c.onSignal(m)
	case coap.KindKeyChange:
		return c.onKeyChange()
	case coap.KindUpdateBegin, coap.KindSaveBegin:
		return c.onUpdateBegin(m)
	case coap.KindEmptyAck, coap.KindReset, coap.KindResponse:
		return c.onAnswer(m)
	case coap.KindUnknown:
		return c.onMalformed(m)
	}
	return nil
}

// onMalformed treats requests whose type or token are not what boards expect.
// Everything else that they do not know they ignore.
func (c *connection) onMalformed(m coap.Message) error {
	switch letter := pathLetter(m); {
	case c.d.os.tokenNeeded && len(m.Token) != 1 &&
		(m.Code == codes.POST && letter == "f" || m.Code == codes.GET && letter == "v"):
		return fmt.Errorf("virtual: request without a token of one byte: %s", m)
	case c.d.os.blockwise && m.Code == codes.GET && letter == "d":
		return c.refuseDescribe(m, codes.BadRequest)
	}
	return nil
}

func pathLetter(m coap.Message) string {
	for _, o := range m.Options {
		if o.ID == message.URIPath {
			return string(o.Value)
		}
	}
	return ""
}

// onAnswer takes what the server answers: the time, which every 2.05 is, and
// the acknowledgements of events and describes.
func (c *connection) onAnswer(m coap.Message) error {
	if m.Type == coap.Acknowledgement || m.Type == coap.Reset {
		c.acknowledged(m)
		if err := c.describeAcknowledged(m); err != nil {
			return err
		}
	}
	if m.Code == codes.Content {
		c.onTime(m)
	}
	return nil
}

func (c *connection) nextID() uint16 {
	c.id++
	return c.id
}

func (c *connection) nextToken() byte {
	c.d.token++
	return c.d.token
}

// send encodes m and writes it. Only messages of ours come here, so one that
// cannot be encoded is our bug.
func (c *connection) send(m coap.Message) error {
	b, err := m.Append(make([]byte, 0, 32+len(m.Payload)))
	if err != nil {
		panic("virtual: cannot encode " + m.String() + ": " + err.Error())
	}
	return c.sendBytes(m, b)
}

// sendMarked sends m, and with the payload marker even when there is nothing
// behind it: old releases write it before they look.
func (c *connection) sendMarked(m coap.Message) error {
	b, err := m.Append(make([]byte, 0, 32+len(m.Payload)))
	if err != nil {
		panic("virtual: cannot encode " + m.String() + ": " + err.Error())
	}
	if len(m.Payload) == 0 {
		b = append(b, 0xff)
	}
	return c.sendBytes(m, b)
}

func (c *connection) sendBytes(m coap.Message, b []byte) error {
	c.trace("sent", m)
	for range c.d.faults.copies(c, m) {
		if err := c.write(b); err != nil {
			return err
		}
	}
	return nil
}

func (c *connection) write(b []byte) error {
	c.link.SetWriteDeadline(time.Now().Add(writeTimeout))
	if err := c.link.Write(b); err != nil {
		return fmt.Errorf("virtual: send: %w", err)
	}
	return nil
}

func (c *connection) trace(what string, m coap.Message) {
	if c.d.log.Enabled(context.Background(), slog.LevelDebug) {
		c.d.log.Debug(what, "message", m.String())
	}
}
