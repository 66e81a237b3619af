package sse

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"strconv"
	"strings"
	"time"
)

// Bounds of a stream that is read. An event of the Particle API has at most
// some 100 kB: 16384 bytes of data, each written as \uXXXX.
const (
	MaxLine  = 256 << 10 // bytes of one line
	MaxEvent = 1 << 20   // bytes of one event's data
)

// ErrTooLong says that a stream broke a bound. It cannot be read any further.
var ErrTooLong = errors.New("event stream: a line or an event is too long")

// Reader reads the events of a stream. It is for one goroutine.
type Reader struct {
	r     *bufio.Reader
	err   error // what ended the stream
	begun bool  // past the byte order mark
	cr    bool  // the last line ended with CR: an LF that follows belongs to it
	line  []byte

	lastID string
	retry  time.Duration
}

// NewReader returns a Reader of the stream r.
func NewReader(r io.Reader) *Reader { return &Reader{r: bufio.NewReader(r)} }

// LastID returns the id to go on from after a reconnect: that of the last event that had one.
func (r *Reader) LastID() string { return r.lastID }

// Retry returns how long the server wants clients to wait before they
// reconnect, or 0 when it did not say.
func (r *Reader) Retry() time.Duration { return r.retry }

// Next returns the next event. Its ID is that of the stream so far, so an event without one of
// its own repeats the last, as the standard has it. Comments, keep-alives
// and events without data are passed over. At the end of the stream, an event
// that is not complete is dropped, and the error is that of the underlying
// reader, io.EOF for a clean end. The Data is the caller's.
func (r *Reader) Next() (Frame, error) {
	f := Frame{}
	hasData := false
	id := r.lastID
	for {
		line, err := r.readLine()
		if err != nil {
			return Frame{}, err
		}
		if len(line) == 0 {
			r.lastID = id
			if hasData {
				f.ID = id
				return f, nil
			}
			f = Frame{}
			continue
		}
		field, value, _ := bytes.Cut(line, []byte(":")) // a comment has an empty field
		value = bytes.TrimPrefix(value, []byte(" "))
		switch string(field) {
		case "event":
			f.Event = string(value)
		case "data":
			if len(f.Data)+len(value) >= MaxEvent {
				return Frame{}, r.fail(ErrTooLong)
			}
			if hasData {
				f.Data = append(f.Data, '\n')
			}
			f.Data = append(f.Data, value...)
			hasData = true
		case "id":
			if bytes.IndexByte(value, 0) < 0 {
				id = string(value)
			}
		case "retry":
			r.setRetry(string(value))
		}
	}
}

func (r *Reader) setRetry(value string) {
	if strings.Trim(value, "0123456789") != "" {
		return
	}
	if ms, err := strconv.ParseUint(value, 10, 32); err == nil {
		r.retry = time.Duration(ms) * time.Millisecond
	}
}

// readLine returns the next line without its end. It never waits for the
// byte behind a CR. The slice is good until the next call.
func (r *Reader) readLine() ([]byte, error) {
	r.line = r.line[:0]
	for r.err == nil {
		if r.r.Buffered() == 0 {
			if _, err := r.r.Peek(1); err != nil {
				r.err = err
				break
			}
		}
		chunk, _ := r.r.Peek(r.r.Buffered())
		if r.cr && chunk[0] == '\n' {
			r.cr = false
			r.r.Discard(1)
			continue
		}
		r.cr = false
		i := bytes.IndexAny(chunk, "\r\n")
		if i < 0 {
			i = len(chunk)
		}
		if len(r.line)+i > MaxLine {
			return nil, r.fail(ErrTooLong)
		}
		r.line = append(r.line, chunk[:i]...)
		if i == len(chunk) {
			r.r.Discard(i)
			continue
		}
		r.cr = chunk[i] == '\r'
		r.r.Discard(i + 1)
		return r.afterMark(r.line), nil
	}
	return nil, r.err
}

// afterMark cuts a byte order mark off the very first line.
func (r *Reader) afterMark(line []byte) []byte {
	if r.begun {
		return line
	}
	r.begun = true
	return bytes.TrimPrefix(line, []byte("\ufeff"))
}

func (r *Reader) fail(err error) error {
	r.err = err
	return err
}
