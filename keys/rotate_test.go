package keys

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

func openRing(t *testing.T, dir string) *Keyring {
	t.Helper()
	r, _, err := OpenKeyring(dir)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestARotationKeepsTheOldKeyUntilItIsFinished(t *testing.T) {
	for _, transport := range []Transport{TCP, UDP} {
		t.Run(string(transport), func(t *testing.T) {
			dir := t.TempDir()
			r := openRing(t, dir)
			first := r.Identity().ServerKey(transport)
			if err := errors.Join(r.Rotate(transport)); err != nil {
				t.Fatal(err)
			}
			second := r.Identity().ServerKey(transport)
			if second == first || r.Identity().OldServerKey(transport) != first {
				t.Errorf("now %v, old %v", second, r.Identity().OldServerKey(transport))
			}
			if err := r.Rotate(transport); !errors.Is(err, ErrRotating) {
				t.Errorf("a second rotation: %v", err)
			}
			again := openRing(t, dir).Identity()
			if again.ServerKey(transport) != second || again.OldServerKey(transport) != first {
				t.Error("another after a restart")
			}
			if err := r.Finish(transport); err != nil {
				t.Fatal(err)
			}
			for _, id := range []Identity{r.Identity(), openRing(t, dir).Identity()} {
				if id.ServerKey(transport) != second || !id.OldServerKey(transport).IsZero() || !slices.Equal(id.Former, []ServerKey{first}) {
					t.Errorf("finished: %v, old %v, former %v", id, id.OldServerKey(transport), id.Former)
				}
			}
			if err := r.Finish(transport); !errors.Is(err, ErrNotRotating) {
				t.Errorf("finished twice: %v", err)
			}
		})
	}
}

func TestARotationCanBeUndone(t *testing.T) {
	dir := t.TempDir()
	r := openRing(t, dir)
	if err := r.Undo(UDP); !errors.Is(err, ErrNotRotating) {
		t.Errorf("Undo = %v", err)
	}
	first := r.Identity().ServerKey(UDP)
	if err := r.Rotate(UDP); err != nil {
		t.Fatal(err)
	}
	second := r.Identity().ServerKey(UDP)
	if err := r.Undo(UDP); err != nil {
		t.Fatal(err)
	}
	id := openRing(t, dir).Identity()
	if id.ServerKey(UDP) != first || !id.OldServerKey(UDP).IsZero() || !slices.Equal(id.Former, []ServerKey{second}) {
		t.Errorf("undone: %v, former %v", id, id.Former)
	}
}

// The old key is copied before the present one is replaced: a power cut between the two leaves two equal keys.
func TestARotationThatWasCutOffHasNotBegun(t *testing.T) {
	dir := t.TempDir()
	r := openRing(t, dir)
	text, err := os.ReadFile(filepath.Join(dir, udpKeyFile))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, oldUDPKeyFile), text, 0o600); err != nil {
		t.Fatal(err)
	}
	again := openRing(t, dir)
	if !again.Identity().OldServerKey(UDP).IsZero() || again.Identity().ServerKey(UDP) != r.Identity().ServerKey(UDP) {
		t.Errorf("%v, old %v", again.Identity(), again.Identity().OldServerKey(UDP))
	}
	if err := again.Rotate(UDP); err != nil || again.Identity().OldServerKey(UDP) != r.Identity().ServerKey(UDP) {
		t.Errorf("rotated then: %v", err)
	}
}

func TestADamagedOldKeyIsNamedAndKept(t *testing.T) {
	dir := t.TempDir()
	openRing(t, dir)
	path := filepath.Join(dir, oldTCPKeyFile)
	if err := os.WriteFile(path, []byte("noise"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, _, err := OpenKeyring(dir); err == nil {
		t.Error("a damaged key was passed over")
	}
	if text, err := os.ReadFile(path); err != nil || string(text) != "noise" {
		t.Errorf("the file holds %q, %v", text, err)
	}
}
