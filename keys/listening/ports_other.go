//go:build !darwin

package listening

import (
	"strconv"

	"go.bug.st/serial/enumerator"

	"localcloud/keys"
)

// Ports returns the serial ports of boards.
func Ports() ([]Port, error) {
	list, err := enumerator.GetDetailedPortsList()
	if err != nil {
		return nil, err
	}
	var all []usbPort
	for _, p := range list {
		vendor, err1 := strconv.ParseUint(p.VID, 16, 16)
		product, err2 := strconv.ParseUint(p.PID, 16, 16)
		if p.IsUSB && err1 == nil && err2 == nil {
			all = append(all, usbPort{p.Name, p.SerialNumber, keys.USBID{Vendor: uint16(vendor), Product: uint16(product)}})
		}
	}
	return boardsOf(all), nil
}
