package store

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"localcloud/cloud"
)

const fullDir = "LOCALCLOUD_STORE_FULL_DIR"

// A disk that is really full: a file system of 64 MB in memory, in a mount namespace of
// a child, so that root is not needed and nothing of it stays. Badger dies on such a disk
// with SIGBUS, which the child does not outlive.
func TestAFullDiskIsSurvived(t *testing.T) {
	if dir := os.Getenv(fullDir); dir != "" {
		fillDisk(t, dir)
		return
	}
	child := exec.Command("unshare", "-rm", os.Args[0], "-test.run=^TestAFullDiskIsSurvived$", "-test.v")
	child.Env = append(os.Environ(), fullDir+"="+t.TempDir())
	out, err := child.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "PASS: TestAFullDiskIsSurvived") {
		t.Fatalf("%v\n%.6000s", err, out)
	}
}

func fillDisk(t *testing.T, dir string) {
	if err := unix.Mount("none", dir, "tmpfs", 0, "size=64m"); err != nil {
		t.Fatalf("%v: %v", errNoTmpfs, err)
	}
	w := &world{t: t, onDisk: filepath.Join(dir, "data"), start: func(o Options) (*Store, error) {
		o.NoSync = false
		return Open(filepath.Join(dir, "data"), o)
	}}
	opts := Options{EventsMaxBytes: 1 << 30}
	w.open(opts)
	w.update(1, func(*cloud.Device) {})
	w.fill(8000, 10_000, time.Second) // 80 MB of events, more than there is: the oldest go
	u := w.Events().Usage()
	t.Logf("after 80 MB: %d events, %s; status %+v", u.Events, megabytes(u.Bytes), w.Status())
	if u.Events == 0 || u.Failed > 0 || u.Bytes > 40<<20 {
		t.Errorf("usage is %+v", u)
	}

	foreign := filepath.Join(dir, "foreign")
	for round := range 3 {
		fillFile(t, foreign, leave)
		for n := range cloud.EventID(20) {
			wantKind(t, w.append(sampleEvent(w.Events().Last()+1+n)), cloud.NoSpace)
		}
		_, err := w.Registry().UpdateDevice(id(2), func(*cloud.Device, bool) error { return nil })
		wantKind(t, err, cloud.NoSpace)
		if len(w.ids()) == 0 || len(w.Registry().Devices()) != 1 {
			t.Error("it cannot be read any more")
		}
		if err := os.Remove(foreign); err != nil {
			t.Fatal(err)
		}
		w.fill(500, 10_000, time.Second)
		if round == 1 {
			w.open(opts)
			w.fill(100, 1000, time.Second)
		}
	}
	fillFile(t, foreign, leave)
	_ = w.append(sampleEvent(w.Events().Last() + 1))
	w.close()
	fillFile(t, foreign, 0)
	if s, err := Open(w.onDisk, opts); err == nil {
		s.Close()
		t.Error("it opens on a full disk")
	} else if cloud.KindOf(err) != cloud.NoSpace {
		t.Errorf("error %v", err)
	}
	if err := os.Remove(foreign); err != nil {
		t.Fatal(err)
	}
	w.open(opts)
	if len(w.ids()) == 0 || len(w.Registry().Devices()) != 1 {
		t.Error("events or devices are lost")
	}
	w.fill(100, 1000, time.Second)
	w.close()
}

// leave is what somebody else's file leaves free: less than a start needs, and enough for what
// Badger is just doing in the background. Nobody survives a disk without a single block at that moment.
const leave = 12 << 20

// fillFile writes until so much is left.
func fillFile(t *testing.T, name string, leave int64) {
	t.Helper()
	f, err := os.OpenFile(name, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	b := make([]byte, 64<<10)
	for {
		if free, known := freeSpace(filepath.Dir(name)); !known || free <= leave {
			return
		}
		if _, err = f.Write(b); err != nil && !errors.Is(err, unix.ENOSPC) {
			t.Fatal(fmt.Errorf("fill: %w", err))
		}
	}
}
