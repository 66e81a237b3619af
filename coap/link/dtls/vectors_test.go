package dtls

import (
	"bytes"
	"encoding/hex"
	"testing"
)

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// Vectors of the mbed TLS that devices use.
func TestRecordsOfMbedTLS(t *testing.T) {
	master := unhex(t, "66761196b5018a8eda368bb19f28252b1a2c2ac965fa1d6ba9f12c7d28e01e46325156eef206c96839a4fcaa6ca345fe")
	client := unhex(t, "6b00f4fb787fd0c073e7260c564894e02f9ac4ed41a81ee038492a4efd2a1030")
	server := unhex(t, "6b00f4fb6d86a02e633279d2fa78fb9c9e87ffc2adb31833d935355b2dc8f471")
	s := &Session{
		server: true, useCID: true, cid: CID(unhex(t, "c1d0010203040506")), keys: newKeyBlock(master, client, server), limit: noLimit, next: 1,
	}
	device := &Session{useCID: true, cid: s.cid, keys: s.keys, limit: noLimit, next: 1}
	for _, tt := range []struct {
		from, to    *Session
		wire, plain string
	}{
		{device, s, "19fefd0001000000000001c1d0010203040506002000010000000000010108710098bd9d2935863c459cd8f18806c3304e728a35fd", "40001234"},
		{s, device, "17fefd0001000000000001001400010000000000018f7f76f12375da20ce5b6e6c", "60001234"},
		{device, s, "19fefd0001000000000002c1d001020304050600200001000000000002f7894306a4e88ef7e4c5c4a8e52dd525dcea9565175b9bc2", "40001234"},
	} {
		sealed, err := tt.from.Seal(nil, unhex(t, tt.plain))
		if err != nil || hex.EncodeToString(sealed) != tt.wire {
			t.Errorf("sealed %x, %v, want %s", sealed, err, tt.wire)
		}
		if got, err := tt.to.Open(unhex(t, tt.wire)); err != nil || hex.EncodeToString(got) != tt.plain {
			t.Errorf("opened %x, %v, want %s", got, err, tt.plain)
		}
	}
}

// The vectors of mbed TLS and the recordings say that the cipher is the right one.
func TestCCMOpensOnlyWhatItSealed(t *testing.T) {
	key, iv := unhex(t, "404142434445464748494a4b4c4d4e4f"), unhex(t, "10111213")
	explicit := [explicitSize]byte(unhex(t, "1415161718191a1b"))
	for n := range 70 {
		message, additional := bytes.Repeat([]byte{7}, n), bytes.Repeat([]byte{9}, n%23)
		box := newCCM(key, iv)
		b := bytes.Clone(message)
		tag := box.seal(&explicit, b, additional)
		if n > 4 && bytes.Equal(b, message) {
			t.Errorf("%d bytes are not encrypted", n)
		}
		for bit := range 8 * (n + tagSize) {
			c, g := bytes.Clone(b), tag
			if bit < 8*n {
				c[bit/8] ^= 1 << (bit % 8)
			} else {
				g[bit/8-n] ^= 1 << (bit % 8)
			}
			if box.open(&explicit, c, g[:], additional) == nil {
				t.Fatalf("%d bytes with bit %d changed open", n, bit)
			}
		}
		if len(additional) > 0 && box.open(&explicit, bytes.Clone(b), tag[:], additional[1:]) == nil {
			t.Error("other additional data opens")
		}
		if err := box.open(&explicit, b, tag[:], additional); err != nil || !bytes.Equal(b, message) {
			t.Errorf("%d bytes: %v", n, err)
		}
	}
}

func TestTheWindowTakesEachNumberOnce(t *testing.T) {
	var w window
	for _, tt := range []struct {
		number        uint64
		fresh, newest bool
	}{
		{0, true, true}, {0, false, false}, {5, true, true}, {3, true, false}, {3, false, false}, {5, false, false},
		{68, true, true}, {5, false, false}, {6, true, false}, {4, false, false},
		{1 << 20, true, true}, {68, false, false}, {1<<20 - 63, true, false}, {1<<20 - 64, false, false},
		{1<<48 - 1, true, true}, {1 << 20, false, false},
	} {
		if got := w.fresh(tt.number); got != tt.fresh {
			t.Errorf("%d: fresh %v", tt.number, got)
		}
		if tt.fresh {
			if got := w.note(tt.number); got != tt.newest {
				t.Errorf("%d: newest %v", tt.number, got)
			}
		}
	}
}

func TestOpenAndSealAllocateNothing(t *testing.T) {
	r := openRecording(t, "udp-v6.2.0.txt")
	server, device := sessionOf(r, true), sessionOf(r, false)
	message, b := bytes.Repeat([]byte{1}, 200), make([]byte, 0, maxDatagram)
	round := func() {
		sealed, err := device.Seal(b, message)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := server.Open(sealed); err != nil || len(got) != len(message) {
			t.Fatal(err)
		}
	}
	round()
	if n := testing.AllocsPerRun(100, round); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
