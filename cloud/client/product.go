package client

import (
	"context"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"localcloud/cloud"
)

// Product is a fleet of devices as the API shows it.
type Product struct {
	ID          int       `json:"id"`
	Name        string    `json:"name"`
	Slug        string    `json:"slug"` // its name in addresses
	Description string    `json:"description"`
	PlatformID  int       `json:"platform_id"`
	User        string    `json:"user"` // its owner's name
	Groups      []string  `json:"groups"`
	Devices     int       `json:"device_count"`
	Created     time.Time `json:"created_at"`
}

// NewProduct describes a product to make.
type NewProduct struct {
	ID          int    `json:"id,omitempty"` // 0: the cloud chooses
	Name        string `json:"name"`
	Description string `json:"description,omitempty"`
	PlatformID  int    `json:"platform_id"`
	Owner       string `json:"owner,omitempty"` // a user's name, for admins; empty: who asks
}

// Imported is what became of devices that were to get into a product.
type Imported struct {
	Updated   []string `json:"updatedDeviceIds"`
	Nonmember []string `json:"nonmemberDeviceIds"` // of somebody else, or in another product
	Invalid   []string `json:"invalidDeviceIds"`   // no ids, or not registered
}

type productAnswer struct {
	Product Product `json:"product"`
}

// Products returns the products of the token's user; an admin's are all.
func (c *Client) Products(ctx context.Context) ([]Product, error) {
	var out struct {
		Products []Product `json:"products"`
	}
	err := c.do(ctx, call{op: "products", method: http.MethodGet, path: path("products"), out: &out})
	return out.Products, err
}

// Product returns one product, named by id or slug.
func (c *Client) Product(ctx context.Context, product string) (Product, error) {
	var out productAnswer
	err := c.do(ctx, call{op: "product " + product, method: http.MethodGet, path: path("products", product), out: &out})
	return out.Product, err
}

// CreateProduct makes a product.
func (c *Client) CreateProduct(ctx context.Context, p NewProduct) (Product, error) {
	var out productAnswer
	err := c.do(ctx, call{op: "create product", method: http.MethodPost, path: path("products"), in: p, out: &out})
	return out.Product, err
}

// RemoveProduct forgets a product; its devices stay, in no product.
func (c *Client) RemoveProduct(ctx context.Context, product string) error {
	return c.do(ctx, call{op: "remove product", method: http.MethodDelete, path: path("products", product)})
}

// ProductDevices returns all devices of a product.
func (c *Client) ProductDevices(ctx context.Context, product string) ([]Device, error) {
	var all []Device
	for page, pages := 1, 1; page <= pages; page++ {
		var out struct {
			Devices []Device `json:"devices"`
			Meta    struct {
				Pages int `json:"total_pages"`
			} `json:"meta"`
		}
		query := url.Values{"page": {strconv.Itoa(page)}, "per_page": {"500"}}
		err := c.do(ctx, call{op: "devices of product " + product, method: http.MethodGet, path: path("products", product, "devices") + "?" + query.Encode(), out: &out})
		if err != nil {
			return nil, err
		}
		all, pages = append(all, out.Devices...), out.Meta.Pages
	}
	return all, nil
}

// AddToProduct puts devices, at most 10000, into a product.
func (c *Client) AddToProduct(ctx context.Context, product string, ids []string) (Imported, error) {
	var out Imported
	err := c.do(ctx, call{
		op: "add to product " + product, method: http.MethodPost, path: path("products", product, "devices"),
		in: map[string]any{"ids": ids}, out: &out,
	})
	return out, err
}

// DropFromProduct takes a device, named by id or name, out of a product.
func (c *Client) DropFromProduct(ctx context.Context, product, device string) error {
	return c.do(ctx, call{op: "drop from product " + product, method: http.MethodDelete, path: path("products", product, "devices", device)})
}

// PlatformID returns the number of a platform by its name, such as "photon".
func PlatformID(name string) (int, error) {
	for id := range 256 {
		if cloud.PlatformName(id) == name && name != "" {
			return id, nil
		}
	}
	return 0, cloud.Errorf("platform", cloud.Invalid, "there is no platform %q; names are such as photon, p1, electron, argon, boron, p2", name)
}
