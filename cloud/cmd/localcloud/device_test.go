package main

import (
	"context"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"localcloud/cloud"
	"localcloud/cloud/client"
	"localcloud/coap"
	"localcloud/coap/virtual"
	"localcloud/keys"
)

// eventually waits until a condition holds. What takes long to ask, as it does with a command, is asked ever less often.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	late := time.After(bound)
	pause := 20 * time.Millisecond
	for begun := time.Now(); !holds(); begun = time.Now() {
		pause = min(pause+2*time.Since(begun), time.Second)
		select {
		case <-time.After(pause):
		case <-late:
			t.Fatalf("not within %v: %s", bound, what)
		}
	}
}

// photon is a board in software with a function and a variable, connecting to s until the test ends.
func photon(t *testing.T, s *serving, id keys.DeviceID, key *rsa.PrivateKey) *virtual.Device {
	t.Helper()
	server := keyOfCloud(t, s)
	d := virtual.New(virtual.Config{ID: id, Key: key, ServerKey: server, Dial: dialTCP(s.TCP), Reconnect: true})
	d.Function("led", func(arg string) int32 { return int32(len(arg)) })
	d.Variable("temp", coap.Double, func() any { return 21.5 })
	d.Variable("text", coap.String, func() any { return "\x1b[31mred" })
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() { defer close(ended); d.Run(ctx) }()
	t.Cleanup(func() { cancel(); <-ended })
	return d
}

func exportKey(t *testing.T, data string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "server.pem")
	command(t, "keys", "export", "--out", path, "--data", data)
	return path
}

func newKey(t *testing.T) *rsa.PrivateKey {
	t.Helper()
	key, err := keys.GenerateDeviceRSA()
	if err != nil {
		t.Fatal(err)
	}
	return key
}

type listed struct {
	ID        string
	Name      string
	Owner     string
	Connected bool
	Functions []string
	Variables map[string]string
	Policy    *string
}

func TestABoardThatKnocksIsAdoptedAndUsed(t *testing.T) {
	t.Parallel()
	s, _ := serveOwned(t)
	addUser(t, s.data, "bob")
	id := randomID()
	d := photon(t, s, id, newKey(t))

	type knock struct{ ID, Reason, What, Next string }
	var knocks []knock
	eventually(t, "the board is on the list of unknown ones", func() bool {
		knocks = into[[]knock](t, "device", "list", "--unknown", "--data", s.data)
		return len(knocks) > 0
	})
	if k := knocks[0]; k.ID != id.String() || k.Reason != "unknown-device" || !strings.Contains(k.Next, "localcloud device adopt "+id.String()) {
		t.Errorf("the knock is %+v", k)
	}
	if out := command(t, "device", "list", "--unknown", "--data", s.data); !strings.Contains(out, "-> If it is yours: localcloud device adopt "+id.String()) {
		t.Errorf("for people: %s", out)
	}
	if log := s.said.String(); !strings.Contains(log, `msg="device not let in" device=`+id.String()) || !strings.Contains(log, "next=") {
		t.Errorf("the log says %s", log)
	}
	if out := command(t, "status", "--data", s.data); !strings.Contains(out, "were not let in") {
		t.Errorf("status says %s", out)
	}

	command(t, "device", "adopt", id.String(), "--name", "kitchen", "--user", "bob", "--data", s.data)
	eventually(t, "the board is online", d.Online)
	var device listed
	eventually(t, "the board has described itself", func() bool {
		device = into[listed](t, "device", "show", "kitchen", "--data", s.data)
		return len(device.Functions) > 0
	})
	if device.ID != id.String() || !device.Connected || device.Owner != "bob" || device.Functions[0] != "led" || device.Variables["temp"] != "double" {
		t.Errorf("the device is %+v", device)
	}
	if out := command(t, "device", "list", "--data", s.data); !strings.Contains(out, "kitchen  bob    yes     photon") {
		t.Errorf("the list is\n%s", out)
	}
	if out := command(t, "device", "call", "kitchen", "led", "four", "--data", s.data); out != "4\n" {
		t.Errorf("call printed %q", out)
	}
	if out := command(t, "device", "call", "KITCHEN", "led", "--data", s.data); out != "0\n" {
		t.Errorf("call without an argument printed %q", out)
	}
	if out := command(t, "device", "get", id.String(), "temp", "--data", s.data); out != "21.5\n" {
		t.Errorf("get printed %q", out)
	}
	refused(t, 1, []string{"Function motor not found"}, "device", "call", "kitchen", "motor", "--data", s.data)
	refused(t, 1, []string{"Variable not found"}, "device", "get", "kitchen", "humidity", "--data", s.data)
	refused(t, 1, []string{`there is no device "cellar"`, "localcloud device list"}, "device", "get", "cellar", "temp", "--data", s.data)
	refused(t, 1, []string{"localcloud device list --unknown"}, "device", "adopt", randomID().String(), "--data", s.data)
	refused(t, 2, []string{"24 hex digits"}, "device", "adopt", "kitchen", "--data", s.data)

	command(t, "device", "remove", "kitchen", "--data", s.data)
	eventually(t, "the board is offline", func() bool { return !d.Online() })
	eventually(t, "the board knocks again", func() bool {
		return len(into[[]knock](t, "device", "list", "--unknown", "--data", s.data)) > 0
	})
	if devices := into[[]listed](t, "device", "list", "--data", s.data); len(devices) != 0 {
		t.Errorf("it is still there: %v", devices)
	}
}

