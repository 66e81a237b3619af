package keys

import (
	"bytes"
	"crypto"
	"crypto/elliptic"
	"errors"
	"slices"
	"strings"
	"testing"
)

// The generator of P-256 (FIPS 186-4, D.1.2.3) as SubjectPublicKeyInfo.
const vectorEC = "3059301306072a8648ce3d020106082a8648ce3d03010703420004" +
	"6b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296" +
	"4fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5"

// rsaVector is a SubjectPublicKeyInfo of 294 bytes around a number that has the length of a modulus.
func rsaVector() string {
	return "30820122300d06092a864886f70d01010105000382010f003082010a0282010100" +
		"c7" + strings.Repeat("5a", 254) + "01" + "0203010001"
}

// The bytes are written down from device-protocol.md, 6.2 and 6.3, not made by this package.
func TestServerSlotVectors(t *testing.T) {
	ff := func(n int) string { return strings.Repeat("ff", n) }
	name := func(host string) string {
		var b strings.Builder
		for _, c := range []byte(host) {
			b.WriteString(string("0123456789abcdef"[c>>4]) + string("0123456789abcdef"[c&15]))
		}
		return b.String() + ff(64-len(host))
	}
	tests := []struct {
		name, platform string
		key            string
		address        Address
		want           string
	}{
		{"a Photon and an IPv4 address", "photon", rsaVector(), Address{"192.168.1.10", 5683},
			rsaVector() + ff(90) + "0004c0a8010a" + ff(60) + "1633" + ff(60)},
		{"a P1 and an address without port", "p1", rsaVector(), Address{"10.0.0.7", 0},
			rsaVector() + ff(90) + "00040a000007" + ff(60) + "ffff" + ff(60)},
		{"a Core and a name", "core", rsaVector(), Address{"cloud.home", 15683},
			rsaVector() + ff(90) + "010a" + name("cloud.home") + "3d43" + ff(1596)},
		{"a Photon on Particle's cloud", "photon", rsaVector(), Address{"device.spark.io", 0},
			rsaVector() + ff(90) + "010f6465766963652e737061726b2e696f" + ff(49) + "ffff" + ff(60)},
		{"a Photon with no address", "photon", rsaVector(), Address{}, rsaVector() + ff(218)},
		{"an Electron and an IPv4 address", "electron", vectorEC, Address{"192.168.1.10", 5684},
			vectorEC + ff(101) + "0004c0a8010a" + ff(60) + "1634" + ff(60)},
		{"an Argon and the device's id in the name", "argon", vectorEC, Address{"$id.udp.particle.io", 0},
			vectorEC + ff(101) + "01132469642e7564702e7061727469636c652e696f" + ff(45) + "ffff" + ff(60)},
		{"a P2 and the longest name", "p2", vectorEC, Address{strings.Repeat("a", 60) + ".bcd", 0},
			vectorEC + ff(101) + "0140" + name(strings.Repeat("a", 60)+".bcd") + "ffff" + ff(60)},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			platform, err := ParsePlatform(tt.platform)
			if err != nil {
				t.Fatal(err)
			}
			key, err := ParseServerKey(unhex(t, tt.key))
			if err != nil {
				t.Fatal(err)
			}
			layout, want := platform.Layout(), unhex(t, tt.want)
			slot, err := layout.AppendServerSlot([]byte("before"), ServerSlot{key, tt.address})
			if err != nil {
				t.Fatal(err)
			}
			if got := slot[len("before"):]; !bytes.Equal(got, want) {
				t.Errorf("AppendServerSlot:\n got %x\nwant %x", got, want)
			}
			back, err := layout.ParseServerSlot(want)
			if err != nil || back.Key != key || back.Address != tt.address {
				t.Errorf("ParseServerSlot = %v %v, %v", back.Key, back.Address, err)
			}
		})
	}
}

