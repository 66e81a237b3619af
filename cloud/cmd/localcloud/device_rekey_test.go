package main

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"localcloud/cloud/client"
	"localcloud/keys/dfu/dfutest"
)

func TestBoardsAreConnectedAndGivenBack(t *testing.T) {
	for _, n := range newBoards {
		t.Run(n.platform, func(t *testing.T) {
			bench := dfutest.Install(t)
			board := n.plug(t, bench)
			data, identity := newCloud(t)
			before := board.Image(t)
			port := uint16(5684)
			if n.rsa {
				port = 5683
			}

			out := command(t, "device", "rekey", "--host", "192.168.1.10", "--dry-run", "--data", data)
			if !bytes.Equal(board.Image(t), before) || !board.InDFU() || !strings.Contains(out, "Nothing was changed") {
				t.Errorf("--dry-run did something; it printed %s", out)
			}
			if kept := keptFiles(t, data); len(kept) != 0 {
				t.Errorf("--dry-run left %v", kept)
			}

			out = command(t, "device", "connect", "--host", "192.168.1.10", "--name", "kitchen", "--data", data)
			if want := n.wanted(before, identity, [4]byte{192, 168, 1, 10}, port); !bytes.Equal(board.Image(t), want) {
				t.Errorf("the memory differs from what is wanted at %v", differences(board.Image(t), want))
			}
			if board.InDFU() {
				t.Error("the board was not restarted")
			}
			for _, want := range []string{n.platform + " " + n.id, "key of another server", "device.spark.io", "backup", "read back and compared", "registered as kitchen"} {
				if !strings.Contains(out, want) {
					t.Errorf("the command did not say %q but\n%s", want, out)
				}
			}
			device := into[struct{ ID, Owner, KeyFingerprint string }](t, "device", "show", "kitchen", "--data", data)
			if device.ID != n.id || device.Owner != "ann" {
				t.Errorf("the device is %+v", device)
			}

			board.EnterDFU(t)
			command(t, "device", "rekey", "--host", "192.168.1.11", "--data", data) // once more, elsewhere
			board.EnterDFU(t)
			if out := command(t, "device", "restore", "--list", "--data", data); strings.Count(out, n.id) != 2 || !strings.Contains(out, "device.spark.io") {
				t.Errorf("the backups are\n%s", out)
			}
			if kept := into[[]keptBackup](t, "device", "restore", "--list", "--data", data); len(kept) != 2 || kept[0].ID != n.id || kept[0].Platform != n.platform {
				t.Errorf("the backups as JSON are %+v", kept)
			}
			command(t, "device", "restore", "--data", data)
			if !bytes.Equal(board.Image(t), before) {
				t.Errorf("after restore the memory differs at %v", differences(board.Image(t), before))
			}
			if board.InDFU() {
				t.Error("the board was not restarted after restore")
			}
			bench.RealProgramTakes(t)
		})
	}
}

func TestABoardThatWasConnectedComesOnline(t *testing.T) {
	bench := dfutest.Install(t)
	n := newBoards[0]
	board := n.plug(t, bench)
	s, _ := serveOwned(t)

	// The board restarts when it has left DFU mode.
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		often := time.NewTicker(10 * time.Millisecond)
		defer often.Stop()
		for board.InDFU() && ctx.Err() == nil {
			<-often.C
		}
		if ctx.Err() == nil {
			d := bootPhoton(t, board.Image(t), n.id)
			d.Function("led", func(string) int32 { return 1 })
			d.Run(ctx)
		}
	}()
	t.Cleanup(func() { cancel(); <-ended })

	out := command(t, "device", "rekey", "--host", "127.0.0.1", "--name", "kitchen", "--wait", "50s", "--data", s.data)
	for _, want := range []string{"only a virtual device", "Hello", "1 functions", "kitchen is online"} {
		if !strings.Contains(out, want) {
			t.Errorf("the command did not say %q but\n%s", want, out)
		}
	}
	if out := command(t, "device", "call", "kitchen", "led", "--data", s.data); out != "1\n" {
		t.Errorf("the function answered %q", out)
	}
	bench.RealProgramTakes(t)
}

// From another machine: all that it knows of the cloud is its address and a token.
func TestABoardIsConnectedAndGivenBackFromAnotherMachine(t *testing.T) {
	bench := dfutest.Install(t)
	n := newBoards[0]
	board := n.plug(t, bench)
	s, token := serveOwned(t)
	before := board.Image(t)

	command(t, "device", "rekey", "--cloud", s.url, "--token", token, "--wait", "0s")
	blob := board.Image(t)[2082+384:]
	if got := fmt.Sprintf("%s:%d", net.IP(blob[2:6]), binary.BigEndian.Uint16(blob[66:])); got != s.TCP {
		t.Errorf("the board was given %s, the cloud listens on %s", got, s.TCP)
	}
	sealed := keptFiles(t, s.data)
	if len(sealed) != 2 { // the backup and what was given
		t.Fatalf("the cloud keeps %v", sealed)
	}
	for _, file := range sealed {
		if text, err := os.ReadFile(file); err != nil || bytes.Contains(text, before[34:100]) {
			t.Errorf("%s holds the private key, or %v", file, err)
		}
	}
	board.EnterDFU(t)
	command(t, "device", "restore", "--cloud", s.url, "--token", token)
	if !bytes.Equal(board.Image(t), before) {
		t.Error("after restore the memory differs")
	}
}

