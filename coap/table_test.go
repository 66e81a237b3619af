package coap

import (
	"fmt"
	"testing"

	"github.com/plgd-dev/go-coap/v3/message"
	"github.com/plgd-dev/go-coap/v3/message/codes"
)

// TestTableSaysEverythingOnce holds for every sender, type, code, letter and
// token length that exist: at most one row speaks it, and Kind is that row's.
func TestTableSaysEverythingOnce(t *testing.T) {
	spoken := map[int]bool{}
	requests := 0
	for _, from := range []Sender{FromDevice, FromServer} {
		for typ := Confirmable; typ <= Reset; typ++ {
			for code := range codes.Code(256) {
				for letter := -1; letter < 256; letter++ {
					for _, tokens := range []int{0, 1, 2, 8} {
						m := Message{Type: typ, Code: code, Token: make([]byte, tokens)}
						text := ""
						if letter >= 0 {
							text = string([]byte{byte(letter)})
							m.Options = message.Options{{ID: message.URIPath, Value: []byte(text)}}
						}
						want, hits := KindUnknown, 0
						for i, r := range table {
							if r.from&from != 0 && r.types&(1<<typ) != 0 && r.codeIs(code) && r.letter == text && r.token.allow(tokens) {
								hits++
								want = r.kind
								spoken[i] = true
							}
						}
						if hits > 1 {
							t.Errorf("%d rows for %s from the %s", hits, m, from)
						}
						if want != KindUnknown && want != KindResponse {
							requests++
						}
						if got := m.Kind(from); got != want {
							t.Errorf("%s from the %s is %s, the table says %s", m, from, got, want)
						}
					}
				}
			}
		}
	}
	// Each combination of sender, type, code, letter and token length (none, 1, 2,
	// 8) counts: a wider or narrower row is a change of the protocol.
	if requests != 72 {
		t.Errorf("%d forms of requests are spoken", requests)
	}
	for i, r := range table {
		if !spoken[i] {
			t.Errorf("row %d (%s from %s) can never be spoken", i, r.kind, r.from)
		}
		if r.since == "" || r.source == "" {
			t.Errorf("row %d (%s) has no source", i, r.kind)
		}
	}
}

func TestWhatIsNotInTheTableIsUnknown(t *testing.T) {
	for _, v := range []struct {
		from  Sender
		bytes string
	}{
		{FromDevice, `40 02 0001 b1 66 01 "x" 40`},      // devices call no functions
		{FromServer, `40 02 0001 b1 66 01 "x" 40`},      // a call without a token
		{FromServer, `42 02 0001 0102 b1 66 01 "x" 40`}, // a call with a token that the device cannot read
		{FromServer, `51 02 0001 02 b1 66 01 "x" 40`},   // a call that is not confirmable
		{FromDevice, `40 01 0001 b1 45 01 "x"`},         // a subscription to E
		{FromServer, `40 01 0001 b1 65 01 "x"`},         // servers do not subscribe
		{FromDevice, `40 02 0001 b1 7a`},                // no such letter
		{FromDevice, `40 02 0001 b2 "eE" 01 "x"`},       // not a letter
		{FromDevice, `40 02 0001`},                      // no path
		{FromDevice, `40 04 0001 b1 65`},                // no such method
		{FromDevice, `50 00 0001`},                      // an empty NON
		{FromDevice, `41 00 0001 02`},                   // a ping with a token
		{FromDevice, `60 00 0001 ff 01`},                // an ack with a payload
		{FromDevice, `40 00 0001 b1 65`},                // a ping with a path
		{FromDevice, `60 02 0001 b1 65 01 "x"`},         // a request in an ack
		{FromDevice, `70 45 0001`},                      // an answer in a reset
		{FromDevice, `40 3f 0001`},                      // class 1
		{FromDevice, `40 e1 0001`},                      // class 7, signalling
		{FromDevice, `61 45 0001 02 b1 65 ff 01`},       // an answer with a path
	} {
		if m := parse(t, v.bytes); m.Kind(v.from) != KindUnknown {
			t.Errorf("%s from the %s is a %s", m, v.from, m.Kind(v.from))
		}
	}
}

func TestTheSameBytesMeanDifferentThingsInEachDirection(t *testing.T) {
	for _, v := range []struct {
		bytes          string
		device, server Kind
	}{
		{`50 02 0001 b1 43`, KindUnknown, KindUpdateChunk},
		{`50 02 0001 b1 41`, KindUpdateAck, KindUnknown},
		{`41 03 0001 02 b1 75`, KindUnknown, KindUpdateDone},
		{`40 03 0001 b1 75`, KindUpdateDone, KindUnknown},
		{`50 02 0001 b1 65 01 "x"`, KindEvent, KindEvent},
		{`42 02 0001 0102 b1 65 01 "x"`, KindUnknown, KindEvent},
		{`41 02 0001 02 b1 4c`, KindLedger, KindLedger},
	} {
		m := parse(t, v.bytes)
		if d, s := m.Kind(FromDevice), m.Kind(FromServer); d != v.device || s != v.server {
			t.Errorf("%s is %s from the device and %s from the server, want %s and %s", m, d, s, v.device, v.server)
		}
	}
}

func TestEveryKindHasItsOwnName(t *testing.T) {
	seen := map[string]Kind{}
	for k := KindUnknown; k <= KindUpdateFinish; k++ {
		name := k.String()
		if other, ok := seen[name]; ok || name == "" || name == fmt.Sprintf("Kind(%d)", k) {
			t.Errorf("kind %d is called %q, as %d is", k, name, other)
		}
		seen[name] = k
	}
	if got := (KindUpdateFinish + 1).String(); got != "Kind(26)" {
		t.Error(got)
	}
	if FromDevice.String() != "device" || FromServer.String() != "server" || Sender(0).String() != "Sender(0)" {
		t.Errorf("%s %s %s", FromDevice, FromServer, Sender(0))
	}
}
