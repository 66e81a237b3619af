package api

import (
	"bytes"
	"cmp"
	"slices"
	"strings"
	"sync"

	"localcloud/cloud"
	"localcloud/keys"
)

const (
	maxImport = 10000 // devices in one request
	importing = 32    // of which so many are stored at once, so that they share commits
)

// listProductDevices answers with one page of a product's devices. Unlike the list of a user it is an object.
func (s *Server) listProductDevices(q *request) (any, error) {
	a := &q.args
	p := pageArgument(a)
	want := deviceFilter(a)
	if a.err != nil {
		return nil, a.err
	}
	all := slices.DeleteFunc(s.productDevices(q), func(d cloud.Device) bool { return !want(d) })
	s.sortDevices(all, a.text("sortAttr"), a.text("sortDir"))
	some, meta := pageOf(p, all)
	list := []deviceObject{}
	for _, d := range some {
		list = append(list, s.deviceObject(d, s.Hub.Status(d.ID)))
	}
	return map[string]any{"devices": list, "customers": s.ownersOf(list), "meta": meta}, nil
}

// deviceFilter reads which devices of a product are wanted.
func deviceFilter(a *args) func(cloud.Device) bool {
	id, name, serial := strings.ToLower(a.text("deviceId")), strings.ToLower(a.text("deviceName")), a.text("serialNumber")
	groups, quarantined := a.list("groups"), a.flag("quarantined", false)
	return func(d cloud.Device) bool {
		inGroup := len(groups) == 0
		for _, g := range groups {
			inGroup = inGroup || slices.Contains(d.Groups, g)
		}
		return inGroup && !quarantined && strings.Contains(d.ID.String(), id) &&
			strings.Contains(strings.ToLower(d.Name), name) && strings.Contains(d.SerialNumber, serial)
	}
}

func (s *Server) sortDevices(list []cloud.Device, by, direction string) {
	order := map[string]func(a, b cloud.Device) int{
		"deviceId":        func(a, b cloud.Device) int { return bytes.Compare(a.ID[:], b.ID[:]) },
		"deviceName":      func(a, b cloud.Device) int { return strings.Compare(a.Name, b.Name) },
		"firmwareVersion": func(a, b cloud.Device) int { return cmp.Compare(a.ProductVersion, b.ProductVersion) },
		"lastConnection":  func(a, b cloud.Device) int { return a.LastHandshake.Compare(b.LastHandshake) },
	}[by]
	if order == nil {
		return // those that connected last come first
	}
	slices.SortStableFunc(list, order)
	if strings.EqualFold(direction, "desc") {
		slices.Reverse(list)
	}
}

// ownersOf returns who owns the devices of a page.
func (s *Server) ownersOf(list []deviceObject) []map[string]string {
	owners := []map[string]string{}
	for _, d := range list {
		if d.Owner == nil || slices.ContainsFunc(owners, func(o map[string]string) bool { return o["username"] == *d.Owner }) {
			continue
		}
		u, _ := s.Registry.UserByName(*d.Owner)
		owners = append(owners, map[string]string{"id": string(u.ID), "username": u.Name})
	}
	return owners
}

// imported is what became of devices that were to get into a product.
type imported struct {
	Updated    int      `json:"updated"`
	UpdatedIDs []string `json:"updatedDeviceIds"`
	Nonmember  []string `json:"nonmemberDeviceIds"` // of somebody else, or in another product
	Invalid    []string `json:"invalidDeviceIds"`   // no ids, or not registered here
}

// addProductDevices puts devices into a product: one by id, or those of a file with one id in each line.
func (s *Server) addProductDevices(q *request) (any, error) {
	lines, err := deviceLines(&q.args)
	if err != nil {
		return nil, err
	}
	verdicts := make([]error, len(lines))
	places := make(chan struct{}, importing)
	var all sync.WaitGroup
	for i, line := range lines {
		places <- struct{}{}
		all.Go(func() {
			verdicts[i] = s.importDevice(q, line)
			<-places
		})
	}
	all.Wait()
	out := imported{UpdatedIDs: []string{}, Nonmember: []string{}, Invalid: []string{}}
	for i, line := range lines {
		switch err := verdicts[i]; cloud.KindOf(err) {
		case cloud.Exist:
			out.Nonmember = append(out.Nonmember, line.id)
		case cloud.Invalid, cloud.NotExist:
			out.Invalid = append(out.Invalid, line.id)
		default:
			if err != nil {
				return nil, err
			}
			out.UpdatedIDs = append(out.UpdatedIDs, strings.ToLower(line.id))
		}
	}
	out.Updated = len(out.UpdatedIDs)
	return out, nil
}

