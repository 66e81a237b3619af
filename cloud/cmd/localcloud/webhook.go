package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"

	"localcloud/cloud"
	"localcloud/cloud/client"
)

// webhookCmd is "localcloud webhook".
type webhookCmd struct {
	List   webhookListCmd   `cmd:"" help:"Show the webhooks there are."`
	Show   webhookShowCmd   `cmd:"" help:"Show one webhook with all its settings."`
	Create webhookCreateCmd `cmd:"" help:"Make a webhook from a file in Particle's JSON."`
	Delete webhookDeleteCmd `cmd:"" help:"Delete a webhook."`
	Test   webhookTestCmd   `cmd:"" help:"Fire a webhook once with a made-up event and show what its target answers."`
	Log    webhookLogCmd    `cmd:"" help:"Show what was delivered since the cloud started, and what was given up (dead letters)."`
	Allow  webhookAllowCmd  `cmd:"" help:"Let webhooks reach this machine itself, or another address that is closed to them."`
}

// maxHookFile bounds a file that describes a webhook.
const maxHookFile = 64 << 10

type webhookListCmd struct {
	place
	JSON bool `name:"json" help:"Print JSON."`
}

// Run shows the webhooks.
func (c *webhookListCmd) Run(ctx context.Context, t *terminal) error {
	return c.with(ctx, needData, func(conn *connection) error {
		hooks, err := conn.Webhooks(ctx)
		if err != nil {
			return err
		}
		return listing[client.Webhook]{
			[]string{"ID", "NAME", "EVENT", "FIRED BY", "REQUEST", "OWNER", "ON"},
			func(h client.Webhook) []string {
				return []string{string(h.ID), h.Name, h.Event, firedBy(h), h.Method + " " + h.URL, h.Owner, yesNo(!h.Disabled)}
			},
			"There is no webhook; make one: localcloud webhook create FILE.json, or: particle webhook create EVENT URL",
		}.show(t, hooks, c.JSON)
	})
}

func firedBy(h client.Webhook) string {
	switch {
	case h.Product != 0:
		return "product " + strconv.Itoa(h.Product)
	case h.DeviceID != "":
		return "device " + h.DeviceID
	}
	return "any device"
}

type webhookShowCmd struct {
	place
	Webhook string `arg:"" help:"Id of the webhook, its beginning, or its name."`
}

// Run shows one webhook, as JSON: that is what create takes.
func (c *webhookShowCmd) Run(ctx context.Context, t *terminal) error {
	return c.with(ctx, needData, func(conn *connection) error {
		id, err := findWebhook(ctx, conn, c.Webhook)
		if err != nil {
			return err
		}
		h, err := conn.Webhook(ctx, id)
		if err != nil {
			return err
		}
		return t.json(h)
	})
}

// findWebhook returns the id of the webhook that a person names.
func findWebhook(ctx context.Context, conn *connection, name string) (cloud.HookID, error) {
	hooks, err := conn.Webhooks(ctx)
	if err != nil {
		return "", err
	}
	var found []cloud.HookID
	for _, h := range hooks {
		switch {
		case strings.EqualFold(string(h.ID), name):
			return h.ID, nil
		case h.Name == name, len(name) >= 4 && strings.HasPrefix(string(h.ID), strings.ToLower(name)):
			found = append(found, h.ID)
		}
	}
	switch len(found) {
	case 1:
		return found[0], nil
	case 0:
		return "", fmt.Errorf("there is no webhook %q; see which there are: localcloud webhook list", name)
	}
	return "", fmt.Errorf("several webhooks are called %q; give the id of one: localcloud webhook list", name)
}

type webhookCreateCmd struct {
	place
	File    string `arg:"" help:"A file with the settings as Particle's tools take them; - is standard input." placeholder:"FILE.json"`
	User    string `help:"Whose webhook it becomes; without it, yours." placeholder:"NAME"`
	Product string `help:"Let the devices of this product fire it." placeholder:"PRODUCT"`
	JSON    bool   `name:"json" help:"Print JSON."`
}

