package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestProductsAreMadeFilledAndRemoved(t *testing.T) {
	t.Parallel()
	data := t.TempDir() // without a server
	addUser(t, data, "ann")
	if out := command(t, "product", "list", "--data", data); !strings.Contains(out, "localcloud product create") {
		t.Errorf("without products: %s", out)
	}
	type product struct {
		ID      int
		Name    string
		Slug    string
		User    string
		Devices []struct{ ID string }
	}
	p := into[product](t, "product", "create", "My Heron", "--platform", "argon", "--data", data)
	if p.ID != 1000 || p.Slug != "my-heron-v1000" || p.User != "ann" {
		t.Errorf("the product is %+v", p)
	}
	refused(t, 2, []string{"photon"}, "product", "create", "x", "--platform", "toaster", "--data", data)
	refused(t, 1, []string{"exists"}, "product", "create", "x", "--id", "1000", "--data", data)
	refused(t, 1, []string{"localcloud user list"}, "product", "create", "x", "--owner", "eve", "--data", data)

	const first, second = "e00fce680000000000000001", "e00fce680000000000000002"
	file := filepath.Join(t.TempDir(), "boards.csv")
	if err := os.WriteFile(file, []byte("id,serial\r\n"+second+",S2\r\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if out := command(t, "product", "add", "1000", first, "--file", file, "--data", data); !strings.Contains(out, "2 of 2 boards") {
		t.Errorf("product add says %s", out)
	}
	out, err := try(t, "", "product", "add", "1000", "nonsense", "--data", data)
	if exitCode(err) != 1 || !strings.Contains(out, "0 of 1 boards") || !strings.Contains(out, "nonsense") {
		t.Errorf("a wrong id: %v, %s", err, out)
	}
	refused(t, 2, []string{"--file"}, "product", "add", "1000", "--data", data)
	if shown := into[product](t, "product", "show", "my-heron-v1000", "--data", data); len(shown.Devices) != 2 || shown.Devices[0].ID != first {
		t.Errorf("the product is %+v", shown)
	}
	if out := command(t, "product", "show", "1000", "--data", data); !strings.Contains(out, "My Heron") || !strings.Contains(out, second) {
		t.Errorf("product show says %s", out)
	}
	command(t, "product", "drop", "1000", first, "--data", data)
	list := into[[]struct {
		Devices int `json:"device_count"`
	}](t, "product", "list", "--data", data)
	if len(list) != 1 || list[0].Devices != 1 {
		t.Errorf("products are %+v", list)
	}
	command(t, "product", "remove", "1000", "--data", data)
	refused(t, 1, []string{"localcloud product list"}, "product", "show", "1000", "--data", data)
}
