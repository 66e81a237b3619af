package virtual

import (
	"time"

	"localcloud/coap"
)

// Device OS communication/src/lightssl_protocol.h initialize_ping.
const (
	pingInterval = 15 * time.Second // of silence, before the device pings
	pingTimeout  = 10 * time.Second // of silence after that, before it gives up
)

func (c *connection) pingDeadline() time.Time {
	interval, timeout := pingInterval, pingTimeout
	if c.udp != nil {
		interval, timeout = c.udp.keepAlive, udpPingTimeout
	}
	if c.pinging {
		return c.quietSince.Add(timeout)
	}
	return c.quietSince.Add(interval)
}

// pingTick sends a ping after a silence of the server, whatever the device
// itself says meanwhile, and gives up when nothing at all comes back.
//
// Up to 0.7 a mistake makes a board forget that it waits (Device OS 0.7.0
// communication/src/ping.h): it pings again and again and never gives up.
func (c *connection) pingTick(now time.Time) error {
	if now.Before(c.pingDeadline()) {
		return nil
	}
	if c.pinging {
		return ErrPingTimeout
	}
	c.quietSince, c.pinging = now, !c.d.os.patientPing
	return c.send(coap.Ping(c.nextID()))
}
