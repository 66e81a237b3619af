package client

import (
	"context"
	"encoding/json"
	"net/http"
	"time"

	"localcloud/cloud"
)

// Webhook is what the API shows of a webhook. Encoded as JSON it is what the
// server sent, with the fields that have no name here.
type Webhook struct {
	ID       cloud.HookID      `json:"id"`
	Name     string            `json:"name"`
	Owner    string            `json:"owner"`
	Product  int               `json:"product_id"` // 0: of no product
	Event    string            `json:"event"`
	Method   string            `json:"requestType"`
	URL      string            `json:"url"`
	DeviceID string            `json:"deviceID"` // empty: any device
	Disabled bool              `json:"disabled"`
	Created  time.Time         `json:"created_at"`
	Counts   *cloud.HookCounts `json:"counts"` // nil in lists

	raw json.RawMessage
}

// UnmarshalJSON keeps the text beside the fields.
func (h *Webhook) UnmarshalJSON(b []byte) error {
	type plain Webhook
	return decodeVerbatim(b, (*plain)(h), &h.raw)
}

// MarshalJSON writes the object as the server sent it.
func (h Webhook) MarshalJSON() ([]byte, error) {
	type plain Webhook
	return encodeVerbatim(h.raw, plain(h))
}

// Webhooks returns the webhooks of the user, or of all when the user is an admin; those of products too.
func (c *Client) Webhooks(ctx context.Context) ([]Webhook, error) {
	var list []Webhook
	err := c.do(ctx, call{op: "webhooks", method: http.MethodGet, path: path("integrations") + "?all=true", out: &list})
	return list, err
}

// Webhook returns one with all its settings.
func (c *Client) Webhook(ctx context.Context, id cloud.HookID) (Webhook, error) {
	return c.webhook(ctx, call{op: "webhook", method: http.MethodGet, path: path("integrations", string(id))})
}

// CreateWebhook makes one from the JSON object that Particle's tools take. product is an id or a slug, or "".
func (c *Client) CreateWebhook(ctx context.Context, product string, settings map[string]any) (Webhook, error) {
	p := path("integrations")
	if product != "" {
		p = path("products", product, "integrations")
	}
	return c.webhook(ctx, call{op: "create webhook", method: http.MethodPost, path: p, in: settings})
}

func (c *Client) webhook(ctx context.Context, k call) (Webhook, error) {
	var out struct{ Integration Webhook }
	k.out = &out
	err := c.do(ctx, k)
	return out.Integration, err
}

// DeleteWebhook deletes one.
func (c *Client) DeleteWebhook(ctx context.Context, id cloud.HookID) error {
	return c.do(ctx, call{op: "delete webhook", method: http.MethodDelete, path: path("integrations", string(id))})
}

// TestWebhook fires one with a made-up event and returns what the target answered. An empty event is the webhook's own.
func (c *Client) TestWebhook(ctx context.Context, id cloud.HookID, event, data string) (cloud.HookDelivery, error) {
	var out struct{ Delivery cloud.HookDelivery }
	in := map[string]any{"event": event, "data": data}
	err := c.do(ctx, call{op: "test webhook", method: http.MethodPost, path: path("integrations", string(id), "test"), in: in, out: &out})
	return out.Delivery, err
}

// WebhookLog returns what is remembered of one's deliveries.
func (c *Client) WebhookLog(ctx context.Context, id cloud.HookID) (cloud.HookRecord, error) {
	var out cloud.HookRecord
	err := c.do(ctx, call{op: "webhook log", method: http.MethodGet, path: path("integrations", string(id), "log"), out: &out})
	return out, err
}

// WebhookTargets returns the closed addresses that webhooks may reach all the same.
func (c *Client) WebhookTargets(ctx context.Context) ([]cloud.HookTarget, error) {
	return c.webhookTargets(ctx, call{op: "webhook targets", method: http.MethodGet, path: path("localcloud", "webhook-targets")})
}

// AllowWebhookTarget opens an address to webhooks.
func (c *Client) AllowWebhookTarget(ctx context.Context, target string) ([]cloud.HookTarget, error) {
	in := map[string]any{"target": target}
	return c.webhookTargets(ctx, call{op: "allow webhook target", method: http.MethodPost, path: path("localcloud", "webhook-targets"), in: in})
}

// CloseWebhookTarget closes it again.
func (c *Client) CloseWebhookTarget(ctx context.Context, target string) ([]cloud.HookTarget, error) {
	return c.webhookTargets(ctx, call{op: "close webhook target", method: http.MethodDelete, path: path("localcloud", "webhook-targets", target)})
}

func (c *Client) webhookTargets(ctx context.Context, k call) ([]cloud.HookTarget, error) {
	var out struct{ Targets []cloud.HookTarget }
	k.out = &out
	err := c.do(ctx, k)
	return out.Targets, err
}
