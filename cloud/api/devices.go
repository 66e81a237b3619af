package api

import (
	"bytes"
	"errors"
	"slices"

	"localcloud/cloud"
)

// listDevices answers with all devices of the user, those that connected last first.
func (s *Server) listDevices(q *request) (any, error) {
	list := []deviceObject{}
	for _, d := range s.visible(q.access) {
		list = append(list, s.deviceObject(d, s.Hub.Status(d.ID)))
	}
	return list, nil
}

// visible returns the devices that exist for who asks, in the order of lists.
func (s *Server) visible(a cloud.Access) []cloud.Device {
	return s.chosen(func(d cloud.Device) bool { return a.Sees(d) })
}

// chosen returns those devices that want is true for, in the order of lists. No others are copied.
func (s *Server) chosen(want func(cloud.Device) bool) (list []cloud.Device) {
	for d := range s.Registry.AllDevices() {
		if want(*d) {
			list = append(list, d.Clone())
		}
	}
	return sortForLists(list)
}

func sortForLists(all []cloud.Device) []cloud.Device {
	slices.SortStableFunc(all, func(a, b cloud.Device) int {
		if c := b.LastHandshake.Compare(a.LastHandshake); c != 0 {
			return c
		}
		return bytes.Compare(a.ID[:], b.ID[:])
	})
	return all
}

func (s *Server) showDevice(q *request) (any, error) {
	d, err := s.device(q)
	if err != nil {
		return nil, err
	}
	return s.deviceObject(d, s.Hub.Status(d.ID)), nil
}

func (s *Server) signal(q *request, d cloud.Device) (map[string]any, error) {
	on := q.args.flag("signal", false)
	if q.args.err != nil {
		return nil, q.args.err
	}
	ctx, cancel := s.bounded(q)
	defer cancel()
	if err := s.Hub.Signal(ctx, d.ID, on); err != nil {
		return nil, err
	}
	return map[string]any{"id": d.ID.String(), "connected": true, "signaling": on}, nil
}

// pingDevice says whether the device answers. That it does not is no error.
func (s *Server) pingDevice(q *request) (any, error) {
	d, err := s.device(q)
	if err != nil {
		return nil, err
	}
	ctx, cancel := s.bounded(q)
	defer cancel()
	switch err := s.Hub.Ping(ctx, d.ID); cloud.KindOf(err) {
	case cloud.Offline, cloud.Timeout:
		return map[string]any{"online": false, "ok": true}, nil
	default:
		return map[string]any{"online": true, "ok": true}, err
	}
}

// releaseDevice makes the device nobody's. It stays registered and connected.
func (s *Server) releaseDevice(q *request) (any, error) {
	d, err := s.device(q)
	if err != nil {
		return nil, err
	}
	d, err = s.Registry.UpdateDevice(d.ID, func(d *cloud.Device, exists bool) error {
		if !exists || !q.sees(*d) {
			return noDevice(q)
		}
		d.Owner, d.OwnerAssumed = "", false
		return nil
	})
	if err != nil {
		return nil, err
	}
	s.Hub.DeviceChanged(d)
	return done, nil
}

// serverKey answers with the public key that devices need, as PEM.
func (s *Server) serverKey(q *request) (any, error) {
	udp := q.args.flag("udp", false)
	if q.args.err != nil {
		return nil, q.args.err
	}
	tcpPEM, udpPEM := s.ServerKeys()
	key := tcpPEM
	if udp {
		key = udpPEM
	}
	if len(key) == 0 {
		return nil, errors.New("no server key")
	}
	return pemText(key), nil
}
