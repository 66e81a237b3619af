package dfutest

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// RealProgramTakes checks that the dfu-util of this machine, which must have no board on it, understands every command
// line that the bench was given: it gets as far as looking for the board.
func (b *Bench) RealProgramTakes(t testing.TB) {
	t.Helper()
	if b.real == "" {
		t.Fatal("dfu-util is not installed; run: make setup")
	}
	calls := b.Calls(t)
	if len(calls) == 0 {
		t.Fatal("dfu-util was never called")
	}
	file := filepath.Join(t.TempDir(), "slot.bin") // ours were removed after the calls
	if err := os.WriteFile(file, make([]byte, 512), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, args := range calls {
		for i := range args {
			if i > 0 && args[i-1] == "-D" {
				args[i] = file
			}
		}
		out, err := exec.CommandContext(t.Context(), b.real, args...).CombinedOutput()
		looked := err != nil && bytes.Contains(out, []byte("No DFU capable USB device available")) && !bytes.Contains(out, []byte("Usage"))
		if listed := err == nil && args[0] == "-l"; !looked && !listed {
			t.Errorf("dfu-util %s: %v\n%s", strings.Join(args, " "), err, out)
		}
	}
}
