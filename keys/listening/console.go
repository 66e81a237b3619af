package listening

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"go.bug.st/serial"
)

// Line is a serial port, as go.bug.st/serial has it: Read returns after its timeout with 0 bytes.
type Line interface {
	io.ReadWriteCloser
	SetReadTimeout(time.Duration) error
}

// Console is a board's serial port. One goroutine uses it.
type Console struct {
	line Line
	text []byte // what came and was not yet taken
}

// baud is what consoles begin with. Over USB it means nothing, except that 14400 puts a board into DFU mode.
const baud = 9600

// Errors of a Console.
var (
	// ErrSilent says that the board answers nothing, as when it is not in listening mode.
	ErrSilent = errors.New("the board answers nothing: it is not in listening mode. Hold MODE (or SETUP) for three seconds until its light " +
		"blinks dark blue; a program that keeps the serial port busy, or calls for it in another way, is stopped by safe mode")
	// ErrGone says that the board was unplugged, or restarted.
	ErrGone = errors.New("the board went away meanwhile: plug it in again, and put it into listening mode (blinking dark blue)")
)

// Open opens the port.
func Open(port string) (*Console, error) {
	line, err := serial.Open(port, &serial.Mode{BaudRate: baud})
	var failed *serial.PortError
	switch {
	case err == nil:
		return New(line), nil
	case errors.Is(err, os.ErrNotExist):
		return nil, noPort(port)
	case !errors.As(err, &failed):
	case failed.Code() == serial.PermissionDenied:
		return nil, fmt.Errorf("no permission for %s; on Linux: sudo usermod -aG dialout $USER, then log in again; or sudo localcloud device udev --install", port)
	case failed.Code() == serial.PortBusy:
		return nil, fmt.Errorf("another program uses %s, such as a serial monitor; close it", port)
	case failed.Code() == serial.PortNotFound:
		return nil, noPort(port)
	}
	return nil, fmt.Errorf("%s: %w", port, err)
}

func noPort(port string) error {
	return fmt.Errorf("there is no port %s; see which there are: localcloud device identify", port)
}

// New returns a Console on a line that is open.
func New(line Line) *Console { return &Console{line: line} }

// Close gives the port back.
func (c *Console) Close() error { return c.line.Close() }

// pause is how long one read may take, so that a wait can be ended.
const pause = 50 * time.Millisecond

// send writes what a person would type.
func (c *Console) send(text string) error {
	if _, err := c.line.Write([]byte(text)); err != nil {
		return fmt.Errorf("%w (%w)", ErrGone, err)
	}
	return nil
}

// fill reads what comes within a pause.
func (c *Console) fill() error {
	if err := c.line.SetReadTimeout(pause); err != nil {
		return ErrGone
	}
	var b [512]byte
	n, err := c.line.Read(b[:])
	c.text = append(c.text, b[:n]...)
	if len(c.text) > maxText {
		c.text = c.text[len(c.text)-maxText:]
	}
	if err != nil && n == 0 {
		return fmt.Errorf("%w (%w)", ErrGone, err)
	}
	return nil
}

// maxText bounds what a board can make us keep.
const maxText = 16 << 10

// flush throws away what came so far.
func (c *Console) flush() error {
	c.text = nil
	err := c.fill()
	c.text = nil
	return err
}

// collect reads until nothing came for a while, at most for limit.
func (c *Console) collect(ctx context.Context, quiet, limit time.Duration) (string, error) {
	end := time.Now().Add(limit)
	last := time.Now()
	for time.Now().Before(end) && ctx.Err() == nil {
		before := len(c.text)
		if err := c.fill(); err != nil {
			return "", err
		}
		if len(c.text) != before {
			last = time.Now()
		} else if len(c.text) > 0 && time.Since(last) >= quiet {
			break
		}
	}
	text := string(c.text)
	c.text = nil
	return text, ctx.Err()
}

// await reads until one of the texts is there, takes it with all before it, and returns which it is. With
// none within limit it fails with ErrSilent.
func (c *Console) await(ctx context.Context, limit time.Duration, texts ...string) (which string, err error) {
	for end := time.Now().Add(limit); ; {
		first := -1
		for _, t := range texts {
			if at := bytes.Index(c.text, []byte(t)); at >= 0 && (first < 0 || at < first) {
				first, which = at, t
			}
		}
		if first >= 0 {
			c.text = c.text[first+len(which):]
			return which, nil
		}
		switch {
		case ctx.Err() != nil:
			return "", ctx.Err()
		case time.Now().After(end):
			return "", fmt.Errorf("%w (it said last: %q)", ErrSilent, lastOf(string(c.text)))
		}
		if err := c.fill(); err != nil {
			return "", err
		}
	}
}

// answer types the answer to a question, and takes its echo out of what comes, so that an answer is never taken for a
// question. secret answers are not repeated in errors.
func (c *Console) answer(ctx context.Context, text string) error {
	c.text = nil
	if err := c.send(text + "\n"); err != nil {
		return err
	}
	_, err := c.await(ctx, echoTime, text+"\r\n")
	if errors.Is(err, ErrSilent) {
		return errors.New("the board did not repeat what it was told: something is wrong with the line; try again")
	}
	return err
}

// echoTime is how long the echo of a line may take.
const echoTime = 5 * time.Second

// lastOf is the end of a text, for an error.
func lastOf(text string) string {
	text = strings.TrimSpace(text)
	if len(text) > 60 {
		text = text[len(text)-60:]
	}
	return text
}
