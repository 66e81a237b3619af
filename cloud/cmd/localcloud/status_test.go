package main

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
)

func TestStatusSaysWhetherTheCloudRuns(t *testing.T) {
	t.Parallel()
	data, _ := newCloud(t)
	out, err := try(t, "", "status", "--data", data)
	if !errors.Is(err, errSaid) || exitCode(err) != 1 {
		t.Errorf("without a running cloud it ends with %v", err)
	}
	if !strings.Contains(out, "does not run on the data in "+data+" (0 devices, 1 users there)") || !strings.Contains(out, "localcloud serve --data "+data) {
		t.Errorf("it says %s", out)
	}
	var status struct {
		Running bool
		serverStatus
		Users int
	}
	if out, _ := try(t, "", "status", "--json", "--data", data); json.Unmarshal([]byte(out), &status) != nil || status.Running || status.Users != 1 {
		t.Errorf("as JSON: %s", out)
	}

	s := serve(t, data)
	out = command(t, "status", "--data", data)
	for _, want := range []string{"runs, process", data, s.url, s.TCP, "Nothing needs attention"} {
		if !strings.Contains(out, want) {
			t.Errorf("status lacks %q:\n%s", want, out)
		}
	}
	out = command(t, "status", "--json", "--data", data)
	if err := json.Unmarshal([]byte(out), &status); err != nil || !status.Running || status.Listeners.HTTP != s.HTTP || status.Data != data || status.Version == "" {
		t.Errorf("as JSON: %s: %+v, %v", out, status, err)
	}
}
