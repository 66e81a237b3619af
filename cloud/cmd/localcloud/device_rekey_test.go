package main

import (
	"bytes"
	"context"
	"crypto/rsa"
	"crypto/x509"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"localcloud/cloud/client"
	"localcloud/coap/virtual"
	"localcloud/keys"
	"localcloud/keys/dfu/dfutest"
)

// What boards hold when they come from the factory is written down here from device-protocol.md, 6.2, and not taken from package keys.

// otherCloud is the identity of the cloud that boards knew before. Making it takes long.
var otherCloud = sync.OnceValue(func() keys.Identity {
	id, err := keys.GenerateIdentity()
	if err != nil {
		panic(err)
	}
	return id
})

// ownKeys are the key files of the cloud of all tests here.
var ownKeys = sync.OnceValue(func() map[string][]byte {
	dir, err := os.MkdirTemp("", "keys-")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	if _, _, err := keys.OpenIdentity(dir); err != nil {
		panic(err)
	}
	files := map[string][]byte{}
	for _, name := range []string{"server-rsa.pem", "server-ec.pem"} {
		if files[name], err = os.ReadFile(filepath.Join(dir, name)); err != nil {
			panic(err)
		}
	}
	return files
})

// newCloud returns the data directory of a cloud with an owner, and its identity.
func newCloud(t *testing.T) (data string, identity keys.Identity) {
	t.Helper()
	data = t.TempDir()
	for name, text := range ownKeys() {
		if err := errors.Join(os.MkdirAll(keysDir(data), 0o700), os.WriteFile(filepath.Join(keysDir(data), name), text, 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	addUser(t, data, "ann")
	identity, _, err := keys.OpenIdentity(keysDir(data))
	if err != nil {
		t.Fatal(err)
	}
	return data, identity
}

// newBoard is a board of a platform that knows another cloud, with a key of its own, on the bench.
type newBoard struct {
	platform, id      string
	server, device    int // where the slots begin
	hostAt            int // of the address blob, from the start of the server slot
	size              int // of the server slot
	rsa               bool
	setupDone         bool // the board has the mark
	electronTransport bool // the board can be switched to TCP
}

var newBoards = []newBoard{
	{platform: "photon", id: "3f0034000b51343334363138", server: 2082, device: 34, hostAt: 384, size: 512, rsa: true},
	{platform: "electron", id: "2b0049000851363136363935", server: 3298, device: 3106, hostAt: 192, size: 320, electronTransport: true},
	{platform: "argon", id: "e00fce6814ab7c2f5e6d9001", server: 3298, device: 3106, hostAt: 192, size: 320, setupDone: true},
	{platform: "p2", id: "0a10aced202194944a00c11c", server: 3298, device: 3106, hostAt: 192, size: 320, setupDone: true},
}

// plug puts the board on the bench: another cloud's key, a key of its own, and traces in between that must stay.
func (n newBoard) plug(t *testing.T, bench *dfutest.Bench) *dfutest.Board {
	t.Helper()
	other := otherCloud()
	board := bench.Lay(t, n.platform, n.id, "1-"+fmt.Sprint(len(n.platform)))
	for at := 0; at < 16<<10; at += 7 {
		board.Put(t, at, []byte{byte(at)})
	}
	key, server := other.UDPPublicDER(), bytes.Repeat([]byte{0xff}, n.size)
	device := n.deviceDER(t)
	if n.rsa {
		key = other.TCPPublicDER()
	}
	copy(server, key)
	copy(server[n.hostAt:], "\x01\x0fdevice.spark.io")
	board.Put(t, n.server, server)
	board.Put(t, n.device, append(device, bytes.Repeat([]byte{0xff}, 16)...))
	if n.electronTransport {
		board.Put(t, 2977, []byte{0xff})
	}
	if n.setupDone {
		board.Put(t, 8134, []byte{0xff})
	}
	board.EnterDFU(t)
	return board
}

func (n newBoard) deviceDER(t *testing.T) []byte {
	t.Helper()
	if n.rsa {
		return x509.MarshalPKCS1PrivateKey(newKey(t))
	}
	photon2, _ := keys.ParsePlatform("p2")
	key, err := photon2.Layout().GenerateDeviceKey()
	if err != nil {
		t.Fatal(err)
	}
	slot, err := photon2.Layout().AppendDeviceSlot(nil, key)
	if err != nil {
		t.Fatal(err)
	}
	return slot[:121]
}

// wanted is the whole memory afterwards.
func (n newBoard) wanted(before []byte, identity keys.Identity, ip [4]byte, port uint16) []byte {
	after := bytes.Clone(before)
	key := identity.UDPPublicDER()
	if n.rsa {
		key = identity.TCPPublicDER()
	}
	slot := bytes.Repeat([]byte{0xff}, n.size)
	copy(slot, key)
	copy(slot[n.hostAt:], []byte{0, 4, ip[0], ip[1], ip[2], ip[3]})
	binary.BigEndian.PutUint16(slot[n.hostAt+66:], port)
	copy(after[n.server:], slot)
	if n.setupDone {
		after[8134] = 1
	}
	return after
}

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

// keptFiles are the files of backups.
func keptFiles(t *testing.T, data string) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(data, "boards", "*", "*"))
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// differences are the first places where two images differ.
func differences(a, b []byte) (at []int) {
	for i := range a {
		if a[i] != b[i] && len(at) < 8 {
			at = append(at, i)
		}
	}
	return at
}

// A virtual Photon that boots from the memory which the command left: it takes the server's key, the address
// and its own key from there, by the offsets that Device OS reads.
func bootPhoton(t *testing.T, image []byte, id string) *virtual.Device {
	t.Helper()
	server, err := x509.ParsePKIXPublicKey(image[2082 : 2082+294])
	if err != nil {
		t.Fatalf("the board cannot read its server key: %v", err)
	}
	length := int(binary.BigEndian.Uint16(image[34+2:])) + 4
	key, err := x509.ParsePKCS1PrivateKey(image[34 : 34+length])
	if err != nil {
		t.Fatalf("the board cannot read its own key: %v", err)
	}
	blob := image[2082+384:]
	if blob[0] != 0 || blob[1] != 4 {
		t.Fatalf("the board finds no address but % x", blob[:6])
	}
	address := net.JoinHostPort(net.IP(blob[2:6]).String(), fmt.Sprint(binary.BigEndian.Uint16(blob[66:])))
	parsed, err := keys.ParseDeviceID(id)
	if err != nil {
		t.Fatal(err)
	}
	return virtual.New(virtual.Config{ID: parsed, Key: key, ServerKey: server.(*rsa.PublicKey), Dial: dialTCP(address), Reconnect: true})
}

func TestABoardThatWasConnectedComesOnline(t *testing.T) {
	bench := dfutest.Install(t)
	n := newBoards[0]
	board := n.plug(t, bench)
	s := serve(t, t.TempDir())
	addUser(t, s.data, "ann")

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
	s := serve(t, t.TempDir())
	token := addUser(t, s.data, "ann")
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
	if out := command(t, "device", "udev"); !strings.Contains(out, `ATTRS{idProduct}=="d006"`) {
		t.Errorf("it printed %s", out)
	}
}
