package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"localcloud/keys"
)

func TestASlotFileForABoardIsExported(t *testing.T) {
	t.Parallel()
	data := t.TempDir()
	identity, _, err := keys.OpenIdentity(keysDir(data))
	if err != nil {
		t.Fatal(err)
	}
	ff := func(n int) []byte { return bytes.Repeat([]byte{0xff}, n) }
	join := func(parts ...[]byte) []byte { return bytes.Join(parts, nil) }
	tcp, udp := identity.TCPPublicDER(), identity.UDPPublicDER()
	tests := []struct {
		args []string
		want []byte
	}{
		{[]string{"--for", "photon", "--host", "192.168.1.10"},
			join(tcp, ff(90), []byte{0, 4, 192, 168, 1, 10}, ff(60), []byte{0x16, 0x33}, ff(60))},
		{[]string{"--for", "photon", "--host", "192.168.1.10", "--port", "9000", "--der"},
			join(tcp, ff(90), []byte{0, 4, 192, 168, 1, 10}, ff(60), []byte{0x23, 0x28}, ff(60))},
		{[]string{"--for", "Photon 2", "--host", "pi.home"},
			join(udp, ff(101), []byte("\x01\x07pi.home"), ff(57), []byte{0x16, 0x34}, ff(60))},
		{[]string{"--for", "core", "--host", "10.1.2.3"},
			join(tcp, ff(90), []byte{0, 4, 10, 1, 2, 3}, ff(60), []byte{0x16, 0x33}, ff(1596))},
	}
	for _, tt := range tests {
		got := command(t, append([]string{"keys", "export", "--data", data}, tt.args...)...)
		if !bytes.Equal([]byte(got), tt.want) {
			t.Errorf("%v:\n got %x\nwant %x", tt.args, got, tt.want)
		}
	}

	file := filepath.Join(t.TempDir(), "slot.bin")
	command(t, "keys", "export", "--for", "argon", "--host", "192.168.1.10", "--out", file, "--data", data)
	if b, err := os.ReadFile(file); err != nil || len(b) != 320 {
		t.Errorf("the file has %d bytes, %v", len(b), err)
	}

	refused(t, 2, []string{"choose one"}, "keys", "export", "--der", "--pem", "--data", data)
	refused(t, 2, []string{"--for"}, "keys", "export", "--host", "10.0.0.1", "--data", data)
	refused(t, 2, []string{"photon", "argon"}, "keys", "export", "--for", "toaster", "--host", "10.0.0.1", "--data", data)
	refused(t, 2, []string{"not an IPv4 address"}, "keys", "export", "--for", "photon", "--host", "10.0.0", "--data", data)
	refused(t, 2, []string{"does not use UDP"}, "keys", "export", "--udp", "--for", "photon", "--host", "10.0.0.1", "--data", data)
	if out := command(t, "keys", "export", "--pem", "--for", "argon", "--data", data); out != string(identity.UDPPublicPEM()) {
		t.Errorf("with --pem for an Argon: %q", out)
	}
	if out := command(t, "keys", "export", "--pem", "--data", data); !strings.HasPrefix(out, "-----BEGIN PUBLIC KEY") {
		t.Errorf("with --pem: %q", out)
	}
}

// A cloud that listens on another port tells its boards so.
func TestASlotFileHoldsThePortOfTheRunningCloud(t *testing.T) {
	t.Parallel()
	s := serve(t, t.TempDir())
	photon, _ := keys.ParsePlatform("photon")
	slot, err := photon.Layout().ParseServerSlot([]byte(command(t, "keys", "export", "--for", "photon", "--host", "127.0.0.1", "--data", s.data)))
	if err != nil {
		t.Fatal(err)
	}
	if got := slot.Address.String(); got != s.TCP {
		t.Errorf("the slot says %s, the cloud listens on %s", got, s.TCP)
	}
}

func TestWarningsOfAnAddress(t *testing.T) {
	tests := []struct{ platform, host, want string }{
		{"photon", "192.168.1.10", ""},
		{"photon", "127.0.0.1", "the board itself"},
		{"boron", "192.168.1.10", "cellular"},
		{"boron", "203.0.113.5", ""},
		{"argon", "pi.local", ".local"},
		{"argon", "pi.home", ""},
	}
	for _, tt := range tests {
		p, _ := keys.ParsePlatform(tt.platform)
		got := strings.Join(addressWarnings(p, keys.Address{Host: tt.host}), " ")
		if (tt.want == "") != (got == "") || !strings.Contains(got, tt.want) {
			t.Errorf("%s at %s: %q", tt.platform, tt.host, got)
		}
	}
}
