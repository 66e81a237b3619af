package relay

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"strconv"
)

// chunkedBody reads a body in chunks (RFC 9112, section 7.1):
//
//	size in hex [; extensions] CRLF, so many bytes, CRLF; the last one has size 0, then trailers and an empty line
//
// It gives away what is there: the reader of the standard library waits until the buffer that it is given is
// full or the chunk ends, and a device may take hours for one chunk.
type chunkedBody struct {
	in   *bufio.Reader
	left uint64 // bytes of this chunk that are still to come
	next bool   // behind a chunk: its CRLF comes first
}

const (
	maxChunkLine = 4 << 10
	maxTrailers  = 64
)

var errChunk = errors.New("the chunks of the body are damaged")

func newChunkedBody(r io.Reader) *chunkedBody {
	return &chunkedBody{in: bufio.NewReaderSize(r, maxChunkLine)}
}

// Read implements io.Reader. Its error is io.EOF behind the last chunk only.
func (c *chunkedBody) Read(b []byte) (int, error) {
	if c.left == 0 {
		if err := c.begin(); err != nil {
			return 0, err
		}
	}
	n, err := c.in.Read(b[:min(uint64(len(b)), c.left)])
	c.left -= uint64(n)
	return n, unfinished(err, true)
}

// begin reads what stands before the bytes of a chunk.
func (c *chunkedBody) begin() error {
	if c.next {
		if line, err := c.line(); err != nil || len(line) > 0 {
			return errors.Join(err, errChunk)
		}
	}
	line, err := c.line()
	if err != nil {
		return err
	}
	size, _, _ := bytes.Cut(line, []byte(";"))
	if c.left, err = strconv.ParseUint(string(bytes.TrimSpace(size)), 16, 64); err != nil {
		return errChunk
	}
	c.next = true
	if c.left > 0 {
		return nil
	}
	for range maxTrailers {
		if line, err := c.line(); err != nil {
			return err
		} else if len(line) == 0 {
			return io.EOF
		}
	}
	return errChunk
}

// line reads a line without its end. It is valid until the next read.
func (c *chunkedBody) line() ([]byte, error) {
	line, err := c.in.ReadSlice('\n')
	if errors.Is(err, bufio.ErrBufferFull) {
		return nil, errChunk
	}
	return bytes.TrimSuffix(bytes.TrimSuffix(line, []byte("\n")), []byte("\r")), unfinished(err, true)
}
