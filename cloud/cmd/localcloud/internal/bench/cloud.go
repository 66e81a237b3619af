package bench

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"localcloud/cloud"
	"localcloud/cloud/client"
	"localcloud/keys"
)

// Cloud is a running cloud under test.
type Cloud struct {
	API *client.Client // its token may register devices

	// DialHTTP connects to the API, DialTCP and DialUDP to where devices connect; DialUDP is nil when they cannot.
	DialHTTP, DialTCP, DialUDP func(ctx context.Context) (net.Conn, error)

	// Usage tells what the server's process has used so far. Nil: it cannot be measured.
	Usage func() (Usage, error)

	Ready time.Duration // from its start until it served; 0: somebody else started it
	Stop  func() error  // nil: somebody else's

	dir    string
	own    bool
	others int // devices that are online and not ours

	mu  sync.Mutex
	ids map[keys.DeviceID]bool // registered by us
}

// Usage is what a process has used.
type Usage struct {
	CPU     time.Duration // since its start
	RSS     int64         // bytes resident now
	Own     int64         // those of RSS that are no pages of files, which the system can take back
	Written int64         // bytes that it caused to be written to disk, since its start
}

// user is whose devices the fleets of our own clouds are.
const user = "bench"

// furnish makes a user and a token, and uses that from now on.
func (c *Cloud) furnish(ctx context.Context) error {
	_, err := c.API.AddUser(ctx, user, string(cloud.NewSecret()), true)
	if err != nil && cloud.KindOf(err) != cloud.Exist {
		return err
	}
	token, err := c.API.CreateToken(ctx, client.Grant{User: user, Note: "bench"})
	if err == nil {
		c.API.Token = token.Secret
	}
	return err
}

// close ends a cloud of our own.
func (c *Cloud) close() error {
	if c.Stop == nil {
		return nil
	}
	return c.Stop()
}

// remember notes a device that forget is to remove.
func (c *Cloud) remember(id keys.DeviceID) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ids == nil {
		c.ids = make(map[keys.DeviceID]bool)
	}
	c.ids[id] = true
}

// forget removes our devices from a cloud that stays.
func (c *Cloud) forget(ctx context.Context) error {
	c.awaitOffline(ctx)
	c.mu.Lock()
	defer c.mu.Unlock()
	for id := range c.ids {
		if err := c.API.RemoveDevice(ctx, id.String()); err != nil {
			return fmt.Errorf("%d devices of ours stay registered: %w", len(c.ids), err)
		}
		delete(c.ids, id)
	}
	return nil
}

// errUnmeasured is why nothing is known of the server's process.
var errUnmeasured = errors.New("the server's process cannot be looked at")

func (c *Cloud) usage() (Usage, error) {
	if c.Usage == nil {
		return Usage{}, errUnmeasured
	}
	return c.Usage()
}

// span is a piece of time, and what was used in it.
type span struct {
	cloud  *Cloud
	began  time.Time
	server Usage
	ours   time.Duration
	err    error
}

// spent is what a span came to. The server's part holds only if err is nil.
type spent struct {
	elapsed time.Duration
	ours    time.Duration // CPU of this process
	server  time.Duration // CPU of the server
	written int64
	rss     int64 // at the end
	own     int64 // at the end
	err     error
}

func (c *Cloud) begin() span {
	s := span{cloud: c}
	s.server, s.err = c.usage()
	s.ours, s.began = ownCPU(), time.Now()
	return s
}

func (s span) end() spent {
	out := spent{elapsed: time.Since(s.began), ours: ownCPU() - s.ours, err: s.err}
	now, err := s.cloud.usage()
	if out.err == nil {
		out.err = err
	}
	out.server, out.written, out.rss = now.CPU-s.server.CPU, now.Written-s.server.Written, now.RSS
	out.own = now.Own
	return out
}

// addCPU records the server's CPU for each of n units, in microseconds.
func (r *run) addCPU(s spent, n float64, unit string, against *Reference) {
	name := "server CPU per " + unit
	if s.err != nil {
		r.lack(name, "µs", s.err.Error())
		return
	}
	r.add(name, float64(s.server)/float64(time.Microsecond)/n, "µs", against)
}

// addWritten records the bytes written to disk for each of n units.
func (r *run) addWritten(s spent, n float64, unit string) {
	name := "written to disk per " + unit
	if s.err != nil {
		r.lack(name, "bytes", s.err.Error())
		return
	}
	r.add(name, float64(s.written)/n, "bytes", nil)
}
