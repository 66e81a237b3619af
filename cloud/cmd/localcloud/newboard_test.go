package main

import (
	"bytes"
	"crypto/rsa"
	"crypto/x509"
	"encoding/binary"
	"fmt"
	"net"
	"path/filepath"
	"testing"

	"localcloud/coap/virtual"
	"localcloud/keys"
	"localcloud/keys/dfu/dfutest"
)

// What boards hold when they come from the factory is written down here from device-protocol.md, 6.2, and not taken from package keys.

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
	traces := bytes.Repeat([]byte{0xff}, 16<<10)
	for at := 0; at < len(traces); at += 7 {
		traces[at] = byte(at)
	}
	board.Put(t, 0, traces)
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
