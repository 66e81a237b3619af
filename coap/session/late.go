package session

import (
	"errors"
	"fmt"
	"time"

	"localcloud/coap"
)

// errLateHello says that Hello came, but so late that the device has given up.
var errLateHello = fmt.Errorf("%w in time", ErrNoHello)

// lateHello is how much longer than helloTimeout a connection is kept only to see whether Hello comes after all: a board
// that is slow needs another advice than one that fell silent.
const lateHello = 10 * time.Second

// late finds out whether a device over TCP that did not say Hello in time says it late.
func (d *Device) late(err error) error {
	if !errors.Is(err, ErrNoHello) || d.link.SetReadDeadline(time.Now().Add(lateHello)) != nil {
		return err
	}
	message, failed := d.link.Read()
	if failed != nil {
		return err
	}
	if m, failed := coap.Parse(message); failed == nil && m.Kind(coap.FromDevice) == coap.KindHello {
		return errLateHello
	}
	return err
}
