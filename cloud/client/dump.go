package client

import (
	"context"
	"net/http"
)

// Dump returns all that the cloud's registry holds, for a backup.
func (c *Client) Dump(ctx context.Context) ([]byte, error) {
	var out struct {
		Registry []byte `json:"registry"`
	}
	err := c.do(ctx, call{op: "dump", method: http.MethodGet, path: path("localcloud", "registry"), out: &out})
	return out.Registry, err
}
