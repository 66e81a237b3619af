package client

import (
	"context"
	"io"
	"net/http"
	"strings"

	"localcloud/cloud"
)

// Relay sends one request to the relay's part of the API and decodes the
// answer into out. parts are the path below /v1/localcloud/relay, unescaped; in
// and out may be nil.
func (c *Client) Relay(ctx context.Context, method string, parts []string, in, out any) error {
	return c.do(ctx, call{op: "relay", method: method, path: relayPath(parts), in: in, out: out})
}

func relayPath(parts []string) string {
	return path(append([]string{"localcloud", "relay"}, parts...)...)
}

// Recording copies a recording of the relay to w, as "ndjson" or as "csv". It is as long as it is: ctx bounds it.
func (c *Client) Recording(ctx context.Context, file, format string, w io.Writer) error {
	const op = "recording"
	req, err := c.request(ctx, call{op: op, method: http.MethodGet, path: relayPath([]string{"recordings", file}) + "?format=" + strings.ToLower(format)})
	if err != nil {
		return err
	}
	resp, err := c.client().Do(req)
	if err != nil {
		return c.unreachable(op, err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return refusal(op, resp)
	}
	if _, err := io.Copy(w, resp.Body); err != nil {
		return cloud.E(op, cloud.Other, err)
	}
	return nil
}
