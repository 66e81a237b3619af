package main

import (
	"os"
	"strings"
	"testing"

	"github.com/alecthomas/kong"

	"localcloud/keys/dfu/dfutest"
)

// Settings and tests of the machine do not reach the tests.
func TestMain(m *testing.M) {
	dfutest.Main()
	for _, pair := range os.Environ() {
		if name, _, _ := strings.Cut(pair, "="); strings.HasPrefix(name, "LOCALCLOUD_") {
			os.Unsetenv(name)
		}
	}
	os.Exit(m.Run())
}

func TestEveryCommandHasHelpInWords(t *testing.T) {
	var cmds commands
	parser, err := newParser(t.Context(), &cmds, &terminal{}, kong.Exit(nil))
	if err != nil {
		t.Fatal(err)
	}
	var visit func(path []string, n *kong.Node)
	visit = func(path []string, n *kong.Node) {
		if len(path) > 0 {
			name := strings.Join(path, " ")
			if n.Help == "" {
				t.Errorf("%s has no help", name)
			}
			for _, v := range n.Positional {
				if v.Help == "" {
					t.Errorf("%s: <%s> has no help", name, v.Name)
				}
			}
			for _, f := range n.Flags {
				if f.Help == "" {
					t.Errorf("%s: --%s has no help", name, f.Name)
				}
			}
		}
		out, err := try(t, "", append(path, "--help")...)
		if err != nil || !strings.Contains(out, "Usage: localcloud "+strings.Join(path, " ")) {
			t.Errorf("localcloud %s --help: %v, %q", strings.Join(path, " "), err, out)
		}
		for _, child := range n.Children {
			visit(append(path[:len(path):len(path)], child.Name), child)
		}
	}
	visit(nil, parser.Model.Node)
}

func TestNothingAtAllShowsTheHelp(t *testing.T) {
	if out := command(t); !strings.Contains(out, "serve") || !strings.Contains(out, "demo") {
		t.Errorf("got %q", out)
	}
}

func TestMistakesOnTheCommandLineExitWith2AndNameTheHelp(t *testing.T) {
	for _, args := range [][]string{
		{"fly"},
		{"user"},
		{"user", "add"},
		{"token", "create"},
		{"token", "create", "--user"},
		{"serve", "--colour"},
		{"serve", "--events-max-age", "soon"},
		{"serve", "--log-level", "loud"},
		{"policy", "set", "weather", "off"},
		{"policy", "set", "events", "off", "--action", "shout"},
		{"device", "show", "a", "b"},
	} {
		refused(t, 2, []string{"; see: localcloud", "--help"}, args...)
	}
}
