package coap

import (
	"errors"
	"math"
	"strings"
	"testing"

	"github.com/plgd-dev/go-coap/v3/message/codes"
)

func TestFunctionCallsAreReadBackByTheDevice(t *testing.T) {
	for _, v := range []struct{ name, arg string }{
		{"f", ""}, {"led", "on"}, {strings.Repeat("n", 64), strings.Repeat("a", 1024)}, {"a/b", "\x00\xff\"&"},
	} {
		b, err := FunctionMessage(0x1234, 9, v.name, v.arg).Append(nil)
		if err != nil {
			t.Fatal(err)
		}
		m, err := Parse(b)
		if err != nil {
			t.Fatal(err)
		}
		if name, arg, err := ParseFunction(m); name != v.name || arg != v.arg || err != nil {
			t.Errorf("%q %q, %v", name, arg, err)
		}
	}
	for name, bytes := range map[string]string{
		"no argument option": `41 02 0001 02 b1 66 01 "x"`,
		"no name":            `41 02 0001 02 b1 66 40`,
		"an empty name":      `41 02 0001 02 b1 66 00 40`,
		"another letter":     `41 02 0001 02 b1 76 01 "x" 40`,
		"no token":           `40 02 0001 b1 66 01 "x" 40`,
	} {
		if f, arg, err := ParseFunction(parse(t, bytes)); err == nil {
			t.Errorf("%s: %q %q", name, f, arg)
		}
	}
}

func TestFunctionResults(t *testing.T) {
	for _, v := range []int32{0, 1, -1, math.MaxInt32, math.MinInt32} {
		for _, typ := range []Type{Confirmable, NonConfirmable} {
			m := FunctionReturn(typ, 1, 2, v)
			if got, err := FunctionResult(m); got != v || err != nil || m.Type != typ {
				t.Errorf("%d, %v, want %d", got, err, v)
			}
		}
	}
	for name, bytes := range map[string]string{
		"3 bytes":      `51 44 0001 02 ff 000000`,
		"5 bytes":      `51 44 0001 02 ff 0000000000`,
		"no bytes":     `51 44 0001 02`,
		"another code": `51 45 0001 02 ff 00000000`,
	} {
		if v, err := FunctionResult(parse(t, bytes)); err == nil {
			t.Errorf("%s: %d", name, v)
		}
	}
	var refused *ResponseError
	if _, err := FunctionResult(parse(t, `60 80 0001`)); !errors.As(err, &refused) || refused.Code != codes.BadRequest {
		t.Errorf("%v", err)
	}
}

func TestVariableRequestsAreReadBackByTheDevice(t *testing.T) {
	for _, name := range []string{"v", "a/b", strings.Repeat("n", 64)} {
		if got, err := ParseVariable(VariableMessage(1, 2, name)); got != name || err != nil {
			t.Errorf("%q, %v", got, err)
		}
	}
	for _, bytes := range []string{`41 01 0001 02 b1 76`, `41 02 0001 02 b1 76 01 "x"`, `40 01 0001 b1 76 01 "x"`} {
		if name, err := ParseVariable(parse(t, bytes)); err == nil {
			t.Errorf("%s: %q", bytes, name)
		}
	}
}

func TestVariableValues(t *testing.T) {
	for _, v := range []struct {
		typ   VariableType
		bytes string
		value any
	}{
		{Bool, `01`, true}, {Bool, `00`, false},
		{Int, `0000002a`, int32(42)}, {Int, `fffe7e33`, int32(-98765)},
		{Double, `0000000000000a40`, 3.25}, {Double, `f4fdd478e9365ac0`, -104.858}, {Double, `000000000000f07f`, math.Inf(1)},
		{String, `"woot"`, "woot"}, {String, ``, ""}, {String, `00ff`, "\x00\xff"},
	} {
		got, err := DecodeVariable(v.typ, hx(t, v.bytes))
		if got != v.value || err != nil {
			t.Errorf("%s %s: %v, %v, want %v", v.typ, v.bytes, got, err, v.value)
		}
		b, err := EncodeVariable(v.typ, v.value)
		if string(b) != string(hx(t, v.bytes)) || err != nil {
			t.Errorf("%s %v: %x, %v, want %s", v.typ, v.value, b, err, v.bytes)
		}
	}
	for bytes, want := range map[string]bool{`ff`: true, `00000000`: false, `00000001`: true, `01000000`: true} {
		if got, err := DecodeVariable(Bool, hx(t, bytes)); got != want || err != nil {
			t.Errorf("bool %s: %v, %v", bytes, got, err)
		}
	}
	for _, v := range []struct {
		typ   VariableType
		bytes string
	}{
		{Bool, ``}, {Bool, `0001`}, {Int, ``}, {Int, `000001`}, {Int, `0000000001`},
		{Double, ``}, {Double, `00000000`}, {Double, `000000000000000000`}, {0, `00000000`}, {7, ``},
	} {
		if got, err := DecodeVariable(v.typ, hx(t, v.bytes)); err == nil {
			t.Errorf("%s of %q: %v", v.typ, v.bytes, got)
		}
	}
	for _, v := range []struct {
		typ   VariableType
		value any
	}{{Bool, int32(1)}, {Int, 1}, {Int, true}, {Double, float32(1)}, {Double, "1"}, {String, []byte("x")}, {String, nil}, {7, "x"}, {Bool, 1.0}} {
		if b, err := EncodeVariable(v.typ, v.value); err == nil {
			t.Errorf("%s in %T: %x", v.typ, v.value, b)
		}
	}
}

func TestVariableTypeNames(t *testing.T) {
	if got := Bool.String() + Int.String() + String.String() + Double.String() + VariableType(7).String(); got != "boolint32stringdoubletype 7" {
		t.Error(got)
	}
}
