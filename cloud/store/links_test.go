package store

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"localcloud/cloud"
	"localcloud/keys"
)

// links returns what a store has of links, a line each.
func links(t *testing.T, s *Store) (all []string) {
	t.Helper()
	err := s.Events().EachLink(func(l cloud.LinkState) bool {
		all = append(all, fmt.Sprintf("%s %s %s", l.Device.String()[:2], l.Secrets, l.Counters))
		return true
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func keepLink(t *testing.T, s *Store, l cloud.LinkState) {
	t.Helper()
	done := make(chan error, 1)
	s.Events().KeepLink(l, func(err error) { done <- err })
	if err := <-done; err != nil {
		t.Fatal(err)
	}
}

func appendWithLink(t *testing.T, s *Store, id cloud.EventID, device keys.DeviceID, link string) error {
	t.Helper()
	if err := s.Events().Admit(context.Background()); err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	s.Events().Append(&cloud.Event{ID: id, Name: "x", Device: device, Link: []byte(link)}, func(err error) { done <- err })
	return <-done
}

var lamp, pump = keys.DeviceID{0xaa}, keys.DeviceID{0xbb}

func openStore(t *testing.T, dir string, opts Options) *Store {
	t.Helper()
	opts.NoSync = true
	s, err := Open(dir, opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func TestLinksSurviveWithTheCountersOfTheLastEvent(t *testing.T) {
	dir := t.TempDir()
	s := openStore(t, dir, Options{})
	keepLink(t, s, cloud.LinkState{Device: lamp, Secrets: []byte("key"), Counters: []byte("1")})
	keepLink(t, s, cloud.LinkState{Device: pump, Secrets: []byte("lock"), Counters: []byte("7")})
	if err := appendWithLink(t, s, 10, lamp, "2"); err != nil {
		t.Fatal(err)
	}
	keepLink(t, s, cloud.LinkState{Device: pump, Counters: []byte("8")})
	for range 2 {
		if got, want := links(t, s), []string{"aa key 2", "bb lock 8"}; !slices.Equal(got, want) {
			t.Errorf("links %q, want %q", got, want)
		}
		s.Close()
		s = openStore(t, dir, Options{})
	}
	s.Events().ForgetLink(lamp)
	s.Close()
	s = openStore(t, dir, Options{})
	if got := links(t, s); len(got) != 1 {
		t.Errorf("links %q", got)
	}
}

// The counters are stored with their event or not at all: an event that is not on the disk must be taken when it comes again.
func TestCountersOfAnEventThatIsNotStoredAreNotStored(t *testing.T) {
	fail := false
	s := OpenMemory(Options{commit: func(db kv, ops []op) error {
		if fail {
			return cloud.E("disk", cloud.NoSpace, errors.New("full"))
		}
		return db.commit(ops)
	}})
	defer s.Close()
	keepLink(t, s, cloud.LinkState{Device: lamp, Secrets: []byte("key"), Counters: []byte("1")})
	fail = true
	if err := appendWithLink(t, s, 10, lamp, "2"); err == nil {
		t.Error("the event is stored on a full disk")
	}
	fail = false
	if got := links(t, s); !slices.Equal(got, []string{"aa key 1"}) {
		t.Errorf("links %q", got)
	}
}

func TestLinksThatMayBeOldAreDropped(t *testing.T) {
	for name, between := range map[string]func(t *testing.T, dir string) string{
		"another mode meanwhile": func(t *testing.T, dir string) string {
			mode, err := ParseMode("interval=30s")
			if err != nil {
				t.Fatal(err)
			}
			s := openStore(t, dir, Options{Events: mode})
			if got := s.Events().KeepsLinks(); got != cloud.KeptAtStop {
				t.Errorf("links are kept (%v) where nothing is synced", got)
			}
			s.Close()
			return dir
		},
		"a copy": func(t *testing.T, dir string) string {
			to := filepath.Join(t.TempDir(), "copy")
			if err := os.CopyFS(to, os.DirFS(dir)); err != nil {
				t.Fatal(err)
			}
			return to
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			s := openStore(t, dir, Options{})
			keepLink(t, s, cloud.LinkState{Device: lamp, Secrets: []byte("key"), Counters: []byte("1")})
			if err := appendWithLink(t, s, 10, lamp, "2"); err != nil {
				t.Fatal(err)
			}
			s.Close()
			s = openStore(t, between(t, dir), Options{})
			if got := links(t, s); len(got) != 0 {
				t.Errorf("links %q", got)
			}
			if s.Events().Last() != 10 {
				t.Errorf("the last event is %v", s.Events().Last())
			}
		})
	}
}
