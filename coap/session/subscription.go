package session

import (
	"fmt"
	"slices"

	"github.com/plgd-dev/go-coap/v3/message/codes"

	"localcloud/cloud"
	"localcloud/coap"
)

// maxSubscriptions bounds what one device may ask for; real ones have six.
const maxSubscriptions = 32

// onSubscribe adds one subscription to the device's set. The set began empty
// at Hello: a device has no message to unsubscribe.
func (s *Session) onSubscribe(m coap.Message) error {
	sub, err := coap.ParseSubscription(m)
	if err != nil {
		return fmt.Errorf("subscription: %w", err)
	}
	if len(s.subs) >= maxSubscriptions {
		if m.Type == coap.Confirmable {
			s.reply(m, coap.AckCode(m.ID, m.Token, codes.BadRequest))
		}
		return nil
	}
	if m.Type == coap.Confirmable {
		s.reply(m, coap.Ack(m.ID))
	}
	if s.systemAtLeast(firstWithFormats) {
		sub.MyDevices = true // no query is sent any more: all are "own devices"
	}
	if cloud.IsReserved(sub.Prefix) || slices.Contains(s.subs, sub) {
		return nil // each board asks for what the system says, and what begins so is never forwarded
	}
	s.changed()
	s.subs = append(s.subs, sub)
	s.effects = append(s.effects, Subscribed{Subscriptions: slices.Clone(s.subs)})
	return nil
}
