package coap

import (
	"bytes"
	"reflect"
	"testing"
)

// TestHelloOfEveryGeneration holds the payloads that Device OS of that version
// was seen to send; the first is of the unit tests of 0.4.9.
func TestHelloOfEveryGeneration(t *testing.T) {
	id := hx(t, `3a0000000000000000000001`)
	old := func(flags uint16, id []byte) Hello {
		return Hello{ProductID: 3, ProductVersion: 0xffff, Flags: flags, HasPlatform: true, PlatformID: 3, DeviceID: id}
	}
	recent := func(id []byte, system, message uint16, binary uint32) Hello {
		h := old(FlagDiagnostics|FlagImmediateUpdates|FlagGoodbye|FlagDescribePush, id)
		h.HasSystem, h.SystemVersion, h.MaxMessage, h.MaxBinary, h.OTAChunk = true, system, message, binary, 512
		return h
	}
	for _, v := range []struct {
		name, bytes string
		want        Hello
	}{
		{"oldest Core", `ffff ffff 0000`, Hello{ProductID: 0xffff, ProductVersion: 0xffff}},
		{"0.7.0 TCP", `0003 ffff 0000 0003`, old(0, nil)},
		{"0.7.0 UDP", `0003 ffff 0000 0003 000c 3a0000000000000000000001`, old(0, id)},
		{"1.5.2 TCP", `0003 ffff 0006 0003`, old(6, nil)},
		{"1.5.2 UDP", `0003 ffff 0006 0003 000c 3a0000000000000000000001`, old(6, id)},
		{"2.3.1 TCP", `0003 ffff 0036 0003`, old(0x36, nil)},
		{"2.3.1 UDP", `0003 ffff 0036 0003 000c 3a0000000000000000000001`, old(0x36, id)},
		{"3.3.1 TCP", `0003 ffff 0036 0003 0000 0ce6 03c0 00019000 0200`, recent(nil, 3302, 960, 102400)},
		{"3.3.1 UDP", `0003 ffff 0036 0003 000c 3a0000000000000000000001 0ce6 03c0 00019000 0200`, recent(id, 3302, 960, 102400)},
		{"6.2.0 TCP", `0003 ffff 0036 0003 0000 1838 0480 00a00000 0200`, recent(nil, 6200, 1152, 10485760)},
		{"6.2.0 UDP", `0003 ffff 0036 0003 000c 3a0000000000000000000001 1838 0480 00a00000 0200`, recent(id, 6200, 1152, 10485760)},
	} {
		t.Run(v.name, func(t *testing.T) {
			payload := hx(t, v.bytes)
			got, err := ParseHello(payload)
			if err != nil || !reflect.DeepEqual(got, v.want) {
				t.Errorf("\n got %+v, %v\nwant %+v", got, err, v.want)
			}
			if b := got.Append([]byte("x")); !bytes.Equal(b, append([]byte("x"), payload...)) {
				t.Errorf("written %x, want %x", b, payload)
			}
		})
	}
}

