package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"sync"
	"syscall"

	"localcloud/cloud"
	"localcloud/cloud/api"
	"localcloud/cloud/sink"
	"localcloud/cloud/store"
	"localcloud/coap/link/dtls"
	"localcloud/webui"
)

// server is one cloud that runs in this process. Two can run at once.
type server struct {
	dir    string
	logger *slog.Logger

	parts      *parts
	setupCode  cloud.SetupCode // until there is an owner
	photon     *virtualPhoton
	selfTest   *selfTest
	httpSocket *lateListener
	tcpSocket  *lateListener
	udp        *udpServer // nil: another program has the port

	relayPart

	httpsSocket  *lateListener // nil: no HTTPS
	certificates *certificates

	http       *http.Server
	gate       *gate              // counts requests, and closes for new ones
	devices    context.CancelFunc // ends the connections of all devices
	failed     chan error         // a socket that accepts no more; one place for each goroutine
	httpEnded  chan struct{}
	devicesEnd chan struct{}
	hooks      context.CancelFunc // ends the delivery to webhooks
	hooksEnded chan struct{}
}

// start opens the data directory and the sockets and serves. When it returns
// without an error, everything listens and control.json is there; stop has to follow.
func start(ctx context.Context, c settings, logger *slog.Logger) (*server, error) {
	dir, err := dataDir(c.Data)
	if err != nil {
		return nil, err
	}
	s := &server{
		dir: dir, logger: logger, gate: newGate(),
		setupCode: cloud.NewSetupCode(),
		failed:    make(chan error, 5), httpEnded: make(chan struct{}), devicesEnd: make(chan struct{}),
		hooksEnded: make(chan struct{}),
	}
	s.photon, s.selfTest = &virtualPhoton{server: s}, &selfTest{server: s}
	s.parts, err = openParts(dir, partsConfig{
		logger: logger, maxAge: c.maxAge(), maxBytes: int64(c.EventsMaxSize), events: c.Events, status: s.status,
		setupCode: s.setupCode, own: s.isOwn, trial: s.photon, selfTest: s.selfTest,
		tuning: func(st *store.Store) api.Tuning { return newTuning(c, st) },
	})
	if err != nil {
		return nil, explainOpen(dir, err)
	}
	if err := s.open(c); err != nil {
		s.closeSockets()
		return nil, errors.Join(err, s.parts.close())
	}
	s.run(context.WithoutCancel(ctx))
	file := control{URL: loopback(s.httpSocket.Addr()), Secret: string(s.parts.secret), PID: os.Getpid()}
	if err := file.write(dir); err != nil {
		return nil, errors.Join(fmt.Errorf("control.json: %w", err), s.stop())
	}
	if err := s.photon.resume(); err != nil {
		logger.Warn("the virtual Photon stays off", "err", err)
	}
	a := s.addresses()
	logger.Info("serving", "http", a.HTTP, "https", a.HTTPS, "tcp", a.TCP, "udp", a.UDP, "relay", a.Relay, "data", dir, "version", version())
	return s, nil
}

// open applies the settings that the registry keeps, and opens the sockets.
func (s *server) open(c settings) error {
	if c.TrustFirstUse != nil {
		settings, err := s.parts.store.Registry().UpdateSettings(func(set *cloud.Settings) error {
			set.TrustFirstUse = *c.TrustFirstUse
			return nil
		})
		if err != nil {
			return err
		}
		s.parts.hub.SettingsChanged(settings)
	}
	var err error
	if s.httpSocket, err = listen("http", c.HTTP); err != nil {
		return err
	}
	if err = s.openHTTPS(c); err != nil {
		return err
	}
	if s.tcpSocket, err = listen("tcp", c.TCP); err != nil {
		return err
	}
	socket, err := listenUDP(c.UDP, s.logger)
	if err != nil {
		return err
	}
	if socket != nil {
		s.udp = newUDPServer(s.parts, socket, s.logger)
	}
	return s.openRelay(c)
}

// run starts the goroutines: those that serve HTTP and HTTPS, one for devices on each transport, one that sends events to
// webhooks, and the relay's.
func (s *server) run(ctx context.Context) {
	s.http = newHTTPServer(s.gate.around(webui.Around(s.parts.api.Handler())), s.logger)
	var web sync.WaitGroup
	for _, listener := range s.httpListeners() {
		web.Go(func() {
			if err := s.http.Serve(listener); err != nil && !errors.Is(err, http.ErrServerClosed) && !errors.Is(err, net.ErrClosed) {
				s.failed <- fmt.Errorf("http: %w", err)
			}
		})
	}
	go func() {
		web.Wait()
		close(s.httpEnded)
	}()
	hooks, cancel := context.WithCancel(ctx)
	s.hooks = cancel
	go func() {
		defer close(s.hooksEnded)
		s.parts.sink.Run(hooks)
	}()
	ctx, s.devices = context.WithCancel(ctx)
	var devices sync.WaitGroup
	devices.Go(func() { keepPace(ctx) })
	devices.Go(func() { s.parts.api.KeepVitals(ctx) })
	devices.Go(func() { relax(ctx, func() int { return s.parts.hub.Totals().Online }, releaseMemory) })
	devices.Go(func() {
		if err := deviceServer(s.parts, s.logger).Serve(ctx, s.tcpSocket); err != nil {
			s.failed <- err
		}
	})
	if s.udp != nil {
		devices.Go(func() {
			if err := s.udp.serve(ctx); err != nil {
				s.failed <- err
			}
		})
	}
	go func() {
		devices.Wait()
		close(s.devicesEnd)
	}()
	s.runRelay(ctx)
}

