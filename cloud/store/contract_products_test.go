package store

import (
	"errors"
	"testing"

	"localcloud/cloud"
)

func productsKept(t *testing.T, w *world) {
	w.user("a", "ada", noon)
	w.user("b", "ben", noon)
	r := w.Registry()
	put := func(id int, owner cloud.UserID) {
		t.Helper()
		_, err := r.UpdateProduct(id, func(p *cloud.Product, exists bool) error {
			if exists || p.ID != id {
				t.Errorf("a fresh product is %+v, exists %v", *p, exists)
			}
			p.ID, p.Name, p.Owner = 1, "x", owner // the id stays what it is
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	put(65535, "a")
	put(300, "b")
	no := errors.New("no")
	if _, err := r.UpdateProduct(300, func(p *cloud.Product, exists bool) error { p.Name = "y"; return no }); !errors.Is(err, no) {
		t.Errorf("refused by the change: %v", err)
	}
	for _, id := range []int{0, -1, 65536} {
		_, err := r.UpdateProduct(id, func(*cloud.Product, bool) error { return nil })
		wantKind(t, err, cloud.Invalid)
	}
	if err := r.RemoveUser("a"); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		wantSame(t, w.Registry().Products(), []cloud.Product{{ID: 300, Name: "x", Owner: "b"}, {ID: 65535, Name: "x"}})
		w.open(Options{})
	}
	if err := w.Registry().RemoveProduct(300); err != nil {
		t.Fatal(err)
	}
	wantKind(t, w.Registry().RemoveProduct(300), cloud.NotExist)
	w.open(Options{})
	if _, ok := w.Registry().Product(300); ok {
		t.Error("a removed product is back")
	}
}
