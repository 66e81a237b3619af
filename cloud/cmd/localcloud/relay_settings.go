package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"path/filepath"
	"strconv"
	"time"

	"localcloud/cloud"
	"localcloud/relay"
)

// relaySettings are what can be set about the relay, beside its address.
type relaySettings struct {
	RelayAdvertise  advertised `help:"Address that devices are told to send to, where this machine cannot find it out (containers, NAT): IP or IP:PORT." placeholder:"IP" env:"LOCALCLOUD_RELAY_ADVERTISE"`
	RelayPages      string     `help:"Folder of your own pages for the relay, such as the public folder of livegraph." placeholder:"DIR" env:"LOCALCLOUD_RELAY_PAGES"`
	RelayRead       string     `default:"open" enum:"open,token" help:"Who may watch: open (everybody on this network, as the original) or token (default: open). relay set changes it." placeholder:"open|token" env:"LOCALCLOUD_RELAY_READ"`
	RelayLegacy     bool       `help:"Take what the old WebSocket libraries for the Core do wrong, such as frames without a mask. relay set changes it." env:"LOCALCLOUD_RELAY_LEGACY"`
	RelayByAddress  bool       `help:"Take a WebSocket that says no nonce for the device that was called at its address. relay set changes it." env:"LOCALCLOUD_RELAY_BY_ADDRESS"`
	RelayAnyAddress bool       `help:"Take a device's nonce from any address, behind NAT or in containers." env:"LOCALCLOUD_RELAY_ANY_ADDRESS"`
	RelayNonceLife  span       `default:"60s" help:"How long a device has to connect after it was called (default: 60s)." placeholder:"TIME" env:"LOCALCLOUD_RELAY_NONCE_LIFE"`
	RelaySilence    span       `default:"24h" help:"How long a device may send nothing before its stream is ended (default: 24h)." placeholder:"TIME" env:"LOCALCLOUD_RELAY_SILENCE"`
	RelayRecordSize size       `default:"256MB" help:"How much room recordings of the relay may take together, at most half of that for events (default: 256MB)." placeholder:"SIZE" env:"LOCALCLOUD_RELAY_RECORD_SIZE"`
}

// advertised is an IPv4 address with or without a port.
type advertised netip.AddrPort

// UnmarshalText reads an address.
func (a *advertised) UnmarshalText(text []byte) error {
	host, port := string(text), uint64(0)
	if h, p, err := net.SplitHostPort(host); err == nil {
		if port, err = strconv.ParseUint(p, 10, 16); err != nil {
			return fmt.Errorf("%q is not a port", p)
		}
		host = h
	}
	ip, err := netip.ParseAddr(host)
	if err != nil || !ip.Unmap().Is4() || ip.IsUnspecified() {
		return fmt.Errorf("%q is not an IPv4 address, such as 192.168.1.5 or 192.168.1.5:8070", text)
	}
	*a = advertised(netip.AddrPortFrom(ip.Unmap(), uint16(port)))
	return nil
}

// config is what a relay needs to know, but for its cloud.
func (s *relaySettings) config(dir string, logger *slog.Logger) relay.Config {
	silence := time.Duration(s.RelaySilence)
	if silence == 0 { // never
		silence = 10 * 365 * 24 * time.Hour
	}
	return relay.Config{
		Logger: logger, Advertise: netip.AddrPort(s.RelayAdvertise), NonceLife: time.Duration(s.RelayNonceLife),
		Silence: silence, AnyAddress: s.RelayAnyAddress, ByAddress: s.RelayByAddress, Legacy: s.RelayLegacy,
		TokenReads: s.RelayRead == "token", Pages: s.RelayPages, Dir: filepath.Join(dir, "relay"), MaxRecord: int64(s.RelayRecordSize),
	}
}

// relayPart is what a server has of the relay.
type relayPart struct {
	relay        *relay.Relay  // nil: off
	relaySocket  *lateListener // nil: off
	relayProblem string        // why it is not where it is looked for
	endRelay     context.CancelFunc
	relayEnded   chan struct{}
}

const (
	relayOff     = "off"
	defaultRelay = ":8070"
)

// openRelay makes the relay and opens its socket. Where another program has the
// port that nobody chose, the relay takes a free one and says so: devices are told it in any case.
func (s *server) openRelay(c settings) error {
	if c.Relay == relayOff {
		return nil
	}
	socket, err := listen("relay", c.Relay)
	if errors.As(err, new(*busyError)) && c.Relay == defaultRelay {
		if socket, err = listen("relay", ":0"); err == nil {
			s.relayProblem = fmt.Sprintf("Another program uses %s, so the relay listens on %s. Choose an address with --relay, or say --relay off.",
				c.Relay, socket.Addr())
			s.logger.Warn("another program uses the relay's port; it listens on another one", "port", c.Relay, "address", socket.Addr().String())
		}
	}
	if err != nil {
		return err
	}
	s.relaySocket = socket
	config := c.relaySettings.config(s.dir, s.logger)
	config.Cloud = hubCloud{s.parts}
	config.CheckHost = cloud.NewHosts(s.parts.store.Registry(), ownHosts).CheckHost
	config.Room = s.parts.store.Room
	if s.relay, err = relay.New(config); err != nil {
		return err
	}
	s.parts.store.Share(s.relay.Recorded)
	s.parts.api.SetRelay(s.relay)
	return nil
}

// relayAddress is where the relay listens; "" when it is off.
func (s *server) relayAddress() string {
	if s.relaySocket == nil {
		return ""
	}
	return s.relaySocket.Addr().String()
}

// runRelay starts the relay's goroutine, if there is a relay.
func (s *server) runRelay(ctx context.Context) {
	ctx, s.endRelay = context.WithCancel(ctx)
	s.relayEnded = make(chan struct{})
	if s.relay == nil {
		close(s.relayEnded)
		return
	}
	go func() {
		defer close(s.relayEnded)
		if err := s.relay.Serve(ctx, s.relaySocket); err != nil {
			s.failed <- fmt.Errorf("relay: %w", err)
		}
	}()
}