func TestServerSlotOfAFreshBoardIsErased(t *testing.T) {
	for _, p := range Platforms() {
		layout := p.Layout()
		got, err := layout.ParseServerSlot(bytes.Repeat([]byte{0xff}, layout.ServerKey.Size))
		if err != nil || !got.Key.IsZero() || !got.Address.IsZero() {
			t.Errorf("%s: %v, %v", p.Name, got, err)
		}
	}
}

func TestServerSlotRefuses(t *testing.T) {
	photon, _ := ParsePlatform("photon")
	argon, _ := ParsePlatform("argon")
	rsaKey, _ := ParseServerKey(unhex(t, rsaVector()))
	ecKey, _ := ParseServerKey(unhex(t, vectorEC))
	build := func(l Layout, s ServerSlot) error { _, err := l.AppendServerSlot(nil, s); return err }
	parse := func(change func(b []byte)) error {
		b, err := photon.Layout().AppendServerSlot(nil, ServerSlot{rsaKey, Address{"cloud.home", 5683}})
		if err != nil {
			t.Fatal(err)
		}
		change(b)
		_, err = photon.Layout().ParseServerSlot(b)
		return err
	}
	tests := []struct {
		name string
		err  error
		want string
	}{
		{"an EC key for TCP", build(photon.Layout(), ServerSlot{ecKey, Address{"h", 1}}), "kind rsa"},
		{"an RSA key for UDP", build(argon.Layout(), ServerSlot{rsaKey, Address{"h", 1}}), "kind ecc"},
		{"no key", build(photon.Layout(), ServerSlot{Address: Address{"h", 1}}), "kind rsa"},
		{"a port without host", build(photon.Layout(), ServerSlot{rsaKey, Address{"", 1}}), "without a host"},
		{"a bad host", build(photon.Layout(), ServerSlot{rsaKey, Address{"192.168.1", 1}}), "not an IPv4 address"},
		{"an IPv4 address of 5 bytes", parse(func(b []byte) { b[384], b[385] = 0, 5 }), "5 bytes"},
		{"a name without characters", parse(func(b []byte) { b[385] = 0 }), "0 characters"},
		{"a name that is too long", parse(func(b []byte) { b[385] = 65 }), "65 characters"},
		{"a name with a NUL", parse(func(b []byte) { b[387] = 0 }), "letters, digits"},
		{"a damaged key", parse(func(b []byte) { b[5] ^= 1 }), "server key"},
		{"no key and not erased", parse(func(b []byte) { copy(b, bytes.Repeat([]byte{0x80}, 384)) }), "server key"},
		{"another key behind it", parse(func(b []byte) { b[300] = 1 }), "other bytes"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if tt.err == nil || !strings.Contains(tt.err.Error(), tt.want) {
				t.Errorf("error %v, want %q in it", tt.err, tt.want)
			}
		})
	}
}

func TestCheckHost(t *testing.T) {
	good := []string{"192.168.1.10", "10.0.0.1", "cloud.home", "pi", "a_b.local", "$id.udp.particle.io", "x-$id.y", "pi.home.",
		strings.Repeat("a", 62) + ".b"}
	for _, host := range good {
		if err := CheckHost(host); err != nil {
			t.Errorf("%q: %v", host, err)
		}
	}
	bad := []string{"", "192.168.1", "192.168.1.256", "192.168.1.010", "0.0.0.0", "255.255.255.255", "224.0.1.187", "fe80::1", "pi:5683",
		"http://pi", "a b", "a..b", "-a", "a-", "\x00", "ü", "$idx$", "$ID", strings.Repeat("a", 65), strings.Repeat("a", 64)}
	for _, host := range bad {
		if CheckHost(host) == nil {
			t.Errorf("%q was taken", host)
		}
	}
}

func TestAddressForDevice(t *testing.T) {
	id, _ := ParseDeviceID("E00FCE68AABBCCDDEEFF0011")
	got := Address{"$id.udp.particle.io", 0}.For(id)
	if got.Host != "e00fce68aabbccddeeff0011.udp.particle.io" {
		t.Errorf("got %s", got)
	}
}

