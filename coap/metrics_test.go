package coap

import (
	"bytes"
	"reflect"
	"testing"
)

func TestMetricsOfARecordedDevice(t *testing.T) {
	// Device OS 6.2.0, 151 bytes; UDP, where the counters of CoAP are not zero.
	payload := hx(t, `00 0400 0200 0400 0600 02000000 0800 04000000 0900 00000000 0a00 02000000 0c00 00000000 0d00 00000000
		0e00 00000000 1400 00000000 1500 00000000 1600 00000000 1700 0f000000 1980 9cffffff 1a80 9cffffff 1b00 01000000
		1c00 00000000 1d00 01000000 1e00 00000000 1f00 2c000000 2180 9cffffff 2280 9cffffff 2380 9cffffff 2400 01000000
		2580 9cffffff 3c00 00000000`)
	metrics, err := ParseMetrics(payload)
	if err != nil || len(payload) != 151 || len(metrics) != 24 {
		t.Fatalf("%d metrics of %d bytes, %v", len(metrics), len(payload), err)
	}
	for i, want := range map[int]string{
		0: "sys:uptime=2", 1: "net:stat=4", 3: "cloud:stat=2", 10: "coap:transmit=15", 11: "sys:tram failed: -100",
		17: "coap:roundtrip=44", 18: "net:sigstr failed: -100", 23: "sys:protected=0",
	} {
		if got := metrics[i].String(); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
	if got := AppendMetrics([]byte("x"), metrics); !bytes.Equal(got, append([]byte("x"), payload...)) {
		t.Errorf("\n got %x\nwant %x", got, payload)
	}
}

func TestMetricsKnowWhatTheirBytesMean(t *testing.T) {
	for _, v := range []struct {
		m      Metric
		name   string
		vital  string
		number float64
	}{
		{Metric{ID: 6, Value: 0xffffffff}, "sys:uptime", "system.uptime", 4294967295},
		{Metric{ID: 13, Value: 0xffffff9c}, "cloud:err", "cloud.connection.error", -100},
		{Metric{ID: 3, Value: 0x5540}, "batt:soc", "power.battery.charge", 85.25},
		{Metric{ID: 33, Value: 0x6400}, "net:sigstr", "network.signal.strength", 100},
		{Metric{ID: 37, Value: 0xffbd8000}, "net:sigstrv", "network.signal.strengthv", -66.5},
		{Metric{ID: 19, Value: 0xffffbd80}, "net:rssi", "", -66.5},
		{Metric{ID: 11, Value: 0xffffffff}, "", "", -1},
		{Metric{ID: 60, Value: 1}, "sys:protected", "", 1},
		{Metric{ID: 61, Value: 3}, "", "", 3},
		{Metric{ID: 0x7fff, Value: 5}, "", "", 5},
	} {
		if v.m.Name() != v.name || v.m.Vital() != v.vital || v.m.Number() != v.number {
			t.Errorf("%d: %q %q %v, want %q %q %v", v.m.ID, v.m.Name(), v.m.Vital(), v.m.Number(), v.name, v.vital, v.number)
		}
	}
	if got := (Metric{ID: 500, Value: 1}).String(); got != "metric 500=1" {
		t.Error(got)
	}
}

func TestMetricsRefuse(t *testing.T) {
	whole := hx(t, `00 0400 0200 0400 0600 02000000 0680 9cffffff`)
	want := Metrics{{ID: 6, Value: 2}, {ID: 6, Failed: true, Err: -100}}
	complete := map[int]Metrics{7: {}, 13: want[:1], 19: want}
	for n := range len(whole) + 1 {
		got, err := ParseMetrics(whole[:n])
		want, ok := complete[n]
		if (err == nil) != ok || ok && !reflect.DeepEqual(got, want) {
			t.Errorf("%d bytes: %+v, %v", n, got, err)
		}
	}
	for name, bytes := range map[string]string{
		"not binary":      `01 0400 0200 0400`,
		"not metrics":     `00 0200 0200 0400`,
		"ids of 4 bytes":  `00 0400 0400 0400`,
		"values of 8":     `00 0400 0200 0800`,
		"values of none":  `00 0400 0200 0000`,
		"sizes reversed?": `00 0004 0002 0004`,
	} {
		if m, err := ParseMetrics(hx(t, bytes)); err == nil {
			t.Errorf("%s: %+v", name, m)
		}
	}
}
