package main

import (
	"context"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"localcloud/relay"
)

// relayCmd is "localcloud relay".
type relayCmd struct {
	Run       relayRunCmd       `cmd:"" default:"withargs" help:"Run a relay by itself, for a cloud elsewhere: localcloud relay --cloud URL --token T."`
	Status    relayStatusCmd    `cmd:"" help:"Show what streams, who was turned away and why, and what is public."`
	List      relayListCmd      `cmd:"" help:"List the channels."`
	Show      relayShowCmd      `cmd:"" help:"Show what happened to one device: why there is no data."`
	Kick      relayKickCmd      `cmd:"" help:"End a device's stream."`
	Allow     relayAllowCmd     `cmd:"" help:"Say which devices may use the relay: a device, any, or listed (only those that were allowed)."`
	Set       relaySetCmd       `cmd:"" help:"Change who may watch, and whether old libraries are taken; it works at once."`
	Call      relayCallCmd      `cmd:"" help:"Call a device now, without waiting until it asks."`
	Send      relaySendCmd      `cmd:"" help:"Send a text to a device that has a WebSocket."`
	Publish   relayPublishCmd   `cmd:"" help:"Show a device's data, or events, to everybody, without a token: page /p/NAME."`
	Unpublish relayUnpublishCmd `cmd:"" help:"Make it private again; who is looking is cut off."`
	Record    relayRecordCmd    `cmd:"" help:"Write a device's lines to files."`
	Stop      relayStopCmd      `cmd:"" help:"End the recording of a device."`
	Files     relayFilesCmd     `cmd:"" help:"List the recordings."`
	Download  relayDownloadCmd  `cmd:"" help:"Copy a recording, as NDJSON or CSV."`
	Replay    relayReplayCmd    `cmd:"" help:"Play a recording into the stream \"replay\" of its device."`
}

// askRelay sends one request to the relay and decodes its answer into v.
func (p place) askRelay(ctx context.Context, v any, in any, method string, parts ...string) error {
	return p.with(ctx, needRunning, func(conn *connection) error { return conn.Relay(ctx, method, parts, in, v) })
}

type relayStatusCmd struct {
	place
	JSON bool `name:"json" help:"Print JSON."`
}

// Run shows the whole relay.
func (c *relayStatusCmd) Run(ctx context.Context, t *terminal) error {
	var s relay.Status
	if err := c.askRelay(ctx, &s, nil, http.MethodGet); err != nil {
		return err
	}
	if c.JSON {
		return t.json(s)
	}
	who := "everybody on this network"
	if s.Read == "token" {
		who = "who has a token with the scope relay:get"
	}
	t.printf("The relay listens on port %d; %s may watch. %d lines from %d device(s) now streaming, %d viewer(s).\n",
		s.Port, who, s.Counts.Lines, s.Counts.Streams, s.Counts.Viewers)
	if s.OnlyListed {
		t.printf("Only %d allowed device(s) may use it.\n", len(s.Allowed))
	}
	if n := s.Counts; n.Refused > 0 || n.CallsFailed > 0 || n.Truncated > 0 || n.Slow > 0 {
		t.printf("Turned away: %d connection(s); %d call(s) failed; %d line(s) were too long; %d connection(s) said nothing or were too many.\n",
			n.Refused, n.CallsFailed, n.Truncated, n.Slow)
	}
	t.printf("\n")
	if err := channelTable(t, s.Channels); err != nil {
		return err
	}
	for _, c := range s.Channels {
		if c.Failed != "" {
			t.printf("\n%s is not recorded: %s\n", clean(c.Device), clean(c.Failed))
		}
	}
	for _, id := range slices.Sorted(maps.Keys(s.Devices)) {
		if problem := s.Devices[id].Problem; problem != "" {
			t.printf("\n%s: %s\n", clean(id), clean(problem))
		}
	}
	for _, r := range s.Refusals[max(0, len(s.Refusals)-5):] {
		t.printf("\nTurned away %s: %s from %s (%d times)\n", ago(&r.At), clean(r.Reason), clean(r.Address), r.Count)
	}
	for _, name := range slices.Sorted(maps.Keys(s.Public)) {
		t.printf("\nPublic: /p/%s\n", clean(name))
	}
	return nil
}

func channelTable(t *terminal, channels []relay.Channel) error {
	var rows [][]string
	for _, c := range channels {
		name := c.Name
		if name == "" {
			name = c.Device
		}
		by := "-"
		if c.Streaming {
			by = c.By + " from " + c.Address
		}
		rows = append(rows, []string{
			name, c.Stream, by, strconv.FormatUint(c.Lines, 10), fmt.Sprintf("%.1f/s", c.Rate),
			strconv.Itoa(c.Viewers), strconv.FormatUint(c.Lost, 10), yesNo(c.Recording),
		})
	}
	return t.table([]string{"DEVICE", "STREAM", "STREAMS BY", "LINES", "RATE", "VIEWERS", "MISSED BY SLOW VIEWERS", "RECORDED"}, rows)
}

