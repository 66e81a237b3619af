package bench

import (
	"cmp"
	"context"
	"io"
	"net"
	"time"
)

// Config says what to measure. Of the numbers, 0 is what each scenario thinks
// right for some ten seconds on a small machine.
type Config struct {
	Scenarios []string // names, see Scenarios; empty: all

	Devices     int
	Rate        int           // events a second, all devices together
	Duration    time.Duration // of each measurement
	Clients     int           // event streams
	InFlight    int           // requests at once
	Events      int           // in the log of the filled cloud
	Registered  int           // devices in the registry of the filled cloud
	Confirmable bool          // scenario events: the devices ask for acknowledgements
	UDP         bool          // devices are newer boards, which connect over UDP

	// Start starts a cloud on a data directory that may be empty or filled. Nil: Cloud is there.
	Start func(ctx context.Context, dir string) (*Cloud, error)
	// Cloud is one that runs already. Scenarios that need more than one or an empty one are left out.
	Cloud *Cloud

	Network  Network   // where ceilings are measured; zero: sockets on loopback
	Progress io.Writer // a line now and then; nil: nobody wants to know

	most int // operations of one ceiling, where time does not pass while we work; 0: a million
}

// Network makes connections within this machine.
type Network struct {
	Listen func() (net.Listener, error)
	Dial   func(ctx context.Context, to net.Addr) (net.Conn, error)
}

func loopback() Network {
	return Network{
		Listen: func() (net.Listener, error) { return net.Listen("tcp", "127.0.0.1:0") },
		Dial: func(ctx context.Context, to net.Addr) (net.Conn, error) {
			var d net.Dialer
			return d.DialContext(ctx, to.Network(), to.String())
		},
	}
}

func (c Config) withDefaults() Config {
	if c.Network.Listen == nil {
		c.Network = loopback()
	}
	if c.Progress == nil {
		c.Progress = io.Discard
	}
	return c
}

// The methods below return what was asked for, or else what the scenario wants.

func (c Config) devices(n int) int                      { return cmp.Or(c.Devices, n) }
func (c Config) rate(n int) int                         { return cmp.Or(c.Rate, n) }
func (c Config) duration(d time.Duration) time.Duration { return cmp.Or(c.Duration, d) }
func (c Config) clients(n int) int                      { return cmp.Or(c.Clients, n) }
func (c Config) inFlight(n int) int                     { return cmp.Or(c.InFlight, n) }
