package virtual

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/plgd-dev/go-coap/v3/message"
	"github.com/plgd-dev/go-coap/v3/message/codes"

	"localcloud/coap"
	"localcloud/coap/link"
)

// writeTimeout is how long a server may refuse to take what the device says.
// Device OS communication/src/lightssl_message_channel.cpp blocking_send.
const writeTimeout = 20 * time.Second

// connection is one connection to the server, from Hello to its end. Its run
// method owns it; a second goroutine reads.
type connection struct {
	// fixed at creation
	d        *Device
	link     channel
	udp      *exchange     // nil on TCP; owned by run
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

// newConnection returns a connection over l, whose last message id would have been the one before the first.
func newConnection(d *Device, l channel, last uint16) *connection {
	return &connection{
		d: d, link: l, id: last,
		wake: make(chan struct{}, 1), room: make(chan struct{}, 1),
		over: make(chan struct{}), readDone: make(chan struct{}),
	}
}

// newTCPConnection takes the first ids from the salt of the link, as boards do.
func newTCPConnection(d *Device, l *link.Conn) *connection {
	c := newConnection(d, l, l.FirstMessageID()-1)
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
	stop := context.AfterFunc(ctx, func() { c.cut(context.Cause(ctx)) })
	defer stop()
	begin := c.sayHello
	if c.udp != nil {
		begin = c.beginUDP
	}
	if err := begin(time.Now()); err != nil {
		return whileLive(ctx, err)
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
		if err := c.advance(time.Now()); err != nil {
			return whileLive(ctx, err)
		}
		if c.udp != nil {
			if err := c.tickUDP(ctx, time.Now()); err != nil {
				return whileLive(ctx, err)
			}
		}
		timer.Reset(time.Until(c.deadline()))
	}
}

// cut ends the connection, also while run is stuck in a write, when the power or
// the board is gone. Who leaves in good order has time to say goodbye.
func (c *connection) cut(cause error) {
	if !errors.Is(cause, errLeft) {
		c.link.Close()
	}
}

// advance does what there is to do.
func (c *connection) advance(now time.Time) error {
	received, orders, readErr := c.take()
	if err := c.receiveAll(now, received); err != nil {
		failAll(orders)
		return err
	}
	if err := c.obey(now, orders); err != nil {
		return err
	}
	if readErr != nil {
		return fmt.Errorf("virtual: %w", readErr)
	}
	return c.tick(now)
}

// leave says goodbye if the device leaves because it was told to.
func (c *connection) leave(cause error) error {
	if !errors.Is(cause, errLeft) || !c.greeted {
		return cause
	}
	if err := c.advance(time.Now()); err != nil { // what was published before
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

// tick does what is due.
func (c *connection) tick(now time.Time) error {
	if !c.greeted {
		if !now.Before(c.helloBy) {
			return ErrNoHello
		}
		return nil
	}
	if !c.rebootAt.IsZero() && !now.Before(c.rebootAt) {
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
		if c.udp != nil {
			return earlier(c.helloBy, c.udp.deadline())
		}
		return c.helloBy
	}
	next := c.pingDeadline()
	if c.udp != nil {
		next = earlier(next, c.udp.deadline())
	}
	for _, t := range []time.Time{c.rebootAt, c.lateDeadline(), c.describing.againAt, c.ackDeadline()} {
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

func (c *connection) receiveAll(now time.Time, received [][]byte) error {
	for _, b := range received {
		if err := c.receive(now, b); err != nil {
			return err
		}
	}
	return nil
}

// receive handles one message from the server. An error ends the connection,
// as a non-zero ProtocolError does on a board.
func (c *connection) receive(now time.Time, b []byte) error {
	if frame := len(b)&^15 + 16; c.udp == nil && frame > c.d.os.maxFrame {
		return fmt.Errorf("virtual: frame of %d bytes from the server, only %d fit", frame, c.d.os.maxFrame)
	}
	m, err := coap.Parse(b)
	if err != nil {
		return fmt.Errorf("virtual: from the server: %w", err)
	}
	c.trace("received", m)
	c.quietSince, c.pinging = now, false
	if c.udp != nil {
		if done, err := c.arrived(now, m); done || err != nil {
			return err
		}
	}
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
		return c.onKeyChange(m)
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
	v, _ := optionValue(m, message.URIPath)
	return string(v)
}

// optionValue returns the first option with this number.
func optionValue(m coap.Message, id message.OptionID) ([]byte, bool) {
	for _, o := range m.Options {
		if o.ID == id {
			return o.Value, true
		}
	}
	return nil, false
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
	m = c.adapt(m)
	b, err := m.Append(make([]byte, 0, 32+len(m.Payload)))
	if err != nil {
		panic("virtual: cannot encode " + m.String() + ": " + err.Error())
	}
	return c.sendBytes(m, b)
}

// sendMarked sends m, and with the payload marker even when there is nothing
// behind it: old releases write it before they look.
func (c *connection) sendMarked(m coap.Message) error {
	m = c.adapt(m)
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
	if c.udp != nil {
		c.udp.note(c, m, b)
	}
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