type relayListCmd struct {
	place
	JSON bool `name:"json" help:"Print JSON."`
}

// Run lists the channels.
func (c *relayListCmd) Run(ctx context.Context, t *terminal) error {
	var channels []relay.Channel
	if err := c.askRelay(ctx, &channels, nil, http.MethodGet, "channels"); err != nil {
		return err
	}
	if c.JSON {
		return list(t, channels)
	}
	return channelTable(t, channels)
}

type relayShowCmd struct {
	place
	Device string `arg:"" help:"Device, by id or name."`
	JSON   bool   `name:"json" help:"Print JSON."`
}

// Run shows one device, step by step.
func (c *relayShowCmd) Run(ctx context.Context, t *terminal) error {
	var s struct {
		Device   string          `json:"device"`
		Channels []relay.Channel `json:"channels"`
		Record   relay.Record    `json:"record"`
		Allowed  bool            `json:"allowed"`
	}
	if err := c.askRelay(ctx, &s, nil, http.MethodGet, "channels", c.Device); err != nil {
		return err
	}
	if c.JSON {
		return t.json(s)
	}
	r := s.Record
	step := func(what string, at time.Time, more string) {
		t.printf("%-26s %-12s %s\n", what, ago(&at), clean(more))
	}
	step("asked for the relay", r.Requested, r.Announced)
	returned := ""
	if r.Returned != nil {
		returned = fmt.Sprintf("and returned %d", *r.Returned)
	}
	step("was called", r.Called, strings.TrimSpace(r.Told+" "+returned))
	step("connected", r.Connected, r.From)
	step("stream ended", r.Ended, r.Why)
	if !r.Other.IsZero() {
		step("another server called it", r.Other, r.OtherIs)
	}
	if !s.Allowed {
		t.printf("It may not use the relay; let it: %s relay allow %s\n", os.Args[0], s.Device)
	}
	if r.Problem != "" {
		t.printf("Problem: %s\n", clean(r.Problem))
	}
	t.printf("\n")
	return channelTable(t, s.Channels)
}

type relayKickCmd struct {
	place
	Device string `arg:"" help:"Device, by id or name."`
	Block  bool   `help:"And do not let it in again, until it is allowed."`
}

// Run ends a device's stream.
func (c *relayKickCmd) Run(ctx context.Context, t *terminal) error {
	var out struct{ Ended int }
	err := c.askRelay(ctx, &out, map[string]any{"block": c.Block}, http.MethodPost, "channels", c.Device, "kick")
	if err == nil {
		t.printf("%d stream(s) ended\n", out.Ended)
	}
	return err
}

type relayAllowCmd struct {
	place
	Device string `arg:"" help:"Device, by id or name; or any, or listed."`
}

// Run says which devices may use the relay.
func (c *relayAllowCmd) Run(ctx context.Context, _ *terminal) error {
	if c.Device == "any" || c.Device == "listed" {
		return c.askRelay(ctx, nil, map[string]any{"only": c.Device}, http.MethodPut, "allow")
	}
	return c.askRelay(ctx, nil, nil, http.MethodPut, "allow", c.Device)
}

type relayCallCmd struct {
	place
	Device string `arg:"" help:"Device, by id or name."`
}

// Run calls a device.
func (c *relayCallCmd) Run(ctx context.Context, _ *terminal) error {
	return c.askRelay(ctx, nil, nil, http.MethodPost, "channels", c.Device, "call")
}

type relaySendCmd struct {
	place
	Device string `arg:"" help:"Device, by id or name."`
	Text   string `arg:"" help:"What to send."`
	Stream string `help:"Into this stream of the device." placeholder:"NAME"`
}

// Run sends a text to a device.
func (c *relaySendCmd) Run(ctx context.Context, _ *terminal) error {
	in := map[string]any{"data": c.Text, "stream": c.Stream}
	return c.askRelay(ctx, nil, in, http.MethodPost, "channels", c.Device, "send")
}

type relayPublishCmd struct {
	place
	Name   string   `arg:"" help:"Public name: letters, digits, - and _."`
	Device string   `help:"Show this device's channel." placeholder:"ID" xor:"what"`
	Events string   `help:"Show events whose names begin like this." placeholder:"PREFIX" xor:"what"`
	Stream string   `help:"This stream of the device." placeholder:"NAME"`
	Fields []string `help:"What is shown of each line or event: data, time, name, device (default: data alone)." placeholder:"FIELD"`
	Title  string   `help:"Title of the page." placeholder:"TEXT"`
}

