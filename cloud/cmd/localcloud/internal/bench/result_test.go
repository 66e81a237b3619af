package bench

import (
	"bytes"
	"encoding/json"
	"math"
	"strings"
	"testing"
	"time"
)

func sample() Result {
	r := &run{name: "events", result: Result{
		Date: time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC), Version: "1.2.3", Method: []string{"By counting."},
		Machine: Machine{OS: "linux", Arch: "arm64", CPU: "Cortex-A72", Cores: 4, Go: "go1.26"},
	}}
	r.add("publish to event stream, p99", 7.5, "ms", aim("<=", 5))
	r.add("publish to event stream, p50", 0.25, "ms", aim("<=", 1))
	r.add("lost", 0, "events", aim("<=", 0))
	r.name = "fanout"
	r.add("deliveries", 48_000, "/s", ceilingOf(">=", 96_000, "plain writes"))
	r.add("per nothing", math.NaN(), "µs", nil)
	r.lack("server CPU per event", "µs", "there is no /proc")
	r.note("the disk is slow")
	r.note("the disk is slow")
	return r.result
}

func TestTableShowsEveryFigureWithItsReference(t *testing.T) {
	res := sample()
	res.Failed, res.Interrupted = []string{"storm: no"}, true
	var b bytes.Buffer
	if err := res.WriteTable(&b); err != nil {
		t.Fatal(err)
	}
	want := `localcloud 1.2.3 on linux/arm64, 4 cores of Cortex-A72, go1.26, 2026-11-21 12:00 UTC

SCENARIO  FIGURE                        VALUE  UNIT    CEILING OR AIM                   RATIO
events    publish to event stream, p99  7.50   ms      aim <= 5                         1.50   missed
          publish to event stream, p50  0.250  ms      aim <= 1                         0.25
          lost                          0      events  aim <= 0
fanout    deliveries                    48000  /s      plain writes 96000               0.50
          per nothing                   -      µs      not measured: nothing happened
          server CPU per event          -      µs      not measured: there is no /proc

Note: the disk is slow.
Failed: storm: no
Interrupted: what is above was measured before, the last scenario for a shorter time.

By counting.
`
	var got strings.Builder
	for line := range strings.Lines(b.String()) {
		got.WriteString(strings.TrimRight(line, " \n") + "\n")
	}
	if got.String() != want {
		t.Errorf("table:\n%s\nwant:\n%s", got.String(), want)
	}
}

func TestJSONSaysWhatWasNotMeasured(t *testing.T) {
	res := sample()
	b, err := json.Marshal(res)
	if err != nil {
		t.Fatal(err)
	}
	var got struct {
		Machine struct{ OS, Arch, CPU string }
		Figures []struct {
			Scenario, Figure, Unit string
			Value, Ratio           *float64
			NotMeasured            string `json:"not_measured"`
			Against                *struct {
				Kind, Bound, What string
				Value             float64
			}
		}
	}
	if err := json.Unmarshal(b, &got); err != nil {
		t.Fatal(err)
	}
	if got.Machine.Arch != "arm64" || got.Machine.CPU != "Cortex-A72" || len(got.Figures) != 6 {
		t.Fatalf("%s", b)
	}
	first, fanout, last := got.Figures[0], got.Figures[3], got.Figures[5]
	if first.Scenario != "events" || *first.Value != 7.5 || *first.Ratio != 1.5 || first.Against.Kind != "aim" || first.Against.Bound != "<=" {
		t.Errorf("first figure = %+v", first)
	}
	if *fanout.Ratio != 0.5 || fanout.Against.Kind != "ceiling" || fanout.Against.What != "plain writes" {
		t.Errorf("figure with a ceiling = %+v", fanout)
	}
	if last.Value != nil || last.NotMeasured != "there is no /proc" {
		t.Errorf("figure that was not measured = %+v", last)
	}
	if len(res.Notes) != 1 {
		t.Errorf("notes = %q, want one of a kind", res.Notes)
	}
}

func TestFigureIsMetOnTheGoodSide(t *testing.T) {
	at := func(v float64) *float64 { return &v }
	for _, tt := range []struct {
		figure Figure
		want   bool
	}{
		{Figure{Value: at(5), Against: aim("<=", 5)}, true},
		{Figure{Value: at(5.1), Against: aim("<=", 5)}, false},
		{Figure{Value: at(0.9), Against: aim(">=", 0.9)}, true},
		{Figure{Value: at(0.89), Against: aim(">=", 0.9)}, false},
		{Figure{Against: aim("<=", 5)}, false},
		{Figure{Value: at(5)}, false},
	} {
		if got := tt.figure.Met(); got != tt.want {
			t.Errorf("Met of %+v = %v", tt.figure, got)
		}
	}
}

func TestProcessorIsFoundOnEachArchitecture(t *testing.T) {
	for text, want := range map[string]string{
		"processor\t: 0\nmodel\t\t: 85\nmodel name\t: Intel(R) Xeon(R) Processor\n": "Intel(R) Xeon(R) Processor",
		"processor\t: 0\nHardware\t: BCM2835\nModel\t\t: Raspberry Pi 4 Model B\n":  "Raspberry Pi 4 Model B",
		"processor\t: 0\n": "",
	} {
		if got := modelIn(text); got != want {
			t.Errorf("model = %q, want %q", got, want)
		}
	}
}
