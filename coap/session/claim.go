package session

import (
	"log/slog"

	"localcloud/cloud"
	"localcloud/keys"
)

// claim gives the device to the user whose claim code it shows.
func (d *Device) claim(code cloud.ClaimCode) {
	if _, told := redeem(d.home.hub, d.home.registry, d.log(), code, d.link.DeviceID()); told {
		d.session.Claimed()
	}
}

// redeem gives a device to the user whose claim code it shows, and says whether it is to forget the code: a device that
// has an owner, and shows a code that is not good (any more), is told so as well, since it was claimed in another way.
// record is the device's new one, nil when it did not change.
func redeem(
	hub *cloud.Hub, registry cloud.Registry, logger *slog.Logger, code cloud.ClaimCode, id keys.DeviceID,
) (record *cloud.Device, told bool) {
	r, err := cloud.Redeem(registry, code, id, hub.Clock().Now())
	switch cloud.KindOf(err) {
	case cloud.Other:
		if err != nil {
			logger.Warn("claim code not looked at", "err", err)
			return nil, false
		}
		hub.DeviceChanged(r)
		logger.Info("device claimed by its code", "owner", string(r.Owner))
		return &r, true
	case cloud.NotExist:
		if r, _ = registry.Device(id); r.Owner == "" {
			logger.Info("the device shows a claim code that is not good", "next", "set it up again, or claim it by its id")
			return nil, false
		}
		return nil, true
	}
	logger.Warn("device not claimed by its code", "err", err)
	return nil, false
}
