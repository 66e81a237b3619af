package main

import (
	"context"
	"time"

	"localcloud/cloud"
	"localcloud/cloud/client"
)

// clockCmd is "localcloud clock".
type clockCmd struct {
	Show clockShowCmd `cmd:"" help:"Show the cloud's time, and whether it follows the machine's clock."`
	Set  clockSetCmd  `cmd:"" help:"Tell the cloud the time; the machine's clock stays as it is."`
}

type clockShowCmd struct {
	place
	JSON bool `name:"json" help:"Print JSON."`
}

// Run shows the cloud's time.
func (c *clockShowCmd) Run(ctx context.Context, t *terminal) error {
	return c.with(ctx, needData, func(conn *connection) error {
		clock, err := conn.Clock(ctx)
		switch {
		case err != nil:
			return err
		case c.JSON:
			return t.json(clock)
		}
		showClock(t, clock)
		return nil
	})
}

type clockSetCmd struct {
	place
	Time string `arg:"" help:"The time, such as 2026-11-21T15:04:05Z, or now: this machine's clock is right."`
}

// Run sets the cloud's time.
func (c *clockSetCmd) Run(ctx context.Context, t *terminal) error {
	at := time.Now()
	if c.Time != "now" {
		var err error
		if at, err = time.Parse(time.RFC3339, c.Time); err != nil {
			return cloud.Errorf("clock set", cloud.Invalid, "%q is not a time; write it like 2026-11-21T15:04:05Z, or: now", c.Time)
		}
	}
	return c.with(ctx, needData, func(conn *connection) error {
		clock, err := conn.SetClock(ctx, at)
		if err == nil {
			showClock(t, clock)
		}
		return err
	})
}

func showClock(t *terminal, c client.Clock) {
	t.printf("%s\n", c.Time.UTC().Format(time.RFC3339))
	if c.Doubt != "" {
		t.printf("The machine's clock is %s and not followed. If it is right say so: localcloud clock set now\n", c.Doubt)
	}
}
