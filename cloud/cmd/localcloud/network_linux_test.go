package main_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"localcloud/coap/virtual"
	"localcloud/keys"
)

// The program starts before there is a network, and its address is another one
// later. Boards find it each time, and nobody does anything.
func TestBoardsReturnWhenTheNetworkComesAndWhenTheAddressChanges(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		asRoot(t)
		return
	}
	here, there := newNamespace(t), newNamespace(t) // the cloud's, and the boards'
	h := newHome(t, buildProgram(t))
	key, err := keys.GenerateDeviceRSA()
	if err != nil {
		t.Fatal(err)
	}
	id, file := keys.DeviceID{0xe0}, filepath.Join(t.TempDir(), "device.pem")
	if err := os.WriteFile(file, publicKey(t, key).PEM(), 0o600); err != nil {
		t.Fatal(err)
	}
	output(t, "", h.program, "device", "add", id.String(), "--key", file, "--data", h.data)

	if up := interfaces(t, here); len(up) != 0 {
		t.Fatalf("there is a network before there should be: %v", up)
	}
	cloud := start(t, here.command(h.program, "serve", "--data", h.data, "--http", ":8080", "--tcp", ":5683"))
	pid := cloud.ready(t).PID

	var name atomic.Value // what the name of the cloud stands for
	name.Store("10.77.0.1")
	device := virtual.New(virtual.Config{
		ID: id, Key: key, ServerKey: h.serverKey, Reconnect: true,
		Dial: there.dialer(func() string { return net.JoinHostPort(name.Load().(string), "5683") }),
	})
	ctx, cancel := context.WithCancel(context.Background())
	over := make(chan struct{})
	go func() {
		defer close(over)
		device.Run(ctx)
	}()
	t.Cleanup(func() {
		cancel()
		<-over
	})
	until(t, "it has tried in vain", func() bool { return device.Counts().Attempts >= 2 })
	if device.Online() {
		t.Fatal("it is online without a network")
	}

	there.run(t, "ip", "link", "add", "board", "type", "veth", "peer", "name", "cloud", "netns", fmt.Sprint(pid))
	there.run(t, "ip", "address", "add", "10.77.0.9/24", "dev", "board")
	there.run(t, "ip", "link", "set", "board", "up")
	here.run(t, "ip", "link", "set", "lo", "up") // for the command status
	here.run(t, "ip", "address", "add", "10.77.0.1/24", "dev", "cloud")
	begun := time.Now()
	here.run(t, "ip", "link", "set", "cloud", "up")
	until(t, "it is online when the network comes", device.Online)
	t.Logf("online %v after the network came", time.Since(begun).Round(time.Millisecond))
	publishes(t, device)
	if at := reachableAt(t, h, here); !slices.Equal(at, []string{"10.77.0.1:5683"}) {
		t.Errorf("the status names %v", at)
	}

	begun = time.Now()
	here.run(t, "ip", "address", "delete", "10.77.0.1/24", "dev", "cloud")
	here.run(t, "ip", "address", "add", "10.77.0.2/24", "dev", "cloud")
	name.Store("10.77.0.2")
	until(t, "it is back when the address has changed", func() bool { return device.Counts().Connects >= 2 && device.Online() })
	t.Logf("back %v after the address changed", time.Since(begun).Round(time.Millisecond))
	publishes(t, device)
	if at := reachableAt(t, h, here); !slices.Equal(at, []string{"10.77.0.2:5683"}) {
		t.Errorf("the status names %v", at)
	}
}

// asRoot runs the test again as root of a user namespace, where a network can be made.
func asRoot(t *testing.T) {
	t.Helper()
	buildProgram(t)
	inside := exec.Command("unshare", "--map-root-user", "--net", os.Args[0], "-test.run", "^"+t.Name()+"$", "-test.v")
	out, err := inside.CombinedOutput()
	if err != nil {
		t.Fatalf("as root of a user namespace: %v\n%s", err, out)
	}
	if !strings.Contains(string(out), "--- PASS: "+t.Name()) {
		t.Errorf("it did not run:\n%s", out)
	}
}

// namespace is a network of its own, in which every interface has to be made.
type namespace struct{ file *os.File }

func newNamespace(t *testing.T) *namespace {
	t.Helper()
	n := &namespace{}
	made := make(chan error)
	go func() {
		runtime.LockOSThread() // for ever: the thread ends with the goroutine
		err := unix.Unshare(unix.CLONE_NEWNET)
		if err == nil {
			n.file, err = os.Open("/proc/thread-self/ns/net")
		}
		made <- err
	}()
	if err := <-made; err != nil {
		t.Fatalf("no network namespace is allowed here: %v", err)
	}
	t.Cleanup(func() { n.file.Close() })
	return n
}

// command returns a command that runs in the namespace.
func (n *namespace) command(path string, args ...string) *exec.Cmd {
	in := fmt.Sprintf("--net=/proc/%d/fd/%d", os.Getpid(), n.file.Fd())
	return exec.Command("nsenter", append([]string{in, path}, args...)...)
}

// run runs a command in the namespace to its end.
func (n *namespace) run(t *testing.T, path string, args ...string) string {
	t.Helper()
	out, err := n.command(path, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v %s", path, strings.Join(args, " "), err, out)
	}
	return string(out)
}

// dialer connects from the namespace to the address as it is at that moment.
func (n *namespace) dialer(address func() string) func(context.Context) (net.Conn, error) {
	return func(ctx context.Context) (nc net.Conn, err error) {
		over := make(chan struct{})
		go func() {
			defer close(over)
			runtime.LockOSThread() // for ever: the thread ends with the goroutine
			if err = unix.Setns(int(n.file.Fd()), unix.CLONE_NEWNET); err == nil {
				nc, err = new(net.Dialer).DialContext(ctx, "tcp", address())
			}
		}()
		<-over
		return nc, err
	}
}

// interfaces returns those of a namespace that are up.
func interfaces(t *testing.T, n *namespace) (up []string) {
	t.Helper()
	for in := bufio.NewScanner(strings.NewReader(n.run(t, "ip", "-oneline", "link", "show", "up"))); in.Scan(); {
		up = append(up, in.Text())
	}
	return up
}

// reachableAt asks the cloud where it can be reached.
func reachableAt(t *testing.T, h *home, n *namespace) []string {
	t.Helper()
	out, err := n.command(h.program, "status", "--json", "--data", h.data).Output()
	if err != nil {
		if exit, ok := errors.AsType[*exec.ExitError](err); ok {
			out = exit.Stderr
		}
		t.Fatalf("status: %v %s", err, out)
	}
	var status struct{ Addresses struct{ TCP []string } }
	if err := json.Unmarshal(out, &status); err != nil {
		t.Fatalf("status printed %q: %v", out, err)
	}
	return status.Addresses.TCP
}

func publishes(t *testing.T, d *virtual.Device) {
	t.Helper()
	if err := d.Publish(t.Context(), virtual.Event{Name: "here", WithAck: true}); err != nil {
		t.Errorf("it is online and does not reach the cloud: %v", err)
	}
}
