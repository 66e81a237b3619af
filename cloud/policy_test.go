package cloud_test

import (
	"context"
	"encoding/json"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"localcloud/cloud"
	"localcloud/keys"
)

// device is one that publishes, and counts what becomes of it.
type publisher struct {
	w        *world
	p        *cloud.Presence
	done     chan error
	rejected int
}

func (w *world) publisher(p *cloud.Presence) *publisher {
	return &publisher{w: w, p: p, done: make(chan error, 1000)}
}

// publish publishes an event n times at once.
func (d *publisher) publish(n int, name string) {
	d.w.t.Helper()
	for range n {
		err := d.p.Publish(context.Background(), text(name, ""), func(err error) { d.done <- err })
		if cloud.KindOf(err) == cloud.Limited {
			d.rejected++
		} else if err != nil {
			d.w.t.Error(err)
		}
	}
}

// want checks how many events were accepted, rejected, and reached the listeners, since the last look.
func (d *publisher) want(accepted, rejected, delivered int) {
	d.w.t.Helper()
	got := 0
	for _, line := range d.w.happened() {
		if !strings.HasPrefix(line, "spark/device/limited") && !strings.HasPrefix(line, "spark/status") {
			got++
		}
	}
	if len(d.done) != accepted || d.rejected != rejected || got != delivered {
		d.w.t.Errorf("accepted %d, rejected %d, delivered %d, want %d, %d, %d", len(d.done), d.rejected, got, accepted, rejected, delivered)
	}
	for len(d.done) > 0 {
		if err := <-d.done; err != nil {
			d.w.t.Error(err)
		}
	}
	d.rejected = 0
}

func (w *world) devicePolicy(p cloud.Policy) {
	w.hub.SettingsChanged(cloud.Settings{DevicePolicy: p})
}

func TestEachPolicyOfADevice(t *testing.T) {
	for _, c := range []struct {
		policy                                 cloud.Policy
		accepted, rejected, delivered, limited int // of ten at once
		later                                  int // of ten more, two seconds later, delivered
	}{
		{cloud.PolicyOff(), 10, 0, 10, 0, 10},
		{cloud.PolicyWarn(), 10, 0, 10, 6, 10},
		{cloud.PolicyParticle(), 10, 0, 4, 6, 2},
		{cloud.Policy{Rate: 0.5, Burst: 1, Action: cloud.Reject}, 1, 9, 1, 9, 1},
		{cloud.Policy{Rate: 4, Burst: 7, Action: cloud.Drop}, 10, 0, 7, 3, 7},
	} {
		t.Run(c.policy.String(), func(t *testing.T) {
			inBubble(t, func(t *testing.T, w *world) {
				w.devicePolicy(c.policy)
				p, _ := w.arrive(lamp, ann)
				d := w.publisher(p)
				d.publish(10, "a")
				d.want(c.accepted, c.rejected, c.delivered)
				if st, total := w.hub.Status(lamp), w.hub.Totals(); st.Limited != uint64(c.limited) || total.Limited != uint64(c.limited) || st.Events != 10 {
					t.Errorf("counted %d for the device, %d in all, of %d events, want %d of 10", st.Limited, total.Limited, st.Events, c.limited)
				}
				time.Sleep(2 * time.Second)
				d.publish(10, "a")
				if got := len(d.w.happened()); got != c.later {
					t.Errorf("later %d of 10 are delivered, want %d", got, c.later)
				}
			})
		})
	}
}

func TestNewCloudOnlyWarns(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		if got := w.registry.Settings(); got.DevicePolicy != cloud.PolicyWarn() || !got.ServerPolicy.IsOff() || got.TrustFirstUse {
			t.Errorf("settings %+v", got)
		}
		p, _ := w.arrive(lamp, ann)
		d := w.publisher(p)
		d.publish(100, "a")
		d.want(100, 0, 100)
	})
}

func TestPolicyChangesWhileDevicesAreOnline(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		p, _ := w.arrive(lamp, ann)
		d := w.publisher(p)
		w.devicePolicy(cloud.PolicyParticle())
		d.publish(6, "a")
		d.want(6, 0, 4)
		w.devicePolicy(cloud.PolicyOff())
		d.publish(6, "a")
		d.want(6, 0, 6)

		own := cloud.Policy{Rate: 1, Burst: 2, Action: cloud.Reject}
		w.hub.DeviceChanged(cloud.Device{ID: lamp, Owner: ann, Policy: &own})
		d.publish(6, "a")
		d.want(2, 4, 2)
		w.devicePolicy(cloud.PolicyParticle()) // does not touch a device with a policy of its own
		time.Sleep(time.Second)
		d.publish(2, "a")
		d.want(1, 1, 1)
		w.hub.DeviceChanged(cloud.Device{ID: lamp, Owner: ann})
		d.publish(6, "a")
		d.want(6, 0, 4)
	})
}

