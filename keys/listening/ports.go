package listening

import (
	"cmp"
	"slices"

	"localcloud/keys"
)

// Port is a serial port on which a board may be.
type Port struct {
	Name     string
	Platform keys.Platform // zero where the system does not tell which device it is
	ID       keys.DeviceID // from the serial number of the USB device; zero if it is none
}

// boardsOf keeps the ports of boards, by name.
func boardsOf(all []usbPort) []Port {
	var ports []Port
	for _, p := range all {
		platform, ok := keys.PlatformByUSB(p.usb)
		if !ok {
			continue
		}
		port := Port{Name: p.name, Platform: platform}
		if id, err := keys.ParseDeviceID(p.serial); err == nil {
			port.ID = id
		}
		ports = append(ports, port)
	}
	slices.SortFunc(ports, func(a, b Port) int { return cmp.Compare(a.Name, b.Name) })
	return ports
}

// usbPort is a serial port of a USB device.
type usbPort struct {
	name, serial string
	usb          keys.USBID
}
