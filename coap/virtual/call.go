package virtual

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/plgd-dev/go-coap/v3/message/codes"

	"localcloud/coap"
)

// maxRegistered bounds the functions, variables and subscriptions, each.
// Device OS system/inc/system_cloud.h USER_FUNC_MAX_COUNT.
const maxRegistered = 100

type function struct {
	name  string
	delay time.Duration // from the return of call to the answer
	call  func(arg string) int32
}

// lateReturn is a result that is sent later.
type lateReturn struct {
	at    time.Time
	token byte
	value int32
}

// Function gives the device a function. Of the same name, the last one counts.
// It fails when the name is longer than the release takes, when there are 100,
// or when the describe of a release before 3.3 would not fit into a message.
func (d *Device) Function(name string, call func(arg string) int32) error {
	return d.LateFunction(name, 0, call)
}

// LateFunction gives the device a function whose result is sent only some time
// after it has returned. Other functions can be called meanwhile.
func (d *Device) LateFunction(name string, delay time.Duration, call func(arg string) int32) error {
	if err := checkName(name, d.limits.FunctionName); err != nil {
		return fmt.Errorf("function: %w", err)
	}
	c, err := d.addFunction(function{name, delay, call})
	if err != nil {
		return fmt.Errorf("function %q: %w", name, err)
	}
	c.describeAgain()
	return nil
}

// addFunction returns the connection on which it is news, if any.
func (d *Device) addFunction(f function) (*connection, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if i := slices.IndexFunc(d.functions, func(other function) bool { return other.name == f.name }); i >= 0 {
		d.functions[i] = f
		return nil, nil
	}
	if len(d.functions) >= maxRegistered {
		return nil, ErrTooMany
	}
	d.functions = append(d.functions, f)
	if err := d.describableLocked(); err != nil {
		d.functions = d.functions[:len(d.functions)-1]
		return nil, err
	}
	return d.online, nil
}

func checkName(name string, longest int) error {
	switch {
	case name == "":
		return errors.New("virtual: no name")
	case len(name) > longest:
		return fmt.Errorf("name of %d bytes, at most %d: %w", len(name), longest, ErrTooLong)
	}
	return nil
}

func (d *Device) findFunction(name string) (function, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	i := slices.IndexFunc(d.functions, func(f function) bool { return f.name == name })
	if i < 0 {
		return function{}, false
	}
	return d.functions[i], true
}

// onFunction acknowledges a call and makes it. To one of a function that it
// does not have a board says nothing more.
//
// What it calls a function with when the argument is too long depends on its
// age. Device OS communication/src/functions.h and, for the Core,
// spark_protocol.cpp handle_function_call.
func (c *connection) onFunction(m coap.Message) error {
	name, arg, err := coap.ParseFunction(m)
	if err != nil {
		c.d.log.Warn("call that a board would misread", "message", m.String())
		return c.send(coap.Ack(m.ID))
	}
	ack := coap.Ack(m.ID)
	if limit := c.d.limits.FunctionArg; len(arg) > limit {
		ack = coap.AckCode(m.ID, nil, codes.BadRequest)
		if c.d.os.leftoverArg {
			arg = c.d.leftover
		} else {
			arg = arg[:limit]
		}
	}
	c.d.leftover = arg
	if err := c.send(ack); err != nil {
		return err
	}
	if f, ok := c.d.findFunction(name); ok {
		c.call(f, m.Token[0], arg)
	}
	return nil
}

func (c *connection) call(f function, token byte, arg string) {
	if c.d.faults.neverReturns() {
		return
	}
	c.d.run(func() {
		value := f.call(arg)
		// An answer that has no connection any more is lost, as on a board.
		_ = c.ask(func(c *connection, now time.Time) error {
			if f.delay > 0 {
				c.late = append(c.late, lateReturn{now.Add(f.delay), token, value})
				return nil
			}
			return c.returnValue(token, value)
		})
	})
}

func (c *connection) returnValue(token byte, value int32) error {
	return c.send(coap.FunctionReturn(coap.NonConfirmable, c.nextID(), token, value))
}

// returnLate sends the results whose time has come, in that order.
func (c *connection) returnLate(now time.Time) error {
	for {
		i := c.firstLate()
		if i < 0 || now.Before(c.late[i].at) {
			return nil
		}
		r := c.late[i]
		c.late = slices.Delete(c.late, i, i+1)
		if err := c.returnValue(r.token, r.value); err != nil {
			return err
		}
	}
}

func (c *connection) lateDeadline() time.Time {
	if i := c.firstLate(); i >= 0 {
		return c.late[i].at
	}
	return time.Time{}
}

func (c *connection) firstLate() int {
	first := -1
	for i, r := range c.late {
		if first < 0 || r.at.Before(c.late[first].at) {
			first = i
		}
	}
	return first
}
