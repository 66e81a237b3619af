package api

import (
	"encoding/json"
	"mime/multipart"
	"reflect"
	"strings"
	"testing"

	"localcloud/cloud"
)

func TestDeviceObjectIsTheUnionThatAllClientsTake(t *testing.T) {
	w := newWorld(t)
	w.do("GET /v1/devices/lamp", as(w.alice)).is(200, `{
		"id":"0123456789abcdef01234567","name":"lamp","owner":"alice","last_app":null,"last_ip_address":"10.0.0.7",
		"last_heard":"2026-11-21T01:00:00.000Z","last_handshake_at":"2026-11-21T00:00:00.000Z","product_id":6,"platform_id":6,
		"connected":true,"online":true,"cellular":false,"notes":null,"status":"normal","serial_number":"","iccid":"","last_iccid":"","imei":"",
		"current_build_target":"2.3.1","system_firmware_version":"2.3.1","default_build_target":"2.3.1","pinned_build_target":null,
		"firmware_updates_enabled":true,"firmware_updates_forced":false,"mobile_secret":"","functions":["led"],"variables":{"temp":"double"}}`)

	// One that was never heard of, and one in trouble.
	w.do("GET /v1/devices/fan", as(w.bob)).has(200, `{"connected":false,"online":false,"last_heard":null,"last_handshake_at":null,
		"product_id":null,"platform_id":null,"last_ip_address":null,"system_firmware_version":null,"functions":[],"variables":{}}`)
	w.registry.UpdateDevice(id(fanID), func(d *cloud.Device, _ bool) error {
		d.SafeMode, d.PlatformID, d.ProductID, d.ICCID, d.IMEI, d.Notes, d.LastAddress = true, 13, 4711, "8934", "3567", "in the attic", "[fe80::1]:5684"
		return nil
	})
	w.do("GET /v1/devices/fan", as(w.bob)).has(200, `{"status":"safe_mode","cellular":true,"platform_id":13,"product_id":13,
		"iccid":"8934","last_iccid":"8934","imei":"3567","notes":"in the attic","last_ip_address":"fe80::1"}`)
}

func TestListDevices(t *testing.T) {
	w := newWorld(t)
	w.device("00000000000000000000000b", "second", "alice")
	w.device("00000000000000000000000a", "first", "alice")
	names := func(token cloud.Secret) (names []any) {
		for _, d := range w.do("GET /v1/devices", as(token)).list() {
			names = append(names, d["name"])
		}
		return names
	}
	if got := names(w.alice); !reflect.DeepEqual(got, []any{"lamp", "first", "second"}) {
		t.Errorf("alice sees %v, want hers, the last handshake first", got)
	}
	if got := names(w.root); len(got) != 5 {
		t.Errorf("an admin sees %v, want all", got)
	}
	if got := names(w.token("alice", "device:"+lampID)); !reflect.DeepEqual(got, []any{"lamp"}) {
		t.Errorf("a token for one device sees %v", got)
	}
	w.do("GET /v1/devices", as(w.user("carol"))).is(200, `[]`)
	one, listed := w.do("GET /v1/devices/lamp", as(w.alice)).object(), w.do("GET /v1/devices", as(w.alice)).list()[0]
	if !reflect.DeepEqual(one, listed) {
		t.Errorf("listed as %v, alone %v", listed, one)
	}
}

func TestDeviceIsFoundByIDAndName(t *testing.T) {
	w := newWorld(t)
	w.device("000000000000000000000001", "Kitchen Light/2", "alice")
	w.device("000000000000000000000002", "kitchen light/2", "Bob")
	w.device("000000000000000000000003", "LAMP", "Bob")
	w.device("000000000000000000000004", "grün", "alice")
	tests := []struct {
		name string
		who  cloud.Secret
		want string
	}{
		{lampID, w.alice, lampID},
		{strings.ToUpper(lampID), w.alice, lampID},
		{"lamp", w.alice, lampID},
		{"LaMp", w.alice, lampID},
		{"LAMP", w.bob, "000000000000000000000003"},
		{"lamp", w.bob, "000000000000000000000003"},
		{"Kitchen%20Light%2F2", w.alice, "000000000000000000000001"},
		{"KITCHEN%20light%2f2", w.alice, "000000000000000000000001"},
		{"gr%C3%BCn", w.alice, "000000000000000000000004"},
		{"GR%C3%9CN", w.alice, "000000000000000000000004"},
		{"lamp", w.root, lampID},
		{"LAMP", w.root, "000000000000000000000003"},
		{"stray", w.root, ""},
		{fanID, w.alice, ""},
		{"fan", w.alice, ""},
		{strayID, w.alice, ""},
		{"nonsense", w.alice, ""},
	}
	for _, tt := range tests {
		a := w.do("GET /v1/devices/"+tt.name, as(tt.who))
		if tt.want != "" {
			a.has(200, `{"id":"`+tt.want+`"}`)
			continue
		}
		a.fails(403, "Permission Denied", "Permission Denied").has(403,
			`{"info":"I didn't recognize that device name or ID, try opening http://example.com/v1/devices?access_token=undefined"}`)
	}
	w.device("ffffffffffffffffffffff05", "lamp", "root")
	w.do("GET /v1/devices/lamp", as(w.root)).has(200, `{"id":"ffffffffffffffffffffff05"}`) // one's own comes first
}

