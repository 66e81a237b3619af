package main_test

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// cliVersion is one generation of particle-cli.
type cliVersion struct {
	name    string // the alias in package.json
	number  int    // 1, 2 or 3
	command []string
}

func cliVersions(t *testing.T) []cliVersion {
	t.Helper()
	node, modern := nodes(t)
	modules, err := filepath.Abs("testdata/clients/node_modules")
	if err != nil {
		t.Fatal(err)
	}
	versions := []cliVersion{
		{"cli1", 1, []string{node, filepath.Join(modules, "cli1/bin/particle.js")}},
		{"cli2", 2, []string{node, filepath.Join(modules, "cli2/dist/index.js")}},
		{"cli3", 3, []string{modern, filepath.Join(modules, "cli3/src/index.js")}},
	}
	for _, v := range versions {
		if _, err := os.Stat(v.command[1]); err != nil {
			t.Fatalf("%v; run: make setup", err)
		}
	}
	return versions
}

// nodes returns the machine's Node.js, and one of at least version 22, which particle-cli 3 wants.
func nodes(t *testing.T) (node, modern string) {
	t.Helper()
	node, err := exec.LookPath("node")
	if err != nil {
		t.Fatalf("%v; run: make setup", err)
	}
	var major int
	if _, err := fmt.Sscanf(output(t, "", node, "--version"), "v%d", &major); err == nil && major >= 22 {
		return node, node
	}
	found, _ := filepath.Glob("testdata/clients/node_modules/node-*/bin/node")
	if len(found) != 1 {
		t.Fatalf("particle-cli 3 needs Node.js 22, %s is older, and of npm's there are %q; run: make setup", node, found)
	}
	modern, err = filepath.Abs(found[0])
	if err != nil {
		t.Fatal(err)
	}
	return node, modern
}

// cli is particle-cli at the hands of one user.
type cli struct {
	*testing.T
	*site
	version  cliVersion
	home     string
	env      []string // more than its home
	user     string
	password string
	token    string // ours, to look at what it did
	device   string // id of the user's, online
	name     string // of the device

	idle      *process // a subscription without an event, and since when
	idleSince time.Time
}

func (c *cli) command(args ...string) *exec.Cmd {
	return c.prepare(exec.Command(c.version.command[0], append(c.version.command[1:], args...)...))
}

// prepare gives a command the user's home, and nothing else of ours.
func (c *cli) prepare(cmd *exec.Cmd) *exec.Cmd {
	cmd.Dir = c.home
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + c.home, "home=" + c.home, "PARTICLE_DISABLE_UPDATE=true", "TERM=dumb"}
	cmd.Env = append(cmd.Env, c.env...)
	return cmd
}

var ansi = regexp.MustCompile("\x1b\\[[0-9;?]*[A-Za-z]")

// says runs a command that has to print all of words and end with the code.
func (c *cli) says(code int, words []string, args ...string) string {
	c.Helper()
	cmd := c.command(args...)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out // one pipe
	timer := time.AfterFunc(soon, func() { cmd.Process.Kill() })
	defer timer.Stop()
	cmd.Run()
	text := plain(out.String())
	if got := cmd.ProcessState.ExitCode(); got != code {
		c.Errorf("particle %s: exit code %d, want %d\n%s", strings.Join(args, " "), got, code, text)
	}
	for _, w := range words {
		if !strings.Contains(text, w) {
			c.Errorf("particle %s does not say %q but:\n%s", strings.Join(args, " "), w, text)
		}
	}
	return text
}

func plain(s string) string { return ansi.ReplaceAllString(s, "") }

// ok is says for a command that succeeds.
func (c *cli) ok(args string, words ...string) string {
	c.Helper()
	return c.says(0, words, strings.Fields(args)...)
}

// by returns what is said by this version: the first, second or third.
func (c *cli) by(first, second, third string) string {
	return []string{first, second, third}[c.version.number-1]
}

// reply is what a user types when asked something.
type reply struct{ asked, typed string }

// dialog runs a command on a terminal, since it asks, and returns what it printed.
func (c *cli) dialog(answers []reply, args ...string) string {
	c.Helper()
	var line []string
	for _, a := range append(slices.Clone(c.version.command), args...) {
		line = append(line, "'"+a+"'")
	}
	cmd := c.prepare(exec.Command("script", "-qec", strings.Join(line, " "), "/dev/null"))
	seen := &watched{changed: make(chan struct{}, 1)}
	cmd.Stdout, cmd.Stderr = seen, seen
	in, err := cmd.StdinPipe()
	if err != nil {
		c.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		c.Fatal(err)
	}
	timer := time.AfterFunc(soon, func() { cmd.Process.Kill() })
	defer timer.Stop()
	from := 0
	for _, a := range answers {
		if from = seen.after(a.asked, from); from < 0 {
			c.Errorf("particle %s does not ask %q but says:\n%s", strings.Join(args, " "), a.asked, seen.text())
			break
		}
		io.WriteString(in, a.typed+"\r")
	}
	cmd.Wait()
	in.Close()
	return plain(seen.text())
}

// watched is what was written, for one who waits for words in it.
type watched struct {
	changed chan struct{}
	mu      sync.Mutex
	buf     bytes.Buffer // guarded by mu
}

func (w *watched) Write(b []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	select {
	case w.changed <- struct{}{}:
	default:
	}
	return w.buf.Write(b)
}

func (w *watched) text() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.buf.String()
}

// after waits for words and returns where they end, -1 when they do not come.
func (w *watched) after(words string, from int) int {
	late := time.After(soon)
	for {
		if i := strings.Index(w.text()[from:], words); i >= 0 {
			return from + i + len(words)
		}
		select {
		case <-w.changed:
		case <-late:
			return -1
		}
	}
}
