package api

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"time"

	"localcloud/cloud"
	"localcloud/cloud/sse"
)

const (
	writeTime = 20 * time.Second // a client that takes nothing for so long is cut off
	drainTime = 2 * time.Second  // for what is left to send when the server stops
	page      = 32               // events read from the log at a time
)

// streamMine streams the events of the user's devices, and those they publish themselves.
func (s *Server) streamMine(q *request) (any, error) { return s.stream(q, q.access.Filter(s.Registry)) }

// streamPublic streams public events of everybody and the user's own.
func (s *Server) streamPublic(q *request) (any, error) {
	f := q.access.Filter(s.Registry)
	f.Public = true
	return s.stream(q, f)
}

// streamDevice streams the events of one device.
func (s *Server) streamDevice(q *request) (any, error) {
	d, err := s.device(q)
	if err != nil {
		return nil, err
	}
	f := q.access.Filter(s.Registry)
	f.Device, f.Product = d.ID, q.product.ID
	return s.stream(q, f)
}

// streamProduct streams the events of a product's devices, whoever owns them, and what is published to it.
func (s *Server) streamProduct(q *request) (any, error) {
	f := q.access.Filter(s.Registry)
	f.Product = q.product.ID
	f.Reaches = nil // a token that is tied reaches all of this product, or there would be no such product for it
	return s.stream(q, f)
}

// stream answers with an event stream. It lives as long as its token. All
// that can be refused is refused before the head is written.
func (s *Server) stream(q *request, f cloud.Filter) (any, error) {
	f.Prefix = q.variable("prefix")
	after, resume, err := resumeAt(q)
	if err != nil {
		return nil, err
	}
	ctx, leave, err := s.enterStream(q)
	if err != nil {
		return nil, err
	}
	defer leave()

	queue := cloud.NewQueue(s.QueueSize)
	sub := s.Hub.Subscribe(f, queue)
	defer s.Hub.Unsubscribe(sub)

	ctx, end := context.WithCancelCause(ctx)
	defer end(nil)
	out := newStreamWriter(q.w, s.KeepAlive)
	if err := out.begin(); err != nil || q.Method == http.MethodHead {
		return streamed{}, nil
	}
	history := s.history(ctx, end, sub, after, resume)
	defer func() { // the reader of the log ends with the stream
		end(nil)
		drain(history)
	}()
	err = s.pump(ctx, out, history, queue)
	s.Logger.Debug("event stream ended", "user", string(q.access.User.ID), "from", q.RemoteAddr,
		"delivered", sub.Delivered(), "lost", sub.Lost(), "err", err)
	return streamed{}, nil
}

// resumeAt returns the id of the last event that the client has, if it says so.
func resumeAt(q *request) (after cloud.EventID, resume bool, err error) {
	id := cmp.Or(q.Header.Get("Last-Event-ID"), q.args.text("last_event_id"))
	if id == "" {
		return 0, false, nil
	}
	after, err = cloud.ParseEventID(id)
	return after, err == nil, err
}

// history reads what the client missed, page by page, so that a slow client
// does not keep the log busy. The channel is closed behind the last event, at
// once when the client did not ask. A damaged log does not end the stream, since
// what is live is not damaged; a closed one does, and the client comes back for
// what it did not get.
func (s *Server) history(
	ctx context.Context, end context.CancelCauseFunc, sub *cloud.Subscription, after cloud.EventID, asked bool,
) <-chan *cloud.Event {
	c := make(chan *cloud.Event, page)
	if !asked {
		close(c)
		return c
	}
	go func() {
		defer close(c)
		for n := page; n == page && ctx.Err() == nil; {
			var events []*cloud.Event
			err := s.Hub.Replay(ctx, sub, after, func(ev *cloud.Event) bool {
				events = append(events, ev)
				return len(events) < page
			})
			switch {
			case errors.Is(err, cloud.ErrClosed):
				end(err)
				return
			case err != nil && ctx.Err() == nil:
				s.Logger.Error("event log cannot be read", "err", err)
			}
			n = len(events)
			for _, ev := range events {
				select {
				case c <- ev:
					after = ev.ID
				case <-ctx.Done():
					return
				}
			}
		}
	}()
	return c
}

// drain waits until the writer of c has ended.
func drain(c <-chan *cloud.Event) {
	for range c {
	}
}

// pump writes events until the stream has to end, first history, then what is
// in the queue. A queue that overflowed ends the stream behind what it holds:
// the client comes back and catches up by id.
func (s *Server) pump(ctx context.Context, out *streamWriter, history <-chan *cloud.Event, queue *cloud.Queue) error {
	source, closing := history, s.streams.closing
	for ctx.Err() == nil {
		if closing != nil && s.streams.isClosing() {
			closing = nil // never ready again
			out.hurry()
		}
		if source == queue.C && len(source) == 0 && (closing == nil || queue.Overflowed()) {
			return nil // that was all
		}
		var err error
		select {
		case ev, more := <-source:
			switch {
			case more:
				err = out.event(ev)
			case ctx.Err() == nil: // else history ended because the store is closed
				source = queue.C
			}
		case <-out.idle.C:
			if closing == nil {
				return nil // the log is slow, and there is no time left
			}
			err = out.keepAlive()
		case <-closing:
		case <-ctx.Done():
		}
		if err != nil {
			return err
		}
	}
	return context.Cause(ctx)
}

// streamWriter writes to one client, for one goroutine.
type streamWriter struct {
	w      http.ResponseWriter
	rc     *http.ResponseController
	period time.Duration // of keep-alives
	idle   *time.Timer   // rings when nothing was written for a period
	last   time.Time     // when everything has to be written; zero: not set
	buf    []byte
}

func newStreamWriter(w http.ResponseWriter, period time.Duration) *streamWriter {
	return &streamWriter{w: w, rc: http.NewResponseController(w), period: period, idle: time.NewTimer(period)}
}

// begin writes the head, and then the preamble by itself.
func (o *streamWriter) begin() error {
	h := o.w.Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("Cache-Control", "no-cache")
	h.Set("Connection", "keep-alive")
	h.Set("X-Accel-Buffering", "no")
	o.w.WriteHeader(http.StatusOK)
	if err := o.write(nil); err != nil {
		return err
	}
	return o.write([]byte(sse.Preamble))
}

func (o *streamWriter) event(ev *cloud.Event) error {
	o.buf = sse.AppendParticle(o.buf[:0], uint64(ev.ID), ev.Name, ev.Data, ev.TTL, ev.PublishedAt, ev.CoreID())
	return o.write(o.buf)
}

func (o *streamWriter) keepAlive() error { return o.write([]byte(sse.KeepAlive)) }

// hurry leaves drainTime for all that is still to be written.
func (o *streamWriter) hurry() {
	o.last = time.Now().Add(drainTime)
	o.idle.Reset(drainTime)
}

// write writes b in one piece and flushes it.
func (o *streamWriter) write(b []byte) error {
	deadline := time.Now().Add(writeTime)
	if !o.last.IsZero() {
		deadline = o.last
	}
	o.rc.SetWriteDeadline(deadline) // tests have writers without deadlines
	if len(b) > 0 {
		if _, err := o.w.Write(b); err != nil {
			return err
		}
	}
	o.idle.Reset(o.period)
	return o.rc.Flush()
}
