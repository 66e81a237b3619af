package coap

import (
	"bufio"
	"bytes"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

// said is one CoAP message of a recording.
type said struct {
	from  Sender
	bytes []byte
	where string // "chunk 12" or "datagram 31"
}

// readRecording returns the CoAP messages of a recorded session in their order.
// The format is that of the README beside the recordings; handshake messages
// (kind is not frame, or a Finished, which begins with 14) are left out.
func readRecording(t testing.TB, name string) []said {
	t.Helper()
	f, err := os.Open(filepath.Join("link", "testdata", "recordings", name))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var all []said
	var s said
	handshake := false
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		line := lines.Text()
		if strings.HasPrefix(line, "[") {
			s, handshake = said{where: strings.Trim(line, "[]")}, false
		}
		key, value, _ := strings.Cut(line, " = ")
		switch {
		case key == "from" && value == "device":
			s.from = FromDevice
		case key == "from" && value == "server":
			s.from = FromServer
		case key == "kind":
			handshake = value != "frame"
		case key == "plain" || strings.HasPrefix(key, "plain."):
			if handshake || strings.HasPrefix(value, "14") {
				continue
			}
			if s.bytes, err = hex.DecodeString(value); err != nil {
				t.Fatalf("%s: %v", s.where, err)
			}
			all = append(all, s)
		}
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
	return all
}

// recordings are all sessions, with the number of messages that each holds.
var recordings = []struct {
	name     string
	messages int
}{
	{"tcp-v3.3.1.txt", 106},
	{"tcp-v6.2.0.txt", 93},
	{"tcp-v3.3.1-ota.txt", 50},
	{"tcp-v6.2.0-ota.txt", 41},
	{"udp-v3.3.1.txt", 126},
	{"udp-v6.2.0.txt", 122},
	{"udp-v3.3.1-resume.txt", 33},
}

func forEachRecorded(t *testing.T, f func(t *testing.T, s said, m Message)) {
	t.Helper()
	for _, r := range recordings {
		t.Run(r.name, func(t *testing.T) {
			all := readRecording(t, r.name)
			if len(all) != r.messages {
				t.Fatalf("%d messages, want %d", len(all), r.messages)
			}
			for _, s := range all {
				m, err := Parse(s.bytes)
				if err != nil {
					t.Fatalf("%s %x: %v", s.where, s.bytes, err)
				}
				f(t, s, m)
			}
		})
	}
}

func TestRecordedMessageIsInTheTableAndSurvivesTheCodec(t *testing.T) {
	forEachRecorded(t, func(t *testing.T, s said, m Message) {
		if m.Kind(s.from) == KindUnknown {
			t.Errorf("%s from %s is not in the table: %s", s.where, s.from, m)
		}
		b, err := m.Append(nil)
		if err != nil || !bytes.Equal(b, s.bytes) {
			t.Errorf("%s %s\n got %x, %v\nwant %x", s.where, m, b, err, s.bytes)
		}
	})
}

func wantBytes(t *testing.T, m Message, want []byte) {
	t.Helper()
	b, err := m.Append(nil)
	if err != nil || !bytes.Equal(b, want) {
		t.Errorf("%s\n got %x, %v\nwant %x", m, b, err, want)
	}
}

func TestRecordedHello(t *testing.T) {
	id := []byte{0x3a, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1}
	v331 := Hello{ProductID: 3, ProductVersion: 0xffff, Flags: 0x36, HasPlatform: true, PlatformID: 3,
		HasSystem: true, SystemVersion: 3302, MaxMessage: 960, MaxBinary: 102400, OTAChunk: 512}
	v620 := Hello{ProductID: 3, ProductVersion: 0xffff, Flags: 0x36, HasPlatform: true, PlatformID: 3,
		HasSystem: true, SystemVersion: 6200, MaxMessage: 1152, MaxBinary: 10485760, OTAChunk: 512}
	for _, r := range recordings {
		want := v331
		if strings.Contains(r.name, "6.2.0") {
			want = v620
		}
		udp := strings.HasPrefix(r.name, "udp")
		if udp {
			want.DeviceID = id
		}
		first := readRecording(t, r.name)[0]
		m, err := Parse(first.bytes)
		if err != nil {
			t.Fatal(err)
		}
		got, err := ParseHello(m.Payload)
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s\n got %+v, %v\nwant %+v", r.name, got, err, want)
		}
		if con := m.Type == Confirmable; con != udp {
			t.Errorf("%s: %s", r.name, m)
		}
	}
}

