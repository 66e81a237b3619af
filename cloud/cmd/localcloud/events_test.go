package main

import (
	"encoding/json"
	"strings"
	"testing"
)

func TestEventsGoOnAcrossARestartOfTheCloud(t *testing.T) {
	t.Parallel()
	data, _ := newCloud(t)
	s, token := serve(t, data), ownCloud().token
	listening := func() bool {
		return strings.Contains(command(t, "status", "--json", "--data", data), `"streams":1`)
	}
	events := begin(t, nil, "events", "kitchen/", "--json", "--cloud", s.url, "--token", token)
	eventually(t, "somebody listens", listening)
	next := func() (ev struct{ Name, Data string }) {
		if err := json.Unmarshal([]byte(events.line()), &ev); err != nil {
			t.Fatal(err)
		}
		return ev
	}
	command(t, "publish", "cellar/door", "not asked for", "--data", data)
	command(t, "publish", "kitchen/temp", "21", "--data", data)
	if ev := next(); ev.Name != "kitchen/temp" || ev.Data != "21" {
		t.Errorf("got %+v", ev)
	}
	if err := s.stop(); err != nil {
		t.Fatal(err)
	}
	serve(t, data, "--http", s.HTTP)
	command(t, "publish", "kitchen/temp", "22", "--data", data) // perhaps while nobody listens
	if ev := next(); ev.Data != "22" {
		t.Errorf("after the restart came %+v", ev)
	}
	if err := events.stop(); err != nil {
		t.Errorf("events ended with %v", err)
	}
}

func TestEventsForPeopleAreHarmless(t *testing.T) {
	t.Parallel()
	data, _ := newCloud(t)
	s := serve(t, data)
	events := begin(t, nil, "events", "--max", "1", "--data", data)
	eventually(t, "somebody listens", func() bool {
		return strings.Contains(command(t, "status", "--json", "--data", data), `"streams":1`)
	})
	command(t, "publish", "door", "\x1b]0;owned\a\r\nspark/status offline", "--data", s.data)
	line := events.line()
	if strings.ContainsAny(line, "\x1b\a\r") || !strings.Contains(line, `door  \x1b]0;owned\a\r\nspark/status offline`) {
		t.Errorf("it prints %q", line)
	}
}
