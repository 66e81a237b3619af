package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
)

// net/http refuses some requests before any handler sees them, such as one
// with a blank in its Host or with huge headers, and says so in plain text. Clients of the API
// expect JSON of every error. jsonErrors is a listener whose connections put it that way.
type jsonErrors struct{ net.Listener }

// Accept implements net.Listener.
func (l jsonErrors) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return jsonErrorConn{c}, nil
}

type jsonErrorConn struct{ net.Conn }

// The head of such an answer, behind the status line. Those of handlers have more in it.
const plainHead = "\r\nContent-Type: text/plain; charset=utf-8\r\nConnection: close\r\n\r\n"

// Write implements net.Conn. net/http writes such an answer in one piece.
func (c jsonErrorConn) Write(b []byte) (int, error) {
	if len(b) < 13 || string(b[:9]) != "HTTP/1.1 " || b[9] != '4' && b[9] != '5' {
		return c.Conn.Write(b)
	}
	end := bytes.IndexByte(b, '\r')
	if end < 13 || !bytes.HasPrefix(b[end:], []byte(plainHead)) {
		return c.Conn.Write(b)
	}
	if _, err := c.Conn.Write(jsonRefusal(string(b[:end]), string(b[end+len(plainHead):]))); err != nil {
		return 0, err
	}
	return len(b), nil
}

// jsonRefusal is an answer behind which the connection ends.
func jsonRefusal(status, text string) []byte {
	body, err := json.Marshal(map[string]any{"ok": false, "error": text, "error_description": text, "errors": []string{text}})
	if err != nil {
		body = []byte(`{"ok":false}`)
	}
	return []byte(status + "\r\nContent-Type: application/json; charset=utf-8\r\nAccess-Control-Allow-Origin: *\r\nConnection: close\r\n\r\n" + string(body))
}

// Read implements net.Conn. The first read of HTTPS is the handshake: who speaks HTTP without it is told so.
func (c jsonErrorConn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if other, ok := errors.AsType[tls.RecordHeaderError](err); ok && other.Conn != nil && speaksHTTP(other.RecordHeader[:]) {
		other.Conn.Write(jsonRefusal("HTTP/1.0 400 Bad Request", "This port speaks HTTPS: begin the address with https://"))
		return n, io.EOF
	}
	return n, err
}

// speaksHTTP reports whether somebody began with a request in the clear.
func speaksHTTP(head []byte) bool {
	method, _, _ := strings.Cut(string(head), " ")
	switch method {
	case "GET", "HEAD", "POST", "PUT", "DELET", "OPTIO", "PATCH":
		return true
	}
	return false
}

// net/http sees no TLS behind a jsonErrorConn, so a request is told by its connection's context: withTLS puts it there, markTLS
// takes it out.
type tlsKey struct{}

func withTLS(ctx context.Context, c net.Conn) context.Context {
	if wrapped, ok := c.(jsonErrorConn); ok {
		if secure, ok := wrapped.Conn.(*tls.Conn); ok {
			return context.WithValue(ctx, tlsKey{}, secure)
		}
	}
	return ctx
}

func markTLS(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if secure, ok := r.Context().Value(tlsKey{}).(*tls.Conn); ok {
			state := secure.ConnectionState()
			r.TLS = &state
		}
		h.ServeHTTP(w, r)
	})
}

// CloseWrite lets net/http end an answer before the connection, so that the
// client reads it even if it still sends.
func (c jsonErrorConn) CloseWrite() error {
	if w, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return w.CloseWrite()
	}
	return nil
}
