package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"localcloud/keys"
	"localcloud/keys/dfu/dfutest"
)

func TestWhatGoesWrongLeavesTheBoardAsItWas(t *testing.T) {
	n := newBoards[2] // three slots can be written: the device's key too, with --new-key
	tests := []struct {
		name  string
		spoil func(t *testing.T, data string, board *dfutest.Board)
		words []string
	}{
		{"what is written is not what is read", func(t *testing.T, _ string, b *dfutest.Board) { b.Fault(t, dfutest.LosesBits) }, []string{"does not hold what was written"}},
		{"a protected board", func(t *testing.T, _ string, b *dfutest.Board) { b.Fault(t, dfutest.Protected) }, []string{"protected"}},
		{"the backup cannot be stored", func(t *testing.T, data string, _ *dfutest.Board) {
			if err := os.WriteFile(filepath.Join(data, "boards"), nil, 0o600); err != nil {
				t.Fatal(err)
			}
		}, []string{"no backup", "nothing was written"}},
		{"the name is taken", func(t *testing.T, data string, _ *dfutest.Board) {
			registerAnother(t, data, "kitchen")
		}, []string{"did not take the board", "holds what it held before"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			board := n.plug(t, dfutest.Install(t))
			data, _ := newCloud(t)
			before := board.Image(t)
			tt.spoil(t, data, board)
			refused(t, 1, tt.words, "device", "rekey", "--new-key", "--host", "10.0.0.1", "--name", "kitchen", "--data", data)
			if board.Fault(t, dfutest.NoFault); tt.name != "what is written is not what is read" && !bytes.Equal(board.Image(t), before) {
				t.Errorf("the memory differs at %v", differences(board.Image(t), before))
			}
			for _, d := range into[[]listed](t, "device", "list", "--data", data) {
				if d.ID == n.id {
					t.Errorf("it was registered: %+v", d)
				}
			}
		})
	}
}

func registerAnother(t *testing.T, data, name string) {
	t.Helper()
	public, err := keys.NewRSAPublicKey(&newKey(t).PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "other.pem")
	if err := os.WriteFile(file, public.PEM(), 0o600); err != nil {
		t.Fatal(err)
	}
	command(t, "device", "add", randomID().String(), "--key", file, "--name", name, "--data", data)
}

// Unplugged at each of its writes: what is half written is said with its backup, the same command goes on, and restore goes all the way back.
func TestABoardThatIsUnpluggedWhileWrittenCanGoOnAndBack(t *testing.T) {
	n := newBoards[2]
	for write := 1; write <= 3; write++ {
		t.Run(fmt.Sprint(write), func(t *testing.T) {
			board := n.plug(t, dfutest.Install(t))
			data, _ := newCloud(t)
			before := board.Image(t)
			board.UnplugAfterWrites(t, write)
			refused(t, 1, []string{"half changed", "backup", "localcloud device restore"},
				"device", "rekey", "--new-key", "--host", "10.0.0.1", "--data", data)
			if devices := into[[]listed](t, "device", "list", "--data", data); len(devices) != 0 {
				t.Errorf("it was registered: %v", devices)
			}
			board.EnterDFU(t)
			if out := command(t, "device", "rekey", "--host", "10.0.0.1", "--data", data); !strings.Contains(out, "registered") {
				t.Errorf("it did not go on: %s", out)
			}
			board.EnterDFU(t)
			command(t, "device", "restore", "--data", data)
			if !bytes.Equal(board.Image(t), before) {
				t.Errorf("after restore the memory differs at %v", differences(board.Image(t), before))
			}
		})
	}
}

func TestWhatABoardNeedsIsSaidBeforeAnythingIsDone(t *testing.T) {
	data, _ := newCloud(t)
	bench := dfutest.Install(t)
	refused(t, 1, []string{"no board", "blinks yellow"}, "device", "rekey", "--host", "10.0.0.1", "--data", data)
	old := bench.Plug(t, "photon", "00000000010C", "1-1")
	refused(t, 2, []string{"--id", "localcloud device identify"}, "device", "rekey", "--host", "10.0.0.1", "--data", data)
	command(t, "device", "rekey", "--id", "3f0034000b51343334363138", "--host", "10.0.0.1", "--data", data)
	old.EnterDFU(t)
	newBoards[2].plug(t, bench)
	refused(t, 1, []string{"more than one board", newBoards[2].id}, "device", "rekey", "--host", "10.0.0.1", "--data", data)
	command(t, "device", "restore", "--dry-run", "3f0034000b51343334363138", "--data", data) // the one that does not tell
	refused(t, 2, []string{"--for"}, "device", "rekey", "--file", "x", "--data", data)
	refused(t, 2, []string{"not an IPv4 address"}, "device", "rekey", "--id", newBoards[2].id, "--host", "10.0.0", "--data", data)
}
