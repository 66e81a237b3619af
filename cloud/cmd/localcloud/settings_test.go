package main

import (
	"strings"
	"testing"

	"localcloud/cloud/client"
)

func TestSettingsChangeARunningCloudAndAreRemembered(t *testing.T) {
	t.Parallel()
	data := t.TempDir()
	s := serve(t, data)
	set := func(name, value, want string) {
		t.Helper()
		if out, err := try(t, "", "settings", "set", name, value, "--data", data); err != nil || !strings.Contains(out, want) {
			t.Errorf("settings set %s %s: %v %s, want %q", name, value, err, out, want)
		}
	}
	set("events-max-age", "30d", "events-max-age is 30d: how long events are kept")
	set("events-max-size", "50MB", "events-max-size is 50.0MB")
	set("log-level", "warn", "log-level is warn")
	set("sign-up", "on", "sign-up is on")
	s.stop()
	want := client.Settings{LogLevel: "warn", EventsMaxAge: 30 * 86400, EventsMaxBytes: 50e6, SignUp: true}
	same := func(got, want client.Settings) {
		t.Helper()
		if strings.Join(got.Given, " ") != strings.Join(want.Given, " ") {
			t.Errorf("given are %v, want %v", got.Given, want.Given)
		}
		if got.Given, want.Given = nil, nil; got.LogLevel != want.LogLevel || got.EventsMaxAge != want.EventsMaxAge ||
			got.EventsMaxBytes != want.EventsMaxBytes || got.SignUp != want.SignUp {
			t.Errorf("settings are %+v, want %+v", got, want)
		}
	}
	show := func() client.Settings { return into[client.Settings](t, "settings", "show", "--data", data) }
	s = serve(t, data)
	same(show(), want)
	s.stop()

	want.EventsMaxAge, want.Given = 43200, []string{"events_max_age"}
	serve(t, data, "--events-max-age", "12h")
	same(show(), want)
	set("events-max-age", "never", "events-max-age is never: how long events are kept; the next start sets it again")
}

func TestSettingsThatMakeNoSenseAreRefused(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{
		{"magic", "1"}, {"log-level", "loud"}, {"sign-up", "perhaps"}, {"events-max-age", "week"}, {"events-max-size", "-1"},
	} {
		_, err := try(t, "", append([]string{"settings", "set", "--data", t.TempDir()}, args...)...)
		if exitCode(err) != 2 {
			t.Errorf("%v: %v", args, err)
		}
	}
}

func TestSpansAndSizesAreWrittenAsTheyAreRead(t *testing.T) {
	for text, want := range map[string]string{"30d": "30d", "12h": "12h", "90m": "1h30m", "45s": "45s", "never": "never"} {
		n, err := parseSpan(text)
		if err != nil || spanText(n.(int64)) != want {
			t.Errorf("%s is %v, %v", text, n, err)
		}
	}
	for n, want := range map[int64]string{0: "never", 2e9: "2.0GB", 5e8: "500.0MB"} {
		if got := sizeText(n); got != want {
			t.Errorf("%d is %s, want %s", n, got, want)
		}
	}
}
