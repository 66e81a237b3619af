package store

import (
	"reflect"
	"testing"
	"time"

	"localcloud/cloud"
	"localcloud/keys"
)

// fill gives every field of a struct a value that is not zero.
func fill(t *testing.T, v reflect.Value) {
	t.Helper()
	for i := range v.NumField() {
		switch f := v.Field(i); f.Interface().(type) {
		case string:
			f.SetString("text <&> \u2028 ä")
		case cloud.UserID:
			f.SetString("0123456789abcdef")
		case keys.Fingerprint:
			f.SetString("SHA256:abc")
		case bool:
			f.SetBool(true)
		case int:
			f.SetInt(int64(i + 1))
		case time.Time:
			f.Set(reflect.ValueOf(time.Now().UTC()))
		case []string:
			f.Set(reflect.ValueOf([]string{"b", "a"}))
		case []cloud.Module:
			f.Set(reflect.ValueOf([]cloud.Module{{Function: "user", Index: 1, Version: 6, Place: "factory", Damaged: true}}))
		case map[string]string:
			f.Set(reflect.ValueOf(map[string]string{"temp": "double"}))
		case *int:
			n := i
			f.Set(reflect.ValueOf(&n))
		case keys.DeviceID:
			f.Set(reflect.ValueOf(keys.DeviceID{1, 2, 3}))
		case keys.PublicKey:
			private, err := keys.GenerateDeviceRSA()
			if err != nil {
				t.Fatal(err)
			}
			key, err := keys.NewRSAPublicKey(&private.PublicKey)
			if err != nil {
				t.Fatal(err)
			}
			f.Set(reflect.ValueOf(key))
		case *cloud.Policy:
		default:
			t.Fatalf("no value for %s", v.Type().Field(i).Name)
		}
	}
}

func TestCopyOfADeviceIsWhatARestartMakesOfIt(t *testing.T) {
	var full cloud.Device
	fill(t, reflect.ValueOf(&full).Elem())
	for name, test := range map[string]struct {
		change func(d *cloud.Device)
		known  bool
	}{
		"all that can be set": {func(*cloud.Device) {}, true},
		"nothing":             {func(d *cloud.Device) { *d = cloud.Device{} }, true},
		"described, has none": {func(d *cloud.Device) { d.Functions, d.Variables = []string{}, map[string]string{} }, true},
		"never described":     {func(d *cloud.Device) { d.Functions, d.Variables = nil, nil }, true},
		"no groups":           {func(d *cloud.Device) { d.Groups = []string{} }, true},
		"no modules":          {func(d *cloud.Device) { d.Modules = []cloud.Module{} }, true},
		"policy":              {func(d *cloud.Device) { d.Policy = &cloud.Policy{Rate: 1, Burst: 4, Action: cloud.Drop} }, false},
		"name is no UTF-8":    {func(d *cloud.Device) { d.Name = "a\xff\xfe" }, false},
		"function, too":       {func(d *cloud.Device) { d.Functions = []string{"\xff"} }, false},
		"variable, too":       {func(d *cloud.Device) { d.Variables = map[string]string{"\xff": "int32"} }, false},
		"module, too":         {func(d *cloud.Device) { d.Modules = []cloud.Module{{Function: "\xff"}} }, false},
		"local time":          {func(d *cloud.Device) { d.LastHeard = d.LastHeard.In(time.FixedZone("", 3600)) }, false},
	} {
		t.Run(name, func(t *testing.T) {
			d := full.Clone()
			test.change(&d)
			back, known := copyDevice(d)
			if known != test.known {
				t.Fatalf("known: %v", known)
			}
			if !known {
				return
			}
			text, err := encodeDevice(d)
			if err != nil {
				t.Fatal(err)
			}
			want, err := decodeDevice(text)
			if err != nil || !reflect.DeepEqual(back, want) {
				t.Errorf("copied\n%+v, read\n%+v, %v", back, want, err)
			}
			for _, f := range d.Functions {
				d.Functions[0] = f + "changed"
			}
			if d.Variables != nil {
				d.Variables["new"] = "int32"
			}
			if !reflect.DeepEqual(back, want) {
				t.Error("the copy shares something with its origin")
			}
		})
	}
}
