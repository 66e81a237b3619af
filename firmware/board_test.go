package firmware_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"localcloud/cloud"
	"localcloud/cloud/client"
	"localcloud/keys"
)

// soon bounds every wait: generous, because other tests may have the processor.
const soon = 60 * time.Second

// A world is a running localcloud with one user.
type world struct {
	t       *testing.T
	dir     string
	program string
	token   string
	http    string
	tcp     string
	relay   string
	stop    func()
	cloud   *client.Client
	events  chan client.Event
}

// built is localcloud, built once for all tests of this package.
var built struct {
	once sync.Once
	err  error
}

func localcloud(t *testing.T) string {
	t.Helper()
	shop.open(t)
	path := filepath.Join(shop.dir, "localcloud")
	built.once.Do(func() {
		cmd := exec.Command("go", "build", "-trimpath", "-buildvcs=false", "-o", path, "localcloud/cloud/cmd/localcloud")
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := cmd.CombinedOutput(); err != nil {
			built.err = fmt.Errorf("%v\n%s", err, out)
		}
	})
	if built.err != nil {
		t.Fatal(built.err)
	}
	return path
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{t: t, dir: t.TempDir(), program: localcloud(t), events: make(chan client.Event, 4096)}
	w.run("secret-enough\n", "user", "add", "anna", "--admin", "--password-stdin")
	var made struct{ Token string }
	if err := json.Unmarshal([]byte(w.run("", "token", "create", "--user", "anna", "--json")), &made); err != nil {
		t.Fatal(err)
	}
	w.token = made.Token
	w.serve("127.0.0.1:0", "127.0.0.1:0", "127.0.0.1:0")
	w.file("server.pem", w.run("", "keys", "export"))
	w.cloud = &client.Client{BaseURL: "http://" + w.http, Token: cloud.Secret(w.token)}
	return w
}

func (w *world) file(name, text string) string {
	w.t.Helper()
	path := filepath.Join(w.dir, name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		w.t.Fatal(err)
	}
	return path
}

func (w *world) run(stdin string, arguments ...string) string {
	w.t.Helper()
	cmd := exec.Command(w.program, append(arguments, "--data", filepath.Join(w.dir, "data"))...)
	cmd.Stdin = strings.NewReader(stdin)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		w.t.Fatalf("localcloud %s: %v\n%s", strings.Join(arguments, " "), err, stderr.Bytes())
	}
	return string(out)
}

// serve starts the cloud, which w.stop ends as Ctrl-C does.
func (w *world) serve(http, tcp, relay string) {
	w.t.Helper()
	p := launch(w.t, exec.Command(w.program, "serve", "--data", filepath.Join(w.dir, "data"), "--http", http, "--tcp", tcp, "--udp", "127.0.0.1:0", "--relay", relay))
	var ready struct{ HTTP, TCP, Relay string }
	if err := json.Unmarshal([]byte(p.want(func(string) bool { return true })), &ready); err != nil {
		w.t.Fatal(err)
	}
	w.http, w.tcp, w.relay = ready.HTTP, ready.TCP, ready.Relay
	w.stop = func() {
		p.cmd.Process.Signal(os.Interrupt)
		p.gone()
	}
}

// follow lets events arrive at w.events.
func (w *world) follow() {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	w.t.Cleanup(func() { cancel(); <-done })
	go func() {
		defer close(done)
		w.cloud.Follow(ctx, client.Query{}, func(ev client.Event) error {
			select {
			case w.events <- ev:
			case <-ctx.Done():
			}
			return nil
		})
	}()
}

// event waits for an event of a name and returns its data.
func (w *world) event(name string) string {
	w.t.Helper()
	for end := time.After(soon); ; {
		select {
		case ev := <-w.events:
			if ev.Name == name && ev.Data != nil {
				return *ev.Data
			}
		case <-end:
			w.t.Fatalf("no event %s", name)
		}
	}
}

// online waits until the device is online.
func (w *world) online(id string) {
	w.t.Helper()
	until(w.t, id+" is online", func() bool {
		d, err := w.cloud.Device(w.t.Context(), id)
		return err == nil && d.Connected
	})
}

