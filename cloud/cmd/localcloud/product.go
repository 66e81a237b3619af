package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"

	"localcloud/cloud"
	"localcloud/cloud/client"
)

// productCmd is "localcloud product".
type productCmd struct {
	Create productCreateCmd `cmd:"" help:"Make a product: a fleet of boards that you look after together, whoever owns them."`
	List   productListCmd   `cmd:"" help:"Show all products."`
	Show   productShowCmd   `cmd:"" help:"Show a product and its boards."`
	Add    productAddCmd    `cmd:"" help:"Put boards into a product, by their ids or from a file (CSV, one id in each line)."`
	Drop   productDropCmd   `cmd:"" help:"Take boards out of a product. Their owners keep them."`
	Remove productRemoveCmd `cmd:"" help:"Forget a product. Its boards stay, in no product."`
}

type productCreateCmd struct {
	place
	Name        string `arg:"" help:"What it is called."`
	ID          int    `name:"id" help:"Its number, as the firmware says it with PRODUCT_ID. Without it the cloud chooses one." placeholder:"NUMBER"`
	Platform    string `default:"photon" help:"Which boards: photon, p1, electron, argon, boron, p2 ..." placeholder:"NAME"`
	Description string `help:"What it is for." placeholder:"TEXT"`
	Owner       string `help:"Whose product. Without it: the owner of the cloud's." placeholder:"NAME"`
	JSON        bool   `name:"json" help:"Print JSON."`
}

// Run makes the product.
func (c *productCreateCmd) Run(ctx context.Context, t *terminal) error {
	platform, err := client.PlatformID(c.Platform)
	if err != nil {
		return usageError{err}
	}
	return c.with(ctx, needData, func(conn *connection) error {
		p, err := conn.CreateProduct(ctx, client.NewProduct{
			ID: c.ID, Name: c.Name, Description: c.Description, PlatformID: platform, Owner: c.Owner,
		})
		switch {
		case err != nil:
			return unknownUser(err)
		case c.JSON:
			return t.json(p)
		}
		t.printf("product %s has the number %d; put boards into it: localcloud product add %d DEVICE-ID\n", clean(p.Name), p.ID, p.ID)
		return nil
	})
}

type productListCmd struct {
	place
	JSON bool `name:"json" help:"Print JSON."`
}

// Run shows the products.
func (c *productListCmd) Run(ctx context.Context, t *terminal) error {
	return c.with(ctx, needData, func(conn *connection) error {
		products, err := conn.Products(ctx)
		if err != nil {
			return err
		}
		return listing[client.Product]{
			[]string{"ID", "NAME", "PLATFORM", "DEVICES", "OWNER", "SLUG"},
			func(p client.Product) []string {
				return []string{strconv.Itoa(p.ID), p.Name, cloud.PlatformName(p.PlatformID), strconv.Itoa(p.Devices), p.User, p.Slug}
			},
			"There is no product; make one: localcloud product create NAME",
		}.show(t, products, c.JSON)
	})
}

type productShowCmd struct {
	place
	Product string `arg:"" help:"Its number or slug."`
	JSON    bool   `name:"json" help:"Print JSON."`
}

// Run shows a product.
func (c *productShowCmd) Run(ctx context.Context, t *terminal) error {
	return c.with(ctx, needData, func(conn *connection) error {
		p, err := conn.Product(ctx, c.Product)
		if err != nil {
			return unknownProduct(err)
		}
		devices, err := conn.ProductDevices(ctx, c.Product)
		switch {
		case err != nil:
			return err
		case c.JSON:
			return t.json(struct {
				client.Product
				Members []client.Device `json:"devices"`
			}{p, append([]client.Device{}, devices...)})
		}
		t.printf("product %d, %s (%s), of %s\n", p.ID, clean(p.Name), cloud.PlatformName(p.PlatformID), clean(p.User))
		if len(devices) == 0 {
			t.printf("It has no boards; put some into it: localcloud product add %d DEVICE-ID\n", p.ID)
			return nil
		}
		var rows [][]string
		for _, d := range devices {
			rows = append(rows, []string{d.ID.String(), d.Name, yesNo(d.Connected), d.Owner})
		}
		return t.table([]string{"ID", "NAME", "ONLINE", "OWNER"}, rows)
	})
}

type productAddCmd struct {
	place
	Product string   `arg:"" help:"Its number or slug."`
	IDs     []string `arg:"" optional:"" name:"id" help:"Device ids."`
	File    string   `help:"File with one device id in each line; - is standard input." placeholder:"FILE"`
	JSON    bool     `name:"json" help:"Print JSON."`
}

// Run puts boards into a product.
func (c *productAddCmd) Run(ctx context.Context, t *terminal) error {
	ids, err := c.ids(t)
	if err != nil {
		return err
	}
	return c.with(ctx, needData, func(conn *connection) error {
		done, err := conn.AddToProduct(ctx, c.Product, ids)
		switch {
		case err != nil:
			return unknownProduct(err)
		case c.JSON:
			return t.json(done)
		}
		t.printf("%d of %d boards are in the product\n", len(done.Updated), len(ids))
		for _, id := range done.Nonmember {
			t.printf("not %s: it is somebody else's, or in another product\n", clean(id))
		}
		for _, id := range done.Invalid {
			t.printf("not %s: that is no device id, or no board of this cloud\n", clean(id))
		}
		if len(done.Updated) < len(ids) {
			return errSaid
		}
		return nil
	})
}

func (c *productAddCmd) ids(t *terminal) ([]string, error) {
	ids := c.IDs
	if c.File != "" {
		in := t.in
		if c.File != "-" {
			f, err := os.Open(c.File)
			if err != nil {
				return nil, err
			}
			defer f.Close()
			in = f
		}
		text, err := io.ReadAll(io.LimitReader(in, 1<<20))
		if err != nil {
			return nil, err
		}
		for line := range strings.Lines(string(text)) {
			id, _, _ := strings.Cut(line, ",")
			if id = strings.Trim(id, " \"'\r\n\ufeff"); id != "" && !strings.EqualFold(id, "id") {
				ids = append(ids, id)
			}
		}
	}
	if len(ids) == 0 {
		return nil, usagef("which boards? Give their ids, or a file with --file")
	}
	return ids, nil
}

type productDropCmd struct {
	place
	Product string   `arg:"" help:"Its number or slug."`
	IDs     []string `arg:"" name:"id" help:"Device ids or names."`
}

// Run takes boards out of a product.
func (c *productDropCmd) Run(ctx context.Context, t *terminal) error {
	return c.with(ctx, needData, func(conn *connection) error {
		for _, id := range c.IDs {
			if err := conn.DropFromProduct(ctx, c.Product, id); err != nil {
				return unknownProduct(err)
			}
			t.printf("%s is in no product\n", clean(id))
		}
		return nil
	})
}

type productRemoveCmd struct {
	place
	Product string `arg:"" help:"Its number or slug."`
}

// Run forgets a product.
func (c *productRemoveCmd) Run(ctx context.Context, t *terminal) error {
	return c.with(ctx, needData, func(conn *connection) error {
		if err := conn.RemoveProduct(ctx, c.Product); err != nil {
			return unknownProduct(err)
		}
		t.printf("product %s is removed\n", clean(c.Product))
		return nil
	})
}

// unknownProduct adds where to look to the error that there is no such product.
func unknownProduct(err error) error {
	if cloud.KindOf(err) == cloud.NotExist {
		return fmt.Errorf("%w; see which there are: localcloud product list", err)
	}
	return err
}
