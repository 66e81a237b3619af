package session

import (
	"strings"
	"testing"
	"time"

	"github.com/plgd-dev/go-coap/v3/message/codes"

	"localcloud/cloud"
	"localcloud/coap"
)

func TestCallIsAnsweredSeparately(t *testing.T) {
	for _, typ := range []coap.Type{coap.NonConfirmable, coap.Confirmable} {
		t.Run(typ.String(), func(t *testing.T) {
			d := described(t, helloPhoton33)
			got := d.call("led", "on")
			d.want(coap.FunctionMessage(askID, 1, "led", "on"))
			d.send(coap.Ack(askID))
			got.pending()
			d.send(coap.FunctionReturn(typ, d.nextID(), 1, -1234567))
			got.want(-1234567)
			if typ == coap.Confirmable {
				d.want(coap.Ack(d.id))
			}
			d.want()
		})
	}
}

func TestCallWithoutAcknowledgementIsAnsweredToo(t *testing.T) {
	d := described(t, helloPhoton33)
	got := d.call("led", "on")
	d.send(coap.FunctionReturn(coap.Acknowledgement, askID, 1, 7))
	got.want(7)
}

func TestEmptyArgumentIsAnOptionAllTheSame(t *testing.T) {
	d := described(t, helloPhoton33)
	d.call("led", "")
	m := d.request()
	if _, arg, err := coap.ParseFunction(m); err != nil || arg != "" {
		t.Errorf("%s has the argument %q, %v", m, arg, err)
	}
	if last := m.Options[len(m.Options)-1]; last.ID != 15 || len(last.Value) != 0 {
		t.Errorf("%s ends with the option %v, want an empty Uri-Query", m, last)
	}
}

func TestCallKeepsToTheLimitsOfTheGeneration(t *testing.T) {
	for _, c := range []struct {
		name     string
		hello    coap.Hello
		function int
		argument int
		together int // of the longest argument, the longest name beside it
	}{
		{"oldest core", helloCoreOldest, 12, 63, 12},
		{"core", helloCore, 12, 63, 12},
		{"0.7", helloPhoton07, 12, 63, 12},
		{"1.5", helloPhoton15, 64, 622, 64},
		{"2.3", helloPhoton23, 64, 622, 64},
		{"3.3 gen 2", helloPhoton33, 64, 864, 51}, // 864 and 64 are more than its buffer on TCP holds
		{"6.2", helloHost62, 64, 1024, 64},
	} {
		t.Run(c.name, func(t *testing.T) {
			fits, long := strings.Repeat("f", c.together), strings.Repeat("g", c.function+1)
			d := greeted(t, c.hello)
			d.tell(coap.Describe{HasApplication: true, Functions: []string{fits, fits + "f", long}}, coap.DescribeApplication)
			d.want(coap.Ack(d.id))

			argument := strings.Repeat("x", c.argument)
			d.call(fits, argument)
			if m := d.request(); m.Kind(coap.FromServer) != coap.KindFunction {
				t.Errorf("the longest that fits sends %s", m)
			}
			d.call(fits, argument+"x").wantErr(cloud.Invalid)
			d.call(fits+"f", argument).wantErr(cloud.Invalid)
			d.call(long, "").wantErr(cloud.Invalid)
			d.want()
		})
	}
}

func TestUnknownFunctionIsAnsweredFromTheDescribe(t *testing.T) {
	d := described(t, helloPhoton33)
	got := d.call("nosuch", "x")
	got.wantErr(cloud.NotExist)
	if text := got.errs[0].Error(); text != "Function nosuch not found" {
		t.Errorf("%q, want the words of the API", text)
	}
	d.want()
}

func TestAnswerOfAnErrorFailsTheCall(t *testing.T) {
	for code, kind := range map[codes.Code]cloud.Kind{
		codes.BadRequest: cloud.Refused, codes.InternalServerError: cloud.Refused, codes.NotFound: cloud.NotExist,
	} {
		d := described(t, helloPhoton33)
		got := d.call("led", "on")
		d.send(coap.AckCode(askID, []byte{1}, code))
		got.wantErr(kind)

		// Device OS 0.8 to 2.x says no and calls the function all the same.
		d.send(coap.FunctionReturn(coap.NonConfirmable, d.nextID(), 1, 7))
		got.wantErr(kind)
	}
}

func TestErrorWithoutTokenIsMatchedByMessageID(t *testing.T) {
	d := described(t, helloPhoton33)
	other, got := d.call("led", "on"), d.call("led", "off")
	d.send(coap.AckCode(askID+1, nil, codes.BadRequest))
	got.wantErr(cloud.Refused)
	other.pending()
}

func TestResultThatIsNoneFailsTheCall(t *testing.T) {
	for _, m := range []coap.Message{
		{Type: coap.NonConfirmable, Code: codes.Changed, Token: []byte{1}},
		{Type: coap.NonConfirmable, Code: codes.Changed, Token: []byte{1}, Payload: []byte{1, 2, 3}},
		{Type: coap.NonConfirmable, Code: codes.Content, Token: []byte{1}, Payload: []byte{1, 2, 3, 4}},
	} {
		d := described(t, helloPhoton33)
		got := d.call("led", "on")
		m.ID = d.nextID()
		d.send(m)
		got.wantErr(cloud.Refused)
	}
}

func TestCallTimesOutAndALateAnswerHarmsNobody(t *testing.T) {
	d := described(t, helloPhoton33)
	first := d.call("led", "1")
	d.want(coap.FunctionMessage(askID, 1, "led", "1"))
	d.send(coap.Ack(askID))
	d.advance(20 * time.Second)
	d.send(coap.Ping(d.nextID())) // it is alive
	d.want(coap.Ack(d.id))
	d.advance(callTimeout - 20*time.Second - time.Millisecond)
	first.pending()
	d.advance(time.Millisecond)
	first.wantErr(cloud.Timeout)

	second := d.call("led", "2")
	d.want(coap.FunctionMessage(askID+1, 2, "led", "2"))
	d.send(coap.FunctionReturn(coap.NonConfirmable, d.nextID(), 1, 111)) // the late answer to the first
	second.pending()
	first.wantErr(cloud.Timeout)
	d.send(coap.FunctionReturn(coap.NonConfirmable, d.nextID(), 2, 222))
	second.want(222)
}

func TestResetFailsTheCall(t *testing.T) {
	d := described(t, helloPhoton33)
	got := d.call("led", "on")
	d.send(coap.ResetMessage(askID))
	got.wantErr(cloud.Refused)
	d.send(coap.ResetMessage(0x9999)) // of nothing that we sent
}