// Help is the long text of --help.
func (*webhookCreateCmd) Help() string {
	return `The file holds at least {"event": "temperature", "url": "http://192.168.1.5/in"}. What else it can hold is what the ` +
		"official cloud takes: requestType, json, form, body, query, headers, auth, deviceID, noDefaults, rejectUnauthorized, " +
		"responseTopic, responseTemplate, errorResponseTopic, unchunked, disabled, name. Texts are mustache templates: " +
		"{{{PARTICLE_EVENT_VALUE}}}, {{PARTICLE_EVENT_NAME}}, {{PARTICLE_DEVICE_ID}}, {{PARTICLE_PUBLISHED_AT}}, and the keys of the event's JSON."
}

// Run makes the webhook.
func (c *webhookCreateCmd) Run(ctx context.Context, t *terminal) error {
	settings, err := readHookFile(t, c.File)
	if err != nil {
		return err
	}
	if c.User != "" {
		settings["owner"] = c.User
	}
	return c.with(ctx, needData, func(conn *connection) error {
		h, err := conn.CreateWebhook(ctx, c.Product, settings)
		switch {
		case err != nil:
			return unknownUser(err)
		case c.JSON:
			return t.json(h)
		}
		t.printf("webhook %s is there; try it: localcloud webhook test %s\n", h.ID, h.ID)
		return nil
	})
}

func readHookFile(t *terminal, path string) (map[string]any, error) {
	in := t.in
	if path != "-" {
		f, err := os.Open(path)
		if err != nil {
			return nil, err
		}
		defer f.Close()
		in = f
	}
	text, err := io.ReadAll(io.LimitReader(in, maxHookFile+1))
	if err != nil {
		return nil, err
	}
	d := json.NewDecoder(strings.NewReader(string(text)))
	d.UseNumber()
	var settings map[string]any
	switch err := d.Decode(&settings); {
	case err != nil:
		return nil, usagef("%s does not hold a JSON object: %w", path, err)
	case settings == nil || len(text) > maxHookFile:
		return nil, usagef("%s does not hold a JSON object of at most 64 kB", path)
	}
	return settings, nil
}

type webhookDeleteCmd struct {
	place
	Webhook string `arg:"" help:"Id of the webhook, its beginning, or its name."`
}

// Run deletes the webhook.
func (c *webhookDeleteCmd) Run(ctx context.Context, t *terminal) error {
	return c.with(ctx, needData, func(conn *connection) error {
		id, err := findWebhook(ctx, conn, c.Webhook)
		if err == nil {
			err = conn.DeleteWebhook(ctx, id)
		}
		if err != nil {
			return err
		}
		t.printf("webhook %s is deleted\n", id)
		return nil
	})
}

type webhookTestCmd struct {
	place
	Webhook string `arg:"" help:"Id of the webhook, its beginning, or its name."`
	Event   string `help:"Name of the event; without it, what the webhook waits for." placeholder:"NAME"`
	Value   string `default:"test-event" help:"Data of the event, such as '{\"t\":21}' (default: test-event)." placeholder:"TEXT"`
	JSON    bool   `name:"json" help:"Print JSON."`
}

// Run fires the webhook.
func (c *webhookTestCmd) Run(ctx context.Context, t *terminal) error {
	return c.with(ctx, needRunning, func(conn *connection) error {
		id, err := findWebhook(ctx, conn, c.Webhook)
		if err != nil {
			return err
		}
		d, err := conn.TestWebhook(ctx, id, c.Event, c.Value)
		switch {
		case err != nil:
			return err
		case c.JSON:
			return t.json(d)
		}
		t.printf("%s answered %d within %.2f s: %s\n", clean(d.Request), d.Status, d.Took, clean(d.Response))
		return nil
	})
}

