package store

import (
	"encoding/hex"
	"errors"
	"math"
	"reflect"
	"strings"
	"testing"
	"time"

	"localcloud/cloud"
	"localcloud/keys"
)

// The format is on people's disks: these bytes must be read for ever.
func TestEventBytes(t *testing.T) {
	for _, test := range []struct {
		ev  cloud.Event
		hex string
	}{
		{
			cloud.Event{ID: 1, PublishedAt: cloud.EventID(1).Time(), Format: cloud.TextFormat},
			"01 00 00 00",
		},
		{
			cloud.Event{ID: 1, PublishedAt: cloud.EventID(1).Time(), Format: cloud.TextFormat, Name: "t", TTL: 60, Data: []byte{}},
			"01 40 3c 01 74 00",
		},
		{
			cloud.Event{
				ID: 1792000000000000, Name: "led/on", Data: []byte("21"), TTL: 300, Device: keys.DeviceID{0xe0, 0x0f, 0xce, 0x68, 11: 1},
				Source: "001", Owner: "ab", Private: true, Format: cloud.CBORFormat, PublishedAt: time.Unix(1792000001, 5).UTC(),
			},
			"01 7f ac02 06 6c65642f6f6e e00fce680000000000000001 03 303031 02 6162 78 8280feac0d 05 02 3231",
		},
	} {
		want, err := hex.DecodeString(strings.ReplaceAll(test.hex, " ", ""))
		if err != nil {
			t.Fatal(err)
		}
		if got := appendEvent(nil, &test.ev); !reflect.DeepEqual(got, want) {
			t.Errorf("appendEvent(%v)\n= %x\nwant %x", &test.ev, got, want)
		}
		got, err := parseEvent(test.ev.ID, want)
		if err != nil {
			t.Fatal(err)
		}
		wantSame(t, *got, test.ev)
		for n := range want {
			if _, err := parseEvent(1, want[:n]); err == nil {
				t.Errorf("%x is cut off after %d bytes and is read", want, n)
			}
		}
		if _, err := parseEvent(1, append(want, 0)); err == nil {
			t.Errorf("%x has a byte too many and is read", want)
		}
	}
}

func TestParseEventRefuses(t *testing.T) {
	for text, want := range map[string]error{
		"02000000":                     errEventVersion,
		"01800000808004":               errEventDamaged, // product of more than 16 bits
		"0100ffffffff1000":             errEventDamaged, // TTL of more than 32 bits
		"010000ffffffffffffffffff01":   errEventDamaged, // name of 2^63 bytes
		"01003cffffffffffffffffffffff": errEventDamaged, // number of more than 64 bits
		"0120000002" + "8094ebdc03":    errEventDamaged, // 1e9 nanoseconds
	} {
		b, err := hex.DecodeString(text)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := parseEvent(1, b); !errors.Is(err, want) {
			t.Errorf("%s: %v, want %v", text, err, want)
		}
	}
}

func TestParsedEventSharesNothing(t *testing.T) {
	b := appendEvent(nil, sampleEvent(1))
	ev := must(parseEvent(1, b))
	clear(b)
	wantSame(t, ev, sampleEvent(1))
}

func TestEventSurvivesExtremes(t *testing.T) {
	for _, ev := range []cloud.Event{
		{ID: math.MaxUint64, TTL: math.MaxUint32, Format: math.MaxInt, PublishedAt: time.Unix(1<<40, 999_999_999).UTC()},
		{Format: math.MinInt, PublishedAt: time.Time{}},
		{Format: 0, PublishedAt: time.Unix(-1, 1).UTC(), Name: strings.Repeat("\xff", 300), Owner: "\x00"},
	} {
		got, err := parseEvent(ev.ID, appendEvent(nil, &ev))
		if err != nil {
			t.Fatal(err)
		}
		wantSame(t, *got, ev)
	}
}

func FuzzParseEvent(f *testing.F) {
	f.Add(uint64(1), appendEvent(nil, sampleEvent(1)))
	f.Add(uint64(1), appendEvent(nil, &cloud.Event{}))
	f.Add(uint64(7), []byte{1, 0x7f, 0, 0})
	f.Fuzz(func(t *testing.T, id uint64, b []byte) {
		ev, err := parseEvent(cloud.EventID(id), b)
		if err != nil {
			if ev != nil {
				t.Error("an event and an error")
			}
			return
		}
		again, err := parseEvent(ev.ID, appendEvent(nil, ev))
		if err != nil {
			t.Fatalf("what was read and written is not read again: %v", err)
		}
		wantSame(t, again, ev)
	})
}

func FuzzAppendEvent(f *testing.F) {
	f.Add(uint64(1), "t", []byte("21"), true, uint32(60), int64(5), int64(7), []byte("e00fce680001"), "001", "ab", true, -1)
	f.Add(uint64(0), "", []byte{}, false, uint32(0), int64(-1), int64(0), []byte{}, "", "", false, 0)
	f.Fuzz(func(t *testing.T, id uint64, name string, data []byte, hasData bool, ttl uint32, seconds, nanos int64,
		device []byte, source, owner string, private bool, format int,
	) {
		ev := cloud.Event{
			ID: cloud.EventID(id), Name: name, TTL: ttl, PublishedAt: time.Unix(seconds, nanos).UTC(), Source: source,
			Owner: cloud.UserID(owner), Private: private, Format: format,
		}
		copy(ev.Device[:], device)
		if hasData {
			ev.Data = append([]byte{}, data...)
		}
		prefix := []byte("before")
		b := appendEvent(prefix, &ev)
		got, err := parseEvent(ev.ID, b[len(prefix):])
		if err != nil {
			t.Fatal(err)
		}
		wantSame(t, *got, ev)
	})
}
