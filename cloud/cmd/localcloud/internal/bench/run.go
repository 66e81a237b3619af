package bench

import (
	"context"
	"crypto/rsa"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"localcloud/cloud"
)

// Scenario is one thing that can be measured.
type Scenario struct {
	Name string
	Help string

	own bool // it needs clouds of its own
	run func(ctx context.Context, r *run) error
}

// Scenarios returns all of them, in the order in which they run.
func Scenarios() []Scenario {
	return []Scenario{
		{Name: "ceilings", Help: "What the machine does without a cloud: RSA, synced writes, HTTP, loopback.", run: ceilings},
		{Name: "start", Help: "Start-up time and memory, empty and with devices and events.", own: true, run: startUp},
		{Name: "records", Help: "Newer boards over UDP ping as fast as they are answered: records through one socket, CPU of the server for each.", run: records},
		{Name: "handshake", Help: "Devices connect, a few at a time: rate, and CPU of the server for each.", run: handshake},
		{Name: "storm", Help: "All devices come back at once: how long it takes, and who missed the Hello limit.", run: storm},
		{Name: "idle", Help: "Devices that only stay connected: memory for each, and CPU.", run: idle},
		{Name: "events", Help: "Devices publish at a rate: time from publish to event stream, loss, order, CPU, disk.", run: events},
		{Name: "publish", Help: "Devices publish with acknowledgement: time from publish to ACK, CPU, disk.", run: publish},
		{Name: "fanout", Help: "One device, many event streams: time, and the rate against plain writes to as many sockets.", run: fanout},
		{Name: "subscribe", Help: "One device publishes, many subscribe: time from publish to the handler, loss, order.", run: subscribe},
		{Name: "calls", Help: "Function calls over the API, also with many devices registered.", run: calls},
		{Name: "variables", Help: "Variables read over the API.", run: variables},
	}
}

// choose returns the scenarios of these names.
func choose(names []string) ([]Scenario, error) {
	all := Scenarios()
	if len(names) == 0 {
		return all, nil
	}
	var chosen []Scenario
	for _, name := range names {
		i := slices.IndexFunc(all, func(s Scenario) bool { return s.Name == name })
		if i < 0 {
			return nil, fmt.Errorf("there is no scenario %q; there are %s", name, strings.Join(scenarioNames(all), ", "))
		}
		chosen = append(chosen, all[i])
	}
	return chosen, nil
}

func scenarioNames(list []Scenario) []string {
	var names []string
	for _, s := range list {
		names = append(names, s.Name)
	}
	return names
}

// Run runs the scenarios, one after the other. A scenario that fails does not
// keep the others from running. When ctx ends, Run returns early. In every case it
// returns what was measured so far.
func Run(ctx context.Context, cfg Config) (Result, error) {
	chosen, err := choose(cfg.Scenarios)
	if err != nil {
		return Result{}, err
	}
	r := &run{Config: cfg.withDefaults(), epoch: time.Now(), result: Result{
		Date: time.Now().UTC(), Machine: thisMachine(), Method: method,
	}}
	if c := r.Cloud; c != nil {
		if s, err := c.API.Status(ctx); err == nil {
			c.others = s.Totals.Online
		}
	}
	var failed error
	for _, s := range chosen {
		if err := r.scenario(ctx, s); err != nil && ctx.Err() == nil {
			err = fmt.Errorf("%s: %w", s.Name, err)
			r.result.Failed = append(r.result.Failed, err.Error())
			failed = errors.Join(failed, err)
		}
	}
	r.result.Interrupted = ctx.Err() != nil
	r.cleanUp()
	r.result.Seconds = time.Since(r.epoch).Seconds()
	return r.result, failed
}

// run is one Run. Only its goroutine uses it, except for sinceEpoch.
type run struct {
	Config
	epoch     time.Time       // times in stamps are counted from here
	name      string          // of the scenario that runs
	phase     uint64          // number of the last measurement
	key       *rsa.PrivateKey // of all devices; made when it is needed
	serverKey *rsa.PrivateKey // like a server's, for ceilings; made when it is needed
	dirs      []string        // to remove
	filled    map[filling]string
	result    Result
}

func (r *run) scenario(ctx context.Context, s Scenario) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if s.own && r.Start == nil {
		r.note("%s was left out: it needs clouds of its own", s.Name)
		return nil
	}
	r.name = s.Name
	r.progress("%s", strings.ToLower(s.Help[:1])+s.Help[1:])
	o := r.watchOthers()
	defer func() { r.addOthers(o) }()
	return s.run(ctx, r)
}

// progress tells what is going on.
func (r *run) progress(format string, args ...any) {
	fmt.Fprintf(r.Progress, "%5.1f s  %s: %s\n", time.Since(r.epoch).Seconds(), r.name, fmt.Sprintf(format, args...))
}

// note adds a remark to the result, once.
func (r *run) note(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	if !slices.Contains(r.result.Notes, text) {
		r.result.Notes = append(r.result.Notes, text)
	}
}

// sinceEpoch is the clock of all stamps.
func (r *run) sinceEpoch() time.Duration { return time.Since(r.epoch) }

// nextPhase numbers a measurement, so that events of an earlier one are known.
func (r *run) nextPhase() uint64 {
	r.phase++
	return r.phase
}

// tempDir makes a directory that cleanUp removes.
func (r *run) tempDir() (string, error) {
	dir, err := os.MkdirTemp("", "localcloud-bench-")
	if err != nil {
		return "", err
	}
	r.dirs = append(r.dirs, dir)
	if inMemory(dir) {
		r.note("%s is a file system in memory: synced writes cost nothing there; choose another one with TMPDIR", os.TempDir())
	}
	return dir, nil
}

func (r *run) cleanUp() {
	if r.Cloud != nil {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if err := r.Cloud.forget(ctx); err != nil {
			r.note("%v", err)
		}
	}
	for _, dir := range r.dirs {
		if err := os.RemoveAll(dir); err != nil {
			r.note("could not be removed: %v", err)
		}
	}
}

// cloud returns the cloud to measure: one of our own on an empty directory, or
// the one that was given. It has a user with a token. The caller closes it.
func (r *run) cloud(ctx context.Context) (*Cloud, error) {
	if r.Start == nil {
		return r.Cloud, nil
	}
	dir, err := r.tempDir()
	if err != nil {
		return nil, err
	}
	return r.start(ctx, dir, "")
}

// start starts a cloud of our own. Without a token a user and a token are made.
func (r *run) start(ctx context.Context, dir string, token cloud.Secret) (*Cloud, error) {
	c, err := r.Start(ctx, dir)
	if err != nil {
		return nil, err
	}
	c.dir, c.own = dir, true
	if token != "" {
		c.API.Token = token
		return c, nil
	}
	if err := c.furnish(ctx); err != nil {
		return nil, errors.Join(err, c.close())
	}
	return c, nil
}

// again stops a cloud of our own and starts another process on its data, whose
// memory knows nothing of what went before. A cloud that was given stays.
func (r *run) again(ctx context.Context, c *Cloud) (*Cloud, error) {
	if !c.own {
		return c, nil
	}
	token, dir := c.API.Token, c.dir
	if err := c.close(); err != nil {
		return nil, err
	}
	return r.start(ctx, dir, token)
}

// wait sleeps for d, or until ctx ends.
func wait(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}