func TestRename(t *testing.T) {
	w := newWorld(t)
	for _, o := range []option{jsonText(`{"name":"desk"}`), form("name=desk"), fields("name", "desk")} {
		a := w.do("PUT /v1/devices/lamp", as(w.alice), o).has(200, `{"id":"`+lampID+`","name":"desk"}`)
		if len(a.text("updated_at")) != len("2026-11-21T01:00:00.000Z") {
			t.Errorf("updated_at is %q", a.text("updated_at"))
		}
		if w.record(lampID).Name != "desk" || w.lamp.name != "desk" {
			t.Errorf("the registry says %q, the device was told %q", w.record(lampID).Name, w.lamp.name)
		}
		w.do("PUT /v1/devices/desk", as(w.alice), form("name=lamp")).has(200, `{"name":"lamp"}`)
	}
	w.device("000000000000000000000001", "taken", "alice")
	refused := map[string]int{
		"Taken": 409, "": 400, strings.Repeat("x", 65): 400, "a\nb": 400, fanID: 400, "events": 400, "\xff": 400,
	}
	for name, status := range refused {
		b, _ := json.Marshal(name)
		if a := w.do("PUT /v1/devices/lamp", as(w.alice), jsonText(`{"name":`+string(b)+`}`)); a.status != status {
			t.Errorf("name %q: %d %s, want %d", name, a.status, a.body, status)
		}
	}
	w.do("PUT /v1/devices/lamp", as(w.alice), form("name=fan")).has(200, `{"name":"fan"}`) // Bob's has it, which is nobody's business
	w.do("PUT /v1/devices/fan", as(w.alice), form("name=FAN")).has(200, `{"name":"FAN"}`)
}

func TestNotes(t *testing.T) {
	w := newWorld(t)
	w.do("PUT /v1/devices/lamp", as(w.alice), form("notes=in+the+attic")).has(200, `{"id":"`+lampID+`","notes":"in the attic","name":null}`)
	w.do("GET /v1/devices/lamp", as(w.alice)).has(200, `{"notes":"in the attic","name":"lamp"}`)
	w.do("PUT /v1/devices/lamp", as(w.alice), jsonText(`{"notes":"","name":"desk"}`)).has(200, `{"notes":"","name":"desk"}`)
	w.do("GET /v1/devices/desk", as(w.alice)).has(200, `{"notes":null,"name":"desk"}`)
}

func TestSignal(t *testing.T) {
	w := newWorld(t)
	for _, o := range []option{jsonText(`{"signal":"1"}`), form("signal=1"), jsonText(`{"signal":true}`), jsonText(`{"signal":1}`)} {
		w.do("PUT /v1/devices/lamp", as(w.alice), o).is(200, `{"id":"`+lampID+`","connected":true,"signaling":true}`)
	}
	w.do("PUT /v1/devices/lamp", as(w.alice), form("signal=0")).is(200, `{"id":"`+lampID+`","connected":true,"signaling":false}`)
	if !reflect.DeepEqual(w.lamp.signals, []bool{true, true, true, true, false}) {
		t.Errorf("the device got %v", w.lamp.signals)
	}
	w.do("PUT /v1/devices/fan", as(w.bob), form("signal=1")).fails(408, "Timed out.", "Timed out.")
	w.do("PUT /v1/devices/lamp", as(w.alice), form("signal=rainbow")).fails(400, "signal has to be true or false", "signal has to be true or false")
}

