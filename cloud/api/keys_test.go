package api

import (
	"encoding/json"
	"testing"
	"time"

	"localcloud/cloud"
	"localcloud/keys"
)

// noRotation is a keyring without keys: making one takes long, and few tests need it.
type noRotation struct{}

func (noRotation) ServerKeys(keys.Transport) (key, old keys.ServerKey, former []keys.ServerKey) {
	return
}
func (noRotation) Rotate(keys.Transport) error { return keys.ErrRotating }
func (noRotation) Finish(keys.Transport) error { return keys.ErrNotRotating }
func (noRotation) Undo(keys.Transport) error   { return keys.ErrNotRotating }

func openKeyring(t *testing.T) *keys.Keyring {
	t.Helper()
	r, _, err := keys.OpenKeyring(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// decoded is the answer to a request that went well.
func decoded[T any](t *testing.T, a answer) (v T) {
	t.Helper()
	if err := json.Unmarshal([]byte(a.body), &v); err != nil || a.status != 200 {
		t.Fatalf("%d %s, %v", a.status, a.body, err)
	}
	return v
}

// TestWhoHoldsWhichKey goes through a rotation with devices of all kinds.
func TestWhoHoldsWhichKey(t *testing.T) {
	ring := openKeyring(t)
	w := newWorld(t, func(c *Config) { c.Keyring = ring })
	first, _, _ := ring.ServerKeys(keys.TCP)
	came := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	hold := func(device keys.DeviceID, key keys.Fingerprint, at time.Time) {
		if _, err := w.registry.UpdateDevice(device, func(d *cloud.Device, _ bool) error {
			d.Key, d.ServerKey, d.LastHandshake = rsaKey(), key, at
			return nil
		}); err != nil {
			t.Fatal(err)
		}
	}
	hold(id(lampID), first.Fingerprint(), came) // it came with the first key
	hold(id(fanID), "", came)                   // it came before that was noted
	hold(id(strayID), "", time.Time{})          // it never came

	check := func(when string, present, old, unknown int) {
		t.Helper()
		if o := decoded[[]keyObject](t, w.do("GET /v1/localcloud/keys", as(w.root)))[0]; o.HoldPresent != present || o.HoldOld != old || o.HoldUnknown != unknown || o.Transport != keys.TCP {
			t.Errorf("%s: %+v", when, o)
		}
	}
	check("before", 2, 0, 1)
	decoded[[]keyObject](t, w.do("POST /v1/localcloud/keys/rotate", as(w.root), form("step=begin&transport=tcp")))
	check("begun", 0, 2, 1)
	if a := w.do("POST /v1/localcloud/keys/rotate", as(w.root), form("step=begin&transport=tcp")); a.status != 409 {
		t.Errorf("begun twice: %d %s", a.status, a.body)
	}

	second, _, _ := ring.ServerKeys(keys.TCP)
	hold(id(lampID), second.Fingerprint(), came.Add(time.Hour)) // it was re-keyed and came
	if err := w.server.Boards.SetGiven(keys.Given{
		ID: id(strayID), Transport: keys.TCP, ServerKey: second.Fingerprint(), At: came.Add(time.Hour),
	}); err != nil {
		t.Fatal(err)
	}
	check("two were given the new one", 2, 1, 0)
	if a := w.do("POST /v1/localcloud/keys/rotate", as(w.root), form("step=finish")); a.status != 409 {
		t.Errorf("finished while one holds the old key: %d %s", a.status, a.body)
	}
	if d := w.do("GET /v1/localcloud/devices/"+fanID, as(w.root)).object(); d["server_key"] != "old" {
		t.Errorf("the fan holds %q", d["server_key"])
	}
	decoded[[]keyObject](t, w.do("POST /v1/localcloud/keys/rotate", as(w.root), form("step=finish&force=true")))
	hold(id(fanID), first.Fingerprint(), came)
	check("finished", 2, 1, 0)
	if d := w.do("GET /v1/localcloud/devices/"+fanID, as(w.root)).object(); d["server_key"] != "former" {
		t.Errorf("the fan holds %q", d["server_key"])
	}
}
