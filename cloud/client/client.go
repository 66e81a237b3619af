package client

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"localcloud/cloud"
)

// Client talks to one cloud. It is safe for concurrent use; its fields are
// fixed once it is used.
type Client struct {
	BaseURL string       // such as "http://192.168.1.5:8080"; a path below it is kept
	Token   cloud.Secret // sent as Bearer; empty: none
	HTTP    *http.Client // nil: http.DefaultClient. A Timeout in it would end event streams
}

// Bounds of an answer.
const (
	maxAnswer = 32 << 20 // bytes; a list of 20,000 devices has some 20 MB
	maxError  = 64 << 10
)

// CheckBaseURL reports why base cannot be the address of a cloud, if so.
func CheckBaseURL(base string) error {
	u, err := url.Parse(base)
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" {
		return cloud.Errorf("", cloud.Invalid, "%q is not the address of a cloud; it looks like http://192.168.1.5:8080", base)
	}
	return nil
}

// call is one request and its answer. op names it in errors.
type call struct {
	op     string
	method string
	path   string // begins with "/v1"; its variable parts are escaped
	in     any    // sent as JSON; nil: no body
	out    any    // decoded from JSON; nil: the answer is not looked at
}

func (c *Client) do(ctx context.Context, k call) error {
	body, err := c.fetch(ctx, k)
	if err != nil || k.out == nil {
		return err
	}
	if err := json.Unmarshal(body, k.out); err != nil {
		return cloud.Errorf(k.op, cloud.Other, "%s answered with something else than expected; is it a localcloud? (%w)", c.BaseURL, err)
	}
	return nil
}

// fetch sends the request and returns the bytes of a 2xx answer.
func (c *Client) fetch(ctx context.Context, k call) ([]byte, error) {
	req, err := c.request(ctx, k)
	if err != nil {
		return nil, err
	}
	resp, err := c.client().Do(req)
	if err != nil {
		return nil, c.unreachable(k.op, err)
	}
	defer resp.Body.Close()
	if resp.StatusCode/100 != 2 {
		return nil, refusal(k.op, resp)
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
	if err != nil {
		return nil, c.unreachable(k.op, err)
	}
	if len(body) > maxAnswer {
		return nil, cloud.Errorf(k.op, cloud.Other, "the answer of %s has more than %d bytes", c.BaseURL, maxAnswer)
	}
	return body, nil
}

func (c *Client) request(ctx context.Context, k call) (*http.Request, error) {
	if err := CheckBaseURL(c.BaseURL); err != nil {
		return nil, err
	}
	var body io.Reader
	if k.in != nil {
		b, err := json.Marshal(k.in)
		if err != nil {
			return nil, cloud.E(k.op, cloud.Invalid, err)
		}
		body = bytes.NewReader(b)
	}
	req, err := http.NewRequestWithContext(ctx, k.method, strings.TrimRight(c.BaseURL, "/")+k.path, body)
	if err != nil {
		return nil, cloud.E(k.op, cloud.Invalid, err)
	}
	if k.in != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if c.Token != "" {
		req.Header.Set("Authorization", "Bearer "+string(c.Token))
	}
	return req, nil
}

func (c *Client) client() *http.Client {
	if c.HTTP != nil {
		return c.HTTP
	}
	return http.DefaultClient
}

// ErrUnreachable is in the chain of every error that means: no answer came.
var ErrUnreachable = errors.New("no answer")

// unreachable turns an error of net/http, which repeats the URL, into one that names the server.
func (c *Client) unreachable(op string, err error) error {
	kind := cloud.Other
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		kind = cloud.Timeout
	}
	var wrapped *url.Error
	if errors.As(err, &wrapped) {
		err = wrapped.Err
	}
	return cloud.Errorf(op, kind, "%w from %s: %w", ErrUnreachable, c.BaseURL, err)
}

// path joins escaped parts: path("devices", name) is "/v1/devices/" and the name escaped.
func path(parts ...string) string {
	var b strings.Builder
	b.WriteString("/v1")
	for _, p := range parts {
		fmt.Fprintf(&b, "/%s", url.PathEscape(p))
	}
	return b.String()
}
