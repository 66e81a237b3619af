package main_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// Tools that know only https://api.particle.io need nothing but that this name leads to the cloud, and that
// they trust its certificate.
func TestToolsThatKnowOnlyParticlesAddress(t *testing.T) {
	t.Parallel()
	if !aliased(t) {
		return
	}
	s := startSite(t, "--https", "127.0.0.1:443")
	const user, password = "alias@example.com", "a password of alias"
	s.addUser(t, user, password)
	token := s.token(t, user)
	device, id := s.device(t, token)
	go answer(device)

	t.Run("Node-RED with a host setting", func(t *testing.T) {
		t.Parallel()
		s.useNodeRED(t, 1880, s.http, token, id)
	})
	t.Run("Node-RED without one", func(t *testing.T) {
		t.Parallel()
		s.useNodeRED(t, 1881, "", token, id)
	})
	for _, version := range cliVersions(t) {
		t.Run(version.name, func(t *testing.T) {
			t.Parallel()
			c := &cli{T: t, site: s, version: version, home: t.TempDir(), env: []string{"NODE_EXTRA_CA_CERTS=" + s.ca}}
			if version.number < 3 {
				c.forgoUpdates()
			}
			if version.number == 1 { // which logs in only on a terminal
				c.ok("config particle access_token " + token)
			} else {
				c.says(0, []string{"Successfully completed login!"}, "login", "-u", user, "-p", password)
			}
			c.ok("list", id, "is online")
			c.ok("call "+id+" led on", "42")
		})
	}
}

// aliased runs a test where the name api.particle.io leads to this machine, as the README has it for
// tools that know no other address: in a network of its own, and with a hosts file of its own. In there it
// returns true, and the test goes on; outside it returns false when the test has run inside.
func aliased(t *testing.T) bool {
	t.Helper()
	const mark = "ALIASED_TEST" // not LOCALCLOUD_ALIASED: tests forget the settings of their machine
	if os.Getenv(mark) == "" {
		buildProgram(t)
		inside := exec.Command("unshare", "--map-root-user", "--net", "--mount", os.Args[0], "-test.run", "^"+t.Name()+"$", "-test.v")
		inside.Env = append(os.Environ(), mark+"=yes")
		out, err := inside.CombinedOutput()
		if err != nil || !strings.Contains(string(out), "--- PASS: "+t.Name()) {
			t.Errorf("in a network of its own: %v\n%s", err, out)
		}
		return false
	}
	hosts := filepath.Join(t.TempDir(), "hosts")
	if err := os.WriteFile(hosts, []byte("127.0.0.1 localhost api.particle.io\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	output(t, "", "ip", "link", "set", "lo", "up")
	output(t, "", "mount", "--bind", hosts, "/etc/hosts")
	return true
}
