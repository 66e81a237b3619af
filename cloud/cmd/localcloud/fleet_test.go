//go:build !race

package main

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"encoding/binary"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"localcloud/cloud"
	"localcloud/cloud/store"
	"localcloud/coap"
	"localcloud/coap/link"
	"localcloud/coap/session"
	"localcloud/coap/virtual"
	"localcloud/keys"
)

// hallway is an in-memory network with one server behind it at a time.
type hallway struct {
	mu     sync.Mutex
	guests chan net.Conn // nil: nobody is at home
}

// listen opens the door. The listener is closed by who serves it.
func (h *hallway) listen() net.Listener {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.guests = make(chan net.Conn)
	return &door{hall: h, guests: h.guests, closed: make(chan struct{})}
}

func (h *hallway) dial(ctx context.Context) (net.Conn, error) {
	h.mu.Lock()
	guests := h.guests
	h.mu.Unlock()
	ours, theirs := net.Pipe()
	select {
	case guests <- theirs:
		return ours, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-time.After(time.Second):
		return nil, fmt.Errorf("connection refused")
	}
}

type door struct {
	hall   *hallway
	guests chan net.Conn
	closed chan struct{}
	once   sync.Once
}

func (d *door) Accept() (net.Conn, error) {
	select {
	case nc := <-d.guests:
		return nc, nil
	case <-d.closed:
		return nil, net.ErrClosed
	}
}

func (d *door) Close() error   { d.once.Do(func() { close(d.closed) }); return nil }
func (d *door) Addr() net.Addr { return &net.TCPAddr{} }

// TestAThousandDevicesLiveThroughARestart runs the whole cloud but HTTP and disk in
// virtual time: 1,000 devices come online, each is called and read, the server
// stops and begins again in the middle, and all of them come back by themselves.
func TestAThousandDevicesLiveThroughARestart(t *testing.T) {
	serverKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	deviceKey, err := keys.GenerateDeviceRSA() // one for all: making 1,000 takes minutes
	if err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		const n = 1000
		st := store.OpenMemory(store.Options{})
		defer st.Close()
		registry, logger := st.Registry(), slog.New(slog.DiscardHandler)
		public, err := keys.NewRSAPublicKey(&deviceKey.PublicKey)
		if err != nil {
			t.Fatal(err)
		}
		hall := &hallway{}
		serve := func() (*cloud.Hub, func()) {
			hub := cloud.NewHub(registry, st.Events(), logger)
			handshake := &link.Server{Key: serverKey, Authorize: func(_ context.Context, a link.Attempt) (keys.PublicKey, error) {
				key, reason := cloud.Admit(registry, a.ID, a.Offered)
				if reason != "" {
					return keys.PublicKey{}, &link.Refusal{Reason: reason}
				}
				return key, nil
			}}
			server := session.Server{Hub: hub, Registry: registry, Logger: logger, Calm: handshake.Calm,
				Handshake: func(ctx context.Context, nc net.Conn) (session.Link, error) {
					c, err := handshake.Handshake(ctx, nc)
					if err != nil {
						return nil, err
					}
					return c, nil
				}}
			ctx, stop := context.WithCancel(context.Background())
			ended := make(chan struct{})
			ln := hall.listen()
			go func() {
				defer close(ended)
				if err := server.Serve(ctx, ln); err != nil {
					t.Error(err)
				}
			}()
			return hub, func() { stop(); <-ended }
		}

		ctx, off := context.WithCancel(context.Background())
		var running sync.WaitGroup
		ids := make([]keys.DeviceID, n)
		for i := range n {
			binary.BigEndian.PutUint32(ids[i][:], uint32(i+1))
			if _, err := cloud.Adopt(registry, ids[i], public, "", "ann"); err != nil {
				t.Fatal(err)
			}
			d := virtual.New(virtual.Config{
				ID: ids[i], Key: deviceKey, ServerKey: &serverKey.PublicKey, Dial: hall.dial, Reconnect: true,
				OS: virtual.Versions()[i%len(virtual.Versions())],
			})
			d.Function("double", func(arg string) int32 { return int32(2 * len(arg)) })
			d.Variable("number", coap.Int, func() any { return int32(i) })
			running.Go(func() { d.Run(ctx) })
		}
		everyone := func(hub *cloud.Hub) {
			t.Helper()
			for waited := 0; hub.Totals().Online < n && waited < 300; waited++ {
				time.Sleep(time.Second)
			}
			if online := hub.Totals().Online; online != n {
				t.Fatalf("%d of %d devices are online", online, n)
			}
			var asked sync.WaitGroup
			for i, id := range ids {
				asked.Go(func() {
					ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
					defer cancel()
					if v, err := hub.Call(ctx, id, "double", "abc"); err != nil || v != 6 {
						t.Errorf("device %d: double is %v, %v", i, v, err)
					}
					if v, err := hub.Variable(ctx, id, "number"); err != nil || v != int32(i) {
						t.Errorf("device %d: number is %v, %v", i, v, err)
					}
				})
			}
			asked.Wait()
		}
		hub, stop := serve()
		everyone(hub)
		stop()
		if online := hub.Totals().Online; online != 0 {
			t.Errorf("%d devices are online at a server that has stopped", online)
		}
		hub, stop = serve()
		everyone(hub)
		off()
		running.Wait()
		stop()
	})
}
