package store

import (
	"cmp"
	"time"

	"localcloud/cloud"
)

// Hook implements cloud.Registry.
func (r *Registry) Hook(id cloud.HookID) (cloud.Hook, bool) {
	h, ok := row(r, r.hooks, id)
	if !ok {
		return cloud.Hook{}, false
	}
	return h.Clone(), true
}

// Hooks implements cloud.Registry.
func (r *Registry) Hooks() []cloud.Hook {
	return sorted(r, r.hooks, nil, cloud.Hook.Clone, func(a, b *cloud.Hook) int {
		return cmp.Or(a.Created.Compare(b.Created), cmp.Compare(a.ID, b.ID))
	})
}

// AddHook implements cloud.Registry. Created and Updated become now when they are zero.
func (r *Registry) AddHook(h cloud.Hook) error {
	if h.ID == "" {
		return cloud.Errorf("webhook", cloud.Invalid, "a webhook needs an id")
	}
	return r.apply("webhook", func(c *change) error {
		if _, taken := r.hooks.latest(h.ID); taken {
			return cloud.Errorf("webhook", cloud.Exist, "the id %s is taken", h.ID)
		}
		if _, ok := r.users.latest(h.Owner); !ok {
			return cloud.Errorf("webhook", cloud.NotExist, "its owner is gone")
		}
		if h.Created.IsZero() {
			h.Created = time.Now().UTC()
		}
		if h.Updated.IsZero() {
			h.Updated = h.Created
		}
		return c.put(r.hooks.put(h))
	})
}

// UpdateHook implements cloud.Registry.
func (r *Registry) UpdateHook(id cloud.HookID, update func(h *cloud.Hook) error) (cloud.Hook, error) {
	var after *cloud.Hook
	err := r.apply("webhook", func(c *change) error {
		before, ok := r.hooks.latest(id)
		if !ok {
			return cloud.E("webhook", cloud.NotExist, nil)
		}
		h := before.Clone()
		if err := update(&h); err != nil {
			return err
		}
		h.ID, h.Owner, h.Created = id, before.Owner, before.Created
		e, err := r.hooks.put(h)
		if err := c.put(e, err); err != nil {
			return err
		}
		after = e.row
		return nil
	})
	if err != nil {
		return cloud.Hook{}, err
	}
	return after.Clone(), nil
}

// RemoveHook implements cloud.Registry. A webhook that is not there is a NotExist error.
func (r *Registry) RemoveHook(id cloud.HookID) error {
	return r.apply("webhook", func(c *change) error {
		if _, ok := r.hooks.latest(id); !ok {
			return cloud.E("webhook", cloud.NotExist, nil)
		}
		c.add(r.hooks.remove(id))
		return nil
	})
}
