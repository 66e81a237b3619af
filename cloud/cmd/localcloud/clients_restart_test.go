package main_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"
)

// The streams of the newest and of the oldest particle-api-js go on after the
// cloud was stopped and started again, and one who says which event was the last
// misses nothing.
func TestClientsSurviveARestart(t *testing.T) {
	t.Parallel()
	node, _ := nodes(t)
	s := startSite(t)
	first := s.cloud
	token := s.token(t, "owner@example.com")
	publish := func(name, data string) {
		if status, text := s.request(t, token, "POST", "/v1/devices/events", fmt.Sprintf(`{"name":%q,"data":%q}`, name, data)); status != 200 {
			t.Errorf("publish %s: %d %s", name, status, text)
		}
	}
	clients := map[string]*process{}
	for _, api := range []string{"api12", "api5"} {
		script := exec.Command(node, "restart.mjs")
		script.Dir = "testdata/clients"
		script.Env = append(os.Environ(), "API="+api, "BASE="+s.http, "TOKEN="+token)
		clients[api] = start(t, script)
		var line struct{ Open bool }
		if clients[api].next(t, &line); !line.Open {
			t.Fatalf("%s does not open its stream", api)
		}
		publish(api+"/before", "1")
		clients[api].wantEvent(t, api+"/before", "1")
	}
	publish("log", "1")
	last := s.eventsAfter(t, token, "0", 1)[0].id
	publish("log", "2")

	first.cmd.Process.Signal(syscall.SIGTERM)
	if code := first.wait(t); code != 0 {
		t.Errorf("the cloud ended with %d", code)
	}
	s.start(t, "--http", strings.TrimPrefix(s.http, "http://"), "--tcp", s.tcp)
	publish("log", "3")
	got := s.eventsAfter(t, token, last, 2)
	if got[0].data != "2" || got[1].data != "3" {
		t.Errorf("after %s came %v", last, got)
	}

	for api, client := range clients {
		late := time.After(soon)
		for over := false; !over; {
			select {
			case <-time.After(time.Second):
				publish(api+"/end", "2") // until it is back
			case <-client.ended:
				over = true
			case <-late:
				t.Fatalf("%s does not come back", api)
			}
		}
		if code := client.wait(t); code != 0 {
			t.Errorf("%s ended with %d\n%s", api, code, client.said.String())
		}
	}
}

// wantEvent reads the next event that a script prints.
func (p *process) wantEvent(t *testing.T, name, data string) {
	t.Helper()
	var ev struct{ Name, Data string }
	if p.next(t, &ev); ev.Name != name || ev.Data != data {
		t.Errorf("%s got %+v, want %s %s", p.name, ev, name, data)
	}
}

type heardEvent struct{ id, data string }

// eventsAfter reads the first n events of the prefix "log" behind an id, as a browser that comes back.
func (s *site) eventsAfter(t *testing.T, token, id string, n int) (events []heardEvent) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), "GET", s.http+"/v1/devices/events/log", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+token)
	r.Header.Set("Last-Event-ID", id)
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	timer := time.AfterFunc(soon, func() { resp.Body.Close() })
	defer timer.Stop()
	var ev heardEvent
	for in := bufio.NewScanner(resp.Body); in.Scan() && len(events) < n; {
		field, value, _ := strings.Cut(in.Text(), ": ")
		switch field {
		case "id":
			ev.id = value
		case "data":
			var data struct{ Data string }
			if err := json.Unmarshal([]byte(value), &data); err != nil {
				t.Fatal(err)
			}
			ev.data = data.Data
		case "":
			if ev.id != "" {
				events, ev = append(events, ev), heardEvent{}
			}
		}
	}
	if len(events) < n {
		t.Fatalf("after %s came only %v", id, events)
	}
	return events
}
