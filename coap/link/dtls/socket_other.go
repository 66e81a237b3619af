//go:build !linux

package dtls

import "net"

// NewSocket returns a PacketConn over conn. On Linux it answers from the address that a datagram came to; here the system chooses.
func NewSocket(conn *net.UDPConn) PacketConn { return conn }
