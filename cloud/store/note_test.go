package store

import (
	"errors"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"localcloud/cloud"
)

// note notes what a device says and returns the device as readers see it then.
func (w *world) note(n byte, change func(*cloud.Device)) cloud.Device {
	w.t.Helper()
	d, err := w.Registry().NoteDevice(id(n), change)
	if err != nil {
		w.t.Fatalf("NoteDevice: %v", err)
	}
	if seen := must2(w.Registry().Device(id(n))); seen.Notes != d.Notes || !seen.LastHeard.Equal(d.LastHeard) {
		w.t.Errorf("noted %+v, readers see %+v", d, seen)
	}
	return d
}

// stored returns a device as the database has it.
func (w *world) stored(n byte) cloud.Device {
	w.t.Helper()
	rows, err := loadRows(w.Registry().db)
	if err != nil {
		w.t.Fatal(err)
	}
	return *rows.devices.rows[id(n)]
}

func TestNotesAreSeenAtOnceAndStoredTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &faults{}
		w := &world{t: t, Store: OpenMemory(Options{commit: f.commit})}
		for n := range byte(50) {
			w.update(n+1, func(d *cloud.Device) { d.Name = "registered" })
		}
		before := f.commits.Load()
		for range 3 {
			for n := range byte(50) {
				w.note(n+1, func(d *cloud.Device) { d.LastHeard, d.Notes = d.LastHeard.Add(time.Second), "noted" })
			}
			time.Sleep(noteWait / 4)
		}
		if got := f.commits.Load() - before; got != 0 || w.stored(7).Notes != "" {
			t.Errorf("%d commits before it is time", got)
		}
		time.Sleep(noteWait)
		synctest.Wait()
		if got := f.commits.Load() - before; got != 1 {
			t.Errorf("%d commits, want 1", got)
		}
		want := time.Time{}.Add(3 * time.Second)
		if d := w.stored(50); d.Notes != "noted" || d.Name != "registered" || !d.LastHeard.Equal(want) {
			t.Errorf("the disk has %+v", d)
		}
		time.Sleep(2 * noteWait)
		if got := f.commits.Load() - before; got != 1 {
			t.Errorf("%d commits though nothing was said since", got)
		}
		w.close()
	})
}

func TestNotesAreStoredByCloseAndByTheNextChangeOfTheirDevice(t *testing.T) {
	dir := t.TempDir()
	w := &world{t: t, start: func(o Options) (*Store, error) { return Open(dir, o) }}
	w.open(Options{})
	w.update(1, func(*cloud.Device) {})
	w.update(2, func(*cloud.Device) {})
	w.note(1, func(d *cloud.Device) { d.Notes = "one" })
	w.note(2, func(d *cloud.Device) { d.Notes = "two" })
	w.update(2, func(d *cloud.Device) { d.Name = "lamp" })
	if d := w.stored(2); d.Notes != "two" || d.Name != "lamp" {
		t.Errorf("a change stores %+v", d)
	}
	w.open(Options{})
	if d := must2(w.Registry().Device(id(1))); d.Notes != "one" {
		t.Errorf("after Close and Open: %+v", d)
	}
	w.close()
	if _, err := w.Registry().NoteDevice(id(1), func(*cloud.Device) {}); !errors.Is(err, ErrClosed) {
		t.Errorf("a note after Close: %v", err)
	}
}

func TestANoteFollowsAChangeThatIsOnItsWay(t *testing.T) {
	f := holding()
	close(f.gate)
	w := &world{t: t, Store: OpenMemory(Options{commit: f.commit})}
	w.update(1, func(*cloud.Device) {})
	f.gate = make(chan struct{})
	for len(f.inside) > 0 {
		<-f.inside
	}
	var all sync.WaitGroup
	all.Go(func() { w.update(1, func(d *cloud.Device) { d.Name = "lamp" }) })
	<-f.inside // its commit waits
	all.Go(func() { w.note(1, func(d *cloud.Device) { d.Notes = "noted of " + d.Name }) })
	if d := must2(w.Registry().Device(id(1))); d.Name != "" || d.Notes != "" {
		t.Errorf("readers see %+v before it is committed", d)
	}
	close(f.gate)
	all.Wait()
	if d := must2(w.Registry().Device(id(1))); d.Name != "lamp" || d.Notes != "noted of lamp" {
		t.Errorf("in the end the device is %+v", d)
	}
	w.close()
}

func TestANoteOfADeviceThatIsGoneIsRefusedAndBringsItNotBack(t *testing.T) {
	w := &world{t: t, Store: OpenMemory(Options{})}
	_, err := w.Registry().NoteDevice(id(1), func(*cloud.Device) { t.Error("there is nothing to change") })
	wantKind(t, err, cloud.NotExist)
	w.update(1, func(*cloud.Device) {})
	w.note(1, func(d *cloud.Device) { d.Notes = "noted" })
	if err := w.Registry().RemoveDevice(id(1)); err != nil {
		t.Fatal(err)
	}
	w.close()
	if rows, err := loadRows(w.Registry().db); err != nil || len(rows.devices.rows) > 0 {
		t.Errorf("%d devices, %v", len(rows.devices.rows), err)
	}
}

func TestNotesAreKeptInMemoryWhileTheDiskTakesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &faults{}
		w := &world{t: t, Store: OpenMemory(Options{commit: f.commit})}
		w.update(1, func(*cloud.Device) {})
		f.set(syscall.EIO)
		if _, err := w.Registry().UpdateDevice(id(2), func(*cloud.Device, bool) error { return nil }); err == nil {
			t.Fatal("the disk took something")
		}
		commits := f.commits.Load()
		for range 3 {
			w.note(1, func(d *cloud.Device) { d.Notes += "again " })
			time.Sleep(2 * noteWait)
		}
		if d := must2(w.Registry().Device(id(1))); d.Notes != "again again again " {
			t.Errorf("noted %q", d.Notes)
		}
		if got := f.commits.Load() - commits; got > 0 {
			t.Errorf("%d commits of a registry that is read-only", got)
		}
		w.close()
	})
}