func TestDeviceSlotBothWays(t *testing.T) {
	rsaKey, err := GenerateDeviceRSA()
	if err != nil {
		t.Fatal(err)
	}
	for name, key := range map[string]crypto.Signer{"core": rsaKey, "photon": rsaKey, "electron": newEC(t, elliptic.P256()), "p2": newEC(t, elliptic.P256())} {
		p, _ := ParsePlatform(name)
		layout := p.Layout()
		slot, err := layout.AppendDeviceSlot(nil, key)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if sizes := map[string]int{"core": 1024, "photon": 612, "electron": 192, "p2": 192}; len(slot) != sizes[name] {
			t.Errorf("%s: slot of %d bytes", name, len(slot))
		}
		if layout.Transport == UDP && (slot[0] != 0x30 || slot[1] != 119 || slot[121] != 0xff) {
			t.Errorf("%s: not a SEC1 key of 121 bytes", name)
		}
		back, err := layout.ParseDeviceSlot(slot)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		want, _ := PublicKeyOf(key)
		if got, _ := PublicKeyOf(back); got != want {
			t.Errorf("%s: another key came back", name)
		}
		slot[len(slot)-1] = 0 // what an older, longer key left behind
		if _, err := layout.ParseDeviceSlot(slot); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestDeviceSlotRefuses(t *testing.T) {
	photon, _ := ParsePlatform("photon")
	argon, _ := ParsePlatform("argon")
	if _, err := photon.Layout().AppendDeviceSlot(nil, newEC(t, elliptic.P256())); err == nil {
		t.Error("an EC key for a Photon was taken")
	}
	if _, err := photon.Layout().AppendDeviceSlot(nil, newRSA(t, 2048)); err == nil {
		t.Error("an RSA-2048 key for a Photon was taken")
	}
	if _, err := argon.Layout().AppendDeviceSlot(nil, newRSA(t, 1024)); err == nil {
		t.Error("an RSA key for an Argon was taken")
	}
	if _, err := argon.Layout().ParseDeviceSlot(bytes.Repeat([]byte{0xff}, 192)); !errors.Is(err, ErrErased) {
		t.Errorf("an erased slot: %v", err)
	}
	if _, err := argon.Layout().ParseDeviceSlot(make([]byte, 192)); err == nil || errors.Is(err, ErrErased) {
		t.Errorf("a slot of zeros: %v", err)
	}
	if _, err := argon.Layout().ParseDeviceSlot(make([]byte, 191)); err == nil {
		t.Error("a slot of another size was taken")
	}
}

// The table of device-protocol.md, 6.2.
func TestLayouts(t *testing.T) {
	type want struct{ server, device, transport, setup Slot }
	udp := want{server: Slot{1, 3298, 320}, device: Slot{1, 3106, 192}, setup: Slot{1, 8134, 1}}
	wants := map[string]want{
		"core":     {server: Slot{1, 0x1000, 2048}, device: Slot{1, 0x2000, 1024}},
		"photon":   {server: Slot{1, 2082, 512}, device: Slot{1, 34, 612}},
		"electron": {server: Slot{1, 3298, 320}, device: Slot{1, 3106, 192}, transport: Slot{1, 2977, 1}},
		"argon":    udp, "boron": udp, "p2": udp, "msom": udp,
	}
	for name, w := range wants {
		p, _ := ParsePlatform(name)
		l := p.Layout()
		if l.ServerKey != w.server || l.DeviceKey != w.device || l.CloudTransport != w.transport || l.SetupDone != w.setup {
			t.Errorf("%s: %+v", name, l)
		}
	}
	electron, _ := ParsePlatform("electron")
	l, err := electron.LayoutFor(TCP)
	if err != nil || l.ServerKey != (Slot{1, 2082, 512}) || l.DeviceKey != (Slot{1, 34, 612}) || l.CloudTransport.Address != 2977 {
		t.Errorf("an Electron over TCP: %+v, %v", l, err)
	}
	photon, _ := ParsePlatform("photon")
	if _, err := photon.LayoutFor(UDP); err == nil {
		t.Error("a Photon over UDP was taken")
	}
}

func TestPlatforms(t *testing.T) {
	for _, name := range []string{"Photon 2", "P2", "photon2", "32"} {
		if p, err := ParsePlatform(name); err != nil || p.ID != 32 {
			t.Errorf("%q: %v, %v", name, p.ID, err)
		}
	}
	if _, err := ParsePlatform("xenon"); err == nil {
		t.Error("a Xenon, which talks to no cloud, was taken")
	}
	if _, err := ParsePlatform(""); err == nil {
		t.Error("no name was taken")
	}
	for id, name := range map[USBID]string{{0x2b04, 0xd006}: "photon", {0x1d50, 0x607f}: "core", {0x2b04, 0xd020}: "p2", {0x2b04, 0xd00d}: "boron"} {
		if p, ok := PlatformByDFU(id); !ok || p.Name != name {
			t.Errorf("%s is %q, not a %s", id, p.Name, name)
		}
	}
	if p, ok := PlatformByUSB(USBID{0x2b04, 0xc006}); !ok || p.Name != "photon" {
		t.Errorf("2b04:c006 is %q", p.Name)
	}
	if _, ok := PlatformByDFU(USBID{0x0483, 0xdf11}); ok {
		t.Error("somebody else's board was taken for one of ours")
	}
	var ids []int
	for _, p := range Platforms() {
		ids = append(ids, p.ID)
	}
	if !slices.IsSorted(ids) || len(slices.Compact(ids)) != len(Platforms()) {
		t.Errorf("ids %v", ids)
	}
}

func TestServerKeyRefusesWhatBoardsCannotUse(t *testing.T) {
	for name, key := range map[string]any{
		"RSA-1024": &newRSA(t, 1024).PublicKey, "P-384": &newEC(t, elliptic.P384()).PublicKey,
	} {
		if _, err := ParseServerKey(pkix(t, key)); err == nil {
			t.Errorf("%s was taken", name)
		}
	}
	id, err := GenerateIdentity()
	if err != nil {
		t.Fatal(err)
	}
	tcp, err := ParseServerKey(id.TCPPublicPEM())
	if err != nil || tcp != id.TCPServerKey() || tcp.Fingerprint() != id.TCPFingerprint() || len(tcp.DER()) != 294 {
		t.Errorf("TCP key: %v, %v", tcp, err)
	}
	udp, err := ParseServerKey(append(id.UDPPublicDER(), 0xff, 0xff))
	if err != nil || udp != id.UDPServerKey() || len(udp.DER()) != 91 || udp.IsParticle() {
		t.Errorf("UDP key: %v, %v", udp, err)
	}
	if _, err := ParseServerKey(append(id.UDPPublicDER(), 1)); err == nil {
		t.Error("bytes behind the key were taken")
	}
}

// Whatever a slot holds, parsing it fails or gives what building gives back.
func FuzzParseServerSlot(f *testing.F) {
	for _, seed := range []string{rsaVector(), vectorEC} {
		f.Add(unhex(f, seed), []byte("\x00\x04\xc0\xa8\x01\x0a"))
		f.Add(unhex(f, seed), []byte("\x01\x03$id"))
	}
	f.Fuzz(func(t *testing.T, key, address []byte) {
		for _, name := range []string{"photon", "argon"} {
			p, _ := ParsePlatform(name)
			l := p.Layout()
			b := bytes.Repeat([]byte{0xff}, l.ServerKey.Size)
			copy(b[:l.host], key)
			copy(b[l.host:], address)
			s, err := l.ParseServerSlot(b)
			if err != nil || s.Key.IsZero() {
				continue
			}
			built, err := l.AppendServerSlot(nil, s)
			if err != nil {
				t.Fatalf("%v does not build: %v", s, err)
			}
			again, err := l.ParseServerSlot(built)
			if err != nil || again != s {
				t.Fatalf("%v came back as %v, %v", s, again, err)
			}
		}
	})
}
