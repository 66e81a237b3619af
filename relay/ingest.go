package relay

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"regexp"
	"sync/atomic"
	"time"
)

// stream is one connection over which a device sends.
type stream struct {
	channel *channel
	device  string
	kind    string // "post" or "websocket"
	called  bool   // see admission
	address netip.Addr
	since   time.Time

	heard     atomic.Int64 // last byte, ns since 1970
	lines     atomic.Uint64
	bytes     atomic.Uint64
	truncated atomic.Uint64

	down *downlink // to the device; nil: it does not listen

	ctx context.Context
	end context.CancelCauseFunc
}

// serveDevice serves a connection of a device behind its head. It blocks for as long as the device sends.
func (r *Relay) serveDevice(nc net.Conn, in *bufio.Reader, h head, from netip.Addr) {
	upgrade := h.upgrades()
	name := h.query.Get("stream")
	if !validStream(name) || name == replayStream {
		answer(nc, "400 Bad Request", "a stream's name has 1 to 32 letters, digits, - or _, and is not replay")
		return
	}
	who, no := r.admit(&h, from)
	switch {
	case no == refusedMissing && upgrade: // it may say who it is in its first message
		r.serveStranger(nc, in, h, from)
		return
	case no == refusedGuesses:
		r.refuse(from, who.device, no)
		answer(nc, "429 Too Many Requests", "")
		return
	case no != "":
		r.refuse(from, who.device, no)
		answer(nc, "401 Unauthorized", "")
		return
	}
	defer who.release()
	if upgrade {
		r.serveSocket(nc, in, h, from, who)
		return
	}
	if h.method != "POST" {
		answer(nc, "405 Method Not Allowed", "")
		return
	}
	s := r.begin(who, name, "post", from, nil, func(error) { nc.Close() })
	if s == nil {
		answer(nc, "503 Service Unavailable", "")
		return
	}
	if h.get("expect") != "" && h.minor > 0 {
		io.WriteString(nc, "HTTP/1.1 100 Continue\r\n\r\n")
	}
	err := r.readLines(s, nc, bodyOf(h, in, nc))
	if err == nil && (h.length() >= 0 || h.has("transfer-encoding", "chunked")) {
		answer(nc, "200 OK", "") // it has said all, and may wait for that
	}
	r.over(s, err)
}

// bodyOf returns the body of a request: chunked, of a certain length, or
// whatever comes until the connection ends. It does not hold on to the buffer of in.
func bodyOf(h head, in *bufio.Reader, nc net.Conn) io.Reader {
	buffered, _ := in.Peek(in.Buffered())
	raw := io.MultiReader(bytes.NewReader(bytes.Clone(buffered)), nc)
	if h.has("transfer-encoding", "chunked") {
		return newChunkedBody(raw)
	}
	if n := h.length(); n >= 0 {
		return io.LimitReader(raw, n)
	}
	return raw
}

// answer writes a whole answer and says that the connection ends.
func answer(nc net.Conn, status, text string) {
	nc.SetWriteDeadline(time.Now().Add(writeTime))
	if text != "" {
		text += "\n"
	}
	fmt.Fprintf(nc, "HTTP/1.1 %s\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s",
		status, len(text), text)
	linger(nc)
}

// linger lets the peer read the answer before the connection goes: what it has sent meanwhile and nobody read
// would otherwise reset the connection under it.
func linger(nc net.Conn) {
	if half, ok := nc.(interface{ CloseWrite() error }); ok && half.CloseWrite() == nil {
		nc.SetReadDeadline(time.Now().Add(lingerTime))
		io.Copy(io.Discard, io.LimitReader(nc, 256<<10))
	}
}

const lingerTime = 500 * time.Millisecond

var streamName = regexp.MustCompile(`^[A-Za-z0-9_-]{0,32}$`)

func validStream(name string) bool { return streamName.MatchString(name) }

