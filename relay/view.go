package relay

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"localcloud/cloud"
)

// Bounds of viewers.
const (
	maxViewers   = 4096             // half of them of one address
	maxHistory   = 100000           // lines a newcomer may ask for; the ring holds fewer
	viewerPeriod = 15 * time.Second // between writes to a quiet viewer
	stalledTime  = time.Minute      // a viewer that takes nothing for so long is cut off
)

// style says what one viewer's stream looks like.
type style struct {
	ids    bool                              // number the lines, so that a browser goes on where it broke off
	events bool                              // tell of lost lines by an event instead of a comment
	only   []string                          // of the merged channel only these, by name; none: all
	render func(dst []byte, b *batch) []byte // nil: the frames as they are
}

// newBoot draws the part of line ids that names a run of the relay.
func newBoot() string {
	var b [4]byte
	rand.Read(b[:])
	return hex.EncodeToString(b[:])
}

// resumeAt returns the line at which a viewer begins. A browser that comes back
// says the last line that it has; of an earlier run of the relay it has
// seen nothing that is here, so it gets all there is.
func (r *Relay) resumeAt(q *http.Request, c *channel, reader reading) uint64 {
	from := r.wantedFrom(q, c)
	if from == 0 {
		return 0
	}
	return max(from, reader.since)
}

func (r *Relay) wantedFrom(q *http.Request, c *channel) uint64 {
	if id := cmp.Or(q.Header.Get("Last-Event-ID"), q.URL.Query().Get("last_event_id")); id != "" {
		boot, number, _ := strings.Cut(id, ".")
		if n, err := strconv.ParseUint(number, 10, 64); err == nil && boot == r.boot {
			return n + 1
		}
		return 1
	}
	n, _ := strconv.ParseUint(q.URL.Query().Get("history"), 10, 32)
	return c.newest(min(n, maxHistory))
}

// stream answers with the lines of a channel, for ever: 200 at once, also when
// no device was ever there. It writes to the connection itself, many lines at a time.
func (r *Relay) stream(w http.ResponseWriter, q *http.Request, c *channel, reader reading, st style) {
	if q.Method == http.MethodHead {
		w.Header().Set("Content-Type", "text/event-stream")
		return
	}
	ctx, release := reader.hold(r.context)
	defer release()
	from := addressOfText(q.RemoteAddr)
	if !r.viewers.enter(from) {
		overloaded(w)
		return
	}
	defer r.viewers.leave(from)
	v := c.join(r.resumeAt(q, c, reader), reader.channels(c == r.merged, st.only))
	defer v.leave()

	nc, in, err := http.NewResponseController(w).Hijack()
	if err != nil {
		http.Error(w, "this connection cannot stream", http.StatusInternalServerError)
		return
	}
	defer nc.Close()
	nc.SetDeadline(time.Time{})
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	gone := make(chan struct{})
	go func() { // a browser says nothing more; it only goes away
		defer close(gone)
		io.Copy(io.Discard, in)
		cancel(io.EOF)
	}()
	out := &sseWriter{nc: nc, chunked: q.ProtoAtLeast(1, 1), relay: r, style: st}
	err = out.run(ctx, v, reader.token)
	nc.Close()
	<-gone
	r.log.Debug("viewer gone", "channel", c.name(), "from", q.RemoteAddr, "lost", v.lost, "err", err)
}

// overloaded answers who cannot be served now with a stream that ends, since
// EventSource never comes back after an error status.
func overloaded(w http.ResponseWriter) {
	h := w.Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("Cache-Control", "no-cache")
	io.WriteString(w, "retry: 10000\n: too many viewers\n\n")
}

// sseWriter writes an event stream to one connection, for one goroutine.
type sseWriter struct {
	nc      net.Conn
	chunked bool
	relay   *Relay
	style   style
	buf     []byte
	pieces  net.Buffers
}

// run writes lines until ctx ends or the viewer takes no more.
func (o *sseWriter) run(ctx context.Context, v *viewer, token bool) error {
	stop := context.AfterFunc(ctx, func() { o.nc.SetWriteDeadline(time.Now().Add(time.Second)) })
	defer stop()
	if err := o.head(token); err != nil {
		return err
	}
	idle := time.NewTimer(viewerPeriod)
	defer idle.Stop()
	var batches []batch
	for {
		select {
		case <-v.bell:
		case <-idle.C:
			if err := o.write(ctx, []byte(":\n\n")); err != nil {
				return err
			}
			idle.Reset(viewerPeriod)
			continue
		case <-ctx.Done():
			if o.chunked { // a clean end, unless nobody is there any more
				io.WriteString(o.nc, "0\r\n\r\n")
			}
			return context.Cause(ctx)
		}
		for ctx.Err() == nil {
			var lost uint64
			clear(batches)
			if batches, lost = v.take(batches[:0]); len(batches) == 0 && lost == 0 {
				break
			}
			if err := o.batches(ctx, batches, lost); err != nil {
				return err
			}
			idle.Reset(viewerPeriod)
		}
	}
}

