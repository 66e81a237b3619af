package main

import (
	"context"
	"encoding/pem"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strconv"
	"strings"

	"localcloud/cloud/cmd/localcloud/internal/rekey"
	"localcloud/keys"
)

type keysExportCmd struct {
	place
	UDP  bool   `name:"udp" help:"The key for newer boards, which use UDP; without it the one for Core, Photon and P1 (TCP)."`
	DER  bool   `name:"der" help:"Write DER, as particle-cli wants it."`
	PEM  bool   `name:"pem" help:"Write PEM, which is what is written unless you say otherwise."`
	For  string `help:"Write what a board of this kind keeps in its server key slot: the key, the address of --host and padding. Such as photon, argon or p2." placeholder:"PLATFORM"`
	Host string `help:"With --for: the address by which boards reach this cloud, an IPv4 address or a name." placeholder:"HOST"`
	Port uint16 `help:"With --for: the port, if it is not the usual one (5683). UDP boards ignore it: they always use 5684." placeholder:"PORT"`
	Out  string `help:"Write to this file instead of standard output." placeholder:"FILE"`
}

// Help is the long text of --help.
func (*keysExportCmd) Help() string {
	return "With --for the file holds all bytes of the board's server key slot (512 for a Photon, 320 for newer boards, 2048 for a Core). " +
		"Both of these take it, with the board in DFU mode (blinking yellow): particle keys server FILE, and dfu-util; the address for " +
		"dfu-util is printed. localcloud device rekey does all of that by itself, with a backup."
}

// Run writes the key.
func (c *keysExportCmd) Run(ctx context.Context, t *terminal) error {
	switch {
	case c.DER && c.PEM:
		return usagef("--der and --pem: choose one of them")
	case c.For == "" && (c.Host != "" || c.Port != 0):
		return usagef("--host and --port belong to --for PLATFORM: a key alone holds no address")
	}
	return c.with(ctx, needAny, func(conn *connection) error {
		udp := c.UDP
		if c.For != "" {
			platform, err := keys.ParsePlatform(c.For)
			if err != nil {
				return usageError{err}
			}
			if !c.PEM {
				return c.slot(ctx, t, conn, platform)
			}
			udp = platform.Transport == keys.UDP // PEM cannot hold a slot: it is the key alone
		}
		key, err := serverKey(ctx, conn, udp)
		if err != nil {
			return err
		}
		if !c.DER {
			key = pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: key})
		}
		return c.write(t, key, "the server's public key is in %s\n")
	})
}

func (c *keysExportCmd) write(t *terminal, b []byte, said string) error {
	if c.Out == "" {
		_, err := t.out.Write(b)
		return err
	}
	if err := os.WriteFile(c.Out, b, 0o644); err != nil {
		return fmt.Errorf("%w; choose another file with --out", err)
	}
	fmt.Fprintf(t.err, said, c.Out)
	return nil
}

// slot writes the whole server key slot of a board.
func (c *keysExportCmd) slot(ctx context.Context, t *terminal, conn *connection, platform keys.Platform) error {
	layout := platform.Layout()
	if c.UDP && layout.Transport != keys.UDP {
		return usagef("a %s does not use UDP: leave out --udp", platform.Name)
	}
	address, err := boardAddress(ctx, conn, layout.Transport, c.Host, c.Port)
	if err != nil {
		return err
	}
	key, err := serverKeyFor(ctx, conn, layout.Transport)
	if err != nil {
		return err
	}
	slot, err := layout.AppendServerSlot(nil, keys.ServerSlot{Key: key, Address: address})
	if err != nil {
		return usageError{err}
	}
	if layout.Transport == keys.UDP && c.Port != 0 && c.Port != address.Port {
		fmt.Fprintf(t.err, "Warning: port %d is left out: boards on UDP ignore the port in their memory and always use %d.\n", c.Port, address.Port)
	}
	for _, w := range addressWarnings(platform, address) {
		fmt.Fprintln(t.err, w)
	}
	if err := c.write(t, slot, "the "+platform.Name+"'s server key slot, for "+address.String()+", is in %s\n"); err != nil || c.Out == "" {
		return err
	}
	fmt.Fprintf(t.err, "With the board in DFU mode (blinking yellow), either of these writes it:\n  particle keys server %s\n  %s\n",
		c.Out, dfuLine(platform, layout.ServerKey, c.Out))
	return nil
}

