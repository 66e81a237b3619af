package store

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"localcloud/cloud"
	"localcloud/keys"
)

func devicesFoundByName(t *testing.T, w *world) {
	named := func(n byte, name string) { w.update(n, func(d *cloud.Device) { d.Name = name }) }
	want := func(name string, ids ...byte) {
		t.Helper()
		var got []keys.DeviceID
		for _, d := range w.Registry().DevicesNamed(name) {
			got = append(got, d.ID)
		}
		var wanted []keys.DeviceID
		for _, n := range ids {
			wanted = append(wanted, id(n))
		}
		if !slices.Equal(got, wanted) {
			t.Errorf("devices named %q are %v, want %v", name, got, wanted)
		}
	}
	named(3, "Heron")
	named(1, "HERON")
	named(2, "Straße \u212a") // the sign of kelvin
	named(4, "")
	want("heron", 1, 3)
	want("STRA\u00dfE k", 2)
	want("")
	named(3, "crane")
	want("heron", 1)
	want("Crane", 3)
	w.open(Options{})
	want("heron", 1)
	want("Crane", 3)
	if err := w.Registry().RemoveDevice(id(1)); err != nil {
		t.Fatal(err)
	}
	want("heron")
	if n := w.Registry().CountDevices(); n != 3 {
		t.Errorf("%d devices, want 3", n)
	}
	all := map[string]bool{}
	for d := range w.Registry().AllDevices() {
		all[d.Name] = true
		named(d.ID[11], "new") // may be changed meanwhile: what is yielded stays as it was
		all[d.Name] = true
	}
	if !maps.Equal(all, map[string]bool{"crane": true, "Straße \u212a": true, "": true}) {
		t.Errorf("all devices are %v", all)
	}
	for range w.Registry().AllDevices() {
		break // may stop early
	}
}

func TestFoldedIsAsEqualFold(t *testing.T) {
	for _, pair := range [][2]string{{"a", "A"}, {"ß", "ẞ"}, {"K", "\u212a"}, {"ı", "I"}, {"σ", "ς"}, {"x", "y"}, {"ä", "Ä"}, {"", ""}} {
		if got, want := folded(pair[0]) == folded(pair[1]), strings.EqualFold(pair[0], pair[1]); got != want {
			t.Errorf("%q and %q: same is %v, want %v", pair[0], pair[1], got, want)
		}
	}
}

// BenchmarkDevicesNamed finds one of 10,000 devices.
func BenchmarkDevicesNamed(b *testing.B) {
	n := make(names)
	for i := range 10_000 {
		n.replace(nil, &cloud.Device{ID: keys.DeviceID{byte(i >> 8), byte(i)}, Name: fmt.Sprintf("board-%d", i)})
	}
	for b.Loop() {
		if len(n[folded("Board-4711")]) != 1 {
			b.Fatal("not found")
		}
	}
}

// BenchmarkLookAtAllDevices looks at each of 10,000 devices: at the rows themselves, and at copies in order.
func BenchmarkLookAtAllDevices(b *testing.B) {
	r := &Registry{rows: rows{devices: newDevices()}}
	for i := range 10_000 {
		d := &cloud.Device{ID: keys.DeviceID{byte(i >> 8), byte(i)}, Functions: []string{"led", "window"}}
		r.devices.rows[d.ID] = d
	}
	online := 0
	b.Run("rows", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			for d := range r.AllDevices() {
				online += len(d.Functions)
			}
		}
	})
	b.Run("copies", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			for _, d := range r.Devices() {
				online += len(d.Functions)
			}
		}
	})
}
