package session

import (
	"fmt"
	"testing"

	"github.com/plgd-dev/go-coap/v3/message/codes"

	"localcloud/coap"
)

func TestSubscriptionInEveryForm(t *testing.T) {
	for name, c := range map[string]struct {
		hello coap.Hello
		typ   coap.Type
		sent  coap.Subscription
		want  coap.Subscription
	}{
		"prefix, all devices": {helloPhoton33, coap.Confirmable, coap.Subscription{Prefix: "pre/"}, coap.Subscription{Prefix: "pre/"}},
		"my devices": {
			helloPhoton33, coap.Confirmable, coap.Subscription{Prefix: "mine/", MyDevices: true}, coap.Subscription{Prefix: "mine/", MyDevices: true},
		},
		"everything of my devices": {helloCore, coap.Confirmable, coap.Subscription{MyDevices: true}, coap.Subscription{MyDevices: true}},
		"one device": {
			helloCore, coap.Confirmable, coap.Subscription{Prefix: "weather", DeviceID: "53ff73065067544816300187"},
			coap.Subscription{Prefix: "weather", DeviceID: "53ff73065067544816300187"},
		},
		"6.2, NON without query": {
			helloHost62, coap.NonConfirmable, coap.Subscription{Prefix: "pre/"}, coap.Subscription{Prefix: "pre/", MyDevices: true},
		},
		"6.2, CBOR": {
			helloHost62, coap.Confirmable, coap.Subscription{Prefix: "pre/", Format: 'c'},
			coap.Subscription{Prefix: "pre/", MyDevices: true, Format: 'c'},
		},
		"6.2, binary": {
			helloHost62, coap.NonConfirmable, coap.Subscription{Prefix: "pre/", Format: 'b'},
			coap.Subscription{Prefix: "pre/", MyDevices: true, Format: 'b'},
		},
	} {
		t.Run(name, func(t *testing.T) {
			d := described(t, c.hello)
			d.send(coap.SubscribeMessage(c.typ, d.nextID(), c.sent))
			if c.typ == coap.Confirmable {
				d.want(coap.Ack(d.id))
			}
			d.want()
			d.wantEffects(Subscribed{Subscriptions: []coap.Subscription{c.want}})
		})
	}
}

func TestSubscriptionToWhatIsNeverForwardedIsAcknowledgedAndForgotten(t *testing.T) {
	d := described(t, helloPhoton07)
	for _, prefix := range []string{"spark", "particle", "spark/device"} {
		d.send(coap.SubscribeMessage(coap.Confirmable, d.nextID(), coap.Subscription{Prefix: prefix}))
		d.want(coap.Ack(d.id))
	}
	d.wantEffects()
}

func TestSubscriptionsAddUpAndEqualOnesCountOnce(t *testing.T) {
	d := described(t, helloPhoton33)
	a, b := coap.Subscription{Prefix: "a"}, coap.Subscription{Prefix: "a", MyDevices: true}
	for _, s := range []coap.Subscription{a, b, a} {
		d.send(coap.SubscribeMessage(coap.Confirmable, d.nextID(), s))
		d.want(coap.Ack(d.id))
	}
	d.wantEffects(
		Subscribed{Subscriptions: []coap.Subscription{a}},
		Subscribed{Subscriptions: []coap.Subscription{a, b}},
	)
}

func TestRepeatedSubscriptionIsAcknowledgedAgain(t *testing.T) {
	d := described(t, helloPhoton33)
	m := coap.SubscribeMessage(coap.Confirmable, d.nextID(), coap.Subscription{Prefix: "a"})
	d.send(m, m)
	d.want(coap.Ack(m.ID), coap.Ack(m.ID))
	d.wantEffects(Subscribed{Subscriptions: []coap.Subscription{{Prefix: "a"}}})
}

func TestSubscriptionsAreBounded(t *testing.T) {
	d := described(t, helloPhoton33)
	for i := range maxSubscriptions {
		d.send(coap.SubscribeMessage(coap.Confirmable, d.nextID(), coap.Subscription{Prefix: fmt.Sprint(i)}))
		d.want(coap.Ack(d.id))
	}
	d.effects = nil
	d.send(coap.SubscribeMessage(coap.Confirmable, d.nextID(), coap.Subscription{Prefix: "one more"}))
	d.want(coap.AckCode(d.id, nil, codes.BadRequest))
	d.send(coap.SubscribeMessage(coap.NonConfirmable, d.nextID(), coap.Subscription{Prefix: "one more"}))
	d.want()
	d.wantEffects()
}

func TestEffectsDoNotFollowLaterSubscriptions(t *testing.T) {
	d := described(t, helloPhoton33)
	d.send(coap.SubscribeMessage(coap.Confirmable, d.nextID(), coap.Subscription{Prefix: "a"}))
	first := d.effects[0].(Subscribed)
	d.send(coap.SubscribeMessage(coap.Confirmable, d.nextID(), coap.Subscription{Prefix: "b"}))
	if len(first.Subscriptions) != 1 || first.Subscriptions[0].Prefix != "a" {
		t.Errorf("the first effect became %v", first)
	}
}
