package api

import (
	"cmp"

	"localcloud/cloud"
	"localcloud/keys"
)

// adminDevice is a device as admins see it.
type adminDevice struct {
	deviceObject
	KeyFingerprint keys.Fingerprint `json:"key_fingerprint"` // empty: no key is registered
	ServerKey      string           `json:"server_key"`      // which key of this cloud it holds: present, old, former, or empty: not known
	Policy         *cloud.Policy    `json:"policy"`          // null: the server's
	Limits         deviceLimits     `json:"limits"`
	Address        string           `json:"address"`
	Since          stamp            `json:"since"`
}

// deviceLimits are a device's numbers since the cloud started.
type deviceLimits struct {
	Events    uint64 `json:"events"`
	Throttled uint64 `json:"throttled"` // refused by the board itself, as its vitals say
	Limited   uint64 `json:"limited"`   // beyond our rate limit
	Lost      uint64 `json:"lost"`      // copies that slow viewers did not take
	Missed    uint64 `json:"missed"`    // events for the device that it did not take in time
}

func limitsOf(now cloud.Status) deviceLimits {
	return deviceLimits{now.Events, now.Throttled, now.Limited, now.Lost, now.Missed}
}

func (s *Server) adminDevice(d cloud.Device) adminDevice {
	return s.adminDeviceAmong(d, s.serverKeysNow())
}

func (s *Server) adminDeviceAmong(d cloud.Device, serverKeys serverKeysNow) adminDevice {
	now := s.Hub.Status(d.ID)
	return adminDevice{
		deviceObject:   s.deviceObject(d, now),
		KeyFingerprint: d.Key.Fingerprint(), ServerKey: serverKeys.heldBy(d), Policy: d.Policy,
		Limits:  limitsOf(now),
		Address: now.Address, Since: stamp(now.Since),
	}
}

// listAllDevices answers with all devices; with page or per_page, as one page of them.
func (s *Server) listAllDevices(q *request) (any, error) {
	if q.args.has("page") || q.args.has("per_page") {
		return s.listDevicePage(q)
	}
	list, serverKeys := []adminDevice{}, s.serverKeysNow()
	for _, d := range s.visible(q.access) {
		list = append(list, s.adminDeviceAmong(d, serverKeys))
	}
	return list, nil
}

func (s *Server) showAnyDevice(q *request) (any, error) {
	d, err := s.device(q)
	if err != nil {
		return nil, err
	}
	return s.adminDevice(d), nil
}

// registerDevice takes a device in before it has connected for the first time.
func (s *Server) registerDevice(q *request) (any, error) {
	pem := q.args.text("key")
	id, err := keys.ParseDeviceID(q.args.text("id"))
	if err != nil {
		return nil, plain(400, "id has to be a device id of 24 hex digits")
	}
	name, owner, err := s.nameAndOwner(q, id)
	if err != nil {
		return nil, err
	}
	var key keys.PublicKey
	if pem != "" {
		if key, err = keys.ParsePublicKey([]byte(pem)); err != nil {
			return nil, plain(400, "key: "+err.Error())
		}
	}
	d, err := s.Registry.UpdateDevice(id, func(d *cloud.Device, exists bool) error {
		if exists {
			return plain(409, "This device is registered already")
		}
		d.Key, d.Name, d.Owner = key, name, owner
		return nil
	})
	if err != nil {
		return nil, err
	}
	s.Hub.DeviceChanged(d)
	return created{s.adminDevice(d)}, nil
}

// nameAndOwner reads what a device shall be called and whose it shall be: when
// nobody is named, whose it is, or else that of who asks.
func (s *Server) nameAndOwner(q *request, id keys.DeviceID) (name string, owner cloud.UserID, err error) {
	name, userName := q.args.text("name"), q.args.text("owner")
	if q.args.err != nil {
		return "", "", q.args.err
	}
	d, _ := s.Registry.Device(id)
	owner = cmp.Or(d.Owner, q.access.User.ID)
	if userName != "" {
		u, err := s.user(userName)
		if err != nil {
			return "", "", err
		}
		owner = u.ID
	}
	if name != "" {
		err = s.checkName(name, owner, id)
	}
	return name, owner, err
}

// forgetDevice removes all that is known of a device, its key included.
func (s *Server) forgetDevice(q *request) (any, error) {
	d, err := s.device(q)
	if err != nil {
		return nil, err
	}
	if err := s.Registry.RemoveDevice(d.ID); err != nil {
		return nil, err
	}
	s.Hub.Disconnect(d.ID, errForgotten)
	return done, nil
}

// setDevicePolicy gives a device a rate limit of its own, or with null the server's.
func (s *Server) setDevicePolicy(q *request) (any, error) {
	d, err := s.device(q)
	if err != nil {
		return nil, err
	}
	if !q.args.has("policy") {
		return nil, plain(400, "policy is missing")
	}
	own, err := policyArgument(&q.args, "policy")
	if err != nil {
		return nil, err
	}
	d, err = s.Registry.UpdateDevice(d.ID, func(d *cloud.Device, exists bool) error {
		if !exists {
			return noDevice(q)
		}
		d.Policy = own
		return nil
	})
	if err != nil {
		return nil, err
	}
	s.Hub.DeviceChanged(d)
	return s.adminDevice(d), nil
}

// followRecord makes a live device follow its record.
func (s *Server) followRecord(id keys.DeviceID) {
	if d, ok := s.Registry.Device(id); ok {
		s.Hub.DeviceChanged(d)
	}
}
