package main

import (
	"context"
	"net/http"

	"localcloud/relay"
)

// relaySetCmd is "localcloud relay set".
type relaySetCmd struct {
	place
	Read      string `enum:"open,token," default:"" help:"Who may watch: open (everybody on this network) or token. With token, who watches without one is cut off at once." placeholder:"open|token"`
	Legacy    *bool  `negatable:"" help:"Take what the old WebSocket libraries for the Core do wrong."`
	ByAddress *bool  `negatable:"" help:"Take a WebSocket that says no nonce for the device that was called at its address."`
	Reset     bool   `help:"Go back to what the relay was started with, before anything else."`
	JSON      bool   `name:"json" help:"Print JSON."`
}

// Help is the long text of --help.
func (*relaySetCmd) Help() string {
	return "A change works at once, is remembered, and counts more than --relay-read, --relay-legacy and --relay-by-address of localcloud serve. " +
		"Without any of these it shows the settings."
}

// Run changes settings, and shows what counts then.
func (c *relaySetCmd) Run(ctx context.Context, t *terminal) error {
	method, in := http.MethodGet, any(nil)
	if c.Read != "" || c.Legacy != nil || c.ByAddress != nil || c.Reset {
		method = http.MethodPut
		in = struct {
			relay.Settings
			Reset bool `json:"reset"`
		}{relay.Settings{Read: c.Read, Legacy: c.Legacy, ByAddress: c.ByAddress}, c.Reset}
	}
	var out struct {
		relay.Settings
		Changed relay.Settings `json:"changed"`
	}
	if err := c.askRelay(ctx, &out, in, method, "settings"); err != nil {
		return err
	}
	if c.JSON {
		return t.json(out)
	}
	changed := func(is bool) string {
		if is {
			return "set here"
		}
		return "as started"
	}
	return t.table([]string{"SETTING", "IS", ""}, [][]string{
		{"read", out.Read, changed(out.Changed.Read != "")},
		{"legacy", yesNo(*out.Legacy), changed(out.Changed.Legacy != nil)},
		{"by address", yesNo(*out.ByAddress), changed(out.Changed.ByAddress != nil)},
	})
}