// until waits for a condition that others bring about.
func until(t *testing.T, what string, holds func() bool) {
	t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for end := time.After(soon); !holds(); {
		select {
		case <-tick.C:
		case <-end:
			t.Fatalf("not so: %s", what)
		}
	}
}

// A process is a running program whose lines are read.
type process struct {
	t     *testing.T
	cmd   *exec.Cmd
	in    io.WriteCloser
	lines chan string
	ended chan struct{}
	said  *bytes.Buffer // standard error; to be read when it has ended
}

func launch(t *testing.T, cmd *exec.Cmd) *process {
	t.Helper()
	p := &process{t: t, cmd: cmd, lines: make(chan string, 4096), ended: make(chan struct{}), said: &bytes.Buffer{}}
	cmd.Stderr = p.said
	var err error
	if p.in, err = cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	stop := make(chan struct{})
	go func() {
		defer close(p.ended)
		defer close(p.lines)
		for scan := bufio.NewScanner(out); scan.Scan(); {
			select {
			case p.lines <- scan.Text():
			case <-stop:
			}
		}
		cmd.Wait()
	}()
	t.Cleanup(func() {
		close(stop)
		cmd.Process.Kill()
		<-p.ended
		if t.Failed() || strings.Contains(p.said.String(), "Sanitizer") || strings.Contains(p.said.String(), "runtime error") {
			t.Errorf("%s wrote:\n%s", filepath.Base(cmd.Path), p.said)
		}
	})
	return p
}

// want waits for a line.
func (p *process) want(is func(line string) bool) string {
	p.t.Helper()
	for end := time.After(soon); ; {
		select {
		case line, ok := <-p.lines:
			if !ok {
				p.t.Fatalf("%s has ended: %s", filepath.Base(p.cmd.Path), p.said)
			}
			if is(line) {
				return line
			}
		case <-end:
			p.t.Fatalf("%s does not say it", filepath.Base(p.cmd.Path))
		}
	}
}

// wantStart waits for a line that begins so.
func (p *process) wantStart(start string) string {
	p.t.Helper()
	return p.want(func(line string) bool { return strings.HasPrefix(line, start) })
}

func (p *process) gone() {
	p.t.Helper()
	select {
	case <-p.ended:
	case <-time.After(soon):
		p.t.Fatalf("%s does not end", filepath.Base(p.cmd.Path))
	}
}

// A board is a sketch that runs, with a virtual device as its link to the cloud.
type board struct {
	*process
	id string
}

// board starts a sketch. The same number is the same board: it has its key and its retained memory.
func (w *world) board(program string, number int) *board {
	w.t.Helper()
	id := fmt.Sprintf("e00fce68%016x", number)
	key := filepath.Join(w.dir, id+".pem")
	if _, err := os.Stat(key); err != nil {
		w.makeKey(key)
	}
	cmd := exec.Command(program)
	cmd.Env = append(os.Environ(),
		"DEVICE_ID="+id,
		"HOST_RETAINED="+filepath.Join(w.dir, id+".retained"),
		"HOST_DEVICE="+strings.Join([]string{"exec", w.program, "virtual", "--stdio", "--http", "http://" + w.http, "--tcp", w.tcp,
			"--token", w.token, "--key", key, "--server-key", filepath.Join(w.dir, "server.pem")}, " "))
	b := &board{launch(w.t, cmd), id}
	w.online(id)
	return b
}

func (w *world) makeKey(path string) {
	w.t.Helper()
	key, err := keys.GenerateDeviceRSA()
	if err != nil {
		w.t.Fatal(err)
	}
	text, err := keys.MarshalDevicePrivateKeyPEM(key)
	if err != nil {
		w.t.Fatal(err)
	}
	if err := os.WriteFile(path, text, 0o600); err != nil {
		w.t.Fatal(err)
	}
}

// pins sets pins, all at once, behind those that were set before.
func (b *board) pins(words string) {
	b.t.Helper()
	b.tell("pin " + words)
}

func (b *board) tell(command string) {
	b.t.Helper()
	if _, err := fmt.Fprintln(b.in, command); err != nil {
		b.t.Fatal(err)
	}
}

// unplug ends it as a power cut does.
func (b *board) unplug() {
	b.t.Helper()
	b.cmd.Process.Kill()
	b.gone()
}
