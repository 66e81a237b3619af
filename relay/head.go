package relay

import (
	"bufio"
	"bytes"
	"errors"
	"net/url"
	"strconv"
	"strings"
)

// maxHead bounds a request's head: sketches send some hundred bytes, browsers with many cookies some thousand.
const maxHead = 16 << 10

var errHeadTooLong = errors.New("the head of the request is too long")

// peekHead waits for the whole head of a request and returns it, without
// taking it out of r: everything up to the first empty line. Line ends may be CR LF or LF.
func peekHead(r *bufio.Reader) ([]byte, error) {
	looked := 0
	for {
		b, err := r.Peek(max(r.Buffered(), 1))
		if err != nil {
			return nil, err
		}
		for i := max(looked-3, 0); i < len(b); i++ {
			if b[i] != '\n' {
				continue
			}
			if bytes.HasPrefix(b[i+1:], []byte("\n")) {
				return b[:i+2], nil
			}
			if bytes.HasPrefix(b[i+1:], []byte("\r\n")) {
				return b[:i+3], nil
			}
		}
		looked = len(b)
		if looked >= maxHead {
			return nil, errHeadTooLong
		}
		if _, err := r.Peek(looked + 1); err != nil { // waits for more
			return nil, err
		}
	}
}

// head is the head of a request as a device sends it. Nothing in it has been
// checked: sketches leave Host out, or fill it with garbage.
type head struct {
	method string
	path   string // without the query, not unescaped
	query  url.Values
	minor  int // HTTP/1.minor
	fields map[string]string
}

// parseHead reads a request line and header lines. Lines that are none are passed over.
func parseHead(b []byte) (head, bool) {
	line, rest := cutHeadLine(b)
	f := strings.Fields(line)
	if len(f) < 2 || len(f) > 3 {
		return head{}, false
	}
	h := head{method: f[0], minor: 0, fields: make(map[string]string)}
	if len(f) == 3 {
		switch f[2] {
		case "HTTP/1.0":
		case "HTTP/1.1":
			h.minor = 1
		default:
			return head{}, false
		}
	}
	target := f[1]
	if u, ok := strings.CutPrefix(target, "http://"); ok { // the absolute form
		_, after, _ := strings.Cut(u, "/")
		target = "/" + after
	}
	path, query, _ := strings.Cut(target, "?")
	h.path = path
	h.query, _ = url.ParseQuery(query) // what can be read of it
	for len(rest) > 0 {
		line, rest = cutHeadLine(rest)
		name, value, ok := strings.Cut(line, ":")
		key := strings.ToLower(strings.TrimSpace(name))
		if _, twice := h.fields[key]; ok && !twice {
			h.fields[key] = strings.TrimSpace(value)
		}
	}
	return h, true
}

func cutHeadLine(b []byte) (string, []byte) {
	line, rest, _ := bytes.Cut(b, []byte("\n"))
	return string(bytes.TrimSuffix(line, []byte("\r"))), rest
}

// get returns a header field; the name is in lower case.
func (h *head) get(name string) string { return h.fields[name] }

// has reports whether a field is a list that holds the word, whatever its case.
func (h *head) has(name, word string) bool {
	for part := range strings.SplitSeq(h.fields[name], ",") {
		if strings.EqualFold(strings.TrimSpace(part), word) {
			return true
		}
	}
	return false
}

// upgrades reports whether the client asks for a WebSocket.
func (h *head) upgrades() bool { return h.has("upgrade", "websocket") && h.method == "GET" }

// endless is the smallest Content-Length that means "for ever": the sketches
// say 99999999 and go on beyond it (relay.md, 2.4).
const endless = 10_000_000

// length returns how long the body is; -1: until the connection ends.
func (h *head) length() int64 {
	n, err := strconv.ParseInt(h.get("content-length"), 10, 64)
	if err != nil || n < 0 || n >= endless {
		return -1
	}
	return n
}

// secret returns the nonce or token of the request: ?nonce=, ?token=, the
// header Authorization, bare or Bearer, or the last segment of the path. Empty: there is none.
func (h *head) secret() string {
	for _, name := range []string{"nonce", "token", "access_token"} {
		if v := h.query.Get(name); v != "" {
			return v
		}
	}
	if v := h.get("authorization"); v != "" {
		if scheme, rest, ok := strings.Cut(v, " "); ok && strings.EqualFold(scheme, "Bearer") {
			v = strings.TrimSpace(rest)
		}
		return v
	}
	last := h.path[strings.LastIndexByte(h.path, '/')+1:]
	if isSecret(last) {
		return last
	}
	return ""
}

// isSecret reports whether s looks like a nonce or a token.
func isSecret(s string) bool { return isNonce(s) || isToken(s) }

// isToken reports whether s looks like an access token: 40 hex digits.
func isToken(s string) bool { return len(s) == 40 && isHex(strings.ToLower(s)) }

// isDevicePath reports whether the path is one that devices use: /devices and
// what is below it; for WebSockets also / and /SECRET.
func (h *head) isDevicePath() bool {
	if h.path == "/devices" || strings.HasPrefix(h.path, "/devices/") {
		return true
	}
	return h.upgrades() && (h.path == "/" || h.path == "" || isSecret(strings.TrimPrefix(h.path, "/")))
}

// isDevice reports whether a device speaks. The original looks at the path
// alone, and answers other methods with 405; browsers ask for nothing there.
func (h *head) isDevice() bool { return h.isDevicePath() }
