package api

import (
	"maps"
	"strings"

	"localcloud/cloud"
)

// updateDevice changes what people say of a device, makes it shout rainbows,
// or flashes it. Several attributes can come together.
func (s *Server) updateDevice(q *request) (any, error) {
	d, err := s.device(q)
	if err != nil {
		return nil, err
	}
	switch a := &q.args; {
	case isSource(a.uploadName):
		return nil, errNoBuild
	case a.files > 0 || a.has("app") || a.has("app_id") || a.flag("flash", false):
		return nil, errNoFlash
	}
	list, err := s.attributes(q, d)
	switch a := &q.args; {
	case err != nil:
		return nil, err
	case !a.has("signal"):
		return s.describe(q, d, list)
	case len(list) == 0:
		return s.signal(q, d)
	}
	return s.describeAndSignal(q, d, list)
}

// describeAndSignal does both. particle-api-js 7 asks a device to stop signaling with each
// change of its name or notes, whether it is online or not: what is out of reach has stopped.
func (s *Server) describeAndSignal(q *request, d cloud.Device, list []attribute) (any, error) {
	on := q.args.flag("signal", false)
	answer, err := s.describe(q, d, list)
	if err != nil {
		return nil, err
	}
	signaled, err := s.signal(q, d)
	if kind := cloud.KindOf(err); !on && (kind == cloud.Offline || kind == cloud.Timeout) {
		return answer, nil
	}
	maps.Copy(answer, signaled)
	return answer, err
}

// attribute is one thing that people say of a device.
type attribute struct {
	name  string
	apply func(*cloud.Device)
	value any // as the answer has it
}

// describe changes attributes of a device: all that are in the request, or none.
func (s *Server) describe(q *request, d cloud.Device, list []attribute) (map[string]any, error) {
	switch {
	case q.args.err != nil:
		return nil, q.args.err
	case len(list) == 0:
		return nil, plain(400, "Nothing to change: send name, notes, signal or another attribute of a device")
	}
	d, err := s.Registry.UpdateDevice(d.ID, func(d *cloud.Device, exists bool) error {
		if !exists || !q.sees(*d) {
			return noDevice(q)
		}
		for _, a := range list {
			a.apply(d)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	s.Hub.DeviceChanged(d)
	answer := map[string]any{"id": d.ID.String(), "updated_at": stamp(s.Hub.Clock().Now())}
	for _, a := range list {
		answer[a.name] = a.value
	}
	return answer, nil
}

// attributes reads those that are in the request. They are in the order in which they are applied.
func (s *Server) attributes(q *request, d cloud.Device) (list []attribute, err error) {
	a := &q.args
	add := func(name string, value any, apply func(*cloud.Device)) {
		if a.has(name) {
			list = append(list, attribute{name, apply, value})
		}
	}
	name, notes, serial := a.text("name"), a.text("notes"), a.text("serial_number")
	forced, development := a.flag("firmware_updates_forced", false), a.flag("development", false)
	if a.has("product_id") {
		move, err := s.moveTo(q, d)
		if err != nil {
			return nil, err
		}
		list = append(list, move)
	}
	if a.has("name") {
		if err := s.checkName(name, d.Owner, d.ID); err != nil {
			return nil, err
		}
	}
	if len(notes) > maxNotes || len(serial) > maxSerial {
		return nil, plain(400, "notes have at most 5000 bytes, a serial number has 64")
	}
	add("name", name, func(d *cloud.Device) { d.Name = name })
	add("notes", notes, func(d *cloud.Device) { d.Notes = notes })
	add("serial_number", serial, func(d *cloud.Device) { d.SerialNumber = serial })
	add("firmware_updates_forced", forced, func(d *cloud.Device) { d.FirmwareUpdateForced = forced })
	if !a.has("development") && !a.has("groups") && !a.has("desired_firmware_version") {
		return list, nil
	}
	if q.product.ID == 0 && d.Product == 0 && !a.has("product_id") {
		return nil, plain(400, "development, groups and desired_firmware_version are for devices of a product; add it to one first")
	}
	groups := a.list("groups")
	if err := cloud.CheckGroups(groups); err != nil {
		return nil, err
	}
	desired := desiredFirmware(a)
	add("development", development, func(d *cloud.Device) { d.Development = development })
	add("groups", append([]string{}, groups...), func(d *cloud.Device) { d.Groups = groups })
	add("desired_firmware_version", desired, func(d *cloud.Device) { d.DesiredFirmware = desired })
	return list, nil
}

// Bounds of attributes, in bytes.
const (
	maxNotes  = 5000
	maxSerial = 64
)

// desiredFirmware reads the version that a device is locked to; nil unlocks it.
func desiredFirmware(a *args) *int {
	text := a.text("desired_firmware_version")
	if text == "" || strings.EqualFold(text, "null") {
		return nil
	}
	version := int(a.number("desired_firmware_version", 0))
	if version > 0xffff {
		a.refuse("desired_firmware_version", "a version up to 65535, or null")
	}
	return &version
}

// moveTo puts a device into another product of who asks, or with the number of its platform into none.
func (s *Server) moveTo(q *request, d cloud.Device) (attribute, error) {
	id := int(q.args.number("product_id", 0))
	if id == 0 || id == d.PlatformID {
		return attribute{"product_id", (*cloud.Device).Leave, d.PlatformID}, nil
	}
	p, ok := s.Registry.Product(id)
	if !ok || !mayManage(q.access, p) {
		return attribute{}, errNoProduct
	}
	return attribute{"product_id", func(d *cloud.Device) { d.Join(id) }, id}, nil
}
