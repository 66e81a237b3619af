package store

import (
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"localcloud/cloud"
	"localcloud/keys"
)

// Registry implements cloud.Registry. The functions that are given to its Update methods run one at a
// time: they should be quick, may read the registry (and see what is
// committed), and must not change it, which would wait for itself.
type Registry struct {
	// Fixed at creation.
	db     kv
	commit func([]op) error
	logger *slog.Logger
	turn   chan struct{} // held by whoever prepares or publishes a change; see change.go
	wake   chan struct{} // to the committing goroutine: there is a change, or the end
	ended  chan struct{} // closed by the committing goroutine
	space  *reserve      // nil: nothing is measured

	changed chan struct{} // to the goroutine that takes snapshots: there is something new

	// Owned by the committing goroutine.
	number uint64 // of commits so far

	// The rows inside are guarded by mu, and by the turn as well.
	mu sync.RWMutex
	rows
	broken error // why the registry is read-only, for good; only the committing goroutine writes

	// Guarded by turn.
	queue   []*change // one for each caller that waits and for each device that is noted, so their number bounds it
	changes uint64
	closed  bool
	notes   notes
}

func newRegistry(db kv, commit func([]op) error, logger *slog.Logger) (*Registry, error) {
	rows, err := loadRows(db)
	if err != nil {
		return nil, err
	}
	return newRegistryAt(nil, db, rows, commit, logger)
}

// rows are all tables of a registry.
type rows struct {
	devices  *table[keys.DeviceID, cloud.Device]
	names    names // of devices
	users    *table[cloud.UserID, cloud.User]
	tokens   *table[cloud.TokenID, cloud.Token]
	products *table[int, cloud.Product]
	claims   *table[cloud.ClaimID, cloud.Claim]
	settings *table[onlySettings, cloud.Settings]
	hooks    *table[cloud.HookID, cloud.Hook]
	last     numbered // the last commit
	digest   *digest  // nil: to be read from the database; owned by the committing goroutine
}

// loadRows reads all that a registry's database holds.
func loadRows(db kv) (*rows, error) {
	r := &rows{
		devices: newDevices(), users: newUsers(), tokens: newTokens(), claims: newClaims(), settings: newSettings(),
		hooks: newHooks(), products: newProducts(), names: make(names),
	}
	r.devices.follow = r.names.replace
	var err error
	if r.last, err = loadNumbered(db); err != nil {
		return nil, err
	}
	for _, t := range []interface{ load(kv) error }{r.devices, r.users, r.tokens, r.claims, r.settings, r.hooks, r.products} {
		if err := t.load(db); err != nil {
			return nil, err
		}
	}
	return r, nil
}

func newRegistryAt(space *reserve, db kv, rows *rows, commit func([]op) error, logger *slog.Logger) (*Registry, error) {
	r := &Registry{
		db: db, logger: logger, space: space, number: rows.last.number, changed: make(chan struct{}, 1),
		turn: make(chan struct{}, 1), wake: make(chan struct{}, 1), ended: make(chan struct{}),
		rows: *rows,
	}
	r.commit = r.counted(commit)
	if err := r.finishRemovals(); err != nil {
		return nil, err
	}
	go r.run()
	return r, nil
}

// counted numbers commits, see snapshot.go. A number whose commit failed is not used again. After an
// error of the disk it commits nothing any more.
func (r *Registry) counted(commit func([]op) error) func([]op) error {
	return func(ops []op) error {
		if r.broken != nil {
			return r.broken
		}
		if r.digest == nil {
			var err error
			if r.digest, err = loadDigest(r.db); err != nil {
				return err
			}
		}
		r.number++
		r.digest.apply(ops)
		last := numbered{number: r.number, sum: r.digest.sum}
		if err := commit(append(ops[:len(ops):len(ops)], last.op())); err != nil {
			r.digest = nil // nobody knows what the database took
			return r.fail(err)
		}
		if string(ops[0].key) != keyHome {
			signal(r.changed)
		}
		return nil
	}
}

// fail makes the registry read-only after an error of the disk other than a full one: after a sync that
// failed nobody knows what is on the disk, and the next that succeeds does not say that. It returns the error.
func (r *Registry) fail(err error) error {
	if err = failure("registry", err); cloud.KindOf(err) != cloud.Other {
		return err
	}
	r.mu.Lock()
	r.broken = err
	r.mu.Unlock()
	r.logger.Error("devices, users, tokens and settings cannot be stored, the registry is read-only until localcloud is started again", "err", err)
	return err
}