type webhookLogCmd struct {
	place
	Webhook string `arg:"" help:"Id of the webhook, its beginning, or its name."`
	Dead    bool   `help:"Only what was given up."`
	JSON    bool   `name:"json" help:"Print JSON."`
}

// Run shows the deliveries, the newest first.
func (c *webhookLogCmd) Run(ctx context.Context, t *terminal) error {
	return c.with(ctx, needRunning, func(conn *connection) error {
		id, err := findWebhook(ctx, conn, c.Webhook)
		if err != nil {
			return err
		}
		record, err := conn.WebhookLog(ctx, id)
		switch {
		case err != nil:
			return err
		case c.JSON:
			return t.json(record)
		}
		n := record.Counts
		t.printf("%d delivered, %d failed, %d put off, %d given up, %d waiting\n", n.Delivered, n.Failed, n.Skipped, n.Dead, n.Waiting)
		if n.Asleep {
			t.printf("It sleeps after too many errors and makes one try a minute.\n")
		}
		tries := record.Latest
		if c.Dead {
			tries = record.Dead
		}
		return t.table([]string{"WHEN", "EVENT", "FROM", "TRY", "RESULT", "STATUS", "TOOK", "ANSWER"}, tryRows(tries))
	})
}

func tryRows(tries []cloud.HookDelivery) (rows [][]string) {
	for _, d := range tries {
		status, said := "", d.Error
		if d.Status != 0 {
			status = strconv.Itoa(d.Status)
		}
		if said == "" {
			said = d.Response
		}
		if len(said) > 80 {
			said = said[:80] + "..."
		}
		rows = append(rows, []string{
			ago(&d.Time), d.Event, d.CoreID, strconv.Itoa(d.Attempt), string(d.Result), status, fmt.Sprintf("%.2f s", d.Took), said,
		})
	}
	return rows
}

type webhookAllowCmd struct {
	place
	Address string `arg:"" optional:"" help:"An address, with or without a port, or a network: 127.0.0.1, 127.0.0.1:1880, [::1]:1880, 127.0.0.0/8. Without it, what is allowed is shown."`
	Remove  bool   `help:"Close it again."`
	JSON    bool   `name:"json" help:"Print JSON."`
}

// Help is the long text of --help.
func (*webhookAllowCmd) Help() string {
	return "Every user of the cloud can make a webhook, and it is this machine that sends the request. So loopback (127.0.0.1), link-local " +
		"addresses (169.254.x.x, fe80::), multicast and the cloud's own ports are closed to webhooks. Open what you need and no more: the port of Node-RED " +
		"on this machine is 127.0.0.1:1880. Other addresses of your network need no permission."
}

// Run changes or shows what webhooks may reach.
func (c *webhookAllowCmd) Run(ctx context.Context, t *terminal) error {
	if c.Address == "" && c.Remove {
		return usagef("--remove needs the address that is to be closed")
	}
	if _, err := cloud.ParseHookTarget(c.Address); c.Address != "" && err != nil {
		return usageError{err}
	}
	return c.with(ctx, needData, func(conn *connection) error {
		targets, err := c.change(ctx, conn)
		switch {
		case err != nil:
			return err
		case c.JSON:
			return t.json(map[string]any{"targets": targets})
		case len(targets) == 0:
			t.printf("Webhooks reach no address that is closed by default\n")
			return nil
		}
		var rows [][]string
		for _, target := range targets {
			rows = append(rows, []string{target.String()})
		}
		return t.table([]string{"WEBHOOKS MAY REACH"}, rows)
	})
}

func (c *webhookAllowCmd) change(ctx context.Context, conn *connection) ([]cloud.HookTarget, error) {
	switch {
	case c.Address == "":
		return conn.WebhookTargets(ctx)
	case c.Remove:
		return conn.CloseWebhookTarget(ctx, c.Address)
	}
	return conn.AllowWebhookTarget(ctx, c.Address)
}
