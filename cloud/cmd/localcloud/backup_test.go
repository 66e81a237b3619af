package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"localcloud/keys"
	"localcloud/keys/dfu/dfutest"
)

const passphrase = "correct horse battery"

// A spare machine takes over: the boards and the people notice nothing but its absence.
func TestASpareMachineBecomesTheCloudOfABackup(t *testing.T) {
	bench := dfutest.Install(t)
	n := newBoards[0]
	onBench := n.plug(t, bench)
	memory := onBench.Image(t)
	data, identity := newCloud(t)
	s := serve(t, data)
	token := newToken(t, data, "ann")
	id, key := randomID(), newKey(t)
	addBoard(t, data, id, key)
	command(t, "device", "rekey", "--host", "10.1.2.3", "--wait", "0s", "--data", data)
	command(t, "relay", "publish", "porch", "--events", "porch/", "--data", data)
	command(t, "relay", "set", "--read", "token", "--data", data)

	file := filepath.Join(t.TempDir(), "cloud.backup")
	if _, err := try(t, passphrase+"\n", "backup", file, "--passphrase-stdin", "--data", data); err != nil { // beside the running cloud
		t.Fatal(err)
	}
	sealed, err := os.ReadFile(file)
	if err != nil || bytes.Contains(sealed, []byte("PRIVATE KEY")) || bytes.Contains(sealed, []byte(id.String())) {
		t.Errorf("the backup can be read, or %v", err)
	}
	if info, err := os.Stat(file); err != nil || info.Mode().Perm()&0o077 != 0 {
		t.Errorf("others may read the backup: %v", err)
	}
	s.stop()

	spare := filepath.Join(t.TempDir(), "spare")
	out, err := try(t, passphrase+"\n", "restore", file, "--passphrase-stdin", "--data", spare)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"2 devices", "10.1.2.3", "fixed lease", "localcloud device rekey --host"} {
		if !strings.Contains(out, want) {
			t.Errorf("restore did not say %q but\n%s", want, out)
		}
	}
	again, created, err := keys.OpenIdentity(keysDir(spare))
	if err != nil || created || again.String() != identity.String() {
		t.Errorf("the identity is %v, %v, created %v", again, err, created)
	}

	s = serve(t, spare)
	d := photon(t, s, id, key)
	eventually(t, "the board comes back by itself", d.Online)
	if out := command(t, "device", "list", "--cloud", s.url, "--token", token); !strings.Contains(out, id.String()) {
		t.Errorf("with the old token: %s", out)
	}
	if out := command(t, "relay", "status", "--data", spare); !strings.Contains(out, "/p/porch") || !strings.Contains(out, "relay:get") {
		t.Errorf("the relay of the spare machine has other settings: %s", out)
	}
	onBench.EnterDFU(t)
	command(t, "device", "restore", "--data", spare) // backups of boards came along, with their key
	if !bytes.Equal(onBench.Image(t), memory) {
		t.Error("the board's backup was not the same")
	}
}

func TestABackupIsRefusedWhenItIsNotWholeOrNotYours(t *testing.T) {
	t.Parallel()
	data, _ := newCloud(t)
	file := filepath.Join(t.TempDir(), "cloud.backup")
	if _, err := try(t, passphrase+"\n", "backup", file, "--passphrase-stdin", "--data", data); err != nil {
		t.Fatal(err)
	}
	refused(t, 2, []string{"--passphrase-stdin"}, "backup", file+"2", "--data", data)
	if _, err := try(t, passphrase+"\n", "backup", file, "--passphrase-stdin", "--data", data); err == nil || !strings.Contains(err.Error(), "exists already") {
		t.Errorf("a backup over another: %v", err)
	}
	if _, err := try(t, "short\n", "backup", file+"3", "--passphrase-stdin", "--data", data); exitCode(err) != 2 {
		t.Errorf("a short passphrase: %v", err)
	}
	if _, err := os.Stat(file + "3"); err == nil {
		t.Error("a failed backup left a file")
	}

	whole, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	spare := filepath.Join(t.TempDir(), "spare")
	for what, tt := range map[string]struct {
		passphrase string
		content    []byte
		want       string
	}{
		"another passphrase": {"wrong horse battery", whole, "passphrase"},
		"half of it":         {passphrase, whole[:len(whole)/2], "cut off"},
		"without its end":    {passphrase, whole[:len(whole)-1], "cut off"},
		"a changed byte":     {passphrase, changed(whole, len(whole)-40), "cut off"},
		"nonsense":           {passphrase, []byte("nonsense"), "no backup"},
	} {
		putFile(t, file+"4", tt.content)
		_, err := try(t, tt.passphrase+"\n", "restore", file+"4", "--passphrase-stdin", "--data", spare)
		if err == nil || !strings.Contains(err.Error(), tt.want) || !strings.Contains(err.Error(), "nothing was restored") {
			t.Errorf("%s: %v", what, err)
		}
		if _, err := os.Stat(spare); err == nil {
			t.Errorf("%s: something was restored", what)
		}
	}
	if left, _ := filepath.Glob(filepath.Join(filepath.Dir(spare), ".localcloud*")); len(left) != 0 {
		t.Errorf("left over: %v", left)
	}
	if _, err := try(t, passphrase+"\n", "restore", file, "--passphrase-stdin", "--data", data); err == nil || !strings.Contains(err.Error(), "nothing is overwritten") {
		t.Errorf("over a cloud: %v", err)
	}
}

func changed(b []byte, at int) []byte {
	b = bytes.Clone(b)
	b[at] ^= 1
	return b
}
