package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"localcloud/cloud/client"
)

// eventsCmd is "localcloud events".
type eventsCmd struct {
	place
	Prefix string `arg:"" optional:"" help:"Only events whose name begins like this."`
	Device string `help:"Only events of this device, by id or name." placeholder:"ID"`
	Max    int    `help:"End after so many events." placeholder:"N"`
	JSON   bool   `name:"json" help:"Print one line of JSON an event."`
}

// errEnough ends a stream that has shown what was asked for.
var errEnough = errors.New("enough")

// Run prints events until ctx ends.
func (c *eventsCmd) Run(ctx context.Context, t *terminal) error {
	return c.with(ctx, needRunning, func(conn *connection) error {
		seen := 0
		encoder := json.NewEncoder(t.out)
		err := conn.Follow(ctx, client.Query{
			Prefix: c.Prefix, Device: c.Device,
			Lost: func(err error, pause time.Duration) {
				fmt.Fprintf(t.err, "%v; trying again in %v\n", err, pause)
			},
		}, func(ev client.Event) error {
			var err error
			if c.JSON {
				err = encoder.Encode(ev)
			} else {
				_, err = fmt.Fprintln(t.out, eventLine(ev))
			}
			if seen++; err == nil && seen == c.Max {
				err = errEnough
			}
			return err
		})
		if errors.Is(err, errEnough) {
			return nil
		}
		return err
	})
}

// eventLine is one event for a person: time, who, name, data.
func eventLine(ev client.Event) string {
	data := ""
	if ev.Data != nil {
		data = *ev.Data
	}
	return fmt.Sprintf("%s  %s  %s  %s", ev.PublishedAt.Local().Format("15:04:05.000"), clean(ev.CoreID), clean(ev.Name), clean(data))
}

// publishCmd is "localcloud publish".
type publishCmd struct {
	place
	Name string  `arg:"" help:"Name of the event, up to 64 bytes."`
	Data *string `arg:"" optional:"" help:"What it says."`
}

// Run publishes one event.
func (c *publishCmd) Run(ctx context.Context, t *terminal) error {
	return c.with(ctx, needRunning, func(conn *connection) error {
		return conn.Publish(ctx, c.Name, c.Data, true)
	})
}
