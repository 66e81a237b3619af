package bench

import (
	"fmt"
	"io"
	"math"
	"strings"
	"text/tabwriter"
	"time"
)

// Result is everything that was measured, and where.
type Result struct {
	Date    time.Time `json:"date"`
	Version string    `json:"version,omitempty"` // of the program; filled in by the caller
	Machine Machine   `json:"machine"`
	Method  []string  `json:"method"`
	Seconds float64   `json:"seconds"` // that all took

	Figures []Figure `json:"figures"`

	Notes       []string `json:"notes,omitempty"`
	Failed      []string `json:"failed,omitempty"` // scenarios, with the reason
	Interrupted bool     `json:"interrupted,omitempty"`
}

// Figure is one thing that was measured.
type Figure struct {
	Scenario string     `json:"scenario"`
	Name     string     `json:"figure"`
	Value    *float64   `json:"value"` // null: not measured
	Unit     string     `json:"unit"`
	Against  *Reference `json:"against,omitempty"`
	Ratio    *float64   `json:"ratio,omitempty"` // of Value to that of Against
	Why      string     `json:"not_measured,omitempty"`
}

// Reference is what a figure is compared with.
type Reference struct {
	Kind  string  `json:"kind"`           // "ceiling": what the machine does; "aim": what the project wants
	Bound string  `json:"bound"`          // "<=" or ">=": which side of Value is good
	Value float64 `json:"value"`          // in the unit of the figure
	What  string  `json:"what,omitempty"` // of a ceiling: what was measured
}

// ceilingOf is a reference that this machine reached in the same run.
func ceilingOf(bound string, value float64, what string) *Reference {
	return &Reference{Kind: "ceiling", Bound: bound, Value: value, What: what}
}

func aim(bound string, value float64) *Reference {
	return &Reference{Kind: "aim", Bound: bound, Value: value}
}

// Met reports whether the figure is on the good side of its reference.
func (f *Figure) Met() bool {
	if f.Value == nil || f.Against == nil {
		return false
	}
	if f.Against.Bound == ">=" {
		return *f.Value >= f.Against.Value
	}
	return *f.Value <= f.Against.Value
}

// add records a figure of the scenario that runs. against may be nil.
func (r *run) add(name string, value float64, unit string, against *Reference) {
	f := Figure{Scenario: r.name, Name: name, Unit: unit, Against: against}
	if math.IsNaN(value) || math.IsInf(value, 0) {
		f.Why = "nothing happened"
	} else {
		f.Value = &value
	}
	if f.Value != nil && against != nil && against.Value != 0 {
		ratio := value / against.Value
		f.Ratio = &ratio
	}
	r.result.Figures = append(r.result.Figures, f)
}

// lack records that a figure could not be measured.
func (r *run) lack(name, unit, why string) {
	r.result.Figures = append(r.result.Figures, Figure{Scenario: r.name, Name: name, Unit: unit, Why: why})
}

// WriteTable writes the result for people.
func (res *Result) WriteTable(w io.Writer) error {
	fmt.Fprintf(w, "localcloud %s on %s, %s\n\n", res.Version, res.Machine, res.Date.Format("2006-01-02 15:04 MST"))
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "SCENARIO\tFIGURE\tVALUE\tUNIT\tCEILING OR AIM\tRATIO\t")
	last := ""
	for i := range res.Figures {
		f := &res.Figures[i]
		name := f.Scenario
		if name == last {
			name = ""
		}
		last = f.Scenario
		fmt.Fprintln(t, strings.Join(append([]string{name}, f.cells()...), "\t"))
	}
	t.Flush()
	if len(res.Notes)+len(res.Failed) > 0 || res.Interrupted {
		fmt.Fprintln(w)
	}
	for _, text := range res.Notes {
		fmt.Fprintf(w, "Note: %s.\n", text)
	}
	for _, text := range res.Failed {
		fmt.Fprintf(w, "Failed: %s\n", text)
	}
	if res.Interrupted {
		fmt.Fprintln(w, "Interrupted: what is above was measured before, the last scenario for a shorter time.")
	}
	_, err := fmt.Fprintf(w, "\n%s\n", strings.Join(res.Method, "\n"))
	return err
}

// cells are those of the table behind the scenario.
func (f *Figure) cells() []string {
	if f.Value == nil {
		return []string{f.Name, "-", f.Unit, "not measured: " + f.Why, "", ""}
	}
	against, ratio, mark := "", "", ""
	if a := f.Against; a != nil {
		against = fmt.Sprintf("%s %s %s", a.Kind, a.Bound, number(a.Value))
		if a.Kind == "ceiling" {
			against = fmt.Sprintf("%s %s", a.What, number(a.Value))
		}
		if f.Ratio != nil {
			ratio = fmt.Sprintf("%.2f", *f.Ratio)
		}
		if a.Kind == "aim" && !f.Met() {
			mark = "missed"
		}
	}
	return []string{f.Name, number(*f.Value), f.Unit, against, ratio, mark}
}

// number writes three digits that count, and all in front of the point.
func number(v float64) string {
	switch abs := math.Abs(v); {
	case abs == math.Trunc(abs) && abs < 1e6:
		return fmt.Sprintf("%.0f", v)
	case abs >= 100:
		return fmt.Sprintf("%.0f", v)
	case abs >= 10:
		return fmt.Sprintf("%.1f", v)
	case abs >= 1:
		return fmt.Sprintf("%.2f", v)
	}
	return fmt.Sprintf("%.3f", v)
}
