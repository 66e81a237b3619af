package store

import (
	"slices"

	"localcloud/cloud"
	"localcloud/keys"
)

// AddClaim implements cloud.Registry.
func (r *Registry) AddClaim(claim cloud.Claim) error {
	return r.apply("claim code", func(c *change) error {
		if claim.ID == "" {
			return cloud.Errorf("claim code", cloud.Invalid, "a claim code needs an id")
		}
		var own []*cloud.Claim
		for k := range r.claims.all() {
			switch {
			case !claim.Created.Before(k.Expires):
				c.add(r.claims.remove(k.ID))
			case k.User == claim.User:
				own = append(own, k)
			}
		}
		slices.SortFunc(own, func(a, b *cloud.Claim) int { return a.Created.Compare(b.Created) })
		for _, k := range own[:max(0, len(own)+1-cloud.MaxClaims)] {
			c.add(r.claims.remove(k.ID))
		}
		return c.put(r.claims.put(claim))
	})
}

// RedeemClaim implements cloud.Registry.
func (r *Registry) RedeemClaim(
	id cloud.ClaimID, device keys.DeviceID, update func(d *cloud.Device, c cloud.Claim) error,
) (cloud.Device, error) {
	var after *cloud.Device
	err := r.apply("claim code", func(c *change) error {
		claim, ok := r.claims.latest(id)
		if !ok {
			return cloud.Errorf("claim code", cloud.NotExist, "there is no such claim code")
		}
		before, ok := r.devices.latest(device)
		if !ok {
			return cloud.Errorf("claim code", cloud.NotExist, "device %s is not registered", device)
		}
		d := before.Clone()
		if err := update(&d, *claim); err != nil {
			return err
		}
		d.ID = device
		e, err := r.devices.put(d)
		if err := c.put(e, err); err != nil {
			return err
		}
		c.add(r.claims.remove(id))
		after = e.row
		return nil
	})
	if err != nil {
		return cloud.Device{}, err
	}
	return after.Clone(), nil
}
