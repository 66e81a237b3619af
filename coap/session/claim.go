package session

import "localcloud/cloud"

// claim gives the device to the user whose claim code it shows. A device that
// has an owner, and shows a code that is not good (any more), is told to
// forget it as well: it was claimed in another way.
func (d *Device) claim(code cloud.ClaimCode) {
	id := d.link.DeviceID()
	record, err := cloud.Redeem(d.registry, code, id, d.hub.Clock().Now())
	switch cloud.KindOf(err) {
	case cloud.Other:
		if err != nil {
			d.log().Warn("claim code not looked at", "err", err)
			return
		}
		d.record = record
		d.hub.DeviceChanged(record)
		d.log().Info("device claimed by its code", "owner", string(record.Owner))
	case cloud.NotExist:
		if record, _ = d.registry.Device(id); record.Owner == "" {
			d.log().Info("the device shows a claim code that is not good", "next", "set it up again, or claim it by its id")
			return
		}
	default:
		d.log().Warn("device not claimed by its code", "err", err)
		return
	}
	d.session.Claimed()
}
