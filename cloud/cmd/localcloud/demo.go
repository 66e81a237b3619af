package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"localcloud/cloud"
	"localcloud/cloud/client"
	"localcloud/coap"
	"localcloud/coap/virtual"
	"localcloud/keys"
)

// demoCmd is "localcloud demo".
type demoCmd struct {
	Sketch string `arg:"" optional:"" enum:"livegraph,liveimu,chimes," default:"" help:"What the Photon streams to the relay besides: livegraph, liveimu or chimes." placeholder:"SKETCH"`

	Data     string     `default:"${demo}" help:"The demo's own data directory (default: ${demo})." placeholder:"DIR"`
	HTTP     string     `name:"http" default:":8080" help:"Where apps, pages and scripts connect (default: :8080, or a free port)." placeholder:"ADDR"`
	TCP      string     `name:"tcp" default:":5683" help:"Where boards connect (default: :5683, or a free port)." placeholder:"ADDR"`
	UDP      string     `name:"udp" default:":5684" help:"Where newer boards connect (default: :5684, or a free port)." placeholder:"ADDR"`
	Relay    string     `name:"relay" default:":8070" help:"Where fast data is shown: the relay (default: :8070, or a free port)." placeholder:"ADDR"`
	LogLevel slog.Level `default:"warn" help:"How much to log: debug, info, warn or error (default: warn)." placeholder:"LEVEL" env:"LOCALCLOUD_LOG_LEVEL"`
}

// Help is the long text of --help.
func (*demoCmd) Help() string {
	return "It makes a user and a virtual Photon that publishes a temperature every second, and prints what to try. " +
		"With the name of a sketch the Photon also streams to the relay, as that sketch does on a real board. " +
		"Ctrl-C ends it; the next time everything is there again. Your own cloud (serve) is not touched."
}

// The demo's user and device.
const (
	demoUser   = "demo"
	demoDevice = "demo-photon"
	demoEvent  = "demo/temperature"
)

// demoState is DATA/demo.json, with which the next demo goes on. Mode 0600.
type demoState struct {
	Password string        `json:"password"`
	Token    cloud.Secret  `json:"token"` // read-only
	Device   keys.DeviceID `json:"device"`
}

// Run runs the demo until ctx ends.
func (c *demoCmd) Run(ctx context.Context, t *terminal) error {
	set := settings{Data: c.Data, HTTP: c.HTTP, TCP: c.TCP, UDP: c.UDP, Relay: c.Relay, LogLevel: &c.LogLevel}
	logger := set.logger(t.err)
	s, err := c.start(ctx, t, set, logger)
	if err != nil {
		return err
	}
	running, cancel := context.WithCancel(ctx)
	var photon sync.WaitGroup
	err = c.furnish(running, t, s, logger, &photon)
	if ctx.Err() != nil {
		err = nil // ended before it had begun
	}
	if err == nil {
		err = s.wait(ctx)
	} else {
		err = errors.Join(err, s.stop())
	}
	cancel()
	photon.Wait()
	return err
}

// start starts the cloud; where somebody else has the port, on a free one.
func (c *demoCmd) start(ctx context.Context, t *terminal, set settings, logger *slog.Logger) (*server, error) {
	for {
		s, err := start(ctx, set, logger)
		var busy *busyError
		if !errors.As(err, &busy) {
			return s, err
		}
		t.printf("Another program uses %s, so the demo takes a free port.\n", busy.address)
		host := busy.address[:strings.LastIndexByte(busy.address, ':')]
		switch busy.flag {
		case "http":
			set.HTTP = host + ":0"
		case "udp":
			set.UDP = host + ":0"
		case "relay":
			set.Relay = host + ":0"
		default:
			set.TCP = host + ":0"
		}
	}
}

// furnish makes or finds the user, the token and the device, turns the device on and says what to try.
func (c *demoCmd) furnish(ctx context.Context, t *terminal, s *server, logger *slog.Logger, photon *sync.WaitGroup) error {
	api := &client.Client{BaseURL: loopback(s.httpSocket.Addr()), Token: s.parts.secret, HTTP: newHTTPClient()}
	state, err := furnishCloud(ctx, api, s.dir)
	if err != nil {
		return err
	}
	device, err := furnishDevice(ctx, api, s, state.Device, logger)
	if err != nil {
		return err
	}
	var led atomic.Int32
	began := time.Now()
	err = errors.Join(
		device.Function("led", func(arg string) int32 {
			state, value := "off", int32(0)
			if arg == "on" {
				state, value = "on", 1
			}
			if led.Swap(value) != value {
				fmt.Fprintf(t.err, "%s: the LED is %s\n", demoDevice, state)
			}
			return value
		}),
		device.Variable("temperature", coap.Double, func() any { return temperature(began) }),
	)
	if err != nil {
		return err
	}
	sketch, streams := demoSketches()[c.Sketch]
	if streams {
		calls, err := relayCalls(device)
		if err != nil {
			return err
		}
		photon.Go(func() { sketch.run(ctx, device, calls) })
	}
	photon.Go(func() { device.Run(ctx) })
	photon.Go(func() { publishTemperature(ctx, device, began) })
	c.say(t, s, state)
	if streams {
		t.printf("\n%s streams as firmware/sketches/%s does. In a browser:\n\n  %s%s\n\nIt shows %s.\n",
			demoDevice, c.Sketch, loopback(s.relaySocket.Addr()), sketch.page, sketch.see)
	}
	return nil
}

