package main

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"localcloud/cloud/client"
	"localcloud/cloud/sink"
	"localcloud/cloud/store"
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
	for _, a := range more.Addresses.HTTPS {
		t.printf("  the same, HTTPS:   https://%s\n", clean(a))
	}
	for _, a := range more.Addresses.TCP {
		t.printf("  Core, Photon, P1:  %s\n", clean(a))
	}
	for _, a := range more.Addresses.UDP {
		t.printf("  newer boards:      %s (UDP)\n", clean(a))
	}
	if more.SetupCode != "" {
		t.printf("  set-up code:       %s (makes the owner's account, in a browser)\n", clean(string(more.SetupCode)))
	}
	t.printf("  devices:           %d, of these %d online\n", s.Devices, s.Totals.Online)
	t.printf("  users:             %d\n", s.Users)
	t.printf("  events:            %d since the start, %d beyond a rate limit, %d lost by slow listeners\n",
		s.Totals.Events, s.Totals.Limited, s.Totals.Lost)
	showUDP(t, more.DTLS)
	showStore(t, more.Store)
	showWebhooks(t, more.Webhooks)
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

// showWebhooks prints what waits on its way to webhooks, if anything does.
func showWebhooks(t *terminal, q sink.Queues) {
	if n := q.Arriving + q.Waiting; n > 0 || q.Asleep > 0 {
		t.printf("  webhooks:          %d deliveries wait, %d webhooks rest after many errors (localcloud webhook list)\n", n, q.Asleep)
	}
}

// showStore prints what is kept, and how. What is wrong with it stands among the warnings.
func showStore(t *terminal, st store.Status) {
	bounds := ""
	if st.MaxBytes > 0 {
		bounds += fmt.Sprintf(" of at most %s", megabytes(st.MaxBytes))
	}
	if st.MaxAge > 0 {
		bounds += fmt.Sprintf(", for %s", days(time.Duration(st.MaxAge)*time.Second))
	}
	if st.Mode == "off" {
		t.printf("  kept events:       none (--events off)\n")
	} else {
		t.printf("  kept events:       %d, %s%s\n", st.Events, megabytes(st.Bytes), bounds)
	}
	t.printf("  acknowledged:      %s (--events %s)\n", acknowledgement(st), clean(st.Mode))
	if st.Free > 0 {
		t.printf("  disk:              %s free, with less than %s nothing is stored\n", megabytes(st.Free), megabytes(st.Reserve))
	}
	if n := len(st.Snapshots); n > 0 {
		t.printf("  registry:          %d snapshots, the newest %s\n", n, clean(st.Snapshots[n-1]))
	}
	if n := len(st.SetAside); n > 0 {
		t.printf("  set aside:         %s\n", clean(strings.Join(st.SetAside, ", ")))
	}
	if st.ReadOnly != "" || st.RegistryReadOnly != "" {
		t.printf("  read-only:         %s\n", strings.Join(readOnlyParts(st), " and "))
	}
}

// acknowledgement says what an acknowledged event is.
func acknowledgement(st store.Status) string {
	if st.Acknowledged == "synced" {
		return "an event is when it is on the disk"
	}
	return "an event is when it is accepted, before it is on a disk"
}

func readOnlyParts(st store.Status) (parts []string) {
	if st.ReadOnly != "" {
		parts = append(parts, "the log of events")
	}
	if st.RegistryReadOnly != "" {
		parts = append(parts, "devices, users, tokens and settings")
	}
	return parts
}

// megabytes writes a size for people.
func megabytes(n int64) string {
	if n < 10e6 {
		return fmt.Sprintf("%.1f MB", float64(n)/1e6)
	}
	return fmt.Sprintf("%d MB", n/1e6)
}

// days writes a long time for people.
func days(d time.Duration) string {
	if n := d / (24 * time.Hour); n > 1 && d%(24*time.Hour) == 0 {
		return fmt.Sprintf("%d days", n)
	}
	return d.String()
}