// listen opens a socket for devices or HTTP; flag is the name of the setting, for the error.
func listen(flag, address string) (*lateListener, error) {
	ln, err := net.Listen("tcp", address)
	if err != nil {
		return nil, explainListen(flag, address, err)
	}
	return newLateListener(ln.(*net.TCPListener)), nil
}

// explainListen adds the next step to an error of a socket.
func explainListen(flag, address string, err error) error {
	switch {
	case isErrno(err, syscall.EADDRINUSE, 10048):
		return &busyError{flag: flag, address: address}
	case isErrno(err, syscall.EACCES, 10013):
		return fmt.Errorf("no permission to listen on %s; choose a port above 1023 with --%s", address, flag)
	case isErrno(err, syscall.EADDRNOTAVAIL, 10049):
		return fmt.Errorf("this machine does not have the address %s; choose another with --%s, or :PORT for all of them", address, flag)
	}
	return fmt.Errorf("--%s: %w", flag, err)
}

// busyError says that a port is taken.
type busyError struct{ flag, address string }

func (e *busyError) Error() string {
	return fmt.Sprintf("another program uses %s; end it, or choose another address with --%s", e.address, e.flag)
}

// isErrno compares with the number that Windows has for it too.
func isErrno(err error, unix, windows syscall.Errno) bool {
	return errors.Is(err, unix) || errors.Is(err, windows)
}

// explainOpen adds the next step to an error of the data directory.
func explainOpen(dir string, err error) error {
	switch {
	case errors.Is(err, store.ErrLocked):
		return locked(dir, "end that one first")
	case errors.Is(err, os.ErrPermission):
		return fmt.Errorf("no permission for the data directory: %w; choose another with --data", err)
	}
	return err
}

// loopback returns the URL by which this machine reaches a socket.
func loopback(a net.Addr) string { return "http://" + onLoopback(a) }

// onLoopback returns the address by which this machine reaches a socket.
func onLoopback(a net.Addr) string {
	if isUnspecified(a) {
		_, port, _ := net.SplitHostPort(a.String())
		return "127.0.0.1:" + port
	}
	return a.String()
}

// isUnspecified reports the address of a socket that listens on all of the machine's.
func isUnspecified(a net.Addr) bool {
	switch a := a.(type) {
	case *net.TCPAddr:
		return a.IP.IsUnspecified()
	case *net.UDPAddr:
		return a.IP.IsUnspecified()
	}
	return false
}

// reachable returns the addresses by which others reach a socket: of all
// interfaces when it listens on all.
func reachable(scheme string, a net.Addr) []string {
	if !isUnspecified(a) {
		return []string{scheme + a.String()}
	}
	_, port, _ := net.SplitHostPort(a.String())
	var out []string
	interfaces, _ := net.InterfaceAddrs()
	for _, i := range interfaces {
		ip, ok := i.(*net.IPNet)
		if !ok || ip.IP.IsLoopback() || ip.IP.IsLinkLocalUnicast() || ip.IP.IsMulticast() {
			continue
		}
		out = append(out, scheme+net.JoinHostPort(ip.IP.String(), port))
	}
	if len(out) == 0 { // there is no network yet
		out = []string{scheme + "127.0.0.1:" + port}
	}
	return out
}

// serverStatus is what a running cloud adds to what the API says of itself.
type serverStatus struct {
	Version   string    `json:"version"`
	Listeners addresses `json:"listeners"`
	Addresses struct {
		HTTP  []string `json:"http"`
		HTTPS []string `json:"https,omitempty"`
		TCP   []string `json:"tcp"`
		UDP   []string `json:"udp"`

		Relay []string `json:"relay,omitempty"`
	} `json:"addresses"` // by which others reach them
	DTLS     *dtls.Stats  `json:"dtls,omitempty"` // what came over UDP
	Data     string       `json:"data"`
	PID      int          `json:"pid"`
	Store    store.Status `json:"store"`
	Webhooks sink.Queues  `json:"webhooks"`
	Warnings []string     `json:"warnings,omitempty"`

	SetupCode cloud.SetupCode `json:"setup_code,omitempty"` // the API adds it, while there is no owner
}

func (s *server) status() any {
	out := serverStatus{
		Version: version(), Listeners: s.addresses(), Data: s.dir, PID: os.Getpid(), Store: s.parts.store.Status(), Webhooks: s.parts.sink.Queues(),
	}
	out.Addresses.HTTP = reachable("", s.httpSocket.Addr())
	if s.httpsSocket != nil {
		out.Addresses.HTTPS = reachable("", s.httpsSocket.Addr())
	}
	out.Addresses.TCP = reachable("", s.tcpSocket.Addr())
	if s.udp != nil {
		out.Addresses.UDP = reachable("", s.udp.listener.Addr())
		stats := s.udp.listener.Stats()
		out.DTLS = &stats
	}
	out.Warnings = movedAway(s.parts.store.Registry().AllDevices(), s.parts.hub.IsOnline, ownAddresses())
	out.Warnings = append(out.Warnings, out.Store.Warnings()...)
	if s.relaySocket != nil {
		out.Addresses.Relay = reachable("", s.relaySocket.Addr())
	}
	if s.relayProblem != "" {
		out.Warnings = append(out.Warnings, s.relayProblem)
	}
	return out
}
