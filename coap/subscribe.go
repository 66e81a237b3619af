package coap

import (
	"errors"
	"fmt"

	"github.com/plgd-dev/go-coap/v3/message"
	"github.com/plgd-dev/go-coap/v3/message/codes"
)

// Subscription is a device's wish for events whose names begin with Prefix.
type Subscription struct {
	Prefix    string // empty: every event
	MyDevices bool   // query u: of the owner's devices. Not sent from 6.2 on, where it is meant
	DeviceID  string // of this device only, as the device wrote it; up to 0.4
	Format    byte   // 0 text, 'c' CBOR, 'b' any bytes; from 6.2 on
}

// maxSubscriptionID is what Device OS allows itself, events.cpp subscription.
const maxSubscriptionID = 63

// ParseSubscription reads a subscription.
//
//	40|50 01 id id b1 65 [0n prefix | 0d n-13 prefix]
//	      41 75                     "u": my devices
//	      41 63 | 41 62             "c", "b": content, from 6.2 on
//	      ff device-id              as text
//
// Device OS communication/src/events.cpp subscription (up to 6.1) and
// subscriptions.cpp send_subscription_impl (6.2.0). Queries of other letters are
// ignored.
func ParseSubscription(m Message) (Subscription, error) {
	if m.Kind(FromDevice) != KindSubscribe {
		return Subscription{}, errors.New("subscription: not a subscription")
	}
	s := Subscription{Prefix: m.name(), DeviceID: string(m.Payload)}
	if len(s.Prefix) > MaxEventName {
		return Subscription{}, fmt.Errorf("subscription: prefix of %d bytes", len(s.Prefix))
	}
	if len(s.DeviceID) > maxSubscriptionID {
		return Subscription{}, fmt.Errorf("subscription: device id of %d bytes", len(s.DeviceID))
	}
	for _, o := range m.Options {
		if o.ID != message.URIQuery {
			continue
		}
		switch string(o.Value) {
		case "u":
			s.MyDevices = true
		case "c", "b":
			s.Format = o.Value[0]
		}
	}
	return s, nil
}

// SubscribeMessage builds a subscription, for the virtual device: Confirmable,
// or from 6.2 on NonConfirmable on TCP.
func SubscribeMessage(t Type, id uint16, s Subscription) Message {
	var more []message.Option
	if s.MyDevices {
		more = append(more, query('u'))
	}
	if s.Format != 0 {
		more = append(more, query(s.Format))
	}
	m := request(t, codes.GET, id, nil, 'e', s.Prefix, more...)
	m.Payload = []byte(s.DeviceID)
	return m
}