// temperature is what the demo measures: a room that warms and cools within two minutes.
func temperature(began time.Time) float64 {
	phase := time.Since(began).Seconds() / 120 * 2 * math.Pi
	return math.Round((21+3*math.Sin(phase))*100) / 100
}

func publishTemperature(ctx context.Context, device *virtual.Device, began time.Time) {
	second := time.NewTicker(time.Second)
	defer second.Stop()
	for {
		select {
		case <-second.C:
			if device.Online() {
				device.Publish(ctx, virtual.Event{Name: demoEvent, Data: fmt.Appendf(nil, "%.2f", temperature(began)), Private: true})
			}
		case <-ctx.Done():
			return
		}
	}
}

// furnishCloud makes what is not there yet and keeps it in demo.json.
func furnishCloud(ctx context.Context, api *client.Client, dir string) (demoState, error) {
	path := filepath.Join(dir, "demo.json")
	var state demoState
	text, err := os.ReadFile(path)
	if err == nil {
		err = json.Unmarshal(text, &state)
	}
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return state, fmt.Errorf("%s: %w; remove the directory to begin anew", path, err)
	}
	if state.Password == "" {
		state.Password, state.Device = string(cloud.NewSecret()[:12]), randomID()
	}
	_, err = api.AddUser(ctx, demoUser, state.Password, false)
	if cloud.KindOf(err) == cloud.Exist {
		err = api.SetPassword(ctx, demoUser, state.Password)
	}
	if err != nil {
		return state, err
	}
	tokens, err := api.Tokens(ctx, demoUser)
	if err != nil {
		return state, err
	}
	if !slices.ContainsFunc(tokens, func(t client.Token) bool { return t.ID == state.Token.ID() }) {
		never := time.Duration(0)
		token, err := api.CreateToken(ctx, client.Grant{
			User: demoUser, Scopes: []cloud.Scope{cloud.ScopeReadOnly}, Note: "demo", Life: &never,
		})
		if err != nil {
			return state, err
		}
		state.Token = token.Secret
	}
	text, err = json.Marshal(state)
	if err != nil {
		return state, err
	}
	return state, os.WriteFile(path, append(text, '\n'), 0o600)
}

// furnishDevice registers the device, with the key of the last time if there is one.
func furnishDevice(ctx context.Context, api *client.Client, s *server, id keys.DeviceID, logger *slog.Logger) (*virtual.Device, error) {
	path := filepath.Join(s.dir, "demo-photon.pem")
	if _, err := os.Stat(path); errors.Is(err, os.ErrNotExist) {
		key, err := keys.GenerateDeviceRSA()
		if err != nil {
			return nil, err
		}
		text, err := keys.MarshalDevicePrivateKeyPEM(key)
		if err != nil {
			return nil, err
		}
		if err := os.WriteFile(path, text, 0o600); err != nil {
			return nil, err
		}
	}
	key, err := readDeviceKey(path)
	if err != nil {
		return nil, err
	}
	public, err := keys.NewRSAPublicKey(&key.PublicKey)
	if err != nil {
		return nil, err
	}
	_, err = api.AddDevice(ctx, client.NewDevice{ID: id, Key: public, Name: demoDevice, Owner: demoUser})
	if cloud.KindOf(err) == cloud.Exist { // of the last time; the key may be another one, if its file was removed
		err = api.Provision(ctx, id, public)
	}
	if err != nil {
		return nil, err
	}
	return virtual.New(virtual.Config{
		ID: id, Key: key, ServerKey: &s.parts.keyring.Identity().TCP.PublicKey, Reconnect: true, Logger: logger,
		Dial: dialTCP(onLoopback(s.tcpSocket.Addr())),
	}), nil
}

// say prints what there is and what to try.
func (c *demoCmd) say(t *terminal, s *server, state demoState) {
	url := loopback(s.httpSocket.Addr())
	t.printf(`
This is localcloud with a made-up Photon, %[1]s. Its console:

  %[2]s    in a browser; user %[5]s, password %[6]s

What the Photon publishes, live, and what else to try in another terminal:

  curl -N "%[2]s/v1/devices/events/demo?access_token=%[3]s"
  %[7]s device list --data %[4]s
  %[7]s device call %[1]s led on --data %[4]s
  %[7]s device get %[1]s temperature --data %[4]s
  %[7]s status --data %[4]s

Particle's own tools take the same user and password, at the same address.
Ctrl-C ends it.
`, demoDevice, url, string(state.Token), s.dir, demoUser, state.Password, os.Args[0])
	for _, address := range reachable("http://", s.httpSocket.Addr()) {
		if address != url {
			t.printf("From other machines: %s\n", address)
		}
	}
}
