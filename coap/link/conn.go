package link

import (
	"crypto/aes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"time"

	"localcloud/keys"
)

// Conn carries messages over one connection, encrypted. One goroutine may call Read while another calls Write; the
// deadlines and Close may be called at any time. A Conn that waits for a message holds no buffer.
type Conn struct {
	// fixed at creation
	nc     net.Conn
	device keys.DeviceID
	key    keys.PublicKey
	salt   [8]byte
	pool   *buffers

	serverKey keys.Fingerprint // of our key that the device holds; "" on the device's side

	// owned by the reader
	small      [smallFrame]byte // the next frame, as far as it came, while there is no buffer
	calm       bool             // that is likely to be a small one, and alone; see Rest
	buffer     *buffer          // for a longer one; nil between messages
	start, end int              // what of small or buffer is received and not yet taken
	readErr    error

	// owned by the writer
	writeErr error

	chains *chains // a pointer, so that fmt prints no key; see there who may use it
}

// smallFrame has room for a frame of one cipher block, such as a ping: at rest that takes one read and no buffer.
const smallFrame = headerSize + aes.BlockSize

func newConn(nc net.Conn, creds *credentials, id keys.DeviceID, key keys.PublicKey, pool *buffers) *Conn {
	return &Conn{nc: nc, device: id, key: key, salt: creds.salt(), pool: pool, chains: newChains(creds), calm: true}
}

// Read blocks until the next message is here and returns it. The slice is valid until the next Read.
//
// When the read deadline passes, Read returns an error for which errors.Is(err, os.ErrDeadlineExceeded) holds. Nothing
// is lost: the part of a frame that came stays, and after a new deadline Read goes on. Who waits in Read can so be
// woken with SetReadDeadline.
//
// Any other error is final and comes again from every later Read: io.EOF when the other side closed between two frames,
// io.ErrUnexpectedEOF inside one, ErrBadFrame when it sent something else than a frame (the connection is closed then).
func (c *Conn) Read() ([]byte, error) {
	if c.readErr != nil {
		return nil, c.readErr
	}
	c.release()
	for {
		frame, err := c.take()
		if err != nil {
			return nil, c.fail(err)
		}
		if frame != nil {
			message, ok := c.chains.open(frame)
			if !ok {
				return nil, c.fail(ErrBadFrame)
			}
			return message, nil
		}
		if err := c.fill(); err != nil {
			// Not net.Error.Timeout: that is also true of a peer that TCP gave up on.
			if errors.Is(err, os.ErrDeadlineExceeded) {
				return nil, err
			}
			return nil, c.fail(err)
		}
	}
}

// space is where bytes are received.
func (c *Conn) space() []byte {
	if c.buffer != nil {
		return c.buffer.bytes
	}
	return c.small[:]
}

// take removes the next whole frame from what was received and returns its ciphertext, nil if there is none yet.
func (c *Conn) take() ([]byte, error) {
	received := c.space()[c.start:c.end]
	if len(received) < headerSize {
		return nil, nil
	}
	n, ok := frameLength(received, c.pool.limit)
	if !ok {
		return nil, ErrBadFrame
	}
	if len(received) < headerSize+n {
		return nil, nil
	}
	c.start += headerSize + n
	return received[headerSize : headerSize+n], nil
}

// fill reads once: after a rest what is or begins a small frame, else the header, and then into the buffer, where more frames
// may come along. The buffer has room for the largest frame, so it never is full without holding a whole one.
func (c *Conn) fill() error {
	if c.start > 0 {
		c.end = copy(c.space(), c.space()[c.start:c.end])
		c.start = 0
	}
	space := c.small[:headerSize]
	if c.calm {
		space = c.small[:]
	}
	if c.buffer == nil && c.end >= len(space) {
		c.calm = false
		c.buffer = c.pool.get()
		copy(c.buffer.bytes, c.small[:c.end])
	}
	if c.buffer != nil {
		space = c.buffer.bytes
	}
	n, err := c.nc.Read(space[c.end:])
	c.end += n
	return unlessRead(n, err)
}