func TestTrustOnFirstUseTakesABoardIn(t *testing.T) {
	t.Parallel()
	s, _ := serveOwned(t, "--trust-first-use")
	d := photon(t, s, randomID(), newKey(t))
	eventually(t, "the board is online", d.Online)
	if devices := into[[]listed](t, "device", "list", "--data", s.data); len(devices) != 1 || devices[0].Owner != "ann" {
		t.Errorf("devices are %+v", devices)
	}
}

func TestADeviceIsAddedBeforeItConnects(t *testing.T) {
	t.Parallel()
	data, _ := newCloud(t)
	id, key := randomID(), newKey(t)
	public, err := keys.NewRSAPublicKey(&key.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "device.pub.pem")
	if err := os.WriteFile(file, public.PEM(), 0o600); err != nil {
		t.Fatal(err)
	}
	command(t, "device", "add", id.String(), "--key", file, "--name", "cellar", "--data", data)
	refused(t, 1, []string{"registered already"}, "device", "add", id.String(), "--key", file, "--data", data)
	refused(t, 1, []string{"public key"}, "device", "add", id.String(), "--key", writeFile(t, "nonsense"), "--data", data)
	s := serve(t, data)
	eventually(t, "the board is online", photon(t, s, id, key).Online)
}

func TestADeviceHasAPolicyOfItsOwnUntilItIsTakenAway(t *testing.T) {
	t.Parallel()
	data, _ := newCloud(t)
	id := randomID()
	public, err := keys.NewRSAPublicKey(&newKey(t).PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	command(t, "device", "add", id.String(), "--key", writeFile(t, string(public.PEM())), "--name", "a", "--data", data)
	for _, step := range []struct {
		args []string
		want string
	}{
		{[]string{"device", "policy", "a"}, "default"},
		{[]string{"device", "policy", "a", "2/s:10", "--action", "reject"}, "2/s:10 reject"},
		{[]string{"device", "policy", "a"}, "2/s:10 reject: more is refused"},
		{[]string{"policy", "set", "events", "particle", "--device", "a"}, "particle: more is dropped"},
		{[]string{"policy", "show"}, "device a"},
		{[]string{"policy", "set", "events", "default", "--device", "a"}, "default"},
		{[]string{"policy", "set", "events", "particle", "--action", "warn"}, "warn: more is delivered"},
		{[]string{"policy", "set", "server", "100/s:200"}, "100/s:200 warn"},
	} {
		if out := command(t, append(step.args, "--data", data)...); !strings.Contains(out, step.want) {
			t.Errorf("%v printed %q", step.args, out)
		}
	}
	if p := into[map[string]string](t, "policy", "show", "--data", data); p["device"] != "warn" || p["server"] != "100/s:200 warn" {
		t.Errorf("the policies are %v", p)
	}
	refused(t, 2, []string{"is not a policy"}, "policy", "set", "events", "sometimes", "--data", data)
	refused(t, 2, []string{"--action"}, "policy", "set", "events", "off", "--action", "drop", "--data", data)
	refused(t, 2, []string{"--action"}, "device", "policy", "a", "--action", "drop", "--data", data)
	refused(t, 2, []string{"--device"}, "policy", "set", "server", "off", "--device", "a", "--data", data)
	refused(t, 1, []string{"localcloud device list"}, "device", "policy", "b", "off", "--data", data)
}

func TestAScriptsDeviceRegistersItselfAndIsItsUsers(t *testing.T) {
	s, _ := serveOwned(t)
	token := addUser(t, s.data, "bob")
	id := randomID()
	t.Setenv("DEVICE_ID", id.String())
	in, script := io.Pipe()
	d := begin(t, in, "virtual", "--stdio", "--http", s.url, "--tcp", s.TCP, "--token", token, "--server-key", exportKey(t, s.data))
	go io.WriteString(script, `{"op":"function","name":"led","ret":42}`+"\n")
	for {
		var ev struct{ Ev, ID string }
		if err := json.Unmarshal([]byte(d.line()), &ev); err != nil {
			t.Fatal(err)
		}
		if ev.Ev == "online" {
			if ev.ID != id.String() {
				t.Errorf("it is %s", ev.ID)
			}
			break
		}
	}
	called := make(chan string, 1)
	go func() { called <- d.line() }()
	eventually(t, "led is called", func() bool {
		out, err := try(t, "", "device", "call", id.String(), "led", "on", "--cloud", s.url, "--token", token)
		return err == nil && out == "42\n"
	})
	if line := <-called; !strings.Contains(line, `"arg":"on"`) {
		t.Errorf("the script read %s", line)
	}
	if devices := into[[]listed](t, "device", "list", "--cloud", s.url, "--token", token); len(devices) != 1 || devices[0].Owner != "bob" {
		t.Errorf("bob's devices are %+v", devices)
	}
	d.drainOutput()
	script.Close()
	<-d.ended
	if d.err != nil {
		t.Errorf("it ended with %v", d.err)
	}
}

func TestAFleetNeedsNothingBesideALocalCloud(t *testing.T) {
	t.Parallel()
	s, _ := serveOwned(t)
	events := begin(t, nil, "events", "fleet/", "--max", "9", "--json", "--data", s.data)
	eventually(t, "somebody listens", func() bool {
		return strings.Contains(command(t, "status", "--json", "--data", s.data), `"streams":1`)
	})
	fleet := begin(t, nil, "virtual", "-n", "3", "--interval", "30ms", "--data", s.data)
	seen := map[string]int{}
	for range 9 {
		var ev struct{ Name, CoreID string }
		if err := json.Unmarshal([]byte(events.line()), &ev); err != nil {
			t.Fatal(err)
		}
		seen[ev.CoreID]++
	}
	<-events.ended
	if events.err != nil || len(seen) == 0 {
		t.Errorf("events ended with %v after %v", events.err, seen)
	}
	eventually(t, "all are online", func() bool { return strings.Contains(command(t, "status", "--data", s.data), "3, of these 3 online") })
	if err := fleet.stop(); err != nil {
		t.Errorf("the fleet ended with %v", err)
	}
	if said := fleet.said.String(); !strings.Contains(said, "registering 3 of 3") || !strings.Contains(said, "events were sent") {
		t.Errorf("it said %s", said)
	}
	refused(t, 2, []string{"--stdio"}, "virtual", "--id", randomID().String(), "--data", s.data)
	refused(t, 1, []string{"no RSA public key"}, "virtual", "--server-key", writeFile(t, "nonsense"), "--tcp", s.TCP)
}

func TestStoppingTellsEveryoneThatTheDevicesAreOffline(t *testing.T) {
	t.Parallel()
	s, token := serveOwned(t, "--trust-first-use")
	d := photon(t, s, randomID(), newKey(t))
	eventually(t, "the board is online", d.Online)
	eventually(t, "the cloud knows that", func() bool { return strings.Contains(command(t, "status", "--data", s.data), "1 online") })
	stream := openStream(t, s.url+"/v1/devices/events/spark/status", token)
	if err := s.stop(); err != nil {
		t.Fatal(err)
	}
	rest, err := io.ReadAll(stream)
	if err != nil || !strings.Contains(string(rest), `{"data":"offline"`) {
		t.Errorf("before its end the stream brought %q, %v", rest, err)
	}

	// It is in the log too: who was away catches up.
	again := serve(t, s.data)
	var caught []string
	c := client.Client{BaseURL: again.url, Token: cloud.Secret(token)}
	err = c.Follow(t.Context(), client.Query{Prefix: "spark/status", After: 1}, func(ev client.Event) error {
		if caught = append(caught, *ev.Data); len(caught) == 2 {
			return errEnough
		}
		return nil
	})
	if !errors.Is(err, errEnough) || !slices.Equal(caught, []string{"online", "offline"}) {
		t.Errorf("after the restart came %v, %v", caught, err)
	}
}
