package client

import (
	"context"
	"net/http"
	"time"

	"localcloud/keys"
)

// Unknown is a device that connected and was not let in.
type Unknown struct {
	ID          string           `json:"id"` // empty if it did not get as far as telling
	Fingerprint keys.Fingerprint `json:"fingerprint"`
	Address     string           `json:"address"`
	Transport   string           `json:"transport"`
	Step        keys.Step        `json:"step"`
	Reason      keys.Reason      `json:"reason"`
	Count       int              `json:"count"`
	First       time.Time        `json:"first"`
	Last        time.Time        `json:"last"`
	What        string           `json:"what"` // what happened, in a sentence
	Next        string           `json:"next"` // what to do about it
	LED         string           `json:"led"`  // the light that the board shows meanwhile
}

// Unknown returns the devices that were not let in, the latest first.
func (c *Client) Unknown(ctx context.Context) ([]Unknown, error) {
	var list []Unknown
	err := c.do(ctx, call{op: "unknown devices", method: http.MethodGet, path: path("localcloud", "unknown"), out: &list})
	return list, err
}

// Adopt registers a device of that list with the key that it offered. An empty
// name gives it none, an empty owner the cloud's owner.
func (c *Client) Adopt(ctx context.Context, id keys.DeviceID, name, owner string) (Device, error) {
	in := map[string]any{}
	addNameOwner(in, name, owner)
	var d Device
	err := c.do(ctx, call{
		op: "adopt", method: http.MethodPost, path: path("localcloud", "unknown", id.String(), "adopt"), in: in, out: &d,
	})
	return d, err
}
