package client

import (
	"context"
	"net/http"

	"localcloud/keys"
)

// ServerKeyInfo is what a cloud tells of one of its keys.
type ServerKeyInfo struct {
	Transport   keys.Transport     `json:"transport"`
	Fingerprint keys.Fingerprint   `json:"fingerprint"`
	Old         keys.Fingerprint   `json:"old"`    // of the key that is being rotated out; empty: none
	Former      []keys.Fingerprint `json:"former"` // of those that are no longer honoured

	// Devices on this transport, by which key they hold; only those that may be seen.
	HoldPresent int      `json:"hold_present"`
	HoldOld     int      `json:"hold_old"`
	HoldUnknown int      `json:"hold_unknown"` // they never came
	Waiting     []string `json:"waiting"`      // ids of the last two
}

// Keys returns the fingerprints of the cloud's keys, and who holds which.
func (c *Client) Keys(ctx context.Context) ([]ServerKeyInfo, error) {
	var list []ServerKeyInfo
	err := c.do(ctx, call{op: "keys", method: http.MethodGet, path: path("localcloud", "keys"), out: &list})
	return list, err
}

// RotateKeys begins a rotation, finishes or undoes it ("begin", "finish", "undo"), for one transport, or for both when it is
// empty. With force it is finished although devices hold the old key.
func (c *Client) RotateKeys(ctx context.Context, step string, transport keys.Transport, force bool) ([]ServerKeyInfo, error) {
	var list []ServerKeyInfo
	err := c.do(ctx, call{
		op: "rotate keys", method: http.MethodPost, path: path("localcloud", "keys", "rotate"),
		in: map[string]any{"step": step, "transport": transport, "force": force}, out: &list,
	})
	return list, err
}
