package bench

import (
	"context"
	"errors"
	"net"
	"os"
	"time"

	"localcloud/coap"
	"localcloud/coap/link/dtls"
	"localcloud/keys"
)

// plainBoard is a board over UDP that does nothing by itself, so that it costs the machine little beside the server.
// One goroutine uses it at a time.
type plainBoard struct {
	nc      net.Conn
	session *dtls.Session
	id      uint16 // of its last message
	out, in [512]byte
}

// answerTime is how long a plain board waits before it says something again, and answerTries how often it says it.
const (
	answerTime  = time.Second
	answerTries = 10
)

// newPlainBoard shakes hands and says Hello.
func newPlainBoard(ctx context.Context, m *member) (*plainBoard, error) {
	nc, err := m.fleet.cloud.DialUDP(ctx)
	if err != nil {
		return nil, err
	}
	b := &plainBoard{nc: nc}
	if err = b.shakeHands(ctx, &m.fleet.proof); err == nil {
		err = b.greet(m.id)
	}
	if err != nil {
		nc.Close()
		return nil, err
	}
	return b, nil
}

func (b *plainBoard) shakeHands(ctx context.Context, p *proof) error {
	h := dtls.NewClient(time.Now(), dtls.ClientConfig{Key: p.ec, ServerKey: p.ecServer})
	buffer := make([]byte, 2048)
	for ctx.Err() == nil {
		for _, d := range h.Outbox() {
			if _, err := b.nc.Write(d); err != nil {
				return err
			}
		}
		if b.session = h.Session(); b.session != nil {
			return nil
		}
		b.nc.SetReadDeadline(h.Deadline())
		n, err := b.nc.Read(buffer)
		switch {
		case err == nil:
			err = h.Receive(time.Now(), buffer[:n])
		case errors.Is(err, os.ErrDeadlineExceeded):
			err = h.Tick(time.Now())
		}
		if err != nil {
			return err
		}
	}
	return ctx.Err()
}

// greet says Hello as an Argon with Device OS 6.2.0 does, until it is let in.
func (b *plainBoard) greet(id keys.DeviceID) error {
	h := coap.Hello{ProductID: 12, ProductVersion: 0xffff, HasPlatform: true, PlatformID: 12, DeviceID: id[:]}
	err := errSilent
	for range answerTries {
		if err = b.ask(func(number uint16) coap.Message { return coap.HelloMessage(coap.Confirmable, number, h.Append(nil)) }); err == nil {
			break
		}
	}
	return err
}

func (b *plainBoard) ping() error { return b.ask(coap.Ping) }

var errSilent = errors.New("no answer")

// ask sends one message and waits for its acknowledgement. What else comes is passed over: nobody asks this board anything twice.
func (b *plainBoard) ask(message func(id uint16) coap.Message) error {
	b.id++
	raw, err := message(b.id).Append(nil)
	if err != nil {
		return err
	}
	datagram, err := b.session.Seal(b.out[:0], raw)
	if err != nil {
		return err
	}
	if _, err := b.nc.Write(datagram); err != nil {
		return err
	}
	b.nc.SetReadDeadline(time.Now().Add(answerTime))
	for {
		n, err := b.nc.Read(b.in[:])
		if err != nil {
			return errors.Join(errSilent, err)
		}
		answer, err := b.session.Open(b.in[:n])
		if err != nil {
			continue
		}
		if m, err := coap.Parse(answer); err == nil && m.Type == coap.Acknowledgement && m.ID == b.id {
			return nil
		}
	}
}
