package store

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"localcloud/cloud"
	"localcloud/keys"
)

var noon = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

func freshDevice(t *testing.T, w *world) {
	before := time.Now()
	d, err := w.Registry().UpdateDevice(id(1), func(d *cloud.Device, exists bool) error {
		if exists {
			t.Error("the device exists already")
		}
		if d.ID != id(1) || d.PlatformID != -1 || d.Created.Before(before.Add(-time.Second)) || d.Created.After(time.Now()) {
			t.Errorf("fresh device is %+v", *d)
		}
		d.Name = "heron"
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	got, ok := w.Registry().Device(id(1))
	if !ok || got.Name != "heron" {
		t.Errorf("Device = %+v, %v", got, ok)
	}
	wantSame(t, got, d)
	_, err = w.Registry().UpdateDevice(id(1), func(d *cloud.Device, exists bool) error {
		if !exists || d.Name != "heron" {
			t.Errorf("second update gets exists = %v, %+v", exists, *d)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
	_, err = w.Registry().UpdateDevice(keys.DeviceID{}, func(*cloud.Device, bool) error { return nil })
	wantKind(t, err, cloud.Invalid)
}

func deviceChangeRefused(t *testing.T, w *world) {
	want := w.update(1, func(d *cloud.Device) { d.Functions = []string{"led"}; d.Variables = map[string]string{"t": "int32"} })
	no := errors.New("no")
	for _, n := range []byte{1, 2} {
		_, err := w.Registry().UpdateDevice(id(n), func(d *cloud.Device, _ bool) error {
			d.Name = "changed"
			if len(d.Functions) > 0 {
				d.Functions[0], d.Variables["t"] = "changed", "changed"
			}
			return no
		})
		if !errors.Is(err, no) {
			t.Errorf("UpdateDevice: %v, want the error of change", err)
		}
	}
	for range 2 {
		wantSame(t, w.Registry().Devices(), []cloud.Device{want})
		w.open(Options{})
	}
}

func deviceKeepsID(t *testing.T, w *world) {
	d := w.update(1, func(d *cloud.Device) { d.ID = id(2) })
	if _, moved := w.Registry().Device(id(2)); moved || d.ID != id(1) {
		t.Errorf("the device moved to %v", d.ID)
	}
}

func devicesOrdered(t *testing.T, w *world) {
	for _, n := range []byte{7, 3, 200, 1, 90} {
		w.update(n, func(*cloud.Device) {})
	}
	for range 2 {
		var got []byte
		for _, d := range w.Registry().Devices() {
			got = append(got, d.ID[11])
		}
		wantSame(t, got, []byte{1, 3, 7, 90, 200})
		w.open(Options{})
	}
}

func registryCopies(t *testing.T, w *world) {
	functions, scopes := []string{"led"}, []cloud.Scope{cloud.ScopeEvents}
	given := w.update(1, func(d *cloud.Device) {
		d.Functions, d.Variables, d.Policy = functions, map[string]string{"t": "int32"}, &cloud.Policy{Rate: 2, Burst: 2, Action: cloud.Drop}
	})
	want := given.Clone()
	if err := w.Registry().PutTokens(cloud.Token{ID: "t", Scopes: scopes}); err != nil {
		t.Fatal(err)
	}
	got, _ := w.Registry().Device(id(1))
	all := w.Registry().Devices()
	token, _ := w.Registry().Token("t")
	functions[0], scopes[0] = "changed", "changed"
	token.Scopes[0] = "changed"
	w.Registry().Tokens("")[0].Scopes[0] = "changed"
	for _, d := range []cloud.Device{given, got, all[0]} {
		d.Functions[0], d.Variables["t"], d.Policy.Rate = "changed", "changed", 99
	}
	after, _ := w.Registry().Device(id(1))
	wantSame(t, after, want)
	tokenAfter, _ := w.Registry().Token("t")
	wantSame(t, tokenAfter.Scopes, []cloud.Scope{cloud.ScopeEvents})
}

func deviceRemoved(t *testing.T, w *world) {
	w.update(1, func(*cloud.Device) {})
	if err := w.Registry().RemoveDevice(id(1)); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if _, ok := w.Registry().Device(id(1)); ok || len(w.Registry().Devices()) > 0 {
			t.Error("the device is still there")
		}
		wantKind(t, w.Registry().RemoveDevice(id(1)), cloud.NotExist)
		w.open(Options{})
	}
}

func deviceRemovedAndMade(t *testing.T, w *world) {
	w.update(1, func(d *cloud.Device) { d.Name = "old" })
	if err := w.Registry().RemoveDevice(id(1)); err != nil {
		t.Fatal(err)
	}
	w.update(1, func(d *cloud.Device) {
		if d.Name != "" {
			t.Errorf("the new device has the name %q", d.Name)
		}
	})
	w.open(Options{})
	if len(w.Registry().Devices()) != 1 {
		t.Error("the new device is lost")
	}
}

// everyFieldSurvives fills by reflection, so that a field that is added to a type and
// does not survive fails here.
func everyFieldSurvives(t *testing.T, w *world) {
	var d cloud.Device
	var u cloud.User
	var token cloud.Token
	var settings cloud.Settings
	var hook cloud.Hook
	var product cloud.Product
	for _, v := range []any{&d, &u, &token, &settings, &hook, &product} {
		fillIn(t, reflect.ValueOf(v).Elem())
	}
	r := w.Registry()
	d = must(r.UpdateDevice(id(1), func(to *cloud.Device, _ bool) error { d.ID = to.ID; *to = d; return nil }))
	u = must(r.AddUser(u))
	if err := r.PutTokens(token); err != nil {
		t.Fatal(err)
	}
	settings = must(r.UpdateSettings(func(to *cloud.Settings) error { *to = settings; return nil }))
	hook.Owner = u.ID
	if err := r.AddHook(hook); err != nil {
		t.Fatal(err)
	}
	product = must(r.UpdateProduct(7, func(to *cloud.Product, _ bool) error { *to = product; return nil }))
	for _, v := range []any{d, u, settings, must2(r.Hook(hook.ID)), product} {
		wantFilled(t, reflect.ValueOf(v))
	}
	wantUnshared(t, hook, must2(r.Hook(hook.ID)))
	wantUnshared(t, must2(r.Hook(hook.ID)), r.Hooks()[0])
	wantUnshared(t, d, must2(r.Device(id(1))))
	wantUnshared(t, must2(r.Device(id(1))), r.Devices()[0])
	wantUnshared(t, token, must2(r.Token(token.ID)))
	wantUnshared(t, must2(r.Token(token.ID)), r.Tokens("")[0])
	wantUnshared(t, settings, r.Settings())
	wantUnshared(t, r.Settings(), r.Settings())
	_, err := r.UpdateSettings(func(s *cloud.Settings) error { wantUnshared(t, *s, r.Settings()); return nil })
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		r := w.Registry()
		wantSame(t, must2(r.Device(id(1))), d)
		wantSame(t, must2(r.User(u.ID)), u)
		wantSame(t, must2(r.Token(token.ID)), token)
		wantSame(t, r.Settings(), settings)
		wantSame(t, must2(r.Hook(hook.ID)), hook)
		wantSame(t, must2(r.Product(7)), product)
		w.open(Options{})
	}
}

func must2[T any](v T, ok bool) T {
	if !ok {
		panic("it is not there")
	}
	return v
}

// fillIn sets every field to something that is not its zero value.
func fillIn(t *testing.T, v reflect.Value) {
	t.Helper()
	switch v.Interface().(type) {
	case time.Time:
		v.Set(reflect.ValueOf(noon.Add(time.Nanosecond)))
		return
	case keys.PublicKey:
		v.Set(reflect.ValueOf(sampleKey(t)))
		return
	case cloud.Policy:
		v.Set(reflect.ValueOf(cloud.Policy{Rate: 2.5, Burst: 7, Action: cloud.Reject}))
		return
	case cloud.HookTarget:
		v.Set(reflect.ValueOf(must(cloud.ParseHookTarget("127.0.0.1:1880"))))
		return
	case json.RawMessage:
		v.SetBytes([]byte(`{"a":"{{{b}}}"}`))
		return
	case cloud.Scope:
		v.SetString(string(cloud.ScopeEvents))
		return
	}
	switch v.Kind() {
	case reflect.String:
		v.SetString("text \"<é\x01>")
	case reflect.Int, reflect.Int64:
		v.SetInt(7)
	case reflect.Uint8, reflect.Uint32, reflect.Uint64:
		v.SetUint(7)
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Array:
		fillIn(t, v.Index(0))
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
		fillIn(t, v.Index(0))
	case reflect.Map:
		key, value := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
		fillIn(t, key)
		fillIn(t, value)
		v.Set(reflect.MakeMap(v.Type()))
		v.SetMapIndex(key, value)
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fillIn(t, v.Elem())
	case reflect.Struct:
		for i := range v.NumField() {
			fillIn(t, v.Field(i))
		}
	default:
		t.Fatalf("no idea how to fill a %v", v.Type())
	}
}

func wantFilled(t *testing.T, v reflect.Value) {
	t.Helper()
	for i := range v.NumField() {
		if v.Field(i).IsZero() {
			t.Errorf("%v.%s is lost", v.Type(), v.Type().Field(i).Name)
		}
	}
}

// wantUnshared checks that two equal structs have no slice, map or pointer in common.
func wantUnshared[T any](t *testing.T, a, b T) {
	t.Helper()
	wantSame(t, a, b)
	va, vb := reflect.ValueOf(a), reflect.ValueOf(b)
	for i := range va.NumField() {
		switch va.Field(i).Kind() {
		case reflect.Slice, reflect.Map, reflect.Pointer:
			if va.Field(i).Pointer() == vb.Field(i).Pointer() {
				t.Errorf("%v.%s is shared", va.Type(), va.Type().Field(i).Name)
			}
		}
	}
}

func sampleKey(t *testing.T) keys.PublicKey {
	t.Helper()
	pair, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	k, err := keys.NewECDSAPublicKey(&pair.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func describedNothing(t *testing.T, w *world) {
	w.update(1, func(d *cloud.Device) { d.Functions, d.Variables = []string{}, map[string]string{} })
	w.update(2, func(*cloud.Device) {})
	for range 2 {
		d := must2(w.Registry().Device(id(1)))
		if d.Functions == nil || d.Variables == nil {
			t.Errorf("it described nothing, and has %#v and %#v", d.Functions, d.Variables)
		}
		if d := must2(w.Registry().Device(id(2))); d.Functions != nil || d.Variables != nil {
			t.Errorf("it did not describe, and has %#v and %#v", d.Functions, d.Variables)
		}
		w.open(Options{})
	}
}

func updatesAllCount(t *testing.T, w *world) {
	const callers, each = 32, 20
	var all sync.WaitGroup
	for range callers {
		all.Go(func() {
			for range each {
				w.update(1, func(d *cloud.Device) { d.ProductVersion++ })
				w.Registry().Devices()
			}
		})
	}
	all.Wait()
	for range 2 {
		if d := must2(w.Registry().Device(id(1))); d.ProductVersion != callers*each {
			t.Errorf("%d updates count, want %d", d.ProductVersion, callers*each)
		}
		w.open(Options{})
	}
}

func unreadableRefused(t *testing.T, w *world) {
	_, err := w.Registry().UpdateDevice(id(1), func(d *cloud.Device, _ bool) error {
		d.Policy = &cloud.Policy{Rate: 2, Burst: 0, Action: cloud.Warn} // ParsePolicy wants a burst
		return nil
	})
	wantKind(t, err, cloud.Invalid)
	if _, ok := w.Registry().Device(id(1)); ok {
		t.Error("the device was stored")
	}
}

func largeRecordRefused(t *testing.T, w *world) {
	for size, kind := range map[int]cloud.Kind{maxValue + 1: cloud.Invalid, maxValue / 2: cloud.Other} {
		_, err := w.Registry().UpdateDevice(id(1), func(d *cloud.Device, _ bool) error {
			d.Notes = strings.Repeat("n", size)
			return nil
		})
		if (err != nil) != (kind != cloud.Other) || cloud.KindOf(err) != kind {
			t.Errorf("notes of %d bytes: %v", size, err)
		}
	}
}

func settingsDefault(t *testing.T, w *world) {
	wantSame(t, w.Registry().Settings(), cloud.DefaultSettings())
	no := errors.New("no")
	_, err := w.Registry().UpdateSettings(func(s *cloud.Settings) error { s.TrustFirstUse = true; return no })
	if !errors.Is(err, no) || w.Registry().Settings().TrustFirstUse {
		t.Errorf("UpdateSettings: %v, settings are %+v", err, w.Registry().Settings())
	}
	for range 2 { // the second update begins with what the first one left
		got, err := w.Registry().UpdateSettings(func(s *cloud.Settings) error {
			s.DevicePolicy.Burst++
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		wantSame(t, w.Registry().Settings(), got)
		w.open(Options{})
	}
	want := cloud.DefaultSettings()
	want.DevicePolicy.Burst += 2
	wantSame(t, w.Registry().Settings(), want)
}

func closedRegistry(t *testing.T, w *world) {
	want := w.update(1, func(d *cloud.Device) { d.Name = "heron" })
	w.close()
	wantSame(t, must2(w.Registry().Device(id(1))), want)
	_, err := w.Registry().UpdateDevice(id(1), func(*cloud.Device, bool) error { return nil })
	wantClosed(t, err)
	_, err = w.Registry().AddUser(cloud.User{ID: "a", Name: "ada"})
	wantClosed(t, err)
	wantClosed(t, w.Registry().RemoveDevice(id(1)))
	wantClosed(t, w.Registry().PutTokens(cloud.Token{ID: "t"}))
}
