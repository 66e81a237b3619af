package cloud_test

import (
	"strings"
	"testing"
	"time"

	"localcloud/cloud"
)

func TestEventIDIsATimeInMicroseconds(t *testing.T) {
	at := time.Date(2026, 3, 1, 12, 0, 0, 123456000, time.UTC)
	id := cloud.EventIDAt(at)
	if !id.Time().Equal(at) || id.Time().Location() != time.UTC {
		t.Errorf("%v becomes %v", at, id.Time())
	}
	if got, err := cloud.ParseEventID(id.String()); err != nil || got != id {
		t.Errorf("%s is read as %v, %v", id, got, err)
	}
	if got := cloud.EventIDAt(time.Date(1960, 1, 1, 0, 0, 0, 0, time.UTC)); got != 0 {
		t.Errorf("a time before 1970 has the id %v", got)
	}
	for _, s := range []string{"", "-1", "x", "1.5", "0x10", " 1", "18446744073709551616"} {
		if id, err := cloud.ParseEventID(s); cloud.KindOf(err) != cloud.Invalid {
			t.Errorf("%q is the id %v, %v", s, id, err)
		}
	}
}

func TestNamesThatUsersMayPublish(t *testing.T) {
	for _, name := range []string{"a", "temp/kitchen", "my-spark", "spar", "part/icle", strings.Repeat("n", 64), "ünïcode"} {
		if err := cloud.CheckEventName(name); err != nil {
			t.Errorf("%q: %v", name, err)
		}
	}
	for _, name := range []string{
		"", strings.Repeat("n", 65), "spark", "sparkle", "SPARK/device/reset", "Particle/x", "particles", "spark/device/key/restore",
	} {
		if err := cloud.CheckEventName(name); cloud.KindOf(err) != cloud.Invalid {
			t.Errorf("%q: %v, want Invalid", name, err)
		}
	}
}

func TestReservedNames(t *testing.T) {
	for name, want := range map[string]bool{
		"spark": true, "spark/x": true, "SpArK": true, "sparkle": true, "particle": true, "PARTICLE/y": true,
		"": false, "spar": false, "xspark": false, "partic": false, "ſpark": false,
	} {
		if got := cloud.IsReserved(name); got != want {
			t.Errorf("IsReserved(%q) = %v, want %v", name, got, want)
		}
	}
}

func TestEventSaysWhoPublishedIt(t *testing.T) {
	ev := cloud.Event{Name: "a\nb", Data: []byte("secret"), Source: cloud.SourceAPI}
	if got := ev.CoreID(); got != "001" {
		t.Errorf("coreid %q", got)
	}
	ev.Device = lamp
	if got := ev.CoreID(); got != lamp.String() {
		t.Errorf("coreid %q", got)
	}
	if got := ev.String(); strings.Contains(got, "secret") || strings.Contains(got, "\n") || !strings.Contains(got, lamp.String()) {
		t.Errorf("line %q", got)
	}
}