// unlessRead leaves an error that came together with bytes to the next read.
func unlessRead(n int, err error) error {
	if n > 0 {
		return nil
	}
	return err
}

// release ends the life of the last message and gives the buffer back when nothing else is in it.
func (c *Conn) release() {
	if c.start < c.end {
		return
	}
	c.start, c.end = 0, 0
	if c.buffer != nil {
		c.pool.put(c.buffer)
		c.buffer = nil
	}
}

func (c *Conn) fail(err error) error {
	inFrame := c.start < c.end
	c.start = c.end
	c.release()
	switch {
	case errors.Is(err, io.EOF) && inFrame:
		err = io.ErrUnexpectedEOF
	case errors.Is(err, ErrBadFrame):
		c.nc.Close()
	}
	c.readErr = err
	return err
}

// Write sends msg as one frame with one write to the connection and blocks until that is done or the write deadline
// passes. It does not keep msg. ErrTooLong leaves the Conn as it was; after any other error the other side has lost
// its place in the stream, and every later Write returns the same error.
func (c *Conn) Write(msg []byte) error {
	if c.writeErr != nil {
		return c.writeErr
	}
	n := frameSize(len(msg))
	if n > c.pool.limit {
		return ErrTooLong
	}
	b := c.pool.get()
	defer c.pool.put(b)
	frame := b.bytes[:headerSize+n]
	binary.BigEndian.PutUint16(frame, uint16(n))
	ciphertext := frame[headerSize:]
	pad(ciphertext, copy(ciphertext, msg))
	c.chains.seal(ciphertext)
	_, c.writeErr = c.nc.Write(frame)
	return c.writeErr
}

// Rest says that what comes next is likely to be a small message after a while, such as a ping: that then takes one read and no
// buffer. It is not called during Read.
func (c *Conn) Rest() { c.calm = true }

// Close closes the connection. A Read or Write that waits returns.
func (c *Conn) Close() error { return c.nc.Close() }

// SetReadDeadline is that of net.Conn.
func (c *Conn) SetReadDeadline(t time.Time) error { return c.nc.SetReadDeadline(t) }

// SetWriteDeadline is that of net.Conn. A Write that it ends ends the Conn.
func (c *Conn) SetWriteDeadline(t time.Time) error { return c.nc.SetWriteDeadline(t) }

// SetDeadline is that of net.Conn, for both directions.
func (c *Conn) SetDeadline(t time.Time) error { return c.nc.SetDeadline(t) }

// RemoteAddr is that of net.Conn.
func (c *Conn) RemoteAddr() net.Addr { return c.nc.RemoteAddr() }

// LocalAddr is that of net.Conn.
func (c *Conn) LocalAddr() net.Addr { return c.nc.LocalAddr() }

// DeviceID is the id of the device on this connection, on the server's side as well as on its own.
func (c *Conn) DeviceID() keys.DeviceID { return c.device }

// DeviceKey is the device's public key; on the server's side the one that Authorize returned. Who writes and reads frames
// that decrypt holds the private half of it.
func (c *Conn) DeviceKey() keys.PublicKey { return c.key }

// Salt is the last part of the credentials, from which devices seed their message ids.
func (c *Conn) Salt() [8]byte { return c.salt }

// FirstMessageID is the message id of a device's Hello as a Photon derives it from the salt.
// A Core reads the same two bytes in big-endian order (device-os lightssl_message_channel.cpp, spark_protocol.cpp).
func (c *Conn) FirstMessageID() uint16 { return binary.LittleEndian.Uint16(c.salt[:]) + 1 }

// Knock returns the record of a device that was turned away after the handshake, for the caller to keep.
func (c *Conn) Knock(step keys.Step, reason keys.Reason) keys.Knock {
	k := newKnock(c.nc)
	k.ID, k.Key, k.Fingerprint = c.device, c.key, c.key.Fingerprint()
	k.Step, k.Reason = step, reason
	return k
}

// String names the device and its address. The keys of the connection never print.
func (c *Conn) String() string { return fmt.Sprintf("link to %s at %s", c.device, c.nc.RemoteAddr()) }
