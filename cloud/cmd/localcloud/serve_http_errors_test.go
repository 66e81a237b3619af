package main

import (
	"bufio"
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
	s := serve(t, t.TempDir())
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
		nc, err := net.Dial("tcp", s.HTTP)
		if err != nil {
			t.Fatal(err)
		}
		nc.SetDeadline(time.Now().Add(bound))
		go io.WriteString(nc, test.request)
		resp, err := http.ReadResponse(bufio.NewReader(nc), nil)
		if err != nil {
			t.Errorf("%s: %v", what, err)
			nc.Close()
			continue
		}
		body, _ := io.ReadAll(resp.Body) // huge headers may end in a reset
		nc.Close()
		var failure struct {
			OK          *bool
			Error       string
			Description string `json:"error_description"`
			Errors      []string
		}
		err = json.Unmarshal(body, &failure)
		if err != nil || resp.StatusCode != test.status || failure.OK == nil || *failure.OK || failure.Error == "" || failure.Description == "" || len(failure.Errors) != 1 ||
			resp.Header.Get("Content-Type") != "application/json; charset=utf-8" || resp.Header.Get("Access-Control-Allow-Origin") != "*" {
			t.Errorf("%s: %s %v %q, %v", what, resp.Status, resp.Header, body, err)
		}
	}
}
