package api

import (
	"fmt"
	"testing"

	"localcloud/cloud"
	"localcloud/keys"
)

func TestClaim(t *testing.T) {
	w := newWorld(t)
	want := fmt.Sprintf(`{"ok":true,"id":"%s","deviceID":"%s","user_id":"%s","connected":false,"claimed":true}`, strayID, strayID, w.userID("alice"))
	w.do("POST /v1/devices", as(w.alice), jsonText(`{"id":"`+strayID+`","request_transfer":false}`)).is(200, want)
	w.do("POST /v1/devices", as(w.alice), form("id="+strayID)).is(200, want) // once more
	w.do("GET /v1/devices/"+strayID, as(w.alice)).has(200, `{"owner":"alice"}`)
	w.do("POST /v1/devices", as(w.alice), form("id=0123456789ABCDEF01234567")).has(200, `{"id":"`+lampID+`","connected":true}`)
}

func TestClaimReachesTheLiveDevice(t *testing.T) {
	w := newWorld(t)
	stray := w.connect(strayID)
	all := w.listen()
	w.do("POST /v1/devices", as(w.alice), form("id="+strayID)).has(200, `{"connected":true}`)
	stray.presence.Publish(t.Context(), cloud.Event{Name: "x"}, func(error) {})
	if len(all.events) != 1 || all.events[0].Owner != w.userID("alice") {
		t.Errorf("its events belong to %v, want alice", all.events)
	}
}

func TestClaimIsRefused(t *testing.T) {
	w := newWorld(t)
	foreign := "That belongs to someone else. To request a transfer add ?request_transfer=true"
	w.do("POST /v1/devices", as(w.alice), form("id="+fanID)).fails(403, foreign, foreign)
	w.do("POST /v1/devices", as(w.root), form("id="+fanID)).fails(403, foreign, foreign)
	w.do("POST /v1/devices", as(w.alice), jsonText(`{"id":"`+fanID+`","request_transfer":true}`)).fails(501, errNoTransfer.code, errNoTransfer.text)
	w.do("POST /v1/devices?request_transfer=true", as(w.alice), form("id="+fanID)).fails(501, errNoTransfer.code, errNoTransfer.text)
	w.do("POST /v1/devices", as(w.alice), form("id="+newID)).fails(403, "Permission Denied", "Permission Denied")
	w.do("POST /v1/devices", as(w.token("alice", "device:"+lampID)), form("id="+strayID)).fails(403, "Permission Denied", "Permission Denied")
	w.do("POST /v1/devices", as(w.alice), form("product_id=1200")).fails(404, errNoProduct.code, errNoProduct.text)
	for _, b := range []string{"", "id=lamp", "id=0123", `{"id":{}}`} {
		if a := w.do("POST /v1/devices", as(w.alice), body("", b)); a.status != 400 {
			t.Errorf("%s: %d %s", b, a.status, a.body)
		}
	}
	if _, ok := w.registry.Device(id(newID)); ok {
		t.Error("an unknown device was registered")
	}
	if w.record(fanID).Owner != w.userID("Bob") || w.record(strayID).Owner != "" {
		t.Error("an owner changed")
	}
}

func TestClaimKeepsNamesApart(t *testing.T) {
	w := newWorld(t)
	w.device(strayID, "Lamp", "")
	w.do("POST /v1/devices", as(w.alice), form("id="+strayID)).has(200, `{"ok":true}`)
	w.do("GET /v1/devices/"+strayID, as(w.alice)).has(200, `{"name":null}`)
	w.do("GET /v1/devices/lamp", as(w.alice)).has(200, `{"id":"`+lampID+`"}`)
}

func pemForm(key keys.PublicKey, more string) option {
	pem := ""
	for _, b := range key.PEM() {
		pem += fmt.Sprintf("%%%02X", b)
	}
	return form("deviceID=" + newID + "&publicKey=" + pem + "&filename=cli&order=manual_1700000000000" + more)
}

func TestProvisioning(t *testing.T) {
	for what, key := range map[string]keys.PublicKey{"rsa": rsaKey(), "ecc": eccKey()} {
		w := newWorld(t)
		for _, o := range []option{
			pemForm(key, "&algorithm="+what+"&access_token="+string(w.alice)), // the older CLIs send the token so
			jsonText(fmt.Sprintf(`{"access_token":"%s","deviceID":"%s","publicKey":%q,"filename":"particle-api","order":"manual_1","algorithm":"%s"}`,
				string(w.alice), newID, key.PEM(), what)),
			pemForm(key, "&access_token="+string(w.alice)), // no algorithm
		} {
			w.do("POST /v1/provisioning/"+newID, o).is(200, `{"id":"`+newID+`","ok":true}`)
			if d := w.record(newID); !d.Key.Equal(key) || d.Owner != "" || d.PlatformID != -1 {
				t.Errorf("%s: the record is %+v", what, d)
			}
		}
		w.do("POST /v1/devices", as(w.alice), form("id="+newID)).has(200, `{"ok":true}`) // as clients go on
	}
}

