package bench

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"localcloud/cloud"
	"localcloud/cloud/client"
)

// Bounds of a child process.
const (
	readyTime = 2 * time.Minute // with a damaged disk and many events it may take long
	stopTime  = 15 * time.Second
)

// StartProgram returns a Config.Start that runs "PATH serve" as a child process,
// which listens on free ports of loopback only.
func StartProgram(path string) func(ctx context.Context, dir string) (*Cloud, error) {
	return func(ctx context.Context, dir string) (*Cloud, error) {
		p, err := launch(path, dir)
		if err != nil {
			return nil, err
		}
		c, err := p.cloud(ctx)
		if err != nil {
			return nil, errors.Join(err, p.stop())
		}
		return c, nil
	}
}

// process is a server that was launched.
type process struct {
	cmd   *exec.Cmd
	dir   string
	log   *os.File
	began time.Time
	lines chan string   // the first line on standard output
	ended chan struct{} // closed when the process has ended
}

// launch starts the process. It keeps its log in a file, as a service manager
// does, and gets none of the settings of who measures.
func launch(path, dir string) (*process, error) {
	args := []string{"serve", "--data", dir}
	for _, socket := range []string{"http", "tcp", "udp", "relay"} {
		args = append(args, "--"+socket, "127.0.0.1:0")
	}
	p := &process{cmd: exec.Command(path, args...), dir: dir, lines: make(chan string, 1), ended: make(chan struct{})}
	p.cmd.Env = withoutSettings(os.Environ())
	separate(p.cmd)
	var err error
	if p.log, err = os.Create(filepath.Join(dir, "bench.log")); err != nil {
		return nil, err
	}
	p.cmd.Stderr = p.log
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		return nil, errors.Join(err, p.log.Close())
	}
	p.began = time.Now()
	if err := p.cmd.Start(); err != nil {
		return nil, errors.Join(err, p.log.Close())
	}
	go func() {
		defer close(p.ended)
		in := bufio.NewScanner(out)
		for first := true; in.Scan(); first = false {
			if first {
				p.lines <- in.Text()
			}
		}
		p.cmd.Wait()
	}()
	return p, nil
}

func withoutSettings(environment []string) []string {
	var out []string
	for _, v := range environment {
		if !strings.HasPrefix(v, "LOCALCLOUD_") {
			out = append(out, v)
		}
	}
	return out
}

// cloud waits until the process serves.
func (p *process) cloud(ctx context.Context) (*Cloud, error) {
	var ready struct{ HTTP, TCP, UDP string }
	timer := time.NewTimer(readyTime)
	defer timer.Stop()
	select {
	case line := <-p.lines:
		if err := json.Unmarshal([]byte(line), &ready); err != nil {
			return nil, fmt.Errorf("the server printed %q: %w", line, err)
		}
	case <-p.ended:
		return nil, fmt.Errorf("the server ended: %v%s", p.cmd.ProcessState, p.lastWords())
	case <-timer.C:
		return nil, fmt.Errorf("the server is not ready after %v%s", readyTime, p.lastWords())
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	took := time.Since(p.began)
	secret, err := controlSecret(p.dir)
	if err != nil {
		return nil, err
	}
	return &Cloud{
		API:      &client.Client{BaseURL: "http://" + ready.HTTP, Token: secret, HTTP: NewHTTPClient()},
		DialHTTP: dial("tcp", ready.HTTP), DialTCP: dial("tcp", ready.TCP), DialUDP: dial("udp", ready.UDP),
		Usage: UsageOf(p.cmd.Process.Pid), Ready: took, Stop: p.stop,
	}, nil
}

// controlSecret reads what the commands on this machine are let in with.
func controlSecret(dir string) (cloud.Secret, error) {
	text, err := os.ReadFile(filepath.Join(dir, "control.json"))
	if err != nil {
		return "", err
	}
	var control struct{ Secret cloud.Secret }
	err = json.Unmarshal(text, &control)
	return control.Secret, err
}

func dial(network, address string) func(context.Context) (net.Conn, error) {
	return func(ctx context.Context) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, network, address)
	}
}

// NewHTTPClient returns one that keeps as many connections as there are requests at once.
func NewHTTPClient() *http.Client {
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.Proxy = nil
	t.MaxIdleConnsPerHost = registrars
	return &http.Client{Transport: t}
}

// stop asks the process to end, and kills it when it does not.
func (p *process) stop() error {
	defer p.log.Close()
	var killed error
	if p.cmd.Process.Signal(os.Interrupt) != nil { // there is no such signal on Windows
		p.cmd.Process.Kill()
	}
	timer := time.NewTimer(stopTime)
	defer timer.Stop()
	select {
	case <-p.ended:
	case <-timer.C:
		killed = fmt.Errorf("the server did not stop within %v and was killed", stopTime)
		p.cmd.Process.Kill()
		<-p.ended
	}
	return killed
}

// lastWords is the end of the server's log, for a message.
func (p *process) lastWords() string {
	text, _ := os.ReadFile(p.log.Name())
	text = bytes.TrimSpace(text[max(0, len(text)-2000):])
	if len(text) == 0 {
		return ""
	}
	return "; it wrote:\n" + string(text)
}