func TestPolicyOfADeviceIsThereWhenItArrives(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		own := cloud.Policy{Rate: 1, Burst: 1, Action: cloud.Reject}
		p := w.hub.Arrive(context.Background(), cloud.Arrival{Conn: &conn{}, Device: cloud.Device{ID: lamp, Policy: &own}})
		d := w.publisher(p)
		d.publish(3, "a")
		d.want(1, 2, 1)
	})
}

func TestSettingsThatSayTheSameDoNotRefillTheBucket(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		w.devicePolicy(cloud.PolicyParticle())
		p, _ := w.arrive(lamp, ann)
		d := w.publisher(p)
		d.publish(6, "a")
		d.want(6, 0, 4)
		w.devicePolicy(cloud.PolicyParticle())
		w.hub.DeviceChanged(cloud.Device{ID: lamp, Owner: ann, Name: "new"})
		p.Leave(context.Background())
		p, _ = w.arrive(lamp, ann) // nor does a new connection
		d.p = p
		d.publish(6, "a")
		d.want(6, 0, 0)
	})
}

func TestSystemEventsAndDevicesRequestAreExempt(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		w.hub.SettingsChanged(cloud.Settings{
			DevicePolicy: cloud.Policy{Rate: 1, Burst: 1, Action: cloud.Reject}, ServerPolicy: cloud.Policy{Rate: 1, Burst: 1, Action: cloud.Reject},
		})
		p, _ := w.arrive(lamp, ann)
		d := w.publisher(p)
		d.publish(1, "a")
		d.want(1, 0, 1)
		for _, name := range []string{"spark/device/last_reset", "particle/device/updates/enabled", "devicesRequest"} {
			d.publish(20, name)
			d.want(20, 0, 20)
		}
		d.publish(1, "devicesRequests")
		d.want(0, 1, 0)
		if st := w.hub.Status(lamp); st.Limited != 1 || st.Events != 62 {
			t.Errorf("status %+v", st)
		}
	})
}

func TestServerPolicyCountsAllDevicesTogether(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		w.hub.SettingsChanged(cloud.Settings{ServerPolicy: cloud.Policy{Rate: 1, Burst: 10, Action: cloud.Drop}})
		p1, _ := w.arrive(lamp, ann)
		p2, _ := w.arrive(radio, bob)
		d1, d2 := w.publisher(p1), w.publisher(p2)
		d1.publish(7, "a")
		d1.want(7, 0, 7)
		d2.publish(7, "a")
		d2.want(7, 0, 3)
		if st := w.hub.Status(radio); st.Limited != 4 {
			t.Errorf("status %+v", st)
		}
	})
}

func TestProductPolicyCountsTheDevicesOfAProductTogether(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		drop := cloud.Policy{Rate: 1, Burst: 10, Action: cloud.Drop}
		w.hub.SettingsChanged(cloud.Settings{ProductPolicies: map[int]cloud.Policy{12: drop}})
		arrive := func(id keys.DeviceID, product int) *publisher {
			return w.publisher(w.hub.Arrive(context.Background(), cloud.Arrival{
				Conn: &conn{}, Device: cloud.Device{ID: id, Owner: ann, ProductID: product},
			}))
		}
		d1, d2, other := arrive(lamp, 12), arrive(radio, 12), arrive(keys.DeviceID{9}, 13)
		d1.publish(7, "a")
		d1.want(7, 0, 7)
		d2.publish(7, "a")
		d2.want(7, 0, 3)
		other.publish(50, "a")
		other.want(50, 0, 50)
		// A change elsewhere does not fill the product's bucket again; its removal ends the limit.
		w.hub.SettingsChanged(cloud.Settings{ProductPolicies: map[int]cloud.Policy{12: drop, 13: cloud.PolicyOff()}})
		d1.publish(5, "a")
		d1.want(5, 0, 0)
		w.hub.SettingsChanged(cloud.Settings{})
		d1.publish(5, "a")
		d1.want(5, 0, 5)
	})
}

func TestExcessOfOneDeviceCostsTheOthersNothing(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		w.hub.SettingsChanged(cloud.Settings{
			DevicePolicy: cloud.Policy{Rate: 1, Burst: 2, Action: cloud.Drop}, ServerPolicy: cloud.Policy{Rate: 1, Burst: 4, Action: cloud.Drop},
		})
		p1, _ := w.arrive(lamp, ann)
		p2, _ := w.arrive(radio, bob)
		d1, d2 := w.publisher(p1), w.publisher(p2)
		d1.publish(100, "a")
		d1.want(100, 0, 2)
		d2.publish(2, "a")
		d2.want(2, 0, 2)
	})
}

func TestStricterPolicyWins(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		w.hub.SettingsChanged(cloud.Settings{
			DevicePolicy: cloud.Policy{Rate: 1, Burst: 1, Action: cloud.Warn}, ServerPolicy: cloud.Policy{Rate: 1, Burst: 2, Action: cloud.Reject},
		})
		p, _ := w.arrive(lamp, ann)
		d := w.publisher(p)
		d.publish(4, "a")
		d.want(2, 2, 2)
		if st := w.hub.Status(lamp); st.Limited != 3 {
			t.Errorf("%d events are counted, want 3", st.Limited)
		}
	})
}

