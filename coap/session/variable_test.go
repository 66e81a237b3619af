package session

import (
	"math"
	"strings"
	"testing"

	"github.com/plgd-dev/go-coap/v3/message/codes"

	"localcloud/cloud"
	"localcloud/coap"
)

func TestVariableOfEveryType(t *testing.T) {
	for _, c := range []struct {
		name  string
		bytes string
		want  any
	}{
		{"on", "\x01", true},
		{"on", "\x00", false},
		{"count", "\xff\xfe\x7e\x33", int32(-98765)},           // big-endian
		{"temp", "\xf4\xfd\xd4\x78\xe9\x36\x5a\xc0", -104.858}, // little-endian
		{"temp", "\x00\x00\x00\x00\x00\x00\xf0\x7f", math.Inf(1)},
		{"name", "woot", "woot"},
		{"name", "", ""},
		{"name", "a\x00b\xff", "a\x00b\xff"},
	} {
		// Up to 1.4 in the acknowledgement, later separately, NON on TCP and CON on DTLS.
		for _, typ := range []coap.Type{coap.Acknowledgement, coap.NonConfirmable, coap.Confirmable} {
			d := described(t, helloPhoton33)
			got := d.variable(c.name)
			d.want(coap.VariableMessage(askID, 1, c.name))
			id := uint16(askID)
			if typ != coap.Acknowledgement {
				d.send(coap.Ack(askID))
				got.pending()
				id = d.nextID()
			}
			d.send(coap.VariableReturn(typ, id, 1, []byte(c.bytes)))
			got.want(c.want)
			if typ == coap.Confirmable {
				d.want(coap.Ack(id))
			}
			d.want()
		}
	}
}

func TestVariableThatIsNotOfItsTypeIsRefused(t *testing.T) {
	for _, c := range []struct{ name, bytes string }{
		{"on", ""}, {"on", "ab"}, {"count", "abc"}, {"count", "abcde"}, {"temp", "abcd"}, {"temp", ""}, {"odd", "a"},
	} {
		d := described(t, helloPhoton33)
		got := d.variable(c.name)
		d.send(coap.VariableReturn(coap.NonConfirmable, d.nextID(), 1, []byte(c.bytes)))
		got.wantErr(cloud.Refused)
	}
}

func TestUnknownVariableIsAnsweredFromTheDescribe(t *testing.T) {
	d := described(t, helloPhoton07) // which would read address 0
	got := d.variable("nosuch")
	got.wantErr(cloud.NotExist)
	if text := got.errs[0].Error(); text != "Variable not found" {
		t.Errorf("%q, want the words of the API", text)
	}
	d.want()
}

func TestVariableThatTheDeviceDoesNotFind(t *testing.T) {
	for name, answer := range map[string]coap.Message{
		"piggy-backed": coap.AckCode(askID, []byte{1}, codes.NotFound),
		"separate":     {Type: coap.NonConfirmable, Code: codes.NotFound, ID: 0x7777, Token: []byte{1}},
		"confirmable":  {Type: coap.Confirmable, Code: codes.NotFound, ID: 0x7777, Token: []byte{1}},
	} {
		t.Run(name, func(t *testing.T) {
			d := described(t, helloPhoton33)
			got := d.variable("temp")
			d.request()
			d.send(answer)
			got.wantErr(cloud.NotExist)
			if answer.Type == coap.Confirmable {
				d.want(coap.Ack(answer.ID))
			}
		})
	}
}

func TestVariableNameKeepsToTheLimitOfTheGeneration(t *testing.T) {
	for _, c := range []struct {
		hello coap.Hello
		limit int
	}{{helloCore, 12}, {helloPhoton07, 12}, {helloPhoton15, 64}, {helloHost62, 64}} {
		fits, long := strings.Repeat("v", c.limit), strings.Repeat("w", c.limit+1)
		d := greeted(t, c.hello)
		d.tell(coap.Describe{
			HasApplication: true, Variables: map[string]coap.VariableType{fits: coap.Int, long: coap.Int},
		}, coap.DescribeApplication)
		d.want(coap.Ack(d.id))
		d.variable(fits)
		d.request()
		d.variable(long).wantErr(cloud.Invalid)
		d.want()
	}
}
