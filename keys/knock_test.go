package keys

import (
	"encoding/json"
	"go/ast"
	"go/parser"
	"go/token"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
)

// constants returns the string constants of a type as knock.go declares them, so that no new one is forgotten below.
func constants(t *testing.T, typeName string) (values []string) {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), "knock.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok {
			return true
		}
		if name, ok := spec.Type.(*ast.Ident); !ok || name.Name != typeName {
			return true
		}
		value, err := strconv.Unquote(spec.Values[0].(*ast.BasicLit).Value)
		if err != nil {
			t.Fatal(err)
		}
		values = append(values, value)
		return true
	})
	if len(values) == 0 {
		t.Fatalf("no constants of type %s", typeName)
	}
	return values
}

func TestEveryReasonIsExplained(t *testing.T) {
	id, _ := ParseDeviceID(exampleID)
	unknown, _ := Knock{Reason: "?"}.Explain()
	oneSentence := regexp.MustCompile(`^[A-Z][^{}\n.]*\.$`)
	seen := map[string]string{}
	for _, reason := range constants(t, "Reason") {
		for _, transport := range []string{"tcp", "udp"} {
			for _, step := range append(constants(t, "Step"), "?") {
				what, next := Knock{ID: id, Transport: transport, Reason: Reason(reason), Step: Step(step)}.Explain()
				if !oneSentence.MatchString(what) || what == unknown {
					t.Errorf("%s at %s: %q is no explanation in one sentence", reason, step, what)
				}
				if next == "" || strings.ContainsAny(next, "{}\n") {
					t.Errorf("%s at %s: next step %q", reason, step, next)
				}
				if other, ok := seen[what]; ok && other != reason {
					t.Errorf("%s and %s are explained alike", other, reason)
				}
				seen[what] = reason
			}
		}
	}
}

func TestExplanationNamesTheExactCommand(t *testing.T) {
	id, _ := ParseDeviceID(exampleID)
	for _, test := range []struct {
		knock Knock
		want  string
	}{
		{Knock{ID: id, Reason: ReasonUnknownDevice}, "localcloud device adopt " + exampleID},
		{Knock{ID: id, Reason: ReasonOtherKey}, "localcloud device adopt " + exampleID},
		{Knock{ID: id, Reason: ReasonNoKey}, "localcloud device rekey --new-key"},
		{Knock{Reason: ReasonECKeyOnTCP}, "localcloud device rekey --new-key"},
		{Knock{Transport: "tcp", Reason: ReasonWrongServerKey}, "localcloud device rekey, with the board"},
		{Knock{Transport: "tcp", Reason: ReasonWrongServerKey}, "--file DIR --for PLATFORM"},
		{Knock{Transport: "udp", Reason: ReasonClosed, Step: StepFinished}, "localcloud device rekey"},
		{Knock{ID: id, Reason: ReasonDuplicate}, "localcloud device list --unknown"},
	} {
		if _, next := test.knock.Explain(); !strings.Contains(next, test.want) {
			t.Errorf("%s: %q, want %q in it", test.knock.Reason, next, test.want)
		}
	}
}

func TestExplanationRepeatsNothingTheDeviceWrote(t *testing.T) {
	const hostile = "<script>{id}"
	for _, reason := range append(constants(t, "Reason"), hostile) {
		for _, step := range append(constants(t, "Step"), hostile) {
			what, next := Knock{Reason: Reason(reason), Step: Step(step), Address: hostile, Transport: hostile,
				Fingerprint: hostile}.Explain()
			if strings.Contains(what+next, "script") {
				t.Errorf("%s at %s: %q %q", reason, step, what, next)
			}
		}
	}
}

func TestKnockGoesThroughJSON(t *testing.T) {
	id, _ := ParseDeviceID(exampleID)
	key, _ := ParsePublicKey(unhex(t, recordedSPKI))
	knock := Knock{
		ID: id, Key: key, Fingerprint: key.Fingerprint(), Address: "192.0.2.7:1234", Transport: "tcp",
		Step: StepKeyExchange, Reason: ReasonUnknownDevice,
		First: time.Unix(1, 0).UTC(), Last: time.Unix(2, 0).UTC(), Count: 3,
	}
	encoded, err := json.Marshal(knock)
	if err != nil {
		t.Fatal(err)
	}
	var back Knock
	if err := json.Unmarshal(encoded, &back); err != nil || back != knock {
		t.Errorf("%s came back as %+v, %v", encoded, back, err)
	}
	bare, err := json.Marshal(Knock{Transport: "tcp", Step: StepKeyExchange, Reason: ReasonWrongServerKey})
	if want := `{"transport":"tcp","step":"key-exchange","reason":"wrong-server-key"}`; err != nil || string(bare) != want {
		t.Errorf("got %s, %v", bare, err)
	}
}
