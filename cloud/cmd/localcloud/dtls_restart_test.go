package main_test

import (
	"encoding/json"
	"os"
	"os/exec"
	"testing"
)

// A device over UDP goes on with its session when the program has ended: what it publishes after that is acknowledged, and
// the cloud that was started again has seen no handshake. Where each event is synced, that holds for kill -9 too.
func TestARestartCostsADeviceOverUDPNoHandshake(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		events string
		signal os.Signal
	}{
		"kill -9":                         {"disk", os.Kill},
		"a stop, and events in memory":    {"memory", os.Interrupt},
		"a stop, and events at intervals": {"interval=30s", os.Interrupt},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			restartOverUDP(t, c.events, c.signal)
		})
	}
}

func restartOverUDP(t *testing.T, events string, signal os.Signal) {
	program, data := buildProgram(t), t.TempDir()
	serve := func(udp string) (*process, string) {
		p := start(t, exec.Command(program, "serve", "--data", data, "--http", "127.0.0.1:0", "--tcp", "127.0.0.1:0", "--relay", "127.0.0.1:0",
			"--udp", udp, "--events", events))
		var ready struct{ UDP string }
		p.next(t, &ready)
		return p, ready.UDP
	}
	cloud, udp := serve("127.0.0.1:0")
	output(t, "a good password\n", program, "user", "add", "me", "--admin", "--password-stdin", "--data", data)

	device := start(t, exec.Command(program, "virtual", "--stdio", "--udp", "--data", data))
	type line struct{ Ev, Name string }
	until := func(want line) {
		t.Helper()
		for {
			var got line
			if device.next(t, &got); got == want {
				return
			}
		}
	}
	publish := func(name string) {
		t.Helper()
		if err := device.send(map[string]any{"op": "publish", "name": name, "ack": true}); err != nil {
			t.Fatal(err)
		}
		until(line{"published", name})
	}
	if err := device.send(map[string]any{"op": "function", "name": "led", "ret": 7}); err != nil {
		t.Fatal(err)
	}
	until(line{Ev: "online"})
	publish("before")

	if err := cloud.cmd.Process.Signal(signal); err != nil {
		t.Fatal(err)
	}
	cloud.wait(t)
	serve(udp)
	publish("after")
	var status struct {
		DTLS struct{ Handshakes, Sessions, Unknown, Forged int }
	}
	if err := json.Unmarshal([]byte(output(t, "", program, "status", "--json", "--data", data)), &status); err != nil {
		t.Fatal(err)
	}
	if d := status.DTLS; d.Handshakes != 0 || d.Sessions != 1 || d.Unknown+d.Forged != 0 {
		t.Errorf("after the restart: %+v", d)
	}
}
