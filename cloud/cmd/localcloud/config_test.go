package main

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/alecthomas/kong"
)

// parse returns the settings that a command line of serve gives.
func parse(t *testing.T, args ...string) (settings, error) {
	t.Helper()
	var cmds commands
	parser, err := newParser(context.Background(), &cmds, &terminal{}, kong.Exit(func(int) { t.Error("it wants to exit") }))
	if err != nil {
		t.Fatal(err)
	}
	_, err = parser.Parse(append([]string{"serve"}, args...))
	return cmds.Serve.settings, err
}

func writeFile(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "localcloud.toml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestASettingComesFromTheFlagThenTheEnvironmentThenTheFile(t *testing.T) {
	file := writeFile(t, `
http = "file:1"
tcp = "file:2"
udp = "file:3"
trust_first_use = true
events-max-age = "12h"
events_max_size = 1000000
log_level = "debug"
log-json = true
`)
	t.Setenv("LOCALCLOUD_TCP", "environment:2")
	t.Setenv("LOCALCLOUD_UDP", "environment:3")
	got, err := parse(t, "--config", file, "--udp", "flag:3")
	if err != nil {
		t.Fatal(err)
	}
	if got.HTTP != "file:1" || got.TCP != "environment:2" || got.UDP != "flag:3" || got.Relay != ":8070" {
		t.Errorf("addresses are %q %q %q %q", got.HTTP, got.TCP, got.UDP, got.Relay)
	}
	if got.TrustFirstUse == nil || !*got.TrustFirstUse || got.maxAge() != 12*time.Hour || got.EventsMaxSize != 1e6 ||
		got.LogLevel.String() != "DEBUG" || !got.LogJSON {
		t.Errorf("got %+v", got)
	}

	t.Setenv("LOCALCLOUD_CONFIG", file)
	if got, err = parse(t, "--no-trust-first-use"); err != nil || got.HTTP != "file:1" || *got.TrustFirstUse {
		t.Errorf("with the file of the environment: %+v, %v", got, err)
	}
}

func TestWithoutSettingsThereAreDefaults(t *testing.T) {
	got, err := parse(t)
	if err != nil {
		t.Fatal(err)
	}
	if got.HTTP != ":8080" || got.TCP != ":5683" || got.UDP != "" || got.Relay != ":8070" || got.Data != "" ||
		got.TrustFirstUse != nil || got.maxAge() != 0 || got.EventsMaxSize != 0 || got.LogLevel != nil || got.LogJSON {
		t.Errorf("got %+v", got)
	}
	if got, err = parse(t, "--events-max-age", "never"); err != nil || got.maxAge() >= 0 {
		t.Errorf("never is %v, %v", got.maxAge(), err)
	}
}

func TestAFileWithAMistakeIsNamedWithIt(t *testing.T) {
	for _, test := range []struct{ text, want string }{
		{"http = 'x'\ncolour = 'red'\n", `there is no setting "colour"`},
		{"http = \n", "line 1"},
		{"[http]\naddress = 'x'\n", "http has to be a text"},
		{"config = 'x'\n", `there is no setting "config"`},
	} {
		file := writeFile(t, test.text)
		if _, err := parse(t, "--config", file); err == nil || !strings.Contains(err.Error(), test.want) || !strings.Contains(err.Error(), file) {
			t.Errorf("%q: %v", test.text, err)
		}
	}
	if _, err := parse(t, "--config", "/nowhere.toml"); err == nil || !strings.Contains(err.Error(), "/nowhere.toml") {
		t.Errorf("a file that is not there: %v", err)
	}
}

func TestCommandsTakeTheDataDirectoryFromTheFileToo(t *testing.T) {
	data := t.TempDir()
	file := writeFile(t, "data = "+`"`+filepath.ToSlash(data)+`"`+"\nhttp = \":80\"\n")
	addUser(t, data, "ann")
	users := into[[]struct{ Name string }](t, "user", "list", "--config", file)
	if len(users) != 1 || users[0].Name != "ann" {
		t.Errorf("got %v", users)
	}
}

func TestSpansAndSizesReadAsPeopleWriteThem(t *testing.T) {
	for text, want := range map[string]time.Duration{"90d": 90 * 24 * time.Hour, "12h": 12 * time.Hour, "1h30m": 90 * time.Minute, "never": 0} {
		var s span
		if err := s.UnmarshalText([]byte(text)); err != nil || time.Duration(s) != want {
			t.Errorf("%s is %v, %v", text, time.Duration(s), err)
		}
	}
	for _, text := range []string{"", "0", "0d", "-1h", "d", "soon", "99999999999d", "9999999999h"} {
		var s span
		if err := s.UnmarshalText([]byte(text)); err == nil {
			t.Errorf("%q is %v", text, time.Duration(s))
		}
	}
	for text, want := range map[string]size{"1": 1, "500MB": 5e8, "2GB": 2e9, "2 GiB": 2 << 30, "1.5k": 1500, "10mb": 1e7} {
		var s size
		if err := s.UnmarshalText([]byte(text)); err != nil || s != want {
			t.Errorf("%s is %d, %v", text, s, err)
		}
	}
	for _, text := range []string{"", "GB", "-1", "0", "1XB", "1e99", "NaN", "1 MB MB"} {
		var s size
		if err := s.UnmarshalText([]byte(text)); err == nil {
			t.Errorf("%q is %d", text, s)
		}
	}
}

func TestTheDataDirectoryIsTheUsersStateDirectory(t *testing.T) {
	t.Setenv("XDG_STATE_HOME", "/somewhere")
	if dir := defaultDataDir(); dir != filepath.Join("/somewhere", "localcloud") {
		t.Errorf("it is %s", dir)
	}
	t.Setenv("XDG_STATE_HOME", "relative: to be ignored")
	if dir := defaultDataDir(); !filepath.IsAbs(dir) || filepath.Base(dir) != "localcloud" {
		t.Errorf("it is %s", dir)
	}
	if dir := defaultDemoDir(); filepath.Base(dir) != "localcloud-demo" {
		t.Errorf("the demo's is %s", dir)
	}
}
