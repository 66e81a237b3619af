package main

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"localcloud/cloud/client"
)

// settingsCmd is "localcloud settings".
type settingsCmd struct {
	Show settingsShowCmd `cmd:"" help:"Show what can be changed while the cloud runs."`
	Set  settingsSetCmd  `cmd:"" help:"Change one of these; it works at once, and is remembered."`
}

const settingsHelp = "Names and values: events-max-age 30d, 12h, never or default; events-max-size 2GB, never or default; " +
	"log-level debug, info, warn, error or default; sign-up on or off; trust-first-use on or off. What serve is told by flag, " +
	"environment or configuration file counts again when it starts. Limits of events: localcloud policy; of log-ins: localcloud limits."

type settingsShowCmd struct {
	place
	JSON bool `name:"json" help:"Print JSON."`
}

// Help is the long text of --help.
func (*settingsShowCmd) Help() string { return settingsHelp }

// Run shows the settings.
func (c *settingsShowCmd) Run(ctx context.Context, t *terminal) error {
	return c.with(ctx, needData, func(conn *connection) error {
		s, err := conn.Settings(ctx)
		switch {
		case err != nil:
			return err
		case c.JSON:
			return t.json(s)
		}
		return t.table([]string{"NAME", "VALUE", "MEANS"}, settingRows(s))
	})
}

func settingRows(s client.Settings) (rows [][]string) {
	values := map[string]string{
		"trust-first-use": onOff(s.TrustFirstUse), "sign-up": onOff(s.SignUp), "log-level": s.LogLevel,
		"events-max-age": spanText(s.EventsMaxAge), "events-max-size": sizeText(s.EventsMaxBytes),
	}
	for _, name := range slices.Sorted(maps.Keys(theSettings)) {
		set := theSettings[name]
		means := set.means
		if slices.Contains(s.Given, set.json) {
			means += "; the next start sets it again to what serve is told"
		}
		rows = append(rows, []string{name, values[name], means})
	}
	return rows
}

// setting is one that can be changed.
type setting struct {
	json, means string
	parse       func(text string) (any, error)
}

// theSettings are they, by their names on the command line.
var theSettings = map[string]setting{
	"events-max-age":  {"events_max_age", "how long events are kept", parseSpan},
	"events-max-size": {"events_max_bytes", "how much room they may take", parseSize},
	"log-level":       {"log_level", "how much is logged", parseLevel},
	"sign-up":         {"sign_up", "whether anyone may make an account", parseOnOff},
	"trust-first-use": {"trust_first_use", "whether unknown boards are taken in", parseOnOff},
}

type settingsSetCmd struct {
	place
	Name  string `arg:"" help:"Which: events-max-age, events-max-size, log-level, sign-up or trust-first-use."`
	Value string `arg:"" help:"What it shall be."`
}

// Help is the long text of --help.
func (*settingsSetCmd) Help() string { return settingsHelp }

// Run changes a setting.
func (c *settingsSetCmd) Run(ctx context.Context, t *terminal) error {
	set, ok := theSettings[c.Name]
	if !ok {
		return usagef("there is no setting %q; there are %s", c.Name, strings.Join(slices.Sorted(maps.Keys(theSettings)), ", "))
	}
	value, err := set.parse(c.Value)
	if err != nil {
		return usageError{err}
	}
	return c.with(ctx, needAny, func(conn *connection) error {
		s, err := conn.SetSetting(ctx, set.json, value)
		if err != nil {
			return err
		}
		for _, row := range settingRows(s) {
			if row[0] == c.Name {
				t.printf("%s is %s: %s\n", row[0], row[1], row[2])
			}
		}
		return nil
	})
}

// Values as people write them, and null for what is usual.

func parseSpan(text string) (any, error) {
	if text == "default" {
		return nil, nil
	}
	var s span
	err := s.UnmarshalText([]byte(text))
	return int64(time.Duration(s) / time.Second), err
}

func parseSize(text string) (any, error) {
	switch text {
	case "default":
		return nil, nil
	case "never":
		return 0, nil
	}
	var s size
	err := s.UnmarshalText([]byte(text))
	return int64(s), err
}

func parseLevel(text string) (any, error) {
	switch text {
	case "default":
		return nil, nil
	case "debug", "info", "warn", "error":
		return text, nil
	}
	return nil, fmt.Errorf("%q is not a log level: debug, info, warn, error or default", text)
}

func parseOnOff(text string) (any, error) {
	switch text {
	case "on", "off":
		return text == "on", nil
	}
	return nil, fmt.Errorf("%q is neither on nor off", text)
}

func onOff(on bool) string {
	if on {
		return "on"
	}
	return "off"
}

// spanText writes seconds as they are read; 0 is for ever.
func spanText(seconds int64) string {
	const day = 24 * 60 * 60
	switch {
	case seconds == 0:
		return "never"
	case seconds%day == 0:
		return fmt.Sprintf("%dd", seconds/day)
	}
	return strings.NewReplacer("h0m0s", "h", "m0s", "m").Replace((time.Duration(seconds) * time.Second).String())
}

// sizeText writes bytes as they are read; 0 is without bound.
func sizeText(n int64) string {
	switch {
	case n == 0:
		return "never"
	case n >= 1e9:
		return fmt.Sprintf("%.1fGB", float64(n)/1e9)
	}
	return fmt.Sprintf("%.1fMB", float64(n)/1e6)
}
