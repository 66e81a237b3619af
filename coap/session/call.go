package session

import (
	"time"

	"github.com/plgd-dev/go-coap/v3/message/codes"

	"localcloud/cloud"
	"localcloud/coap"
)

// Call calls a function of the device. done is called once, during this or a later
// step: with the result, or with an error of kind NotExist (not in the
// describe), Invalid (too long for this device), Timeout, Limited, Refused or Offline. A
// call that comes before the device was described waits for that.
func (s *Session) Call(now, deadline time.Time, function, argument string, done func(int32, error)) {
	fail := func(err error) { done(0, err) }
	s.whenDescribed(now, deadline, fail, func(now time.Time) {
		switch {
		case !s.knowsFunction(function):
			fail(cloud.Errorf("", cloud.NotExist, "Function %s not found", function))
		case len(function) > s.limits().FunctionName:
			fail(cloud.Errorf("", cloud.Invalid, "a function's name has at most %d bytes on this device", s.limits().FunctionName))
		case len(argument) > s.limits().FunctionArg:
			// The device would call the function with a cut or an older argument.
			fail(cloud.Errorf("", cloud.Invalid, "the argument has %d bytes, this device takes at most %d", len(argument), s.limits().FunctionArg))
		case !s.fits(coap.FunctionMessage(0, 0, function, argument)):
			fail(cloud.Errorf("", cloud.Invalid, "name and argument together are too long for this device, which takes messages of %d bytes", s.limits().MaxMessage))
		default:
			s.request(deadline, func(id uint16, token byte) coap.Message {
				return coap.FunctionMessage(id, token, function, argument)
			}, onResult(done), fail)
		}
	})
}

// fits reports whether the device takes a message of that length. One that is longer would make it disconnect.
func (s *Session) fits(m coap.Message) bool {
	b, err := m.Append(nil)
	return err == nil && len(b) <= s.limits().MaxMessage
}

// onResult reads the separate 2.04 that carries a function's result.
func onResult(done func(int32, error)) func(time.Time, coap.Message) bool {
	return func(_ time.Time, m coap.Message) bool {
		if err := refusal(m); err != nil {
			done(0, err)
			return false
		}
		v, err := coap.FunctionResult(m)
		if err != nil {
			err = cloud.E("", cloud.Refused, err)
		}
		done(v, err)
		return false
	}
}

// refusal returns the device's error answer as an error, if m is one.
func refusal(m coap.Message) error {
	err := m.Err()
	switch {
	case err == nil:
		return nil
	case m.Code == codes.NotFound:
		return cloud.E("", cloud.NotExist, err)
	}
	return cloud.E("", cloud.Refused, err)
}
