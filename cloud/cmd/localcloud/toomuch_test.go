package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	mathrand "math/rand/v2"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"
)

// What is too much for the HTTP API, or no request at all.

// exchange sends raw bytes over HTTP, in the background so that an answer can come before their end, and returns
// the answer and how many bytes were taken.
func exchange(t *testing.T, s *serving, head string, body io.Reader) (status int, kind, answer string, sent int64) {
	t.Helper()
	nc := dial(t, s.HTTP)
	wrote := make(chan int64, 1)
	go func() {
		n, _ := io.Copy(nc, io.MultiReader(strings.NewReader(head), body))
		wrote <- n
	}()
	resp, err := http.ReadResponse(bufio.NewReader(nc), nil)
	if err != nil {
		t.Fatalf("no answer: %v", err)
	}
	text, _ := io.ReadAll(io.LimitReader(resp.Body, 64<<10))
	nc.Close()
	return resp.StatusCode, resp.Header.Get("Content-Type"), string(text), <-wrote
}

// endless is a body of so many bytes.
func endless(n int64) io.Reader { return io.LimitReader(xs{}, n) }

type xs struct{}

func (xs) Read(b []byte) (int, error) { return copy(b, bytes.Repeat([]byte("x"), len(b))), nil }

// chunked is the same in chunks.
func chunked(n int64) io.Reader {
	const size = 64 << 10
	chunk := fmt.Sprintf("%x\r\n%s\r\n", size, strings.Repeat("x", size))
	var all []io.Reader
	for range n / size {
		all = append(all, strings.NewReader(chunk))
	}
	return io.MultiReader(append(all, strings.NewReader("0\r\n\r\n"))...)
}

func TestTooMuchIsRefusedBeforeItIsRead(t *testing.T) {
	t.Parallel()
	s, token := serveOwned(t)
	const huge = 100 << 20
	auth := "Host: cloud\r\nAuthorization: Bearer " + token + "\r\n"
	for _, test := range []struct {
		name, head string
		body       io.Reader
		status     int
	}{
		{"a form", "POST /v1/devices/events HTTP/1.1\r\n" + auth + "Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 104857600\r\n\r\n", endless(huge), 413},
		{"JSON", "POST /v1/devices/events HTTP/1.1\r\n" + auth + "Content-Type: application/json\r\nContent-Length: 104857600\r\n\r\n", endless(huge), 413},
		{"chunks", "POST /v1/devices/events HTTP/1.1\r\n" + auth + "Transfer-Encoding: chunked\r\n\r\n", chunked(huge), 413},
		{"a file", "PUT /v1/devices/x HTTP/1.1\r\n" + auth + "Content-Type: multipart/form-data; boundary=b\r\nContent-Length: 104857600\r\n\r\n" +
			"--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"f\"\r\n\r\n", endless(huge), 413},
		{"a password", "POST /oauth/token HTTP/1.1\r\nHost: cloud\r\nContent-Length: 104857600\r\n\r\n", endless(huge), 413},
		{"headers", "GET /v1/devices HTTP/1.1\r\n" + auth, io.LimitReader(repeat("X-Bomb: "+strings.Repeat("x", 1000)+"\r\n"), huge), 431},
		{"one header", "GET /v1/devices HTTP/1.1\r\n" + auth + "X-Bomb: ", endless(huge), 431},
		{"a path", "GET /v1/devices/", endless(huge), 431},
	} {
		t.Run(test.name, func(t *testing.T) {
			status, kind, answer, sent := exchange(t, s, test.head, test.body)
			if status != test.status {
				t.Errorf("the answer is %d %s", status, answer)
			}
			if status == 413 && (!strings.HasPrefix(kind, "application/json") || !json.Valid([]byte(answer))) {
				t.Errorf("the answer is %s: %q", kind, answer)
			}
			if sent > huge/2 {
				t.Errorf("%d bytes were taken", sent)
			}
			t.Logf("%d after %d kB", status, sent>>10)
		})
	}
	if out := command(t, "status", "--data", s.data); !strings.Contains(out, "runs") {
		t.Errorf("status says %s", out)
	}
}

// repeat is a text without an end.
func repeat(s string) io.Reader { return &repeated{text: s} }

type repeated struct {
	text string
	at   int
}

func (r *repeated) Read(b []byte) (int, error) {
	n := copy(b, r.text[r.at:])
	r.at = (r.at + n) % len(r.text)
	return n, nil
}

func TestGarbagePathsGetErrorsInJSON(t *testing.T) {
	t.Parallel()
	s, token := serveOwned(t)
	random := mathrand.New(mathrand.NewPCG(404, 0))
	roots := []string{"/", "/v1/", "/v1/devices/", "/v1/localcloud/", "/v1/access_tokens/", "/oauth/", "/v1/localcloud/devices/", "/v1/provisioning/"}
	methods := []string{"GET", "POST", "PUT", "DELETE", "PATCH", "HEAD", "TRACE", "get", "BREW"}
	seen := map[int]int{}
	nc := dial(t, s.HTTP)
	in := bufio.NewReader(nc)
	for range 1000 {
		raw := make([]byte, 1+random.IntN(60))
		for i := range raw {
			raw[i] = byte(random.Uint32())
		}
		path := roots[random.IntN(len(roots))]
		switch random.IntN(3) {
		case 0:
			path += url.PathEscape(string(raw))
		case 1:
			path += strings.ReplaceAll(url.PathEscape(string(raw)), "%2F", "/") + "/../%2e%2e/" + url.QueryEscape(string(raw))
		case 2:
			path += strings.Map(func(r rune) rune { return '!' + r%94 }, string(raw)) // any that can be seen
		}
		method := methods[random.IntN(len(methods))]
		nc.SetDeadline(time.Now().Add(bound))
		fmt.Fprintf(nc, "%s %s HTTP/1.1\r\nHost: cloud\r\nAuthorization: Bearer %s\r\nContent-Length: 0\r\n\r\n", method, path, token)
		resp, err := http.ReadResponse(in, &http.Request{Method: strings.ToUpper(method)})
		if err != nil {
			t.Fatalf("%s %q: %v", method, path, err)
		}
		body, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatalf("%s %q: %v", method, path, err)
		}
		seen[resp.StatusCode]++
		if resp.Close { // net/http itself refused what is no request at all
			if resp.StatusCode != http.StatusBadRequest {
				t.Errorf("%s %q: %s, and the connection ends", method, path, resp.Status)
			}
			nc = dial(t, s.HTTP)
			in = bufio.NewReader(nc)
			continue
		}
		if kind := resp.Header.Get("Content-Type"); !strings.HasPrefix(kind, "application/json") || resp.StatusCode >= 500 ||
			(method != "HEAD" && !json.Valid(body)) {
			t.Errorf("%s %q: %s, %s, %q", method, path, resp.Status, kind, body)
		}
	}
	t.Logf("the answers were %v", seen)
	if seen[404] < 100 {
		t.Error("hardly anything was not found: the test tests little")
	}
	if out := command(t, "status", "--data", s.data); !strings.Contains(out, "runs") {
		t.Errorf("status says %s", out)
	}
}
