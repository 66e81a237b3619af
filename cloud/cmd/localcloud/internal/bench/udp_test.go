package bench

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"io"
	"log/slog"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"localcloud/coap/link/dtls"
	"localcloud/coap/session"
)

// serveUDP lets newer boards connect to the world's cloud, over a socket of the machine.
func (w *world) serveUDP() {
	w.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		w.Fatal(err)
	}
	if w.udpKey, err = x509.MarshalPKIXPublicKey(&key.PublicKey); err != nil {
		w.Fatal(err)
	}
	socket, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		w.Fatal(err)
	}
	peers := session.NewPeers(session.PeersConfig{Hub: w.hub, Registry: w.store.Registry(), Logger: slog.New(slog.DiscardHandler)})
	listener := dtls.NewListener(socket, dtls.Config{Key: key, Open: func(c *dtls.Conn) dtls.Receiver { return peers.Open(c) }})
	ctx, stop := context.WithCancel(w.Context())
	var running sync.WaitGroup
	running.Go(func() { _ = peers.Run(ctx) })
	running.Go(func() { _ = listener.Serve(ctx) })
	w.Cleanup(func() {
		stop()
		running.Wait()
	})
	w.cloud.DialUDP = dial("udp", socket.LocalAddr().String())
}

func TestNewerBoardsAreMeasuredOverUDP(t *testing.T) {
	w := newWorld(t)
	w.serveUDP()
	cfg := w.config(Config{Scenarios: []string{"handshake", "records"}, Devices: 4, Duration: 100 * time.Millisecond, UDP: true})
	res, err := Run(t.Context(), cfg)
	if err != nil {
		t.Fatalf("%v\nnotes: %q", err, res.Notes)
	}
	for name, want := range map[string]float64{"attempts that failed": 0, "connections lost": 0} {
		if got := w.figure(res, "handshake", name); got != want {
			t.Errorf("handshake: %s = %v, want %v: %q", name, got, want, res.Notes)
		}
	}
	if f := findFigure(t, res, "handshake", "connections"); f.Against == nil || !strings.HasPrefix(f.Against.What, "P-256") {
		t.Errorf("connections are compared with %+v, want the arithmetic on the curve", f.Against)
	}
	if got := w.figure(res, "records", "pings without answer"); got != 0 {
		t.Errorf("%v pings without answer", got)
	}
	if got := w.figure(res, "records", "records of 4 sessions"); got < 100 {
		t.Errorf("%v records/s", got)
	}
}

func TestACloudWithoutUDPIsNotMeasuredOverIt(t *testing.T) {
	inBubble(t, func(w *world) {
		res, err := Run(w.Context(), w.config(Config{Scenarios: []string{"records"}, Devices: 1, Progress: io.Discard}))
		if err != nil || len(res.Notes) != 1 || !strings.HasPrefix(res.Notes[0], "records was left out") {
			t.Errorf("error %v, notes %q: want one that there is no UDP", err, res.Notes)
		}
		_, err = Run(w.Context(), w.config(Config{Scenarios: []string{"handshake"}, Devices: 1, UDP: true}))
		if err == nil || !strings.Contains(err.Error(), "over UDP") {
			t.Errorf("error %v, want that devices cannot connect over UDP", err)
		}
	})
}
