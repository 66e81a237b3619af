package listening

import (
	"errors"
	"io"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"localcloud/keys"
	"localcloud/keys/listening/listeningtest"
)

// wire is one end of a serial line in memory.
type wire struct {
	in, out chan byte
	timeout time.Duration // of Read; 0: none
	over    chan struct{}
	once    *sync.Once
}

func newWires() (a, b *wire) {
	one, two, over, once := make(chan byte, 4096), make(chan byte, 4096), make(chan struct{}), &sync.Once{}
	return &wire{in: one, out: two, over: over, once: once}, &wire{in: two, out: one, over: over, once: once}
}

func (w *wire) SetReadTimeout(d time.Duration) error { w.timeout = d; return nil }

func (w *wire) Close() error {
	w.once.Do(func() { close(w.over) })
	return nil
}

func (w *wire) Write(b []byte) (int, error) {
	for i, c := range b {
		select {
		case w.out <- c:
		case <-w.over:
			return i, io.ErrClosedPipe
		}
	}
	return len(b), nil
}

func (w *wire) Read(b []byte) (n int, err error) {
	var late <-chan time.Time
	if w.timeout > 0 {
		late = time.After(w.timeout)
	}
	select {
	case c := <-w.in:
		b[0] = c
		return 1, nil
	case <-late:
		return 0, nil
	case <-w.over:
		return 0, io.EOF
	}
}

// with runs f with a console of a board, in virtual time, and returns what the board was told.
func with(t *testing.T, b *listeningtest.Board, f func(t *testing.T, c *Console)) (saved []listeningtest.Saved) {
	synctest.Test(t, func(t *testing.T) {
		here, there := newWires()
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			defer there.Close()
			_ = b.Serve(there)
		}()
		c := New(here)
		f(t, c)
		c.Close()
		<-ended
	})
	return b.Saved
}

const photonID = "3f0034000b51343334363138"

func TestBoardsOfAllKindsAreIdentified(t *testing.T) {
	id := func(hex string) keys.DeviceID {
		id, err := keys.ParseDeviceID(hex)
		if err != nil {
			t.Fatal(err)
		}
		return id
	}
	tests := []struct {
		name  string
		board listeningtest.Board
		want  Identity
	}{
		{"Photon", listeningtest.Board{ID: photonID, DeviceOS: "3.3.1", MAC: "6c:0b:84:00:11:22"}, Identity{ID: id(photonID), DeviceOS: "3.3.1", MAC: "6c:0b:84:00:11:22"}},
		{"Core", listeningtest.Board{ID: photonID, Core: true, DeviceOS: "1.4.4", MAC: "08:00:28:00:11:22"}, Identity{ID: id(photonID), DeviceOS: "1.4.4", MAC: "08:00:28:00:11:22"}},
		{"Boron", listeningtest.Board{ID: "e00fce6814ab7c2f5e6d9001", DeviceOS: "6.2.0", MAC: "00:00:00:00:00:00", Properties: [][2]string{
			{"Device Secret", "ABCDEFGHIJKLMNO"}, {"Serial Number", "B40HAB000000001"}, {"Cell Radio Version", "L0.0.00.00.05.08"}, {"IMEI", "353500000000001"}, {"ICCID", "89014103\x1b[31m"},
		}}, Identity{ID: id("e00fce6814ab7c2f5e6d9001"), DeviceOS: "6.2.0", IMEI: "353500000000001", ICCID: "89014103[31m", Serial: "B40HAB000000001", Modem: "L0.0.00.00.05.08"}},
		{"one whose program printed before", listeningtest.Board{ID: photonID, DeviceOS: "2.3.1", Chatter: "temperature 21\r\n"}, Identity{ID: id(photonID), DeviceOS: "2.3.1"}},
	}
	for _, tt := range tests {
		with(t, &tt.board, func(t *testing.T, c *Console) {
			if got, err := c.Identify(t.Context()); err != nil || got != tt.want {
				t.Errorf("%s: %+v, %v", tt.name, got, err)
			}
		})
	}
}

