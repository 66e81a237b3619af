package cloud_test

import (
	"crypto/rand"
	"crypto/rsa"
	"fmt"
	"sync"
	"testing"
	"time"

	"localcloud/cloud"
	"localcloud/keys"
)

// twoKeys are made once: it takes a while.
var twoKeys = sync.OnceValues(func() (a, b keys.PublicKey) {
	made := func() keys.PublicKey {
		key, err := rsa.GenerateKey(rand.Reader, 1024)
		if err != nil {
			panic(err)
		}
		public, err := keys.NewRSAPublicKey(&key.PublicKey)
		if err != nil {
			panic(err)
		}
		return public
	}
	return made(), made()
})

func TestAdmit(t *testing.T) {
	mine, other := twoKeys()
	none := keys.PublicKey{}
	for _, c := range []struct {
		name       string
		registered *keys.PublicKey // nil: the device is unknown
		offered    keys.PublicKey
		trust      bool
		want       keys.PublicKey
		reason     keys.Reason
		adopted    bool
	}{
		{"registered key", &mine, mine, false, mine, "", false},
		{"registered key, trust", &mine, mine, true, mine, "", false},
		{"no key offered", &mine, none, false, mine, "", false}, // it has to prove the registered one
		{"no key offered, trust", &mine, none, true, mine, "", false},
		{"another key", &mine, other, false, none, keys.ReasonOtherKey, false},
		{"another key, trust", &mine, other, true, none, keys.ReasonOtherKey, false},
		{"unknown", nil, mine, false, none, keys.ReasonUnknownDevice, false},
		{"unknown, trust", nil, mine, true, mine, "", true},
		{"unknown without key", nil, none, false, none, keys.ReasonNoKey, false},
		{"unknown without key, trust", nil, none, true, none, keys.ReasonNoKey, false},
		{"known, no key registered", &none, mine, false, none, keys.ReasonNoKey, false},
		{"known, no key registered, trust", &none, mine, true, mine, "", true},
		{"known, no key at all, trust", &none, none, true, none, keys.ReasonNoKey, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, w *world) {
				owner := w.user("owner")
				w.user("second")
				if _, err := w.registry.UpdateSettings(func(s *cloud.Settings) error { s.TrustFirstUse = c.trust; return nil }); err != nil {
					t.Fatal(err)
				}
				if c.registered != nil {
					_, err := w.registry.UpdateDevice(lamp, func(d *cloud.Device, _ bool) error { d.Key = *c.registered; return nil })
					if err != nil {
						t.Fatal(err)
					}
				}
				key, reason := cloud.Admit(w.registry, lamp, c.offered)
				if key.Fingerprint() != c.want.Fingerprint() || reason != c.reason {
					t.Errorf("key %v, reason %q, want %v, %q", key, reason, c.want, c.reason)
				}
				d, known := w.registry.Device(lamp)
				switch {
				case c.adopted && (!d.Key.Equal(mine) || d.Owner != owner):
					t.Errorf("adopted as %+v", d)
				case !c.adopted && known != (c.registered != nil):
					t.Errorf("known: %v", known)
				case !c.adopted && known && (d.Key.Fingerprint() != c.registered.Fingerprint() || d.Owner != ""):
					t.Errorf("changed to %+v", d)
				}
			})
		})
	}
}

// blind is a registry as it looked before the other of two connections was let in.
type blind struct{ cloud.Registry }

func (blind) Device(keys.DeviceID) (cloud.Device, bool) { return cloud.Device{}, false }

func TestFirstUseTwiceAtOnce(t *testing.T) {
	mine, other := twoKeys()
	inBubble(t, func(t *testing.T, w *world) {
		if _, err := w.registry.UpdateSettings(func(s *cloud.Settings) error { s.TrustFirstUse = true; return nil }); err != nil {
			t.Fatal(err)
		}
		for _, c := range []struct {
			offered keys.PublicKey
			reason  keys.Reason
		}{{mine, ""}, {mine, ""}, {other, keys.ReasonOtherKey}} {
			key, reason := cloud.Admit(blind{w.registry}, lamp, c.offered)
			if reason != c.reason || reason == "" && !key.Equal(c.offered) {
				t.Errorf("key %v, reason %q, want the reason %q", key, reason, c.reason)
			}
		}
		if d, _ := w.registry.Device(lamp); !d.Key.Equal(mine) {
			t.Errorf("the second connection changed the key to %v", d.Key)
		}
	})
}