// readOnly returns why nothing can be changed any more, nil while it can.
func (r *Registry) readOnly() error {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.broken
}

// setHome stores the record of the store's own.
func (r *Registry) setHome(h home) error {
	return r.apply("home", func(c *change) error {
		c.ops = append(c.ops, h.op())
		c.bytes = c.ops[0].size()
		return nil
	})
}

// Close refuses new changes and returns when those that waited are answered.
// Reading goes on. Store.Close calls it.
func (r *Registry) Close() error {
	r.turn <- struct{}{}
	r.closed = true
	<-r.turn
	signal(r.wake)
	<-r.ended
	return nil
}

// row returns the committed row of a table.
func row[K comparable, V any](r *Registry, t *table[K, V], id K) (*V, bool) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	v, ok := t.rows[id]
	return v, ok
}

// sorted returns copies of the committed rows that want lets through, in order.
func sorted[K comparable, V any](r *Registry, t *table[K, V], want func(*V) bool, clone func(V) V, order func(a, b *V) int) []V {
	r.mu.RLock()
	rows := make([]*V, 0, len(t.rows))
	for _, v := range t.rows {
		if want == nil || want(v) {
			rows = append(rows, v)
		}
	}
	r.mu.RUnlock()
	slices.SortFunc(rows, order)
	out := make([]V, len(rows))
	for i, v := range rows {
		out[i] = clone(*v)
	}
	return out
}

// Device implements cloud.Registry.
func (r *Registry) Device(id keys.DeviceID) (cloud.Device, bool) {
	d, ok := row(r, r.devices, id)
	if !ok {
		return cloud.Device{}, false
	}
	return d.Clone(), true
}

// Devices implements cloud.Registry.
func (r *Registry) Devices() []cloud.Device {
	return sorted(r, r.devices, nil, cloud.Device.Clone,
		func(a, b *cloud.Device) int { return slices.Compare(a.ID[:], b.ID[:]) })
}

// UpdateDevice implements cloud.Registry. The id of the device stays what it is, whatever change does to it.
func (r *Registry) UpdateDevice(id keys.DeviceID, update func(d *cloud.Device, exists bool) error) (cloud.Device, error) {
	if id.IsZero() {
		return cloud.Device{}, cloud.Errorf("device", cloud.Invalid, "no device has the id zero")
	}
	var after *cloud.Device
	err := r.apply("device "+id.String(), func(c *change) error {
		d := cloud.Device{ID: id, Created: time.Now().UTC(), PlatformID: -1}
		before, exists := r.devices.latest(id)
		if exists {
			d = before.Clone()
		}
		if err := update(&d, exists); err != nil {
			return err
		}
		d.ID = id
		e, err := r.devices.put(d)
		if err := c.put(e, err); err != nil {
			return err
		}
		after = e.row
		return nil
	})
	if err != nil {
		return cloud.Device{}, err
	}
	return after.Clone(), nil
}

// RemoveDevice implements cloud.Registry. A device that is not there is a NotExist error.
func (r *Registry) RemoveDevice(id keys.DeviceID) error {
	what := "device " + id.String()
	return r.apply(what, func(c *change) error {
		if _, ok := r.devices.latest(id); !ok {
			return cloud.E(what, cloud.NotExist, nil)
		}
		c.add(r.devices.remove(id))
		return nil
	})
}

// Settings implements cloud.Registry.
func (r *Registry) Settings() cloud.Settings {
	s, ok := row(r, r.settings, onlySettings{})
	if !ok {
		return cloud.DefaultSettings()
	}
	return cloneSettings(*s)
}

func cloneSettings(s cloud.Settings) cloud.Settings {
	s.ProductPolicies = maps.Clone(s.ProductPolicies)
	s.Hosts = slices.Clone(s.Hosts)
	s.HookTargets = slices.Clone(s.HookTargets)
	return s
}

// UpdateSettings implements cloud.Registry.
func (r *Registry) UpdateSettings(update func(s *cloud.Settings) error) (cloud.Settings, error) {
	var after *cloud.Settings
	err := r.apply("settings", func(c *change) error {
		s := cloud.DefaultSettings()
		if before, ok := r.settings.latest(onlySettings{}); ok {
			s = cloneSettings(*before)
		}
		if err := update(&s); err != nil {
			return err
		}
		e, err := r.settings.put(s)
		if err := c.put(e, err); err != nil {
			return err
		}
		after = e.row
		return nil
	})
	if err != nil {
		return cloud.Settings{}, err
	}
	return cloneSettings(*after), nil
}
