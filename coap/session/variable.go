package session

import (
	"time"

	"localcloud/cloud"
	"localcloud/coap"
)

// Variable reads a variable. done is called once, as for Call; the value is a
// bool, an int32, a float64 or a string, as the describe says.
func (s *Session) Variable(now, deadline time.Time, name string, done func(any, error)) {
	fail := func(err error) { done(nil, err) }
	s.whenDescribed(now, deadline, fail, func(now time.Time) {
		kind, ok := s.describing.known.variables[name]
		switch {
		case !ok: // asking would make old firmware read address 0
			fail(cloud.Errorf("", cloud.NotExist, "Variable not found"))
		case len(name) > s.limits().VariableName:
			fail(cloud.Errorf("", cloud.Invalid, "a variable's name has at most %d bytes on this device", s.limits().VariableName))
		default:
			s.request(deadline, func(id uint16, token byte) coap.Message {
				return coap.VariableMessage(id, token, name)
			}, onValue(kind, done), fail)
		}
	})
}

func onValue(kind coap.VariableType, done func(any, error)) func(time.Time, coap.Message) bool {
	return func(_ time.Time, m coap.Message) bool {
		if err := refusal(m); err != nil {
			done(nil, err)
			return false
		}
		v, err := coap.DecodeVariable(kind, m.Payload)
		if err != nil {
			done(nil, cloud.E("", cloud.Refused, err))
			return false
		}
		done(v, nil)
		return false
	}
}