func TestAdopt(t *testing.T) {
	mine, other := twoKeys()
	inBubble(t, func(t *testing.T, w *world) {
		d, err := cloud.Adopt(w.registry, lamp, mine, "den-lamp", ann)
		if err != nil || d.Name != "den-lamp" || d.Owner != ann || !d.Key.Equal(mine) {
			t.Errorf("%+v, %v", d, err)
		}
		d, err = cloud.Adopt(w.registry, lamp, mine, "", bob)
		if err != nil || d.Name != "den-lamp" || d.Owner != ann {
			t.Errorf("again: %+v, %v", d, err)
		}
		if d, err = cloud.Adopt(w.registry, lamp, other, "", bob); err != nil || !d.Key.Equal(other) || d.Owner != ann {
			t.Errorf("with another key: %+v, %v", d, err) // its keys were renewed, and the owner knows
		}
		if d, err = cloud.Adopt(w.registry, radio, mine, "", ""); err != nil || d.Owner != "" {
			t.Errorf("without owner: %+v, %v", d, err)
		}
		if d, err = cloud.Adopt(w.registry, radio, mine, "", ann); err != nil || d.Owner != ann {
			t.Errorf("and later with one: %+v, %v", d, err)
		}
	})
}

func TestOwnerIsTheOldestAdmin(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		if got := cloud.Owner(w.registry); got != "" {
			t.Errorf("an empty cloud belongs to %q", got)
		}
		first := w.user("first")
		time.Sleep(time.Second)
		second := w.user("second")
		if got := cloud.Owner(w.registry); got != first {
			t.Errorf("the cloud belongs to %q, want %q", got, first)
		}
		if _, err := w.registry.UpdateUser(second, func(u *cloud.User) error { u.Admin = true; return nil }); err != nil {
			t.Fatal(err)
		}
		if got := cloud.Owner(w.registry); got != first {
			t.Errorf("the cloud belongs to %q, want %q", got, first)
		}
	})
}

func TestKnocksOfOneDeviceAreOne(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		k := cloud.NewKnocks(10)
		first := time.Now().UTC()
		k.Record(keys.Knock{ID: lamp, Reason: keys.ReasonUnknownDevice, Address: "192.0.2.7:1"})
		time.Sleep(time.Minute)
		got := k.Record(keys.Knock{ID: lamp, Reason: keys.ReasonOtherKey, Address: "192.0.2.8:2", Count: 99})
		if got.Count != 2 || !got.First.Equal(first) || !got.Last.Equal(first.Add(time.Minute)) || got.Reason != keys.ReasonOtherKey {
			t.Errorf("%+v", got)
		}
		// Who does not say an id is told apart by the address, whatever the port.
		k.Record(keys.Knock{Address: "192.0.2.7:1"})
		k.Record(keys.Knock{Address: "192.0.2.7:2"})
		k.Record(keys.Knock{Address: "[2001:db8::1]:2"})
		k.Record(keys.Knock{Address: "odd"})
		if list := k.List(); len(list) != 4 {
			t.Errorf("%d on the list: %+v", len(list), list)
		}
		if k.Total() != 6 {
			t.Errorf("%d in all", k.Total())
		}
	})
}

func TestKnocksAreBoundedAndTheOldestGoes(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		k := cloud.NewKnocks(3)
		for n := range byte(5) {
			time.Sleep(time.Second)
			k.Record(keys.Knock{ID: keys.DeviceID{n + 1}})
			if n == 2 {
				time.Sleep(time.Second)
				k.Record(keys.Knock{ID: keys.DeviceID{1}}) // heard of again
			}
		}
		var got []string
		for _, n := range k.List() {
			got = append(got, n.ID.String()[:2])
		}
		if want := "[05 04 01]"; fmt.Sprint(got) != want {
			t.Errorf("list %v, want %s", got, want)
		}
		if n, ok := k.Take(keys.DeviceID{4}); !ok || n.ID != (keys.DeviceID{4}) {
			t.Errorf("taken %+v, %v", n, ok)
		}
		if _, ok := k.Take(keys.DeviceID{4}); ok || len(k.List()) != 2 {
			t.Error("taken twice")
		}
		if k.Total() != 6 {
			t.Errorf("%d in all", k.Total())
		}
	})
}

func TestKnocksAtOnce(t *testing.T) {
	k := cloud.NewKnocks(16)
	var all sync.WaitGroup
	for n := range 8 {
		all.Go(func() {
			for i := range 200 {
				k.Record(keys.Knock{ID: keys.DeviceID{byte(n), byte(i)}})
				k.List()
				k.Take(keys.DeviceID{byte(i), byte(n)})
			}
		})
	}
	all.Wait()
	if len(k.List()) > 16 || k.Total() != 1600 {
		t.Errorf("%d on the list, %d in all", len(k.List()), k.Total())
	}
}
