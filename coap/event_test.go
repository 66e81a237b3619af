package coap

import (
	"reflect"
	"strings"
	"testing"

	"github.com/plgd-dev/go-coap/v3/message"
)

func TestEventsOfAllForms(t *testing.T) {
	for name, v := range map[string]struct {
		bytes string
		want  Event
	}{
		"name only":           {`50 02 0001 b1 65 01 "x"`, Event{Name: "x", TTL: 60, ContentFormat: -1}},
		"private with data":   {`40 02 0001 b1 45 03 "a/b" ff "1"`, Event{Name: "a/b", Private: true, TTL: 60, Data: []byte("1"), HasData: true, ContentFormat: -1}},
		"in several options":  {`50 02 0001 b1 65 01 "a" 01 "b" 00 01 "c"`, Event{Name: "a/b//c", TTL: 60, ContentFormat: -1}},
		"ttl in three bytes":  {`50 02 0001 b1 65 01 "x" 33 000e10`, Event{Name: "x", TTL: 3600, HasTTL: true, ContentFormat: -1}},
		"ttl in two (6.2)":    {`50 02 0001 b1 45 01 "x" 32 0e10`, Event{Name: "x", Private: true, TTL: 3600, HasTTL: true, ContentFormat: -1}},
		"ttl in four (6.2)":   {`50 02 0001 b1 45 01 "x" 34 00015180`, Event{Name: "x", Private: true, TTL: 86400, HasTTL: true, ContentFormat: -1}},
		"ttl of 0":            {`50 02 0001 b1 65 01 "x" 30`, Event{Name: "x", HasTTL: true, ContentFormat: -1}},
		"CBOR, ttl (6.2)":     {`40 02 0001 b1 45 01 "x" 11 3c 21 05 ff a0`, Event{Name: "x", Private: true, TTL: 5, HasTTL: true, Data: []byte{0xa0}, HasData: true, ContentFormat: FormatCBOR}},
		"vendor format (6.2)": {`40 02 0001 b1 45 01 "x" 12 fde9 ff a0`, Event{Name: "x", Private: true, TTL: 60, Data: []byte{0xa0}, HasData: true, ContentFormat: 65001}},
		"text said":           {`40 02 0001 b1 45 01 "x" 10`, Event{Name: "x", Private: true, TTL: 60, ContentFormat: FormatText}},
		"any bytes":           {`50 02 0001 b1 65 02 00ff ff ff00`, Event{Name: "\x00\xff", TTL: 60, Data: []byte{0xff, 0}, HasData: true, ContentFormat: -1}},
		"longest name":        {`50 02 0001 b1 65 0d f2 "` + strings.Repeat("n", 255) + `"`, Event{Name: strings.Repeat("n", 255), TTL: 60, ContentFormat: -1}},
		"a part (6.3)":        {`41 02 0001 07 b1 45 01 "x" d1 03 0e d2 fc 0001 ff "1"`, Event{Name: "x", Private: true, TTL: 60, Data: []byte("1"), HasData: true, ContentFormat: -1}},
	} {
		t.Run(name, func(t *testing.T) {
			m := parse(t, v.bytes)
			got, err := ParseEvent(m)
			if err != nil || !reflect.DeepEqual(got, v.want) {
				t.Errorf("\n got %+v, %v\nwant %+v", got, err, v.want)
			}
			if m.Kind(FromDevice) != KindEvent {
				t.Errorf("%s is a %s", m, m.Kind(FromDevice))
			}
			// Ours says the same again, in one option and with a ttl of three bytes.
			out, err := EventMessage(m.Type, m.ID, got)
			if err != nil {
				t.Fatal(err)
			}
			again, err := ParseEvent(out)
			if got.TTL == 60 {
				got.HasTTL = false
			}
			if got.ContentFormat == FormatText {
				got.ContentFormat = -1
			}
			if err != nil || !reflect.DeepEqual(again, got) {
				t.Errorf("again\n got %+v, %v\nwant %+v", again, err, got)
			}
		})
	}
}

func TestEventsThatAreNone(t *testing.T) {
	for name, bytes := range map[string]string{
		"no name":          `50 02 0001 b1 65`,
		"an empty name":    `50 02 0001 b1 65 00`,
		"a name of 256":    `50 02 0001 b1 65 0d f3 "` + strings.Repeat("n", 256) + `"`,
		"a name of 257":    `50 02 0001 b1 65 0d 73 "` + strings.Repeat("n", 128) + `" 0d 73 "` + strings.Repeat("n", 128) + `"`,
		"a ttl of 5 bytes": `50 02 0001 b1 65 01 "x" 35 0000000001`,
		"a format of 3":    `50 02 0001 b1 65 01 "x" 13 010000`,
		"a hello":          `50 02 0001 b1 68 01 "x"`,
		"a subscription":   `40 01 0001 b1 65 01 "x"`,
		"no path":          `50 02 0001`,
	} {
		if ev, err := ParseEvent(parse(t, bytes)); err == nil {
			t.Errorf("%s: %+v", name, ev)
		}
	}
}

