package api

import (
	"crypto/rand"

	"localcloud/cloud"
	"localcloud/keys"
)

// claimDevice makes a device the user's own. It has to be registered, and
// nobody else's. A device of one's own is claimed again without complaint.
func (s *Server) claimDevice(q *request) (any, error) {
	if !q.args.has("id") && q.args.has("product_id") {
		return s.makeDevice(q)
	}
	id, err := claimed(q)
	if err != nil {
		return nil, err
	}
	owner := q.access.User.ID
	before, _ := s.Registry.Device(id)
	nameTaken := cloud.NameTaken(s.Registry, owner, before.Name, id)
	d, err := s.Registry.UpdateDevice(id, func(d *cloud.Device, exists bool) error {
		switch {
		case !exists || !within(q.access, id):
			return noDevice(q)
		case d.Owner != "" && d.Owner != owner && q.args.flag("request_transfer", false):
			return errNoTransfer
		case d.Owner != "" && d.Owner != owner:
			return errForeign
		}
		d.Owner, d.OwnerAssumed = owner, false
		if nameTaken {
			d.Name = "" // two of one name could not be told apart
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	s.Hub.DeviceChanged(d)
	return map[string]any{
		"ok": true, "id": id.String(), "deviceID": id.String(), "user_id": owner,
		"connected": s.Hub.IsOnline(id), "claimed": true,
	}, nil
}

// makeDevice registers a new device with an id that we draw, the user's own and
// in a product if one is named. Its key is still to come.
func (s *Server) makeDevice(q *request) (any, error) {
	product, err := s.productArgument(q)
	switch {
	case err != nil:
		return nil, err
	case q.access.User.ID == "":
		return nil, errNoOwner
	case q.access.Tied():
		return nil, unauthorized("This token may not do that: it is tied to other devices")
	}
	var id keys.DeviceID
	rand.Read(id[:])
	d, err := s.Registry.UpdateDevice(id, func(d *cloud.Device, exists bool) error {
		if exists {
			return plain(409, "Try again") // 96 random bits
		}
		d.Owner, d.Product = q.access.User.ID, product
		return nil
	})
	if err != nil {
		return nil, err
	}
	return map[string]any{"ok": true, "device_id": d.ID.String(), "id": d.ID.String()}, nil
}

// claimed reads which device a request claims.
func claimed(q *request) (keys.DeviceID, error) {
	a := &q.args
	name := a.text("id")
	a.flag("request_transfer", false)
	switch id, err := keys.ParseDeviceID(name); {
	case a.err != nil:
		return id, a.err
	case q.access.User.ID == "":
		return id, errNoOwner
	case err != nil:
		return id, plain(400, "id has to be a device id of 24 hex digits")
	default:
		return id, nil
	}
}

// within reports whether a token reaches a device that may be in no product yet.
func within(a cloud.Access, id keys.DeviceID) bool { return a.Reaches(cloud.Device{ID: id}) }

// createClaim makes a claim code, which a set-up program hands to a new
// device. device_ids are the devices that the user has already, so that the
// program sees which one is new afterwards.
func (s *Server) createClaim(q *request) (any, error) {
	if q.args.err != nil {
		return nil, q.args.err
	}
	if q.access.User.ID == "" {
		return nil, errNoOwner
	}
	if q.access.Tied() {
		return nil, unauthorized("This token may not do that: it is tied to devices, and a claim code is for any")
	}
	code, err := cloud.NewClaim(s.Registry, q.access.User.ID, q.product.ID, s.Hub.Clock().Now())
	if err != nil {
		return nil, err
	}
	ids := []string{}
	for _, d := range s.visible(q.access) {
		if d.Owner == q.access.User.ID {
			ids = append(ids, d.ID.String())
		}
	}
	return map[string]any{"claim_code": string(code), "device_ids": ids}, nil
}
