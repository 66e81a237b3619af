package cloud

import (
	"net"
	"slices"
	"sync"
	"time"

	"localcloud/keys"
)

// Admit decides whether a device that names this id and offers this key (zero:
// none) may come in. It returns the key that the device has to prove, or
// the reason why not. With trust on first use an unknown device is registered
// at once, for the oldest admin.
func Admit(registry Registry, id keys.DeviceID, offered keys.PublicKey) (keys.PublicKey, keys.Reason) {
	d, known := registry.Device(id)
	switch {
	case known && !d.Key.IsZero() && (offered.IsZero() || offered.Equal(d.Key)):
		return d.Key, ""
	case known && !d.Key.IsZero():
		return keys.PublicKey{}, keys.ReasonOtherKey
	case offered.IsZero():
		return keys.PublicKey{}, keys.ReasonNoKey
	case !registry.Settings().TrustFirstUse && known:
		return keys.PublicKey{}, keys.ReasonNoKey
	case !registry.Settings().TrustFirstUse:
		return keys.PublicKey{}, keys.ReasonUnknownDevice
	}
	switch err := trust(registry, id, offered); {
	case KindOf(err) == Exist:
		return keys.PublicKey{}, keys.ReasonOtherKey
	case err != nil:
		return keys.PublicKey{}, keys.ReasonServerFault
	}
	return offered, ""
}

// trust registers the key of a device that has none, for the owner of the cloud.
func trust(registry Registry, id keys.DeviceID, key keys.PublicKey) error {
	owner := Owner(registry)
	_, err := registry.UpdateDevice(id, func(d *Device, _ bool) error {
		if !d.Key.IsZero() && !d.Key.Equal(key) { // another connection was first
			return Errorf("trust on first use", Exist, "device %s has another key", id)
		}
		d.OwnerAssumed = d.Owner == ""
		d.take(key, "", owner)
		return nil
	})
	return err
}

// Adopt registers a device with its key, in place of one that it had, and
// gives it to a user unless it has an owner. An empty name or owner changes nothing.
func Adopt(registry Registry, id keys.DeviceID, key keys.PublicKey, name string, owner UserID) (Device, error) {
	return registry.UpdateDevice(id, func(d *Device, _ bool) error {
		d.OwnerAssumed = false
		d.take(key, name, owner)
		return nil
	})
}

func (d *Device) take(key keys.PublicKey, name string, owner UserID) {
	d.Key = key
	if name != "" {
		d.Name = name
	}
	if d.Owner == "" {
		d.Owner = owner
	}
}

// Owner returns the oldest admin, who owns the cloud, or "" when there is no user yet.
func Owner(registry Registry) UserID {
	for _, u := range registry.Users() {
		if u.Admin {
			return u.ID
		}
	}
	return ""
}

// Knocks is the list of devices that connected and were not let in. It is
// bounded: when it is full, the one that was heard of longest ago goes. It is safe for concurrent use.
type Knocks struct {
	mu    sync.Mutex
	max   int
	list  map[knocker]keys.Knock
	total uint64
}

// knocker is what makes two knocks one: the device, or its address when it did not say who it is.
type knocker struct {
	id   keys.DeviceID
	host string
}

// NewKnocks returns an empty list for at most max devices.
func NewKnocks(max int) *Knocks {
	return &Knocks{max: max, list: make(map[knocker]keys.Knock)}
}

// Record adds a knock, or counts it when the device is on the list.
func (k *Knocks) Record(n keys.Knock) keys.Knock {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.total++
	who := knocker{id: n.ID}
	if n.ID.IsZero() {
		who.host = hostOf(n.Address)
	}
	n.Last = time.Now().UTC()
	n.First, n.Count = n.Last, 1
	if old, ok := k.list[who]; ok {
		n.First, n.Count = old.First, old.Count+1
	} else if len(k.list) >= k.max {
		k.forgetOldest()
	}
	k.list[who] = n
	return n
}

func (k *Knocks) forgetOldest() {
	var oldest knocker
	var at time.Time
	for who, n := range k.list {
		if at.IsZero() || n.Last.Before(at) {
			oldest, at = who, n.Last
		}
	}
	delete(k.list, oldest)
}

// List returns the knocks, the latest first.
func (k *Knocks) List() []keys.Knock {
	k.mu.Lock()
	defer k.mu.Unlock()
	out := make([]keys.Knock, 0, len(k.list))
	for _, n := range k.list {
		out = append(out, n)
	}
	slices.SortFunc(out, func(a, b keys.Knock) int { return b.Last.Compare(a.Last) })
	return out
}

// Take removes the knock of a device and returns it.
func (k *Knocks) Take(id keys.DeviceID) (keys.Knock, bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	n, ok := k.list[knocker{id: id}]
	delete(k.list, knocker{id: id})
	return n, ok
}

// Total returns how many knocks there were.
func (k *Knocks) Total() uint64 {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.total
}

// hostOf cuts the port off an address.
func hostOf(address string) string {
	if host, _, err := net.SplitHostPort(address); err == nil {
		return host
	}
	return address
}
