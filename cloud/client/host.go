package client

import (
	"context"
	"net/http"
)

// Hosts are the names and addresses by which browsers may reach a cloud.
type Hosts struct {
	Own   []string `json:"own"`   // the cloud knows them itself
	Added []string `json:"added"` // by the owner
}

// Hosts returns them.
func (c *Client) Hosts(ctx context.Context) (Hosts, error) {
	return c.hosts(ctx, call{op: "hosts", method: http.MethodGet, path: path("localcloud", "hosts")})
}

// AddHost adds one, without a port.
func (c *Client) AddHost(ctx context.Context, host string) (Hosts, error) {
	in := map[string]any{"host": host}
	return c.hosts(ctx, call{op: "add host", method: http.MethodPost, path: path("localcloud", "hosts"), in: in})
}

// RemoveHost removes one that was added.
func (c *Client) RemoveHost(ctx context.Context, host string) (Hosts, error) {
	return c.hosts(ctx, call{op: "remove host", method: http.MethodDelete, path: path("localcloud", "hosts", host)})
}

func (c *Client) hosts(ctx context.Context, k call) (Hosts, error) {
	var h Hosts
	k.out = &h
	err := c.do(ctx, k)
	return h, err
}
