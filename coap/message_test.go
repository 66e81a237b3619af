package coap

import (
	"bytes"
	"errors"
	"reflect"
	"strings"
	"testing"

	"github.com/plgd-dev/go-coap/v3/message"
	"github.com/plgd-dev/go-coap/v3/message/codes"
)

func TestParseReadsEveryField(t *testing.T) {
	got := parse(t, `52 84 0a0b 0102 b1 65 02 "hi" 33 000e10 ff "data"`)
	want := Message{
		Type: NonConfirmable, Code: codes.NotFound, ID: 0x0a0b, Token: []byte{1, 2},
		Options: message.Options{
			{ID: message.URIPath, Value: []byte("e")},
			{ID: message.URIPath, Value: []byte("hi")},
			{ID: message.MaxAge, Value: []byte{0, 0x0e, 0x10}},
		},
		Payload: []byte("data"),
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("\n got %+v\nwant %+v", got, want)
	}
}

func TestParseAliasesItsInput(t *testing.T) {
	b := hx(t, `41 02 0001 07 b1 65 02 "hi" ff "data"`)
	m, err := Parse(b)
	if err != nil {
		t.Fatal(err)
	}
	for i := range b {
		b[i] = 'X'
	}
	if string(m.Payload) != "XXXX" || string(m.Token) != "X" || string(m.Options[1].Value) != "XX" {
		t.Errorf("copied: %q %q %q", m.Payload, m.Token, m.Options[1].Value)
	}
}

func TestParseRefuses(t *testing.T) {
	for name, v := range map[string]struct {
		bytes string
		want  error
	}{
		"nothing":             {``, ErrTruncated},
		"half a header":       {`40 00 12`, ErrTruncated},
		"version 0":           {`00 00 1234`, ErrVersion},
		"version 2":           {`80 00 1234`, ErrVersion},
		"token of 9":          {`49 01 1234 010203040506070809`, ErrToken},
		"token of 15":         {`4f 01 1234 0102030405060708090a0b0c0d0e0f`, ErrToken},
		"half a token":        {`44 01 1234 010203`, ErrTruncated},
		"half an option":      {`40 01 1234 b2 65`, ErrOptions},
		"no length byte":      {`40 01 1234 bd`, ErrOptions},
		"half a length word":  {`40 01 1234 be 00`, ErrOptions},
		"no delta byte":       {`40 01 1234 d0`, ErrOptions},
		"reserved length":     {`40 01 1234 bf 65`, ErrOptions},
		"reserved delta":      {`40 01 1234 f1 65`, ErrOptions},
		"option beyond 65535": {`40 01 1234 e0 fef2 e0 0000`, ErrOptions},
		"too many options":    {`40 01 1234 10` + strings.Repeat("00", maxOptions), ErrOptions},
	} {
		t.Run(name, func(t *testing.T) {
			m, err := Parse(hx(t, v.bytes))
			if !errors.Is(err, v.want) {
				t.Errorf("%s: %v, want %v", m, err, v.want)
			}
		})
	}
}

func TestParseTakesWhatOnlyLooksWrong(t *testing.T) {
	for name, bytes := range map[string]string{
		"option that ends in ff":         `40 01 1234 b1 ff`,
		"delta extended by ff":           `40 01 1234 d0 ff`,
		"payload of ff":                  `40 01 1234 ff ff`,
		"option number that nobody uses": `40 01 1234 e1 fef2 00`,
		"as many options as allowed":     `40 01 1234 10` + strings.Repeat("00", maxOptions-1),
	} {
		t.Run(name, func(t *testing.T) {
			m := parse(t, bytes)
			wantBytes(t, m, hx(t, bytes))
		})
	}
}

// TestEveryTruncationIsRefused cuts a message that has everything at every place
// where something is left half.
func TestEveryTruncationIsRefused(t *testing.T) {
	whole := hx(t, `42 02 1234 0102 b1 65 0d 02 "abcdefghijklmno" 33 000e10 e1 0000 01 ff "x"`)
	ends := map[int]bool{6: true, 8: true, 25: true, 29: true, 33: true, 34: true, len(whole): true}
	for n := range len(whole) + 1 {
		_, err := Parse(whole[:n])
		if (err == nil) != ends[n] {
			t.Errorf("%x: %v", whole[:n], err)
		}
	}
}

