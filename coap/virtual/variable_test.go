package virtual

import (
	"errors"
	"strings"
	"testing"

	"localcloud/coap"
)

func value(v any) func() any { return func() any { return v } }

func TestVariableIsAnsweredInTheFormOfTheRelease(t *testing.T) {
	ack := []Version{Core045, OS070}
	for _, os := range Versions() {
		t.Run(string(os), func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				_, p := meet(t, os, func(d *Device) {
					d.Variable("bool", coap.Bool, value(true))
					d.Variable("int", coap.Int, value(int32(-2)))
					d.Variable("double", coap.Double, value(3.25))
					d.Variable("text", coap.String, value("héllo"))
					d.Variable("empty", coap.String, value(""))
				})
				values := []struct{ name, hex string }{
					{"bool", "01"}, {"int", "fffffffe"}, {"double", "0000000000000a40"}, {"text", "68c3a96c6c6f"},
				}
				for _, v := range values {
					p.send(coap.VariableMessage(0x7100, 0xaa, v.name))
					if os == ack[0] || os == ack[1] {
						p.wantHex("6145 id aa ff" + v.hex)
					} else {
						p.want("ACK empty id=7100")
						p.wantHex("5145 id aa ff" + v.hex)
					}
				}
				p.send(coap.VariableMessage(0x7100, 0xaa, "empty"))
				if os == ack[0] || os == ack[1] {
					p.wantHex("6145 id aa ff") // a payload marker with nothing behind it
				} else {
					p.want("ACK empty id=7100")
					p.wantHex("5145 id aa")
				}
			})
		})
	}
}

func TestUnknownVariable(t *testing.T) {
	for os, want := range map[Version][]string{
		Core045: {"ACK 2.05 id=7100 tok=aa payload=4:00000000"},
		OS070:   {"ACK 2.05 id=7100 tok=aa payload=4:00000000"},
		OS152:   {"ACK empty id=7100", "NON 4.04 id=0009 tok=aa"},
		OS231:   {"ACK empty id=7100", "NON 4.04 id=000b tok=aa"},
		OS331:   {"ACK empty id=7100", "NON 4.04 id=0009 tok=aa"},
		OS620:   {"ACK empty id=7100", "NON 4.04 id=0009 tok=aa"},
	} {
		t.Run(string(os), func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				_, p := meet(t, os)
				p.send(coap.VariableMessage(0x7100, 0xaa, "nosuch"))
				p.want(want...)
			})
		})
	}
}

func TestVariableTakesNumbersThatFit(t *testing.T) {
	tests := []struct {
		kind coap.VariableType
		v    any
		want any // nil: an error
	}{
		{coap.Int, 7, int32(7)},
		{coap.Int, int64(-7), int32(-7)},
		{coap.Int, 7.0, int32(7)},
		{coap.Int, 7.5, nil},
		{coap.Int, int64(1 << 31), nil},
		{coap.Int, -1 << 31, int32(-1 << 31)},
		{coap.Double, 7, 7.0},
		{coap.Double, int32(7), 7.0},
		{coap.Bool, 1, nil},
		{coap.String, 1, nil},
	}
	for _, tt := range tests {
		got, err := variable{"v", tt.kind, value(tt.v)}.encode()
		want, wantErr := []byte(nil), error(errors.New("none"))
		if tt.want != nil {
			want, wantErr = coap.EncodeVariable(tt.kind, tt.want)
		}
		if string(got) != string(want) || (err == nil) != (wantErr == nil) {
			t.Errorf("%s of %v (%T): %x, %v; want %x", tt.kind, tt.v, tt.v, got, err, want)
		}
	}
}

func TestVariableWithoutAValueIsAnError(t *testing.T) {
	bubble(t, func(t *testing.T) {
		_, p := meet(t, OS331, func(d *Device) { d.Variable("v", coap.Int, value("seven")) })
		p.send(coap.VariableMessage(0x7100, 0xaa, "v"))
		p.want("ACK empty id=7100", "NON 5.00 id=0009 tok=aa")
	})
}

func TestLongTextIsCut(t *testing.T) {
	for os, limit := range map[Version]int{OS070: 622, OS152: 622, OS331: 864, OS620: 1024} {
		bubble(t, func(t *testing.T) {
			_, p := meet(t, os, func(d *Device) { d.Variable("v", coap.String, value(strings.Repeat("x", 2000))) })
			p.send(coap.VariableMessage(0x7100, 0xaa, "v"))
			m := p.get()
			if len(m.Payload) == 0 {
				m = p.get()
			}
			if len(m.Payload) != limit {
				t.Errorf("%s: %d bytes, want %d", os, len(m.Payload), limit)
			}
		})
	}
}

func TestVariablesThatADeviceCannotHave(t *testing.T) {
	bubble(t, func(t *testing.T) {
		d := New(newWorld(t).config(OS331))
		for name, err := range map[string]error{
			"no name":   d.Variable("", coap.Int, value(1)),
			"long name": d.Variable(strings.Repeat("v", 65), coap.Int, value(1)),
			"no type":   d.Variable("v", 3, value(1)),
		} {
			if err == nil {
				t.Errorf("%s: no error", name)
			}
		}
	})
}
