package virtual

import (
	"strconv"
	"time"

	"localcloud/coap"
)

const (
	platformGCC    = 3 // Device OS as a process on a computer
	platformPhoton = 6
)

const otaChunk = 512 // bytes of a chunk in a classic update

// hello returns what the device says of itself first.
func (d *Device) hello() coap.Hello {
	var id []byte
	if d.hasUDP() {
		id = d.cfg.ID[:]
	}
	return coap.Hello{
		DeviceID:       id,
		ProductID:      d.cfg.ProductID,
		ProductVersion: d.cfg.ProductVersion,
		Flags:          d.os.flags,
		HasPlatform:    true,
		PlatformID:     d.cfg.PlatformID,
		HasSystem:      d.os.longHello,
		SystemVersion:  uint16(d.os.system),
		MaxMessage:     uint16(d.os.maxMessage),
		MaxBinary:      d.maxBinary(),
		OTAChunk:       otaChunk,
	}
}

// maxBinary is the largest firmware image in bytes. Device OS for a computer
// says 100 KiB, and 10 MiB in later years.
func (d *Device) maxBinary() uint32 {
	switch {
	case d.cfg.PlatformID != platformGCC:
		return 128 << 10
	case d.os.protobuf:
		return 10 << 20
	}
	return 100 << 10
}

func (c *connection) sayHello(now time.Time) error {
	c.quietSince = now
	c.helloBy = now.Add(c.d.os.helloWait)
	payload := c.d.hello().Append(nil)
	return c.send(coap.HelloMessage(coap.NonConfirmable, c.nextID(), payload))
}

// onHello takes the server's answer, which makes the device online. Later ones
// mean nothing.
func (c *connection) onHello(now time.Time, m coap.Message) error {
	if m.Type == coap.Confirmable {
		if err := c.send(coap.Ack(m.ID)); err != nil {
			return err
		}
	}
	if c.greeted || c.d.faults.ignoresHello() {
		return nil
	}
	c.greeted = true
	c.rebootAt = c.d.faults.rebootAt(now)
	if err := c.burst(now, c.d.arrive(c)); err != nil {
		return err
	}
	c.announced = true
	c.d.greet()
	return nil
}

// burst says all that a board says when it has come online, without waiting
// for answers.
func (c *connection) burst(now time.Time, subs []coap.Subscription) error {
	for _, s := range c.d.os.burst {
		if err := c.say(now, s, subs); err != nil {
			return err
		}
	}
	return nil
}

func (c *connection) say(now time.Time, s step, subs []coap.Subscription) error {
	switch s {
	case stepDescribeSystem:
		return c.postDescribe(now, coap.DescribeSystem)
	case stepDescribeApplication:
		return c.postDescribe(now, coap.DescribeApplication)
	case stepClaim:
		if c.d.claimCode != "" {
			return c.tell("spark/device/claim/code", c.d.claimCode)
		}
	case stepHardware:
		if err := c.tell("spark/hardware/max_binary", strconv.Itoa(int(c.d.maxBinary()))); err != nil || c.udp != nil {
			return err
		}
		return c.tell("spark/hardware/ota_chunk_size", strconv.Itoa(otaChunk))
	case stepUpdates:
		if err := c.tell("particle/device/updates/enabled", "true"); err != nil {
			return err
		}
		return c.tell("particle/device/updates/forced", "false")
	case stepTime:
		return c.askTime()
	case stepSubscribe:
		return c.subscribe(subs...)
	}
	return nil
}
