package store

import (
	"os"
	"path/filepath"
	"runtime"
	"testing"
)

func TestBacklogIsThereUntilItIsTaken(t *testing.T) {
	b := Backlog(filepath.Join(t.TempDir(), "x.json"))
	for _, text := range []string{"", "one", "two", ""} {
		if err := b.Save([]byte(text)); err != nil {
			t.Fatal(err)
		}
		if got, err := b.Load(); err != nil || string(got) != text {
			t.Errorf("it holds %q, %v; want %q", got, err, text)
		}
		if info, err := os.Stat(string(b)); (err == nil) != (text != "") || err == nil && runtime.GOOS != "windows" && info.Mode().Perm() != 0o600 {
			t.Errorf("with %q the file is %v, %v", text, info, err)
		}
	}
	if err := Backlog(filepath.Join(t.TempDir(), "missing", "x")).Save([]byte("x")); err == nil {
		t.Error("a file in no folder is written")
	}
}
