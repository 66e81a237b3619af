package coap

import (
	"reflect"
	"strings"
	"testing"

	"github.com/plgd-dev/go-coap/v3/message/codes"
)

// The fixed conversation of the recorded server, as the README beside the
// recordings tells it.
var (
	recordedVariables = []struct {
		name  string
		typ   VariableType
		value any
	}{
		{"vInt", Int, int32(42)},
		{"vDouble", Double, 3.25},
		{"vBool", Bool, true},
		{"vString", String, "hello string"},
		{"vChars", String, "hello chars"},
		{"calcInt", Int, int32(1001)},
		{"calcDouble", Double, 1.5},
		{"calcString", String, "calc-1"},
		{"calcBool", Bool, true},
		{"nosuch", 0, codes.NotFound},
	}
	recordedCalls = []struct {
		name, arg string
		result    any
	}{
		{"echo", "12345", int32(12345)},
		{"echo", "-7", int32(-7)},
		{"length", "abcdefgh", int32(8)},
		{"length", "", int32(0)},
		{"negative", "x", int32(-1234567)},
		{"nosuch", "x", nil},
		{"length", strings.Repeat("x", 200), int32(200)},
	}
	recordedEvents = []Event{
		{Name: "pre/one", Data: []byte("to prefix"), HasData: true, TTL: 60, ContentFormat: -1},
		{Name: "mine/two", Private: true, Data: []byte("to mine (private)"), HasData: true, TTL: 60, ContentFormat: -1},
		{Name: "pre/con", Data: []byte("single path segment, CON"), HasData: true, TTL: 60, ContentFormat: -1},
		{Name: "particle/device/name", Data: []byte("tiny_name"), HasData: true, TTL: 60, ContentFormat: -1},
	}
)

// long names the four sessions that hold the whole conversation.
var long = []string{"tcp-v3.3.1.txt", "tcp-v6.2.0.txt", "udp-v3.3.1.txt", "udp-v6.2.0.txt"}

// TestRecordedAnswersBelongToTheirRequests follows each session as a server
// does, by token, and writes every answer again with the device's builders.
func TestRecordedAnswersBelongToTheirRequests(t *testing.T) {
	for _, name := range long {
		t.Run(name, func(t *testing.T) {
			requests := map[byte]Message{}
			type result struct {
				name, arg string
				value     any
			}
			var variables, calls []result
			var events []Event
			var signals []bool
			for _, s := range readRecording(t, name) {
				m, err := Parse(s.bytes)
				if err != nil {
					t.Fatal(err)
				}
				switch kind := m.Kind(s.from); {
				case s.from == FromServer && kind == KindFunction:
					requests[m.Token[0]] = m
					f, arg, _ := ParseFunction(m)
					calls = append(calls, result{name: f, arg: arg})
				case s.from == FromServer && (kind == KindVariable || kind == KindDescribe):
					requests[m.Token[0]] = m
				case s.from == FromServer && kind == KindSignal:
					requests[m.Token[0]] = m
					on, _ := ParseSignal(m)
					signals = append(signals, on)
				case s.from == FromServer && kind == KindEvent:
					ev, err := ParseEvent(m)
					if err != nil {
						t.Fatal(err)
					}
					events = append(events, ev)
				case s.from == FromServer && kind == KindResponse:
					unix, err := ParseTime(m)
					if err != nil || unix < 1795224000 || unix > 1795228000 {
						t.Errorf("time %d, %v", unix, err)
					}
					wantBytes(t, TimeResponse(m.ID, m.Token[0], unix), s.bytes)
				case s.from == FromDevice && kind == KindResponse:
					switch req := requests[m.Token[0]]; req.Kind(FromServer) {
					case KindVariable:
						asked, _ := ParseVariable(req)
						i := len(variables)
						value := any(m.Code)
						if m.Err() == nil {
							value, err = DecodeVariable(recordedVariables[i].typ, m.Payload)
							if err != nil {
								t.Fatalf("%s: %v", asked, err)
							}
							raw, err := EncodeVariable(recordedVariables[i].typ, value)
							if err != nil {
								t.Fatal(err)
							}
							wantBytes(t, VariableReturn(m.Type, m.ID, m.Token[0], raw), s.bytes)
						}
						variables = append(variables, result{name: asked, value: value})
					case KindFunction:
						v, err := FunctionResult(m)
						if err != nil {
							t.Fatal(err)
						}
						calls[len(calls)-1].value = v
						wantBytes(t, FunctionReturn(m.Type, m.ID, m.Token[0], v), s.bytes)
					case KindSignal:
						wantBytes(t, AckCode(m.ID, m.Token, codes.Changed), s.bytes)
					case KindDescribe:
						describeAnswer(t, name, req, m, s.bytes)
					default:
						t.Errorf("%s answers nothing", m)
					}
				}
			}
			for i, want := range recordedVariables {
				if got := variables[i]; got.name != want.name || got.value != want.value {
					t.Errorf("variable %+v, want %+v", got, want)
				}
			}
			for i, want := range recordedCalls {
				if got := calls[i]; got.name != want.name || got.arg != want.arg || got.value != want.result {
					t.Errorf("call %+v, want %+v", got, want)
				}
			}
			if !reflect.DeepEqual(events, recordedEvents) {
				t.Errorf("events\n got %+v\nwant %+v", events, recordedEvents)
			}
			if !reflect.DeepEqual(signals, []bool{true, false}) {
				t.Errorf("signals %v", signals)
			}
		})
	}
}

func describeAnswer(t *testing.T, recording string, req, m Message, want []byte) {
	t.Helper()
	flags, asked := DescribeFlags(req)
	if !asked { // refused from 3.3 on
		if m.Err() == nil || m.Code != codes.BadRequest {
			t.Errorf("describe without query: %s", m)
		}
		wantBytes(t, AckCode(m.ID, m.Token, codes.BadRequest), want)
		return
	}
	format, ok := ContentFormat(m)
	if !ok {
		format = -1
	}
	d, err := ParseDescribe(format, flags, m.Payload)
	if err != nil {
		t.Fatal(err)
	}
	if d.HasSystem != (flags == DescribeSystem) || d.HasApplication != (flags == DescribeApplication) ||
		d.HasMetrics != (flags == DescribeMetrics) {
		t.Errorf("flags %d answered with %+v", flags, d)
	}
	if proto := strings.Contains(recording, "6.2.0") && flags == DescribeSystem; proto != (format == FormatBinary) {
		t.Errorf("%s: flags %d in format %d", recording, flags, format)
	}
	wantBytes(t, DescribeReply(m.Type, m.ID, m.Token[0], format, redescribed(t, format, flags, m.Payload)), want)
}
