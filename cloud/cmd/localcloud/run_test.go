package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"localcloud/cloud/store"
)

// Tests start commands as main does, in this process, over loopback sockets with ports that the kernel picks.

// bound is how long a test waits for something that has to happen: generous, as others may have the processor.
const bound = 60 * time.Second

// command runs a command line to its end and returns what it printed on standard output.
func command(t *testing.T, args ...string) string {
	t.Helper()
	out, err := try(t, "", args...)
	if err != nil {
		t.Fatalf("localcloud %s: %v", strings.Join(args, " "), err)
	}
	return out
}

// try is command for a command that may fail, with some standard input.
func try(t *testing.T, stdin string, args ...string) (string, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), bound)
	defer cancel()
	var out, said bytes.Buffer
	err := run(ctx, args, strings.NewReader(stdin), &out, &said)
	if t.Failed() && said.Len() > 0 {
		t.Logf("localcloud %s wrote: %s", strings.Join(args, " "), &said)
	}
	return out.String(), err
}

// into runs a command with --json and decodes what it prints.
func into[T any](t *testing.T, args ...string) (v T) {
	t.Helper()
	out := command(t, append(args, "--json")...)
	if err := json.Unmarshal([]byte(out), &v); err != nil {
		t.Fatalf("localcloud %s printed %q: %v", strings.Join(args, " "), out, err)
	}
	return v
}

// refused runs a command that has to fail and checks the words and the exit code.
func refused(t *testing.T, code int, words []string, args ...string) {
	t.Helper()
	out, err := try(t, "", args...)
	if err == nil {
		t.Fatalf("localcloud %s did not fail but printed %q", strings.Join(args, " "), out)
	}
	if exitCode(err) != code {
		t.Errorf("localcloud %s: exit code %d, want %d", strings.Join(args, " "), exitCode(err), code)
	}
	for _, w := range words {
		if !strings.Contains(err.Error(), w) {
			t.Errorf("localcloud %s says %q and not %q", strings.Join(args, " "), err, w)
		}
	}
	if strings.Contains(err.Error(), "\n") {
		t.Errorf("localcloud %s fails in more than one line: %q", strings.Join(args, " "), err)
	}
}

// background is a command that runs until it is stopped.
type background struct {
	t      *testing.T
	name   string
	data   string // its data directory; empty: it has none
	cancel context.CancelFunc
	stdout *bufio.Reader
	said   *lockedBuffer
	ended  chan struct{}
	err    error // valid when ended
}

// begin starts a command that runs on. It is stopped at the end of the test, if not before.
func begin(t *testing.T, stdin io.Reader, args ...string) *background {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	out, w := io.Pipe()
	b := &background{
		t: t, name: "localcloud " + strings.Join(args, " "), cancel: cancel,
		stdout: bufio.NewReader(out), said: &lockedBuffer{}, ended: make(chan struct{}),
	}
	if at := slices.Index(args, "--data"); at >= 0 {
		b.data = args[at+1]
	}
	go func() {
		defer close(b.ended)
		b.err = run(ctx, args, stdin, w, b.said)
		w.CloseWithError(errors.Join(io.EOF, b.err))
	}()
	t.Cleanup(func() {
		out.Close()
		b.stop()
		if t.Failed() {
			t.Logf("%s wrote:\n%s", b.name, b.said)
		}
	})
	return b
}

// line returns the next line of standard output.
func (b *background) line() string {
	b.t.Helper()
	line := make(chan string, 1)
	go func() {
		s, err := b.stdout.ReadString('\n')
		if err != nil {
			s = ""
		}
		line <- s
	}()
	select {
	case s := <-line:
		if s == "" {
			<-b.ended
			b.t.Fatalf("%s ended: %v", b.name, b.err)
		}
		return strings.TrimSuffix(s, "\n")
	case <-time.After(bound):
		b.t.Fatalf("%s prints nothing", b.name)
		return ""
	}
}

// drainOutput reads what a command still prints, so that it does not wait for its reader.
func (b *background) drainOutput() {
	go func() {
		for {
			if _, err := b.stdout.ReadString('\n'); err != nil {
				return
			}
		}
	}()
}

// stop ends the command as Ctrl-C does and returns its error.
func (b *background) stop() error {
	b.t.Helper()
	b.cancel()
	select {
	case <-b.ended:
	case <-time.After(bound):
		b.t.Fatalf("%s does not end", b.name)
	}
	return b.withoutHaste()
}

// withoutHaste returns the error of a command that has ended. A stop does not wait for long until the store is closed, since that is
// the end of a process. It is not the end of this one, which may be busy with other tests: so it is waited for here.
func (b *background) withoutHaste() error {
	const late = "stop: closing the store took longer than"
	if b.err == nil || !strings.Contains(b.err.Error(), late) {
		return b.err
	}
	eventually(b.t, "the store is closed", func() bool {
		s, err := store.Open(b.data, store.Options{})
		return err == nil && s.Close() == nil
	})
	if strings.HasPrefix(b.err.Error(), late) && !strings.Contains(b.err.Error(), "\n") {
		return nil // that was all
	}
	return b.err
}

// serving is a cloud that runs in this process.
type serving struct {
	*background
	ready
	url string
}

// serve starts a cloud and returns when it is ready.
func serve(t *testing.T, data string, more ...string) *serving {
	t.Helper()
	args := append([]string{"serve", "--data", data, "--http", "127.0.0.1:0", "--tcp", "127.0.0.1:0", "--udp", "127.0.0.1:0", "--relay", "127.0.0.1:0"}, more...)
	s := &serving{background: begin(t, nil, args...)}
	if err := json.Unmarshal([]byte(s.line()), &s.ready); err != nil || !s.Ready {
		t.Fatalf("the ready line is %+v, %v", s.ready, err)
	}
	s.url = "http://" + s.HTTP
	return s
}

// addUser makes a user and returns a token of theirs.
func addUser(t *testing.T, data, name string, more ...string) string {
	t.Helper()
	if out, err := try(t, "a long password\n", "user", "add", name, "--password-stdin", "--data", data); err != nil {
		t.Fatalf("user add %s: %v %s", name, err, out)
	}
	return newToken(t, data, name, more...)
}

func newToken(t *testing.T, data, user string, more ...string) string {
	t.Helper()
	token := into[struct{ Token string }](t, append([]string{"token", "create", "--user", user, "--data", data}, more...)...)
	if len(token.Token) != 40 {
		t.Fatalf("the token is %q", token.Token)
	}
	return token.Token
}

// lockedBuffer is a bytes.Buffer for several goroutines.
type lockedBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}
