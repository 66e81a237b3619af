package main

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/binary"
	"net"
	"path/filepath"
	"slices"
	"testing"

	"localcloud/cloud/client"
	"localcloud/keys"
)

// newUDPBoard is a newer board with a key of its own that holds this cloud's key.
func newUDPBoard(t *testing.T, s *serving, id keys.DeviceID) *udpBoard {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	identity := identityIn(t, s.data)
	return &udpBoard{id: id, key: key, server: &identity.UDP.PublicKey, socket: dialUDP(t, s)}
}

func dialUDP(t *testing.T, s *serving) net.Conn {
	t.Helper()
	socket, err := net.Dial("udp", s.UDP)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { socket.Close() })
	return socket
}

// goes lets the board run until the test ends.
func (b *udpBoard) goes(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() { defer close(ended); _ = b.run(ctx) }()
	t.Cleanup(func() { cancel(); <-ended })
}

func addUDPBoard(t *testing.T, data string, b *udpBoard) {
	t.Helper()
	public, err := keys.NewECDSAPublicKey(&b.key.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "key.pem")
	putFile(t, file, public.PEM())
	command(t, "device", "add", b.id.String(), "--key", file, "--data", data)
}

// shakeHandsBut does a handshake in which what the board sends is changed on its way.
func (b *udpBoard) shakeHandsBut(change func(datagram []byte) []byte) {
	b.socket = changing{b.socket, change}
	_, _ = b.handshake()
}

type changing struct {
	net.Conn
	change func([]byte) []byte
}

func (c changing) Write(d []byte) (int, error) {
	if _, err := c.Conn.Write(c.change(bytes.Clone(d))); err != nil {
		return 0, err
	}
	return len(d), nil
}

func udpKnocks() []knockLike {
	certificate := func(spki func(t *testing.T) []byte) func(*testing.T, *serving, keys.DeviceID) {
		return func(t *testing.T, s *serving, id keys.DeviceID) {
			shown := spki(t)
			b := newUDPBoard(t, s, id)
			go b.shakeHandsBut(func(d []byte) []byte { return withCertificate(d, shown) })
		}
	}
	return []knockLike{
		{"wrong server key in the board", keys.ReasonWrongServerKey, false, func(t *testing.T, s *serving, id keys.DeviceID) {
			runs(t, s, newHolder(t, s.data, keys.UDP), otherCloud())
		}, "did not accept this server's signature", "localcloud device rekey", "cyan"},
		{"unknown device", keys.ReasonUnknownDevice, true, func(t *testing.T, s *serving, id keys.DeviceID) {
			newUDPBoard(t, s, id).goes(t)
		}, "not in the list of devices", "localcloud device adopt ", "cyan"},
		{"known device with another key", keys.ReasonOtherKey, true, func(t *testing.T, s *serving, id keys.DeviceID) {
			addUDPBoard(t, s.data, newUDPBoard(t, s, id))
			newUDPBoard(t, s, id).goes(t)
		}, "another key than the one registered", "localcloud device adopt ", "cyan"},
		{"an RSA board on UDP", keys.ReasonRSAKeyOnUDP, false, certificate(func(t *testing.T) []byte { return spkiOf(t, newKey(t)) }),
			"an RSA key (for TCP) where UDP needs an EC key", "localcloud device rekey --new-key", "cyan"},
		{"a board without a key", keys.ReasonNoCertificate, false, certificate(func(*testing.T) []byte { return nil }),
			"did not show its public key", "localcloud device rekey --new-key", "cyan"},
		{"no raw public keys", keys.ReasonNoRawKey, false, func(t *testing.T, s *serving, id keys.DeviceID) {
			b := newUDPBoard(t, s, id)
			go b.shakeHandsBut(func(d []byte) []byte {
				return bytes.Replace(d, []byte{0, 19, 0, 2, 1, 2}, []byte{0, 19, 0, 2, 1, 0}, 1) // X.509 in place of it
			})
		}, "not with the keys that boards use", "update its Device OS", "cyan"},
		{"a stolen key", keys.ReasonNoProof, false, func(t *testing.T, s *serving, id keys.DeviceID) {
			b, victim := newUDPBoard(t, s, id), newUDPBoard(t, s, id)
			public, err := keys.NewECDSAPublicKey(&victim.key.PublicKey)
			if err != nil {
				t.Fatal(err)
			}
			own, err := keys.NewECDSAPublicKey(&b.key.PublicKey)
			if err != nil {
				t.Fatal(err)
			}
			go b.shakeHandsBut(func(d []byte) []byte { return bytes.Replace(d, own.DER(), public.DER(), 1) })
		}, "could not prove that it owns the private half", "localcloud device rekey --new-key", "cyan"},
		{"the connection id is wrong for it", keys.ReasonBadConnectionID, false, func(t *testing.T, s *serving, id keys.DeviceID) {
			b := newUDPBoard(t, s, id)
			for range 2 {
				if _, err := b.handshake(); err != nil {
					t.Fatal(err)
				}
				b.socket = dialUDP(t, s)
			}
		}, "do not agree on the connection id", "Update this server", "cyan"},
		{"a recorded message", keys.ReasonReplayed, true, func(t *testing.T, s *serving, id keys.DeviceID) {
			b := newUDPBoard(t, s, id)
			addUDPBoard(t, s.data, b)
			recorder := &eavesdropper{Conn: b.socket}
			b.socket = recorder
			b.goes(t)
			eventually(t, "it is online", func() bool { return into[client.Device](t, "device", "show", id.String(), "--data", s.data).Connected })
			if _, err := dialUDP(t, s).Write(recorder.last()); err != nil {
				t.Fatal(err)
			}
		}, "was sent again", "does not accept it", "cyan"},
	}
}

// withCertificate replaces the board's second flight by a Certificate message that shows another key, or none (RFC 5246, 7.4.2;
// RFC 7250, 3; RFC 6347, 4.1 and 4.2.2).
func withCertificate(d, spki []byte) []byte {
	if d[0] != 22 || d[13] != 11 {
		return d
	}
	body := slices.Concat([]byte{0, byte(len(spki) >> 8), byte(len(spki))}, spki)
	length := []byte{0, byte(len(body) >> 8), byte(len(body))}
	message := slices.Concat([]byte{11}, length, d[17:19], []byte{0, 0, 0}, length, body)
	return append(binary.BigEndian.AppendUint16(bytes.Clone(d[:11]), uint16(len(message))), message...)
}

// eavesdropper keeps the last datagram that a board sent.
type eavesdropper struct {
	net.Conn
	kept lockedBuffer
}

func (r *eavesdropper) Write(d []byte) (int, error) {
	r.kept.mu.Lock()
	r.kept.buf.Reset()
	r.kept.buf.Write(d)
	r.kept.mu.Unlock()
	return r.Conn.Write(d)
}

func (r *eavesdropper) last() []byte {
	r.kept.mu.Lock()
	defer r.kept.mu.Unlock()
	return bytes.Clone(r.kept.buf.Bytes())
}

func TestEachFailedConnectionOverUDPExplainsItself(t *testing.T) {
	t.Parallel()
	eachExplains(t, udpKnocks())
}