func TestProvisioningIsRefused(t *testing.T) {
	w := newWorld(t)
	tests := []struct {
		what, id string
		body     option
		status   int
	}{
		{"junk", newID, form("publicKey=junk&algorithm=rsa"), 400},
		{"no key", newID, form("algorithm=rsa"), 400},
		{"a private key", newID, jsonText(`{"publicKey":"-----BEGIN EC PRIVATE KEY-----\nAAAA\n-----END EC PRIVATE KEY-----\n"}`), 400},
		{"an RSA key called ECC", newID, pemForm(rsaKey(), "&algorithm=ecc"), 400},
		{"an EC key called RSA", newID, pemForm(eccKey(), "&algorithm=rsa"), 400},
		{"another device in the body", lampID, pemForm(rsaKey(), ""), 400},
		{"no id", "lamp", form("publicKey=x"), 400},
		{"a product", newID, pemForm(rsaKey(), "&product_id=1200"), 404},
		{"somebody else's device", fanID, jsonText(fmt.Sprintf(`{"publicKey":%q}`, rsaKey().PEM())), 403},
	}
	for _, tt := range tests {
		if a := w.do("POST /v1/provisioning/"+tt.id, as(w.alice), tt.body); a.status != tt.status {
			t.Errorf("%s: %d %s, want %d", tt.what, a.status, a.body, tt.status)
		}
	}
	tied := w.do("POST /v1/provisioning/"+newID, as(w.token("alice", "device:"+lampID)), pemForm(rsaKey(), ""))
	tied.fails(403, "Permission Denied", "Permission Denied")
	if _, ok := w.registry.Device(id(newID)); ok || !w.record(fanID).Key.IsZero() || !w.record(lampID).Key.IsZero() {
		t.Error("a key was registered")
	}
}

func TestNewKeyEndsTheConnection(t *testing.T) {
	w := newWorld(t)
	provision := func(key keys.PublicKey, who cloud.Secret) {
		t.Helper()
		w.do("POST /v1/provisioning/"+lampID, as(who), jsonText(fmt.Sprintf(`{"publicKey":%q}`, key.PEM()))).has(200, `{"ok":true}`)
	}
	provision(rsaKey(), w.alice)
	if w.lamp.closed != errRekeyed {
		t.Errorf("closed with %v", w.lamp.closed)
	}
	w.lamp.closed = nil
	provision(rsaKey(), w.alice)
	if w.lamp.closed != nil {
		t.Errorf("the same key again closed it: %v", w.lamp.closed)
	}
	provision(eccKey(), w.root) // an admin may, and it stays whose it is
	if d := w.record(lampID); w.lamp.closed != errRekeyed || d.Owner != w.userID("alice") || !d.Key.Equal(eccKey()) {
		t.Errorf("closed with %v, record %+v", w.lamp.closed, d)
	}
}

func TestProvisioningEndsTheWaiting(t *testing.T) {
	w := newWorld(t)
	w.knocks.Record(keys.Knock{ID: id(newID), Key: eccKey(), Transport: "udp", Reason: keys.ReasonUnknownDevice})
	w.do("POST /v1/provisioning/"+newID, as(w.alice), pemForm(rsaKey(), "")).has(200, `{"ok":true}`)
	if list := w.knocks.List(); len(list) != 0 {
		t.Errorf("it is still listed as unknown: %v", list)
	}
}

func TestClaimCode(t *testing.T) {
	w := newWorld(t)
	for _, o := range []option{body("", ""), form("blank="), jsonText(`{"iccid":"1","imei":"2"}`)} {
		a := w.do("POST /v1/device_claims", as(w.alice), o).has(200, `{"device_ids":["`+lampID+`"]}`)
		if code := a.text("claim_code"); len(code) != 63 {
			t.Errorf("the code is %q", code)
		}
	}
	if a := w.do("POST /v1/device_claims", as(w.alice)); a.text("claim_code") == w.do("POST /v1/device_claims", as(w.alice)).text("claim_code") {
		t.Error("two codes are the same")
	}
	w.do("POST /v1/device_claims", as(w.root)).has(200, `{"device_ids":[]}`) // an admin sees all and owns none
	w.do("POST /v1/device_claims", as(w.token("alice", "device:"+lampID))).
		fails(403, "unauthorized", "This token may not do that: it is tied to devices, and a claim code is for any")
}

func TestClaimCodeWithProvisioning(t *testing.T) {
	w := newWorld(t)
	code := func() string { return w.do("POST /v1/device_claims", as(w.alice)).text("claim_code") }
	provision := func(id, code string) answer {
		return w.do("POST /v1/provisioning/"+id, as(w.root), jsonText(fmt.Sprintf(`{"publicKey":%q,"claim_code":%q}`, rsaKey().PEM(), code)))
	}
	good := code()
	provision(newID, good).is(200, `{"id":"`+newID+`","ok":true,"claimed":true}`)
	if d := w.record(newID); d.Owner != w.userID("alice") {
		t.Errorf("the record is %+v", d)
	}
	notGood := "claim_code is not good, or not any more; the key is registered"
	provision(newID, good).fails(400, notGood, notGood)
	provision(fanID, code()).fails(403, errForeign.code, errForeign.text)
	w.do("POST /v1/provisioning/"+newID, as(w.root), jsonText(`{"publicKey":"x","claim_code":{}}`)).fails(400, "claim_code has to be a text", "claim_code has to be a text")
}