// begin makes a stream the one of its device and name. One that is there already ends: the newest wins. hangUp
// is called once, on another goroutine, when the stream ends. It returns nil when there are too many channels.
func (r *Relay) begin(who admission, name, kind string, from netip.Addr, down *downlink, hangUp func(cause error)) *stream {
	device := who.device
	c := r.useToSend(device, name)
	if c == nil {
		return nil
	}
	s := &stream{channel: c, device: device, kind: kind, called: who.called, address: from, since: time.Now(), down: down}
	s.heard.Store(time.Now().UnixNano())
	s.ctx, s.end = context.WithCancelCause(r.context)
	context.AfterFunc(s.ctx, func() { hangUp(context.Cause(s.ctx)) })
	if who.held != nil {
		stop := context.AfterFunc(who.held, func() { s.end(context.Cause(who.held)) })
		context.AfterFunc(s.ctx, func() { stop() })
	}

	r.mu.Lock()
	old := r.streams[c.name()]
	r.streams[c.name()] = s
	rec := r.recordLocked(device)
	rec.Connected, rec.From, rec.Problem = time.Now(), from.String(), ""
	r.mu.Unlock()
	if old != nil {
		old.end(errReplaced)
	}
	r.counts.accepted.Add(1)
	if who.called {
		r.remember(device, from)
	}
	r.log.Info("device streams", "device", device, "stream", name, "by", kind, "address", from.String())
	return s
}

// over ends a stream; err is why, nil when the device had said all.
func (r *Relay) over(s *stream, err error) {
	cause := context.Cause(s.ctx)
	s.end(err)
	defer r.letGo(s.channel)
	if cause != nil {
		err = cause
	}
	why := reason(err)
	name := s.channel.name()
	r.mu.Lock()
	current := r.streams[name] == s
	if current {
		delete(r.streams, name)
	}
	rec := r.recordLocked(s.device)
	rec.Ended, rec.Why = time.Now(), why
	r.mu.Unlock()
	r.log.Info("device's stream ended", "device", s.device, "stream", s.channel.stream, "why", why,
		"lines", s.lines.Load(), "lasted", time.Since(s.since).Round(time.Second).String())
	if current && !errors.Is(err, errKicked) && !errors.Is(err, errStopping) {
		r.reinvite(s)
	}
}

// reason says in words why a stream ended.
func reason(err error) string {
	switch {
	case err == nil, errors.Is(err, io.EOF):
		return "the device closed the connection"
	case errors.Is(err, os.ErrDeadlineExceeded):
		return "the device was silent for too long"
	case errors.Is(err, errReplaced), errors.Is(err, errKicked), errors.Is(err, errStopping), errors.As(err, new(protocolError)):
		return err.Error()
	}
	return "the connection broke: " + err.Error()
}

// readLines reads lines until the body ends, and publishes them. What came in one
// segment goes on in one batch. A last line without an end counts when
// the device closed the connection properly; when it broke, nobody knows what is missing.
func (r *Relay) readLines(s *stream, nc net.Conn, body io.Reader) error {
	var split splitter
	buf := make([]byte, readSize)
	for {
		nc.SetReadDeadline(time.Now().Add(r.Silence))
		n, err := body.Read(buf)
		if n > 0 {
			r.take(s, &split, buf[:n], false)
		}
		if n == len(buf) && n < fastRead {
			buf = make([]byte, fastRead)
		}
		if err != nil {
			if errors.Is(err, io.EOF) { // not ErrUnexpectedEOF
				r.take(s, &split, nil, true)
				return nil
			}
			return err
		}
	}
}

// take publishes the lines that end within b, and with last the one that has no end.
func (r *Relay) take(s *stream, split *splitter, b []byte, last bool) {
	s.heard.Store(time.Now().UnixNano())
	s.bytes.Add(uint64(len(b)))
	before := split.truncated
	frames, n := split.feed(make([]byte, 0, frameRoom(b)), b)
	if last {
		var more int
		frames, more = split.end(frames)
		n += more
	}
	if cut := split.truncated - before; cut > 0 {
		s.truncated.Add(cut)
		r.counts.truncated.Add(cut)
	}
	if n > 0 {
		s.lines.Add(uint64(n))
		r.publish(s.channel, frames, n)
	}
}

// frameRoom guesses how many bytes the frames of b take.
func frameRoom(b []byte) int {
	lines := 0
	for _, c := range b {
		if c == '\n' {
			lines++
		}
	}
	return len(b) + lines*(len(frameHead)+len(frameTail)) + 16
}
