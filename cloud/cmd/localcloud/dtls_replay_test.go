package main_test

import (
	"encoding/json"
	"net"
	"os/exec"
	"slices"
	"sync"
	"testing"
	"time"
)

// wiretap stands between one device over UDP and the cloud, and keeps all that the device says.
type wiretap struct {
	device, cloud *net.UDPConn
	to            *net.UDPAddr

	mu   sync.Mutex
	from *net.UDPAddr
	said [][]byte
}

func newWiretap(t *testing.T, cloud string) *wiretap {
	t.Helper()
	to, err := net.ResolveUDPAddr("udp", cloud)
	if err != nil {
		t.Fatal(err)
	}
	w := &wiretap{to: to}
	for _, side := range []**net.UDPConn{&w.device, &w.cloud} {
		if *side, err = net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)}); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { (*side).Close() })
	}
	go carry(w.device, func(b []byte, from *net.UDPAddr) {
		w.mu.Lock()
		w.from, w.said = from, append(w.said, slices.Clone(b))
		w.mu.Unlock()
		w.cloud.WriteToUDP(b, w.to)
	})
	go carry(w.cloud, func(b []byte, _ *net.UDPAddr) {
		w.mu.Lock()
		to := w.from
		w.mu.Unlock()
		w.device.WriteToUDP(b, to)
	})
	return w
}

// carry hands over what comes until the socket is closed.
func carry(from *net.UDPConn, hand func([]byte, *net.UDPAddr)) {
	b := make([]byte, 4096)
	for {
		n, address, err := from.ReadFromUDP(b)
		switch {
		case err == nil:
			hand(b[:n], address)
		case isClosed(err):
			return
		} // else the cloud is not there at the moment
	}
}

func isClosed(err error) bool {
	op, ok := err.(*net.OpError)
	return ok && op.Err == net.ErrClosed
}

// Who has recorded all that a device said, and sends it again after the program was killed, from the device's address and
// from another, gets nothing stored and nothing answered to; each of the records is counted.
func TestNothingCanBeReplayedAcrossKillNine(t *testing.T) {
	t.Parallel()
	program, data := buildProgram(t), t.TempDir()
	serve := func(udp string) (*process, string) {
		p := start(t, exec.Command(program, "serve", "--data", data, "--http", "127.0.0.1:0", "--tcp", "127.0.0.1:0", "--relay", "127.0.0.1:0",
			"--udp", udp))
		var ready struct{ UDP string }
		p.next(t, &ready)
		return p, ready.UDP
	}
	cloud, udp := serve("127.0.0.1:0")
	output(t, "a good password\n", program, "user", "add", "me", "--admin", "--password-stdin", "--data", data)
	tap := newWiretap(t, udp)
	device := start(t, exec.Command(program, "virtual", "--stdio", "--udp", tap.device.LocalAddr().String(), "--data", data))
	publish := func(name string) {
		t.Helper()
		if err := device.send(map[string]any{"op": "publish", "name": name, "ack": true}); err != nil {
			t.Fatal(err)
		}
		for got := (struct{ Ev, Name string }{}); got.Ev != "published" || got.Name != name; {
			device.next(t, &got)
		}
	}
	type figures struct {
		DTLS  struct{ Handshakes, Sessions, Replayed, Datagrams int }
		Store struct{ Events int }
	}
	status := func() (f figures) {
		t.Helper()
		if err := json.Unmarshal([]byte(output(t, "", program, "status", "--json", "--data", data)), &f); err != nil {
			t.Fatal(err)
		}
		return f
	}
	for _, name := range []string{"one", "two", "three"} {
		publish(name)
	}
	tap.mu.Lock()
	recorded := slices.Clone(tap.said)
	tap.mu.Unlock()
	cloud.cmd.Process.Kill()
	cloud.wait(t)
	serve(udp)
	publish("four") // the device is here again
	before := status()

	elsewhere, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer elsewhere.Close()
	sealed := 0
	for _, b := range recorded {
		for _, from := range []*net.UDPConn{tap.cloud, elsewhere} {
			if _, err := from.WriteToUDP(b, tap.to); err != nil {
				t.Fatal(err)
			}
		}
		if b[0] == 25 { // a record of the session, and not of its handshake
			sealed++
		}
	}
	if sealed < 4 {
		t.Fatalf("only %d records of the session were recorded", sealed)
	}
	var after figures
	for end := time.Now().Add(soon); after.DTLS.Datagrams < before.DTLS.Datagrams+2*len(recorded) && time.Now().Before(end); {
		after = status()
	}
	if got := after.DTLS.Replayed - before.DTLS.Replayed; got != 2*sealed {
		t.Errorf("%d records were counted as replayed, want %d", got, 2*sealed)
	}
	publish("five")
	if after = status(); after.Store.Events != before.Store.Events+1 || after.DTLS.Handshakes != 0 || after.DTLS.Sessions != 1 {
		t.Errorf("after the replay %+v, before %+v: want one event more and nothing else", after, before)
	}
}