// TestEventMessageIsWhatOldDevicesTake checks the form that their parser, which
// counts bytes, expects: letter, one option with the name, then Max-Age or data.
func TestEventMessageIsWhatOldDevicesTake(t *testing.T) {
	for want, ev := range map[string]Event{
		`50 02 1234 b1 65 0c "lake-depth/1" 33 005460 ff "28m"`:    {Name: "lake-depth/1", TTL: 21600, HasTTL: true, Data: []byte("28m")},
		`50 02 1234 b1 45 01 "a"`:                                  {Name: "a", Private: true, TTL: 60, HasTTL: true, ContentFormat: -1},
		`50 02 1234 b1 65 01 "b"`:                                  {Name: "b", TTL: 5},
		`50 02 1234 b1 65 01 "c" 33 000000`:                        {Name: "c", HasTTL: true},
		`50 02 1234 b1 65 01 "d" 11 3c 23 ffffff ff a0`:            {Name: "d", TTL: 0xffffff, HasTTL: true, Data: []byte{0xa0}, ContentFormat: FormatCBOR},
		`50 02 1234 b1 65 01 "f" 12 ffff`:                          {Name: "f", ContentFormat: 0xffff},
		`50 02 1234 b1 65 01 "e" ff "x"`:                           {Name: "e", Data: []byte("x")}, // the zero format is text: no option
		`50 02 1234 b1 65 0d 33 "` + strings.Repeat("n", 64) + `"`: {Name: strings.Repeat("n", 64)},
	} {
		m, err := EventMessage(NonConfirmable, 0x1234, ev)
		if err != nil {
			t.Fatal(err)
		}
		wantBytes(t, m, hx(t, want))
	}
	for name, ev := range map[string]Event{
		"no name":       {},
		"a long name":   {Name: strings.Repeat("n", 256)},
		"a long ttl":    {Name: "x", TTL: 1 << 24, HasTTL: true},
		"a high format": {Name: "x", ContentFormat: 1 << 16},
	} {
		if m, err := EventMessage(NonConfirmable, 1, ev); err == nil {
			t.Errorf("%s: %s", name, m)
		}
	}
}

func TestSubscriptionsOfAllForms(t *testing.T) {
	for bytes, want := range map[string]Subscription{
		`40 01 0001 b1 65 07 "weather"`: {Prefix: "weather"},
		`40 01 0001 b1 65 0d f2 "` + strings.Repeat("n", 255) + `" ff "` + strings.Repeat("0", 63) + `"`: {Prefix: strings.Repeat("n", 255), DeviceID: strings.Repeat("0", 63)},
		`40 01 0001 b1 65 07 "weather" 41 75`:                                  {Prefix: "weather", MyDevices: true},
		`40 01 0001 b1 65 41 75`:                                               {MyDevices: true},
		`40 01 0001 b1 65`:                                                     {},
		`40 01 0001 b1 65 07 "weather" ff "53ff73065067544816300187"`:          {Prefix: "weather", DeviceID: "53ff73065067544816300187"},
		`50 01 0001 b1 65 04 "pre/" 41 63`:                                     {Prefix: "pre/", Format: 'c'},
		`50 01 0001 b1 65 04 "pre/" 41 62`:                                     {Prefix: "pre/", Format: 'b'},
		`40 01 0001 b1 65 0d 33 "` + strings.Repeat("n", 64) + `" 41 75 01 63`: {Prefix: strings.Repeat("n", 64), MyDevices: true, Format: 'c'},
	} {
		m := parse(t, bytes)
		got, err := ParseSubscription(m)
		if err != nil || got != want {
			t.Errorf("%s\n got %+v, %v\nwant %+v", bytes, got, err, want)
		}
		wantBytes(t, SubscribeMessage(m.Type, m.ID, want), hx(t, bytes))
	}
	// Read, though no device of ours writes it so.
	for bytes, want := range map[string]Subscription{
		`40 01 0001 b1 65 01 "a" 01 "b"`:        {Prefix: "a/b"},
		`40 01 0001 b1 65 01 "a" 41 7a 02 "uu"`: {Prefix: "a"},
	} {
		if got, err := ParseSubscription(parse(t, bytes)); err != nil || got != want {
			t.Errorf("%s\n got %+v, %v\nwant %+v", bytes, got, err, want)
		}
	}
	for name, bytes := range map[string]string{
		"an event":        `40 02 0001 b1 65 01 "x"`,
		"of private":      `40 01 0001 b1 45 01 "x"`,
		"with a token":    `41 01 0001 07 b1 65 01 "x"`,
		"a long prefix":   `40 01 0001 b1 65 0d f3 "` + strings.Repeat("n", 256) + `"`,
		"a long deviceid": `40 01 0001 b1 65 01 "x" ff "` + strings.Repeat("0", 64) + `"`,
	} {
		if s, err := ParseSubscription(parse(t, bytes)); err == nil {
			t.Errorf("%s: %+v", name, s)
		}
	}
}

func TestEventDataAliasesTheMessage(t *testing.T) {
	m := parse(t, `50 02 0001 b1 65 01 "x" ff "data"`)
	ev, err := ParseEvent(m)
	if err != nil {
		t.Fatal(err)
	}
	m.Payload[0] = 'D'
	if string(ev.Data) != "Data" {
		t.Errorf("%s", ev.Data)
	}
	if v, ok := m.option(message.MaxAge); ok {
		t.Errorf("%x", v)
	}
}
