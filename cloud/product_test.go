package cloud_test

import (
	"slices"
	"testing"
	"testing/synctest"

	"localcloud/cloud"
	"localcloud/keys"
)

func TestProductIsFoundByIDAndSlug(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		p, err := cloud.AddProduct(w.registry, cloud.Product{Name: "Grüner Reiher, 2nd", Owner: ann})
		if err != nil || p.ID != 1000 || p.Slug() != "gr-ner-reiher-2nd-v1000" {
			t.Fatalf("AddProduct = %+v, %v, slug %s", p, err, p.Slug())
		}
		next, err := cloud.AddProduct(w.registry, cloud.Product{Name: "next", Owner: ann})
		if err != nil || next.ID != 1001 {
			t.Errorf("the second product is %+v, %v", next, err)
		}
		for _, name := range []string{"1000", p.Slug(), "GR-NER-REIHER-2ND-V1000"} {
			if got, ok := cloud.ProductByName(w.registry, name); !ok || got.ID != 1000 {
				t.Errorf("%s leads to %+v", name, got)
			}
		}
		for _, name := range []string{"", "1002", "reiher", "-1", "v1000"} {
			if got, ok := cloud.ProductByName(w.registry, name); ok {
				t.Errorf("%q leads to %+v", name, got)
			}
		}
		_, err = cloud.AddProduct(w.registry, cloud.Product{ID: 1001, Name: "taken"})
		if cloud.KindOf(err) != cloud.Exist {
			t.Errorf("an id that is taken: %v", err)
		}
		for _, bad := range []cloud.Product{{Name: " "}, {ID: -1, Name: "x"}, {ID: 65536, Name: "x"}, {Name: "a\x1bb"}, {Name: string(make([]byte, 65))}} {
			if _, err := cloud.AddProduct(w.registry, bad); cloud.KindOf(err) != cloud.Invalid {
				t.Errorf("%+v: %v", bad, err)
			}
		}
		_, err = cloud.ChangeProduct(w.registry, 1000, func(p *cloud.Product) { p.Name = "" })
		if q, _ := w.registry.Product(1000); cloud.KindOf(err) != cloud.Invalid || q.Name != p.Name {
			t.Errorf("a change to no name: %v, product is %+v", err, q)
		}
		if _, err = cloud.ChangeProduct(w.registry, 7, func(*cloud.Product) {}); cloud.KindOf(err) != cloud.NotExist {
			t.Errorf("a change of no product: %v", err)
		}
	})
}

func TestRemovedProductLetsItsDevicesGo(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		p, err := cloud.AddProduct(w.registry, cloud.Product{Name: "x"})
		if err != nil {
			t.Fatal(err)
		}
		version := 3
		for _, id := range []keys.DeviceID{lamp, radio} {
			_, err := w.registry.UpdateDevice(id, func(d *cloud.Device, _ bool) error {
				d.Name, d.Owner = "x", bob
				d.Join(p.ID)
				d.Groups, d.Development, d.DesiredFirmware = []string{"beta"}, true, &version
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
		}
		if freed, err := cloud.RemoveProduct(w.registry, p.ID); err != nil || len(freed) != 2 {
			t.Fatalf("RemoveProduct = %d devices, %v", len(freed), err)
		}
		for _, d := range w.registry.Devices() {
			if d.Product != 0 || d.Groups != nil || d.Development || d.DesiredFirmware != nil || d.Owner != bob || d.Name != "x" {
				t.Errorf("device is %+v", d)
			}
		}
		if _, err := cloud.RemoveProduct(w.registry, p.ID); cloud.KindOf(err) != cloud.NotExist {
			t.Errorf("once more: %v", err)
		}
	})
}

func TestProductStreamHasItsDevicesWhoeverOwnsThem(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		q := cloud.NewQueue(10)
		sub := w.hub.Subscribe(cloud.Filter{Owner: ann, AllOwners: true, Product: 1000}, q)
		defer w.hub.Unsubscribe(sub)
		heard := func() (names []string) {
			synctest.Wait()
			for len(q.C) > 0 {
				names = append(names, (<-q.C).Name)
			}
			return names
		}
		inside := cloud.Device{ID: lamp, Owner: bob, Product: 1000}
		c := &conn{}
		p := w.hub.Arrive(t.Context(), cloud.Arrival{Conn: c, Device: inside})
		outside, _ := w.arrive(radio, ann)
		publish := func(p *cloud.Presence, name string) {
			t.Helper()
			if err := p.Publish(t.Context(), cloud.Event{Name: name, Private: true, Format: cloud.TextFormat}, func(error) {}); err != nil {
				t.Fatal(err)
			}
		}
		publish(p, "in")
		publish(outside, "out")
		toProduct := text("to all", ann)
		toProduct.Product, toProduct.Private = 1000, true
		w.publish(toProduct)
		if got := heard(); !slices.Equal(got, []string{"spark/status", "in", "to all"}) {
			t.Errorf("the product's stream has %q", got)
		}

		// What is published to the product reaches its devices that listen to all, and nobody else's.
		p.Want([]cloud.DeviceFilter{{Prefix: "to"}})
		w.publish(toProduct)
		publish(outside, "to nobody")
		if got := c.offered(); !slices.Equal(got, []string{"to all"}) {
			t.Errorf("its device got %q", got)
		}

		// A device follows its record, and the log knows what belongs to the product.
		inside.Product = 0
		w.hub.DeviceChanged(inside)
		publish(p, "to its owner")
		w.publish(toProduct)
		if got := heard(); !slices.Equal(got, []string{"to all", "to all"}) {
			t.Errorf("when its device has left, the product's stream has %q", got)
		}
		if got := c.offered(); !slices.Equal(got, []string{"to its owner"}) {
			t.Errorf("the device that left got %q", got)
		}
		late := w.hub.Subscribe(cloud.Filter{Product: 1000}, cloud.NewQueue(1))
		defer w.hub.Unsubscribe(late)
		if got := w.replayed(late, 0); len(got) != 5 {
			t.Errorf("from the log: %q", got)
		}
	})
}
