package store

import (
	"iter"
	"maps"
	"slices"
	"strings"
	"unicode"

	"localcloud/cloud"
	"localcloud/keys"
)

// names finds devices by their names, ignoring case. It follows the committed rows of the
// table of devices and is guarded as they are.
type names map[string][]keys.DeviceID

// folded returns one text for all that strings.EqualFold takes for the same.
func folded(name string) string {
	return strings.Map(func(r rune) rune {
		least := r
		for f := unicode.SimpleFold(r); f != r; f = unicode.SimpleFold(f) {
			least = min(least, f)
		}
		return least
	}, name)
}

// replace notes that a device's row became another one; nil: there was none, or there is none any more.
func (n names) replace(before, after *cloud.Device) {
	if before != nil && after != nil && before.Name == after.Name {
		return
	}
	if before != nil && before.Name != "" {
		name := folded(before.Name)
		if rest := slices.DeleteFunc(n[name], func(id keys.DeviceID) bool { return id == before.ID }); len(rest) > 0 {
			n[name] = rest
		} else {
			delete(n, name)
		}
	}
	if after != nil && after.Name != "" {
		name := folded(after.Name)
		n[name] = append(n[name], after.ID)
	}
}

// DevicesNamed implements cloud.Registry.
func (r *Registry) DevicesNamed(name string) []cloud.Device {
	r.mu.RLock()
	var found []cloud.Device
	for _, id := range r.names[folded(name)] {
		found = append(found, *r.devices.rows[id])
	}
	r.mu.RUnlock()
	for i, d := range found {
		found[i] = d.Clone()
	}
	slices.SortFunc(found, func(a, b cloud.Device) int { return slices.Compare(a.ID[:], b.ID[:]) })
	return found
}

// AllDevices implements cloud.Registry. A row that is in place is never written to: a change puts another one there.
func (r *Registry) AllDevices() iter.Seq[*cloud.Device] {
	return func(yield func(*cloud.Device) bool) {
		r.mu.RLock()
		rows := slices.AppendSeq(make([]*cloud.Device, 0, len(r.devices.rows)), maps.Values(r.devices.rows))
		r.mu.RUnlock()
		for _, d := range rows {
			if !yield(d) {
				return
			}
		}
	}
}

// CountDevices implements cloud.Registry.
func (r *Registry) CountDevices() int {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return len(r.devices.rows)
}
