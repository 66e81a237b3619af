package main

import (
	"strings"
	"testing"
)

func TestTheUnitStartsWithTheMachineAndWaitsForNothing(t *testing.T) {
	t.Parallel()
	out := command(t, "service", "install", "--print")
	for _, want := range []string{
		" serve --data /var/lib/localcloud\n", "\nRestart=always\n", "\nWantedBy=multi-user.target\n",
		"\nStateDirectory=localcloud\n", "\nDynamicUser=yes\n", "\nStartLimitIntervalSec=0\n", "\nProtectSystem=strict\n",
	} {
		if !strings.Contains(out, want) {
			t.Errorf("the unit lacks %q", want)
		}
	}
	for _, not := range []string{"After=", "Wants=", "Requires=", "network", "time-sync", "ExecStart=\n", "User=\n"} {
		if strings.Contains(strings.Replace(out, "on your own network", "", 1), not) {
			t.Errorf("the unit holds %q", not)
		}
	}
}

func TestTheUnitOfAUserAndADirectory(t *testing.T) {
	t.Parallel()
	out := command(t, "service", "install", "--print", "--user", "pi", "--data", "/srv/my 100% $data", "--config", "/etc/lc.toml")
	for _, want := range []string{
		` serve --data "/srv/my 100%% $$data" --config /etc/lc.toml` + "\n", "\nUser=pi\n", "\nReadWritePaths=\"/srv/my 100%% $$data\"\n",
	} {
		if !strings.Contains(out, want) {
			t.Errorf("the unit lacks %q:\n%s", want, out)
		}
	}
	if strings.Contains(out, "DynamicUser") || strings.Contains(out, "StateDirectory") {
		t.Errorf("the unit is\n%s", out)
	}
	refused(t, 2, []string{"--user"}, "service", "install", "--print", "--data", "/srv/data")
	refused(t, 2, []string{"slash"}, "service", "install", "--print", "--data", "data")
}

func TestAProgramThatAServiceCannotStartIsRefused(t *testing.T) {
	const home = "/home/"
	for program, ok := range map[string]bool{
		"/usr/local/bin/localcloud": true, "/opt/localcloud": true, home + "pi/localcloud": false, "/tmp/go-build1/localcloud": false,
	} {
		if err := (&serviceInstallCmd{}).checkProgram(program); (err == nil) != ok {
			t.Errorf("%s: %v", program, err)
		}
	}
	if err := (&serviceInstallCmd{User: "pi"}).checkProgram(home + "pi/localcloud"); err != nil {
		t.Error(err)
	}
}
