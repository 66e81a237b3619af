package store

import "localcloud/cloud"

// Product implements cloud.Registry.
func (r *Registry) Product(id int) (cloud.Product, bool) {
	p, ok := row(r, r.products, id)
	if !ok {
		return cloud.Product{}, false
	}
	return *p, true
}

// Products implements cloud.Registry.
func (r *Registry) Products() []cloud.Product {
	return sorted(r, r.products, nil, func(p cloud.Product) cloud.Product { return p }, func(a, b *cloud.Product) int { return a.ID - b.ID })
}

// UpdateProduct implements cloud.Registry. The id of the product stays what it is, whatever change does to it.
func (r *Registry) UpdateProduct(id int, update func(p *cloud.Product, exists bool) error) (cloud.Product, error) {
	if id < 1 || id > cloud.MaxProductID {
		return cloud.Product{}, cloud.Errorf("product", cloud.Invalid, "a product id is a number from 1 to %d", cloud.MaxProductID)
	}
	var after *cloud.Product
	err := r.apply("product", func(c *change) error {
		p := cloud.Product{ID: id}
		before, exists := r.products.latest(id)
		if exists {
			p = *before
		}
		if err := update(&p, exists); err != nil {
			return err
		}
		p.ID = id
		e, err := r.products.put(p)
		if err := c.put(e, err); err != nil {
			return err
		}
		after = e.row
		return nil
	})
	if err != nil {
		return cloud.Product{}, err
	}
	return *after, nil
}

// RemoveProduct implements cloud.Registry. A product that is not there is a NotExist error.
func (r *Registry) RemoveProduct(id int) error {
	return r.apply("product", func(c *change) error {
		if _, ok := r.products.latest(id); !ok {
			return cloud.E("product", cloud.NotExist, nil)
		}
		c.add(r.products.remove(id))
		return nil
	})
}
