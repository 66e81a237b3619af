package main

import (
	"strings"
	"testing"
	"time"
)

func TestWhatOthersWroteIsHarmlessOnATerminal(t *testing.T) {
	for in, want := range map[string]string{
		"kitchen": "kitchen", "grün 世界 🙂": "grün 世界 🙂", "\x1b[2J": `\x1b[2J`, "a\r\nb\tc": `a\r\nb\tc`,
		"\u202egnp.exe": `\u202egnp.exe`, "\xff": `\ufffd`, "\u0085": `\u0085`, "": "",
	} {
		if got := clean(in); got != want {
			t.Errorf("%q becomes %q, want %q", in, got, want)
		}
	}
	var out strings.Builder
	term := terminal{out: &out}
	if err := term.table([]string{"A", "B"}, [][]string{{"x\ny", ""}, {"long cell", "z"}}); err != nil {
		t.Fatal(err)
	}
	if want := "A          B\nx\\ny       -\nlong cell  z\n"; out.String() != want {
		t.Errorf("the table is\n%q", out.String())
	}
}

func TestTimesAreSaidShortly(t *testing.T) {
	for d, want := range map[time.Duration]string{
		-time.Second: "0 s", 90 * time.Second: "90 s", 3 * time.Minute: "3 min", 5 * time.Hour: "5 h", 72 * time.Hour: "3 days",
	} {
		if got := short(d); got != want {
			t.Errorf("%v is %q", d, got)
		}
	}
	if got := ago(nil) + ", " + ago(&time.Time{}); got != "never, never" {
		t.Errorf("no time is %q", got)
	}
}
