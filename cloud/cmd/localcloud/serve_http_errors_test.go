package main

import (
	"bufio"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// What net/http refuses by itself is answered in JSON like everything else.
func TestErrorsBeforeAnyHandlerAreJSON(t *testing.T) {
	t.Parallel()
	data := t.TempDir()
	s := serve(t, data, "--https", "127.0.0.1:0")
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM([]byte(command(t, "https", "ca", "--data", data))) {
		t.Fatal("no certificate")
	}
	plain := func() (net.Conn, error) { return net.Dial("tcp", s.HTTP) }
	secure := func() (net.Conn, error) { return tls.Dial("tcp", s.HTTPS, &tls.Config{RootCAs: roots}) }
	t.Run("HTTP", func(t *testing.T) { errorsAreJSON(t, plain) })
	t.Run("HTTPS", func(t *testing.T) { errorsAreJSON(t, secure) })
	t.Run("HTTP where HTTPS is", func(t *testing.T) {
		for _, request := range []string{"GET /v1/devices HTTP/1.1\r\nHost: x\r\n\r\n", "DELETE /v1/devices/x HTTP/1.1\r\nHost: x\r\n\r\n"} {
			isJSON(t, request, request, 400, func() (net.Conn, error) { return net.Dial("tcp", s.HTTPS) })
		}
	})
}

func errorsAreJSON(t *testing.T, dial func() (net.Conn, error)) {
	for what, test := range map[string]struct {
		request string
		status  int
	}{
		"a blank in Host":          {"GET /v1/devices HTTP/1.1\r\nHost: a b\r\n\r\n", 400},
		"no Host":                  {"GET /v1/devices HTTP/1.1\r\n\r\n", 400},
		"a bad escape":             {"GET /v1/devices/%zz HTTP/1.1\r\nHost: x\r\n\r\n", 400},
		"no HTTP":                  {"\x16\x03\x01\x00\x00 hello\r\n\r\n", 400},
		"two lengths":              {"POST /v1/devices HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab", 400},
		"huge headers":             {"GET /v1/devices HTTP/1.1\r\nHost: x\r\nX: " + strings.Repeat("x", 100_000) + "\r\n\r\n", 431},
		"a transfer nobody speaks": {"POST /v1/devices HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: magic\r\n\r\n", 501},
		"an ordinary error":        {"GET /nope HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", 404},
	} {
		isJSON(t, what, test.request, test.status, dial)
	}
}

// isJSON sends a request that is refused, and looks at the answer.
func isJSON(t *testing.T, what, request string, status int, dial func() (net.Conn, error)) {
	t.Helper()
	nc, err := dial()
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	nc.SetDeadline(time.Now().Add(bound))
	go io.WriteString(nc, request)
	resp, err := http.ReadResponse(bufio.NewReader(nc), nil)
	if err != nil {
		t.Errorf("%s: %v", what, err)
		return
	}
	body, _ := io.ReadAll(resp.Body) // huge headers may end in a reset
	var failure struct {
		OK          *bool
		Error       string
		Description string `json:"error_description"`
		Errors      []string
	}
	err = json.Unmarshal(body, &failure)
	if err != nil || resp.StatusCode != status || failure.OK == nil || *failure.OK || failure.Error == "" || failure.Description == "" || len(failure.Errors) != 1 ||
		resp.Header.Get("Content-Type") != "application/json; charset=utf-8" || resp.Header.Get("Access-Control-Allow-Origin") != "*" {
		t.Errorf("%s: %s %v %q, %v", what, resp.Status, resp.Header, body, err)
	}
}
