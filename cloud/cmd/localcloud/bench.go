package main

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"time"

	"localcloud/cloud"
	"localcloud/cloud/client"
	"localcloud/cloud/cmd/localcloud/internal/bench"
)

// benchCmd is "localcloud bench".
type benchCmd struct {
	Scenario []string `arg:"" optional:"" help:"What to measure; without one everything. The word list shows what there is."`

	Devices     int           `help:"How many devices (default: what the scenario thinks right)." placeholder:"N"`
	Rate        int           `help:"Events a second, all devices together." placeholder:"R"`
	Duration    time.Duration `help:"How long each measurement takes." placeholder:"TIME"`
	Clients     int           `help:"How many event streams listen." placeholder:"N"`
	InFlight    int           `help:"How many calls at once (default: 16)." placeholder:"N"`
	Confirmable bool          `help:"In the scenario events, devices ask for acknowledgements."`
	UDP         bool          `name:"udp" help:"Devices are newer boards, over UDP (DTLS): they shake hands with elliptic curves, and share one socket of the server."`
	Registered  int           `help:"How many devices the filled cloud knows (default: 10000)." placeholder:"N"`
	Events      int           `help:"How many events the filled cloud holds (default: 100000)." placeholder:"N"`

	// Not from the environment: nobody shall put load on a cloud that they did not name.
	Data  string       `help:"Measure the cloud that runs on this data directory, and not one of our own." placeholder:"DIR"`
	Cloud string       `help:"Measure a cloud elsewhere, such as http://192.168.1.5:8080." placeholder:"URL"`
	Token cloud.Secret `help:"Access token for --cloud." placeholder:"TOKEN" env:"LOCALCLOUD_TOKEN"`
	TCP   string       `name:"tcp" help:"Where devices connect to that cloud; without it port 5683 there." placeholder:"ADDR"`

	JSON bool `name:"json" help:"Print JSON."`
}

// Help is the long text of --help.
func (*benchCmd) Help() string {
	return "Without --cloud and --data it starts clouds of its own, one after the other, on free ports of this machine and in a temporary " +
		"directory (TMPDIR), and removes them. All scenarios together take some two minutes. With --data it measures the cloud that runs " +
		"on that directory, with --cloud and --token one elsewhere; its devices are registered there and removed at the end. " +
		"The word fill makes a new directory (--data) with --registered devices and --events events, to look at a cloud that large. " +
		"Ctrl-C ends it and prints what was measured. Larger: localcloud bench idle storm --devices 10000; localcloud bench handshake records idle --udp --devices 10000; localcloud bench start --events 1000000."
}

// Run measures.
func (c *benchCmd) Run(ctx context.Context, t *terminal) error {
	if len(c.Scenario) == 1 && c.Scenario[0] == "list" {
		return c.list(t)
	}
	if len(c.Scenario) == 1 && c.Scenario[0] == "fill" {
		return c.fill(ctx, t)
	}
	cfg := bench.Config{
		Scenarios: c.Scenario, Devices: c.Devices, Rate: c.Rate, Duration: c.Duration, Clients: c.Clients, InFlight: c.InFlight,
		Events: c.Events, Registered: c.Registered, Confirmable: c.Confirmable, UDP: c.UDP, Progress: t.err,
	}
	var err error
	if c.Data != "" && c.Cloud != "" {
		return usagef("--data names a cloud on this machine and --cloud one elsewhere: give one of them")
	}
	if c.Data == "" && c.Cloud == "" {
		cfg.Start, err = ownProgram()
	} else {
		cfg.Cloud, err = c.running(ctx)
	}
	if err != nil {
		return err
	}
	result, err := bench.Run(ctx, cfg)
	if err != nil && len(result.Method) == 0 {
		return usageError{err} // such as a scenario that does not exist
	}
	result.Version = version()
	if c.JSON {
		err = errors.Join(t.json(result), err)
	} else {
		err = errors.Join(result.WriteTable(t.out), err)
	}
	return err
}

