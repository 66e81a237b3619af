package relay

import (
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"
)

// told is an address as devices are given it.
type told netip.AddrPort

// String returns "address,port".
func (t told) String() string {
	a := netip.AddrPort(t)
	return a.Addr().String() + "," + strconv.Itoa(int(a.Port()))
}

// expected returns where the device may come from: the address of its cloud connection, and the one it announced.
func expected(d Device, announced string) []netip.Addr {
	var from []netip.Addr
	if d.Address.IsValid() {
		from = append(from, d.Address.Unmap())
	}
	if a, err := netip.ParseAddr(announced); err == nil && a.Unmap().Is4() && !a.IsUnspecified() && !slices.Contains(from, a.Unmap()) {
		from = append(from, a.Unmap())
	}
	return from
}

// addressFor finds the address and port by which a device reaches us: what the
// owner set, else the one address that we listen on, else the one that its cloud
// connection reached, if this machine still has it, else the one of the route to the device.
func (r *Relay) addressFor(d Device, announced string) (told, error) {
	port := uint16(r.port.Load())
	if a := r.Advertise; a.IsValid() {
		if a.Port() != 0 {
			port = a.Port()
		}
		return told(netip.AddrPortFrom(a.Addr().Unmap(), port)), nil
	}
	ours, _ := r.bound.Load().(netip.Addr)
	if !ours.IsValid() || ours.IsUnspecified() {
		ours = r.ownAddressFor(d, announced)
	}
	if !ours.Is4() {
		return told{}, fmt.Errorf("no IPv4 address of this machine leads to the device, and sketches know no other; set one with --relay-advertise")
	}
	return told(netip.AddrPortFrom(ours, port)), nil
}

func (r *Relay) ownAddressFor(d Device, announced string) netip.Addr {
	if ours := d.Ours.Unmap(); ours.IsValid() && ours.Is4() && r.isOwn(ours) {
		return ours
	}
	for _, to := range expected(d, announced) {
		if ours := routeTo(to); ours.Is4() && !ours.IsUnspecified() {
			return ours
		}
	}
	return netip.Addr{}
}

func (r *Relay) isOwn(a netip.Addr) bool {
	networks, err := r.Addresses()
	return a.IsLoopback() || err == nil && slices.ContainsFunc(networks, func(p netip.Prefix) bool { return p.Addr() == a })
}

// routeTo returns the address of this machine from which packets go to an address. It sends none.
func routeTo(to netip.Addr) netip.Addr {
	c, err := net.Dial("udp", netip.AddrPortFrom(to, 9).String())
	if err != nil {
		return netip.Addr{}
	}
	defer c.Close()
	return addressOf(c.LocalAddr())
}

// ownAddresses returns the addresses of this machine with their networks.
func ownAddresses() ([]netip.Prefix, error) {
	list, err := net.InterfaceAddrs()
	if err != nil {
		return nil, err
	}
	var out []netip.Prefix
	for _, a := range list {
		if p, err := netip.ParsePrefix(a.String()); err == nil {
			out = append(out, netip.PrefixFrom(p.Addr().Unmap(), p.Bits()))
		}
	}
	return out, nil
}
