package keys

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"
)

func aBackup(t *testing.T) Backup {
	t.Helper()
	photon, _ := ParsePlatform("photon")
	layout := photon.Layout()
	key, err := ParseServerKey(unhex(t, rsaVector()))
	if err != nil {
		t.Fatal(err)
	}
	slot, err := layout.AppendServerSlot(nil, ServerSlot{key, Address{"device.spark.io", 0}})
	if err != nil {
		t.Fatal(err)
	}
	id, _ := ParseDeviceID("3f0034000b51343334363138")
	return Backup{
		ID: id, Platform: "photon", Taken: time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC),
		Parts: []Part{{layout.ServerKey, slot}, {layout.DeviceKey, bytes.Repeat([]byte("private!"), 80)[:612]}},
	}
}

func TestABackupIsOpenedByItsKeyOnly(t *testing.T) {
	dir := t.TempDir()
	key, err := OpenSealKey(dir)
	if err != nil {
		t.Fatal(err)
	}
	b := aBackup(t)
	sealed, err := b.Seal(key.Recipient())
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(sealed, []byte("private!")) || bytes.Contains(sealed, []byte(b.ID.String())) {
		t.Error("a sealed backup can be read")
	}
	again, err := OpenSealKey(dir)
	if err != nil {
		t.Fatal(err)
	}
	got, err := OpenBackup(sealed, again)
	if err != nil || !reflect.DeepEqual(got, b) {
		t.Fatalf("opened: %v, %v", got, err)
	}
	slot, err := got.ServerSlot()
	if err != nil || slot.Address.Host != "device.spark.io" {
		t.Errorf("it held %v, %v", slot, err)
	}

	other, err := NewSealKey()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := OpenBackup(sealed, other); err == nil {
		t.Error("another key opened it")
	}
	for i := range sealed {
		bad := bytes.Clone(sealed)
		bad[i] ^= 1
		if got, err := OpenBackup(bad, key); err == nil && !reflect.DeepEqual(got, b) {
			t.Fatalf("a backup with a changed byte %d was opened as another", i)
		}
	}
	if _, err := OpenBackup(sealed[:len(sealed)-1], key); err == nil {
		t.Error("half a backup was opened")
	}
}

func TestTheKeyForBackupsIsPrivate(t *testing.T) {
	dir := t.TempDir()
	key, err := OpenSealKey(dir)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "backup.key")
	if info, err := os.Stat(path); err != nil || info.Mode().Perm()&0o077 != 0 {
		t.Errorf("others may read it: %v, %v", info.Mode(), err)
	}
	if text := fmt.Sprintf("%v %+v %#v %s", key, key, key, key); strings.Contains(text, "SECRET") || !strings.Contains(text, "age1") {
		t.Errorf("it prints as %s", text)
	}
	if err := os.WriteFile(path, []byte("damaged"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := OpenSealKey(dir); err == nil || !strings.Contains(err.Error(), path) {
		t.Errorf("a damaged file: %v", err)
	}
	if b, _ := os.ReadFile(path); string(b) != "damaged" {
		t.Error("a damaged file was overwritten")
	}
}

func TestABackupOfAnotherShapeIsRefused(t *testing.T) {
	key, err := NewSealKey()
	if err != nil {
		t.Fatal(err)
	}
	b := aBackup(t)
	b.Parts[0].Data = b.Parts[0].Data[:10]
	sealed, err := b.Seal(key.Recipient())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := OpenBackup(sealed, key); err == nil {
		t.Error("a part that is too short was taken")
	}
	if _, err := b.Seal("age1nonsense"); err == nil {
		t.Error("it was sealed for nobody")
	}
}
