package bench

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
)

// caller sends requests over one connection that it keeps, for one goroutine. It
// does less than net/http's client, so that more of the machine is left to the server.
type caller struct {
	connect func(ctx context.Context) (net.Conn, error)
	prefix  string // of paths
	head    string // common to all requests

	nc  net.Conn
	in  *bufio.Reader
	out []byte
}

func newCaller(c *Cloud) (*caller, error) {
	base, err := url.Parse(c.API.BaseURL)
	if err != nil {
		return nil, err
	}
	return &caller{
		connect: c.DialHTTP, prefix: base.Path,
		head: fmt.Sprintf("Host: %s\r\nAuthorization: Bearer %s\r\n", base.Host, string(c.API.Token)),
	}, nil
}

// do sends a request, with a body in JSON unless it is empty, and returns the
// body of a 200 answer. The connection lasts as long as the ctx of its first request.
func (c *caller) do(ctx context.Context, method, path, body string) ([]byte, error) {
	if c.nc == nil {
		nc, err := c.connect(ctx)
		if err != nil {
			return nil, err
		}
		context.AfterFunc(ctx, func() { nc.Close() }) // an answer that nobody waits for any more
		c.nc, c.in = nc, bufio.NewReader(nc)
	}
	answer, err := c.exchange(method, path, body)
	if err != nil {
		c.close()
	}
	return answer, err
}

func (c *caller) exchange(method, path, body string) ([]byte, error) {
	b := append(c.out[:0], method...)
	b = append(append(append(b, ' '), c.prefix...), path...)
	b = append(append(b, " HTTP/1.1\r\n"...), c.head...)
	if body != "" {
		b = append(b, "Content-Type: application/json\r\nContent-Length: "...)
		b = append(strconv.AppendInt(b, int64(len(body)), 10), "\r\n"...)
	}
	b = append(append(b, "\r\n"...), body...)
	c.out = b
	if _, err := c.nc.Write(b); err != nil {
		return nil, err
	}
	resp, err := http.ReadResponse(c.in, nil)
	if err != nil {
		return nil, err
	}
	answer, err := io.ReadAll(io.LimitReader(resp.Body, 64<<10))
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("%w: %s: %.200s", errRefused, resp.Status, answer)
	}
	return answer, err
}

// errRefused is an answer that is not 200.
var errRefused = errors.New("refused")

func (c *caller) close() {
	if c.nc != nil {
		c.nc.Close()
		c.nc = nil
	}
}
