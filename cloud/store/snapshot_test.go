package store

import (
	"encoding/json"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"localcloud/cloud"
)

func TestARegistryIsRebuiltFromTheNewestSnapshotThatIsWhole(t *testing.T) {
	w := diskWorld(t)
	for n := range byte(9) {
		w.open(Options{})
		w.update(n+1, func(d *cloud.Device) { d.Name = "heron" })
	}
	w.close()
	dir := filepath.Join(w.onDisk, snapshotsName)
	names := snapshotNames(dir)
	if len(names) != snapshotsKept {
		t.Fatalf("%d snapshots are kept: %v", len(names), names)
	}
	if info, err := os.Stat(filepath.Join(dir, names[0])); runtime.GOOS != "windows" && (err != nil || info.Mode().Perm() != 0o600) {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	overwrite(t, filepath.Join(dir, names[6]), 100)
	overwrite(t, filepath.Join(dir, names[5]), -1)
	overwrite(t, filepath.Join(w.onDisk, registryName, "MANIFEST"), 3)
	w.open(Options{})
	st := w.Status()
	if st.Rebuilt != names[4] || len(st.SetAside) != 1 || len(st.Warnings()) != 2 {
		t.Errorf("status is %+v, snapshots %v", st, names)
	}
	if got := len(w.Registry().Devices()); got != 7 && got != 8 { // one or two snapshots a device
		t.Errorf("%d devices", got)
	}
	w.update(100, func(*cloud.Device) {})
	w.open(Options{})
	if st := w.Status(); st.Rebuilt != "" || len(st.SetAside) != 1 {
		t.Errorf("after a restart status is %+v", st)
	}
	if _, ok := w.Registry().Device(id(100)); !ok {
		t.Error("what was stored after the rebuilding is lost")
	}
	w.close()
}

func TestEverySnapshotThatIsCutOffIsKnownAsSuch(t *testing.T) {
	db := &memory{}
	if err := db.commit([]op{{[]byte("da"), []byte("b")}, numbered{number: 7, sum: 1<<64 - 1}.op(), {[]byte("x"), []byte{}}}); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := takeSnapshot(dir, db); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(filepath.Join(dir, snapshotsName, snapshotNames(filepath.Join(dir, snapshotsName))[0]))
	if err != nil {
		t.Fatal(err)
	}
	if got, err := decodeSnapshot(b); err != nil || got.Number != 7 || got.Sum != 1<<64-1 || len(got.Records) != 3 || got.Taken.IsZero() {
		t.Errorf("%+v, %v", got, err)
	}
	if newestNumber(dir) != 7 {
		t.Errorf("its name says %d", newestNumber(dir))
	}
	for n := range b {
		if _, err := decodeSnapshot(b[:n]); err == nil {
			t.Errorf("%d of %d bytes are a snapshot", n, len(b))
		}
	}
}

// A registry of a newer program is not damaged: it stays where it is.
func TestANewerRegistryIsRefusedAndNotSetAside(t *testing.T) {
	w := diskWorld(t)
	w.open(Options{})
	if err := w.Registry().db.commit([]op{{append([]byte{prefixDevice}, make([]byte, 12)...), []byte{recordVersion + 1}}}); err != nil {
		t.Fatal(err)
	}
	w.close()
	if s, err := Open(w.onDisk, Options{NoSync: true}); err == nil {
		s.Close()
		t.Error("it opens")
	}
	if got := asides(w.onDisk); len(got) > 0 {
		t.Errorf("set aside: %v", got)
	}
}

func TestRecordOfASnapshotIsTheJSONOfIt(t *testing.T) {
	for _, r := range []record{{[]byte("d/1"), []byte{}}, {[]byte{0, 0xff, '"'}, []byte("{\"name\":\"<&>\"}")}} {
		want, err := json.Marshal(r)
		if err != nil {
			t.Fatal(err)
		}
		if got := appendRecord(nil, r.Key, r.Value); string(got) != string(want) {
			t.Errorf("%s, want %s", got, want)
		}
	}
}
