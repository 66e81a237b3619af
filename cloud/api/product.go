package api

import (
	"slices"
	"strings"

	"localcloud/cloud"
)

// productPath is where the routes of one product begin.
const productPath = "/v1/products/{product}"

// productObject is a product as clients know it.
type productObject struct {
	ID          int            `json:"id"`
	PlatformID  int            `json:"platform_id"`
	Name        string         `json:"name"`
	Slug        string         `json:"slug"`
	Description string         `json:"description"`
	User        string         `json:"user"` // its owner's name
	Org         *string        `json:"org"`  // there are none
	Groups      []string       `json:"groups"`
	Settings    map[string]any `json:"settings"`
	DeviceCount int            `json:"device_count"`
	Created     stamp          `json:"created_at"`
}

func (s *Server) productObject(p cloud.Product, devices []cloud.Device) productObject {
	return productObject{
		ID: p.ID, PlatformID: p.PlatformID, Name: p.Name, Slug: p.Slug(), Description: p.Description,
		User: s.userName(p.Owner), Groups: cloud.GroupsOf(devices), Settings: map[string]any{}, DeviceCount: len(devices), Created: stamp(p.Created),
	}
}

// mayManage reports whether a product exists for who asks: it is theirs, or
// they are an admin, and the token is not tied to something else.
func mayManage(a cloud.Access, p cloud.Product) bool {
	if a.Tied() && !slices.Contains(a.OnlyProducts(), p.ID) {
		return false
	}
	return a.User.Admin || (p.Owner != "" && p.Owner == a.User.ID)
}

// findProduct returns the product that the path names by id or slug, if it exists for who asks.
func (s *Server) findProduct(q *request) (cloud.Product, error) {
	p, ok := cloud.ProductByName(s.Registry, q.variable("product"))
	if !ok || !mayManage(q.access, p) {
		return cloud.Product{}, errNoProduct
	}
	return p, nil
}

// listProducts answers with the products of the user; an admin's are all.
func (s *Server) listProducts(q *request) (any, error) {
	inside := map[int][]cloud.Device{}
	for _, d := range s.Registry.Devices() {
		if d.Product != 0 {
			inside[d.Product] = append(inside[d.Product], d)
		}
	}
	list := []productObject{}
	for _, p := range s.Registry.Products() {
		if mayManage(q.access, p) {
			list = append(list, s.productObject(p, inside[p.ID]))
		}
	}
	return map[string]any{"products": list}, nil
}

func (s *Server) showProduct(q *request) (any, error) {
	return productAnswer{s.productObject(q.product, s.productDevices(q))}, nil
}

type productAnswer struct {
	Product productObject `json:"product"`
}

// productDevices returns the devices of the product in the path that the token reaches, in the order of lists.
func (s *Server) productDevices(q *request) []cloud.Device {
	return s.chosen(q.sees)
}

// addProduct makes a product. Its fields may stand in an object of their own, as clients send them.
func (s *Server) addProduct(q *request) (any, error) {
	a := productArguments(&q.args)
	p := cloud.Product{
		ID: int(a.number("id", 0)), Name: strings.TrimSpace(a.text("name")), Description: a.text("description"),
		PlatformID: int(a.number("platform_id", 6)), Owner: q.access.User.ID, Created: s.Hub.Clock().Now(),
	}
	owner := a.text("owner")
	switch {
	case a.err != nil:
		return nil, a.err
	case cloud.PlatformName(p.PlatformID) == "":
		return nil, plain(400, "platform_id is not the number of a platform; a Photon's is 6, an Argon's is 12")
	case owner != "" && q.access.User.Admin:
		u, err := s.user(owner)
		if err != nil {
			return nil, err
		}
		p.Owner = u.ID
	}
	p, err := cloud.AddProduct(s.Registry, p)
	if err != nil {
		return nil, err
	}
	return created{productAnswer{s.productObject(p, nil)}}, nil
}

// productArguments returns the arguments of a product: those in the object "product" when there is one.
func productArguments(a *args) *args {
	if inner, ok := a.body["product"].(map[string]any); ok {
		return &args{body: inner, err: a.err}
	}
	return a
}

func (s *Server) updateProduct(q *request) (any, error) {
	a := productArguments(&q.args)
	name, description, platform := strings.TrimSpace(a.text("name")), a.text("description"), int(a.number("platform_id", 0))
	switch {
	case a.err != nil:
		return nil, a.err
	case a.has("platform_id") && cloud.PlatformName(platform) == "":
		return nil, plain(400, "platform_id is not the number of a platform; a Photon's is 6, an Argon's is 12")
	}
	p, err := cloud.ChangeProduct(s.Registry, q.product.ID, func(p *cloud.Product) {
		if a.has("name") {
			p.Name = name
		}
		if a.has("description") {
			p.Description = description
		}
		if a.has("platform_id") {
			p.PlatformID = platform
		}
	})
	if err != nil {
		return nil, err
	}
	return productAnswer{s.productObject(p, s.productDevices(q))}, nil
}

// removeProduct forgets a product. Its devices stay, in no product, and so do their owners.
func (s *Server) removeProduct(q *request) (any, error) {
	freed, err := cloud.RemoveProduct(s.Registry, q.product.ID)
	for _, d := range freed {
		s.Hub.DeviceChanged(d)
	}
	if err == nil {
		err = s.removeHooksOf(q.product.ID)
	}
	return done, err
}

// listGroups answers with the groups that the product's devices are in.
func (s *Server) listGroups(q *request) (any, error) {
	devices := s.productDevices(q)
	counts := map[string]int{}
	for _, d := range devices {
		for _, g := range d.Groups {
			counts[g]++
		}
	}
	list := []map[string]any{}
	for _, g := range cloud.GroupsOf(devices) {
		list = append(list, map[string]any{"name": g, "description": "", "device_count": counts[g]})
	}
	return map[string]any{"groups": list}, nil
}
