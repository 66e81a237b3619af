package api

import (
	"fmt"
	"mime/multipart"
	"reflect"
	"slices"
	"strings"
	"testing"

	"localcloud/cloud"
)

// product makes a product and puts devices into it, whoever owns them.
func (w *world) product(id int, owner string, devices ...string) {
	w.Helper()
	if _, err := cloud.AddProduct(w.registry, cloud.Product{ID: id, Name: "Heron", PlatformID: 6, Owner: w.userID(owner)}); err != nil {
		w.Fatal(err)
	}
	for _, hex := range devices {
		w.join(hex, id)
	}
}

func (w *world) join(hex string, product int) {
	w.Helper()
	d, err := w.registry.UpdateDevice(id(hex), func(d *cloud.Device, _ bool) error { d.Join(product); return nil })
	if err != nil {
		w.Fatal(err)
	}
	w.hub.DeviceChanged(d)
}

func TestProductIsMadeShownChangedRemoved(t *testing.T) {
	w := newWorld(t)
	a := w.do("POST /v1/user/products", as(w.alice), jsonText(`{"product":{"name":"My Heron","description":"d","platform_id":6,"settings":{}}}`))
	if a.status != 201 {
		t.Fatalf("%d %s", a.status, a.body)
	}
	p := a.object()["product"].(map[string]any)
	created := p["created_at"].(string)
	want := fmt.Sprintf(`{"id":1000,"platform_id":6,"name":"My Heron","slug":"my-heron-v1000","description":"d","user":"alice","org":null,
		"groups":[],"settings":{},"device_count":0,"created_at":%q}`, created)
	for _, name := range []string{"1000", "my-heron-v1000"} {
		w.do("GET /v1/products/"+name, as(w.alice)).is(200, `{"product":`+want+`}`)
	}
	for _, path := range []string{"/v1/products", "/v1/user/products"} {
		w.do("GET "+path, as(w.alice)).is(200, `{"products":[`+want+`]}`)
		w.do("GET "+path, as(w.root)).is(200, `{"products":[`+want+`]}`)
		w.do("GET "+path, as(w.bob)).is(200, `{"products":[]}`)
	}
	w.do("GET /v1/products/1000", as(w.bob)).fails(404, "Product not found", "Product not found")
	w.do("PUT /v1/products/1000", as(w.alice), form("name=Stork&platform_id=12")).has(200, `{}`)
	if p, _ := w.registry.Product(1000); p.Name != "Stork" || p.PlatformID != 12 || p.Description != "d" {
		t.Errorf("the product is %+v", p)
	}
	w.do("POST /v1/products", as(w.root), jsonText(`{"name":"Bob's","id":4711,"owner":"bob"}`)).has(201, `{}`)
	w.do("GET /v1/products/4711", as(w.bob)).has(200, `{}`)
	for _, bad := range []string{`{}`, `{"name":""}`, `{"name":"x","platform_id":99}`, `{"name":"x","id":70000}`, `{"product":{"name":{}}}`} {
		if a := w.do("POST /v1/products", as(w.alice), jsonText(bad)); a.status != 400 {
			t.Errorf("%s: %d %s", bad, a.status, a.body)
		}
	}
	w.do("POST /v1/products", as(w.alice), jsonText(`{"name":"x","id":4711}`)).has(409, `{}`)
	w.do("DELETE /v1/products/stork-v1000", as(w.alice)).is(200, `{"ok":true}`)
	w.do("GET /v1/products/1000", as(w.alice)).has(404, `{}`)
}

