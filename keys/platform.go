package keys

import (
	"fmt"
	"strings"
)

// Transport is how a board talks to its cloud.
type Transport string

const (
	TCP Transport = "tcp" // RSA and AES, port 5683: Core, Photon, P1
	UDP Transport = "udp" // DTLS, port 5684: Electron and everything newer
)

// DefaultPort is the port that a board takes when its flash names none.
func (t Transport) DefaultPort() uint16 {
	if t == TCP {
		return 5683
	}
	return 5684
}

// Algorithm is the kind of both keys on this transport.
func (t Transport) Algorithm() Algorithm {
	if t == TCP {
		return RSA
	}
	return ECC
}

// USBID is the vendor and product id by which a USB device is known.
type USBID struct{ Vendor, Product uint16 }

// String is the form of lsusb and dfu-util: "2b04:d006".
func (id USBID) String() string { return fmt.Sprintf("%04x:%04x", id.Vendor, id.Product) }

// Platform is a kind of board.
type Platform struct {
	ID         int
	Name       string // as @particle/device-constants has it
	Alias      string // another name that is printed on boards; empty: none
	Generation int    // 1 to 4
	Transport  Transport
	DFU        USBID // in DFU mode (blinking yellow)
	USB        USBID // otherwise

	WiFi      bool // can join a Wi-Fi network
	Only24GHz bool // and sees networks at 2.4 GHz only
	Cellular  bool // has a SIM: it comes from the internet, not from your network
}

// The vendor of all boards but the Core.
const particleVendor = 0x2b04

// Platforms returns the boards that can be re-keyed over USB, in order of their ids. The ids are those of
// @particle/device-constants 4.2.1. The Xenon is left out: it talks to no cloud by itself.
func Platforms() []Platform {
	const wifi24, wifi, cellular, both, none = 0, 1, 2, 3, 4
	board := func(id int, name, alias string, generation int, transport Transport, product uint16, radio int) Platform {
		return Platform{
			ID: id, Name: name, Alias: alias, Generation: generation, Transport: transport,
			DFU: USBID{particleVendor, 0xd000 | product}, USB: USBID{particleVendor, 0xc000 | product},
			WiFi: radio == wifi24 || radio == wifi || radio == both, Only24GHz: radio == wifi24,
			Cellular: radio == cellular || radio == both,
		}
	}
	core := Platform{Name: "core", Generation: 1, Transport: TCP, DFU: USBID{0x1d50, 0x607f}, USB: USBID{0x1d50, 0x607d}, WiFi: true, Only24GHz: true}
	return []Platform{
		core,
		board(6, "photon", "", 2, TCP, 0x006, wifi24),
		board(8, "p1", "", 2, TCP, 0x008, wifi24),
		board(10, "electron", "", 2, UDP, 0x00a, cellular),
		board(12, "argon", "", 3, UDP, 0x00c, wifi24),
		board(13, "boron", "", 3, UDP, 0x00d, cellular),
		board(15, "esomx", "", 3, UDP, 0x00f, cellular),
		board(22, "asom", "", 3, UDP, 0x016, wifi24),
		board(23, "bsom", "", 3, UDP, 0x017, cellular),
		board(25, "b5som", "", 3, UDP, 0x019, cellular),
		board(26, "tracker", "", 3, UDP, 0x01a, cellular),
		board(28, "trackerm", "", 3, UDP, 0x01c, cellular),
		board(32, "p2", "photon2", 4, UDP, 0x020, wifi),
		board(35, "msom", "", 4, UDP, 0x023, both),
		board(37, "electron2", "", 3, UDP, 0x025, cellular),
		board(38, "sulu", "", 4, UDP, 0x026, none),
	}
}

// ParsePlatform finds a board by name, in any case, or by number.
func ParsePlatform(name string) (Platform, error) {
	want := strings.ToLower(strings.NewReplacer(" ", "", "-", "", "_", "").Replace(name))
	var names []string
	for _, p := range Platforms() {
		if want == p.Name || (want == p.Alias && want != "") || want == fmt.Sprint(p.ID) {
			return p, nil
		}
		names = append(names, p.Name)
	}
	return Platform{}, fmt.Errorf("platform %q: there are %s", name, strings.Join(names, ", "))
}

// PlatformByDFU finds a board by its USB id in DFU mode.
func PlatformByDFU(id USBID) (Platform, bool) {
	for _, p := range Platforms() {
		if p.DFU == id {
			return p, true
		}
	}
	return Platform{}, false
}

// PlatformByUSB finds a board by its USB id when it is not in DFU mode.
func PlatformByUSB(id USBID) (Platform, bool) {
	for _, p := range Platforms() {
		if p.USB == id {
			return p, true
		}
	}
	return Platform{}, false
}
