package bench

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"sync"
	"sync/atomic"
	"time"

	"localcloud/cloud/sse"
)

// streams are clients of the event stream, each with a connection and a
// goroutine of its own.
type streams struct {
	connect func(ctx context.Context) (net.Conn, error)
	head    string // of the request, up to the Last-Event-ID

	reading sync.WaitGroup
	off     context.CancelFunc
	broken  atomic.Int64 // streams that ended and were opened again
	ears    atomic.Pointer[hearing]
}

// listen opens n event streams of the user's events whose names begin as ours do.
func (r *run) listen(ctx context.Context, c *Cloud, n int) (*streams, error) {
	base, err := url.Parse(c.API.BaseURL)
	if err != nil {
		return nil, err
	}
	s := &streams{connect: c.DialHTTP}
	s.head = fmt.Sprintf("GET %s/v1/devices/events/bench HTTP/1.1\r\nHost: %s\r\nAuthorization: Bearer %s\r\nAccept: text/event-stream\r\n",
		base.Path, base.Host, string(c.API.Token))
	return s, s.open(ctx, n)
}

// open opens n streams and returns when all have begun.
func (s *streams) open(ctx context.Context, n int) error {
	ctx, s.off = context.WithCancel(context.WithoutCancel(ctx))
	for i := range n {
		st, err := s.begin(ctx, "")
		if err != nil {
			s.close()
			return fmt.Errorf("event stream %d: %w", i+1, err)
		}
		s.reading.Go(func() { s.read(ctx, i, st) })
	}
	return nil
}

func (s *streams) close() {
	s.off()
	s.reading.Wait()
}

// one is an open stream.
type one struct {
	nc     net.Conn
	frames *sse.Reader
	stop   func() bool
}

// begin opens a stream, behind the event with this id if there is one.
func (s *streams) begin(ctx context.Context, after string) (*one, error) {
	nc, err := s.connect(ctx)
	if err != nil {
		return nil, err
	}
	head := s.head
	if after != "" {
		head += "Last-Event-ID: " + after + "\r\n"
	}
	stop := context.AfterFunc(ctx, func() { nc.Close() })
	if _, err := nc.Write([]byte(head + "\r\n")); err != nil {
		nc.Close()
		return nil, err
	}
	resp, err := http.ReadResponse(bufio.NewReader(nc), nil)
	if err != nil {
		nc.Close()
		return nil, err
	}
	if resp.StatusCode != http.StatusOK {
		nc.Close()
		return nil, fmt.Errorf("the server answered %s", resp.Status)
	}
	return &one{nc: nc, frames: sse.NewReader(resp.Body), stop: stop}, nil
}

// read hands on what comes until ctx ends. When the stream ends before, it goes on
// behind the last event, as clients do.
func (s *streams) read(ctx context.Context, i int, st *one) {
	for {
		for {
			frame, err := st.frames.Next()
			if err != nil {
				break
			}
			if h := s.ears.Load(); h != nil {
				h.ears[i].take(frame.Data)
			}
		}
		after := st.frames.LastID()
		st.stop()
		st.nc.Close()
		for again := false; !again; {
			if ctx.Err() != nil {
				return
			}
			s.broken.Add(1)
			next, err := s.begin(ctx, after)
			if again = err == nil; again {
				st = next
			} else {
				wait(ctx, time.Second)
			}
		}
	}
}
