package main_test

import (
	"context"
	cryptorand "crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"localcloud/cloud"
	"localcloud/cloud/client"
	"localcloud/cloud/sse"
	"localcloud/coap/virtual"
	"localcloud/keys"
)

// home is a data directory with an owner, and the program that serves it.
type home struct {
	program, data string
	token         cloud.Secret // the owner's; it never expires
	serverKey     *rsa.PublicKey
}

func newHome(t *testing.T, program string) *home {
	t.Helper()
	h := &home{program: program, data: filepath.Join(t.TempDir(), "data")}
	output(t, "a long password\n", h.program, "user", "add", "ann", "--password-stdin", "--data", h.data)
	var made struct{ Token cloud.Secret }
	text := output(t, "", h.program, "token", "create", "--user", "ann", "--expires", "never", "--json", "--data", h.data)
	if err := json.Unmarshal([]byte(text), &made); err != nil || made.Token == "" {
		t.Fatalf("token create printed %q: %v", text, err)
	}
	h.token = made.Token
	output(t, "", h.program, "policy", "set", "events", "off", "--data", h.data) // the limit is not what is tested
	block, _ := pem.Decode([]byte(output(t, "", h.program, "keys", "export", "--data", h.data)))
	if block == nil {
		t.Fatal("keys export prints no PEM")
	}
	key, err := x509.ParsePKIXPublicKey(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	h.serverKey = key.(*rsa.PublicKey)
	return h
}

// served is a process that serves a data directory.
type served struct {
	*process
	addresses
	api *client.Client
}

// serve starts the program on a data directory and returns when it is ready.
func (h *home) serve(t *testing.T, data string, more ...string) *served {
	t.Helper()
	args := slices.Concat([]string{"serve", "--data", data, "--log-level", "warn"}, anyPort, more)
	s := &served{process: start(t, exec.Command(h.program, args...))}
	s.addresses = s.ready(t)
	s.api = &client.Client{BaseURL: "http://" + s.HTTP, Token: h.token}
	return s
}

// kill ends the process as a power cut does.
func (p *process) kill(t *testing.T) {
	t.Helper()
	if err := p.cmd.Process.Kill(); err != nil {
		t.Error(err)
	}
	p.wait(t)
}

// stored is an event as the log holds it.
type stored struct {
	id           cloud.EventID
	name, coreID string
	data         string
}

// replay returns all events of the log, which a client gets that has none. It checks that their ids grow.
func (s *served) replay(t *testing.T) []stored {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*soon)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.api.BaseURL+"/v1/devices/events", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+string(s.api.Token))
	req.Header.Set("Last-Event-ID", "0")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	end := cryptorand.Text()
	if err := s.api.Publish(ctx, "end", &end, true); err != nil {
		t.Fatal(err)
	}
	var all []stored
	for in := sse.NewReader(resp.Body); ; {
		frame, err := in.Next()
		if err != nil {
			t.Fatalf("the replay broke off after %d events: %v", len(all), err)
		}
		id, err := cloud.ParseEventID(frame.ID)
		if err != nil {
			t.Fatal(err)
		}
		var body struct{ Data, CoreID string }
		if err := json.Unmarshal(frame.Data, &body); err != nil {
			t.Fatalf("event %v is %q: %v", id, frame.Data, err)
		}
		if n := len(all); n > 0 && id <= all[n-1].id {
			t.Fatalf("behind id %v comes %v", all[n-1].id, id)
		}
		if frame.Event == "end" && body.Data == end {
			return all
		}
		all = append(all, stored{id, frame.Event, body.CoreID, body.Data})
	}
}

// board publishes numbered events and remembers which were acknowledged.
type board struct {
	id  keys.DeviceID
	key *rsa.PrivateKey

	last  int      // owned by the goroutine that numbers
	acked sync.Map // number → true
}

const publishers = 8 // that have a board publish at the same time

