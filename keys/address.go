package keys

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
)

// Address is where a board looks for its cloud. The zero value means: where its firmware was built to look, which is
// Particle's cloud.
//
//	+0   type    00 IPv4, 01 name; anything else, such as FF: the address of the firmware
//	+1   length  04 for IPv4, else that of the name
//	+2   data    four bytes a b c d, or the name in ASCII without NUL, at most 64
//	+66  port    big-endian; 0000 or FFFF: 5683 over TCP, 5684 over UDP
//
// Source: device-os communication/src/eckeygen.cpp and system/src/system_cloud_internal.cpp, parseServerAddressData.
type Address struct {
	Host string // IPv4 in dotted form, or a name; "$id" in it stands for the device's id
	Port uint16 // 0: the transport's default
}

const (
	blobSize    = 68 // as far as the port
	maxHost     = 64
	typeIPv4    = 0
	typeName    = 1
	noPort      = 0xffff
	placeholder = "$id" // in a name: the 24 hex digits of the device id
)

// CheckHost reports why host cannot be a board's address of its cloud, nil if it can: an IPv4 address that can be
// connected to, or a name of up to 64 characters, which may contain "$id".
func CheckHost(host string) error {
	switch {
	case host == "":
		return errors.New("host: it is empty")
	case isNumeric(host):
		return checkIPv4(host)
	case strings.Contains(host, ":"):
		return fmt.Errorf("host %q: boards know IPv4 and names only, and no port belongs to it", host)
	case len(host) > maxHost:
		return fmt.Errorf("host: a board has room for %d characters, this has %d", maxHost, len(host))
	}
	return checkName(host)
}

func isNumeric(host string) bool { return strings.Trim(host, "0123456789.") == "" }

func checkIPv4(host string) error {
	ip, err := netip.ParseAddr(host)
	if err != nil {
		return fmt.Errorf("host %q: not an IPv4 address, which is four numbers such as 192.168.1.10", host)
	}
	if ip.IsUnspecified() || ip.IsMulticast() || host == "255.255.255.255" {
		return fmt.Errorf("host %q: nobody can connect to that address", host)
	}
	return nil
}

func checkName(host string) error {
	for label := range strings.SplitSeq(strings.TrimSuffix(host, "."), ".") {
		label = strings.ReplaceAll(label, placeholder, "id")
		if label == "" || len(label) > 63 || strings.Trim(label, "-") != label {
			return fmt.Errorf("host %q: not a name", host)
		}
		for _, c := range label {
			if !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '-' || c == '_') {
				return fmt.Errorf("host %q: a name has letters, digits, dots and dashes only, and $id for the device's id", host)
			}
		}
	}
	return nil
}

// For returns the address with "$id" replaced by the id of a device, as the board does it.
func (a Address) For(id DeviceID) Address {
	a.Host = strings.ReplaceAll(a.Host, placeholder, id.String())
	return a
}

// IsZero reports whether the address is the one of the firmware.
func (a Address) IsZero() bool { return a.Host == "" }

// String is host and port, or the host alone when the port is the transport's default.
func (a Address) String() string {
	switch {
	case a.Host == "":
		return "default"
	case a.Port == 0:
		return a.Host
	}
	return a.Host + ":" + strconv.Itoa(int(a.Port))
}

// put writes the blob over b, which holds FF.
func (a Address) put(b []byte) error {
	if a.IsZero() {
		if a.Port != 0 {
			return errors.New("a port without a host")
		}
		return nil
	}
	if err := CheckHost(a.Host); err != nil {
		return err
	}
	if ip, err := netip.ParseAddr(a.Host); err == nil {
		four := ip.As4()
		b[0], b[1] = typeIPv4, 4
		copy(b[2:], four[:])
	} else {
		b[0], b[1] = typeName, byte(len(a.Host))
		copy(b[2:], a.Host)
	}
	if a.Port != 0 {
		copy(b[portOffset:], bigEndian(a.Port))
	}
	return nil
}

// parseAddress reads a blob of blobSize bytes.
func parseAddress(b []byte) (Address, error) {
	length, data := int(b[1]), b[2:]
	var a Address
	switch b[0] {
	case typeIPv4:
		if length != 4 {
			return Address{}, fmt.Errorf("address: an IPv4 address of %d bytes", length)
		}
		a.Host = netip.AddrFrom4([4]byte(data[:4])).String()
	case typeName:
		if length == 0 || length > maxHost {
			return Address{}, fmt.Errorf("address: a name of %d characters", length)
		}
		a.Host = string(data[:length])
	default:
		return Address{}, nil
	}
	if err := CheckHost(a.Host); err != nil {
		return Address{}, fmt.Errorf("address: %w", err)
	}
	if port := binary.BigEndian.Uint16(b[portOffset:]); port != noPort {
		a.Port = port
	}
	return a, nil
}
