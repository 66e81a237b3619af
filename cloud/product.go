package cloud

import (
	"slices"
	"strconv"
	"strings"
	"time"
)

// Product is a fleet of devices that one user looks after, whoever owns the single
// devices. Its id is the number that firmware says with PRODUCT_ID.
type Product struct {
	ID          int       `json:"id"` // 1 to 65535
	Name        string    `json:"name"`
	Description string    `json:"description,omitempty"`
	PlatformID  int       `json:"platform_id"`
	Owner       UserID    `json:"owner,omitempty"` // empty: its user is gone, admins have it
	Created     time.Time `json:"created"`
}

// Bounds of products.
const (
	MaxProductID     = 0xffff
	firstProductID   = 1000 // of those that we choose; smaller ones are platforms
	MaxProductName   = 64   // bytes
	MaxProductGroups = 64   // of one device
	maxGroupName     = 50   // bytes
)

// Slug returns the product's name in addresses, such as "my-heron-v1000".
func (p Product) Slug() string {
	words := strings.FieldsFunc(strings.ToLower(p.Name), func(r rune) bool { return (r < 'a' || r > 'z') && (r < '0' || r > '9') })
	return strings.Join(append(words, "v"+strconv.Itoa(p.ID)), "-")
}

// ProductByName returns the product with that id or slug.
func ProductByName(registry Registry, name string) (Product, bool) {
	if id, err := strconv.Atoi(name); err == nil {
		return registry.Product(id)
	}
	for _, p := range registry.Products() {
		if strings.EqualFold(p.Slug(), name) {
			return p, true
		}
	}
	return Product{}, false
}

// AddProduct stores a new product, and chooses its id when that is 0. It is
// Exist when the id is taken.
func AddProduct(registry Registry, p Product) (Product, error) {
	if err := p.check(); err != nil {
		return Product{}, err
	}
	for id, last := p.ID, p.ID; ; id++ {
		if p.ID == 0 {
			id, last = max(id, firstProductID), MaxProductID
		}
		added, err := registry.UpdateProduct(id, func(to *Product, exists bool) error {
			if exists {
				return Errorf("product", Exist, "product %d exists already", id)
			}
			p.ID = id
			*to = p
			return nil
		})
		if KindOf(err) != Exist || id == last {
			return added, err
		}
	}
}

func (p Product) check() error {
	switch {
	case p.ID < 0 || p.ID > MaxProductID:
		return Errorf("product", Invalid, "a product id is a number from 1 to %d", MaxProductID)
	case strings.TrimSpace(p.Name) == "" || len(p.Name) > MaxProductName:
		return Errorf("product", Invalid, "a product's name has 1 to %d bytes", MaxProductName)
	case strings.ContainsFunc(p.Name+p.Description, func(r rune) bool { return (r < ' ' && r != '\n') || r == 0x7f || r == '\ufffd' }):
		return Errorf("product", Invalid, "a product's name and description hold no control characters")
	case len(p.Description) > 1000:
		return Errorf("product", Invalid, "a product's description has at most 1000 bytes")
	}
	return nil
}

// ChangeProduct changes name, description and platform of a product.
func ChangeProduct(registry Registry, id int, change func(p *Product)) (Product, error) {
	return registry.UpdateProduct(id, func(p *Product, exists bool) error {
		if !exists {
			return E("product", NotExist, nil)
		}
		change(p)
		return p.check()
	})
}

// RemoveProduct forgets a product. Its devices stay what they are, in no product; it returns them.
func RemoveProduct(registry Registry, id int) ([]Device, error) {
	var freed []Device
	free := func() error {
		for _, d := range registry.Devices() {
			if d.Product != id {
				continue
			}
			d, err := registry.UpdateDevice(d.ID, func(d *Device, exists bool) error {
				if !exists || d.Product != id {
					return E("product", NotExist, nil)
				}
				d.Leave()
				return nil
			})
			if err == nil {
				freed = append(freed, d)
			} else if KindOf(err) != NotExist {
				return err
			}
		}
		return nil
	}
	if err := free(); err != nil {
		return freed, err
	}
	if err := registry.RemoveProduct(id); err != nil {
		return freed, err
	}
	return freed, free() // who came in meanwhile
}

// Join puts a device into a product; one that it was in before it leaves.
func (d *Device) Join(product int) {
	if d.Product != product {
		d.Leave()
		d.Product = product
	}
}

// Leave takes a device out of its product, with what it was in there.
func (d *Device) Leave() {
	d.Product, d.Groups, d.Development, d.DesiredFirmware = 0, nil, false, nil
}

// CheckGroups reports why these cannot be a device's groups, if so.
func CheckGroups(groups []string) error {
	if len(groups) > MaxProductGroups {
		return Errorf("groups", Invalid, "a device is in at most %d groups", MaxProductGroups)
	}
	for _, g := range groups {
		ok := g != "" && len(g) <= maxGroupName && !strings.ContainsFunc(g, func(r rune) bool {
			return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '-' && r != '_'
		})
		if !ok {
			return Errorf("groups", Invalid, "a group's name has 1 to %d letters, digits, - and _", maxGroupName)
		}
	}
	return nil
}

// GroupsOf returns all groups of a product's devices, in order.
func GroupsOf(devices []Device) []string {
	groups := []string{}
	for _, d := range devices {
		groups = append(groups, d.Groups...)
	}
	slices.Sort(groups)
	return slices.Compact(groups)
}
