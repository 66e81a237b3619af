package relay

import (
	"bufio"
	"bytes"
	"container/list"
	"context"
	"crypto/sha1"
	"encoding/base64"
	"errors"
	"io"
	"net"
	"net/netip"
	"strings"
	"sync"
	"time"

	"localcloud/cloud"
)

// Bounds of WebSockets.
const (
	firstTime  = 15 * time.Second // for a client to say in its first message who it is
	maxUnknown = 256              // clients that have not said yet
	downQueue  = 64               // texts that wait for a device; more are refused
	maxDown    = 16 << 10         // bytes of one text for a device
	legacyText = 125              // bytes that the old libraries take at a time
	legacyPace = 100 * time.Millisecond
)

// handshake answers a client's request for a WebSocket with one short segment,
// in the spelling of the RFC: the old libraries look for "Sec-WebSocket-Accept" by its
// letters, read lines of at most 126 bytes, and take what comes later for frames.
func handshake(nc net.Conn, h *head) bool {
	key := h.get("sec-websocket-key")
	switch raw, err := base64.StdEncoding.DecodeString(key); {
	case err != nil || len(raw) != 16 || !h.has("connection", "upgrade"):
		answer(nc, "400 Bad Request", "this is no request for a WebSocket")
		return false
	case h.get("sec-websocket-version") != "13":
		answer(nc, "426 Upgrade Required\r\nSec-WebSocket-Version: 13", "")
		return false
	}
	nc.SetWriteDeadline(time.Now().Add(writeTime))
	_, err := io.WriteString(nc, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"+
		"Sec-WebSocket-Accept: "+acceptOf(key)+"\r\n\r\n")
	return err == nil
}