func TestOwnerHearsOfLimitsOnceAnHour(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		w.devicePolicy(cloud.Policy{Rate: 1, Burst: 1, Action: cloud.Drop})
		p, _ := w.arrive(lamp, ann)
		other := cloud.NewQueue(100)
		w.hub.Subscribe(cloud.Filter{Owner: bob, Public: true}, other)
		d := w.publisher(p)
		count := func(want int) {
			t.Helper()
			n := 0
			for _, line := range w.happened() {
				if line == "spark/device/limited=1/s:1 drop" {
					n++
				}
			}
			if n != want {
				t.Errorf("the owner heard of it %d times, want %d", n, want)
			}
		}
		d.publish(50, "a")
		count(1)
		time.Sleep(59 * time.Minute)
		d.publish(50, "a")
		count(0)
		time.Sleep(time.Minute)
		d.publish(50, "a")
		count(1)
		if got := w.said.count("rate limit"); got != 2 {
			t.Errorf("%d lines in the log, want 2", got)
		}
		for _, line := range drain(other) {
			if strings.HasPrefix(line, "spark/") {
				t.Errorf("another user hears %s", line)
			}
		}
		w.devicePolicy(cloud.PolicyWarn()) // under which nothing is dropped
		time.Sleep(2 * time.Hour)
		d.publish(50, "a")
		count(0)
	})
}

func TestDroppedEventIsAcceptedByAnotherGoroutine(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		w.devicePolicy(cloud.Policy{Rate: 1, Burst: 1, Action: cloud.Drop})
		p, _ := w.arrive(lamp, ann)
		w.publisher(p).publish(1, "a")
		handed := make(chan struct{}) // unbuffered: the publisher would block itself
		if err := p.Publish(context.Background(), text("a", ""), func(error) { <-handed }); err != nil {
			t.Error(err)
		}
		synctest.Wait()
		close(handed)
	})
}

func TestParsePolicy(t *testing.T) {
	for s, want := range map[string]cloud.Policy{
		"off":           cloud.PolicyOff(),
		"warn":          cloud.PolicyWarn(),
		"particle":      cloud.PolicyParticle(),
		"1/s:4":         cloud.PolicyWarn(),
		"1/s:4 drop":    cloud.PolicyParticle(),
		"0.5/s:1":       {Rate: 0.5, Burst: 1, Action: cloud.Warn},
		"100/s:9 drop":  {Rate: 100, Burst: 9, Action: cloud.Drop},
		" 2/s:3 reject": {Rate: 2, Burst: 3, Action: cloud.Reject},
	} {
		if got, err := cloud.ParsePolicy(s); err != nil || got != want {
			t.Errorf("%q is %+v, %v, want %+v", s, got, err, want)
		}
	}
	for _, s := range []string{
		"", "on", "OFF", "1", "1/s", "1/s:", "/s:4", "1/s:0", "0/s:4", "-1/s:4", "1/s:-4", "1/s:4 ban", "1/s:4 drop now", "1/m:4",
		"NaN/s:4", "Inf/s:4", "1e99/s:4", "1/s:99999999", "1/s:4.5", "1/s:4\ndrop",
	} {
		if got, err := cloud.ParsePolicy(s); cloud.KindOf(err) != cloud.Invalid {
			t.Errorf("%q is %+v, %v, want an error", s, got, err)
		}
	}
}

func TestPolicyAsJSON(t *testing.T) {
	for _, p := range []cloud.Policy{
		cloud.PolicyOff(), cloud.PolicyWarn(), cloud.PolicyParticle(), {Rate: 2.5, Burst: 10, Action: cloud.Reject},
	} {
		b, err := json.Marshal(p)
		if err != nil {
			t.Fatal(err)
		}
		got := cloud.Policy{Rate: 9, Burst: 9}
		if err := json.Unmarshal(b, &got); err != nil || got != p {
			t.Errorf("%s becomes %+v, %v", b, got, err)
		}
	}
	for _, s := range []string{`7`, `"nonsense"`, `{}`} {
		got := cloud.PolicyWarn()
		if err := json.Unmarshal([]byte(s), &got); err == nil || got != cloud.PolicyWarn() {
			t.Errorf("%s becomes %+v, %v", s, got, err)
		}
	}
}

func FuzzParsePolicy(f *testing.F) {
	for _, s := range []string{"off", "warn", "particle", "1/s:4", "0.1/s:1 drop", "1e-300/s:1 reject", "5e-324/s:1"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		p, err := cloud.ParsePolicy(s)
		if err != nil {
			return
		}
		if !p.IsOff() && (p.Rate <= 0 || p.Burst < 1) {
			t.Errorf("%q is %+v", s, p)
		}
		if again, err := cloud.ParsePolicy(p.String()); err != nil || again != p {
			t.Errorf("%q is %+v, written %q, and read as %+v, %v", s, p, p, again, err)
		}
	})
}
