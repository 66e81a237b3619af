package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"os"
	"time"

	"localcloud/cloud"
	"localcloud/cloud/store"
)

// settings are all that can be set about a cloud that runs. Each can come from
// the command line, the environment or a file, see config.go.
type settings struct {
	Config string `help:"Read settings from this file: lines such as http = \":80\", named as these flags." placeholder:"FILE.toml" env:"LOCALCLOUD_CONFIG" settings:""`
	Data   string `help:"Directory for everything the cloud remembers (default: ${data})." placeholder:"DIR" env:"LOCALCLOUD_DATA"`

	HTTP    string `name:"http" default:":8080" help:"Where apps, pages and scripts connect: the HTTP API (default: :8080)." placeholder:"ADDR" env:"LOCALCLOUD_HTTP"`
	HTTPS   string `name:"https" help:"Where they connect with HTTPS, such as :8443. Without --cert the cloud makes the certificate, and the authority (CA) that clients have to trust; see: localcloud https --help (default: no HTTPS)." placeholder:"ADDR" env:"LOCALCLOUD_HTTPS"`
	Cert    string `name:"cert" help:"Certificate of your own for HTTPS, with those above it (PEM). It is read again when it changes." placeholder:"FILE" env:"LOCALCLOUD_CERT"`
	CertKey string `name:"key" help:"Its key (PEM)." placeholder:"FILE" env:"LOCALCLOUD_KEY"`

	TCP   string `name:"tcp" default:":5683" help:"Where Core, Photon and P1 connect: CoAP over TCP (default: :5683)." placeholder:"ADDR" env:"LOCALCLOUD_TCP"`
	UDP   string `name:"udp" help:"Where newer boards connect: CoAP over DTLS (default: :5684; boards cannot be told another port)." placeholder:"ADDR" env:"LOCALCLOUD_UDP"`
	Relay string `name:"relay" default:":8070" help:"Where fast data of devices comes in and is shown: the relay (default: :8070; off: none)." placeholder:"ADDR" env:"LOCALCLOUD_RELAY"`

	relaySettings `embed:""`

	TrustFirstUse *bool      `negatable:"" help:"Take in every board that connects for the first time, without asking. The cloud remembers it until you say --no-trust-first-use." env:"LOCALCLOUD_TRUST_FIRST_USE"`
	Events        store.Mode `help:"How events are kept: disk (synced before they are acknowledged), interval=30s (acknowledged at once, written every 30s), memory, or off (default: disk)." placeholder:"MODE" env:"LOCALCLOUD_EVENTS"`
	EventsMaxAge  *span      `help:"How long events are kept: 30d, 12h, never (as long as there is room; default: what settings set says, else 7d)." placeholder:"TIME" env:"LOCALCLOUD_EVENTS_MAX_AGE"`
	EventsMaxSize size       `help:"How much room events may take: 500MB, 2GB (default: what settings set says, else 1GB, or a tenth of the free space if that is less)." placeholder:"SIZE" env:"LOCALCLOUD_EVENTS_MAX_SIZE"`

	LogLevel *slog.Level `help:"How much to log: debug, info, warn or error (default: what settings set says, else info)." placeholder:"LEVEL" env:"LOCALCLOUD_LOG_LEVEL"`
	LogJSON  bool        `name:"log-json" help:"Log in JSON." env:"LOCALCLOUD_LOG_JSON"`

	level *slog.LevelVar // of the logger, while the cloud runs
}

// maxAge is EventsMaxAge as the store has it: 0 is its default, negative no bound.
func (s *settings) maxAge() time.Duration {
	switch {
	case s.EventsMaxAge == nil:
		return 0
	case *s.EventsMaxAge == 0:
		return -1
	}
	return time.Duration(*s.EventsMaxAge)
}

// logger returns the one logger of a process that serves.
func (s *settings) logger(w io.Writer) *slog.Logger {
	s.level = new(slog.LevelVar)
	if s.LogLevel != nil {
		s.level.Set(*s.LogLevel)
	}
	options := &slog.HandlerOptions{Level: s.level}
	if s.LogJSON {
		return slog.New(slog.NewJSONHandler(w, options))
	}
	return slog.New(slog.NewTextHandler(w, options))
}

func quietLogger() *slog.Logger { return slog.New(slog.DiscardHandler) }

// serveCmd is "localcloud serve".
type serveCmd struct {
	settings `embed:""`
}

