package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/x509"
	"encoding/binary"
	"errors"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"localcloud/coap"
	"localcloud/coap/link/dtls"
	"localcloud/keys"
	"localcloud/keys/dfu/dfutest"
)

// udpBoard is the little of a newer board that comes online: a handshake, a Hello, answers to pings.
type udpBoard struct {
	id     keys.DeviceID
	key    *ecdsa.PrivateKey
	server *ecdsa.PublicKey
	socket net.Conn
}

// bootUDP is a board that boots from its memory, by the offsets that Device OS reads. It looks at the port of the test's
// cloud where a real one always takes 5684.
func bootUDP(t *testing.T, image []byte, id, address string) *udpBoard {
	t.Helper()
	server, err := x509.ParsePKIXPublicKey(image[3298 : 3298+91])
	if err != nil {
		t.Fatalf("the board cannot read its server key: %v", err)
	}
	key, err := x509.ParseECPrivateKey(image[3106 : 3106+121])
	if err != nil {
		t.Fatalf("the board cannot read its own key: %v", err)
	}
	blob := image[3298+192:]
	if blob[0] != 0 || blob[1] != 4 || binary.BigEndian.Uint16(blob[66:]) != 5684 {
		t.Fatalf("the board finds another address: % x", blob[:68])
	}
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		t.Fatal(err)
	}
	socket, err := net.Dial("udp", net.JoinHostPort(net.IP(blob[2:6]).String(), port))
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := keys.ParseDeviceID(id)
	if err != nil {
		t.Fatal(err)
	}
	return &udpBoard{id: parsed, key: key, server: server.(*ecdsa.PublicKey), socket: socket}
}

// handshake returns the session, or why there is none.
func (b *udpBoard) handshake() (*dtls.Session, error) {
	c := dtls.NewClient(time.Now(), dtls.ClientConfig{Key: b.key, ServerKey: b.server})
	for {
		for _, datagram := range c.Outbox() {
			if _, err := b.socket.Write(datagram); err != nil {
				return nil, err
			}
		}
		if c.Session() != nil {
			return c.Session(), nil
		}
		datagram, err := b.read(c.Deadline())
		if now := time.Now(); err == nil {
			err = c.Receive(now, datagram)
		} else if errors.Is(err, os.ErrDeadlineExceeded) {
			err = c.Tick(now)
		}
		if err != nil {
			return nil, err
		}
	}
}

func (b *udpBoard) read(deadline time.Time) ([]byte, error) {
	b.socket.SetReadDeadline(deadline)
	datagram := make([]byte, 2048)
	n, err := b.socket.Read(datagram)
	return datagram[:n], err
}

// run comes online and stays there until ctx ends.
func (b *udpBoard) run(ctx context.Context) error {
	defer b.socket.Close()
	stop := context.AfterFunc(ctx, func() { b.socket.Close() })
	defer stop()
	session, err := b.handshake()
	if err != nil {
		return err
	}
	hello := coap.Hello{ProductID: 12, ProductVersion: 0xffff, Flags: coap.FlagDescribePush, HasPlatform: true, PlatformID: 12, DeviceID: b.id[:]}
	if err := b.send(session, coap.HelloMessage(coap.Confirmable, 1, hello.Append(nil))); err != nil {
		return err
	}
	for {
		datagram, err := b.read(time.Time{})
		if err != nil {
			return err
		}
		m, err := session.Open(datagram)
		if err != nil || len(m) < 4 || m[0] != 0x40 || m[1] != 0 {
			continue // not a ping
		}
		answer, err := session.Seal(nil, []byte{0x60, 0, m[2], m[3]})
		if err != nil {
			return err
		}
		if _, err := b.socket.Write(answer); err != nil {
			return err
		}
	}
}

func (b *udpBoard) send(session *dtls.Session, m coap.Message) error {
	frame, err := m.Append(nil)
	if err != nil {
		return err
	}
	datagram, err := session.Seal(nil, frame)
	if err == nil {
		_, err = b.socket.Write(datagram)
	}
	return err
}

func TestNewerBoardsThatWereConnectedComeOnline(t *testing.T) {
	for _, n := range newBoards[1:] {
		t.Run(n.platform, func(t *testing.T) {
			bench := dfutest.Install(t)
			onBench := n.plug(t, bench)
			data, _ := newCloud(t)
			s := serve(t, data)
			ctx, cancel := context.WithCancel(context.Background())
			ended := make(chan struct{})
			go func() {
				defer close(ended)
				often := time.NewTicker(10 * time.Millisecond)
				defer often.Stop()
				for onBench.InDFU() && ctx.Err() == nil {
					<-often.C
				}
				if ctx.Err() == nil {
					bootUDP(t, onBench.Image(t), n.id, s.UDP).run(ctx)
				}
			}()
			t.Cleanup(func() { cancel(); <-ended })
			out := command(t, "device", "connect", "--host", "127.0.0.1", "--name", "kitchen", "--wait", "50s", "--data", data)
			if !strings.Contains(out, "Hello") || !strings.Contains(out, "kitchen is online") {
				t.Errorf("the command said\n%s", out)
			}
		})
	}
}
