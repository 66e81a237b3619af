package store

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"localcloud/cloud"
)

func TestASecondOpenIsRefusedWithAReason(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "new", "data")
	s, err := Open(dir, Options{NoSync: true})
	if err != nil {
		t.Fatal(err)
	}
	_, err = Open(dir, Options{NoSync: true})
	wantKind(t, err, cloud.Exist)
	if !errors.Is(err, ErrLocked) || !strings.Contains(err.Error(), dir) || !strings.Contains(err.Error(), fmt.Sprint(os.Getpid())) {
		t.Errorf("error %q, want ErrLocked, the directory and the process", err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s, err = Open(dir, Options{NoSync: true})
	if err != nil {
		t.Fatalf("open after close: %v", err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

func TestTheDirectoryIsForItsOwnerOnly(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("Windows has other permissions")
	}
	dir := filepath.Join(t.TempDir(), "data")
	s, err := Open(dir, Options{NoSync: true})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	info, err := os.Stat(dir)
	if err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("mode is %v, %v", info.Mode(), err)
	}
}

func TestAFailedOpenLeavesNothingOpen(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "events")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if s, err := Open(dir, Options{NoSync: true}); err == nil {
		s.Close()
		t.Fatal("a file serves as a directory")
	} else if !strings.Contains(err.Error(), "events") || errors.Is(err, ErrLocked) {
		t.Errorf("error %q does not name the database", err)
	}
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	s, err := Open(dir, Options{NoSync: true})
	if err != nil {
		t.Fatalf("the failed open holds the directory: %v", err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

// A process that is killed while Badger begins or removes a log leaves these.
func TestEmptyLogFilesDoNotMatter(t *testing.T) {
	w := diskWorld(t)
	w.open(Options{})
	w.update(1, func(*cloud.Device) {})
	w.fill(10, 10, 1e9)
	w.close()
	for _, name := range []string{"registry/00077.mem", "registry/000077.vlog", "events/00077.mem", "events/000077.vlog"} {
		if err := os.WriteFile(filepath.Join(w.onDisk, filepath.FromSlash(name)), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	w.open(Options{})
	if got := len(w.ids()); got != 10 || len(w.Registry().Devices()) != 1 {
		t.Errorf("%d events, devices %v", got, w.Registry().Devices())
	}
	w.close()
}

// A damaged block of a table looks to a reader like keys that are not there.
func TestADamagedTableOfTheRegistryIsNoticed(t *testing.T) {
	w := diskWorld(t)
	w.open(Options{})
	for n := range byte(100) {
		w.update(n+1, func(d *cloud.Device) { d.Notes = "some text to damage" })
	}
	w.close()
	tables, err := filepath.Glob(filepath.Join(w.onDisk, "registry", "*.sst"))
	if err != nil || len(tables) == 0 {
		t.Fatalf("there is no table to damage: %v", err)
	}
	b, err := os.ReadFile(tables[0])
	if err != nil {
		t.Fatal(err)
	}
	b[len(b)/4] ^= 0xff
	if err := os.WriteFile(tables[0], b, 0o600); err != nil {
		t.Fatal(err)
	}
	w.open(Options{})
	if st := w.Status(); len(w.Registry().Devices()) != 100 || len(st.SetAside) != 1 || st.Rebuilt == "" {
		t.Errorf("%d of 100 devices, status %+v", len(w.Registry().Devices()), st)
	}
	w.close()
}

func TestBadgerLogsAtDebugAndWarn(t *testing.T) {
	var out strings.Builder
	l := badgerLogger{slog.New(slog.NewTextHandler(&out, &slog.HandlerOptions{Level: slog.LevelDebug}))}
	l.Errorf("a %d\n", 1)
	l.Warningf("b")
	l.Infof("c")
	l.Debugf("d")
	for _, want := range []string{`level=WARN msg=database text="a 1"`, "level=WARN msg=database text=b", "level=DEBUG msg=database text=c", "level=DEBUG msg=database text=d"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in\n%s", want, out.String())
		}
	}
	out.Reset()
	quiet := badgerLogger{slog.New(slog.NewTextHandler(&out, nil))}
	quiet.Infof("c")
	if out.Len() > 0 {
		t.Errorf("logged at info: %s", out.String())
	}
}

func TestDefaults(t *testing.T) {
	if o := (Options{}).withDefaults(); o.EventsQueue != DefaultEventsQueue {
		t.Errorf("defaults are %+v", o)
	}
	mode, err := ParseMode("memory")
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		opts  Options
		age   time.Duration
		bytes int64
	}{
		{Options{}, DefaultEventsMaxAge, DefaultEventsMaxBytes},
		{Options{Events: mode}, DefaultEventsMaxAge, DefaultMemoryBytes},
		{Options{EventsMaxAge: -1, EventsMaxBytes: -1}, -1, -1},
	} {
		s := OpenMemory(test.opts)
		if age, bytes := s.Events().Bounds(); age != test.age || bytes != test.bytes {
			t.Errorf("%+v: bounds are %v, %d", test.opts, age, bytes)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
}
