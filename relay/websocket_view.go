package relay

import (
	"bufio"
	"context"
	"fmt"
	"net/http"
	"strings"
	"time"
)

// viewSocket streams a channel's lines as WebSocket messages. Who came with a
// token that may write also sends: its texts go to the device.
func (r *Relay) viewSocket(w http.ResponseWriter, q *http.Request, c *channel, reader reading) {
	ctx, release := reader.hold(r.context)
	defer release()
	from := addressOfText(q.RemoteAddr)
	if !r.viewers.enter(from) {
		http.Error(w, "too many viewers", http.StatusServiceUnavailable)
		return
	}
	defer r.viewers.leave(from)
	h := head{method: q.Method, fields: make(map[string]string)}
	for _, name := range []string{"Connection", "Sec-WebSocket-Key", "Sec-WebSocket-Version"} {
		h.fields[strings.ToLower(name)] = q.Header.Get(name)
	}
	nc, rw, err := http.NewResponseController(w).Hijack()
	if err != nil {
		http.Error(w, "this connection cannot stream", http.StatusInternalServerError)
		return
	}
	defer nc.Close()
	nc.SetDeadline(time.Time{})
	if !handshake(nc, &h) {
		return
	}
	v := c.join(r.resumeAt(q, c, reader), reader.channels(c == r.merged, nil))
	defer v.leave()
	s := &socket{nc: nc, in: &messageReader{in: bufio.NewReaderSize(rw.Reader, 512)}, writing: make(chan struct{}, 1)}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	heard := make(chan struct{})
	go func() {
		defer close(heard)
		cancel(r.hear(s, c, reader))
	}()
	r.tell(ctx, s, v, q.URL.Query().Has("lost"))
	s.close(codeOf(context.Cause(ctx)))
	<-heard
	s.drain()
}

// hear takes what a viewer says until it goes. It returns why.
func (r *Relay) hear(s *socket, c *channel, reader reading) error {
	for {
		m, err := s.in.next()
		switch {
		case err != nil:
			return err
		case m.op == opClose:
			return errNoPeer
		case m.op == opPing:
			if err := s.write(appendMessage(nil, opPong, m.data)); err != nil {
				return err
			}
		case m.op == opText && c.device != "":
			if !reader.write {
				return protocolError{closePolicy, "reading is all you may do here: sending takes a token with the scope relay:send"}
			}
			if err := r.send(c.name(), string(m.data)); err != nil {
				return protocolError{closePolicy, err.Error()}
			}
		}
	}
}

// tell writes lines until ctx ends or the viewer takes no more. With counted
// it also says how many it lost, in a message like the comment that SSE viewers get.
func (r *Relay) tell(ctx context.Context, s *socket, v *viewer, counted bool) {
	idle := time.NewTicker(viewerPeriod)
	defer idle.Stop()
	var batches []batch
	var buf []byte
	for {
		select {
		case <-v.bell:
		case <-idle.C:
			if s.write(appendMessage(nil, opPing, nil)) != nil {
				return
			}
			continue
		case <-ctx.Done():
			return
		}
		for ctx.Err() == nil {
			var lost uint64
			clear(batches)
			if batches, lost = v.take(batches[:0]); len(batches) == 0 && lost == 0 {
				break
			}
			buf = buf[:0]
			if lost > 0 && counted {
				buf = appendMessage(buf, opText, fmt.Appendf(nil, ": lost %d", lost))
			}
			for i := range batches {
				buf = lineMessages(buf, &batches[i])
			}
			if len(buf) > 0 && s.write(buf) != nil {
				return
			}
		}
	}
}
