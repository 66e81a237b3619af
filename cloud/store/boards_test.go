package store

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"localcloud/cloud"
	"localcloud/keys"
)

const boardID = "3f0034000b51343334363138"

func boardBackup(t *testing.T, id string) keys.Backup {
	t.Helper()
	parsed, err := keys.ParseDeviceID(id)
	if err != nil {
		t.Fatal(err)
	}
	slot := keys.Slot{Alt: 1, Address: 34, Size: 4}
	return keys.Backup{ID: parsed, Platform: "photon", Parts: []keys.Part{{Slot: slot, Data: []byte("keys")}}}
}

func seal(t *testing.T, b keys.Backup, to keys.Recipient) []byte {
	t.Helper()
	sealed, err := b.Seal(to)
	if err != nil {
		t.Fatal(err)
	}
	return sealed
}

func TestABackupOfABoardIsKeptAndGivenBackSealed(t *testing.T) {
	dir := t.TempDir()
	boards := NewBoards(filepath.Join(dir, "boards"), filepath.Join(dir, "keys"))
	to, err := boards.Recipient()
	if err != nil {
		t.Fatal(err)
	}
	b := boardBackup(t, boardID)
	if names, err := boards.Backups(b.ID); err != nil || len(names) != 0 {
		t.Errorf("at first: %v, %v", names, err)
	}
	name, err := boards.PutBackup(b.ID, seal(t, b, to))
	if err != nil {
		t.Fatal(err)
	}
	asker, err := keys.NewSealKey()
	if err != nil {
		t.Fatal(err)
	}
	sealed, err := NewBoards(filepath.Join(dir, "boards"), filepath.Join(dir, "keys")).Backup(b.ID, name, asker.Recipient())
	if err != nil {
		t.Fatal(err)
	}
	if got, err := keys.OpenBackup(sealed, asker); err != nil || !bytes.Equal(got.Parts[0].Data, []byte("keys")) {
		t.Errorf("it came back as %v, %v", got, err)
	}
	filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if info, _ := d.Info(); path != dir && info.Mode().Perm()&0o077 != 0 {
			t.Errorf("others may use %s", path)
		}
		return err
	})
}

func TestABackupThatCannotBeOpenedIsNotTaken(t *testing.T) {
	dir := t.TempDir()
	boards := NewBoards(dir, t.TempDir())
	to, err := boards.Recipient()
	if err != nil {
		t.Fatal(err)
	}
	stranger, err := keys.NewSealKey()
	if err != nil {
		t.Fatal(err)
	}
	b := boardBackup(t, boardID)
	other := boardBackup(t, "e00fce68000000000000000a")
	for what, sealed := range map[string][]byte{
		"nonsense": []byte("nonsense"), "too much": make([]byte, maxSealed+1),
		"sealed for somebody else": seal(t, b, stranger.Recipient()), "of another board": seal(t, other, to),
	} {
		if _, err := boards.PutBackup(b.ID, sealed); cloud.KindOf(err) != cloud.Invalid {
			t.Errorf("%s: %v", what, err)
		}
	}
	if ids := boards.IDs(); len(ids) != 0 {
		t.Errorf("something was kept: %v", ids)
	}
	for _, name := range []string{"../../etc/passwd", "", "given"} {
		if _, err := boards.Backup(b.ID, name, to); cloud.KindOf(err) != cloud.Invalid {
			t.Errorf("the backup %q: %v", name, err)
		}
	}
	if _, err := boards.Backup(b.ID, "20261121T120000.000Z", to); cloud.KindOf(err) != cloud.NotExist {
		t.Errorf("a backup that is not there: %v", err)
	}
}

func TestTheFirstBackupOfABoardStays(t *testing.T) {
	boards := NewBoards(t.TempDir(), t.TempDir())
	b := boardBackup(t, boardID)
	if _, err := boards.make(b.ID); err != nil {
		t.Fatal(err)
	}
	for i := range maxBackups {
		name := fmt.Sprintf("20260101T0000%02d.000Z", i)
		if err := os.WriteFile(filepath.Join(boards.of(b.ID), name+backupEnd), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	to, err := boards.Recipient()
	if err != nil {
		t.Fatal(err)
	}
	latest, err := boards.PutBackup(b.ID, seal(t, b, to))
	if err != nil {
		t.Fatal(err)
	}
	names, err := boards.Backups(b.ID)
	if err != nil || len(names) != maxBackups || names[0] != "20260101T000000.000Z" || names[len(names)-1] != latest {
		t.Errorf("%v, %v", names, err)
	}
}

func TestWhatABoardWasGivenIsRemembered(t *testing.T) {
	dir := t.TempDir()
	boards := NewBoards(dir, t.TempDir())
	b := boardBackup(t, boardID)
	want := keys.Given{ID: b.ID, Platform: "photon", Transport: keys.TCP, Host: "192.168.1.10", Port: 5683}
	for _, host := range []string{"10.0.0.1", "192.168.1.10"} {
		want.Host = host
		if err := boards.SetGiven(want); err != nil {
			t.Fatal(err)
		}
	}
	if got := NewBoards(dir, "").Given(); len(got) != 1 || got[0] != want {
		t.Errorf("%+v", got)
	}
}
