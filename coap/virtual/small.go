package virtual

import (
	"time"

	"github.com/plgd-dev/go-coap/v3/message/codes"

	"localcloud/coap"
)

func (c *connection) askTime() error {
	return c.send(coap.TimeRequest(c.nextID(), c.nextToken()))
}

// onTime takes the time. A board sets its clock; this one uses the computer's.
func (c *connection) onTime(m coap.Message) {
	if unix, err := coap.ParseTime(m); err == nil {
		c.d.log.Debug("time", "server", time.Unix(int64(unix), 0).UTC())
	}
}

// onPing answers a ping of the server.
func (c *connection) onPing(m coap.Message) error {
	if c.d.faults.ignoresPing() {
		return nil
	}
	return c.send(coap.Ack(c.answerID(m)))
}

// answerID is the id of the answer to a ping or a signal: on TCP not that of
// the request but the board's own next one, because only the DTLS channel puts
// it in. A Core does without the channel.
func (c *connection) answerID(m coap.Message) uint16 {
	if c.d.os.core || c.udp != nil {
		return m.ID
	}
	return c.nextID()
}

// onSignal starts or stops the light show.
func (c *connection) onSignal(m coap.Message) error {
	on, err := coap.ParseSignal(m)
	if err != nil {
		return nil
	}
	d := c.d
	d.mu.Lock()
	callbacks := d.onSignal
	d.mu.Unlock()
	for _, f := range callbacks {
		d.run(func() { f(on) })
	}
	return c.send(coap.AckCode(c.answerID(m), m.Token, codes.Changed))
}

// onKeyChange acknowledges; over UDP the device then forgets its session. There is no session to forget on TCP. The ACK
// carries the board's own next id, as that of a ping does. A Core does nothing.
func (c *connection) onKeyChange(m coap.Message) error {
	if c.udp != nil {
		if err := c.send(coap.Ack(m.ID)); err != nil {
			return err
		}
		return errForgotten
	}
	if c.d.os.core {
		return nil
	}
	return c.send(coap.Ack(c.nextID()))
}

// onUpdateBegin refuses a firmware update.
func (c *connection) onUpdateBegin(m coap.Message) error {
	if c.d.os.updateRefusal {
		return c.send(coap.AckCode(m.ID, m.Token, codes.ServiceUnavailable))
	}
	return c.send(coap.AckCode(m.ID, nil, codes.BadRequest))
}
