package main

import (
	"bytes"
	"encoding/json"
	"net"
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
	text := string(b[end+len(plainHead):])
	body, err := json.Marshal(map[string]any{"ok": false, "error": text, "error_description": text, "errors": []string{text}})
	if err != nil {
		return c.Conn.Write(b)
	}
	out := append(bytes.Clone(b[:end]), "\r\nContent-Type: application/json; charset=utf-8\r\nAccess-Control-Allow-Origin: *\r\nConnection: close\r\n\r\n"...)
	if _, err := c.Conn.Write(append(out, body...)); err != nil {
		return 0, err
	}
	return len(b), nil
}

// CloseWrite lets net/http end an answer before the connection, so that the
// client reads it even if it still sends.
func (c jsonErrorConn) CloseWrite() error {
	if w, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return w.CloseWrite()
	}
	return nil
}
