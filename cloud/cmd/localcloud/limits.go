package main

import (
	"context"
	"strconv"

	"localcloud/cloud"
)

// limitsCmd is "localcloud limits".
type limitsCmd struct {
	Show limitsShowCmd `cmd:"" help:"Show what strangers may try."`
	Set  limitsSetCmd  `cmd:"" help:"Change one of the limits; it works at once."`
}

const limitsHelp = "Who fails to log in too often has to wait, at the address they come from; a user whose password many addresses guess is " +
	"locked only where they never logged in before. Requests for tokens and event streams are counted by address, " +
	"those from this machine itself are not. How many events devices may send is another matter: localcloud policy."

type limitsShowCmd struct {
	place
	JSON bool `name:"json" help:"Print JSON."`
}

// Help is the long text of --help.
func (*limitsShowCmd) Help() string { return limitsHelp }

// Run shows the limits.
func (c *limitsShowCmd) Run(ctx context.Context, t *terminal) error {
	return c.with(ctx, needData, func(conn *connection) error {
		l, err := conn.Limits(ctx)
		return showLimits(t, l, err, c.JSON)
	})
}

type limitsSetCmd struct {
	place
	Limit string `arg:"" enum:"log-ins,lock-minutes,token-requests,stream-opens,streams" help:"log-ins, lock-minutes, token-requests, stream-opens or streams."`
	To    string `arg:"" help:"A number, or off."`
	JSON  bool   `name:"json" help:"Print JSON."`
}

// Help is the long text of --help.
func (*limitsSetCmd) Help() string { return limitsHelp }

// limitNames are the names of the limits in JSON.
var limitNames = map[string]string{
	"log-ins": "log_ins", "lock-minutes": "lock_minutes", "token-requests": "token_requests", "stream-opens": "stream_opens", "streams": "streams",
}

// Run changes one.
func (c *limitsSetCmd) Run(ctx context.Context, t *terminal) error {
	n, err := strconv.Atoi(c.To)
	if c.To == "off" {
		n, err = 0, nil
	}
	if err != nil || n < 0 {
		return usagef("%q is no number; a limit is a number, or off", c.To)
	}
	return c.with(ctx, needData, func(conn *connection) error {
		l, err := conn.SetLimit(ctx, limitNames[c.Limit], n)
		return showLimits(t, l, err, c.JSON)
	})
}

func showLimits(t *terminal, l cloud.Limits, err error, asJSON bool) error {
	switch {
	case err != nil:
		return err
	case asJSON:
		return t.json(l)
	}
	number := func(n int) string {
		if n == 0 {
			return "off"
		}
		return strconv.Itoa(n)
	}
	return t.table([]string{"LIMIT", "NOW", "WHAT IT BOUNDS"}, [][]string{
		{"log-ins", number(l.LogIns), "failed log-ins before the address, or the user at strange addresses, is locked"},
		{"lock-minutes", number(l.LockMinutes), "how long, in minutes"},
		{"token-requests", number(l.TokenRequests), "requests for tokens of one address in 5 minutes"},
		{"stream-opens", number(l.StreamOpens), "event streams that one address opens in 5 minutes"},
		{"streams", number(l.Streams), "event streams of one address open at once"},
	})
}
