package api

import (
	"errors"

	"localcloud/cloud"
	"localcloud/keys"
)

// Why we close the connection of a device.
var (
	errRekeyed   = errors.New("the device was given another key")
	errForgotten = errors.New("the device was removed from this cloud")
)

// provisionDevice registers the public key of a device, as "particle keys
// send". It does not claim the device, which clients do by themselves, unless
// there is a claim code; a device of somebody else does not exist.
func (s *Server) provisionDevice(q *request) (any, error) {
	id, key, err := provision(q)
	if err != nil {
		return nil, err
	}
	product, err := s.productArgument(q)
	if err != nil {
		return nil, err
	}
	rekeyed := false
	_, err = s.Registry.UpdateDevice(id, func(d *cloud.Device, exists bool) error {
		if !within(q.access, id) || (exists && d.Owner != "" && !q.access.Sees(*d)) {
			return noDevice(q)
		}
		rekeyed = exists && !d.Key.Equal(key)
		d.Key = key
		if product != 0 {
			d.Join(product)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	if rekeyed {
		s.Hub.Disconnect(id, errRekeyed)
	}
	s.Knocks.Take(id) // it will be let in now
	answer := map[string]any{"id": id.String(), "ok": true}
	if code := q.args.text("claim_code"); code != "" {
		if err := s.redeem(cloud.ClaimCode(code), id); err != nil {
			return nil, err
		}
		answer["claimed"] = true
	}
	return answer, nil
}

// productArgument reads product_id: a product of who asks, or the number of a
// platform, as particle-cli sends it, which means no product: 0.
func (s *Server) productArgument(q *request) (int, error) {
	id := int(q.args.number("product_id", 0))
	if q.args.err != nil {
		return 0, q.args.err
	}
	switch p, ok := s.Registry.Product(id); {
	case ok && mayManage(q.access, p):
		return id, nil
	case !ok && cloud.PlatformName(id) != "":
		return 0, nil
	}
	return 0, errNoProduct
}

// redeem gives a device to the user whose claim code it is.
func (s *Server) redeem(code cloud.ClaimCode, id keys.DeviceID) error {
	d, err := cloud.Redeem(s.Registry, code, id, s.Hub.Clock().Now())
	switch cloud.KindOf(err) {
	case cloud.NotExist:
		return plain(400, "claim_code is not good, or not any more; the key is registered")
	case cloud.Exist:
		return errForeign
	}
	if err == nil {
		s.Hub.DeviceChanged(d)
	}
	return err
}

// provision reads the request: the id in the path, and what the body says of the key.
func provision(q *request) (id keys.DeviceID, key keys.PublicKey, err error) {
	a := &q.args
	again, text, algorithm := a.text("deviceID"), a.text("publicKey"), a.text("algorithm")
	a.text("claim_code")
	if a.err != nil {
		return id, key, a.err
	}
	if id, err = keys.ParseDeviceID(q.variable("id")); err != nil {
		return id, key, plain(400, "The address has to end with a device id of 24 hex digits")
	}
	if other, err := keys.ParseDeviceID(again); again != "" && (err != nil || other != id) {
		return id, key, plain(400, "deviceID is not the device of the address")
	}
	if key, err = keys.ParsePublicKey([]byte(text)); err != nil {
		return id, key, plain(400, "publicKey: "+err.Error())
	}
	if algorithm != "" && keys.Algorithm(algorithm) != key.Algorithm() {
		return id, key, plain(400, "algorithm is "+bound(algorithm)+", but the key is of kind "+string(key.Algorithm()))
	}
	return id, key, nil
}
