package virtual

import (
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/plgd-dev/go-coap/v3/message/codes"

	"localcloud/coap"
)

type variable struct {
	name string
	kind coap.VariableType
	get  func() any
}

// Variable gives the device a variable. get returns its value: a bool, a
// string, or any number that fits the type. Of the same name, the last one
// counts. It fails when Function would.
func (d *Device) Variable(name string, kind coap.VariableType, get func() any) error {
	if err := checkName(name, d.limits.VariableName); err != nil {
		return fmt.Errorf("variable: %w", err)
	}
	switch kind {
	case coap.Bool, coap.Int, coap.Double, coap.String:
	default:
		return fmt.Errorf("variable %q: virtual: no type %d", name, int(kind))
	}
	c, err := d.addVariable(variable{name, kind, get})
	if err != nil {
		return fmt.Errorf("variable %q: %w", name, err)
	}
	c.describeAgain()
	return nil
}

// addVariable returns the connection on which it is news, if any.
func (d *Device) addVariable(v variable) (*connection, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if i := slices.IndexFunc(d.variables, func(other variable) bool { return other.name == v.name }); i >= 0 {
		news := d.variables[i].kind != v.kind
		d.variables[i] = v
		if news {
			return d.online, nil
		}
		return nil, nil
	}
	if len(d.variables) >= maxRegistered {
		return nil, ErrTooMany
	}
	d.variables = append(d.variables, v)
	if err := d.describableLocked(); err != nil {
		d.variables = d.variables[:len(d.variables)-1]
		return nil, err
	}
	return d.online, nil
}

func (d *Device) findVariable(name string) (variable, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	i := slices.IndexFunc(d.variables, func(v variable) bool { return v.name == name })
	if i < 0 {
		return variable{}, false
	}
	return d.variables[i], true
}

// onVariable answers a request for a value: in the ACK up to 1.4, later with an
// empty ACK and then apart. Device OS communication/src/variables.h (0.7.0),
// variables.cpp (1.5.2 and later).
func (c *connection) onVariable(m coap.Message) error {
	name, err := coap.ParseVariable(m)
	if err != nil {
		if !c.d.os.variableApart {
			return nil
		}
		return c.send(coap.AckCode(m.ID, m.Token, codes.BadRequest))
	}
	if c.d.os.variableApart {
		if err := c.send(coap.Ack(m.ID)); err != nil {
			return err
		}
	}
	v, ok := c.d.findVariable(name)
	if !ok {
		return c.unknownVariable(m)
	}
	c.d.run(func() {
		value, err := v.encode()
		_ = c.ask(func(c *connection, _ time.Time) error { return c.returnVariable(m, value, err) })
	})
	return nil
}

// unknownVariable says so, or, up to 1.4, gives the four bytes that a board
// finds at address 0.
func (c *connection) unknownVariable(m coap.Message) error {
	if c.d.os.variableApart {
		return c.variableError(m, codes.NotFound)
	}
	return c.returnVariable(m, make([]byte, 4), nil)
}

func (c *connection) returnVariable(m coap.Message, value []byte, err error) error {
	if err != nil {
		c.d.log.Warn("variable", "err", err)
		if c.d.os.variableApart {
			return c.variableError(m, codes.InternalServerError)
		}
		value = nil
	}
	// Up to 0.7 a text is cut at the size of the buffer only, which is 622 and more.
	value = value[:min(len(value), max(c.d.limits.EventData, 622))]
	if c.d.os.variableApart {
		return c.send(coap.VariableReturn(coap.NonConfirmable, c.nextID(), m.Token[0], value))
	}
	answer := coap.VariableReturn(coap.Acknowledgement, m.ID, m.Token[0], value)
	return c.sendMarked(answer)
}

func (c *connection) variableError(m coap.Message, code codes.Code) error {
	return c.send(coap.Message{Type: coap.NonConfirmable, Code: code, ID: c.nextID(), Token: m.Token})
}

// encode asks for the value.
func (v variable) encode() ([]byte, error) {
	got := v.get()
	value, err := convert(v.kind, got)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", v.name, err)
	}
	return coap.EncodeVariable(v.kind, value)
}

// convert makes a number of the one type that goes on the wire out of others.
func convert(kind coap.VariableType, v any) (any, error) {
	var number float64
	switch v := v.(type) {
	case int:
		number = float64(v)
	case int32:
		number = float64(v)
	case int64:
		number = float64(v)
	case float64:
		number = v
	default:
		return v, nil
	}
	switch {
	case kind == coap.Double:
		return number, nil
	case kind == coap.Int && number == math.Trunc(number) && number >= math.MinInt32 && number <= math.MaxInt32:
		return int32(number), nil
	}
	return nil, fmt.Errorf("virtual: %v is no %s", v, kind)
}
