package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"time"

	"localcloud/cloud"
	"localcloud/cloud/sse"
)

// Event is one event of a stream.
type Event struct {
	ID          cloud.EventID `json:"id"`
	Name        string        `json:"name"`
	Data        *string       `json:"data"` // nil: it has none
	TTL         uint32        `json:"ttl"`
	PublishedAt time.Time     `json:"published_at"`
	CoreID      string        `json:"coreid"` // device id, or who else published it
}

// Query says which events to follow.
type Query struct {
	Prefix string        // beginning of the name; empty: all
	Device string        // of this device, by id or name; empty: of all that the user sees
	After  cloud.EventID // begin behind this event; 0: with the next one

	// Lost is called when the stream broke and is opened again after a pause; nil: not.
	Lost func(err error, pause time.Duration)
}

// Timing of a stream. The server writes something at least every 9 s.
const (
	silence    = 30 * time.Second // without a byte: the stream is dead
	firstPause = 500 * time.Millisecond
	longPause  = 30 * time.Second
)

// Follow calls yield with each event, in order, none twice, until yield
// returns an error, which it returns, or ctx ends, which returns nil. When the
// stream breaks it goes on behind the last event. It gives up, with the
// error, when the first request gets no answer or the server ever refuses it.
func (c *Client) Follow(ctx context.Context, q Query, yield func(Event) error) error {
	f := follower{client: c, query: q, last: q.After, yield: yield, pause: firstPause}
	for {
		err := f.stream(ctx)
		switch {
		case ctx.Err() != nil:
			return nil
		case f.over || !f.opened || !temporary(err):
			return err
		}
		if q.Lost != nil {
			q.Lost(err, f.pause)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(f.pause):
		}
		f.pause = min(2*f.pause, longPause)
	}
}

// temporary reports whether it may be otherwise in a moment.
func temporary(err error) bool {
	switch cloud.KindOf(err) {
	case cloud.Other, cloud.Timeout, cloud.Limited, cloud.NoSpace:
		return true
	}
	return false
}

// follower is the state of one Follow.
type follower struct {
	client *Client
	query  Query
	yield  func(Event) error
	last   cloud.EventID // newest event that was yielded
	pause  time.Duration // before the next attempt
	opened bool          // the server has accepted the request once
	over   bool          // yield wants no more
}

// stream opens the stream and reads it to its end; the error is never nil.
func (f *follower) stream(ctx context.Context) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	watch := time.AfterFunc(silence, func() { cancel(errSilent) })
	defer watch.Stop()

	body, err := f.open(ctx)
	if err != nil {
		return err
	}
	defer body.Close()
	f.opened = true
	frames := sse.NewReader(readerFunc(func(b []byte) (int, error) {
		n, err := body.Read(b)
		watch.Reset(silence)
		return n, err
	}))
	for {
		frame, err := frames.Next()
		if err != nil {
			if cause := context.Cause(ctx); cause != nil {
				err = cause
			}
			f.pause = max(f.pause, min(frames.Retry(), longPause))
			return cloud.Errorf("events", cloud.Other, "the event stream ended: %w", err)
		}
		if err := f.take(frame); err != nil {
			f.over = true
			return err
		}
	}
}

var errSilent = fmt.Errorf("nothing came for %v", silence)

// take hands one frame on, unless it was there already.
func (f *follower) take(frame sse.Frame) error {
	id, err := cloud.ParseEventID(frame.ID)
	if err == nil && id <= f.last {
		return nil
	}
	ev := Event{ID: id, Name: frame.Event}
	if frame.Event == "" || json.Unmarshal(frame.Data, &ev) != nil {
		return nil // not an event of the API
	}
	ev.ID, ev.Name = id, frame.Event
	f.last, f.pause = max(f.last, id), firstPause
	return f.yield(ev)
}

func (f *follower) open(ctx context.Context) (io.ReadCloser, error) {
	parts := []string{"devices", "events"}
	if f.query.Device != "" {
		parts = []string{"devices", f.query.Device, "events"}
	}
	if f.query.Prefix != "" {
		parts = append(parts, f.query.Prefix)
	}
	req, err := f.client.request(ctx, call{op: "events", method: http.MethodGet, path: path(parts...)})
	if err != nil {
		return nil, err
	}
	req.Header.Set("Accept", "text/event-stream")
	if f.last != 0 {
		req.Header.Set("Last-Event-ID", f.last.String())
	}
	resp, err := f.client.client().Do(req)
	if err != nil {
		return nil, f.client.unreachable("events", err)
	}
	if resp.StatusCode != http.StatusOK {
		defer resp.Body.Close()
		return nil, refusal("events", resp)
	}
	if kind, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type")); kind != "text/event-stream" {
		resp.Body.Close()
		return nil, cloud.E("events", cloud.Unsupported, errors.New("the answer is not an event stream; is it a localcloud?"))
	}
	return resp.Body, nil
}

// Publish publishes an event as the token's user; nil data means none.
func (c *Client) Publish(ctx context.Context, name string, data *string, private bool) error {
	in := map[string]any{"name": name, "private": private, "ttl": cloud.DefaultTTL}
	if data != nil {
		in["data"] = *data
	}
	return c.do(ctx, call{op: "publish", method: http.MethodPost, path: path("devices", "events"), in: in})
}

type readerFunc func(b []byte) (int, error)

func (f readerFunc) Read(b []byte) (int, error) { return f(b) }
