package coap

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math"
	"testing"

	"github.com/plgd-dev/go-coap/v3/message/codes"
)

func TestSmallMessagesAreOfTheirKind(t *testing.T) {
	for _, v := range []struct {
		m     Message
		from  Sender
		kind  Kind
		bytes string
	}{
		{Ping(1), FromServer, KindPing, `40 00 0001`},
		{Ack(0xffff), FromDevice, KindEmptyAck, `60 00 ffff`},
		{AckCode(2, []byte{7}, codes.NotFound), FromServer, KindResponse, `61 84 0002 07`},
		{AckCode(2, nil, codes.BadRequest), FromServer, KindResponse, `60 80 0002`},
		{AckCode(2, []byte{1, 2, 3, 4, 5, 6, 7, 8}, codes.NotFound), FromServer, KindResponse, `68 84 0002 0102030405060708`},
		{ResetMessage(3), FromServer, KindReset, `70 00 0003`},
		{TimeRequest(4, 5), FromDevice, KindTime, `41 01 0004 05 b1 74`},
		{TimeResponse(4, 5, 0xfffffffe), FromServer, KindResponse, `61 45 0004 05 ff fffffffe`},
		{SignalMessage(6, 7, true), FromServer, KindSignal, `41 03 0006 07 b1 73 41 01`},
		{SignalMessage(6, 7, false), FromServer, KindSignal, `41 03 0006 07 b1 73 41 00`},
		{KeyChange(8, 9), FromServer, KindKeyChange, `41 03 0008 09 b1 6b 41 01`},
	} {
		wantBytes(t, v.m, hx(t, v.bytes))
		if got := v.m.Kind(v.from); got != v.kind {
			t.Errorf("%s is a %s", v.m, got)
		}
	}
}

func TestPongIsTheAcknowledgementOfAPing(t *testing.T) {
	for head := range 1 << 16 {
		b := []byte{byte(head >> 8), byte(head), 0x12, 0x34}
		was := bytes.Clone(b)
		want := was
		m, err := Parse(b)
		ping := err == nil && m.Kind(FromDevice) == KindPing
		if ping {
			want, _ = Ack(m.ID).Append(nil)
		}
		if got := Pong(b); got != ping || !bytes.Equal(b, want) {
			t.Fatalf("% x: %v and % x, want %v and % x", was, got, b, ping, want)
		}
	}
	if Pong(nil) || Pong([]byte{0x40, 0, 0}) || Pong([]byte{0x40, 0, 0, 1, 0}) {
		t.Error("another length is a ping")
	}
}

func TestTimeIsReadBack(t *testing.T) {
	if b, err := TimeResponse(1, 2, 1398367917).Append(nil); err != nil || len(b) != 10 || binary.BigEndian.Uint32(b[6:]) != 1398367917 {
		t.Errorf("%x, %v: a device reads the time at byte 6", b, err)
	}
	for _, unix := range []uint32{0, 1398367917, math.MaxUint32} {
		if got, err := ParseTime(TimeResponse(1, 2, unix)); got != unix || err != nil {
			t.Errorf("%d, %v", got, err)
		}
	}
	for _, bytes := range []string{`61 45 0001 02`, `61 45 0001 02 ff 000000`, `61 44 0001 02 ff 00000001`, `60 00 0001`} {
		if unix, err := ParseTime(parse(t, bytes)); err == nil {
			t.Errorf("%s: %d", bytes, unix)
		}
	}
	var refused *ResponseError
	if _, err := ParseTime(parse(t, `61 a3 0001 02`)); !errors.As(err, &refused) || refused.Code != codes.ServiceUnavailable {
		t.Error(err)
	}
}

func TestSignalIsReadBack(t *testing.T) {
	for bytes, want := range map[string]bool{
		`41 03 0001 02 b1 73 41 01`: true, `41 03 0001 02 b1 73 41 00`: false, `41 03 0001 02 b1 73 41 ff`: true,
	} {
		if on, err := ParseSignal(parse(t, bytes)); on != want || err != nil {
			t.Errorf("%s: %v, %v", bytes, on, err)
		}
	}
	for _, bytes := range []string{`41 03 0001 02 b1 73`, `41 03 0001 02 b1 73 40`, `41 02 0001 02 b1 73 41 01`, `41 03 0001 02 b1 6b 41 01`} {
		if on, err := ParseSignal(parse(t, bytes)); err == nil {
			t.Errorf("%s: %v", bytes, on)
		}
	}
}

func TestGoodbyes(t *testing.T) {
	for bytes, want := range map[string]Goodbye{
		`40 02 0001 b1 78 ff 00`:                         {},
		`40 02 0001 b1 78 ff 01 02`:                      {Cloud: 2},
		`40 02 0001 b1 78 ff 05 06 90 1c`:                {Cloud: 6, Sleep: 3600},
		`50 02 0001 b1 78 d0 ea ff 0b 05 8c 01 06`:       {Cloud: 5, Reset: 140, Network: 6},
		`40 02 0001 b1 78 ff 0f 01 0a ff ff ff ff 0f 03`: {Cloud: 1, Reset: 10, Sleep: math.MaxUint32, Network: 3},
	} {
		m := parse(t, bytes)
		got, err := ParseGoodbye(m)
		if err != nil || got != want {
			t.Errorf("%s\n got %+v, %v\nwant %+v", bytes, got, err, want)
		}
		wantBytes(t, GoodbyeMessage(m.Type, m.ID, want), hx(t, bytes))
	}
	if got, err := ParseGoodbye(parse(t, `40 02 0001 b1 78 ff 91 01 02 63 63`)); err != nil || got != (Goodbye{Cloud: 2}) {
		t.Errorf("fields of later: %+v, %v", got, err)
	}
	for name, bytes := range map[string]string{
		"no mask":              `40 02 0001 b1 78`,
		"half a mask":          `40 02 0001 b1 78 ff 80`,
		"no field":             `40 02 0001 b1 78 ff 01`,
		"half a field":         `40 02 0001 b1 78 ff 02 8c`,
		"33 bits":              `40 02 0001 b1 78 ff 04 80 80 80 80 10`,
		"a number of 11 bytes": `40 02 0001 b1 78 ff 04 80 80 80 80 80 80 80 80 80 80 01`,
		"something else":       `40 02 0001 b1 68 ff 00`,
	} {
		if g, err := ParseGoodbye(parse(t, bytes)); err == nil {
			t.Errorf("%s: %+v", name, g)
		}
	}
}

func TestReasonsHaveNames(t *testing.T) {
	for got, want := range map[string]string{
		CloudReason(0).String(): "none", CloudReason(6).String(): "sleep", CloudReason(8).String(): "server_moved", CloudReason(9).String(): "9",
		NetworkReason(3).String(): "network_off", NetworkReason(7).String(): "unknown", NetworkReason(8).String(): "8",
		ResetReason(20).String(): "pin_reset", ResetReason(140).String(): "user", ResetReason(150).String(): "config_update",
		ResetReason(141).String(): "141", ResetReason(160).String(): "160", ResetReason(990).String(): "990", NetworkReason(4).String(): "listening",
	} {
		if got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
}
