package dtls

import (
	"net"
	"net/netip"

	"golang.org/x/sys/unix"
)

// wildcard is a socket that listens on all addresses of a machine, and answers from the one that was asked: a machine may have
// several in one network, and a device takes an answer from the address that it knows only.
type wildcard struct {
	*net.UDPConn
	is6 bool // takes IPv6, and IPv4 too
}

// NewSocket returns a PacketConn over conn that answers from the address that a datagram came to, where the system can.
func NewSocket(conn *net.UDPConn) PacketConn {
	local, ok := conn.LocalAddr().(*net.UDPAddr)
	if !ok || !local.IP.IsUnspecified() {
		return conn // there is no choice
	}
	s := &wildcard{UDPConn: conn, is6: local.IP.To4() == nil}
	raw, err := conn.SyscallConn()
	if err != nil {
		return conn
	}
	var set error
	err = raw.Control(func(fd uintptr) {
		if s.is6 {
			set = unix.SetsockoptInt(int(fd), unix.IPPROTO_IPV6, unix.IPV6_RECVPKTINFO, 1)
			return
		}
		set = unix.SetsockoptInt(int(fd), unix.IPPROTO_IP, unix.IP_PKTINFO, 1)
	})
	if err != nil || set != nil {
		return conn
	}
	return s
}

func (s *wildcard) readFromTo(b, control []byte) (n int, from netip.AddrPort, to netip.Addr, err error) {
	n, m, _, from, err := s.ReadMsgUDPAddrPort(b, control)
	if err != nil {
		return n, from, to, err
	}
	return n, from, destination(control[:m]), nil
}

// destination returns the address that a datagram came to, as its control messages say.
func destination(control []byte) netip.Addr {
	for len(control) > 0 {
		header, data, rest, err := unix.ParseOneSocketControlMessage(control)
		if err != nil {
			break
		}
		switch {
		case header.Level == unix.IPPROTO_IPV6 && header.Type == unix.IPV6_PKTINFO && len(data) >= 16:
			return netip.AddrFrom16([16]byte(data)).Unmap()
		case header.Level == unix.IPPROTO_IP && header.Type == unix.IP_PKTINFO && len(data) >= 8:
			return netip.AddrFrom4([4]byte(data[4:])) // behind the number of the interface
		}
		control = rest
	}
	return netip.Addr{}
}

func (s *wildcard) writeFrom(b []byte, to netip.AddrPort, from netip.Addr) error {
	var control []byte
	switch {
	case s.is6:
		control = unix.PktInfo6(&unix.Inet6Pktinfo{Addr: from.As16()})
	case from.Is4():
		control = unix.PktInfo4(&unix.Inet4Pktinfo{Spec_dst: from.As4()})
	}
	_, _, err := s.WriteMsgUDPAddrPort(b, control, to)
	if err != nil { // such as an address that the machine has lost
		_, err = s.WriteToUDPAddrPort(b, to)
	}
	return err
}
