package session

import (
	"strings"
	"testing"

	"localcloud/coap"
)

func TestHelloIsAnsweredAtOnceInEveryLengthAndVersion(t *testing.T) {
	answer := coap.HelloMessage(coap.NonConfirmable, firstID, make([]byte, 6))
	withID := helloPhoton33
	withID.DeviceID = theID[:]
	short := helloPhoton23
	short.DeviceID = theID[:] // as DTLS up to 2.x has it
	for name, h := range map[string]coap.Hello{
		"oldest core": helloCoreOldest, "core": helloCore, "0.7": helloPhoton07, "1.5": helloPhoton15,
		"2.3": helloPhoton23, "3.3": helloPhoton33, "6.2": helloHost62, "2.3 with id": short, "3.3 with id": withID,
	} {
		t.Run(name, func(t *testing.T) {
			d := newDevice(t)
			d.send(d.hello(h))
			d.want(answer)
			d.wantEffects(Arrived{Hello: h})
		})
		t.Run(name+" confirmable", func(t *testing.T) {
			d := newDevice(t)
			d.send(coap.HelloMessage(coap.Confirmable, d.nextID(), h.Append(nil)))
			d.want(coap.Ack(d.id), answer)
			d.wantEffects(Arrived{Hello: h})
		})
	}
}

func TestHelloOfALaterVersionMayBeLonger(t *testing.T) {
	d := newDevice(t)
	d.send(coap.HelloMessage(coap.NonConfirmable, d.nextID(), append(helloHost62.Append(nil), 1, 2, 3)))
	d.wantEffects(Arrived{Hello: helloHost62})
}

func TestHelloMustNameTheDeviceThatProvedItself(t *testing.T) {
	h := helloPhoton33
	h.DeviceID = make([]byte, 12)
	d := newDevice(t)
	d.say(d.hello(h))
	d.wantOver(errProtocol)
	d.wantEffects()
	if !strings.Contains(d.over.Error(), theID.String()) {
		t.Errorf("%v does not name the device", d.over)
	}
}

func TestNothingButHelloAndPingComesFirst(t *testing.T) {
	d := newDevice(t)
	d.send(coap.Ping(d.nextID()))
	d.want(coap.Ack(d.id))

	for _, m := range []coap.Message{
		eventFrom(1, coap.NonConfirmable, "temp", "21"),
		eventFrom(1, coap.Confirmable, "temp", "21"),
		coap.DescribePost(1, nil, coap.DescribeApplication, -1, theApp.AppendJSON(nil)),
		coap.SubscribeMessage(coap.Confirmable, 1, coap.Subscription{Prefix: "x"}),
		coap.TimeRequest(1, 1),
		coap.Ack(1),
	} {
		d := newDevice(t)
		d.say(m)
		d.wantOver(errFirst)
		d.wantOver(errProtocol)
		d.want()
		d.wantEffects()
	}
}

func TestHelloCountsEvenWithAnIDThatWasSeen(t *testing.T) {
	d := described(t, helloPhoton33)
	d.send(eventFrom(0x4242, coap.Confirmable, "temp", "21"))
	d.effects = nil
	d.send(coap.HelloMessage(coap.Confirmable, 0x4242, helloPhoton33.Append(nil))) // it restarted and counts anew
	d.want(coap.Ack(0x4242), coap.HelloMessage(coap.NonConfirmable, askID, make([]byte, 6)))
	d.wantEffects(Arrived{Hello: helloPhoton33})
}

func TestSecondHelloBeginsAnew(t *testing.T) {
	d := described(t, helloPhoton33)
	d.send(coap.SubscribeMessage(coap.Confirmable, d.nextID(), coap.Subscription{Prefix: "old"}))
	d.sent, d.effects = nil, nil

	d.send(d.hello(helloHost62))
	d.want(coap.HelloMessage(coap.NonConfirmable, firstID+1, make([]byte, 6)))
	d.wantEffects(Arrived{Hello: helloHost62})

	d.send(coap.SubscribeMessage(coap.NonConfirmable, d.nextID(), coap.Subscription{Prefix: "new"}))
	d.wantEffects(Subscribed{Subscriptions: []coap.Subscription{{Prefix: "new", MyDevices: true}}})

	early := d.call("led", "on") // what it can do has to be learnt again
	early.pending()
	d.want()
	d.tell(theApp, coap.DescribeApplication)
	d.want(coap.Ack(d.id), coap.FunctionMessage(firstID+2, 1, "led", "on"))
}
