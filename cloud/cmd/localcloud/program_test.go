package main_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"localcloud/keys/dfu/dfutest"
)

// What the tests share that run the built program as its users do: as a
// process, over real sockets of this machine.

// soon bounds every wait for the program: generous, because other tests may have the processor.
const soon = 60 * time.Second

// programDir is the environment variable that names the folder of the built program: tests that run again inside another
// network find it there.
const programDir = "TEST_PROGRAM_DIR"

// TestMain keeps the machine's settings from the tests, and removes what they share.
func TestMain(m *testing.M) {
	dfutest.Main()
	for _, pair := range os.Environ() {
		if name, _, _ := strings.Cut(pair, "="); strings.HasPrefix(name, "LOCALCLOUD_") {
			os.Unsetenv(name)
		}
	}
	runMoreAtOnce()
	if os.Getenv(programDir) != "" {
		os.Exit(m.Run())
	}
	dir, err := os.MkdirTemp("", "localcloud-program-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Setenv(programDir, dir)
	code := m.Run()
	os.RemoveAll(dir)
	os.Exit(code)
}

// runMoreAtOnce lets more tests run in parallel than there are processors, unless -parallel is given: most of them wait for
// other programs, or for time to go by.
func runMoreAtOnce() {
	const parallel = "test.parallel"
	flag.Parse()
	given := false
	flag.Visit(func(f *flag.Flag) { given = given || f.Name == parallel })
	if !given {
		flag.Set(parallel, strconv.Itoa(3*runtime.GOMAXPROCS(0)))
	}
}

// built builds localcloud as it is released, once, and returns its path.
var built = sync.OnceValues(func() (path string, err error) {
	path = filepath.Join(os.Getenv(programDir), "localcloud")
	if runtime.GOOS == "windows" {
		path += ".exe"
	}
	if _, err := os.Stat(path); err == nil {
		return path, nil // by whoever started this process
	}
	cmd := exec.Command("go", "build", "-trimpath", "-buildvcs=false", "-o", path, ".")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("go build: %w\n%s", err, out)
	}
	return path, nil
})

// buildProgram returns the path of the built program.
func buildProgram(t *testing.T) string {
	t.Helper()
	path, err := built()
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// output runs a command to its end and returns what it prints on standard output.
func output(t *testing.T, stdin string, path string, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), soon)
	defer cancel()
	cmd := exec.CommandContext(ctx, path, args...)
	cmd.Stdin = strings.NewReader(stdin)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s%s", filepath.Base(path), strings.Join(args, " "), err, out, stderr.Bytes())
	}
	return string(out)
}

// A process is a running program that prints a line of JSON now and then.
type process struct {
	name  string
	cmd   *exec.Cmd
	stdin io.WriteCloser
	lines chan string // what it prints, closed at its end
	said  lockedBuffer
	ended chan struct{} // closed when it has ended
}

// start starts cmd. When the test ends the process is killed if it still
// runs, and what it wrote to standard error is shown if the test failed.
func start(t *testing.T, cmd *exec.Cmd) *process {
	t.Helper()
	p := &process{name: filepath.Base(cmd.Path), cmd: cmd, lines: make(chan string, 64), ended: make(chan struct{})}
	if len(cmd.Args) > 1 {
		p.name += " " + cmd.Args[1]
	}
	cmd.Stderr = &p.said
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	p.stdin = stdin
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatalf("%s: %v", p.name, err)
	}
	stop := make(chan struct{})
	go func() {
		defer close(p.ended)
		defer close(p.lines)
		for in := bufio.NewScanner(stdout); in.Scan(); {
			select {
			case p.lines <- in.Text():
			case <-stop: // nobody reads any more
			}
		}
		cmd.Wait()
	}()
	t.Cleanup(func() {
		close(stop)
		cmd.Process.Kill()
		<-p.ended
		if t.Failed() {
			t.Logf("%s wrote:\n%s", p.name, p.said.String())
		}
	})
	return p
}

// next reads the next line of JSON into v.
func (p *process) next(t *testing.T, v any) {
	t.Helper()
	select {
	case line, ok := <-p.lines:
		if !ok {
			t.Fatalf("%s ended: %v\n%s", p.name, p.cmd.ProcessState, p.said.String())
		}
		if err := json.Unmarshal([]byte(line), v); err != nil {
			t.Fatalf("%s printed %q: %v", p.name, line, err)
		}
	case <-time.After(soon):
		t.Fatalf("%s prints nothing\n%s", p.name, p.said.String())
	}
}

// want reads lines until one has the words.
func (p *process) want(t *testing.T, words string) {
	t.Helper()
	var read []string
	for late := time.After(soon); ; {
		select {
		case line, more := <-p.lines:
			if strings.Contains(line, words) {
				return
			}
			if read = append(read, line); !more {
				t.Fatalf("%s ended and did not say %q but %q\n%s", p.name, words, read, p.said.String())
			}
		case <-late:
			t.Fatalf("%s does not say %q but %q", p.name, words, read)
		}
	}
}

// send writes v as a line of JSON.
func (p *process) send(v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	_, err = p.stdin.Write(append(b, '\n'))
	return err
}

// wait waits for the end and returns the exit code.
func (p *process) wait(t *testing.T) int {
	t.Helper()
	select {
	case <-p.ended:
	case <-time.After(soon):
		t.Fatalf("%s does not end\n%s", p.name, p.said.String())
	}
	return p.cmd.ProcessState.ExitCode()
}

// addresses is the line that serve prints when it serves.
type addresses struct {
	Ready     bool
	HTTP, TCP string
	HTTPS     string // empty: none
	PID       int
}

// ready reads the line of serve.
func (p *process) ready(t *testing.T) addresses {
	t.Helper()
	var a addresses
	p.next(t, &a)
	if !a.Ready || a.HTTP == "" || a.TCP == "" {
		t.Fatalf("serve says %+v", a)
	}
	return a
}

// anyPort makes serve listen on free ports of this machine alone.
var anyPort = []string{"--http", "127.0.0.1:0", "--tcp", "127.0.0.1:0", "--udp", "127.0.0.1:0", "--relay", "127.0.0.1:0"}

// A lockedBuffer is a bytes.Buffer that may be read while a process writes it.
type lockedBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer // guarded by mu
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