// acceptOf returns the value that proves that the server has read the key (RFC 6455, section 4.2.2).
func acceptOf(key string) string {
	sum := sha1.Sum([]byte(key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	return base64.StdEncoding.EncodeToString(sum[:])
}

// socket is one WebSocket connection. It may be written by several goroutines.
type socket struct {
	nc  net.Conn
	in  *messageReader
	old bool // one of the old libraries: short texts, slowly

	writing chan struct{} // one place: who writes has it
	closed  sync.Once
}

func (r *Relay) newSocket(nc net.Conn, in *bufio.Reader, h *head) *socket {
	origin := h.get("origin")
	legacy, old := r.legacy(), origin == "SparkWebSocketClient" || origin == "Spark"
	return &socket{
		nc: nc, in: &messageReader{in: in, legacy: legacy}, old: old && legacy, writing: make(chan struct{}, 1),
	}
}

// write writes whole frames.
func (s *socket) write(frames []byte) error {
	s.writing <- struct{}{}
	defer func() { <-s.writing }()
	s.nc.SetWriteDeadline(time.Now().Add(writeTime))
	_, err := s.nc.Write(frames)
	return err
}

// close says why the connection ends, and ends it soon: the other side may still read that. It does not wait.
func (s *socket) close(code int, text string) {
	s.closed.Do(func() {
		s.nc.SetWriteDeadline(time.Now().Add(time.Second))
		s.nc.Write(appendClose(nil, code, text))
		if half, ok := s.nc.(interface{ CloseWrite() error }); ok {
			half.CloseWrite()
		}
		time.AfterFunc(lingerTime, func() { s.nc.Close() })
	})
}

// drain reads what the other side still sends until the connection is closed.
func (s *socket) drain() { io.Copy(io.Discard, s.nc) }

// lobby holds the connections of clients that have not said who they are. When
// it is full the oldest has to go, which had the most time.
type lobby struct {
	mu    sync.Mutex
	order list.List // of net.Conn, the oldest first
}

// enter takes a connection in; the caller calls leave, once or more, when it is known or over.
func (l *lobby) enter(nc net.Conn) (leave func()) {
	l.mu.Lock()
	var gone net.Conn
	if l.order.Len() >= maxUnknown {
		gone = l.order.Remove(l.order.Front()).(net.Conn)
	}
	e := l.order.PushBack(nc)
	l.mu.Unlock()
	if gone != nil {
		gone.Close()
	}
	return func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.order.Remove(e) // nothing, if it is not there any more
	}
}

// serveStranger serves a client that has not said who it is: the libraries that can only
// say GET / do it in their first text message.
func (r *Relay) serveStranger(nc net.Conn, in *bufio.Reader, h head, from netip.Addr) {
	stay := r.strangers.enter(nc)
	defer stay()
	stop := context.AfterFunc(r.context, func() { nc.Close() })
	defer stop()
	if !handshake(nc, &h) {
		return
	}
	s := r.newSocket(nc, in, &h)
	nc.SetReadDeadline(time.Now().Add(firstTime))
	m, err := s.in.next()
	for err == nil && (m.op == opPing || m.op == opPong) {
		m, err = s.in.next()
	}
	if err != nil || m.op != opText {
		r.refuse(from, "", refusedMissing)
		s.close(closePolicy, "say the nonce or token first")
		return
	}
	who, no := r.admitSecret(secretOf(string(m.data)), h.query.Get("device"), from)
	if no != "" {
		r.refuse(from, who.device, no)
		s.close(closePolicy, string(no))
		return
	}
	stay()
	defer who.release()
	r.converse(s, &h, from, who)
}

// secretOf finds the nonce or token in a first message: alone, or as the last word of it.
func secretOf(text string) string {
	words := strings.FieldsFunc(text, func(c rune) bool {
		return !(c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z')
	})
	for i := len(words) - 1; i >= 0; i-- {
		if isSecret(words[i]) {
			return words[i]
		}
	}
	return ""
}

// serveSocket serves a client that has said who it is.
func (r *Relay) serveSocket(nc net.Conn, in *bufio.Reader, h head, from netip.Addr, who admission) {
	if handshake(nc, &h) {
		r.converse(r.newSocket(nc, in, &h), &h, from, who)
	}
}

// converse takes a device's messages as lines, and sends it what others have for it. It blocks until either side ends it.
func (r *Relay) converse(s *socket, h *head, from netip.Addr, who admission) {
	st := r.begin(who, h.query.Get("stream"), "websocket", from, s.downlink(), func(cause error) {
		s.close(codeOf(cause))
	})
	if st == nil {
		s.close(closeRestart, "there are too many channels")
		return
	}
	var sending sync.WaitGroup
	sending.Go(func() { s.sendDown(st) })
	err := r.readMessages(st, s)
	st.end(err)
	s.close(codeOf(context.Cause(st.ctx)))
	s.drain()
	sending.Wait()
	r.over(st, err)
}

// codeOf returns what a close frame says about why a stream ended.
func codeOf(err error) (code int, text string) {
	var protocol protocolError
	switch {
	case errors.As(err, &protocol):
		return protocol.code, protocol.text
	case errors.Is(err, errStopping):
		return closeRestart, "the relay is stopping; come back"
	case errors.Is(err, errReplaced), errors.Is(err, errKicked):
		return closePolicy, err.Error()
	}
	return closeNormal, ""
}

// readMessages publishes what a device says: each line of a text, and each
// binary message as one line of base64. It returns nil when the device said goodbye.
func (r *Relay) readMessages(st *stream, s *socket) error {
	var split splitter
	for st.ctx.Err() == nil {
		s.nc.SetReadDeadline(time.Now().Add(r.Silence))
		m, err := s.in.next()
		if err != nil {
			return err
		}
		switch m.op {
		case opText:
			if !(s.old && string(m.data) == "PING") { // the old library's way to see whether anybody is there
				r.take(st, &split, m.data, true)
			}
		case opBinary:
			r.takeBinary(st, m.data)
		case opPing:
			st.heard.Store(time.Now().UnixNano())
			if err := s.write(appendMessage(nil, opPong, m.data)); err != nil {
				return err
			}
		case opClose, opLegacyGoodbye:
			return nil
		}
	}
	return context.Cause(st.ctx)
}

// takeBinary publishes a binary message as base64, whole even where it is longer than a line may be.
func (r *Relay) takeBinary(st *stream, data []byte) {
	if len(data) == 0 {
		return
	}
	st.heard.Store(time.Now().UnixNano())
	st.bytes.Add(uint64(len(data)))
	frames := make([]byte, 0, len(frameHead)+len(frameTail)+base64.StdEncoding.EncodedLen(len(data)))
	frames = append(frames, frameHead...)
	frames = base64.StdEncoding.AppendEncode(frames, data)
	frames = append(frames, frameTail...)
	st.lines.Add(1)
	r.publish(st.channel, frames, 1)
}

// downlink is what waits for a device.
type downlink struct {
	texts   chan string // downQueue of them; more are refused
	longest int         // bytes of one
}

func (s *socket) downlink() *downlink {
	d := &downlink{make(chan string, downQueue), maxDown}
	if s.old {
		d.longest = legacyText
	}
	return d
}

// sendDown sends what waits for the device until its stream ends.
func (s *socket) sendDown(st *stream) {
	for {
		select {
		case text := <-st.down.texts:
			if err := s.write(appendMessage(nil, opText, []byte(text))); err != nil {
				st.end(err)
				return
			}
		case <-st.ctx.Done():
			return
		}
		if s.old {
			timer := time.NewTimer(legacyPace)
			select {
			case <-timer.C:
			case <-st.ctx.Done():
				timer.Stop()
				return
			}
		}
	}
}

// send queues a text for the device that streams into the channel of that name. It does not block.
func (r *Relay) send(name, text string) error {
	r.mu.Lock()
	s := r.streams[name]
	r.mu.Unlock()
	switch {
	case s == nil:
		return cloud.Errorf("send", cloud.Offline, "the device has no stream now")
	case s.down == nil:
		return cloud.Errorf("send", cloud.Unsupported, "the device does not listen: only a WebSocket takes text")
	case len(text) > s.down.longest:
		return cloud.Errorf("send", cloud.Invalid, "the text is too long for the device: it takes %d bytes", s.down.longest)
	}
	select {
	case s.down.texts <- text:
		return nil
	default:
		return cloud.Errorf("send", cloud.Limited, "%d texts wait for the device already", downQueue)
	}
}

var errNoPeer = errors.New("the viewer went away")

// lineMessages appends each line of a batch as a message: text, or binary where it is not UTF-8.
func lineMessages(dst []byte, b *batch) []byte {
	frames := b.frames
	for range b.n {
		var line []byte
		line, frames = cutFrame(frames)
		op := byte(opText)
		if !validText(line) {
			op = opBinary
		}
		dst = appendMessage(dst, op, line)
	}
	return dst
}

func validText(line []byte) bool { return bytes.Equal(line, bytes.ToValidUTF8(line, nil)) }