func TestProductDevicesAreAdded(t *testing.T) {
	w := newWorld(t)
	w.product(1200, "alice")
	w.product(1300, "alice")
	w.device(newID, "other", "alice")
	w.join(newID, 1300)
	list := strings.Join([]string{"id,serial", strings.ToUpper(lampID) + ",SN-1", strayID, `"` + fanID + `"`, newID, "nonsense", "", "e00fce680000000000000abc", lampID}, "\r\n")
	// particle-cli sends a file called "file" even for one device.
	file := parts(func(m *multipart.Writer) {
		f, _ := m.CreateFormFile("file", "file")
		f.Write([]byte(list))
	})
	w.do("POST /v1/products/1200/devices", as(w.alice), file).is(200, `{"updated":2,"updatedDeviceIds":["`+lampID+`","`+strayID+`"],
		"nonmemberDeviceIds":["`+fanID+`","`+newID+`"],"invalidDeviceIds":["nonsense","e00fce680000000000000abc"]}`)
	if d := w.record(lampID); d.Product != 1200 || d.SerialNumber != "SN-1" || w.record(fanID).Product != 0 {
		t.Errorf("the lamp is %+v", d)
	}
	w.do("POST /v1/products/1200/devices", as(w.alice), form("id="+lampID)).has(200, `{"updated":1}`) // it is in already
	w.do("POST /v1/products/1200/devices", as(w.root), jsonText(`{"ids":["`+fanID+`","e00fce680000000000000abc"]}`)).has(200, `{"updated":2}`)
	if d := w.record("e00fce680000000000000abc"); d.Product != 1200 || d.Owner != "" {
		t.Errorf("a device that is to come: %+v", d)
	}
	w.do("POST /v1/products/1200/devices", as(w.alice), form("")).has(400, `{}`)
	w.do("POST /v1/products/1200/devices", as(w.alice), parts(func(m *multipart.Writer) {
		f, _ := m.CreateFormFile("file", "f")
		f.Write(make([]byte, maxText+1))
	})).has(413, `{}`)
	w.do("GET /v1/serial_numbers/SN-1", as(w.alice)).has(200, `{"ok":true,"deviceID":"`+lampID+`"}`)
	w.do("GET /v1/serial_numbers/SN-1", as(w.bob)).has(404, `{}`)
}

func TestProductDevicesAreListedByPage(t *testing.T) {
	w := newWorld(t)
	w.product(1200, "alice", lampID, fanID, strayID)
	ids := func(query string) (ids []string, pages any) {
		t.Helper()
		a := w.do("GET /v1/products/1200/devices"+query, as(w.alice))
		o := a.object()
		devices, ok := o["devices"].([]any)
		if a.status != 200 || !ok {
			t.Fatalf("%s: %d %s", query, a.status, a.body)
		}
		for _, d := range devices {
			ids = append(ids, d.(map[string]any)["id"].(string))
		}
		return ids, o["meta"].(map[string]any)["total_pages"]
	}
	tests := []struct {
		query string
		want  []string
		pages float64
	}{
		{"", []string{lampID, strayID, fanID}, 1}, // the lamp connected last
		{"?page=1&per_page=2", []string{lampID, strayID}, 2},
		{"?page=2&perPage=2", []string{fanID}, 2},
		{"?page=9999999999", nil, 1},
		{"?deviceName=LAM", []string{lampID}, 1},
		{"?deviceId=FEDC", []string{fanID}, 1},
		{"?serialNumber=SN", nil, 1},
		{"?quarantined=true", nil, 1},
		{"?sortAttr=deviceName&sortDir=desc", []string{lampID, fanID, strayID}, 1},
	}
	for _, tt := range tests {
		if got, pages := ids(tt.query); !slices.Equal(got, tt.want) || pages != tt.pages {
			t.Errorf("%s: %v of %v pages, want %v of %v", tt.query, got, pages, tt.want, tt.pages)
		}
	}
	a := w.do("GET /v1/products/1200/devices?deviceName=fan", as(w.alice))
	if customers := a.object()["customers"].([]any); len(customers) != 1 || customers[0].(map[string]any)["username"] != "Bob" {
		t.Errorf("customers are %v", customers)
	}
	w.do("GET /v1/products/1200/devices?page=x", as(w.alice)).has(400, `{}`)
}

