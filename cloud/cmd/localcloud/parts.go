package main

import (
	"errors"
	"log/slog"
	"net/netip"
	"path/filepath"
	"time"

	"localcloud/cloud"
	"localcloud/cloud/api"
	"localcloud/cloud/sink"
	"localcloud/cloud/store"
	"localcloud/keys"
)

// maxKnocks bounds the list of devices that were not let in.
const maxKnocks = 1000

// partsConfig is what a cloud over a data directory needs to know.
type partsConfig struct {
	logger   *slog.Logger
	maxAge   time.Duration             // of events; 0: the store's default, negative: no bound
	maxBytes int64                     // of events; 0: the store's default
	events   store.Mode                // how events are kept
	own      func(netip.AddrPort) bool // a listener of the running cloud; nil: it has none
	status   func() any                // what the running cloud adds to its status; nil: nothing

	tuning    func(*store.Store) api.Tuning // what follows the settings while the cloud runs; nil: nothing
	selfTest  api.SelfTest                  // nil: there is none
	trial     api.Trial                     // the board made of software; nil: there is none
	setupCode cloud.SetupCode               // makes the owner's account; empty: it is made by command only
}

// parts are the pieces of one cloud over one data directory, put together:
// those that serve runs, and a command without a running cloud.
type parts struct {
	dir      string
	store    *store.Store
	keyring  *keys.Keyring
	created  bool // the identity was made just now: a new cloud
	hub      *cloud.Hub
	accounts *cloud.Accounts
	hosts    *cloud.Hosts
	knocks   *cloud.Knocks
	sink     *sink.Sink // delivers only while it runs
	api      *api.Server
	secret   cloud.Secret // opens everything, for the commands on this machine; another one each time
}

// openParts opens a data directory, which it makes if there is none. Only one process can have it.
func openParts(dir string, c partsConfig) (*parts, error) {
	s, err := store.Open(dir, store.Options{EventsMaxAge: c.maxAge, EventsMaxBytes: c.maxBytes, Events: c.events, Logger: c.logger})
	if err != nil {
		return nil, err
	}
	p := &parts{store: s, knocks: cloud.NewKnocks(maxKnocks), secret: cloud.NewSecret()}
	if p.keyring, p.created, err = keys.OpenKeyring(keysDir(dir)); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	p.hub = cloud.NewHub(s.Registry(), s.Events(), c.logger)
	p.hosts = cloud.NewHosts(s.Registry(), ownHosts)
	p.dir = dir
	p.accounts = cloud.NewAccounts(s.Registry())
	p.accounts.Clock = p.hub.Clock()
	var tuned api.Tuning
	if c.tuning != nil {
		tuned = c.tuning(s)
	}
	p.sink = sink.New(sink.Config{
		Hub: p.hub, Registry: s.Registry(), Own: c.own, Logger: c.logger, Backlog: store.Backlog(filepath.Join(dir, "webhooks.json")),
	})
	p.api = api.New(api.Config{
		Hub: p.hub, Registry: s.Registry(), Accounts: p.accounts, Knocks: p.knocks, Webhooks: p.sink,
		Dump:       s.Registry().Dump,
		Boards:     store.NewBoards(filepath.Join(dir, "boards"), keysDir(dir)),
		ServerKeys: p.serverPEMs,
		Keyring:    p.keyring,
		Hosts:      p.hosts,
		Authority:  p.authorityPEM,
		Control:    p.secret, SetupCode: c.setupCode, Status: c.status, Trial: c.trial, SelfTest: c.selfTest, Tuning: tuned, Logger: c.logger,
	})
	return p, nil
}

// authority opens the certificate authority of this cloud, and makes it if there is none.
func (p *parts) authority() (*keys.Authority, bool, error) {
	return keys.OpenAuthority(keysDir(p.dir), p.hub.Clock().Now())
}

// authorityPEM returns its certificate. Unless it is to be made, it may be that there is none (NotExist).
func (p *parts) authorityPEM(make bool) ([]byte, error) {
	if !make && !keys.HasAuthority(keysDir(p.dir)) {
		return nil, cloud.Errorf("", cloud.NotExist, "this cloud has no certificate authority; one is made by: localcloud https ca")
	}
	a, _, err := p.authority()
	if err != nil {
		return nil, err
	}
	return a.PEM(), nil
}

// close gives the data directory back; what was acknowledged is on disk.
func (p *parts) close() error { return p.store.Close() }

// keysDir is where the server's own keys lie.
func keysDir(dir string) string { return filepath.Join(dir, "keys") }
