package main

import (
	"net/netip"
	"slices"
)

// isOwn reports whether an address is a listener of this cloud, under whatever
// address of this machine: webhooks are no way to it unless the owner says so.
func (s *server) isOwn(to netip.AddrPort) bool {
	a := s.addresses()
	for _, listener := range []string{a.HTTP, a.TCP, a.UDP, a.Relay} {
		if own, err := netip.ParseAddrPort(listener); err == nil && own.Port() == to.Port() {
			return own.Addr() == to.Addr() || slices.Contains(ownAddresses(), to.Addr().String())
		}
	}
	return false
}
