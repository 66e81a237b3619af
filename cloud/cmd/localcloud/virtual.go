package main

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"os"
	"sync"
	"time"

	"localcloud/cloud"
	"localcloud/cloud/client"
	"localcloud/coap/virtual"
	"localcloud/keys"
)

// virtualCmd is "localcloud virtual".
type virtualCmd struct {
	Stdio bool `help:"Be one device that a script controls, by lines of JSON on standard input and output."`

	N        int           `short:"n" default:"1" help:"How many devices." placeholder:"N"`
	Interval time.Duration `default:"10s" help:"How often each publishes an event." placeholder:"TIME"`
	Ramp     time.Duration `help:"Over which time they come online (default: 5 ms for each)." placeholder:"TIME"`
	Seed     uint64        `help:"Another number gives other device ids." placeholder:"NUMBER"`

	ID  string `name:"id" help:"With --stdio: the device's id, 24 hex digits; without it a random one." placeholder:"HEX" env:"DEVICE_ID"`
	Key string `help:"With --stdio: file with the device's private key; without it a new key." placeholder:"FILE"`
	OS  string `name:"os" help:"Which release of Device OS to behave like (default: ${virtual_os})." placeholder:"VERSION"`

	HTTP      string       `name:"http" help:"The cloud's address, such as http://192.168.1.5:8080; without it the cloud on this machine." placeholder:"URL"`
	Token     cloud.Secret `help:"Access token with which devices are registered." placeholder:"TOKEN" env:"LOCALCLOUD_TOKEN"`
	TCP       string       `name:"tcp" help:"Where devices connect; without it port 5683 of the cloud." placeholder:"ADDR"`
	UDP       udpFlag      `name:"udp" help:"Be newer boards, over UDP. Where they connect; without ADDR port 5684 of the cloud." placeholder:"[ADDR]"`
	ServerKey string       `help:"File with the server's public key, as keys export writes; without it the cloud is asked." placeholder:"FILE"`
	Data      string       `help:"Data directory of the cloud on this machine (default: ${data})." placeholder:"DIR" env:"LOCALCLOUD_DATA"`

	LogLevel slog.Level `default:"warn" help:"How much to log; debug shows every message (default: warn)." placeholder:"LEVEL" env:"LOCALCLOUD_LOG_LEVEL"`
}

// Help is the long text of --help.
func (*virtualCmd) Help() string {
	return "Beside a cloud that runs on this machine it needs nothing else: localcloud virtual -n 5. For a cloud elsewhere, " +
		"give --http and --token. Without a token and data directory the devices are not registered: the cloud must take them " +
		"in (serve --trust-first-use) or know them. Device ids are the same each time; they stay registered."
}

// target is the cloud that virtual devices connect to.
type target struct {
	api       *client.Client // nil: unknown
	registers bool           // the client may register devices
	tcp, udp  string
	serverKey *rsa.PublicKey // nil: over UDP
}

// Run runs devices until ctx ends.
func (c *virtualCmd) Run(ctx context.Context, t *terminal) error {
	to, err := c.target(ctx)
	if err != nil {
		return err
	}
	logger := slog.New(slog.NewTextHandler(t.err, &slog.HandlerOptions{Level: c.LogLevel}))
	config := virtual.Config{
		ServerKey: to.serverKey, Dial: dialTCP(to.tcp), OS: virtual.Version(c.OS), Reconnect: true, Logger: logger,
	}
	if err := to.overUDP(ctx, c, &config); err != nil {
		return err
	}
	if c.Stdio {
		return c.one(ctx, t, to, config)
	}
	return c.fleet(ctx, t, to, config)
}

func dialTCP(address string) func(context.Context) (net.Conn, error) {
	return func(ctx context.Context) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "tcp", address)
	}
}

// target finds out where to connect: what the flags do not say, the cloud is asked.
func (c *virtualCmd) target(ctx context.Context) (target, error) {
	to := target{tcp: c.TCP, udp: c.UDP.address}
	var err error
	if c.HTTP != "" {
		err = c.elsewhere(&to)
	}
	known := c.TCP != ""
	if c.UDP.wanted {
		known = c.UDP.address != ""
	}
	here := c.HTTP == "" && (!known || c.ServerKey == "")
	if err == nil && (here || c.Data != "" && c.Token == "") {
		err = c.here(ctx, &to)
	}
	if err == nil && !c.UDP.wanted {
		to.serverKey, err = readServerKey(ctx, c.ServerKey, to.api)
	}
	return to, err
}

// elsewhere fills in what --http says.
func (c *virtualCmd) elsewhere(to *target) error {
	if err := client.CheckBaseURL(c.HTTP); err != nil {
		return usageError{err}
	}
	u, err := url.Parse(c.HTTP)
	if err != nil {
		return usageError{err}
	}
	to.api = &client.Client{BaseURL: c.HTTP, Token: c.Token, HTTP: newHTTPClient()}
	to.registers = c.Token != ""
	if to.tcp == "" {
		to.tcp = net.JoinHostPort(u.Hostname(), "5683")
	}
	if to.udp == "" {
		to.udp = net.JoinHostPort(u.Hostname(), "5684")
	}
	return nil
}