// Help is the long text of --help.
func (*serveCmd) Help() string {
	return "When it serves, it prints one line of JSON on standard output with the addresses in use; the log goes to " +
		"standard error. Address 127.0.0.1:0 picks a free port. Settings come from the command line, else from the environment, " +
		"else from the file of --config. End it with Ctrl-C: devices are disconnected, requests finish, event streams end last."
}

// Run serves until ctx ends.
func (c *serveCmd) Run(ctx context.Context, t *terminal) error {
	beFrugal()
	logger := c.logger(t.err)
	s, err := start(ctx, c.settings, logger)
	if err != nil {
		return err
	}
	if err := json.NewEncoder(t.out).Encode(s.ready()); err != nil {
		s.stop()
		return fmt.Errorf("ready line: %w", err)
	}
	if isTerminal(t.err) {
		s.welcome(t.err)
	} else if s.needsOwner() {
		s.logger.Warn("there is no owner yet: open the address in a browser and enter the set-up code, or use the command",
			"address", s.webAddress(), "code", string(s.setupCode), "command", "localcloud user add NAME --data "+s.dir)
	}
	return s.wait(ctx)
}

// ready is the line that tells a script where the cloud is.
type ready struct {
	Ready bool `json:"ready"`
	addresses
	PID int `json:"pid"`
}

// addresses are the sockets that listen; empty: none.
type addresses struct {
	HTTP  string `json:"http"`
	HTTPS string `json:"https"`
	TCP   string `json:"tcp"`
	UDP   string `json:"udp"`
	Relay string `json:"relay"`
}

func (s *server) ready() ready {
	return ready{Ready: true, addresses: s.addresses(), PID: os.Getpid()}
}

func (s *server) addresses() addresses {
	a := addresses{HTTP: s.httpSocket.Addr().String(), TCP: s.tcpSocket.Addr().String(), Relay: s.relayAddress()}
	if s.httpsSocket != nil {
		a.HTTPS = s.httpsSocket.Addr().String()
	}
	if s.udp != nil {
		a.UDP = s.udp.listener.Addr().String()
	}
	return a
}

// welcome tells a person at a terminal where to connect and what to do next.
func (s *server) welcome(w io.Writer) {
	fmt.Fprintf(w, "\nlocalcloud serves the data in %s\n", s.dir)
	for _, url := range reachable("http://", s.httpSocket.Addr()) {
		fmt.Fprintf(w, "  browsers, apps:   %s\n", url)
	}
	if s.httpsSocket != nil {
		for _, url := range reachable("https://", s.httpsSocket.Addr()) {
			fmt.Fprintf(w, "  the same, HTTPS:  %s\n", url)
		}
	}
	for _, address := range reachable("", s.tcpSocket.Addr()) {
		fmt.Fprintf(w, "  Core, Photon, P1: %s\n", address)
	}
	if s.udp != nil {
		for _, address := range reachable("", s.udp.listener.Addr()) {
			fmt.Fprintf(w, "  newer boards:     %s (UDP)\n", address)
		}
	}
	if s.relaySocket != nil {
		for _, url := range reachable("http://", s.relaySocket.Addr()) {
			fmt.Fprintf(w, "  live data:        %s/relay/\n", url)
		}
	}
	if s.needsOwner() {
		fmt.Fprintf(w, "\n  This cloud has no owner yet. Open %s in a browser and enter the set-up code\n\n      %s\n\n"+
			"  or make the owner in another terminal: %s user add NAME --data %s\n", s.webAddress(), s.setupCode, os.Args[0], s.dir)
	}
	fmt.Fprintln(w, "  Ctrl-C ends it.")
	fmt.Fprintln(w)
}

func (s *server) needsOwner() bool { return cloud.Owner(s.parts.store.Registry()) == "" }

// webAddress is where a browser finds the cloud.
func (s *server) webAddress() string { return reachable("http://", s.httpSocket.Addr())[0] }

// wait returns when ctx has ended and everything is stopped, or something failed that the cloud cannot do without.
func (s *server) wait(ctx context.Context) error {
	var failed error
	select {
	case <-ctx.Done():
		s.logger.Info("stopping")
	case failed = <-s.failed:
		s.logger.Error("stopping because of a failure", "err", failed)
	}
	began := time.Now()
	err := s.stop()
	s.logger.Info("stopped", "took", time.Since(began).Round(time.Millisecond).String())
	if failed != nil {
		return failed
	}
	return err
}