// A user who is no administrator connects a board that nobody has, and gives back what they stored, and nothing else.
func TestAUserConnectsAndGivesBackABoardOfTheirOwn(t *testing.T) {
	bench := dfutest.Install(t)
	n := newBoards[0]
	board := n.plug(t, bench)
	data, _ := newCloud(t) // of ann
	bob, eve := addUser(t, data, "bob"), addUser(t, data, "eve")
	s := serve(t, data)
	before := board.Image(t)
	command(t, "device", "rekey", "--cloud", s.url, "--token", bob, "--name", "kitchen", "--wait", "0s")
	if d := into[client.Device](t, "device", "show", "kitchen", "--cloud", s.url, "--token", bob); d.Owner != "bob" || d.ID.String() != n.id {
		t.Errorf("it is %+v", d)
	}
	board.EnterDFU(t)
	if _, err := try(t, "", "device", "rekey", "--cloud", s.url, "--token", eve, "--wait", "0s"); err == nil {
		t.Error("somebody else re-keyed it")
	}
	if out := command(t, "device", "restore", "--list", "--cloud", s.url, "--token", eve); strings.Contains(out, n.id) {
		t.Errorf("somebody else sees its backups: %s", out)
	}
	if out := command(t, "device", "doctor", "kitchen", "--cloud", s.url, "--token", bob); !strings.Contains(out, "registered and never came") {
		t.Errorf("the doctor says %s", out)
	}

	// Who gets the board later does not get the key that it had before.
	kept := into[[]keptBackup](t, "device", "restore", "--list", "--data", s.data)
	command(t, "device", "remove", n.id, "--data", s.data)
	command(t, "device", "rekey", "--cloud", s.url, "--token", eve, "--wait", "0s")
	board.EnterDFU(t)
	if _, err := try(t, "", "device", "restore", "--backup", kept[0].Backup, "--cloud", s.url, "--token", eve); err == nil {
		t.Error("eve got bob's backup")
	}
	command(t, "device", "remove", n.id, "--data", s.data)
	command(t, "device", "rekey", "--cloud", s.url, "--token", bob, "--wait", "0s")
	board.EnterDFU(t)
	command(t, "device", "restore", "--backup", kept[0].Backup, "--cloud", s.url, "--token", bob)
	if !bytes.Equal(board.Image(t), before) {
		t.Error("after restore the memory differs")
	}
}

func TestManyBoardsAreConnectedOneAfterAnother(t *testing.T) {
	bench := dfutest.Install(t)
	data, _ := newCloud(t)
	names := filepath.Join(t.TempDir(), "class.csv")
	text := "id,name,user\n# the board of the teacher\n" + newBoards[2].id + ",teacher\n,pupil-1\n,pupil-2\n"
	if err := os.WriteFile(names, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	b := begin(t, nil, "device", "rekey", "--many", "--names", names, "--host", "10.0.0.1", "--data", data)
	b.line()
	wait := func(want string) {
		t.Helper()
		for !strings.Contains(b.line(), want) {
		}
	}
	newBoards[0].plug(t, bench)
	wait("registered as pupil-1")
	newBoards[2].plug(t, bench)
	wait("registered as teacher")
	newBoards[3].plug(t, bench)
	wait("registered as pupil-2")
	wait("restarts")
	wait("Start the cloud") // the last board is done
	b.drainOutput()
	if err := b.stop(); err != nil {
		t.Errorf("Ctrl-C: %v", err)
	}
	devices := into[[]listed](t, "device", "list", "--data", data)
	var got []string
	for _, d := range devices {
		got = append(got, d.Name)
	}
	slices.Sort(got)
	if !slices.Equal(got, []string{"pupil-1", "pupil-2", "teacher"}) {
		t.Errorf("the devices are %v", got)
	}
}

func TestFilesForABoardElsewhere(t *testing.T) {
	t.Parallel()
	data, _ := newCloud(t)
	dir := filepath.Join(t.TempDir(), "files")
	out := command(t, "device", "rekey", "--file", dir, "--for", "photon", "--host", "192.168.1.10", "--new-key",
		"--id", newBoards[0].id, "--name", "far", "--data", data)
	for _, want := range []string{"dfu-util -d 2b04:d006 -a 1 -s 2082 -D ", "dfu-util -d 2b04:d006 -a 1 -s 34 -D ", "particle keys server ", "particle keys load "} {
		if !strings.Contains(out, want) {
			t.Errorf("the command did not say %q but\n%s", want, out)
		}
	}
	image := make([]byte, 4096)
	server, err := os.ReadFile(filepath.Join(dir, "server.der"))
	if err != nil {
		t.Fatal(err)
	}
	device, err := os.ReadFile(filepath.Join(dir, "device.der"))
	if err != nil {
		t.Fatal(err)
	}
	copy(image[2082:], server)
	copy(image[34:], device)
	bootPhoton(t, image, newBoards[0].id) // can read all of it
	if info, err := os.Stat(filepath.Join(dir, "device.der")); err != nil || info.Mode().Perm()&0o077 != 0 {
		t.Errorf("others may read the private key: %v", err)
	}
	if d := into[listed](t, "device", "show", "far", "--data", data); d.ID != newBoards[0].id {
		t.Errorf("registered was %+v", d)
	}
	refused(t, 1, []string{"exists", "--file"}, "device", "rekey", "--file", dir, "--for", "photon", "--host", "192.168.1.10", "--data", data)
}

func TestTheUdevRuleIsPrinted(t *testing.T) {
	t.Parallel()
	if out := command(t, "device", "udev"); !strings.Contains(out, `ATTRS{idProduct}=="d006"`) {
		t.Errorf("it printed %s", out)
	}
}
