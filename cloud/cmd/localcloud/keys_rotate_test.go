package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"net"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"localcloud/cloud/client"
	"localcloud/coap/virtual"
	"localcloud/keys"
)

// newHolder registers a board and returns what it is made of, without a server key.
func newHolder(t *testing.T, data string, transport keys.Transport) virtual.Config {
	t.Helper()
	c := virtual.Config{ID: randomID(), Reconnect: true}
	if transport == keys.TCP {
		c.Key = newKey(t)
		addBoard(t, data, c.ID, c.Key)
		return c
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	public, err := keys.NewECDSAPublicKey(&key.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "key.pem")
	putFile(t, file, public.PEM())
	command(t, "device", "add", c.ID.String(), "--key", file, "--data", data)
	c.UDP = &virtual.UDP{Key: key}
	return c
}

// runs lets a board that holds a server key run until stop is called.
func runs(t *testing.T, s *serving, c virtual.Config, server keys.Identity) (d *virtual.Device, stop func()) {
	t.Helper()
	if c.UDP == nil {
		c.ServerKey, c.Dial = &server.TCP.PublicKey, dialTCP(s.TCP)
	} else {
		udp := *c.UDP
		udp.ServerKey, udp.Dial = &server.UDP.PublicKey, func(ctx context.Context) (net.Conn, error) {
			return dialerFor(c.ID).DialContext(ctx, "udp", s.UDP)
		}
		c.UDP = &udp
	}
	d = virtual.New(c)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() { defer close(ended); d.Run(ctx) }()
	stop = func() { cancel(); <-ended }
	t.Cleanup(stop)
	return d, stop
}

// dialerFor gives a board an address of its own where the machine has more than one of its own.
func dialerFor(id keys.DeviceID) *net.Dialer {
	if runtime.GOOS != "linux" {
		return &net.Dialer{}
	}
	return &net.Dialer{LocalAddr: &net.UDPAddr{IP: net.IPv4(127, 7, id[10], id[11]|1)}}
}

func heldKey(t *testing.T, data string, id keys.DeviceID) string {
	t.Helper()
	return into[client.Device](t, "device", "show", id.String(), "--data", data).ServerKey
}

func TestARotatedKeyIsHonouredUntilItIsFinished(t *testing.T) {
	t.Parallel()
	for _, transport := range []keys.Transport{keys.TCP, keys.UDP} {
		t.Run(string(transport), func(t *testing.T) {
			t.Parallel()
			data, before := newCloud(t)
			s := serve(t, data)
			lamp, fan := newHolder(t, data, transport), newHolder(t, data, transport)
			_, stopLamp := runs(t, s, lamp, before)
			d, stopFan := runs(t, s, fan, before)
			eventually(t, "both are online", func() bool {
				return heldKey(t, data, lamp.ID) == "present" && heldKey(t, data, fan.ID) == "present" && d.Online()
			})
			stopLamp()
			stopFan()

			out := command(t, "keys", "rotate", "--only", string(transport), "--data", data)
			if !strings.Contains(out, "0 board(s) hold the new key, 2 the old one") || !strings.Contains(out, "to be re-keyed: "+lamp.ID.String()) {
				t.Errorf("rotate says %s", out)
			}
			after := identityIn(t, data)
			if after.ServerKey(transport) == before.ServerKey(transport) || after.OldServerKey(transport) != before.ServerKey(transport) {
				t.Fatalf("before %v, after %v", before, after)
			}

			// The lamp was given the new key, the fan holds the old one. Both come, also after a restart.
			for range 2 {
				dl, stopLamp := runs(t, s, lamp, after)
				df, stopFan := runs(t, s, fan, before)
				eventually(t, "both come", func() bool { return dl.Online() && df.Online() })
				eventually(t, "it is seen who holds which", func() bool {
					return heldKey(t, data, lamp.ID) == "present" && heldKey(t, data, fan.ID) == "old"
				})
				stopLamp()
				stopFan()
				s.stop()
				s = serve(t, data)
			}
			if out := command(t, "device", "list", "--data", data); !strings.Contains(out, "SERVER KEY") {
				t.Errorf("the list is\n%s", out)
			}
			if out := command(t, "doctor", "--data", data); !strings.Contains(out, "is being rotated: 1 board(s) hold the new one, 1 the old one") {
				t.Errorf("the doctor says %s", out)
			}
			if out := command(t, "device", "doctor", fan.ID.String(), "--data", data); !strings.Contains(out, "holds the old key of this cloud") {
				t.Errorf("the device doctor says %s", out)
			}
			if out := command(t, "keys", "show", "--data", data); !strings.Contains(out, "to be re-keyed: "+fan.ID.String()) {
				t.Errorf("keys show says %s", out)
			}
			refused(t, 1, []string{"still hold the old key", "--force"}, "keys", "rotate", "--finish", "--data", data)
			refused(t, 1, []string{"rotated already"}, "keys", "rotate", "--only", string(transport), "--data", data)

			// A spare machine honours both, too.
			file, spare := filepath.Join(t.TempDir(), "cloud.backup"), filepath.Join(t.TempDir(), "spare")
			if _, err := try(t, passphrase+"\n", "backup", file, "--passphrase-stdin", "--data", data); err != nil {
				t.Fatal(err)
			}
			if _, err := try(t, passphrase+"\n", "restore", file, "--passphrase-stdin", "--data", spare); err != nil {
				t.Fatal(err)
			}
			if identityIn(t, spare).OldServerKey(transport) != before.ServerKey(transport) {
				t.Error("the old key is not in a backup")
			}

			df, stopFan := runs(t, s, fan, after)
			eventually(t, "the fan comes with the new key", func() bool { return df.Online() && heldKey(t, data, fan.ID) == "present" })
			stopFan()
			if out := command(t, "doctor", "--data", data); !strings.Contains(out, "no board holds the old one any more") {
				t.Errorf("the doctor says %s", out)
			}
			command(t, "keys", "rotate", "--finish", "--data", data)
			board, _ := runs(t, s, lamp, before)
			eventually(t, "the old key is not honoured any more", func() bool {
				list := into[[]client.Unknown](t, "device", "list", "--unknown", "--data", data)
				return len(list) > 0 && !board.Online()
			})
		})
	}
}

func identityIn(t *testing.T, data string) keys.Identity {
	t.Helper()
	id, _, err := keys.OpenIdentity(keysDir(data))
	if err != nil {
		t.Fatal(err)
	}
	return id
}

func TestARotationCanBeUndoneByCommand(t *testing.T) {
	t.Parallel()
	data, before := newCloud(t)
	command(t, "keys", "rotate", "--data", data) // without a running cloud
	if identityIn(t, data).String() == before.String() {
		t.Error("nothing was rotated")
	}
	command(t, "keys", "rotate", "--undo", "--data", data)
	if after := identityIn(t, data); after.String() != before.String() || !after.OldServerKey(keys.TCP).IsZero() {
		t.Errorf("undone: %v", after)
	}
	refused(t, 1, []string{"not being rotated"}, "keys", "rotate", "--finish", "--data", data)
	refused(t, 2, []string{"--finish"}, "keys", "rotate", "--force", "--data", data)
}
