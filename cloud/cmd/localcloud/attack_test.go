package main

import (
	"crypto/rand"
	"crypto/rsa"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"localcloud/coap/link"
	"localcloud/keys"
)

// What strangers do to a cloud: each attack ends by itself, and nobody else notices.

// dial connects to a cloud's socket. No read or write on the connection takes longer than bound.
func dial(t *testing.T, address string) *net.TCPConn {
	t.Helper()
	nc, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { nc.Close() })
	nc.SetDeadline(time.Now().Add(bound))
	return nc.(*net.TCPConn)
}

// addDevice registers a device of the owner's and returns its key.
func addDevice(t *testing.T, s *serving, id keys.DeviceID) *rsa.PrivateKey {
	t.Helper()
	key := newKey(t)
	public, err := keys.NewRSAPublicKey(&key.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	command(t, "device", "add", id.String(), "--key", writeFile(t, string(public.PEM())), "--data", s.data)
	return key
}

// intruder tries to come in.
type intruder struct {
	t      *testing.T
	nc     net.Conn
	server *rsa.PublicKey
	id     keys.DeviceID   // of a device that is registered and offline
	key    *rsa.PrivateKey // its key
	other  *rsa.PrivateKey // the key of a device that is registered and online
	online keys.DeviceID   // its id
	wrote  []byte          // by it, in the handshake
}

// Write notes what is written, for a replay.
func (i *intruder) Write(b []byte) (int, error) {
	i.wrote = append(i.wrote, b...)
	return i.nc.Write(b)
}

// recorded is the connection as the link sees it.
type recorded struct {
	net.Conn
	by *intruder
}

func (r recorded) Write(b []byte) (int, error) { return r.by.Write(b) }

func (i *intruder) handshake(id keys.DeviceID, key *rsa.PrivateKey, omit bool) (*link.Conn, error) {
	c := link.Client{ServerKey: i.server, ID: id, Key: key, OmitKey: omit, StepTimeout: bound}
	return c.Handshake(i.t.Context(), recorded{i.nc, i})
}

// enter is a handshake that has to succeed.
func (i *intruder) enter() *link.Conn {
	i.t.Helper()
	conn, err := i.handshake(i.id, i.key, false)
	if err != nil {
		i.t.Fatal(err)
	}
	return conn
}

// turnedAway is one that must not, and whose first frame cannot be right.
func (i *intruder) turnedAway(id keys.DeviceID, key *rsa.PrivateKey, omit bool) {
	i.t.Helper()
	if _, err := i.handshake(id, key, omit); !errors.Is(err, link.ErrDecryption) {
		i.t.Errorf("the handshake ended with %v", err)
	}
	i.nc.Write(impossibleFrame)
}

// block sends this as a device's block, and after the answer a frame that cannot be right.
func (i *intruder) block(b []byte) {
	i.t.Helper()
	if _, err := io.ReadFull(i.nc, make([]byte, 40)); err != nil {
		i.t.Fatal(err)
	}
	i.nc.Write(b)
	if _, err := io.ReadFull(i.nc, make([]byte, 128+256)); err != nil {
		i.t.Errorf("a block that is refused is answered like any other: %v", err)
	}
	i.nc.Write(impossibleFrame)
}

var impossibleFrame = []byte{0xff, 0xff, 1, 2, 3, 4} // larger than any, and no multiple of 16

func random(n int) []byte {
	b := make([]byte, n)
	rand.Read(b)
	return b
}

type knocked struct {
	ID, What, Next string
	Step           keys.Step
	Reason         keys.Reason
	Count          int
}

func TestEveryIntruderIsTurnedAwayCountedAndExplained(t *testing.T) {
	t.Parallel()
	s, _ := serveOwned(t)
	id, online, stranger := randomID(), randomID(), randomID()
	key, other := addDevice(t, s, id), addDevice(t, s, online)
	d := photon(t, s, online, other)
	eventually(t, "the good device is online", d.Online)
	server := keyOfCloud(t, s)
	var block []byte // of an earlier handshake, to be replayed

	for _, attack := range []struct {
		name   string
		do     func(i *intruder)
		id     keys.DeviceID // under which it stands on the list; zero: it did not say
		reason keys.Reason
	}{
		{"an id that nobody knows", func(i *intruder) { i.turnedAway(stranger, newKey(t), false) }, stranger, keys.ReasonUnknownDevice},
		{"a key of its own", func(i *intruder) { i.turnedAway(id, newKey(t), false) }, id, keys.ReasonOtherKey},
		{"the key of another device", func(i *intruder) { i.turnedAway(online, key, false) }, online, keys.ReasonOtherKey},
		{"without the private key", func(i *intruder) { i.turnedAway(online, key, true) }, online, keys.ReasonGarbageFrame},
		{"a replayed block", func(i *intruder) {
			i.block(block)
		}, id, keys.ReasonNonceMismatch},
		{"garbage", func(i *intruder) { i.block(random(256)) }, keys.DeviceID{}, keys.ReasonWrongServerKey},
		{"much garbage", func(i *intruder) { go i.nc.Write(random(1 << 20)) }, keys.DeviceID{}, keys.ReasonWrongServerKey},
		{"half a block", func(i *intruder) { i.nc.Write(random(100)); i.nc.(*net.TCPConn).CloseWrite() }, keys.DeviceID{}, keys.ReasonClosed},
		{"an oversize frame", func(i *intruder) { i.enter(); i.nc.Write(impossibleFrame) }, id, keys.ReasonGarbageFrame},
		{"no message", func(i *intruder) { i.enter().Write([]byte{0xff}) }, id, keys.ReasonMalformed},
		{"no Hello", func(i *intruder) { i.enter().Write([]byte{0x40, 1, 0, 1, 0xb1, 't'}) }, id, keys.ReasonNoHello},
		{"nothing after the handshake", func(i *intruder) { i.enter(); i.nc.(*net.TCPConn).CloseWrite() }, id, keys.ReasonClosed},
	} {
		if block == nil { // a good handshake, without a Hello
			i := &intruder{t: t, nc: dial(t, s.TCP), server: server, id: id, key: key}
			i.enter()
			i.nc.Close()
			block = i.wrote
		}
		t.Run(attack.name, func(t *testing.T) {
			before := knockOf(t, s, attack.id).Count
			i := &intruder{t: t, nc: dial(t, s.TCP), server: server, id: id, key: key, other: other, online: online}
			begun := time.Now()
			attack.do(i)
			if _, err := io.Copy(io.Discard, i.nc); errors.Is(err, os.ErrDeadlineExceeded) {
				t.Errorf("after %v it still stands there", bound)
			}
			took := time.Since(begun)
			var k knocked
			eventually(t, "it is on the list with "+string(attack.reason), func() bool {
				k = knockOf(t, s, attack.id)
				return k.Count > before && k.Reason == attack.reason
			})
			if strings.Contains(k.What, string(k.Reason)) || len(strings.Fields(k.What)) < 4 || len(strings.Fields(k.Next)) < 3 {
				t.Errorf("in words: %q, %q", k.What, k.Next)
			}
			if out := command(t, "device", "list", "--unknown", "--data", s.data); !strings.Contains(out, k.What) {
				t.Errorf("for people:\n%s", out)
			}
			t.Logf("over after %v: %s: %s", took.Round(time.Millisecond), k.Reason, k.What)
		})
	}
	if n := d.Counts(); n.Disconnects > 0 || !d.Online() {
		t.Errorf("the good device noticed: %+v", n)
	}
	if out := command(t, "device", "call", online.String(), "led", "four", "--data", s.data); out != "4\n" {
		t.Errorf("the good device answers %q", out)
	}
}

// knockOf returns what is on the list under an id.
func knockOf(t *testing.T, s *serving, id keys.DeviceID) knocked {
	t.Helper()
	name := ""
	if !id.IsZero() {
		name = id.String()
	}
	for _, k := range into[[]knocked](t, "device", "list", "--unknown", "--data", s.data) {
		if k.ID == name {
			return k
		}
	}
	return knocked{}
}
