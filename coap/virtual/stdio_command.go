package virtual

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"localcloud/coap"
)

// command is a line of a script. Members that an op does not use do not matter.
type command struct {
	Op      string          `json:"op"`
	Name    string          `json:"name"`
	Ret     int32           `json:"ret"`
	DelayMS int64           `json:"delay_ms"`
	Type    string          `json:"type"`
	Value   json.RawMessage `json:"value"`
	Prefix  string          `json:"prefix"`
	Mine    bool            `json:"mine"`
	Device  string          `json:"device"`
	Data    *string         `json:"data"`
	TTL     uint32          `json:"ttl"`
	Private bool            `json:"private"`
	Ack     bool            `json:"ack"`
}

type stdioSubscription struct {
	prefix string
	mine   bool
	device string
}

// maxDelay bounds the delay of a function.
const maxDelay = time.Hour

func parseCommand(b []byte) (command, error) {
	var cmd command
	if err := json.Unmarshal(b, &cmd); err != nil {
		return command{}, err
	}
	if cmd.Op == "" {
		return command{}, errors.New("no op")
	}
	if cmd.DelayMS < 0 || cmd.DelayMS > maxDelay.Milliseconds() {
		return command{}, fmt.Errorf("delay_ms of %d", cmd.DelayMS)
	}
	return cmd, nil
}

// obey does what a line says, or says why not.
func (s *stdio) obey(ctx context.Context, line inputLine) {
	err := line.err
	if err == nil && len(bytes.TrimSpace(line.text)) > 0 {
		err = s.execute(ctx, line)
	}
	if err != nil {
		s.complain(ctx, line.number, err)
	}
}

func (s *stdio) execute(ctx context.Context, line inputLine) error {
	cmd, err := parseCommand(line.text)
	if err != nil {
		return err
	}
	switch cmd.Op {
	case "function":
		return s.function(ctx, cmd)
	case "variable":
		return s.variable(cmd)
	case "subscribe":
		return s.subscribe(ctx, cmd)
	case "unsubscribe":
		clear(s.subs)
		s.dev.Unsubscribe()
	case "publish":
		return s.enqueue(ctx, cmd, line.number)
	case "reboot":
		s.dev.Reboot()
	case "disconnect":
		s.away = true
		s.dev.Disconnect()
	case "connect":
		s.away = false
		s.dev.Connect()
	default:
		return fmt.Errorf("no op %q", cmd.Op)
	}
	return nil
}

func (s *stdio) function(ctx context.Context, cmd command) error {
	delay := time.Duration(cmd.DelayMS) * time.Millisecond
	return s.dev.LateFunction(cmd.Name, delay, func(arg string) int32 {
		s.output.writeNow(ctx, outCall{Ev: "call", Name: cmd.Name, Arg: arg})
		return cmd.Ret
	})
}

// subscribe does nothing when it was done before, as a board does for the same
// handler.
func (s *stdio) subscribe(ctx context.Context, cmd command) error {
	sub := stdioSubscription{cmd.Prefix, cmd.Mine, cmd.Device}
	if s.subs[sub] {
		return nil
	}
	options := SubscribeOptions{Mine: cmd.Mine, Device: cmd.Device}
	err := s.dev.Subscribe(cmd.Prefix, options, func(ev Event) {
		out := outEvent{Ev: "event", Name: ev.Name}
		if ev.Data != nil {
			data := string(ev.Data)
			out.Data = &data
		}
		s.output.write(ctx, out)
	})
	if err == nil {
		s.subs[sub] = true
	}
	return err
}

func (s *stdio) enqueue(ctx context.Context, cmd command, line int) error {
	ev := Event{Name: cmd.Name, TTL: cmd.TTL, Private: cmd.Private, WithAck: cmd.Ack}
	if cmd.Data != nil {
		ev.Data = []byte(*cmd.Data)
	}
	if err := s.dev.checkEvent(ev); err != nil {
		return err
	}
	if len(s.pending) >= maxPending {
		return fmt.Errorf("%d events wait for the device to come online", len(s.pending))
	}
	s.pending = append(s.pending, pendingEvent{ev, line})
	s.flush(ctx)
	return nil
}

// stdioValue is a variable's value, which the script changes while the device
// is asked for it.
type stdioValue struct {
	kind coap.VariableType

	mu    sync.Mutex
	value any
}

func (v *stdioValue) get() any {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.value
}

func (v *stdioValue) set(value any) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.value = value
}

func (s *stdio) variable(cmd command) error {
	kind, value, err := parseValue(cmd.Type, cmd.Value)
	if err != nil {
		return fmt.Errorf("variable %q: %w", cmd.Name, err)
	}
	if v, ok := s.values[cmd.Name]; ok && v.kind == kind {
		v.set(value)
		return nil
	}
	v := &stdioValue{kind: kind, value: value}
	if err := s.dev.Variable(cmd.Name, kind, v.get); err != nil {
		return err
	}
	s.values[cmd.Name] = v
	return nil
}

// parseValue reads a value of a type; both are from the script.
func parseValue(kind string, raw json.RawMessage) (coap.VariableType, any, error) {
	switch kind {
	case "int":
		v, err := decode[int32](raw)
		return coap.Int, v, err
	case "double":
		v, err := decode[float64](raw)
		return coap.Double, v, err
	case "bool":
		v, err := decode[bool](raw)
		return coap.Bool, v, err
	case "string":
		v, err := decode[string](raw)
		return coap.String, v, err
	}
	return 0, nil, fmt.Errorf("no type %q: int, double, bool or string", kind)
}

// decode reads one value and takes null for nothing at all.
func decode[T any](raw json.RawMessage) (T, error) {
	var v *T
	err := json.Unmarshal(raw, &v)
	if err == nil && v == nil || len(raw) == 0 {
		err = errors.New("no value")
	}
	if err != nil {
		var zero T
		return zero, err
	}
	return *v, nil
}
