package listening

import (
	"strings"

	"go.bug.st/serial"
)

// Ports returns the serial ports of USB devices that may be boards. Without C, macOS does not tell which they are: who
// asks them finds out.
func Ports() ([]Port, error) {
	names, err := serial.GetPortsList()
	if err != nil {
		return nil, err
	}
	var ports []Port
	for _, name := range names {
		if strings.HasPrefix(name, "/dev/cu.usbmodem") {
			ports = append(ports, Port{Name: name})
		}
	}
	return ports, nil
}
