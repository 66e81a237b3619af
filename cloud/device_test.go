package cloud_test

import (
	"reflect"
	"testing"

	"localcloud/cloud"
)

func TestCloneSharesNothing(t *testing.T) {
	policy := cloud.PolicyParticle()
	d := cloud.Device{
		ID: lamp, Functions: []string{"led"}, Variables: map[string]string{"temp": "double"}, Policy: &policy,
	}
	c := d.Clone()
	if !reflect.DeepEqual(c, d) {
		t.Errorf("%+v is a copy of %+v", c, d)
	}
	c.Functions[0], c.Variables["temp"], c.Policy.Burst = "beep", "bool", 99
	if d.Functions[0] != "led" || d.Variables["temp"] != "double" || policy.Burst != 4 {
		t.Errorf("the original follows: %+v", d)
	}
	empty := cloud.Device{}.Clone()
	if empty.Functions != nil || empty.Variables != nil || empty.Policy != nil {
		t.Errorf("a device that was never described becomes %+v", empty)
	}
}

func TestHasFunction(t *testing.T) {
	d := cloud.Device{Functions: []string{"led", "beep"}}
	if !d.HasFunction("beep") || d.HasFunction("Led") || d.HasFunction("") {
		t.Errorf("functions of %v", d.Functions)
	}
}

func TestPlatformNames(t *testing.T) {
	for id, want := range map[int]string{0: "core", 6: "photon", 32: "p2", 35: "msom", 7: "", -1: ""} {
		if got := cloud.PlatformName(id); got != want {
			t.Errorf("platform %d is %q, want %q", id, got, want)
		}
	}
}
