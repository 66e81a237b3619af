package recording

import (
	"bytes"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

func TestTCPRecordingsAreReadWhole(t *testing.T) {
	for name, want := range map[string]struct {
		deviceOS       string
		chunks, frames int
	}{
		"tcp-v3.3.1.txt":     {"3.3.1", 109, 106},
		"tcp-v6.2.0.txt":     {"6.2.0", 96, 93},
		"tcp-v3.3.1-ota.txt": {"3.3.1", 53, 50},
		"tcp-v6.2.0-ota.txt": {"6.2.0", 44, 41},
	} {
		r, err := Open(filepath.Join("..", "testdata", "recordings", name))
		if err != nil {
			t.Fatal(err)
		}
		if r.Transport != "tcp" || r.DeviceOS != want.deviceOS || r.DeviceID != "3a0000000000000000000001" {
			t.Errorf("%s: %s %s %s", name, r.Transport, r.DeviceOS, r.DeviceID)
		}
		frames := len(r.PlainFrom(Device)) + len(r.PlainFrom(Server))
		if len(r.Chunks) != want.chunks || frames != want.frames {
			t.Errorf("%s: %d chunks, %d frames", name, len(r.Chunks), frames)
		}
		if device, server := r.WireFrom(Device), r.WireFrom(Server); len(device)+len(server) != want.chunks ||
			len(device[0]) != 256 || len(server[0]) != 40 || len(server[1]) != 384 {
			t.Errorf("%s: %d and %d chunks", name, len(device), len(server))
		}
		s := r.Session
		if !bytes.Equal(s.Credentials, bytes.Join([][]byte{s.AESKey, s.IV, s.Salt}, nil)) || len(s.Credentials) != 40 ||
			!bytes.Equal(s.Credentials, r.Chunk(HandshakeServer).Plain) {
			t.Errorf("%s: credentials %x", name, s.Credentials)
		}
		for _, key := range [][]byte{r.ServerKey, r.DeviceKey} {
			if !bytes.HasPrefix(key, []byte("-----BEGIN RSA PRIVATE KEY-----\n")) || !bytes.HasSuffix(key, []byte("-----\n")) {
				t.Errorf("%s: key %s", name, key)
			}
		}
	}
}

const example = `# A comment.

[recording]
format = 1
transport = dtls
device_os = 3.3.1
device_id = 3a0000000000000000000001

[session]
master_secret = c42b
cid_device_to_server = 8a654aa66f4c4d3e

[keylog]
CLIENT_RANDOM 8632 c42b

[key server-private]
-----BEGIN EC PRIVATE KEY-----
MHcC=
-----END EC PRIVATE KEY-----

[datagram 5]
from = device
ms = 19.007
device_port = 40825
wire = 160f19
record.1 = type=22 epoch=0 seq=2 offset=0 length=2
means.1 = Certificate, a = b
record.2 = type=25 epoch=1 seq=7 offset=2 length=1
inner.2 = 401600
plain.2 = 40
means.2 = Finished

[clienthello 3.3.1]
wire = 16fe
`

func TestDTLSSectionsAreKept(t *testing.T) {
	for _, text := range []string{example, strings.ReplaceAll(example, "\n", "\r\n")} {
		r, err := Parse(strings.NewReader(text))
		if err != nil {
			t.Fatal(err)
		}
		want := []Datagram{{
			Number: 5, From: Device, MS: 19.007, DevicePort: 40825, Wire: []byte{0x16, 0x0f, 0x19},
			Records: []Record{
				{Type: 22, Sequence: 2, Length: 2, Means: "Certificate, a = b"},
				{Type: 25, Epoch: 1, Sequence: 7, Offset: 2, Length: 1, Inner: []byte{0x40, 0x16, 0}, Plain: []byte{0x40}, Means: "Finished"},
			},
		}}
		if !reflect.DeepEqual(r.Datagrams, want) {
			t.Errorf("got %+v", r.Datagrams)
		}
		if !bytes.Equal(r.Session.MasterSecret, []byte{0xc4, 0x2b}) || len(r.Session.CIDDeviceToServer) != 8 || r.Session.Credentials != nil {
			t.Errorf("got %+v", r.Session)
		}
		if want := "-----BEGIN EC PRIVATE KEY-----\nMHcC=\n-----END EC PRIVATE KEY-----\n"; string(r.ServerKey) != want {
			t.Errorf("got %q", r.ServerKey)
		}
		last := r.Sections[len(r.Sections)-1]
		if last.Name != "clienthello" || last.Argument != "3.3.1" || last.Values["wire"] != "16fe" {
			t.Errorf("got %+v", last)
		}
		if keylog := r.Sections[2]; len(keylog.Lines) != 1 || keylog.Lines[0] != "CLIENT_RANDOM 8632 c42b" {
			t.Errorf("got %+v", keylog)
		}
	}
}

func TestDamagedRecordingsAreRefused(t *testing.T) {
	for what, change := range map[string][2]string{
		"odd hex":             {"wire = 160f19", "wire = 160f1"},
		"no number":           {"[datagram 5]", "[datagram five]"},
		"unknown side":        {"from = device", "from = someone"},
		"time that is none":   {"ms = 19.007", "ms = soon"},
		"format 2":            {"format = 1", "format = 2"},
		"no key":              {"wire = 160f19", "160f19"},
		"key twice":           {"device_port = 40825", "device_port = 40825\ndevice_port = 1"},
		"record field":        {"epoch=1", "epoch=one"},
		"before any section":  {"# A comment.", "a = b"},
		"secret that is none": {"master_secret = c42b", "master_secret = x"},
	} {
		text := strings.Replace(example, change[0], change[1], 1)
		if text == example {
			t.Fatalf("%s: nothing changed", what)
		}
		if _, err := Parse(strings.NewReader(text)); err == nil {
			t.Errorf("%s was taken", what)
		}
	}
	if _, err := Parse(strings.NewReader("# nothing\n")); err == nil {
		t.Error("an empty file was taken")
	}
	if _, err := Open(filepath.Join(t.TempDir(), "absent")); err == nil {
		t.Error("an absent file was opened")
	}
}