func TestHelloIgnoresWhatComesAfter(t *testing.T) {
	got, err := ParseHello(hx(t, `0006 000c 00b6 000d 000c 3a0000000000000000000001 1838 0480 00a00000 0200 0102030405`))
	if err != nil || got.OTAChunk != 512 || got.PlatformID != 13 || got.Flags&FlagOTAv3 == 0 {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestHelloDoesNotAlias(t *testing.T) {
	b := hx(t, `0003 ffff 0036 0003 000c 3a0000000000000000000001`)
	h, err := ParseHello(b)
	if err != nil {
		t.Fatal(err)
	}
	clear(b)
	if h.DeviceID[0] != 0x3a {
		t.Error("the id aliases the payload")
	}
}

func TestHelloRefusesEveryTruncation(t *testing.T) {
	whole := hx(t, `0003 ffff 0036 0003 000c 3a0000000000000000000001 1838 0480 00a00000 0200`)
	complete := map[int]bool{6: true, 8: true, 22: true, len(whole): true}
	for n := range len(whole) + 1 {
		if _, err := ParseHello(whole[:n]); (err == nil) != complete[n] {
			t.Errorf("%d bytes: %v", n, err)
		}
	}
	for _, bytes := range []string{
		`0003 ffff 0036 0003 000b 3a00000000000000000001`,   // an id of 11 bytes
		`0003 ffff 0036 0003 ffff 3a0000000000000000000001`, // more id than there is
		`0001 0203 0405 0607 0809 0a0b`,                     // a presence announcement
	} {
		if h, err := ParseHello(hx(t, bytes)); err == nil {
			t.Errorf("%s: %+v", bytes, h)
		}
	}
}

func TestHelloBringsEarlierFieldsWithLaterOnes(t *testing.T) {
	for want, h := range map[string]Hello{
		`0001 0002 0000`:      {ProductID: 1, ProductVersion: 2},
		`0001 0002 0000 0006`: {ProductID: 1, ProductVersion: 2, HasPlatform: true, PlatformID: 6},
		`0001 0002 0000 0000 0000 0bb8 0000 00000000 0000`: {ProductID: 1, ProductVersion: 2, HasSystem: true, SystemVersion: 3000},
	} {
		if got := h.Append(nil); !bytes.Equal(got, hx(t, want)) {
			t.Errorf("%+v\n got %x\nwant %s", h, got, want)
		}
	}
}

func TestSystemVersions(t *testing.T) {
	for v, want := range map[uint16]string{
		0: "0.4.0", 11: "0.4.9", 23: "0.5.5", 207: "0.7.0", 326: "0.8.0-rc.27", 1002: "1.0.1", 1512: "1.5.2", 2302: "2.3.1",
		3302: "3.3.1", 4006: "4.0.2", 5004: "5.1.0", 5410: "5.4.1", 5901: "5.9.0", 6102: "6.1.2", 6200: "6.2.0",
		313: "313", 5900: "5900", 9999: "9999", 65535: "65535",
	} {
		if got := SystemVersionString(v); got != want {
			t.Errorf("%d is %s, want %s", v, got, want)
		}
	}
	for i := 1; i < len(systemVersions); i++ {
		if systemVersions[i-1].number >= systemVersions[i].number {
			t.Errorf("%d comes after %d", systemVersions[i].number, systemVersions[i-1].number)
		}
	}
}

func TestLimitsOfEachGeneration(t *testing.T) {
	old := func(platform, flags uint16) Hello {
		return Hello{HasPlatform: true, PlatformID: platform, Flags: flags}
	}
	recent := func(platform, version, message uint16) Hello {
		return Hello{HasPlatform: true, PlatformID: platform, Flags: 0x36, HasSystem: true, SystemVersion: version, MaxMessage: message}
	}
	short := func(message int) Limits {
		return Limits{FunctionName: 12, FunctionArg: 63, VariableName: 12, EventName: 63, EventData: 255, EventToIt: 512, MaxMessage: message}
	}
	long := func(arg, data, message int) Limits {
		return Limits{FunctionName: 64, FunctionArg: arg, VariableName: 64, EventName: 64, EventData: data, EventToIt: data, MaxMessage: message}
	}
	for _, v := range []struct {
		name string
		h    Hello
		udp  bool
		want Limits
	}{
		{"oldest Core", Hello{}, false, short(620)},
		{"Core", old(0, 0), false, short(620)},
		{"Core 1.4.4, which has diagnostics", old(0, FlagDiagnostics), false, short(620)},
		{"Photon 0.7", old(6, 0), false, short(767)},
		{"Photon 1.5.2", old(6, 0x06), false, long(622, 622, 767)},
		{"Electron 0.6", old(10, 0), true, short(768)},
		{"Boron 2.3.1", old(13, 0x36), true, long(622, 622, 800)},
		{"Photon 3.3.1", recent(6, 3302, 960), false, long(864, 864, 927)},
		{"Electron 3.3.1", recent(10, 3302, 960), true, long(864, 864, 960)},
		{"host 3.3.1", recent(3, 3302, 960), true, long(864, 864, 960)},
		{"Argon 3.0", recent(12, 3005, 1152), true, long(1024, 1024, 1152)},
		{"M-SoM 6.2.0", recent(35, 6200, 1152), true, long(1024, 1024, 1152)},
		{"Boron with a modem of small MTU", recent(13, 6200, 862), true, long(785, 782, 862)},
		{"says no size", recent(13, 6200, 0), true, long(1024, 1024, 1152)},
		{"says nonsense", recent(13, 6200, 10), true, long(0, 0, 10)},
	} {
		if got := LimitsFor(v.h, v.udp); got != v.want {
			t.Errorf("%s\n got %+v\nwant %+v", v.name, got, v.want)
		}
	}
}

// TestLongestMessagesFit builds what Limits allow at most and looks whether it is
// within the size that the device announced.
func TestLongestMessagesFit(t *testing.T) {
	for _, size := range []uint16{300, 862, 960, 1152} {
		h := Hello{HasPlatform: true, PlatformID: 13, HasSystem: true, MaxMessage: size}
		l := LimitsFor(h, true)
		call := FunctionMessage(1, 2, string(make([]byte, l.FunctionName)), string(make([]byte, l.FunctionArg)))
		event, err := EventMessage(Confirmable, 1, Event{
			Name: string(make([]byte, l.EventName)), TTL: 1, HasTTL: true, Data: make([]byte, l.EventData), ContentFormat: -1,
		})
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range []Message{call, event} {
			b, err := m.Append(nil)
			if err != nil || len(b) > l.MaxMessage {
				t.Errorf("%d bytes, %v, for a device of %d", len(b), err, size)
			}
		}
	}
}
