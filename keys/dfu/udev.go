package dfu

import (
	"fmt"
	"strings"

	"localcloud/keys"
)

// UdevFile is where UdevRules belongs on Linux. The number puts it before the rule that lets in who sits at the machine.
const UdevFile = "/etc/udev/rules.d/70-localcloud-boards.rules"

// UdevRules is what lets the users of a Linux machine use boards over USB: those who sit at it, and the group plugdev. It
// also keeps ModemManager from talking to their serial ports.
func UdevRules() string {
	var b strings.Builder
	b.WriteString("# Particle boards, written by: localcloud device udev --install\n")
	for _, p := range keys.Platforms() {
		for _, id := range []keys.USBID{p.DFU, p.USB} {
			fmt.Fprintf(&b, "SUBSYSTEMS==\"usb\", ATTRS{idVendor}==\"%04x\", ATTRS{idProduct}==\"%04x\", "+
				"MODE=\"0660\", GROUP=\"plugdev\", TAG+=\"uaccess\", ENV{ID_MM_DEVICE_IGNORE}=\"1\"\n", id.Vendor, id.Product)
		}
	}
	return b.String()
}