// run publishes until ctx ends or the server is gone. acked is told of each acknowledgement.
func (b *board) run(ctx context.Context, s *served, key *rsa.PublicKey, acked func()) {
	d := virtual.New(virtual.Config{ID: b.id, Key: b.key, ServerKey: key, Dial: dialer(s.TCP)})
	online := make(chan struct{})
	d.OnOnline(sync.OnceFunc(func() { close(online) }))
	ctx, cancel := context.WithCancel(ctx)
	var all sync.WaitGroup
	defer all.Wait()
	defer cancel()
	all.Go(func() {
		defer cancel()
		d.Run(ctx)
	})
	select {
	case <-online:
	case <-ctx.Done():
		return
	}
	numbers := make(chan int)
	for range publishers {
		all.Go(func() {
			for n := range numbers {
				ev := virtual.Event{Name: "crash", Data: []byte(strconv.Itoa(n)), WithAck: true}
				if d.Publish(ctx, ev) == nil {
					b.acked.Store(n, true)
					acked()
				}
			}
		})
	}
	defer close(numbers)
	for {
		select {
		case numbers <- b.last + 1:
			b.last++
		case <-ctx.Done():
			return
		}
	}
}

func dialer(address string) func(context.Context) (net.Conn, error) {
	return func(ctx context.Context) (net.Conn, error) { return new(net.Dialer).DialContext(ctx, "tcp", address) }
}

// newBoards registers boards.
func newBoards(t *testing.T, s *served, n int) []*board {
	t.Helper()
	key, err := keys.GenerateDeviceRSA()
	if err != nil {
		t.Fatal(err)
	}
	var boards []*board
	for i := range n {
		b := &board{id: keys.DeviceID{0xc0, byte(i)}, key: key}
		if _, err := s.api.AddDevice(t.Context(), client.NewDevice{ID: b.id, Key: publicKey(t, key)}); err != nil {
			t.Fatal(err)
		}
		boards = append(boards, b)
	}
	return boards
}

func publicKey(t *testing.T, key *rsa.PrivateKey) keys.PublicKey {
	t.Helper()
	public, err := keys.NewRSAPublicKey(&key.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	return public
}

// needsProc skips a test that has to see when a process has stopped, where there is no /proc.
func needsProc(t *testing.T) {
	t.Helper()
	if runtime.GOOS != "linux" {
		t.Skipf("%s does not tell whether a process is stopped", runtime.GOOS)
	}
}

// freeze stops the process and returns when none of its threads runs.
func (s *served) freeze(t *testing.T) {
	t.Helper()
	s.signal(t, "STOP")
	until(t, "the process is stopped", func() bool { return s.stopped(t) })
}

// until waits, within bounds, until a condition holds.
func until(t *testing.T, what string, holds func() bool) {
	t.Helper()
	late := time.After(2 * soon)
	often := time.NewTicker(2 * time.Millisecond)
	defer often.Stop()
	for !holds() {
		select {
		case <-often.C:
		case <-late:
			t.Fatalf("not within %v: %s", 2*soon, what)
		}
	}
}

func (s *served) thaw(t *testing.T) {
	t.Helper()
	s.signal(t, "CONT")
}

func (s *served) signal(t *testing.T, name string) {
	t.Helper()
	if out, err := exec.Command("kill", "-"+name, strconv.Itoa(s.PID)).CombinedOutput(); err != nil {
		t.Fatalf("kill -%s: %v %s", name, err, out)
	}
}

func (s *served) stopped(t *testing.T) bool {
	t.Helper()
	states, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/stat", s.PID))
	if err != nil || len(states) == 0 {
		t.Fatalf("the process has ended: %v\n%s", err, s.said.String())
	}
	for _, path := range states {
		stat, err := os.ReadFile(path)
		if err != nil {
			continue // the thread has ended
		}
		if _, state, _ := strings.Cut(string(stat), ") "); !strings.HasPrefix(state, "T") {
			return false
		}
	}
	return true
}
