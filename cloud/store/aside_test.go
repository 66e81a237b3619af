package store

import (
	"bytes"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	sst "github.com/dgraph-io/badger/v4/table"

	"localcloud/cloud"
)

// overwrite changes a byte of each file that matches, or cuts all of them to a length when it is not negative.
func overwrite(t *testing.T, pattern string, length int64) {
	t.Helper()
	files, err := filepath.Glob(pattern)
	if err != nil || len(files) == 0 {
		t.Fatalf("no file %s: %v", pattern, err)
	}
	for _, name := range files {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if length >= 0 {
			b = b[:min(length, int64(len(b)))]
		} else {
			b[len(b)-8] ^= 0xff
		}
		if err := os.WriteFile(name, b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

func TestADamagedLogIsSetAsideAndIDsGoOn(t *testing.T) {
	for name, damage := range map[string]func(t *testing.T, events string){
		"tables cut off":     func(t *testing.T, dir string) { overwrite(t, filepath.Join(dir, "*.sst"), 1000) },
		"tables empty":       func(t *testing.T, dir string) { overwrite(t, filepath.Join(dir, "*.sst"), 0) },
		"tables overwritten": func(t *testing.T, dir string) { overwrite(t, filepath.Join(dir, "*.sst"), -1) },
		"manifest cut off": func(t *testing.T, dir string) {
			overwrite(t, filepath.Join(dir, "MANIFEST"), 3)
		},
		"no manifest": func(t *testing.T, dir string) {
			if err := os.Remove(filepath.Join(dir, "MANIFEST")); err != nil {
				t.Fatal(err)
			}
		},
		"a table is gone": func(t *testing.T, dir string) {
			tables, err := filepath.Glob(filepath.Join(dir, "*.sst"))
			if err != nil || len(tables) == 0 {
				t.Fatalf("there is no table: %v", err)
			}
			if err := os.Remove(tables[0]); err != nil {
				t.Fatal(err)
			}
		},
		"died three times": func(t *testing.T, dir string) {
			if err := os.WriteFile(filepath.Join(filepath.Dir(dir), attemptsName+eventsName), []byte("3"), 0o600); err != nil {
				t.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := diskWorld(t)
			w.open(Options{})
			w.update(1, func(*cloud.Device) {})
			w.fill(200, 1000, time.Second)
			last := w.Events().Last()
			w.close()
			damage(t, filepath.Join(w.onDisk, eventsName))
			w.open(Options{})
			st := w.Status()
			if len(st.SetAside) != 1 || !strings.HasPrefix(st.SetAside[0], "events.damaged-") || len(st.Warnings()) != 1 {
				t.Fatalf("status is %+v", st)
			}
			if files, _ := os.ReadDir(filepath.Join(w.onDisk, st.SetAside[0])); len(files) == 0 {
				t.Error("what is set aside is not there")
			}
			if got := w.Events().Last(); got < last || len(w.ids()) != 0 || len(w.Registry().Devices()) != 1 {
				t.Errorf("Last is %v, was %v; %d events", got, last, len(w.ids()))
			}
			w.fill(10, 10, time.Second)
			w.open(Options{})
			if got := len(w.ids()); got != 10 || len(w.Status().SetAside) != 1 {
				t.Errorf("%d events after a restart, status %+v", got, w.Status())
			}
			w.close()
		})
	}
}

// A process that is killed while Badger makes or removes a table leaves one behind that its manifest does not name.
func TestATableThatWasBeingMadeOrRemovedIsNoDamage(t *testing.T) {
	for name, content := range map[string][]byte{
		"just made":        make([]byte, tableSize),
		"half written":     append(bytes.Repeat([]byte{0xa5}, 4096), make([]byte, tableSize-4096)...),
		"half removed":     {},
		"without its room": []byte("abc"),
	} {
		t.Run(name, func(t *testing.T) {
			w := diskWorld(t)
			w.open(Options{})
			w.update(1, func(*cloud.Device) {})
			w.fill(200, 1000, time.Second)
			before := len(w.ids())
			w.close()
			for _, database := range []string{registryName, eventsName} {
				if err := os.WriteFile(filepath.Join(w.onDisk, database, sst.IDToFilename(4711)), content, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			w.open(Options{})
			defer w.close()
			if st := w.Status(); len(st.SetAside) != 0 || st.Rebuilt != "" {
				t.Errorf("status is %+v", st)
			}
			if got := len(w.ids()); got != before || len(w.Registry().Devices()) != 1 {
				t.Errorf("%d events, were %d; %d devices", got, before, len(w.Registry().Devices()))
			}
		})
	}
}

func TestIDsDoNotGoBackWhenTheLogIsLostInACrash(t *testing.T) {
	w := diskWorld(t)
	w.open(Options{})
	at := cloud.EventIDAt(time.Now().Add(48 * time.Hour)) // no clock helps
	if err := w.append(sampleEvent(at)); err != nil {
		t.Fatal(err)
	}
	crashed := copyDir(t, w.onDisk) // as it is before Close
	w.close()
	if err := os.WriteFile(filepath.Join(crashed, attemptsName+eventsName), []byte("3"), 0o600); err != nil {
		t.Fatal(err)
	}
	s, err := Open(crashed, Options{NoSync: true})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if got := s.Events().Last(); got < at || got > at+2*idsAhead {
		t.Errorf("Last is %v, %v was given", got, at)
	}
}

func TestThreeDamagedLogsStay(t *testing.T) {
	w := diskWorld(t)
	w.open(Options{})
	for range asideKept + 2 {
		w.fill(10, 10, time.Second)
		w.close()
		overwrite(t, filepath.Join(w.onDisk, eventsName, "MANIFEST"), 3)
		w.open(Options{})
	}
	if got := w.Status().SetAside; len(got) != asideKept {
		t.Errorf("set aside are %v", got)
	}
	w.close()
}

// A directory as it may be after a power cut on a disk that lies: the newest files are cut off somewhere.
func TestImagesThatAreCutOffOpenWithAllThatASnapshotHas(t *testing.T) {
	w := diskWorld(t)
	w.open(Options{})
	const devices = 60
	for n := range byte(devices) {
		w.update(n+1, func(d *cloud.Device) { d.Name = fmt.Sprint("device ", n); d.Notes = strings.Repeat("n", 20_000) })
	}
	if err := w.Registry().PutTokens(cloud.Token{ID: "one", User: "a"}); err != nil {
		t.Fatal(err)
	}
	w.fill(300, 10_000, time.Second)
	w.open(Options{}) // with a snapshot
	last := w.Events().Last()
	w.update(devices+1, func(*cloud.Device) {})
	w.fill(10, 10_000, time.Second)
	image := copyDir(t, w.onDisk)
	w.close()

	random := rand.New(rand.NewPCG(2026, 3))
	asides := 0
	for i := range 10 {
		dir := copyDir(t, image)
		cutNewest(t, filepath.Join(dir, registryName), random, i)
		cutNewest(t, filepath.Join(dir, eventsName), random, i)
		s, err := Open(dir, Options{NoSync: true})
		if err != nil {
			t.Errorf("image %d: %v", i, err)
			continue
		}
		r := s.Registry()
		for n := range byte(devices) {
			if d, ok := r.Device(id(n + 1)); !ok || d.Name != fmt.Sprint("device ", n) {
				t.Errorf("image %d: device %d is lost (%+v)", i, n+1, s.Status())
				break
			}
		}
		if _, ok := r.Token("one"); !ok {
			t.Errorf("image %d: a token is lost", i)
		}
		if got := s.Events().Last(); got < last {
			t.Errorf("image %d: Last is %v, was %v", i, got, last)
		}
		asides += len(s.Status().SetAside)
		if err := s.Close(); err != nil {
			t.Errorf("image %d: close: %v", i, err)
		}
	}
	if asides == 0 {
		t.Error("no image is damaged: the test tests nothing")
	}
}

// cutNewest cuts a file of a database at some place: tables, logs of memtables and the manifest in turn.
func cutNewest(t *testing.T, dir string, random *rand.Rand, turn int) {
	t.Helper()
	pattern := []string{"*.sst", "*.mem", "MANIFEST"}[turn%3]
	files, _ := filepath.Glob(filepath.Join(dir, pattern))
	if len(files) == 0 {
		t.Fatalf("there is no %s", pattern)
	}
	name := slices.Max(files)
	info, err := os.Stat(name)
	if err != nil {
		t.Fatal(err)
	}
	size := info.Size()
	if pattern == "*.mem" { // mapped, and mostly empty
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		size = int64(len(bytes.TrimRight(b, "\x00")))
	}
	if err := os.Truncate(name, random.Int64N(max(size, 1))); err != nil {
		t.Fatal(err)
	}
}

func copyDir(t *testing.T, from string) string {
	t.Helper()
	to := t.TempDir()
	err := filepath.WalkDir(from, func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(from, path)
		if err != nil || rel == "." {
			return err
		}
		if e.IsDir() {
			return os.Mkdir(filepath.Join(to, rel), 0o700)
		}
		b, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		return os.WriteFile(filepath.Join(to, rel), b, 0o600)
	})
	if err != nil {
		t.Fatal(err)
	}
	return to
}
