package main

import (
	"net/netip"
	"reflect"
	"slices"
)

// isOwn reports whether an address is a listener of this cloud, under whatever
// address of this machine: webhooks are no way to it unless the owner says so.
func (s *server) isOwn(to netip.AddrPort) bool {
	listeners := reflect.ValueOf(s.addresses()) // all of them, also those that come later
	for i := range listeners.NumField() {
		own, err := netip.ParseAddrPort(listeners.Field(i).String())
		if err == nil && own.Port() == to.Port() && (own.Addr() == to.Addr() || slices.Contains(ownAddresses(), to.Addr().String())) {
			return true
		}
	}
	return false
}
