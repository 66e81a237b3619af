package main

import (
	"context"
	"crypto/subtle"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"

	"localcloud/cloud"
	"localcloud/cloud/client"
	"localcloud/cloud/store"
	"localcloud/relay"
)

// relayRunCmd is "localcloud relay": one that stands alone.
type relayRunCmd struct {
	Cloud string       `help:"The cloud whose devices it serves, such as http://192.168.1.5:8080." placeholder:"URL" env:"LOCALCLOUD_CLOUD"`
	Token cloud.Secret `help:"Access token of that cloud; it also opens this relay's own API." placeholder:"TOKEN" env:"LOCALCLOUD_TOKEN"`
	Relay string       `name:"relay" default:":8070" help:"Where it listens (default: :8070)." placeholder:"ADDR" env:"LOCALCLOUD_RELAY"`
	Data  string       `help:"Directory for what it remembers and records (default: ${data}-relay)." placeholder:"DIR" env:"LOCALCLOUD_RELAY_DATA"`

	relaySettings `embed:""`

	LogLevel slog.Level `default:"info" help:"How much to log: debug, info, warn or error (default: info)." placeholder:"LEVEL" env:"LOCALCLOUD_LOG_LEVEL"`
}

// Help is the long text of --help.
func (*relayRunCmd) Help() string {
	return "A cloud that runs with localcloud serve has its relay already. This is for another Particle-compatible cloud, or another machine. " +
		"When it serves, it prints one line of JSON with its address. Its other commands reach it with --cloud http://THIS-MACHINE:8070 and the same token."
}

// Run serves until ctx ends.
func (c *relayRunCmd) Run(ctx context.Context, t *terminal) error {
	if c.Cloud == "" || c.Token == "" {
		return usagef("a relay by itself needs a cloud: localcloud relay --cloud URL --token TOKEN; a cloud of localcloud serve has its relay already; see: localcloud relay --help")
	}
	if err := client.CheckBaseURL(c.Cloud); err != nil {
		return usageError{err}
	}
	dir := c.Data
	if dir == "" {
		dir = defaultDataDir() + "-relay"
	}
	dir, err := filepath.Abs(dir)
	if err != nil {
		return err
	}
	logger := slog.New(slog.NewTextHandler(t.err, &slog.HandlerOptions{Level: c.LogLevel}))
	config := c.relaySettings.config(dir, logger)
	remote := &clientCloud{api: &client.Client{BaseURL: c.Cloud, Token: c.Token, HTTP: newHTTPClient()}, logger: logger}
	config.Cloud = remote
	config.Room = func(held int64) int64 { return store.RoomOn(dir, held) }
	if _, err := remote.api.Devices(ctx); err != nil { // a wrong address or token is said at once
		return err
	}
	r, err := relay.New(config)
	if err != nil {
		return err
	}
	socket, err := listen("relay", c.Relay)
	if err != nil {
		return err
	}
	defer socket.release()
	line := map[string]any{"ready": true, "relay": socket.Addr().String(), "pid": os.Getpid()}
	if err := json.NewEncoder(t.out).Encode(line); err != nil {
		return fmt.Errorf("ready line: %w", err)
	}
	return r.Serve(ctx, socket)
}

// clientCloud is a cloud elsewhere, as a relay that stands alone sees it.
type clientCloud struct {
	api    *client.Client
	logger *slog.Logger
}

const followPause = 5 * time.Second // before a stream is asked for again that the cloud has refused

// Events implements relay.Cloud.
func (c *clientCloud) Events(ctx context.Context, prefix string, yield func(relay.Notice)) {
	for {
		err := c.api.Follow(ctx, client.Query{Prefix: prefix}, func(ev client.Event) error {
			n := relay.Notice{Device: ev.CoreID, Event: ev.Name}
			if ev.Data != nil {
				n.Data = *ev.Data
			}
			yield(n)
			return nil
		})
		if ctx.Err() != nil {
			return
		}
		c.logger.Warn("the cloud does not tell its events; trying again", "events", prefix, "err", err)
		select {
		case <-time.After(followPause):
		case <-ctx.Done():
			return
		}
	}
}

// Device implements relay.Cloud.
func (c *clientCloud) Device(ctx context.Context, name string) (relay.Device, error) {
	d, err := c.api.Device(ctx, name)
	if cloud.KindOf(err) == cloud.Permission { // how a Particle cloud says that there is none
		err = cloud.E("device", cloud.NotExist, err)
	}
	return remoteDevice(d), err
}

// Devices implements relay.Cloud.
func (c *clientCloud) Devices(ctx context.Context) ([]relay.Device, error) {
	list, err := c.api.Devices(ctx)
	var out []relay.Device
	for _, d := range list {
		out = append(out, remoteDevice(d))
	}
	return out, err
}

// remoteDevice leaves the addresses of the cloud connection out: they say how
// the device reaches the cloud, not how it reaches this machine. What it announces counts.
func remoteDevice(d client.Device) relay.Device {
	return relay.Device{ID: strings.ToLower(d.ID.String()), Name: d.Name, Online: d.Connected}
}

// Call implements relay.Cloud.
func (c *clientCloud) Call(ctx context.Context, id, function, argument string) (int32, error) {
	return c.api.Call(ctx, id, function, argument)
}

// Access implements relay.Cloud: the one token that the relay was given opens everything, others nothing.
func (c *clientCloud) Access(secret string) (relay.Access, error) {
	if subtle.ConstantTimeCompare([]byte(secret), []byte(c.api.Token)) != 1 {
		return relay.Access{}, cloud.E("token", cloud.Unauthentic, cloud.ErrTokenInvalid)
	}
	return relay.Access{Read: true, Write: true, Admin: true, Sees: func(string) bool { return true }}, nil
}