func TestProductDeviceIsManagedByTheProductsOwner(t *testing.T) {
	w := newWorld(t)
	w.product(1200, "Bob", lampID) // alice's lamp in bob's product
	const lamp = "/v1/products/1200/devices/lamp"
	w.do("GET "+lamp, as(w.bob)).has(200, `{"id":"`+lampID+`","owner":"alice","product_id":1200,"platform_id":6,"firmware_product_id":6,"groups":[],"development":false}`)
	w.do("POST "+lamp+"/led", as(w.bob), form("arg=x")).has(200, `{"return_value":42}`)
	w.do("GET "+lamp+"/temp", as(w.bob)).has(200, `{"result":21.5}`)
	w.do("PUT "+lamp+"/ping", as(w.bob)).has(200, `{"online":true}`)
	w.do("GET /v1/devices/"+lampID, as(w.bob)).has(403, `{}`)                 // it is not his
	w.do("GET /v1/products/1200/devices/fan", as(w.bob)).has(403, `{}`)       // his, but not in there
	w.do("GET /v1/products/1200/devices/lamp", as(w.alice)).has(404, `{}`)    // hers, but not her product
	w.do("GET /v1/devices/lamp", as(w.alice)).has(200, `{"product_id":1200}`) // and still hers

	a := w.do("PUT "+lamp, as(w.bob), jsonText(`{"development":true,"groups":["beta","a-b"],"desired_firmware_version":3,"notes":"n"}`))
	a.has(200, `{"id":"`+lampID+`","development":true,"groups":["beta","a-b"],"desired_firmware_version":3,"notes":"n"}`)
	if a.text("updated_at") == "" {
		t.Error(a.body)
	}
	w.do("GET "+lamp, as(w.bob)).has(200, `{"development":true,"groups":["beta","a-b"],"desired_firmware_version":3,"notes":"n"}`)
	w.do("GET /v1/products/1200/groups", as(w.bob)).
		is(200, `{"groups":[{"name":"a-b","description":"","device_count":1},{"name":"beta","description":"","device_count":1}]}`)
	for _, unlock := range []option{jsonText(`{"desired_firmware_version":null}`), form("desired_firmware_version=null")} {
		w.do("PUT "+lamp, as(w.bob), unlock).has(200, `{"desired_firmware_version":null}`)
	}
	for _, bad := range []string{`{"groups":["a b"]}`, `{"groups":[""]}`, `{"desired_firmware_version":70000}`, `{"development":"x"}`} {
		if a := w.do("PUT "+lamp, as(w.bob), jsonText(bad)); a.status != 400 {
			t.Errorf("%s: %d %s", bad, a.status, a.body)
		}
	}
	w.do("DELETE "+lamp+"/owner", as(w.bob)).is(200, `{"ok":true}`)
	if d := w.record(lampID); d.Owner != "" || d.Product != 1200 {
		t.Errorf("released: %+v", d)
	}
	w.do("DELETE "+lamp, as(w.bob)).is(200, `{"ok":true}`)
	w.do("GET "+lamp, as(w.bob)).has(403, `{}`)
}

func TestDeviceMovesToAProductOfItsOwner(t *testing.T) {
	w := newWorld(t)
	w.product(1200, "alice")
	w.product(1300, "Bob")
	w.do("PUT /v1/devices/lamp", as(w.alice), jsonText(`{"product_id":1200,"update_after_claim":false}`)).has(200, `{"product_id":1200}`)
	w.do("PUT /v1/devices/lamp", as(w.alice), form("product_id=1300")).has(404, `{}`)
	w.do("PUT /v1/devices/lamp", as(w.alice), form("product_id=6")).has(200, `{"product_id":6}`)
	if d := w.record(lampID); d.Product != 0 {
		t.Errorf("the lamp is %+v", d)
	}
	w.do("PUT /v1/devices/lamp", as(w.alice), form("serial_number=S1&firmware_updates_forced=true")).
		has(200, `{"serial_number":"S1","firmware_updates_forced":true}`)
	w.do("GET /v1/devices/lamp", as(w.alice)).has(200, `{"serial_number":"S1","firmware_updates_forced":true,"development":null}`)
}

