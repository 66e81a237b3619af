package main

import (
	"bytes"
	"strings"
	"testing"

	"github.com/alecthomas/kong"
)

func TestEveryCommandHasHelpInWords(t *testing.T) {
	t.Parallel()
	var cmds commands
	var out bytes.Buffer
	over := false
	parser, err := newParser(t.Context(), &cmds, &terminal{out: &out, err: &out}, kong.Exit(func(int) { over = true })) // one for all: making it takes long
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
		over = false
		out.Reset()
		_, err := parser.Parse(append(path, "--help"))
		if !over || !strings.Contains(out.String(), "Usage: localcloud "+strings.Join(path, " ")) {
			t.Errorf("localcloud %s --help: %v, %q", strings.Join(path, " "), err, &out)
		}
		for _, child := range n.Children {
			visit(append(path[:len(path):len(path)], child.Name), child)
		}
	}
	visit(nil, parser.Model.Node)
}

func TestNothingAtAllAndHelpShowTheHelp(t *testing.T) {
	t.Parallel()
	if out := command(t); !strings.Contains(out, "serve") || !strings.Contains(out, "demo") {
		t.Errorf("got %q", out)
	}
	if out := command(t, "device", "rekey", "--help"); !strings.Contains(out, "Usage: localcloud device rekey") {
		t.Errorf("with --help: %q", out)
	}
}

func TestMistakesOnTheCommandLineExitWith2AndNameTheHelp(t *testing.T) {
	t.Parallel()
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
