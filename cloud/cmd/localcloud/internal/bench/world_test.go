package bench

import (
	"context"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"io"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"localcloud/cloud"
	"localcloud/cloud/api"
	"localcloud/cloud/client"
	"localcloud/cloud/store"
	"localcloud/coap/link"
	"localcloud/coap/link/recording"
	"localcloud/coap/session"
	"localcloud/keys"
)

// pipes is a net.Listener in memory. Every write takes a millisecond: else no
// time would pass in a bubble while somebody is busy.
type pipes struct {
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
}

func newPipes() *pipes { return &pipes{conns: make(chan net.Conn), closed: make(chan struct{})} }

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error   { p.once.Do(func() { close(p.closed) }); return nil }
func (p *pipes) Addr() net.Addr { return pipesAddr{p} }

func (p *pipes) dial(ctx context.Context) (net.Conn, error) {
	ours, theirs := net.Pipe()
	select {
	case p.conns <- slow{theirs}:
		return slow{ours}, nil
	case <-p.closed:
		return nil, net.ErrClosed
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

type slow struct{ net.Conn }

func (c slow) Write(b []byte) (int, error) {
	wait(context.Background(), time.Millisecond)
	return c.Conn.Write(b)
}

// pipesAddr leads back to its listener.
type pipesAddr struct{ *pipes }

func (pipesAddr) Network() string { return "pipe" }
func (pipesAddr) String() string  { return "pipe" }

func inProcess() Network {
	return Network{
		Listen: func() (net.Listener, error) { return newPipes(), nil },
		Dial:   func(ctx context.Context, to net.Addr) (net.Conn, error) { return to.(pipesAddr).dial(ctx) },
	}
}

// theKeys are those of a recorded session, which saves making some.
var theKeys = sync.OnceValue(func() (k struct{ server, device *rsa.PrivateKey }) {
	r, err := recording.Open(filepath.Join("..", "..", "..", "..", "..", "coap", "link", "testdata", "recordings", "tcp-v3.3.1.txt"))
	if err != nil {
		panic(err)
	}
	k.server, k.device = rsaKey(r.ServerKey), rsaKey(r.DeviceKey)
	return k
})

func rsaKey(text []byte) *rsa.PrivateKey {
	block, _ := pem.Decode(text)
	key, err := x509.ParsePKCS1PrivateKey(block.Bytes)
	if err != nil {
		panic(err)
	}
	return key
}

// world is a cloud in memory, made of the same parts as the program.
type world struct {
	*testing.T
	store  *store.Store
	hub    *cloud.Hub
	cloud  *Cloud
	secret cloud.Secret
	udpKey []byte // SPKI; see serveUDP

	faults func(http.Handler) http.Handler // around the API; nil: none
}

// inBubble runs a test with a cloud in memory and in virtual time.
func inBubble(t *testing.T, test func(w *world)) {
	t.Helper()
	theKeys()
	synctest.Test(t, func(t *testing.T) { test(newWorld(t)) })
}

func newWorld(t *testing.T) *world {
	w := &world{T: t, secret: cloud.NewSecret(), store: store.OpenMemory(store.Options{})}
	logger := slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelWarn}))
	w.hub = cloud.NewHub(w.store.Registry(), w.store.Events(), logger)
	if _, err := w.store.Registry().AddUser(cloud.User{ID: cloud.NewUserID(), Name: user}); err != nil {
		t.Fatal(err)
	}
	w.serve(logger)
	return w
}

func (w *world) serve(logger *slog.Logger) {
	registry := w.store.Registry()
	public, err := x509.MarshalPKIXPublicKey(&theKeys().server.PublicKey)
	if err != nil {
		w.Fatal(err)
	}
	routes := api.New(api.Config{
		Hub: w.hub, Registry: registry, Accounts: cloud.NewAccounts(registry), Knocks: cloud.NewKnocks(10), Control: w.secret, Logger: logger,
		ServerKeys: func() (tcp, udp []byte) {
			return publicPEM(public), publicPEM(w.udpKey)
		},
	})
	handshake := &link.Server{Key: theKeys().server, Authorize: func(_ context.Context, a link.Attempt) (keys.PublicKey, error) {
		key, reason := cloud.Admit(registry, a.ID, a.Offered)
		if reason != "" {
			return keys.PublicKey{}, &link.Refusal{Reason: reason}
		}
		return key, nil
	}}
	devices := &session.Server{Hub: w.hub, Registry: registry, Logger: logger, Handshake: func(ctx context.Context, nc net.Conn) (session.Link, error) {
		conn, err := handshake.Handshake(ctx, nc)
		if err != nil {
			return nil, err
		}
		return conn, nil
	}}
	web, boards := newPipes(), newPipes()
	server := http.Server{ErrorLog: slog.NewLogLogger(logger.Handler(), slog.LevelDebug), Handler: http.HandlerFunc(func(rw http.ResponseWriter, q *http.Request) {
		h := routes.Handler()
		if w.faults != nil {
			h = w.faults(h)
		}
		h.ServeHTTP(rw, q)
	})}
	ctx, stop := context.WithCancel(w.Context())
	var running sync.WaitGroup
	running.Go(func() { server.Serve(web) })
	running.Go(func() { devices.Serve(ctx, boards) })
	transport := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) { return web.dial(ctx) }, MaxIdleConnsPerHost: registrars}
	w.cloud = &Cloud{
		API:      &client.Client{BaseURL: "http://world", Token: w.secret, HTTP: &http.Client{Transport: transport}},
		DialHTTP: web.dial, DialTCP: boards.dial,
	}
	w.Cleanup(func() {
		transport.CloseIdleConnections()
		routes.CloseStreams()
		server.Close()
		stop()
		running.Wait()
		w.store.Close()
	})
}

func publicPEM(der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
}

// bench runs scenarios of tiny size on the world's cloud.
func (w *world) bench(cfg Config) Result {
	w.Helper()
	res, err := Run(w.Context(), w.config(cfg))
	if err != nil {
		w.Fatalf("%v\nnotes: %q", err, res.Notes)
	}
	return res
}

func (w *world) config(cfg Config) Config {
	cfg.Network, cfg.Progress, cfg.most = inProcess(), io.Discard, 3
	if cfg.Start == nil {
		cfg.Cloud = w.cloud
	}
	return cfg
}

// figure returns a value by the beginning of its name.
func (w *world) figure(res Result, scenario, name string) float64 {
	w.Helper()
	f := findFigure(w.T, res, scenario, name)
	if f.Value == nil {
		w.Fatalf("%s: %s was not measured: %s", scenario, name, f.Why)
	}
	return *f.Value
}
