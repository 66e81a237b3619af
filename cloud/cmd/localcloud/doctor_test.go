package main

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"localcloud/cloud/client"
	"localcloud/coap/virtual"
	"localcloud/keys"
	"localcloud/keys/dfu/dfutest"
)

// knockLike is a board that does a thing wrong at the door.
type knockLike struct {
	name   string
	reason keys.Reason
	id     bool // it got as far as telling who it is
	do     func(t *testing.T, s *serving, id keys.DeviceID)
	what   string // in the explanation
	next   string // in the next step
	led    string
}

// board runs a virtual Photon until the test ends.
func board(t *testing.T, s *serving, change func(c *virtual.Config)) *virtual.Device {
	t.Helper()
	server := keyOfCloud(t, s)
	c := virtual.Config{Key: newKey(t), ServerKey: server, Dial: dialTCP(s.TCP)}
	change(&c)
	d := virtual.New(c)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() { defer close(ended); d.Run(ctx) }()
	t.Cleanup(func() { cancel(); <-ended })
	return d
}

// keyExchange does the board's half of the key exchange by hand and returns the connection after the server's answer.
func keyExchange(t *testing.T, s *serving, block func(nonce []byte) []byte) net.Conn {
	t.Helper()
	server := keyOfCloud(t, s)
	conn, err := net.Dial("tcp", s.TCP)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	conn.SetDeadline(time.Now().Add(bound))
	nonce := make([]byte, 40)
	if _, err := io.ReadFull(conn, nonce); err != nil {
		t.Fatal(err)
	}
	//lint:ignore SA1019 Device OS encrypts its block so
	sealed, err := rsa.EncryptPKCS1v15(rand.Reader, server, block(nonce))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Write(sealed); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(conn, make([]byte, 384)); err != nil {
		t.Fatal(err)
	}
	return conn
}

// spkiOf is the public key of a device as it sends it.
func spkiOf(t *testing.T, key *rsa.PrivateKey) []byte {
	t.Helper()
	public, err := keys.NewRSAPublicKey(&key.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	return public.DER()
}

func knocks() []knockLike {
	return []knockLike{
		{"wrong server key in the board", keys.ReasonWrongServerKey, false, func(t *testing.T, s *serving, id keys.DeviceID) {
			other := otherCloud()
			board(t, s, func(c *virtual.Config) { c.ID, c.ServerKey = id, &other.TCP.PublicKey })
		}, "still holds Particle's server key, or that of another server", "localcloud device rekey", "orange"},
		{"unknown device", keys.ReasonUnknownDevice, true, func(t *testing.T, s *serving, id keys.DeviceID) {
			board(t, s, func(c *virtual.Config) { c.ID = id })
		}, "not in the list of devices", "localcloud device adopt ", "orange"},
		{"known device with another key", keys.ReasonOtherKey, true, func(t *testing.T, s *serving, id keys.DeviceID) {
			addBoard(t, s.data, id, newKey(t))
			board(t, s, func(c *virtual.Config) { c.ID = id })
		}, "another key than the one registered", "localcloud device adopt ", "orange"},
		{"an EC key where TCP needs RSA", keys.ReasonECKeyOnTCP, true, func(t *testing.T, s *serving, id keys.DeviceID) {
			keyExchange(t, s, func(nonce []byte) []byte { return slices.Concat(nonce, id[:], otherCloud().UDPPublicDER()) }).Close()
		}, "an EC key (for UDP) where TCP needs an RSA key", "localcloud device rekey --new-key", "orange"},
		{"nonce mismatch, or a replayed handshake", keys.ReasonNonceMismatch, true, func(t *testing.T, s *serving, id keys.DeviceID) {
			der := spkiOf(t, newKey(t))
			keyExchange(t, s, func(nonce []byte) []byte { return slices.Concat(make([]byte, 40), id[:], der) }).Close()
		}, "recorded and sent again", "without proxy", "cyan"},
		{"stopped after the key exchange", keys.ReasonClosed, true, func(t *testing.T, s *serving, id keys.DeviceID) {
			key := newKey(t)
			addBoard(t, s.data, id, key)
			keyExchange(t, s, func(nonce []byte) []byte { return slices.Concat(nonce, id[:], spkiOf(t, key)) }).Close()
		}, "left after it was given its session keys", "localcloud device rekey --new-key", "orange"},
		{"too little to be a board's", keys.ReasonShortBlock, false, func(t *testing.T, s *serving, id keys.DeviceID) {
			keyExchange(t, s, func(nonce []byte) []byte { return nonce }).Close()
		}, "holds too little", "update its Device OS", "orange"},
		{"a browser at the boards' port", keys.ReasonClosed, false, func(t *testing.T, s *serving, id keys.DeviceID) {
			conn, err := net.Dial("tcp", s.TCP)
			if err != nil {
				t.Fatal(err)
			}
			_, err = conn.Write([]byte("GET / HTTP/1.1\r\n\r\n"))
			if err := errors.Join(err, conn.Close()); err != nil {
				t.Fatal(err)
			}
		}, "before it sent a key exchange", "device list --unknown", "red"},
	}
}

func addBoard(t *testing.T, data string, id keys.DeviceID, key *rsa.PrivateKey) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "key.pem")
	public, err := keys.ParsePublicKey(spkiOf(t, key))
	if err != nil {
		t.Fatal(err)
	}
	putFile(t, file, public.PEM())
	command(t, "device", "add", id.String(), "--key", file, "--data", data)
}

