package store

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"localcloud/cloud"
)

func modeOf(t *testing.T, text string) Mode {
	t.Helper()
	m, err := ParseMode(text)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func TestWhereNothingIsSyncedLinksOutliveAStopAndNoCrash(t *testing.T) {
	for _, mode := range []string{"interval=30s", "memory", "off"} {
		t.Run(mode, func(t *testing.T) {
			dir, opts := t.TempDir(), Options{Events: modeOf(t, mode)}
			s := openStore(t, dir, opts)
			if got := s.Events().KeepsLinks(); got != cloud.KeptAtStop {
				t.Fatalf("links are kept: %v", got)
			}
			keepLink(t, s, cloud.LinkState{Device: lamp, Secrets: []byte("key"), Counters: []byte("1")})
			keepLink(t, s, cloud.LinkState{Device: pump, Secrets: []byte("lock"), Counters: []byte("2")})
			s.Events().ForgetLink(pump)
			s.Close()
			left, err := os.Stat(filepath.Join(dir, parkedName))
			if err != nil || left.Mode().Perm()&0o077 != 0 {
				t.Fatalf("%v, %v: want a file for its owner alone", left, err)
			}

			s = openStore(t, dir, opts)
			if got := links(t, s); !slices.Equal(got, []string{"aa key 1"}) {
				t.Errorf("links %q", got)
			}
			if _, err := os.Stat(filepath.Join(dir, parkedName)); !os.IsNotExist(err) {
				t.Errorf("the file stays while the store is open: %v", err)
			}
			// Nothing was handed over since: as after a crash.
			s.Close()
			s = openStore(t, dir, opts)
			if got := links(t, s); len(got) != 0 {
				t.Errorf("links %q after a stop without any", got)
			}
		})
	}
}

// A file that comes back would let numbers be used that were used before.
func TestParkedLinksCountOnce(t *testing.T) {
	for name, c := range map[string]struct {
		mode   string                                                  // at the next start
		change func(t *testing.T, dir string, file []byte) (to string) // between stop and start
	}{
		"twice": {"memory", func(t *testing.T, dir string, file []byte) string {
			openStore(t, dir, Options{Events: modeOf(t, "memory")}).Close()
			restore(t, dir, file)
			return dir
		}},
		"a copy": {"memory", func(t *testing.T, dir string, _ []byte) string {
			to := filepath.Join(t.TempDir(), "copy")
			if err := os.CopyFS(to, os.DirFS(dir)); err != nil {
				t.Fatal(err)
			}
			return to
		}},
		"damaged": {"memory", func(t *testing.T, dir string, file []byte) string {
			restore(t, dir, file[:len(file)/2])
			return dir
		}},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			s := openStore(t, dir, Options{Events: modeOf(t, "memory")})
			keepLink(t, s, cloud.LinkState{Device: lamp, Secrets: []byte("key"), Counters: []byte("1")})
			s.Close()
			file, err := os.ReadFile(filepath.Join(dir, parkedName))
			if err != nil || !strings.Contains(string(file), `"mark"`) {
				t.Fatalf("%s, %v", file, err)
			}
			s = openStore(t, c.change(t, dir, file), Options{Events: modeOf(t, c.mode)})
			if got := links(t, s); len(got) != 0 {
				t.Errorf("links %q", got)
			}
		})
	}
}

func restore(t *testing.T, dir string, file []byte) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, parkedName), file, 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestLinksGoAlongWhenAnotherModeIsChosen(t *testing.T) {
	dir := t.TempDir()
	s := openStore(t, dir, Options{})
	keepLink(t, s, cloud.LinkState{Device: lamp, Secrets: []byte("key"), Counters: []byte("1")})
	for _, mode := range []string{"interval=30s", "disk", "interval=30s", "memory", "off", "disk", "disk"} {
		s.Close()
		s = openStore(t, dir, Options{Events: modeOf(t, mode)})
		if got := links(t, s); !slices.Equal(got, []string{"aa key 1"}) {
			t.Fatalf("%s: links %q", mode, got)
		}
		if mode != "disk" { // they are handed over when the cloud stops
			keepLink(t, s, cloud.LinkState{Device: lamp, Secrets: []byte("key"), Counters: []byte("1")})
		}
	}
}