// here fills in what the cloud on this machine says.
func (c *virtualCmd) here(ctx context.Context, to *target) error {
	conn, err := place{Data: c.Data}.connect(ctx, needRunning)
	if err != nil {
		return err
	}
	to.api, to.registers = conn.Client, true
	tcp, udp, err := devicesOf(ctx, conn)
	if to.tcp == "" {
		to.tcp = tcp
	}
	if to.udp == "" {
		to.udp = udp
	}
	if err == nil && c.UDP.wanted && to.udp == "" {
		err = errors.New("the cloud on this machine serves no UDP; see its log, or choose an address with serve --udp")
	}
	return err
}

// devicesOf asks a cloud on this machine where its devices connect; udp is empty when it serves none.
func devicesOf(ctx context.Context, conn *connection) (tcp, udp string, err error) {
	s, err := conn.Status(ctx)
	if err != nil {
		return "", "", err
	}
	var more serverStatus
	if err := s.Decode(&more); err != nil {
		return "", "", err
	}
	address, err := net.ResolveTCPAddr("tcp", more.Listeners.TCP)
	if err != nil {
		return "", "", err
	}
	if more.Listeners.UDP != "" {
		address, err := net.ResolveUDPAddr("udp", more.Listeners.UDP)
		if err != nil {
			return "", "", err
		}
		udp = onLoopback(address)
	}
	return onLoopback(address), udp, nil
}

// readServerKey reads the server's public key from the file, or asks the cloud if there is no file.
func readServerKey(ctx context.Context, file string, api *client.Client) (*rsa.PublicKey, error) {
	from := file
	text, err := os.ReadFile(file)
	if file == "" {
		from = api.BaseURL
		text, err = api.ServerKey(ctx, false)
	}
	if err != nil {
		return nil, err
	}
	if block, _ := pem.Decode(text); block != nil {
		text = block.Bytes
	}
	key, err := x509.ParsePKIXPublicKey(text)
	if rsaKey, ok := key.(*rsa.PublicKey); err == nil && ok {
		return rsaKey, nil
	}
	return nil, fmt.Errorf("%s gives no RSA public key of a server; export it again: localcloud keys export", from)
}

// fleet runs many devices, all with one key.
func (c *virtualCmd) fleet(ctx context.Context, t *terminal, to target, config virtual.Config) error {
	if c.ID != "" || c.Key != "" {
		return usagef("--id and --key go with --stdio")
	}
	public, err := fleetKey(&config)
	if err != nil {
		return err
	}
	fleet := virtual.Fleet{N: c.N, Device: config, Interval: c.Interval, Ramp: c.Ramp, Seed: c.Seed}
	if to.registers {
		if err := registerAll(ctx, t, to.api, &fleet, public); err != nil {
			return err
		}
	}
	ended := make(chan struct{})
	shown := make(chan struct{})
	go func() {
		defer close(shown)
		showFleet(t, &fleet, ended)
	}()
	err = fleet.Run(ctx)
	close(ended)
	<-shown
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// fleetKey makes the one key of a fleet.
func fleetKey(config *virtual.Config) (keys.PublicKey, error) {
	if config.UDP != nil {
		return ensureECKey("", config)
	}
	key, err := keys.GenerateDeviceRSA()
	if err != nil {
		return keys.PublicKey{}, err
	}
	config.Key = key
	return keys.NewRSAPublicKey(&key.PublicKey)
}

// showFleet prints the progress every few seconds, and the sum at the end.
func showFleet(t *terminal, fleet *virtual.Fleet, ended <-chan struct{}) {
	every := time.NewTicker(5 * time.Second)
	defer every.Stop()
	for {
		select {
		case <-every.C:
			p := fleet.Snapshot()
			fmt.Fprintf(t.err, "%d of %d online, %d events sent, %d errors\n", p.Online, fleet.N, p.Published, p.Errors)
		case <-ended:
			fmt.Fprintf(t.err, "%d events were sent\n", fleet.Snapshot().Published)
			return
		}
	}
}

// registrars is how many devices are registered at once: the cloud syncs each
// to its disk, and several in one go.
const registrars = 16

// registerAll registers the devices of a fleet with their one key.
func registerAll(ctx context.Context, t *terminal, api *client.Client, fleet *virtual.Fleet, key keys.PublicKey) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	next := make(chan int)
	var workers sync.WaitGroup
	for range min(registrars, fleet.N) {
		workers.Go(func() {
			for i := range next {
				if err := register(ctx, api, fleet.ID(i), key); err != nil {
					cancel(err)
				}
			}
		})
	}
	for i := range fleet.N {
		select {
		case next <- i:
		case <-ctx.Done():
		}
		if i+1 == fleet.N || (i+1)%1000 == 0 {
			fmt.Fprintf(t.err, "registering %d of %d\n", i+1, fleet.N)
		}
	}
	close(next)
	workers.Wait()
	return context.Cause(ctx)
}

// register makes a device known and the token user's own.
func register(ctx context.Context, api *client.Client, id keys.DeviceID, key keys.PublicKey) error {
	if err := api.Provision(ctx, id, key); err != nil {
		return fmt.Errorf("device %s: %w", id, err)
	}
	if err := api.Claim(ctx, id); err != nil {
		return fmt.Errorf("device %s: %w", id, err)
	}
	return nil
}

// randomID draws a device id.
func randomID() keys.DeviceID {
	var id keys.DeviceID
	rand.Read(id[:])
	return id
}