func TestEachFailedConnectionExplainsItself(t *testing.T) {
	t.Parallel()
	eachExplains(t, knocks())
}

// The server waits 20 seconds for Hello, and 10 more to tell who is late from who is silent.
func TestABoardThatIsSlowOrSilentAfterTheKeyExchangeIsToldApart(t *testing.T) {
	t.Parallel()
	afterwards := func(wait time.Duration) func(*testing.T, *serving, keys.DeviceID) {
		return func(t *testing.T, s *serving, id keys.DeviceID) {
			key := newKey(t)
			addBoard(t, s.data, id, key)
			board(t, s, func(c *virtual.Config) { c.ID, c.Key, c.Faults.HelloAfter = id, key, wait })
		}
	}
	eachExplains(t, []knockLike{
		{"late", keys.ReasonLateHello, true, afterwards(22 * time.Second), "Hello came so late", "Check the Wi-Fi signal", "cyan"},
		{"silent", keys.ReasonTimeout, true, afterwards(5 * time.Minute), "Hello did not come", "Check power and Wi-Fi of the board", "orange"},
	})
}

// eachExplains has each happen to a cloud of its own.
func eachExplains(t *testing.T, all []knockLike) {
	for _, tt := range all {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s, _ := serveOwned(t)
			id := randomID()
			tt.do(t, s, id)
			checkKnock(t, s, id, tt)
		})
	}
}

// checkKnock waits until a board is on the list and compares what is said of it.
func checkKnock(t *testing.T, s *serving, id keys.DeviceID, tt knockLike) {
	t.Helper()
	var k client.Unknown
	eventually(t, "it is on the list", func() bool {
		list := into[[]client.Unknown](t, "device", "list", "--unknown", "--data", s.data)
		if len(list) > 0 {
			k = list[0]
		}
		return len(list) > 0
	})
	if k.Reason != tt.reason || (k.ID == id.String()) != tt.id {
		t.Errorf("the knock is %+v", k)
	}
	if !strings.Contains(k.What, tt.what) || !strings.Contains(k.Next, tt.next) || !strings.Contains(k.LED, tt.led) {
		t.Errorf("it is explained as %q; next %q; light %q", k.What, k.Next, k.LED)
	}
	if !tt.id {
		return
	}
	out := command(t, "device", "doctor", id.String(), "--data", s.data)
	if k.Reason != keys.ReasonReplayed && (!strings.Contains(out, tt.what) || !strings.Contains(out, tt.next) || !strings.Contains(out, "light: ")) {
		t.Errorf("the doctor says %s", out)
	}
}

func TestTwoBoardsWithTheSameIDAreNoticed(t *testing.T) {
	t.Parallel()
	s, _ := serveOwned(t)
	id, key := randomID(), newKey(t)
	addBoard(t, s.data, id, key)
	for range 4 {
		d := board(t, s, func(c *virtual.Config) { c.ID, c.Key = id, key })
		eventually(t, "it is online", d.Online)
	}
	if out := command(t, "device", "doctor", id.String(), "--data", s.data); !strings.Contains(out, "duplicate id") || !strings.Contains(out, "3 times") {
		t.Errorf("the doctor says %s", out)
	}
}

func TestTheDoctorOfABoardThatNeverComesComparesAddresses(t *testing.T) {
	bench := dfutest.Install(t)
	n := newBoards[0]
	n.plug(t, bench)
	data, _ := newCloud(t)
	command(t, "device", "rekey", "--host", "10.254.1.2", "--data", data)
	s := serve(t, data)
	out := command(t, "device", "doctor", n.id, "--data", s.data)
	for _, want := range []string{"It was given 10.254.1.2:5683 over tcp", "never came", "which this machine does not have", "It looks at port 5683"} {
		if !strings.Contains(out, want) {
			t.Errorf("the doctor did not say %q but\n%s", want, out)
		}
	}
	out = command(t, "doctor", "--data", s.data)
	for _, want := range []string{s.TCP, "Nothing of a board ever arrived", "1 board(s) look for this cloud at 10.254.1.2", "blinking green", "client isolation"} {
		if !strings.Contains(out, want) {
			t.Errorf("the doctor of the cloud did not say %q but\n%s", want, out)
		}
	}
	if out := command(t, "doctor", "--data", t.TempDir()); !strings.Contains(out, "localcloud serve") {
		t.Errorf("without a running cloud: %s", out)
	}
	if out := command(t, "device", "doctor", "e00fce68000000000000000a", "--data", s.data); !strings.Contains(out, "does not know it") {
		t.Errorf("of a board that is unknown: %s", out)
	}
	if out := command(t, "doctor", "--led", "blinking green"); !strings.Contains(out, "2.4 GHz") || !strings.Contains(out, "localcloud device wifi") {
		t.Errorf("of a light: %s", out)
	}
	refused(t, 2, []string{"no light like"}, "doctor", "--led", "polka dots")
}

func TestAPhoneIsToldThatItReachesTheCloud(t *testing.T) {
	t.Parallel()
	s := serve(t, t.TempDir())
	resp, err := http.Get(s.url + "/reach")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != 200 || !strings.HasPrefix(string(text), "You reach this cloud") || !strings.HasPrefix(resp.Header.Get("Content-Type"), "text/plain") {
		t.Errorf("%d %s %q, %v", resp.StatusCode, resp.Header.Get("Content-Type"), text, err)
	}
}

func putFile(t *testing.T, path string, b []byte) {
	t.Helper()
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
}
