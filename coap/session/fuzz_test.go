package session

import (
	"bytes"
	"encoding/binary"
	"path/filepath"
	"testing"
	"time"

	"localcloud/cloud"
	"localcloud/coap"
	"localcloud/coap/link/recording"
)

// A script is what happens to a Session, step by step:
//
//	len be16, message     a message of the device, len up to 2047
//	f0 n                  n seconds pass
//	f1 | f2 | f3 | f4 | f5     a call, a variable, metrics, a signal, a ping
//	f6 n                  an event of n bytes to the device
//	f7 id be16            an event of the device is committed, f8 failed
//	f9                    rename
const (
	opWait = 0xf0 + iota
	opCall
	opVariable
	opMetrics
	opSignal
	opPing
	opEvent
	opCommitted
	opFailed
	opRename
)

// FuzzReceive has a greeted Session live through a script. Whatever happens, it does not
// panic, what it sends is a message of the protocol, it answers each request at
// most once, and it keeps its bounds.
func FuzzReceive(f *testing.F) {
	files, err := filepath.Glob(filepath.Join("..", "link", "testdata", "recordings", "*.txt"))
	if err != nil || len(files) == 0 {
		f.Fatalf("recordings %v, %v", files, err)
	}
	for _, file := range files {
		rec, err := recording.Open(file)
		if err != nil {
			f.Fatal(err)
		}
		var script []byte
		for _, m := range rec.PlainFrom(recording.Device) {
			script = append(binary.BigEndian.AppendUint16(script, uint16(len(m))), m...)
			if len(script)%3 == 0 {
				script = append(script, opWait, 5, opCall, opVariable, opMetrics, opSignal, opPing, opEvent, 7)
			}
		}
		f.Add(script)
	}
	for _, m := range inBlocks(longApp().AppendJSON(nil), 5) {
		m.Token = []byte{1}
		b, err := m.Append(nil)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(append(binary.BigEndian.AppendUint16([]byte{opWait, 7}, uint16(len(b))), b...))
	}
	f.Add([]byte{opCall, opWait, 40, opCall, opWait, 250, opCall})
	f.Fuzz(func(t *testing.T, script []byte) {
		for _, h := range []coap.Hello{helloCoreOldest, helloPhoton15, helloHost62} {
			live(t, h, script)
		}
	})
}

func live(t *testing.T, h coap.Hello, script []byte) {
	d := newDevice(t)
	d.send(d.hello(h))
	answers := 0
	asked := 0
	ask := func(start func(deadline time.Time, answered func(error))) {
		asked++
		once := false
		start(d.now.Add(callTimeout), func(error) {
			if once {
				t.Error("a request is answered twice")
			}
			once = true
			answers++
		})
	}
	for len(script) >= 1 && d.over == nil {
		op, arg := script[0], byte(0)
		script = script[1:]
		if len(script) > 0 {
			arg = script[0]
		}
		switch {
		case op < 8:
			n := min(int(op)<<8|int(arg), max(len(script)-1, 0))
			script = script[min(1, len(script)):]
			d.step(d.s.Receive(d.now, bytes.Clone(script[:n])))
			script = script[n:]
		case op == opWait:
			d.advance(time.Duration(arg) * time.Second)
		case op == opCall:
			ask(func(at time.Time, done func(error)) {
				d.s.Call(d.now, at, "led", "on", func(_ int32, err error) { done(err) })
			})
		case op == opVariable:
			ask(func(at time.Time, done func(error)) {
				d.s.Variable(d.now, at, "temp", func(_ any, err error) { done(err) })
			})
		case op == opMetrics:
			ask(func(at time.Time, done func(error)) {
				d.s.Metrics(d.now, at, func(_ coap.Metrics, err error) { done(err) })
			})
		case op == opSignal:
			ask(func(at time.Time, done func(error)) { d.s.Signal(d.now, at, true, done) })
		case op == opPing:
			ask(func(_ time.Time, done func(error)) { d.s.Ping(d.now, done) })
		case op == opEvent:
			d.s.Send(&cloud.Event{Name: "n", Data: make([]byte, arg), TTL: uint32(arg), Format: int(arg)})
		case op == opCommitted, op == opFailed:
			var err error
			if op == opFailed {
				err = cloud.E("", cloud.Limited, nil)
			}
			d.s.Acknowledge(uint16(arg), err)
		case op == opRename:
			d.s.Rename("new")
		}
		d.step(d.over)
		d.bounded()
		d.sent = nil
	}
	d.s.Close(ErrClosed)
	if answers != asked {
		t.Errorf("%d of %d requests were answered", answers, asked)
	}
}

// bounded checks that nothing grows for ever.
func (d *device) bounded() {
	d.t.Helper()
	s, described := d.s, 0
	if a := s.describing.arriving; a != nil {
		described = len(a.blocks)
	}
	if s.inFlight > maxInFlight || len(s.open) > 256 || len(s.waiting) > maxInFlight || len(s.answers.ring) > seenIDs ||
		described > maxDescribe || len(s.subs) > maxSubscriptions {
		d.t.Errorf("%d in flight, %d open, %d waiting, %d seen, %d bytes of describe, %d subscriptions",
			s.inFlight, len(s.open), len(s.waiting), len(s.answers.ring), described, len(s.subs))
	}
	inFlight, tokens := 0, make(map[byte]bool)
	for _, e := range s.open {
		if tokens[e.token] {
			d.t.Errorf("the token %02x is in use twice", e.token)
		}
		tokens[e.token] = true
		if !e.over {
			inFlight++
		}
	}
	if inFlight != s.inFlight {
		d.t.Errorf("%d requests are under way, counted as %d", inFlight, s.inFlight)
	}
	if d.over == nil && s.Deadline().IsZero() {
		d.t.Error("no deadline")
	}
	for _, e := range d.effects {
		if p, ok := e.(Published); ok && (p.Event.Name == "" || len(p.Event.Name) > coap.MaxEventName) {
			d.t.Errorf("published %+v", p)
		}
	}
	d.effects = nil
}