// fill makes a data directory with much in it.
func (c *benchCmd) fill(ctx context.Context, t *terminal) error {
	if c.Data == "" {
		return usagef("say where: localcloud bench fill --data DIR, a directory that does not exist yet")
	}
	if _, err := os.Stat(c.Data); !errors.Is(err, os.ErrNotExist) {
		return usagef("%s is there already: bench fill makes a new directory", c.Data)
	}
	devices, events := cmp.Or(c.Registered, 10_000), cmp.Or(c.Events, 100_000)
	if err := bench.Fill(ctx, c.Data, devices, events); err != nil {
		return err
	}
	t.printf("%s holds %d devices and %d events. Start a cloud on it: localcloud serve --data %[1]s\n", c.Data, devices, events)
	return nil
}

func (c *benchCmd) list(t *terminal) error {
	var rows [][]string
	for _, s := range bench.Scenarios() {
		rows = append(rows, []string{s.Name, s.Help})
	}
	return t.table([]string{"SCENARIO", "WHAT IT MEASURES"}, rows)
}

// ownProgram starts clouds with this very program.
func ownProgram() (func(context.Context, string) (*bench.Cloud, error), error) {
	path, err := os.Executable()
	if err != nil {
		return nil, err
	}
	return bench.StartProgram(path), nil
}

// running finds the cloud that --data or --cloud name.
func (c *benchCmd) running(ctx context.Context) (*bench.Cloud, error) {
	conn, err := place{Data: c.Data, Cloud: c.Cloud, Token: c.Token}.connect(ctx, needRunning)
	if err != nil {
		return nil, err
	}
	base, err := url.Parse(conn.BaseURL)
	if err != nil {
		return nil, err
	}
	out := &bench.Cloud{
		API:      &client.Client{BaseURL: conn.BaseURL, Token: conn.Token, HTTP: bench.NewHTTPClient()},
		DialHTTP: dialURL(base),
	}
	tcp, udp := c.TCP, net.JoinHostPort(base.Hostname(), "5684")
	if c.Cloud == "" {
		if tcp, udp, err = c.onThisMachine(ctx, conn, out); err != nil {
			return nil, err
		}
	} else if tcp == "" {
		tcp = net.JoinHostPort(base.Hostname(), "5683")
	}
	out.DialTCP = dialTCP(tcp)
	if udp != "" {
		out.DialUDP = func(ctx context.Context) (net.Conn, error) {
			var d net.Dialer
			return d.DialContext(ctx, "udp", udp)
		}
	}
	return out, nil
}

// onThisMachine finds out where devices connect, and how to look at the process.
func (c *benchCmd) onThisMachine(ctx context.Context, conn *connection, out *bench.Cloud) (tcp, udp string, err error) {
	if tcp, udp, err = devicesOf(ctx, conn); err != nil {
		return "", "", err
	}
	tcp = cmp.Or(c.TCP, tcp)
	if host, _, err := net.SplitHostPort(tcp); err != nil || !net.ParseIP(host).IsLoopback() {
		return "", "", usagef("%s is not on this machine; name the cloud there with --cloud", tcp)
	}
	dir, err := dataDir(c.Data)
	if err != nil {
		return "", "", err
	}
	file, err := readControl(dir)
	if err == nil {
		out.Usage = bench.UsageOf(file.PID)
	}
	return tcp, udp, err
}

// dialURL connects to the server of a URL, with TLS if it says so.
func dialURL(u *url.URL) func(context.Context) (net.Conn, error) {
	port := u.Port()
	switch {
	case u.Scheme == "https" && port == "":
		port = "443"
	case port == "":
		port = "80"
	}
	address := net.JoinHostPort(u.Hostname(), port)
	if u.Scheme != "https" {
		return dialTCP(address)
	}
	return func(ctx context.Context) (net.Conn, error) {
		nc, err := (&tls.Dialer{}).DialContext(ctx, "tcp", address)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", u.Host, err)
		}
		return nc, nil
	}
}