func TestRecordedDescribe(t *testing.T) {
	application := Describe{
		HasApplication: true,
		Functions:      []string{"echo", "length", "negative", "slow"},
		Variables: map[string]VariableType{"vInt": Int, "vDouble": Double, "vBool": Bool, "vString": String, "vChars": String,
			"calcInt": Int, "calcDouble": Double, "calcString": String, "calcBool": Bool},
		VariableNames: []string{"vInt", "vDouble", "vBool", "vString", "vChars", "calcInt", "calcDouble", "calcString", "calcBool"},
	}
	system331 := Describe{HasSystem: true, HasPlatform: true, Platform: 3}
	system620 := Describe{HasSystem: true, Modules: []Module{
		{Function: ModuleBootloader, Version: 1000, Location: LocationMain, MaxSize: 10485760, Checked: 0x1e, Passed: 0x1e, Size: 10485764},
		{Function: ModuleMonolithic, Version: 6200, Location: LocationMain, MaxSize: 10485760, Checked: 0x1e, Passed: 0x1e, Size: 10485764,
			Dependencies: []Dependency{{Function: ModuleBootloader, Version: 1000}}},
	}}
	for _, name := range long {
		posts := map[byte]Describe{}
		for _, s := range readRecording(t, name) {
			m, err := Parse(s.bytes)
			if err != nil {
				t.Fatal(err)
			}
			if s.from != FromDevice || m.Kind(s.from) != KindDescribe {
				continue
			}
			flags, ok := DescribeFlags(m)
			format, hasFormat := ContentFormat(m)
			if !hasFormat {
				format = -1
			}
			d, err := ParseDescribe(format, flags, m.Payload)
			if err != nil || !ok {
				t.Fatalf("%s: %v", m, err)
			}
			posts[flags] = d
		}
		system := system331
		if strings.Contains(name, "6.2.0") {
			system = system620
		}
		want := map[byte]Describe{DescribeSystem: system, DescribeApplication: application}
		if !reflect.DeepEqual(posts, want) {
			t.Errorf("%s\n got %+v\nwant %+v", name, posts, want)
		}
		for _, m := range system.Modules {
			if !m.Valid() {
				t.Errorf("%s is not valid", m)
			}
		}
	}
}

func TestRecordedSubscriptions(t *testing.T) {
	const u = true
	v331 := []Subscription{{Prefix: "particle", MyDevices: u}, {Prefix: "spark", MyDevices: u}, {Prefix: "pre/"},
		{Prefix: "mine/", MyDevices: u}, {Prefix: "particle/device/", MyDevices: u}, {Prefix: "spark/device/"}}
	v620 := []Subscription{{Prefix: "particle"}, {Prefix: "spark"}, {Prefix: "pre/"},
		{Prefix: "mine/"}, {Prefix: "particle/device/"}, {Prefix: "spark/device/"}}
	for _, r := range recordings {
		var got []Subscription
		for _, s := range readRecording(t, r.name) {
			m, err := Parse(s.bytes)
			if err != nil {
				t.Fatal(err)
			}
			if m.Kind(s.from) == KindSubscribe {
				sub, err := ParseSubscription(m)
				if err != nil {
					t.Fatal(err)
				}
				got = append(got, sub)
			}
		}
		want := v331
		if strings.Contains(r.name, "6.2.0") {
			want = v620
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%s\n got %+v\nwant %+v", r.name, got, want)
		}
	}
}

func TestRecordedEventsOfTheDevice(t *testing.T) {
	want := map[string][]string{
		"udp-v3.3.1-resume.txt": {
			`private particle/device/updates/enabled "true"`, `private particle/device/updates/forced "false"`,
			`private particle/device/updates/enabled "true"`, `private particle/device/updates/forced "false"`,
			`public after/resume "x"`,
		},
		"tcp-v6.2.0.txt": {
			`private particle/device/updates/enabled "true"`, `private particle/device/updates/forced "false"`,
			`private vdev/tick "{\"n\":0,\"t\":1517}"`, `private vdev/tick "{\"n\":1,\"t\":6517}"`,
			`private vdev/tick "{\"n\":2,\"t\":11517}"`,
		},
	}
	for name, want := range want {
		var got []string
		for _, s := range readRecording(t, name) {
			m, err := Parse(s.bytes)
			if err != nil {
				t.Fatal(err)
			}
			if s.from != FromDevice || m.Kind(s.from) != KindEvent {
				continue
			}
			ev, err := ParseEvent(m)
			if err != nil || ev.HasTTL || ev.TTL != 60 || ev.ContentFormat != -1 {
				t.Fatalf("%+v, %v", ev, err)
			}
			scope := "public"
			if ev.Private {
				scope = "private"
			}
			got = append(got, fmt.Sprintf("%s %s %q", scope, ev.Name, ev.Data))
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%s\n got %q\nwant %q", name, got, want)
		}
	}
}

func TestRecordedUpdatesAreRecognised(t *testing.T) {
	for name, want := range map[string]map[Kind]int{
		"tcp-v3.3.1-ota.txt": {KindUpdateBegin: 1, KindChunk: 18, KindUpdateDone: 2, KindChunkMissed: 1},
		"tcp-v6.2.0-ota.txt": {KindUpdateBegin: 1, KindChunk: 17, KindUpdateDone: 1, KindChunkMissed: 1},
	} {
		got := map[Kind]int{}
		for _, s := range readRecording(t, name) {
			m, err := Parse(s.bytes)
			if err != nil {
				t.Fatal(err)
			}
			if kind := m.Kind(s.from); want[kind] > 0 {
				got[kind]++
			}
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %v, want %v", name, got, want)
		}
	}
}
