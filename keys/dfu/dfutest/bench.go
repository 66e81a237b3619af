// Package dfutest is a bench with boards on it: a program that takes the arguments of dfu-util and does what a board in
// DFU mode would do, with the memory of each board in a file. A test binary becomes that program when it is called
// dfu-util: see [Install] and [Main].
//
// It is stricter than dfu-util: an argument that none of our calls needs is refused.
package dfutest

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"localcloud/keys"
)

// program is what the stand-in is called.
const program = "dfu-util"

// directory is the environment variable that names the bench.
const directory = "DFUTEST_BENCH"

// Bench is a directory with one subdirectory for each board.
type Bench struct {
	dir  string
	real string // where the machine's own dfu-util is; empty: nowhere
}

// Board is a board on the bench.
type Board struct {
	Platform string `json:"platform"`
	Serial   string `json:"serial"`
	Path     string `json:"path"`

	dir string
}

// What can be wrong with a board: the content of its file "fault".
const (
	NoFault      = ""
	NoPermission = "permission" // the user may not open it
	Protected    = "protected"  // the boot loader refuses reads and writes
	FirstRead    = "first-read" // the first read fails, as boards do now and then
	LosesBits    = "loses-bits" // what is written is not what is read
	StaysInDFU   = "stays"      // asks to leave are ignored
	UnplugAfter  = "unplug-after-"
)

// Size of a board's memory file: 16 kB of DCT are shown; a Core's external flash needs less.
const imageSize = 16 << 10

// Install makes the running test binary the dfu-util of the test's PATH, over an empty bench. The binary's TestMain
// has to call [Main].
func Install(t testing.TB) *Bench {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	bin, name := t.TempDir(), program
	if runtime.GOOS == "windows" {
		name += ".exe"
	}
	if err := os.Symlink(self, filepath.Join(bin, name)); err != nil {
		t.Fatal(err)
	}
	b := &Bench{dir: t.TempDir()}
	if path, err := exec.LookPath(program); err == nil {
		b.real = path
	}
	t.Setenv("PATH", bin+string(os.PathListSeparator)+os.Getenv("PATH"))
	t.Setenv(directory, b.dir)
	return b
}

// Main does what dfu-util does and ends the process, if this process was started under that name.
func Main() {
	name := strings.TrimSuffix(filepath.Base(os.Args[0]), ".exe")
	if dir := os.Getenv(directory); name == program && dir != "" {
		os.Exit(run(&Bench{dir: dir}, os.Args[1:], os.Stdout, os.Stderr))
	}
}

// Plug puts a board into DFU mode on the bench, its memory all FF.
func (b *Bench) Plug(t testing.TB, platform, serial, path string) *Board {
	t.Helper()
	board := b.Lay(t, platform, serial, path)
	board.EnterDFU(t)
	return board
}

// Lay is Plug for a board that is not plugged in yet: give it its memory, then let it EnterDFU.
func (b *Bench) Lay(t testing.TB, platform, serial, path string) *Board {
	t.Helper()
	board := &Board{Platform: platform, Serial: serial, Path: path, dir: filepath.Join(b.dir, path)}
	if _, err := keys.ParsePlatform(platform); err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(board)
	if err != nil {
		t.Fatal(err)
	}
	err = errors.Join(
		os.Mkdir(board.dir, 0o700),
		os.WriteFile(filepath.Join(board.dir, "board.json"), text, 0o600),
		os.WriteFile(board.image(), []byte(strings.Repeat("\xff", imageSize)), 0o600),
		board.set("mode", "unplugged"),
	)
	if err != nil {
		t.Fatal(err)
	}
	return board
}

// boards returns those that are in DFU mode.
func (b *Bench) boards() (boards []*Board) {
	found, _ := filepath.Glob(filepath.Join(b.dir, "*", "board.json"))
	for _, file := range found {
		text, err := os.ReadFile(file)
		board := &Board{dir: filepath.Dir(file)}
		if err == nil && json.Unmarshal(text, board) == nil && board.get("mode") == "dfu" {
			boards = append(boards, board)
		}
	}
	return boards
}

// Calls returns the arguments of every call so far.
func (b *Bench) Calls(t testing.TB) (calls [][]string) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(b.dir, "calls"))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		var args []string
		if err := json.Unmarshal([]byte(line), &args); err != nil {
			t.Fatal(err)
		}
		calls = append(calls, args)
	}
	return calls
}

func (b *Bench) note(args []string) error {
	f, err := os.OpenFile(filepath.Join(b.dir, "calls"), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	return errors.Join(json.NewEncoder(f).Encode(args), f.Close())
}

func (b *Board) image() string { return filepath.Join(b.dir, "alt1.bin") }

// Image returns all of the board's memory.
func (b *Board) Image(t testing.TB) []byte {
	t.Helper()
	image, err := os.ReadFile(b.image())
	if err != nil {
		t.Fatal(err)
	}
	return image
}

// Put writes into the board's memory.
func (b *Board) Put(t testing.TB, address int, data []byte) {
	t.Helper()
	image := b.Image(t)
	copy(image[address:], data)
	if err := os.WriteFile(b.image(), image, 0o600); err != nil {
		t.Fatal(err)
	}
}

// InDFU reports whether the board is in DFU mode still.
func (b *Board) InDFU() bool { return b.get("mode") == "dfu" }

// EnterDFU puts the board into DFU mode again.
func (b *Board) EnterDFU(t testing.TB) { b.mustSet(t, "mode", "dfu") }

// Fault gives the board a fault, or takes it away with NoFault.
func (b *Board) Fault(t testing.TB, fault string) { b.mustSet(t, "fault", fault) }

// UnplugAfterWrites makes the board vanish in the middle of its nth write, counted from 1.
func (b *Board) UnplugAfterWrites(t testing.TB, n int) {
	b.Fault(t, fmt.Sprint(UnplugAfter, n))
}

func (b *Board) mustSet(t testing.TB, name, value string) {
	t.Helper()
	if err := b.set(name, value); err != nil {
		t.Fatal(err)
	}
}

func (b *Board) set(name, value string) error {
	return os.WriteFile(filepath.Join(b.dir, name), []byte(value), 0o600)
}

func (b *Board) get(name string) string {
	text, _ := os.ReadFile(filepath.Join(b.dir, name))
	return string(text)
}