func TestABoardThatIsNotListeningIsTold(t *testing.T) {
	for _, b := range []listeningtest.Board{{ID: photonID, Silent: true}, {ID: photonID, Silent: true, Chatter: strings.Repeat("noise ", 5000)}} {
		with(t, &b, func(t *testing.T, c *Console) {
			if _, err := c.Identify(t.Context()); !errors.Is(err, ErrSilent) {
				t.Errorf("Identify: %v", err)
			}
			if _, err := c.SetWiFi(t.Context(), Network{SSID: "home", Password: "correct horse"}); !errors.Is(err, ErrSilent) || !strings.Contains(err.Error(), "blinks dark blue") {
				t.Errorf("SetWiFi: %v", err)
			}
		})
	}
	cellular := listeningtest.Board{ID: "e00fce6814ab7c2f5e6d9001", Properties: [][2]string{{"IMEI", "1"}}}
	with(t, &cellular, func(t *testing.T, c *Console) {
		if _, err := c.SetWiFi(t.Context(), Network{SSID: "home"}); !errors.Is(err, ErrSilent) {
			t.Errorf("without Wi-Fi: %v", err)
		}
	})
}

func TestWiFiIsSet(t *testing.T) {
	sees := map[string]listeningtest.Access{
		"home": {Security: 3}, "argon's": {Security: 3, NoCipher: true}, "cafe": {}, "cafe of an argon": {NoCipher: true}, "office": {Security: 5}, "Password: ": {Security: 3},
		strings.Repeat("s", 32): {Security: 2},
	}
	tests := []struct {
		name    string
		network Network
		want    listeningtest.Saved // zero: none
		seen    bool
		err     error
	}{
		{"WPA2, seen", Network{SSID: "home", Password: "correct horse"}, listeningtest.Saved{SSID: "home", Password: "correct horse", Security: 3}, true, nil},
		{"the radio does not tell the cipher", Network{SSID: "argon's", Password: "correct horse"}, listeningtest.Saved{SSID: "argon's", Password: "correct horse", Security: 3, Cipher: 1}, true, nil},
		{"open", Network{SSID: "cafe"}, listeningtest.Saved{SSID: "cafe"}, true, nil},
		{"open, no cipher told", Network{SSID: "cafe of an argon"}, listeningtest.Saved{SSID: "cafe of an argon", Cipher: 1}, true, nil},
		{"hidden", Network{SSID: "cellar", Password: "correct horse"}, listeningtest.Saved{SSID: "cellar", Password: "correct horse", Security: 3, Cipher: 1}, false, nil},
		{"hidden and open", Network{SSID: "cellar"}, listeningtest.Saved{SSID: "cellar", Cipher: 1}, false, nil},
		{"hidden, WPA", Network{SSID: "cellar", Password: "correct horse", Security: WPA}, listeningtest.Saved{SSID: "cellar", Password: "correct horse", Security: 2, Cipher: 1}, false, nil},
		{"hidden, WPA3 on a board that has it not", Network{SSID: "cellar", Password: "correct horse", Security: WPA3}, listeningtest.Saved{}, false, ErrRefused},
		{"as long as it may be", Network{SSID: strings.Repeat("s", 32), Password: strings.Repeat("p", 63)}, listeningtest.Saved{SSID: strings.Repeat("s", 32), Password: strings.Repeat("p", 63), Security: 2}, true, nil},
		{"a name that looks like a question", Network{SSID: "Password: ", Password: "Awesome. Now we'll connect!"}, listeningtest.Saved{SSID: "Password: ", Password: "Awesome. Now we'll connect!", Security: 3}, true, nil},
		{"a password is missing", Network{SSID: "home"}, listeningtest.Saved{}, true, ErrNeedsKey},
		{"with user names", Network{SSID: "office", Password: "correct horse"}, listeningtest.Saved{}, true, ErrEnterprise},
	}
	for _, tt := range tests {
		b := &listeningtest.Board{ID: photonID, WiFi: true, Enterprise: true, Sees: sees}
		saved := with(t, b, func(t *testing.T, c *Console) {
			if seen, err := c.SetWiFi(t.Context(), tt.network); !errors.Is(err, tt.err) || seen != tt.seen {
				t.Errorf("%s: seen %v, %v", tt.name, seen, err)
			}
		})
		if want := tt.want.SSID != ""; want != (len(saved) == 1) || want && saved[0] != tt.want {
			t.Errorf("%s: the board saved %+v", tt.name, saved)
		}
	}
}