// dfuLine is the dfu-util command that writes a file into a slot.
func dfuLine(p keys.Platform, slot keys.Slot, file string) string {
	return fmt.Sprintf("dfu-util -d %s -a %d -s %d -D %s", p.DFU, slot.Alt, slot.Address, file)
}

// serverKeyFor returns the key that boards on a transport hold.
func serverKeyFor(ctx context.Context, conn *connection, transport keys.Transport) (keys.ServerKey, error) {
	der, err := serverKey(ctx, conn, transport == keys.UDP)
	if err != nil {
		return keys.ServerKey{}, err
	}
	return keys.ParseServerKey(der)
}

// keysOf are all the keys that a cloud has or had for boards on a transport.
func keysOf(ctx context.Context, conn *connection, transport keys.Transport) (own rekey.Own, err error) {
	if own.Key, err = serverKeyFor(ctx, conn, transport); err != nil {
		return own, err
	}
	infos, err := conn.Keys(ctx)
	for _, info := range infos {
		own.Before = append(append(own.Before, info.Old), info.Former...)
	}
	return own, err
}

// boardAddress is the address that boards are given: the host that was named, or the only one there is. Over UDP the port
// is always 5684, which the firmware insists on.
func boardAddress(ctx context.Context, conn *connection, transport keys.Transport, host string, port uint16) (keys.Address, error) {
	if host == "" {
		found, err := onlyHost(conn)
		if err != nil {
			return keys.Address{}, err
		}
		host = found
	}
	if err := keys.CheckHost(host); err != nil {
		return keys.Address{}, usageError{err}
	}
	switch {
	case transport == keys.UDP:
		port = transport.DefaultPort()
	case port == 0:
		port = devicePort(ctx, conn)
	}
	return keys.Address{Host: host, Port: port}, nil
}

// onlyHost is the one address by which others reach this cloud.
func onlyHost(conn *connection) (string, error) {
	if conn.running && !conn.local {
		if host := hostOf(conn.where); keys.CheckHost(host) == nil {
			return host, nil
		}
	}
	var hosts []string
	for _, a := range ownAddresses() {
		if ip, err := netip.ParseAddr(a); err == nil && ip.Is4() && !ip.IsLoopback() && !ip.IsLinkLocalUnicast() {
			hosts = append(hosts, a)
		}
	}
	switch len(hosts) {
	case 0:
		return "", usagef("this machine is in no network: connect it, or say with --host by which address the boards reach it")
	case 1:
		return hosts[0], nil
	}
	return "", usagef("this machine has the addresses %s: say with --host which of them the boards reach", strings.Join(hosts, ", "))
}

// devicePort is the port that the cloud listens on for boards on TCP.
func devicePort(ctx context.Context, conn *connection) uint16 {
	var more serverStatus
	if s, err := conn.Status(ctx); err == nil && s.Decode(&more) == nil {
		if _, text, err := net.SplitHostPort(more.Listeners.TCP); err == nil {
			if port, err := strconv.ParseUint(text, 10, 16); err == nil && port != 0 {
				return uint16(port)
			}
		}
	}
	return keys.TCP.DefaultPort()
}

// addressWarnings says what a person should know before a board is given an address.
func addressWarnings(p keys.Platform, a keys.Address) (warnings []string) {
	ip, err := netip.ParseAddr(a.Host)
	switch {
	case err == nil && ip.IsLoopback():
		warnings = append(warnings, "Warning: "+a.Host+" means the board itself to a board; only a virtual device on this machine finds the cloud there.")
	case err == nil && p.Cellular && ip.IsPrivate():
		warnings = append(warnings, "Warning: a "+p.Name+" comes through the cellular network, from where "+a.Host+" cannot be reached: "+
			"it needs a public address that leads to this cloud (UDP port 5684).")
	case err != nil && strings.HasSuffix(strings.TrimSuffix(strings.ToLower(a.Host), "."), ".local"):
		warnings = append(warnings, "Warning: boards do not look up names that end in .local; give them an address, or a name that your router knows.")
	}
	return warnings
}

// hostOf is the host in a URL or an address with port.
func hostOf(where string) string {
	if _, rest, ok := strings.Cut(where, "://"); ok {
		where = rest
	}
	where, _, _ = strings.Cut(where, "/")
	if host, _, err := net.SplitHostPort(where); err == nil {
		return host
	}
	return where
}

var errNoServerKey = errors.New("the server sent something that is no public key; is it a localcloud?")
