package main

import (
	"context"
	"encoding/json"
	"fmt"

	"localcloud/cloud/client"
)

// statusCmd is "localcloud status".
type statusCmd struct {
	place
	JSON bool `name:"json" help:"Print JSON."`
}

// Run shows how the cloud is. It fails, after it has said so, when none runs.
func (c *statusCmd) Run(ctx context.Context, t *terminal) error {
	return c.with(ctx, needData, func(conn *connection) error {
		s, err := conn.Status(ctx)
		if err != nil {
			return err
		}
		if c.JSON {
			err = statusJSON(t, s, conn.running)
		} else if conn.running {
			err = showRunning(t, s)
		} else {
			t.printf("localcloud does not run on the data in %s (%d devices, %d users there).\n", conn.where, s.Devices, s.Users)
			t.printf("Start it: localcloud serve --data %s\n", conn.where)
		}
		if err == nil && !conn.running {
			err = errSaid
		}
		return err
	})
}

// statusJSON prints what the server said, and whether it runs.
func statusJSON(t *terminal, s client.Status, running bool) error {
	var all map[string]json.RawMessage
	if err := s.Decode(&all); err != nil {
		return err
	}
	all["running"], _ = json.Marshal(running)
	return t.json(all)
}

// showRunning prints the status for a person.
func showRunning(t *terminal, s client.Status) error {
	var more serverStatus
	if err := s.Decode(&more); err != nil {
		return err
	}
	t.printf("localcloud %s runs, process %d, data in %s\n", clean(s.Version), more.PID, clean(more.Data))
	for _, a := range more.Addresses.HTTP {
		t.printf("  apps and scripts:  http://%s\n", clean(a))
	}
	for _, a := range more.Addresses.TCP {
		t.printf("  Core, Photon, P1:  %s\n", clean(a))
	}
	if more.SetupCode != "" {
		t.printf("  set-up code:       %s (makes the owner's account, in a browser)\n", clean(string(more.SetupCode)))
	}
	t.printf("  devices:           %d, of these %d online\n", s.Devices, s.Totals.Online)
	t.printf("  users:             %d\n", s.Users)
	t.printf("  events:            %d since the start, %d beyond a rate limit, %d lost by slow listeners\n",
		s.Totals.Events, s.Totals.Limited, s.Totals.Lost)
	t.printf("  kept events:       %d, %d MB\n", more.Store.Events, more.Store.Bytes/1e6)
	if len(s.Warnings) == 0 {
		t.printf("Nothing needs attention.\n")
		return nil
	}
	t.printf("Needs attention:\n")
	for _, warning := range s.Warnings {
		fmt.Fprintf(t.out, "  %s\n", clean(warning))
	}
	return nil
}