// The limits of go-coap's option table do not hold for Particle.
func TestLongAndStrangeOptionsSurvive(t *testing.T) {
	for _, n := range []int{0, 12, 13, 255, 256, 268, 269, 622, 864, 1024} {
		arg := strings.Repeat("x", n)
		b, err := FunctionMessage(1, 2, "f", arg).Append(nil)
		if err != nil {
			t.Fatal(err)
		}
		m, err := Parse(b)
		if err != nil {
			t.Fatal(err)
		}
		if _, got, err := ParseFunction(m); err != nil || got != arg {
			t.Errorf("argument of %d bytes: %d bytes, %v", n, len(got), err)
		}
	}
	strange := Message{Code: codes.POST, Options: message.Options{
		{ID: message.ETag, Value: []byte{}}, // go-coap wants 1 to 8 bytes
		{ID: message.MaxAge, Value: []byte{0, 0, 0, 0, 60}},
		{ID: message.NoResponse, Value: []byte{}},
		{ID: RequestTag, Value: []byte{1, 2, 3}},
		{ID: 2049, Value: []byte{1}},
		{ID: 2061, Value: bytes.Repeat([]byte{0xff}, 32)},
		{ID: 2069, Value: []byte{}},
		{ID: 2077, Value: []byte{9}},
		{ID: 65535, Value: []byte{0}},
	}}
	b, err := strange.Append(nil)
	if err != nil {
		t.Fatal(err)
	}
	got, err := Parse(b)
	if err != nil || !reflect.DeepEqual(got, strange) {
		t.Errorf("\n got %+v, %v\nwant %+v", got, err, strange)
	}
}

func TestAppendRefusesWhatNoFrameHolds(t *testing.T) {
	for name, m := range map[string]Message{
		"type":           {Type: 4},
		"code":           {Code: 0x145},
		"token":          {Token: make([]byte, 9)},
		"order":          {Options: message.Options{{ID: 15}, {ID: 11}}},
		"option of 64 K": {Options: message.Options{{ID: 11, Value: make([]byte, 0xffff+270)}}},
	} {
		t.Run(name, func(t *testing.T) {
			b, err := m.Append([]byte("before"))
			if err == nil || string(b) != "before" {
				t.Errorf("%q, %v", b, err)
			}
		})
	}
}

func TestAppendTakesTheLongestOption(t *testing.T) {
	m := Message{Options: message.Options{{ID: 65535, Value: make([]byte, 0xffff+269)}}}
	b, err := m.Append(nil)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := Parse(b); err != nil || !reflect.DeepEqual(got, m) {
		t.Error(err)
	}
}

func TestAppendKeepsWhatIsBefore(t *testing.T) {
	for _, room := range []int{0, 3, 100} {
		b := append(make([]byte, 0, 6+room), "before"...)
		b, err := Ping(0x1234).Append(b)
		if err != nil || !bytes.Equal(b, hx(t, `"before" 40 00 1234`)) {
			t.Errorf("%q, %v", b, err)
		}
	}
}

func TestWithKeepsTheOrderAndTheOriginal(t *testing.T) {
	m := parse(t, `41 02 0001 07 b1 64 41 01`)
	more := m.With(message.ContentFormat, []byte{42}).With(message.Block1, []byte{0x0e}).With(message.URIPath, []byte("x"))
	wantBytes(t, more, hx(t, `41 02 0001 07 b1 64 01 78 11 2a 31 01 c1 0e`))
	wantBytes(t, m, hx(t, `41 02 0001 07 b1 64 41 01`))
	// Two messages made from one do not write into each other.
	a, b := m.With(15, []byte("a")), m.With(15, []byte("b"))
	if string(a.Options[2].Value) != "a" || string(b.Options[2].Value) != "b" {
		t.Errorf("%s and %s", a, b)
	}
}