func (o *sseWriter) head(token bool) error {
	var b strings.Builder
	b.WriteString("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nCache-Control: no-cache\r\n")
	if token {
		b.WriteString("Access-Control-Allow-Origin: *\r\n")
	}
	b.WriteString("X-Content-Type-Options: nosniff\r\nX-Accel-Buffering: no\r\n")
	if o.chunked {
		b.WriteString("Connection: keep-alive\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n:ok\n\n\r\n")
	} else {
		b.WriteString("Connection: close\r\n\r\n:ok\n\n")
	}
	o.nc.SetWriteDeadline(time.Now().Add(writeTime))
	_, err := io.WriteString(o.nc, b.String())
	return err
}

// batches writes lines, and before them how many were lost.
func (o *sseWriter) batches(ctx context.Context, batches []batch, lost uint64) error {
	o.buf, o.pieces = o.buf[:0], o.pieces[:0]
	if lost > 0 && o.style.events {
		o.buf = fmt.Appendf(o.buf, "event: lost\ndata: %d\n\n", lost)
	} else if lost > 0 {
		o.buf = fmt.Appendf(o.buf, ": lost %d\n\n", lost)
	}
	if o.style.render == nil && !o.style.ids {
		pieces := make(net.Buffers, 0, len(batches)+1)
		if len(o.buf) > 0 {
			pieces = append(pieces, o.buf)
		}
		for i := range batches {
			pieces = append(pieces, batches[i].frames)
		}
		return o.write(ctx, pieces...)
	}
	for i := range batches {
		if o.style.render != nil {
			o.buf = o.style.render(o.buf, &batches[i])
			continue
		}
		o.buf = o.numbered(o.buf, &batches[i])
	}
	if len(o.buf) == 0 {
		return nil
	}
	return o.write(ctx, o.buf)
}

// numbered appends the frames of a batch with an id before each line.
func (o *sseWriter) numbered(dst []byte, b *batch) []byte {
	frames := b.frames
	for n := range uint64(b.n) {
		var line []byte
		line, frames = cutFrame(frames)
		dst = append(dst, "id: "...)
		dst = append(dst, o.relay.boot...)
		dst = append(dst, '.')
		dst = strconv.AppendUint(dst, b.first+n, 10)
		dst = append(dst, '\n')
		dst = appendFrame(dst, line)
	}
	return dst
}

// write writes the pieces with one system call where that is possible.
func (o *sseWriter) write(ctx context.Context, pieces ...[]byte) error {
	o.nc.SetWriteDeadline(time.Now().Add(stalledTime))
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if len(pieces) == 1 && !o.chunked {
		_, err := o.nc.Write(pieces[0])
		return err
	}
	out := o.pieces[:0]
	size := 0
	if o.chunked {
		out = append(out, nil)
	}
	for _, p := range pieces {
		size += len(p)
		out = append(out, p)
	}
	if o.chunked {
		out[0] = fmt.Appendf(nil, "%x\r\n", size)
		out = append(out, []byte("\r\n"))
	}
	o.pieces = out
	_, err := out.WriteTo(o.nc)
	return err
}

// reading is what one reader may see.
type reading struct {
	token bool // a token let it in
	sees  func(device string) bool
	write bool   // it may also send to devices
	since uint64 // no line before this one
	hold  func(ctx context.Context) (context.Context, func())
}

// reader finds out whether a request may read: by a token, or, unless the
// owner wants tokens, because it comes from the network and not from a page of somebody else's.
func (r *Relay) reader(q *http.Request) (reading, error) {
	secret := q.URL.Query().Get("access_token")
	if secret == "" {
		secret = q.URL.Query().Get("token")
	}
	if scheme, rest, ok := strings.Cut(q.Header.Get("Authorization"), " "); ok && strings.EqualFold(scheme, "Bearer") {
		secret = strings.TrimSpace(rest)
	}
	if secret != "" {
		return r.readerByToken(secret, q)
	}
	open := heldBy(r.doors.now()) // before the setting is looked at: who comes while it changes is cut off
	if r.tokenReads() {
		return reading{}, cloud.Errorf("", cloud.Unauthentic, "this relay shows data only to who has a token: ?access_token=TOKEN; "+
			"one is made with: localcloud token create --user NAME --scope relay:get")
	}
	if err := r.checkBrowser(q); err != nil {
		return reading{}, err
	}
	return reading{hold: open}, nil
}

func (r *Relay) readerByToken(secret string, q *http.Request) (reading, error) {
	access, err := r.Cloud.Access(secret)
	if err != nil {
		if no := r.wrong(refusedToken, addressOfText(q.RemoteAddr)); no == refusedGuesses {
			return reading{}, cloud.E("", cloud.Limited, errors.New(string(no)))
		}
		return reading{}, err
	}
	if !access.Read {
		return reading{}, cloud.Errorf("", cloud.Permission, "this token may not read from the relay: it needs the scope relay:get")
	}
	hold := access.Hold
	if hold == nil {
		hold = unheld
	}
	return reading{token: true, sees: access.Sees, write: access.Write, hold: hold}, nil
}

// channels returns which channels' lines the reader gets, of those wanted; nil: all. Among
// the lines of all devices those of a replay are only for who wants them by name.
func (a reading) channels(merged bool, wanted []string) func(from *channel) bool {
	if a.sees == nil && !merged {
		return nil
	}
	return func(from *channel) bool {
		is := from.stream != replayStream
		if len(wanted) > 0 {
			is = slices.Contains(wanted, from.name())
		}
		return is && (a.sees == nil || a.sees(from.device))
	}
}

func unheld(ctx context.Context) (context.Context, func()) { return ctx, func() {} }
