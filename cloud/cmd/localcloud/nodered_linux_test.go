package main_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// useNodeRED lets Node-RED from npm, unmodified, ask and subscribe as Particle's nodes for it do: with a host
// setting, or with none, so that it looks for api.particle.io. What it does stands in testdata/nodered/flows.json.
func (s *site) useNodeRED(t *testing.T, port int, host, token, id string) {
	client := s.client(t, token)
	r := s.startNodeRED(t, port, "HOST="+host, "DEVICE="+id, "CLIENT="+client.ID, "SECRET="+client.Secret, "NODE_EXTRA_CA_CERTS="+s.ca)
	name := fmt.Sprintf("red%d", port)
	r.want(t, "/function/led?args=on", "return_value", 42.0)
	r.want(t, "/variable/temp", "result", 21.5)
	r.want(t, "/variable/text", "result", greeting)
	r.want(t, "/publish/"+name+"?data="+url.QueryEscape(greeting), "ok", true)
	r.wantEvent(t, name, greeting, "")
	r.want(t, "/function/emit?args="+url.QueryEscape(`{"name":"`+name+`/device","data":"from the device"}`), "return_value", 0.0)
	r.wantEvent(t, name+"/device", "from the device", id)
	r.want(t, "/function/nope", "error", "Function nope not found")
}

// oauthClient is what a program logs in with by itself.
type oauthClient struct{ ID, Secret string }

func (s *site) client(t *testing.T, token string) oauthClient {
	t.Helper()
	var made struct{ Client oauthClient }
	status, text := s.request(t, token, "POST", "/v1/clients", `{"name":"node-red"}`)
	if err := json.Unmarshal([]byte(text), &made); err != nil || made.Client.Secret == "" {
		t.Fatalf("no client: %d %s", status, text)
	}
	return made.Client
}

// nodeRED is a Node-RED that serves the flow.
type nodeRED struct{ address string }

func (s *site) startNodeRED(t *testing.T, port int, env ...string) *nodeRED {
	t.Helper()
	node, _ := nodes(t)
	dir, err := filepath.Abs("testdata/nodered")
	if err != nil {
		t.Fatal(err)
	}
	program := filepath.Join(dir, "node_modules/node-red/red.js")
	if _, err := os.Stat(program); err != nil {
		t.Fatalf("%v; run: make setup", err)
	}
	home := t.TempDir()
	flows, err := os.ReadFile(filepath.Join(dir, "flows.json"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(home, "flows.json"), flows, 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(node, program, "--userDir", home, "--settings", filepath.Join(dir, "settings.js"), "--port", fmt.Sprint(port), "flows.json")
	cmd.Env = append(os.Environ(), env...)
	p := start(t, cmd)
	p.want(t, "subscribed")
	return &nodeRED{fmt.Sprintf("http://127.0.0.1:%d", port)}
}

// get asks the flow.
func (r *nodeRED) get(t *testing.T, path string, v any) {
	t.Helper()
	resp, err := http.Get(r.address + path)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err == nil {
		err = json.Unmarshal(text, v)
	}
	if err != nil {
		t.Errorf("%s answers %s: %v", path, text, err)
	}
}

func (r *nodeRED) want(t *testing.T, path, key string, value any) {
	t.Helper()
	var got map[string]any
	if r.get(t, path, &got); got[key] != value {
		t.Errorf("%s answers %v, want %s: %v", path, got, key, value)
	}
}

// wantEvent waits until the subscription has an event.
func (r *nodeRED) wantEvent(t *testing.T, name, data, device string) {
	t.Helper()
	type event struct{ Name, Data, CoreID string }
	var events []event
	for late := time.After(soon); ; {
		r.get(t, "/events", &events)
		for _, ev := range events {
			if ev.Name == name {
				if ev.Data != data || device != "" && ev.CoreID != device {
					t.Errorf("the event is %+v", ev)
				}
				return
			}
		}
		select {
		case <-late:
			t.Fatalf("event %s does not come, but %+v", name, events)
		case <-time.After(50 * time.Millisecond):
		}
	}
}