func TestDeviceIsMadeForAProduct(t *testing.T) {
	w := newWorld(t)
	w.product(1200, "alice")
	a := w.do("POST /v1/devices", as(w.alice), jsonText(`{"product_id":1200}`)).has(200, `{"ok":true}`)
	if d := w.record(a.text("device_id")); d.Product != 1200 || d.Owner != w.userID("alice") || !d.Key.IsZero() {
		t.Errorf("the record is %+v", d)
	}
	w.do("POST /v1/devices", as(w.bob), jsonText(`{"product_id":1200}`)).fails(404, errNoProduct.code, errNoProduct.text)
	w.do("POST /v1/provisioning/"+newID, as(w.alice), pemForm(rsaKey(), "&product_id=1200")).has(200, `{"ok":true}`)
	if d := w.record(newID); d.Product != 1200 || d.Owner != "" {
		t.Errorf("the record is %+v", d)
	}
	w.do("POST /v1/provisioning/"+lampID, as(w.alice), jsonText(fmt.Sprintf(`{"publicKey":%q,"product_id":6}`, rsaKey().PEM()))).has(200, `{"ok":true}`)
	if d := w.record(lampID); d.Product != 0 { // 6 is a Photon, as particle-cli says it
		t.Errorf("the record is %+v", d)
	}

	code := w.do("POST /v1/products/1200/device_claims", as(w.alice)).text("claim_code")
	d, err := cloud.Redeem(w.registry, cloud.ClaimCode(code), id(strayID), w.hub.Clock().Now())
	if err != nil || d.Product != 1200 || d.Owner != w.userID("alice") {
		t.Errorf("claimed for a product: %+v, %v", d, err)
	}
}

func TestProductEvents(t *testing.T) {
	w := newWorld(t)
	w.product(1200, "Bob", lampID)
	all := w.listen()
	w.do("POST /v1/products/1200/events", as(w.bob), jsonText(`{"name":"x","data":"1"}`)).is(200, `{"ok":true}`)
	w.do("POST /v1/products/1200/events", as(w.alice), jsonText(`{"name":"x"}`)).has(404, `{}`)
	w.lamp.presence.Publish(t.Context(), cloud.Event{Name: "y", Private: true}, func(error) {})
	var got [][2]any
	for _, ev := range all.events {
		got = append(got, [2]any{ev.Name, ev.Product})
	}
	if want := [][2]any{{"x", 1200}, {"y", 1200}}; !reflect.DeepEqual(got, want) {
		t.Errorf("the events are %v, want %v", got, want)
	}
}

func (w *world) serial(hex, serial string) {
	w.Helper()
	_, err := w.registry.UpdateDevice(id(hex), func(d *cloud.Device, _ bool) error { d.SerialNumber = serial; return nil })
	if err != nil {
		w.Fatal(err)
	}
}

func TestTokenOfAProductUsesItsRoutes(t *testing.T) {
	w := newWorld(t)
	w.product(1200, "alice", lampID)
	w.product(1300, "alice", strayID)
	token := as(w.token("alice", "product:1200"))
	for request, status := range map[string]int{
		"GET /v1/products/1200":                               200,
		"GET /v1/products/1200/devices":                       200,
		"POST /v1/products/1200/devices/" + lampID + "/led":   200,
		"GET /v1/products/1200/events":                        200,
		"POST /v1/products/1200/events?name=x":                403, // only when the scope is given by name
		"PUT /v1/products/1200?name=x":                        403,
		"DELETE /v1/products/1200":                            403,
		"POST /v1/products?name=x":                            403,
		"GET /v1/products/1300":                               404,
		"GET /v1/products/1300/events":                        404,
		"GET /v1/products/1300/devices/" + strayID:            404,
		"PUT /v1/devices/" + lampID + "?product_id=1300":      404,
		"GET /v1/devices/" + lampID:                           200,
		"PUT /v1/products/1200/devices/" + lampID + "?name=x": 200,
	} {
		if a := w.do(request, token, cancelled); a.status != status {
			t.Errorf("%s: %d %s, want %d", request, a.status, a.body, status)
		}
	}
	if list := w.do("GET /v1/products", token).object()["products"].([]any); len(list) != 1 {
		t.Errorf("its products are %v", list)
	}
}
