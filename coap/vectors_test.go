package coap

import (
	"bytes"
	"encoding/hex"
	"strings"
	"testing"

	"github.com/plgd-dev/go-coap/v3/message/codes"
)

// hx reads hex with blanks, and text in quotes: `04 "brew" 40`.
func hx(t testing.TB, s string) []byte {
	t.Helper()
	var out []byte
	for i, part := range strings.Split(s, `"`) {
		if i%2 == 1 {
			out = append(out, part...)
			continue
		}
		b, err := hex.DecodeString(strings.Join(strings.Fields(part), ""))
		if err != nil {
			t.Fatalf("%q: %v", part, err)
		}
		out = append(out, b...)
	}
	return out
}

func parse(t testing.TB, s string) Message {
	t.Helper()
	m, err := Parse(hx(t, s))
	if err != nil {
		t.Fatalf("%s: %v", s, err)
	}
	return m
}

// TestDeviceOSVectors holds the plaintexts of the unit tests of Device OS 0.4.9
// (communication/tests: TestCoAP.cpp, ConstructorFixture.cpp,
// TestUserFunctions.cpp and others), both directions: each parses to its kind,
// and what our builder makes is the same to the byte.
func TestDeviceOSVectors(t *testing.T) {
	arg63 := strings.Repeat("a", 63)
	event := func(typ Type, id uint16, ev Event) Message {
		m, err := EventMessage(typ, id, ev)
		if err != nil {
			t.Fatal(err)
		}
		return m
	}
	named := func(name string, private bool, ttl uint32, data string) Event {
		return Event{Name: name, Private: private, TTL: ttl, HasTTL: ttl != 0, Data: []byte(data)}
	}
	for _, v := range []struct {
		name  string
		bytes string
		from  Sender
		kind  Kind
		built *Message // nil: no builder yet (updates), or a form that ours does not write
	}{
		{"hello of the oldest Core", `50 02 97b2 b1 68 ff ffff ffff 0000`, FromDevice, KindHello,
			ptr(HelloMessage(NonConfirmable, 0x97b2, Hello{ProductID: 0xffff, ProductVersion: 0xffff}.Append(nil)))},
		{"describe request", `41 01 97b2 28 b1 64`, FromServer, KindDescribe, ptr(DescribeRequest(0x97b2, 0x28, 0))},
		{"describe", `61 45 97b2 28 ff "` + quoted(`{"f":["brew"],"v":{"temperature":2}}`), FromDevice, KindResponse,
			ptr(DescribeReply(Acknowledgement, 0x97b2, 0x28, -1, Describe{HasApplication: true,
				Functions: []string{"brew"}, Variables: map[string]VariableType{"temperature": Int}}.AppendJSON(nil)))},
		{"function request", `41 02 97b2 ef b1 66 04 "brew" 46 "32,240"`, FromServer, KindFunction,
			ptr(FunctionMessage(0x97b2, 0xef, "brew", "32,240"))},
		{"function ack", `60 00 97b2`, FromDevice, KindEmptyAck, ptr(Ack(0x97b2))},
		{"function result", `51 44 97b3 ef ff 000001c8`, FromDevice, KindResponse, ptr(FunctionReturn(NonConfirmable, 0x97b3, 0xef, 456))},
		{"function request, 63 bytes", `41 02 97b2 ef b1 66 04 "brew" 4d 32 "` + arg63 + `"`, FromServer, KindFunction,
			ptr(FunctionMessage(0x97b2, 0xef, "brew", arg63))},
		{"function request, 64 bytes", `41 02 97b2 ef b1 66 04 "brew" 4d 33 "` + arg63 + `a"`, FromServer, KindFunction,
			ptr(FunctionMessage(0x97b2, 0xef, "brew", arg63+"a"))},
		{"variable request", `41 01 97b2 88 b1 76 0b "temperature"`, FromServer, KindVariable, ptr(VariableMessage(0x97b2, 0x88, "temperature"))},
		{"variable, int", `61 45 97b2 88 ff fffe7e33`, FromDevice, KindResponse, ptr(variable(t, 0x97b2, 0x88, Int, int32(-98765)))},
		{"variable, double", `61 45 abce 5d ff f4fdd478e9365ac0`, FromDevice, KindResponse, ptr(variable(t, 0xabce, 0x5d, Double, -104.858))},
		{"variable, string", `61 45 f649 5c ff "woot"`, FromDevice, KindResponse, ptr(variable(t, 0xf649, 0x5c, String, "woot"))},
		{"function return", `51 44 f649 c3 ff 0000002a`, FromDevice, KindResponse, ptr(FunctionReturn(NonConfirmable, 0xf649, 0xc3, 42))},
		{"update begin", `41 02 abd0 33 b1 75`, FromServer, KindUpdateBegin, nil},
		{"update ready", `51 44 97b3 33`, FromDevice, KindResponse, nil},
		{"chunk", `41 02 abd1 22 b1 63 44 01234567 ff 00`, FromServer, KindChunk, nil},
		{"chunk received", `51 44 f649 01`, FromDevice, KindResponse, nil},
		{"key changed", `51 44 f649 99`, FromDevice, KindResponse, nil},
		{"update done", `41 03 abd2 11 b1 75`, FromServer, KindUpdateDone, nil},
		{"update done, answer", `61 44 abd2 11`, FromDevice, KindResponse, ptr(AckCode(0xabd2, []byte{0x11}, codes.Changed))},
		{"signal on", `41 03 abcd ef b1 73 41 01`, FromServer, KindSignal, ptr(SignalMessage(0xabcd, 0xef, true))},
		{"signal off", `41 03 abcd ef b1 73 41 00`, FromServer, KindSignal, ptr(SignalMessage(0xabcd, 0xef, false))},
		{"time request", `41 01 97b3 98 b1 74`, FromDevice, KindTime, ptr(TimeRequest(0x97b3, 0x98))},
		{"time", `61 45 9999 99 ff 535966ad`, FromServer, KindResponse, ptr(TimeResponse(0x9999, 0x99, 1398367917))},
		{"event, public", `50 02 f649 b1 65 01 78`, FromDevice, KindEvent, ptr(event(NonConfirmable, 0xf649, named("x", false, 0, "")))},
		{"event, private", `50 02 f649 b1 45 0d 06 "front-door-unlocked"`, FromDevice, KindEvent,
			ptr(event(NonConfirmable, 0xf649, named("front-door-unlocked", true, 0, "")))},
		{"event, ttl and data", `50 02 7654 b1 65 0d 0c "weather/us/mn/minneapolis" 33 000e10 ff "t:5F,d:-2F,p:15%"`, FromDevice, KindEvent,
			ptr(event(NonConfirmable, 0x7654, named("weather/us/mn/minneapolis", false, 3600, "t:5F,d:-2F,p:15%")))},
		{"event, private, ttl and data", `50 02 97b3 b1 45 0c "lake-depth/1" 33 005460 ff "28m"`, FromDevice, KindEvent,
			ptr(event(NonConfirmable, 0x97b3, named("lake-depth/1", true, 21600, "28m")))},
		{"event, 15 bytes of name", `50 02 97b3 b1 65 0d 02 "motion-detected"`, FromDevice, KindEvent,
			ptr(event(NonConfirmable, 0x97b3, named("motion-detected", false, 0, "")))},
		{"event of another server, ttl in one byte", `50 02 9753 b1 65 01 "a" 01 "b" 01 "c" 01 "d" 31 3c ff "xyz"`, FromServer, KindEvent, nil},
		{"event of another server, ttl in three", `50 02 9753 b1 65 01 "a" 01 "b" 01 "c" 01 "d" 33 00003c ff "xyz"`, FromServer, KindEvent, nil},
		{"subscription, my devices", `40 01 97b3 b1 65 0b "motion/open" 41 75`, FromDevice, KindSubscribe,
			ptr(SubscribeMessage(Confirmable, 0x97b3, Subscription{Prefix: "motion/open", MyDevices: true}))},
		{"subscription, one device", `40 01 8888 b1 65 07 "weather" ff "53ff73065067544816300187"`, FromDevice, KindSubscribe,
			ptr(SubscribeMessage(Confirmable, 0x8888, Subscription{Prefix: "weather", DeviceID: "53ff73065067544816300187"}))},
		{"subscription, everything of mine", `40 01 1114 b1 65 41 75`, FromDevice, KindSubscribe,
			ptr(SubscribeMessage(Confirmable, 0x1114, Subscription{MyDevices: true}))},
		{"subscription, longest", `40 01 1115 b1 65 0d 32 "a/really_long/event-name-filter/actually/as-long-as-one-can-be!"`, FromDevice, KindSubscribe,
			ptr(SubscribeMessage(Confirmable, 0x1115, Subscription{Prefix: "a/really_long/event-name-filter/actually/as-long-as-one-can-be!"}))},
		{"presence, multicast", `50 02 0000 b1 68 ff 000102030405060708090a0b`, FromDevice, KindHello,
			ptr(HelloMessage(NonConfirmable, 0, hx(t, `000102030405060708090a0b`)))},
		{"ping", `40 00 1234`, FromDevice, KindPing, ptr(Ping(0x1234))},
		{"ping of the server", `40 00 1234`, FromServer, KindPing, ptr(Ping(0x1234))},
		{"ack", `60 00 1234`, FromServer, KindEmptyAck, ptr(Ack(0x1234))},
		{"reset", `70 00 1234`, FromServer, KindReset, ptr(ResetMessage(0x1234))},

		// Computed examples of the device-side sources, update v3 and others.
		{"update v3 start", `41 02 1234 07 b1 53 e2 06f1 03e8 82 0200`, FromServer, KindUpdateStart, nil},
		{"update v3 window", `41 41 1234 07 e2 06f8 0100 40`, FromDevice, KindResponse, nil},
		{"update v3 chunk", `50 02 1234 b1 43 e1 06e9 01 ff 00`, FromServer, KindUpdateChunk, nil},
		{"update v3 ack", `50 02 1234 b1 41 e1 06e9 02`, FromDevice, KindUpdateAck, nil},
		{"update v3 finish", `41 02 1234 07 b1 46`, FromServer, KindUpdateFinish, nil},
		{"save begin", `41 02 1234 07 b1 73 ff 00`, FromServer, KindSaveBegin, nil},
		{"chunks missed", `40 01 1234 b1 63 ff 00030004`, FromDevice, KindChunkMissed, nil},
		{"update done of the device", `40 03 1234 b1 75`, FromDevice, KindUpdateDone, nil},
		{"key change", `41 03 1234 07 b1 6b 41 01`, FromServer, KindKeyChange, ptr(KeyChange(0x1234, 7))},
		{"goodbye, DTLS", `40 02 1234 b1 78 ff 05 06 90 1c`, FromDevice, KindGoodbye,
			ptr(GoodbyeMessage(Confirmable, 0x1234, Goodbye{Cloud: 6, Sleep: 3600}))},
		{"goodbye, TCP", `50 02 1234 b1 78 d0 ea ff 0b 05 8c 01 04`, FromDevice, KindGoodbye,
			ptr(GoodbyeMessage(NonConfirmable, 0x1234, Goodbye{Cloud: 5, Reset: 140, Network: 4}))},
		{"server moved", `41 02 1234 07 b1 4d ff 00`, FromServer, KindServerMoved, nil},
		{"ledger", `41 02 1234 07 b1 4c ff 08`, FromDevice, KindLedger, nil},
		{"describe, next block", `41 01 1234 07 b1 64 41 01 81 16`, FromServer, KindDescribe,
			ptr(DescribeBlockRequest(0x1234, 7, DescribeSystem, 1, 6))},
		{"describe post of 2.x", `40 02 1234 b1 64 41 02 ff "{}"`, FromDevice, KindDescribe,
			ptr(DescribePost(0x1234, nil, DescribeApplication, -1, []byte("{}")))},
		{"describe post that says it is text", `40 02 1234 b1 64 10 31 02 ff "{}"`, FromDevice, KindDescribe,
			ptr(DescribePost(0x1234, nil, DescribeApplication, FormatText, []byte("{}")))},
		{"describe post, a block", `41 02 1234 07 b1 64 11 2a 31 01 c1 1e ff 00`, FromDevice, KindDescribe,
			ptr(DescribePost(0x1234, []byte{7}, DescribeSystem, FormatBinary, []byte{0}).With(27, Block{Num: 1, More: true, SZX: 6}.Append(nil)))},
		{"describe answer, a block", `41 45 1234 07 41 09 81 2a b1 0e ff 00`, FromDevice, KindResponse,
			ptr(DescribeReply(Confirmable, 0x1234, 7, FormatBinary, []byte{0}).With(23, Block{More: true, SZX: 6}.Append(nil)).With(4, []byte{9}))},
	} {
		t.Run(v.name, func(t *testing.T) {
			want := hx(t, v.bytes)
			m, err := Parse(want)
			if err != nil {
				t.Fatal(err)
			}
			if got := m.Kind(v.from); got != v.kind {
				t.Errorf("%s from the %s, want %s", got, v.from, v.kind)
			}
			again, err := m.Append(nil)
			if err != nil || !bytes.Equal(again, want) {
				t.Errorf("parsed and written\n got %x, %v\nwant %x", again, err, want)
			}
			if v.built != nil {
				wantBytes(t, *v.built, want)
			}
		})
	}
}

func ptr(m Message) *Message { return &m }

// quoted puts text with quotes into the notation of hx.
func quoted(s string) string {
	return strings.ReplaceAll(s, `"`, `" 22 "`) + `"`
}

func variable(t *testing.T, id uint16, tok byte, typ VariableType, v any) Message {
	t.Helper()
	raw, err := EncodeVariable(typ, v)
	if err != nil {
		t.Fatal(err)
	}
	return VariableReturn(Acknowledgement, id, tok, raw)
}
