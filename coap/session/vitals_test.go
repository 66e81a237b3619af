package session

import (
	"maps"
	"testing"
	"time"

	"localcloud/coap"
)

// TestDiagnosticsAreAskedForNowAndThen: once a while after Hello and then in a steady rhythm, of devices that have them.
func TestDiagnosticsAreAskedForNowAndThen(t *testing.T) {
	questions := func(h coap.Hello, every time.Duration) (asked []time.Duration) {
		d := newDevice(t, func(c *Config) { c.Vitals = every })
		d.send(d.hello(h))
		start := d.now
		for d.now.Sub(start) < 40*time.Minute {
			d.advance(time.Second)
			for _, m := range d.sent {
				if flags, _ := coap.DescribeFlags(m); m.Kind(coap.FromServer) == coap.KindDescribe && flags == coap.DescribeMetrics {
					asked = append(asked, d.now.Sub(start))
					d.send(coap.DescribeReply(coap.Confirmable, d.nextID(), m.Token[0], -1, coap.AppendMetrics(nil, coap.Metrics{{ID: metricThrottled, Value: 7}})))
				}
			}
			d.sent = nil
			d.send(coap.Ping(d.nextID())) // it lives
		}
		return asked
	}
	withThem := coap.Hello{HasPlatform: true, PlatformID: 6, Flags: coap.FlagDiagnostics}
	if got := questions(withThem, 15*time.Minute); len(got) != 3 || got[0] != metricsFirst || got[2] != metricsFirst+30*time.Minute {
		t.Errorf("asked at %v", got)
	}
	if got := questions(withThem, 0); got != nil {
		t.Errorf("asked at %v though nobody wants to know", got)
	}
	if got := questions(coap.Hello{HasPlatform: true, PlatformID: 6}, 15*time.Minute); got != nil {
		t.Errorf("asked at %v a device that has none", got)
	}
}

func TestFiguresHaveTheNamesOfTheAPI(t *testing.T) {
	got := figures(coap.Metrics{{ID: 6, Value: 99}, {ID: 2, Value: 7}, {ID: 37, Value: 0xffc90000}, {ID: 25, Failed: true}, {ID: 999, Value: 1}})
	want := map[string]float64{"system.uptime": 99, "mem.free": 7, "network.signal.strengthv": -55}
	if !maps.Equal(got, want) {
		t.Errorf("figures are %v, want %v", got, want)
	}
}

func TestThrottledIsTheBoardsOwnNumber(t *testing.T) {
	for name, tt := range map[string]struct {
		metrics coap.Metrics
		want    uint64
	}{
		"told":     {coap.Metrics{{ID: 6, Value: 99}, {ID: metricThrottled, Value: 7}}, 7},
		"not told": {coap.Metrics{{ID: 6, Value: 99}}, 0},
		"failed":   {coap.Metrics{{ID: metricThrottled, Failed: true, Err: -100}}, 0},
	} {
		if got := throttled(tt.metrics); got != tt.want {
			t.Errorf("%s: %d, want %d", name, got, tt.want)
		}
	}
}
