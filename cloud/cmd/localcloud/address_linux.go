package main

import (
	"net"
	"syscall"
)

// dynamicAddress reports whether this machine has an IPv4 address for a time only, as from DHCP. The kernel marks those
// that stay as permanent (IFA_F_PERMANENT, rtnetlink(7)).
func dynamicAddress(host string) bool {
	ip := net.ParseIP(host).To4()
	if ip == nil {
		return false
	}
	rib, err := syscall.NetlinkRIB(syscall.RTM_GETADDR, syscall.AF_INET)
	if err != nil {
		return false
	}
	messages, err := syscall.ParseNetlinkMessage(rib)
	if err != nil {
		return false
	}
	for _, m := range messages {
		if m.Header.Type != syscall.RTM_NEWADDR || len(m.Data) < syscall.SizeofIfAddrmsg {
			continue
		}
		attributes, err := syscall.ParseNetlinkRouteAttr(&m)
		if err != nil {
			continue
		}
		for _, a := range attributes {
			if a.Attr.Type == syscall.IFA_LOCAL && ip.Equal(net.IP(a.Value)) {
				const flagsAt = 2 // struct ifaddrmsg: family, prefix length, flags
				return m.Data[flagsAt]&syscall.IFA_F_PERMANENT == 0
			}
		}
	}
	return false
}
