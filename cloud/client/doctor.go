package client

import (
	"context"
	"net/http"
	"time"

	"localcloud/keys"
)

// Finding is one thing that the doctor sees.
type Finding struct {
	What string `json:"what"`
	Next string `json:"next"` // empty: nothing to do
}

// DeviceReport is what the doctor says of one device.
type DeviceReport struct {
	ID       string      `json:"id"`
	Name     string      `json:"name"`
	Online   bool        `json:"online"`
	Knock    *Unknown    `json:"knock"` // the last time that it was not let in; nil: never since the start
	Given    *keys.Given `json:"given"` // nil: it was never re-keyed from there
	Findings []Finding   `json:"findings"`
}

// CloudReport is what the doctor says of the cloud.
type CloudReport struct {
	Listening  map[string]string `json:"listening"`
	Addresses  []string          `json:"addresses"`
	Devices    int               `json:"devices"`
	Online     int               `json:"online"`
	LastSign   *time.Time        `json:"last_sign"`
	Findings   []Finding         `json:"findings"`
	Symptoms   []keys.Symptom    `json:"symptoms"`
	ReachPages []string          `json:"reach_pages"`
}

// DeviceDoctor asks why a device does not come, by id or name. The cloud need not know it.
func (c *Client) DeviceDoctor(ctx context.Context, device string) (DeviceReport, error) {
	var r DeviceReport
	err := c.do(ctx, call{op: "doctor", method: http.MethodGet, path: path("localcloud", "devices", device, "doctor"), out: &r})
	return r, err
}

// Doctor asks why no board comes.
func (c *Client) Doctor(ctx context.Context) (CloudReport, error) {
	var r CloudReport
	err := c.do(ctx, call{op: "doctor", method: http.MethodGet, path: path("localcloud", "doctor"), out: &r})
	return r, err
}
