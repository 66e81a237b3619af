package cloud_test

import (
	"testing"
	"time"

	"localcloud/cloud"
	"localcloud/keys"
)

func TestClaimCodeFitsWhereDevicesKeepIt(t *testing.T) {
	a, b := cloud.NewClaimCode(), cloud.NewClaimCode()
	if len(a) != 63 || a == b || len(a.ID()) != 40 || a.String() == string(a) {
		t.Errorf("codes are %q and %q", string(a), string(b))
	}
}

func TestRedeem(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		now := time.Now()
		ada, ben := w.user("ada"), w.user("ben")
		device := func(n byte, name string, owner cloud.UserID, assumed bool) keys.DeviceID {
			id := keys.DeviceID{n}
			_, err := w.registry.UpdateDevice(id, func(d *cloud.Device, _ bool) error {
				d.Name, d.Owner, d.OwnerAssumed = name, owner, assumed
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
			return id
		}
		redeem := func(id keys.DeviceID, at time.Time) (cloud.ClaimCode, cloud.Device, error) {
			code, err := cloud.NewClaim(w.registry, ada, 0, now)
			if err != nil {
				t.Fatal(err)
			}
			d, err := cloud.Redeem(w.registry, code, id, at)
			return code, d, err
		}
		device(9, "lamp", ada, false)

		code, d, err := redeem(device(1, "fan", "", false), now)
		if err != nil || d.Owner != ada || d.Name != "fan" {
			t.Errorf("a device of nobody: %+v, %v", d, err)
		}
		if _, err := cloud.Redeem(w.registry, code, device(2, "", "", false), now); cloud.KindOf(err) != cloud.NotExist {
			t.Errorf("the same code again: %v", err)
		}
		if _, d, err := redeem(device(3, "Lamp", "", false), now); err != nil || d.Name != "" {
			t.Errorf("a name that the user has already: %q, %v", d.Name, err)
		}
		if _, d, err := redeem(device(4, "", ben, true), now); err != nil || d.Owner != ada || d.OwnerAssumed {
			t.Errorf("a device that was taken on trust: %+v, %v", d, err)
		}
		if _, _, err := redeem(device(5, "", ada, false), now); err != nil {
			t.Errorf("one's own device: %v", err)
		}

		settings := func(s *cloud.Settings) error { s.TrustFirstUse = true; return nil }
		if _, err := w.registry.UpdateSettings(settings); err != nil {
			t.Fatal(err)
		}
		key, _ := twoKeys()
		trusted := keys.DeviceID{10}
		cloud.Admit(w.registry, trusted, key)
		if d, _ := w.registry.Device(trusted); !d.OwnerAssumed {
			t.Errorf("the owner of a trusted device was chosen by somebody: %+v", d)
		}
		if _, err := cloud.Adopt(w.registry, trusted, key, "", ""); err != nil {
			t.Fatal(err)
		}
		if d, _ := w.registry.Device(trusted); d.OwnerAssumed {
			t.Errorf("the owner of an adopted device was chosen by nobody: %+v", d)
		}

		foreign := device(6, "", ben, false)
		code, _, err = redeem(foreign, now)
		if d, _ := w.registry.Device(foreign); cloud.KindOf(err) != cloud.Exist || d.Owner != ben {
			t.Errorf("a device of somebody else: %+v, %v", d, err)
		}
		device(6, "", "", false)
		if _, err := cloud.Redeem(w.registry, code, foreign, now); err != nil {
			t.Errorf("the code after its owner released it: %v", err)
		}
		if _, _, err := redeem(device(7, "", "", false), now.Add(cloud.ClaimLife)); cloud.KindOf(err) != cloud.NotExist {
			t.Errorf("a code that is too old: %v", err)
		}
		if _, _, err := redeem(keys.DeviceID{8}, now); cloud.KindOf(err) != cloud.NotExist {
			t.Errorf("a device that is not registered: %v", err)
		}
	})
}
