package api

import (
	"slices"

	"localcloud/cloud"
	"localcloud/keys"
)

// unknownObject is a device that connected and was not let in.
type unknownObject struct {
	ID          string           `json:"id"` // empty if it did not get as far as telling
	Fingerprint keys.Fingerprint `json:"fingerprint"`
	Address     string           `json:"address"`
	Transport   string           `json:"transport"`
	Step        keys.Step        `json:"step"`
	Reason      keys.Reason      `json:"reason"`
	Count       int              `json:"count"`
	First       stamp            `json:"first"`
	Last        stamp            `json:"last"`
	What        string           `json:"what"` // what happened
	Next        string           `json:"next"` // what to do
	LED         string           `json:"led"`  // the light that the board shows meanwhile
}

func (s *Server) listUnknown(*request) (any, error) {
	list := []unknownObject{}
	for _, k := range s.Knocks.List() {
		list = append(list, newUnknown(k))
	}
	return list, nil
}

func newUnknown(k keys.Knock) unknownObject {
	o := unknownObject{
		Fingerprint: k.Key.Fingerprint(), Address: k.Address, Transport: k.Transport, Step: k.Step, Reason: k.Reason,
		Count: k.Count, First: stamp(k.First), Last: stamp(k.Last), LED: k.LED(),
	}
	if !k.ID.IsZero() {
		o.ID = k.ID.String()
	}
	o.What, o.Next = k.Explain()
	return o
}

// adoptDevice registers a device with the key that it offered when it
// knocked, also when another key was registered before: its next connection is
// let in. A device that has an owner keeps it unless one is named.
func (s *Server) adoptDevice(q *request) (any, error) {
	id, err := keys.ParseDeviceID(q.variable("id"))
	if err != nil {
		return nil, plain(400, "The address has to hold a device id of 24 hex digits")
	}
	name, owner, err := s.nameAndOwner(q, id)
	if err != nil {
		return nil, err
	}
	knock, err := s.knock(id)
	if err != nil {
		return nil, err
	}
	rekeyed := false
	d, err := s.Registry.UpdateDevice(id, func(d *cloud.Device, exists bool) error {
		rekeyed = exists && !d.Key.Equal(knock.Key)
		d.Key = knock.Key
		if name != "" {
			d.Name = name
		}
		if d.Owner == "" || q.args.text("owner") != "" {
			d.Owner = owner
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	s.Knocks.Take(id)
	s.Hub.DeviceChanged(d)
	if rekeyed {
		s.Hub.Disconnect(id, errRekeyed)
	}
	return s.adminDevice(d), nil
}

// knock finds the knock of a device that offered a key.
func (s *Server) knock(id keys.DeviceID) (keys.Knock, error) {
	list := s.Knocks.List()
	i := slices.IndexFunc(list, func(k keys.Knock) bool { return k.ID == id })
	if i < 0 {
		return keys.Knock{}, plain(404, "No device with that id was turned away")
	}
	if list[i].Key.IsZero() {
		what, next := list[i].Explain()
		return keys.Knock{}, &failure{status: 409, code: "No key", text: what, info: next}
	}
	return list[i], nil
}
