package session

import "time"

// awake returns the session, which is made if it rests.
func (d *Device) awake() *Session {
	if d.session == nil {
		d.session = d.rest.wake(d.begun, d.config())
		d.rest = resting{}
	}
	return d.session
}

// isPong makes a ping the answer to it, and reports whether message was one.
func (d *Device) isPong(message []byte) bool {
	now := time.Now()
	pong := d.session == nil && d.rest.pong(d.begun, now, message) || d.session != nil && d.session.Pong(now, message)
	if !pong {
		return false
	}
	d.heard.Store(int64(now.Sub(d.begun)))
	return true
}

// pong sends the answer to a ping, and the device rests on. It takes no memory and no more stack than Read.
func (d *Device) pong(answer []byte) error {
	d.show("to device", answer)
	d.link.SetWriteDeadline(together(time.Now().Add(writeTimeout)))
	err := d.link.Write(answer)
	d.link.Rest()
	d.await()
	return err
}

// await sees to it that Read waits for the next message, the session's next deadline, or a command, and reports whether
// it is to be called.
func (d *Device) await() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.waiting, d.reading = !d.woken, !d.woken
	if d.woken {
		return false
	}
	until := d.deadline()
	if d.resting {
		until = together(until)
	} else {
		until = earlier(until, d.begun.Add(d.active+restAfterTCP))
	}
	d.link.SetReadDeadline(until)
	return true
}

func (d *Device) deadline() time.Time {
	if d.session == nil {
		return d.rest.deadline(d.begun)
	}
	return d.session.Deadline()
}

// together puts a deadline off by less than a second, to the beginning of one. The timers of thousands of devices
// then wake the process once, and not each for itself.
func together(t time.Time) time.Time {
	return t.Add((time.Second - time.Duration(t.Nanosecond())) % time.Second)
}

// stir notes that something happened.
func (d *Device) stir(now time.Time) {
	since := now.Sub(d.begun)
	d.calm = since-d.active >= restAfterTCP
	d.active = since
}