// Run makes something public.
func (c *relayPublishCmd) Run(ctx context.Context, t *terminal) error {
	if c.Device == "" && c.Events == "" {
		return usagef("say what to publish: --device ID or --events PREFIX")
	}
	in := map[string]any{"device": c.Device, "events": c.Events, "stream": c.Stream, "fields": c.Fields, "title": c.Title}
	var out struct {
		Page, Stream string
		Port         int
	}
	if err := c.askRelay(ctx, &out, in, http.MethodPut, "public", c.Name); err != nil {
		return err
	}
	t.printf("Everybody who reaches port %d of this machine can watch it now:\n  page    %s\n  stream  %s\nEnd it: %s relay unpublish %s\n",
		out.Port, out.Page, out.Stream, os.Args[0], c.Name)
	return nil
}

type relayUnpublishCmd struct {
	place
	Name string `arg:"" help:"Public name."`
}

// Run makes it private again.
func (c *relayUnpublishCmd) Run(ctx context.Context, _ *terminal) error {
	return c.askRelay(ctx, nil, nil, http.MethodDelete, "public", c.Name)
}

type relayRecordCmd struct {
	place
	Device string `arg:"" help:"Device, by id or name."`
	Stream string `help:"This stream of the device." placeholder:"NAME"`
	Always bool   `help:"Also after every restart, until it is stopped."`
}

// Run begins a recording.
func (c *relayRecordCmd) Run(ctx context.Context, _ *terminal) error {
	in := map[string]any{"stream": c.Stream, "always": c.Always}
	return c.askRelay(ctx, nil, in, http.MethodPut, "recordings", c.Device)
}

type relayStopCmd struct {
	place
	Device string `arg:"" help:"Device, by id or name."`
	Stream string `help:"This stream of the device." placeholder:"NAME"`
}

// Run ends a recording.
func (c *relayStopCmd) Run(ctx context.Context, _ *terminal) error {
	return c.askRelay(ctx, nil, map[string]any{"stream": c.Stream}, http.MethodDelete, "recordings", c.Device)
}

type relayFilesCmd struct {
	place
	JSON bool `name:"json" help:"Print JSON."`
}

// Run lists the recordings.
func (c *relayFilesCmd) Run(ctx context.Context, t *terminal) error {
	var files []relay.Recording
	if err := c.askRelay(ctx, &files, nil, http.MethodGet, "recordings"); err != nil {
		return err
	}
	if c.JSON {
		return list(t, files)
	}
	var rows [][]string
	for _, f := range files {
		rows = append(rows, []string{f.File, f.Device, f.Stream, f.Began.Local().Format(time.DateTime), strconv.FormatInt(f.Bytes, 10)})
	}
	return t.table([]string{"FILE", "DEVICE", "STREAM", "BEGAN", "BYTES"}, rows)
}

type relayDownloadCmd struct {
	place
	File   string `arg:"" help:"Recording, as relay files names it."`
	CSV    bool   `name:"csv" help:"As CSV with two columns, time and line."`
	Output string `short:"o" help:"Write to this file; without it to standard output." placeholder:"FILE"`
}

// Run copies a recording.
func (c *relayDownloadCmd) Run(ctx context.Context, t *terminal) (err error) {
	format := "ndjson"
	if c.CSV {
		format = "csv"
	}
	return c.with(ctx, needRunning, func(conn *connection) error {
		if c.Output == "" {
			return conn.Recording(ctx, c.File, format, t.out)
		}
		return writeTo(c.Output, func(w io.Writer) error { return conn.Recording(ctx, c.File, format, w) })
	})
}

// writeTo writes a new file, and leaves none behind when that fails.
func writeTo(path string, write func(io.Writer) error) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	err = write(f)
	if closed := f.Close(); err == nil {
		err = closed
	}
	if err != nil {
		os.Remove(path)
	}
	return err
}

type relayReplayCmd struct {
	place
	File  string  `arg:"" help:"Recording, as relay files names it."`
	Speed float64 `default:"1" help:"How fast: 1 as it was, 10 ten times as fast (default: 1)." placeholder:"N"`
}

// Run plays a recording.
func (c *relayReplayCmd) Run(ctx context.Context, t *terminal) error {
	var out struct{ Data string }
	err := c.askRelay(ctx, &out, map[string]any{"speed": c.Speed}, http.MethodPost, "recordings", c.File, "replay")
	if err == nil {
		t.printf("It plays at %s of the relay\n", out.Data)
	}
	return err
}