// particle-api-js 7 sends signal=0 with every change.
func TestASignalComesWithOtherAttributes(t *testing.T) {
	w := newWorld(t)
	w.do("PUT /v1/devices/lamp", as(w.alice), form("name=desk&signal=0")).has(200, `{"name":"desk","connected":true,"signaling":false}`)
	w.do("PUT /v1/devices/desk", as(w.alice), form("notes=attic&signal=1")).has(200, `{"notes":"attic","connected":true,"signaling":true}`)
	if !reflect.DeepEqual(w.lamp.signals, []bool{false, true}) {
		t.Errorf("the device got %v", w.lamp.signals)
	}
	w.do("PUT /v1/devices/fan", as(w.bob), form("name=propeller&signal=0")).has(200, `{"name":"propeller","signaling":null}`)
	w.do("PUT /v1/devices/propeller", as(w.bob), form("name=fan&signal=1")).fails(408, "Timed out.", "Timed out.")
	if got := w.record(lampID); got.Name != "desk" || got.Notes != "attic" {
		t.Errorf("the registry has %+v", got)
	}
	w.do("PUT /v1/devices/desk", as(w.alice), form("name=other&signal=rainbow")).fails(400, "signal has to be true or false", "signal has to be true or false")
	if got := w.record(lampID).Name; got != "desk" {
		t.Errorf("a refused request renamed the device %q", got)
	}
}

func TestWhatAnUpdateCannotDo(t *testing.T) {
	w := newWorld(t)
	upload := parts(func(m *multipart.Writer) {
		m.WriteField("latest", "true")
		f, _ := m.CreateFormFile("file", "app.bin")
		f.Write(make([]byte, 300<<10))
	})
	tests := []struct {
		body   option
		status int
	}{
		{upload, 501}, {form("app=tinker"), 501}, {jsonText(`{"app_id":"x"}`), 501}, {jsonText(`{"flash":true}`), 501},
		{form("product_id=12"), 404}, {form("firmware_updates_forced=x"), 400}, {jsonText(`{"development":true}`), 400},
		{form("desired_firmware_version=null"), 400}, {form(""), 400}, {form("colour=red"), 400}, {jsonText(`{"name":{}}`), 400},
	}
	before := w.record(lampID)
	for i, tt := range tests {
		if a := w.do("PUT /v1/devices/lamp", as(w.alice), tt.body); a.status != tt.status {
			t.Errorf("row %d: %d %s, want %d", i, a.status, a.body, tt.status)
		}
	}
	if !reflect.DeepEqual(w.record(lampID), before) {
		t.Errorf("the record changed: %+v", w.record(lampID))
	}
}

func TestPing(t *testing.T) {
	w := newWorld(t)
	w.do("PUT /v1/devices/lamp/ping", as(w.alice)).is(200, `{"online":true,"ok":true}`)
	w.do("PUT /v1/devices/lamp/ping", as(w.alice), form("blank=")).is(200, `{"online":true,"ok":true}`)
	w.do("PUT /v1/devices/fan/ping", as(w.bob)).is(200, `{"online":false,"ok":true}`)
	w.lamp.refuses = cloud.E("ping", cloud.Timeout, nil)
	w.do("PUT /v1/devices/lamp/ping", as(w.alice)).is(200, `{"online":false,"ok":true}`)
}

func TestRelease(t *testing.T) {
	w := newWorld(t)
	w.do("DELETE /v1/devices/lamp", as(w.alice)).is(200, `{"ok":true}`)
	if d := w.record(lampID); d.Owner != "" || d.Name != "lamp" {
		t.Errorf("owner %q, name %q; want nobody's, and the record kept", d.Owner, d.Name)
	}
	if w.lamp.closed != nil {
		t.Errorf("the device was disconnected: %v", w.lamp.closed)
	}
	w.do("GET /v1/devices/"+lampID, as(w.alice)).fails(403, "Permission Denied", "Permission Denied")
	w.do("DELETE /v1/devices/"+lampID, as(w.alice)).fails(403, "Permission Denied", "Permission Denied")
}

func TestServerKey(t *testing.T) {
	w := newWorld(t)
	w.do("GET /v1/server/key").is(200, "TCP PEM")
	w.do("GET /v1/server/key?udp=1").is(200, "UDP PEM")
	if a := w.do("GET /v1/server/key?udp=maybe"); a.status != 400 {
		t.Errorf("%d %s", a.status, a.body)
	}
	w.server.ServerKeys = func() (tcp, udp []byte) { return nil, nil }
	w.do("GET /v1/server/key").fails(500, errInternal.code, errInternal.text)
}