// deviceLine is one line of a file of devices: an id, and behind a comma its serial number, if there is one.
type deviceLine struct{ id, serial string }

func deviceLines(a *args) ([]deviceLine, error) {
	text := strings.Join(append(a.list("ids"), a.text("id")), "\n")
	if a.files > 0 {
		if a.upload == nil {
			return nil, errTooLarge
		}
		text = string(a.upload)
	}
	if a.err != nil {
		return nil, a.err
	}
	var lines []deviceLine
	seen := map[string]bool{}
	for line := range strings.FieldsFuncSeq(strings.TrimPrefix(text, "\ufeff"), func(r rune) bool { return r == '\n' || r == '\r' }) {
		id, rest, _ := strings.Cut(line, ",")
		serial, _, _ := strings.Cut(rest, ",")
		id, serial = strings.Trim(id, ` "'`), strings.Trim(serial, ` "'`)
		isHeader := len(lines) == 0 && (strings.EqualFold(id, "id") || strings.EqualFold(id, "device id") || strings.EqualFold(id, "deviceid"))
		if id == "" || isHeader || seen[strings.ToLower(id)] {
			continue
		}
		seen[strings.ToLower(id)] = true
		lines = append(lines, deviceLine{bound(id), serial})
	}
	switch {
	case len(lines) == 0:
		return nil, plain(400, "No device: send its id as id, or a file with one id in each line")
	case len(lines) > maxImport:
		return nil, plain(413, "That are too many devices for one request: send at most 10000")
	}
	return lines, nil
}

// importDevice puts one device into the product. It has to be registered, unless
// an admin asks, who may name those that are to come; and it must be nobody
// else's, or its new product could do with it what it likes.
func (s *Server) importDevice(q *request, line deviceLine) error {
	id, err := keys.ParseDeviceID(line.id)
	if err != nil || len(line.serial) > maxSerial {
		return cloud.E("import", cloud.Invalid, err)
	}
	d, err := s.Registry.UpdateDevice(id, func(d *cloud.Device, exists bool) error {
		mine := d.Owner == "" || d.Owner == q.access.User.ID || q.access.User.Admin
		switch {
		case !within(q.access, id), !exists && !q.access.User.Admin:
			return cloud.E("import", cloud.NotExist, nil)
		case d.Product == q.product.ID: // it is in
		case !mine, d.Product != 0:
			return cloud.E("import", cloud.Exist, nil)
		}
		d.Join(q.product.ID)
		if line.serial != "" {
			d.SerialNumber = line.serial
		}
		return nil
	})
	if err == nil {
		s.Hub.DeviceChanged(d)
	}
	return err
}

// removeProductDevice takes a device out of a product. Its owner keeps it.
func (s *Server) removeProductDevice(q *request) (any, error) {
	return s.changeMember(q, (*cloud.Device).Leave)
}

// releaseProductDevice makes a product's device nobody's. It stays in the product.
func (s *Server) releaseProductDevice(q *request) (any, error) {
	return s.changeMember(q, func(d *cloud.Device) { d.Owner, d.OwnerAssumed = "", false })
}

func (s *Server) changeMember(q *request, change func(*cloud.Device)) (any, error) {
	d, err := s.device(q)
	if err != nil {
		return nil, err
	}
	d, err = s.Registry.UpdateDevice(d.ID, func(d *cloud.Device, exists bool) error {
		if !exists || !q.sees(*d) {
			return noDevice(q)
		}
		change(d)
		return nil
	})
	if err != nil {
		return nil, err
	}
	s.Hub.DeviceChanged(d)
	return done, nil
}

// lookUpSerial finds the device with a serial number among those of the user.
func (s *Server) lookUpSerial(q *request) (any, error) {
	serial := q.variable("serial")
	for d := range s.Registry.AllDevices() {
		if d.SerialNumber == serial && serial != "" && q.sees(*d) {
			return map[string]any{"ok": true, "deviceID": d.ID.String(), "device_id": d.ID.String(), "iccid": d.ICCID, "platform_id": d.PlatformID}, nil
		}
	}
	return nil, plain(404, "No device of yours has that serial number")
}
