package client

import (
	"context"
	"net/http"
)

// MakeAuthority returns the certificate of the cloud's authority as PEM; the cloud makes one when it has none.
func (c *Client) MakeAuthority(ctx context.Context) ([]byte, error) {
	return c.fetch(ctx, call{op: "authority", method: http.MethodPost, path: path("localcloud", "ca")})
}