// TestBareMarkerIsNoPayload: Device OS up to 2.x sends empty data so.
func TestBareMarkerIsNoPayload(t *testing.T) {
	for _, in := range []string{`40 01 1234 b1 65 ff`, `40 01 1234 ff`, `40 01 1234 b1 ff ff`, `50 02 1234 b1 65 01 78 ff`} {
		m, err := Parse(hx(t, in))
		if err != nil || len(m.Payload) != 0 {
			t.Errorf("%s: %v, %v", in, m, err)
		}
	}
	m, _ := Parse(hx(t, `50 02 1234 b1 65 01 78 ff`))
	if ev, err := ParseEvent(m); err != nil || ev.Name != "x" || ev.HasData {
		t.Errorf("an event with empty data is %+v, %v", ev, err)
	}
}

func TestErrIsForAnswersThatSayNo(t *testing.T) {
	for bytes, want := range map[string]string{
		`61 80 0001 02`:               "coap: answered 4.00",
		`61 84 0001 02 ff "no such"`:  `coap: answered 4.04 "no such"`,
		`61 a3 0001 02 ff "a" 0a "b"`: `coap: answered 5.03 "a\nb"`,
	} {
		err := parse(t, bytes).Err()
		var e *ResponseError
		if !errors.As(err, &e) || err.Error() != want {
			t.Errorf("%s: %v, want %s", bytes, err, want)
		}
	}
	for _, bytes := range []string{`61 45 0001 02`, `40 00 0001`, `41 02 0001 02 b1 66`} {
		if err := parse(t, bytes).Err(); err != nil {
			t.Errorf("%s: %v", bytes, err)
		}
	}
}

func TestParseAndAppendOfAnEventAllocateLittle(t *testing.T) {
	b := hx(t, `50 02 f97a b1 45 09 "vdev/tick" ff "{n:0}"`)
	m, err := Parse(b)
	if err != nil {
		t.Fatal(err)
	}
	if n := testing.AllocsPerRun(100, func() { _, _ = Parse(b) }); n > 1 {
		t.Errorf("Parse: %v allocations", n)
	}
	buf := make([]byte, 0, 256)
	if n := testing.AllocsPerRun(100, func() { _, _ = m.Append(buf) }); n > 0 {
		t.Errorf("Append: %v allocations", n)
	}
	if n := testing.AllocsPerRun(100, func() { _ = m.Kind(FromDevice) }); n > 0 {
		t.Errorf("Kind: %v allocations", n)
	}
}

func BenchmarkParse(b *testing.B) {
	frame := hx(b, `50 02 f97a b1 45 09 "vdev/tick" ff "{n:0,t:1519}"`)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Parse(frame); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkAppend(b *testing.B) {
	m, err := Parse(hx(b, `50 02 f97a b1 45 09 "vdev/tick" ff "{n:0,t:1519}"`))
	if err != nil {
		b.Fatal(err)
	}
	buf := make([]byte, 0, 128)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := m.Append(buf); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkKind(b *testing.B) {
	m, err := Parse(hx(b, `50 02 f97a b1 45 09 "vdev/tick" ff "{n:0,t:1519}"`))
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if m.Kind(FromDevice) != KindEvent {
			b.Fatal("not an event")
		}
	}
}

func BenchmarkParseEvent(b *testing.B) {
	m, err := Parse(hx(b, `50 02 f97a b1 45 09 "vdev/tick" ff "{n:0,t:1519}"`))
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := ParseEvent(m); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkEventMessage(b *testing.B) {
	ev := Event{Name: "vdev/tick", Private: true, Data: []byte("{n:0,t:1519}"), ContentFormat: -1}
	buf := make([]byte, 0, 128)
	b.ReportAllocs()
	for b.Loop() {
		m, err := EventMessage(NonConfirmable, 1, ev)
		if err == nil {
			_, err = m.Append(buf)
		}
		if err != nil {
			b.Fatal(err)
		}
	}
}
