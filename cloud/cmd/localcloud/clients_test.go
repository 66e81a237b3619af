package main_test

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// particle-api-js from npm, unmodified, in five generations that differ in
// almost everything (superagent and node-fetch, token in the query and in the
// header), by HTTP and by HTTPS, uses the cloud and a virtual device as their users do. What is
// checked stands in testdata/clients/api.mjs.
func TestParticleAPIJS(t *testing.T) {
	t.Parallel()
	node, err := exec.LookPath("node")
	if err != nil {
		t.Fatalf("%v; run: make setup", err)
	}
	versions := []string{"api12", "api9", "api7", "api6", "api5"} // aliases in package.json
	for _, version := range versions {
		if _, err := os.Stat(filepath.Join("testdata/clients/node_modules", version)); err != nil {
			t.Fatalf("%v; run: make setup", err)
		}
	}

	s := startSite(t) // its owner is an administrator and sees everything: none of those below

	for _, version := range versions {
		t.Run(version, func(t *testing.T) {
			t.Parallel()
			user, password := version+"@example.com", "a password of "+version
			s.addUser(t, user, password)
			token := s.token(t, user)
			device, id := s.device(t, token)
			arguments := make(chan []string, 1)
			go func() { arguments <- answer(device) }()

			script := exec.Command(node, "api.mjs")
			script.Dir = "testdata/clients"
			script.Env = append(os.Environ(), "API="+version, "BASE="+s.http, "USER="+user, "PASSWORD="+password, "DEVICE="+id, "GREETING="+greeting, "IDLE=17")
			if version == "api9" || version == "api5" { // the others by HTTP
				script.Env = append(script.Env, "BASE="+s.https, "NODE_EXTRA_CA_CERTS="+s.ca)
			}
			verdict(t, start(t, script))

			// The script sees return values alone; the device tells what reached it.
			device.stdin.Close()
			device.cmd.Process.Kill()
			want := []string{"on", "", `grün 世界 🌍 "quoted" \ <b>`}
			if got := <-arguments; !slices.Equal(got, want) {
				t.Errorf("led was called with %q, want %q", got, want)
			}
		})
	}
}

const greeting = "grüß dich 你好 🙂"

// equip gives a virtual device what api.mjs asks of it, and returns its id when it is online.
func equip(t *testing.T, device *process) string {
	t.Helper()
	type op map[string]any
	for _, line := range []op{
		{"op": "variable", "name": "count", "type": "int", "value": 7},
		{"op": "variable", "name": "temp", "type": "double", "value": 21.5},
		{"op": "variable", "name": "on", "type": "bool", "value": true},
		{"op": "variable", "name": "text", "type": "string", "value": greeting},
		{"op": "function", "name": "led", "ret": 42},
		{"op": "function", "name": "emit", "ret": 0},
	} {
		if err := device.send(line); err != nil {
			t.Fatal(err)
		}
	}
	for {
		var ev struct{ Ev, ID string }
		if device.next(t, &ev); ev.Ev == "online" {
			return ev.ID
		}
	}
}

// answer publishes what calls of emit ask for until the device's output ends,
// and returns the arguments that led was called with.
func answer(device *process) []string {
	var led []string
	for line := range device.lines {
		var ev struct{ Ev, Name, Arg string }
		if json.Unmarshal([]byte(line), &ev) != nil || ev.Ev != "call" {
			continue
		}
		if ev.Name == "led" {
			led = append(led, ev.Arg)
			continue
		}
		var event struct{ Name, Data string }
		if json.Unmarshal([]byte(ev.Arg), &event) != nil {
			continue // the script misses its event and says so
		}
		device.send(map[string]any{"op": "publish", "name": event.Name, "data": event.Data, "ttl": 10, "private": true})
	}
	return led
}

// verdict reports each check of a script that failed.
func verdict(t *testing.T, script *process) {
	t.Helper()
	checks := 0
	for line := range script.lines {
		var c struct {
			Check string
			OK    bool
			Error string
		}
		if err := json.Unmarshal([]byte(line), &c); err != nil {
			t.Errorf("%s printed %q", script.name, line)
			continue
		}
		checks++
		if !c.OK {
			t.Errorf("%s:\n%s", c.Check, strings.TrimSpace(c.Error))
		}
	}
	if code := script.wait(t); code != 0 || checks == 0 {
		t.Errorf("%s ended with %d after %d checks\n%s", script.name, code, checks, script.said.String())
	}
}
