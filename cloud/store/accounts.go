package store

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"localcloud/cloud"
)

// User implements cloud.Registry.
func (r *Registry) User(id cloud.UserID) (cloud.User, bool) {
	u, ok := row(r, r.users, id)
	if !ok {
		return cloud.User{}, false
	}
	return cloneUser(*u), true
}

// UserByName implements cloud.Registry. It looks at every user; there are few.
func (r *Registry) UserByName(name string) (cloud.User, bool) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	for _, u := range r.users.rows {
		if strings.EqualFold(u.Name, name) {
			return cloneUser(*u), true
		}
	}
	return cloud.User{}, false
}

// Users implements cloud.Registry.
func (r *Registry) Users() []cloud.User {
	return sorted(r, r.users, nil, cloneUser, func(a, b *cloud.User) int {
		return cmp.Or(a.Created.Compare(b.Created), cmp.Compare(a.ID, b.ID))
	})
}

func cloneUser(u cloud.User) cloud.User {
	u.Clients = slices.Clone(u.Clients)
	return u
}

// AddUser implements cloud.Registry. The user comes with an id, a name and a
// password hash; Created becomes now when it is zero.
func (r *Registry) AddUser(u cloud.User) (cloud.User, error) {
	if u.ID == "" {
		return cloud.User{}, cloud.Errorf("user", cloud.Invalid, "a user needs an id")
	}
	var after *cloud.User
	err := r.apply("user", func(c *change) error {
		if _, taken := r.users.latest(u.ID); taken {
			return cloud.Errorf("user", cloud.Exist, "the id %s is taken", u.ID)
		}
		first := true
		for range r.users.all() {
			first = false
		}
		u.Admin = u.Admin || first
		if u.Created.IsZero() {
			u.Created = time.Now().UTC()
		}
		var err error
		after, err = r.putUser(c, u)
		return err
	})
	if err != nil {
		return cloud.User{}, err
	}
	return cloneUser(*after), nil
}

// UpdateUser implements cloud.Registry. It refuses a name that is taken
// (Exist); the id stays what it is.
func (r *Registry) UpdateUser(id cloud.UserID, update func(u *cloud.User) error) (cloud.User, error) {
	var after *cloud.User
	err := r.apply("user", func(c *change) error {
		before, ok := r.users.latest(id)
		if !ok {
			return cloud.E("user", cloud.NotExist, nil)
		}
		u := cloneUser(*before)
		if err := update(&u); err != nil {
			return err
		}
		u.ID = id
		var err error
		after, err = r.putUser(c, u)
		return err
	})
	if err != nil {
		return cloud.User{}, err
	}
	return cloneUser(*after), nil
}

// putUser checks that a user's name is not somebody else's.
func (r *Registry) putUser(c *change, u cloud.User) (*cloud.User, error) {
	if u.Name == "" {
		return nil, cloud.Errorf("user", cloud.Invalid, "a user needs a name")
	}
	for other := range r.users.all() {
		if other.ID != u.ID && strings.EqualFold(other.Name, u.Name) {
			return nil, cloud.Errorf("user", cloud.Exist, "the name %q is taken", u.Name)
		}
	}
	e, err := r.users.put(u)
	if err := c.put(e, err); err != nil {
		return nil, err
	}
	return e.row, nil
}

// RemoveUser implements cloud.Registry. It is one step whatever the user has: after
// a crash either all of it has happened or nothing.
func (r *Registry) RemoveUser(id cloud.UserID) error {
	return r.apply("user", func(c *change) error {
		if _, ok := r.users.latest(id); !ok {
			return cloud.E("user", cloud.NotExist, nil)
		}
		c.removes = id
		c.add(r.users.remove(id)) // the first edit, see storeRemoval
		return r.clear(c, id)
	})
}

// clear adds to a change what the removal of a user does to tokens, claim codes, webhooks, products and devices.
func (r *Registry) clear(c *change, id cloud.UserID) error {
	for t := range r.tokens.all() {
		if t.User == id {
			c.add(r.tokens.remove(t.ID))
		}
	}
	for before := range r.products.all() {
		if before.Owner != id {
			continue
		}
		p := *before
		p.Owner = ""
		if err := c.put(r.products.put(p)); err != nil {
			return err
		}
	}
	for k := range r.claims.all() {
		if k.User == id {
			c.add(r.claims.remove(k.ID))
		}
	}
	for h := range r.hooks.all() {
		if h.Owner == id {
			c.add(r.hooks.remove(h.ID))
		}
	}
	for before := range r.devices.all() {
		if before.Owner != id {
			continue
		}
		d := before.Clone()
		d.Owner, d.OwnerAssumed = "", false
		if err := c.put(r.devices.put(d)); err != nil {
			return err
		}
	}
	return nil
}

// Token implements cloud.Registry.
func (r *Registry) Token(id cloud.TokenID) (cloud.Token, bool) {
	t, ok := row(r, r.tokens, id)
	if !ok {
		return cloud.Token{}, false
	}
	return cloneToken(*t), true
}

func cloneToken(t cloud.Token) cloud.Token {
	t.Scopes = slices.Clone(t.Scopes)
	return t
}

// Tokens implements cloud.Registry.
func (r *Registry) Tokens(user cloud.UserID) []cloud.Token {
	of := func(t *cloud.Token) bool { return user == "" || t.User == user }
	return sorted(r, r.tokens, of, cloneToken, func(a, b *cloud.Token) int {
		return cmp.Or(a.Created.Compare(b.Created), cmp.Compare(a.ID, b.ID))
	})
}

// PutTokens implements cloud.Registry: all of them are stored or none.
func (r *Registry) PutTokens(tokens ...cloud.Token) error {
	return r.apply("token", func(c *change) error {
		for _, t := range tokens {
			if t.ID == "" {
				return cloud.Errorf("token", cloud.Invalid, "a token needs an id")
			}
			if err := c.put(r.tokens.put(t)); err != nil {
				return err
			}
		}
		return nil
	})
}

// RemoveTokens implements cloud.Registry. Ids that are unknown count as removed.
// After an error some may have been removed.
func (r *Registry) RemoveTokens(ids ...cloud.TokenID) error {
	for part := range slices.Chunk(ids, maxCommitOps/2) {
		err := r.apply("token", func(c *change) error {
			for _, id := range part {
				if _, ok := r.tokens.latest(id); ok {
					c.add(r.tokens.remove(id))
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}
