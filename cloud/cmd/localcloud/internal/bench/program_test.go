package bench_test

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"localcloud/cloud/cmd/localcloud/internal/bench"
)

// The one test with real processes: the program, measured by itself.
func TestProgramMeasuresItself(t *testing.T) {
	dir := t.TempDir()
	program := filepath.Join(dir, "localcloud")
	if runtime.GOOS == "windows" {
		program += ".exe"
	}
	build := exec.Command("go", "build", "-trimpath", "-buildvcs=false", "-o", program, "localcloud/cloud/cmd/localcloud")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	temp := filepath.Join(dir, "tmp")
	if err := os.Mkdir(temp, 0o700); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(ctx, program, "bench", "handshake", "idle", "events", "calls", "--json",
		"--devices", "40", "--rate", "200", "--duration", "500ms", "--registered", "5")
	// It must not be led to another cloud by settings that are meant for others.
	cmd.Env = append(os.Environ(), "TMPDIR="+temp, "TMP="+temp, "LOCALCLOUD_DATA="+dir, "LOCALCLOUD_HTTP=256.0.0.1:1")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v\n%s%s", err, out, stderr.Bytes())
	}
	var res bench.Result
	if err := json.Unmarshal(out, &res); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	values := make(map[string]float64)
	for _, f := range res.Figures {
		if f.Value != nil {
			values[f.Scenario+": "+f.Name] = *f.Value
		} else if runtime.GOOS == "linux" {
			t.Errorf("%s: %s was not measured: %s", f.Scenario, f.Name, f.Why)
		}
	}
	for name, want := range map[string]float64{
		"handshake: attempts that failed": 0, "events: lost": 0, "events: twice": 0, "events: out of order": 0,
		"calls: calls that failed": 0, "calls: calls, 5 devices registered that failed": 0,
	} {
		if got, ok := values[name]; !ok || got != want {
			t.Errorf("%s = %v (there: %v), want %v", name, got, ok, want)
		}
	}
	if runtime.GOOS == "linux" && values["handshake: server CPU per connection"] <= 0 {
		t.Errorf("no CPU of the server: %v", values)
	}
	if res.Version == "" || res.Machine.OS != runtime.GOOS || res.Machine.Cores == 0 {
		t.Errorf("version %q, machine %+v", res.Version, res.Machine)
	}
	left, err := os.ReadDir(temp)
	if err != nil || len(left) != 0 {
		t.Errorf("left in the temporary directory: %v, %v", left, err)
	}
	if !strings.Contains(stderr.String(), "events: ") {
		t.Errorf("no progress on standard error: %q", stderr.String())
	}
}
