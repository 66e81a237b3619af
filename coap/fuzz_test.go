package coap

import (
	"bytes"
	"reflect"
	"testing"
)

// seed adds every message of the recordings.
func seed(f *testing.F, add func(s said, m Message)) {
	f.Helper()
	for _, r := range recordings {
		for _, s := range readRecording(f, r.name) {
			m, err := Parse(s.bytes)
			if err != nil {
				f.Fatal(err)
			}
			add(s, m)
		}
	}
}

// FuzzParse holds that whatever parses can be written, printed and looked at by
// every typed form without a panic, and parses to the same again. (Not to the
// same bytes: option 0 is reserved and dropped.)
func FuzzParse(f *testing.F) {
	seed(f, func(s said, _ Message) { f.Add(s.bytes) })
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := Parse(b)
		if err != nil {
			return
		}
		once, err := m.Append(nil)
		if err != nil {
			t.Fatalf("%s: %v", m, err)
		}
		again, err := Parse(once)
		if err != nil || !reflect.DeepEqual(again, m) {
			t.Fatalf("\n got %+v, %v\nwant %+v", again, err, m)
		}
		if len(m.String()) > 1003 {
			t.Errorf("a line of %d bytes", len(m.String()))
		}
		for _, from := range []Sender{FromDevice, FromServer} {
			readAll(m, from)
		}
	})
}

// readAll gives m to every reader there is.
func readAll(m Message, from Sender) {
	_ = m.Kind(from).String()
	_ = m.Err()
	_, _ = ParseHello(m.Payload)
	_, _, _ = ParseFunction(m)
	_, _ = FunctionResult(m)
	_, _ = ParseVariable(m)
	_, _ = ParseEvent(m)
	_, _ = ParseSubscription(m)
	_, _ = ParseTime(m)
	_, _ = ParseSignal(m)
	_, _ = ParseGoodbye(m)
	_, _ = DescribeFlags(m)
	_, _ = ContentFormat(m)
	_, _ = Block1(m)
	_, _ = Block2(m)
	_ = ETag(m)
	for _, t := range []VariableType{Bool, Int, Double, String} {
		_, _ = DecodeVariable(t, m.Payload)
	}
}

// FuzzHello holds that a Hello says the same when it is written and read again,
// and that no device gets a negative limit.
func FuzzHello(f *testing.F) {
	seed(f, func(s said, m Message) {
		if m.Kind(s.from) == KindHello {
			f.Add(m.Payload)
		}
	})
	f.Fuzz(func(t *testing.T, b []byte) {
		h, err := ParseHello(b)
		if err != nil {
			return
		}
		again, err := ParseHello(h.Append(nil))
		if err != nil || !reflect.DeepEqual(again, h) {
			t.Errorf("\n got %+v, %v\nwant %+v", again, err, h)
		}
		for _, udp := range []bool{false, true} {
			if l := LimitsFor(h, udp); min(l.FunctionName, l.FunctionArg, l.VariableName, l.EventName, l.EventData, l.MaxMessage) < 0 {
				t.Errorf("%+v: %+v", h, l)
			}
		}
	})
}

// FuzzDescribeJSON holds that what was read can be written, and that it then
// stays as it is.
func FuzzDescribeJSON(f *testing.F) {
	f.Add([]byte(safeModePhoton))
	f.Add([]byte(`{"p":13,"imei":"35","iccid":"89","cellfw":"L0","m":[]}`))
	seed(f, func(_ said, m Message) {
		if bytes.HasPrefix(m.Payload, []byte("{")) {
			f.Add(m.Payload)
		}
	})
	f.Fuzz(func(t *testing.T, b []byte) {
		d, err := ParseDescribeJSON(b)
		if err != nil {
			return
		}
		again, err := ParseDescribeJSON(d.AppendJSON(nil))
		if err != nil || !reflect.DeepEqual(again, d) {
			t.Errorf("%s\n got %+v, %v\nwant %+v", d.AppendJSON(nil), again, err, d)
		}
		_ = d.AppHash()
	})
}

// FuzzDescribeProto holds the same for the protobuf form; an empty hash and none
// are the same there, so bytes are compared.
func FuzzDescribeProto(f *testing.F) {
	seed(f, func(_ said, m Message) {
		if format, ok := ContentFormat(m); ok && format == FormatBinary {
			f.Add(m.Payload)
		}
	})
	f.Fuzz(func(t *testing.T, b []byte) {
		d, err := ParseDescribeProto(b)
		if err != nil {
			return
		}
		once := d.AppendProto(nil)
		again, err := ParseDescribeProto(once)
		if err != nil {
			t.Fatal(err)
		}
		if twice := again.AppendProto(nil); !bytes.Equal(once, twice) {
			t.Errorf("\nonce  %x\ntwice %x", once, twice)
		}
		// And it can be told in JSON as well.
		if _, err := ParseDescribeJSON(d.AppendJSON(nil)); err != nil {
			t.Errorf("%s: %v", d.AppendJSON(nil), err)
		}
	})
}

// FuzzMetrics holds that metrics are written as they were read.
func FuzzMetrics(f *testing.F) {
	seed(f, func(_ said, m Message) {
		if bytes.HasPrefix(m.Payload, []byte{0, 4, 0}) {
			f.Add(m.Payload)
		}
	})
	f.Fuzz(func(t *testing.T, b []byte) {
		metrics, err := ParseMetrics(b)
		if err != nil {
			return
		}
		if again := AppendMetrics(nil, metrics); !bytes.Equal(again, b) {
			t.Errorf("\n got %x\nwant %x", again, b)
		}
		for _, m := range metrics {
			_ = m.String() + m.Vital()
		}
	})
}

// FuzzEvent holds that an event which was read can be sent on to a device, and
// is the same event there.
func FuzzEvent(f *testing.F) {
	seed(f, func(s said, m Message) {
		if m.Kind(s.from) == KindEvent {
			f.Add(s.bytes)
		}
	})
	f.Add([]byte("\x50\x02\x00\x01\xb1\x45\x01x\x12\xfd\xe9\x21\x05\xff\xa0"))
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := Parse(b)
		if err != nil {
			return
		}
		ev, err := ParseEvent(m)
		if err != nil {
			return
		}
		if ev.HasData != (len(ev.Data) > 0) || ev.Name == "" || len(ev.Name) > MaxEventName {
			t.Errorf("%+v", ev)
		}
		out, err := EventMessage(m.Type, m.ID, ev)
		if err != nil {
			if ev.TTL <= 0xffffff {
				t.Errorf("%+v: %v", ev, err)
			}
			return
		}
		frame, err := out.Append(nil)
		if err != nil {
			t.Fatal(err)
		}
		read, err := Parse(frame)
		if err != nil {
			t.Fatal(err)
		}
		again, err := ParseEvent(read)
		ev.HasTTL = ev.TTL != defaultTTL
		if ev.ContentFormat == FormatText {
			ev.ContentFormat = -1
		}
		if err != nil || !reflect.DeepEqual(again, ev) {
			t.Errorf("\n got %+v, %v\nwant %+v", again, err, ev)
		}
	})
}
