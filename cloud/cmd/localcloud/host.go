package main

import (
	"context"
	"os"
	"strings"

	"localcloud/cloud/client"
)

// hostCmd is "localcloud host".
type hostCmd struct {
	Add    hostAddCmd    `cmd:"" help:"Let browsers log in at this cloud by one more name or address."`
	List   hostListCmd   `cmd:"" help:"Show by which names and addresses browsers may log in."`
	Remove hostRemoveCmd `cmd:"" help:"Take a name away again."`
}

const hostHelp = "A browser that is logged in sends its cookie with every request to this cloud, whoever wrote the page. " +
	"So the cloud listens to cookies only where it is called by a name that is its own: this machine's names and addresses, " +
	"localhost, api.particle.io, and what you add here. Programs that send a token may use any name."

type hostAddCmd struct {
	place
	Host string `arg:"" help:"A name or an address, without a port: cloud.example, 192.168.1.5."`
	JSON bool   `name:"json" help:"Print JSON."`
}

// Help is the long text of --help.
func (*hostAddCmd) Help() string { return hostHelp }

// Run adds it.
func (c *hostAddCmd) Run(ctx context.Context, t *terminal) error {
	return c.with(ctx, needAny, func(conn *connection) error {
		h, err := conn.AddHost(ctx, c.Host)
		return showHosts(t, h, err, c.JSON)
	})
}

type hostListCmd struct {
	place
	JSON bool `name:"json" help:"Print JSON."`
}

// Help is the long text of --help.
func (*hostListCmd) Help() string { return hostHelp }

// Run shows them.
func (c *hostListCmd) Run(ctx context.Context, t *terminal) error {
	return c.with(ctx, needData, func(conn *connection) error {
		h, err := conn.Hosts(ctx)
		return showHosts(t, h, err, c.JSON)
	})
}

type hostRemoveCmd struct {
	place
	Host string `arg:"" help:"A name or an address that was added."`
	JSON bool   `name:"json" help:"Print JSON."`
}

// Run removes it.
func (c *hostRemoveCmd) Run(ctx context.Context, t *terminal) error {
	return c.with(ctx, needData, func(conn *connection) error {
		h, err := conn.RemoveHost(ctx, c.Host)
		return showHosts(t, h, err, c.JSON)
	})
}

func showHosts(t *terminal, h client.Hosts, err error, asJSON bool) error {
	switch {
	case err != nil:
		return err
	case asJSON:
		return t.json(h)
	}
	var rows [][]string
	for _, name := range h.Own {
		rows = append(rows, []string{name, "its own"})
	}
	for _, name := range h.Added {
		rows = append(rows, []string{name, "added"})
	}
	return t.table([]string{"HOST", "WHOSE"}, rows)
}

// ownHosts returns the names and addresses of this machine as it is now. The
// name is there alone and as it is announced by multicast DNS.
func ownHosts() []string {
	hosts := ownAddresses()
	name, err := os.Hostname()
	if err != nil || name == "" {
		return hosts
	}
	first, _, _ := strings.Cut(name, ".")
	return append(hosts, name, first, first+".local")
}
