package coap

import (
	"bytes"
	"testing"

	"github.com/plgd-dev/go-coap/v3/message"
)

// rebuilt reads m with its typed form and builds it again from what that says.
// It returns false for updates, which have no typed forms yet, and for answers,
// which need the request to be understood.
func rebuilt(t *testing.T, from Sender, m Message) (Message, bool) {
	t.Helper()
	tok := byte(0)
	if len(m.Token) == 1 {
		tok = m.Token[0]
	}
	switch kind := m.Kind(from); kind {
	case KindPing:
		return Ping(m.ID), true
	case KindEmptyAck:
		return Ack(m.ID), true
	case KindHello:
		h, err := ParseHello(m.Payload)
		if err != nil {
			t.Fatal(err)
		}
		return HelloMessage(m.Type, m.ID, h.Append(nil)), true
	case KindTime:
		return TimeRequest(m.ID, tok), true
	case KindSignal:
		on, err := ParseSignal(m)
		if err != nil {
			t.Fatal(err)
		}
		return SignalMessage(m.ID, tok, on), true
	case KindDescribe:
		flags, _ := DescribeFlags(m)
		if from == FromServer {
			return DescribeRequest(m.ID, tok, flags), true
		}
		format, ok := ContentFormat(m)
		if !ok {
			format = -1
		}
		return DescribePost(m.ID, m.Token, flags, format, redescribed(t, format, flags, m.Payload)), true
	case KindFunction:
		name, arg, err := ParseFunction(m)
		if err != nil {
			t.Fatal(err)
		}
		return FunctionMessage(m.ID, tok, name, arg), true
	case KindVariable:
		name, err := ParseVariable(m)
		if err != nil {
			t.Fatal(err)
		}
		return VariableMessage(m.ID, tok, name), true
	case KindEvent:
		ev, err := ParseEvent(m)
		if err != nil {
			t.Fatal(err)
		}
		out, err := EventMessage(m.Type, m.ID, ev)
		if err != nil {
			t.Fatal(err)
		}
		return out, true
	case KindSubscribe:
		sub, err := ParseSubscription(m)
		if err != nil {
			t.Fatal(err)
		}
		return SubscribeMessage(m.Type, m.ID, sub), true
	case KindResponse, KindUpdateBegin, KindUpdateDone, KindChunk, KindChunkMissed:
		return Message{}, false
	default:
		t.Fatalf("no typed form for %s: %s", kind, m)
		return Message{}, false
	}
}

// redescribed reads a describe and writes it again in the same form.
func redescribed(t *testing.T, format int, flags byte, payload []byte) []byte {
	t.Helper()
	d, err := ParseDescribe(format, flags, payload)
	if err != nil {
		t.Fatal(err)
	}
	switch {
	case d.HasMetrics:
		return AppendMetrics(nil, d.Metrics)
	case payload[0] == '{':
		return d.AppendJSON(nil)
	}
	return d.AppendProto(nil)
}

func TestBuildersWriteWhatWasRecorded(t *testing.T) {
	seen := map[Kind]int{}
	split := 0
	forEachRecorded(t, func(t *testing.T, s said, m Message) {
		out, ok := rebuilt(t, s.from, m)
		if !ok {
			return
		}
		seen[m.Kind(s.from)]++
		b, err := out.Append(nil)
		if err != nil {
			t.Fatal(err)
		}
		if bytes.Equal(b, s.bytes) {
			return
		}
		// The recorded server splits event names into several options; ours
		// writes one. Nothing else may differ.
		if m.Kind(s.from) != KindEvent || s.from != FromServer {
			t.Fatalf("%s %s\n got %x\nwant %x", s.where, m, b, s.bytes)
		}
		split++
		if paths(m) < 3 || paths(out) != 2 {
			t.Errorf("%s: %d path options became %d", s.where, paths(m), paths(out))
		}
		if joined, _ := joinPath(m).Append(nil); !bytes.Equal(b, joined) {
			t.Errorf("%s: more than the split of the name differs\n got %x\nwant %x", s.where, b, joined)
		}
	})
	for _, kind := range []Kind{
		KindPing, KindEmptyAck, KindHello, KindTime, KindSignal, KindDescribe,
		KindFunction, KindVariable, KindEvent, KindSubscribe,
	} {
		if seen[kind] == 0 {
			t.Errorf("no %s was rebuilt", kind)
		}
	}
	// Three of the four events in each of the four long sessions.
	if split != 12 {
		t.Errorf("%d events with a split name, want 12", split)
	}
}

func paths(m Message) int {
	n := 0
	for _, o := range m.Options {
		if o.ID == message.URIPath {
			n++
		}
	}
	return n
}

// joinPath puts the segments after the letter into one option.
func joinPath(m Message) Message {
	name := m.name()
	options := message.Options{m.Options[0], {ID: message.URIPath, Value: []byte(name)}}
	for _, o := range m.Options {
		if o.ID != message.URIPath {
			options = append(options, o)
		}
	}
	m.Options = options
	return m
}
