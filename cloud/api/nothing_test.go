package api

import (
	"mime/multipart"
	"testing"
)

func TestWhatIsNotHereHasItsShape(t *testing.T) {
	w := newWorld(t)
	for path, want := range map[string]string{
		"/v1/orgs":                             `{"organizations":[]}`,
		"/v1/sims":                             `[]`,
		"/v1/libraries?filter=neopixel&page=1": `{"data":[]}`,
		"/v1/device-os/versions?platform_id=6": `{"versions":[]}`,
	} {
		w.do("GET "+path, as(w.alice)).is(200, want)
	}
	a := w.do("GET /v1/build_targets?featured=true", as(w.alice)).has(200, `{"targets":[],"default_versions":{}}`)
	if platforms, _ := a.object()["platforms"].(map[string]any); platforms["Photon"] != 6.0 || platforms["Argon"] != 12.0 {
		t.Errorf("platforms are %v", platforms)
	}
	w.product(1200, "Alice", lampID)
	for path, want := range map[string]string{
		"customers?page=2": `{"customers":[],"devices":[],"meta":{"total_pages":1}}`,
		"clients":          `{"ok":true,"clients":[]}`,
		"sims?page=1":      `{"sims":[],"meta":{"total_pages":1}}`,
		"locations":        `{"locations":[],"meta":{"total_pages":1}}`,
	} {
		w.do("GET /v1/products/1200/"+path, as(w.alice)).is(200, want)
	}
	w.do("POST /v1/products/1200/customers", as(w.alice), body("", "email=x@example.com")).fails(501, errNoCustomers.code, errNoCustomers.text)
	w.do("GET /v1/products/1200/config/lamp", as(w.alice)).fails(404, errNoConfig.code, errNoConfig.text)
	w.do("GET /v1/libraries/neopixel", as(w.alice)).fails(404, "Library not found", "Library not found")
	w.do("GET /v1/networks", as(w.alice)).fails(404, errNoRoute.code, errNoRoute.text)
}

func TestFlashingSourcesSaysThatNothingIsCompiled(t *testing.T) {
	w := newWorld(t)
	flash := func(name string) option {
		return parts(func(m *multipart.Writer) {
			m.WriteField("latest", "true")
			f, _ := m.CreateFormFile("file", name)
			f.Write([]byte("void setup() {}"))
		})
	}
	const text = "Cloud compilation is not available on this server"
	for _, name := range []string{"a.ino", "lib/my lib.CPP", "/tmp/1700000000/project.properties"} {
		w.do("PUT /v1/devices/lamp", as(w.alice), flash(name)).fails(501, text, text)
	}
	w.do("POST /v1/binaries", as(w.alice), flash("a.ino")).fails(501, text, text)
	w.do("PUT /v1/devices/lamp", as(w.alice), flash("a.bin")).fails(501, errNoFlash.code, errNoFlash.text)
}
