package keys

import (
	"strings"
	"testing"
)

func TestEverySymptomIsExplained(t *testing.T) {
	seen := map[string]bool{}
	for _, s := range Symptoms() {
		if s.LED == "" || s.Meaning == "" || s.Cause == "" || s.Next == "" || seen[s.LED] {
			t.Errorf("%+v", s)
		}
		seen[s.LED] = true
	}
	all := strings.ToLower(strings.Join(func() (texts []string) {
		for _, s := range Symptoms() {
			texts = append(texts, s.Meaning+s.Cause+s.Next)
		}
		return texts
	}(), " "))
	for _, want := range []string{"5 ghz", "client isolation", "firewall", "address in the board", "safe mode", "dfu", "listening", "set up", "normal without internet", "key of another server"} {
		if !strings.Contains(all, want) {
			t.Errorf("no symptom speaks of %q", want)
		}
	}
}

func TestEveryKnockNamesAPatternOfTheTable(t *testing.T) {
	patterns := map[string]bool{}
	for _, s := range Symptoms() {
		patterns[s.LED] = true
	}
	for _, transport := range []string{"tcp", "udp"} {
		for _, reason := range constants(t, "Reason") {
			for _, step := range constants(t, "Step") {
				led := Knock{Transport: transport, Reason: Reason(reason), Step: Step(step)}.LED()
				led, _, _ = strings.Cut(led, ", after")
				if !patterns[led] {
					t.Errorf("%s at %s over %s: %q", reason, step, transport, led)
				}
			}
		}
	}
	if led := (Knock{Transport: "tcp", Reason: ReasonWrongServerKey, Step: StepKeyExchange}).LED(); led != ledKeys {
		t.Errorf("a wrong server key shows %s", led)
	}
}