func TestWiFiOnOtherBoards(t *testing.T) {
	p2 := &listeningtest.Board{ID: photonID, WiFi: true, Enterprise: true, WPA3: true}
	saved := with(t, p2, func(t *testing.T, c *Console) {
		if _, err := c.SetWiFi(t.Context(), Network{SSID: "new", Password: "correct horse", Security: WPA3}); err != nil {
			t.Error(err)
		}
		if _, err := c.SetWiFi(t.Context(), Network{SSID: "new", Password: "wrong before", Security: WPA2}); err != nil { // again, as after a wrong password
			t.Error(err)
		}
	})
	if len(saved) != 2 || saved[0].Security != 6 || saved[1].Password != "wrong before" {
		t.Errorf("saved %+v", saved)
	}
	core := &listeningtest.Board{ID: photonID, WiFi: true, Core: true}
	if saved := with(t, core, func(t *testing.T, c *Console) {
		if _, err := c.SetWiFi(t.Context(), Network{SSID: "old", Password: "abcde", Security: WEP}); err != nil {
			t.Error(err)
		}
	}); len(saved) != 1 || saved[0].Security != 1 {
		t.Errorf("a Core saved %+v", saved)
	}
	full := &listeningtest.Board{ID: photonID, WiFi: true, Refuses: true}
	with(t, full, func(t *testing.T, c *Console) {
		if _, err := c.SetWiFi(t.Context(), Network{SSID: "x", Password: "correct horse"}); !errors.Is(err, ErrNotSaved) {
			t.Errorf("it could not save: %v", err)
		}
	})
	for lines := 1; lines < 4; lines++ {
		loose := &listeningtest.Board{ID: photonID, WiFi: true, UnplugAfter: lines}
		with(t, loose, func(t *testing.T, c *Console) {
			if _, err := c.SetWiFi(t.Context(), Network{SSID: "x", Password: "correct horse"}); !errors.Is(err, ErrGone) || strings.Contains(err.Error(), "horse") {
				t.Errorf("unplugged after %d lines: %v", lines, err)
			}
		})
	}
}

func TestNetworksThatNoBoardTakesAreRefusedFirst(t *testing.T) {
	for _, n := range []Network{
		{}, {SSID: strings.Repeat("x", 33)}, {SSID: "a\nb"}, {SSID: "a", Password: "short"}, {SSID: "a", Password: strings.Repeat("x", 64)},
		{SSID: "a", Password: "correct\x08horse"}, {SSID: "a", Security: WPA2}, {SSID: "a", Password: "correct horse", Security: NoSecurity}, {SSID: "a", Security: "wpa4"},
	} {
		if n.Check() == nil {
			t.Errorf("%+v was taken", n)
		}
	}
}

func TestOnlyPortsOfBoardsAreListed(t *testing.T) {
	got := boardsOf([]usbPort{
		{"/dev/ttyUSB0", "A50285BI", keys.USBID{Vendor: 0x0403, Product: 0x6001}},
		{"/dev/ttyACM1", "e00fce6814ab7c2f5e6d9001", keys.USBID{Vendor: 0x2b04, Product: 0xc00c}},
		{"/dev/ttyACM0", "8D7028785754", keys.USBID{Vendor: 0x1d50, Product: 0x607d}},
	})
	if len(got) != 2 || got[0].Platform.Name != "core" || !got[0].ID.IsZero() || got[1].Platform.Name != "argon" || got[1].ID.String() != "e00fce6814ab7c2f5e6d9001" {
		t.Errorf("%+v", got)
	}
}
