package main

import (
	"net"
	"net/http"
	"os"
	"regexp"
	"strings"
	"testing"
)

var curlLine = regexp.MustCompile(`(?m)^\s*curl -N "(http://[^"]+)"$`)

// demo starts a demo and returns it with the URL of its curl line.
func demo(t *testing.T, data string, more ...string) (*background, string) {
	t.Helper()
	d := begin(t, nil, append([]string{"demo", "--data", data}, more...)...)
	for {
		line := d.line()
		if m := curlLine.FindStringSubmatch(line); m != nil {
			return d, m[1]
		}
		if strings.Contains(line, "Ctrl-C") {
			t.Fatal("there is no curl line")
		}
	}
}

func TestTheDemosCurlLineShowsItsEventsAndTheNextDemoHasTheSame(t *testing.T) {
	t.Parallel()
	data := t.TempDir() + "/demo"
	var token, id string
	for round := range 2 {
		d, url := demo(t, data, "--http", "127.0.0.1:0", "--tcp", "127.0.0.1:0")
		d.drainOutput()
		stream := openStream(t, url, "")
		for seen := 0; seen < 2; {
			line, err := stream.ReadString('\n')
			if err != nil {
				t.Fatal(err)
			}
			if strings.HasPrefix(line, "event: demo/temperature") {
				seen++
			}
		}
		devices := into[[]listed](t, "device", "list", "--data", data)
		if len(devices) != 1 || devices[0].Name != demoDevice || !devices[0].Connected || devices[0].Owner != demoUser {
			t.Fatalf("devices are %+v", devices)
		}
		eventually(t, "the LED can be switched", func() bool {
			out, err := try(t, "", "device", "call", demoDevice, "led", "on", "--data", data)
			return err == nil && out == "1\n"
		})
		command(t, "device", "get", demoDevice, "temperature", "--data", data)
		_, now, _ := strings.Cut(url, "access_token=")
		if round == 0 {
			token, id = now, devices[0].ID
		} else if token != now || id != devices[0].ID {
			t.Errorf("the second demo has another token or device: %s, %s", now, devices[0].ID)
		}
		readOnly(t, url)
		if err := d.stop(); err != nil {
			t.Errorf("the demo ended with %v", err)
		}
	}
	if info, err := os.Stat(data + "/demo.json"); err != nil || info.Mode().Perm()&0o077 != 0 {
		t.Errorf("demo.json: %v, %v", info, err)
	}
}

// readOnly checks that the demo's token can only look.
func readOnly(t *testing.T, url string) {
	t.Helper()
	base, token, _ := strings.Cut(strings.Replace(url, "/events/demo", "/"+demoDevice+"/led", 1), "?access_token=")
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, base, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+token)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusForbidden {
		t.Errorf("a call with the demo's token: %s", resp.Status)
	}
}

func TestTheDemoTakesFreePortsWhenOthersHaveThem(t *testing.T) {
	t.Parallel()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	busy := ln.Addr().String()
	d := begin(t, nil, "demo", "--data", t.TempDir(), "--http", busy, "--tcp", busy)
	if first, second := d.line(), d.line(); !strings.Contains(first, busy) || !strings.Contains(second, busy) {
		t.Errorf("it says %q, %q", first, second)
	}
	d.drainOutput()
	if err := d.stop(); err != nil {
		t.Error(err)
	}
}
