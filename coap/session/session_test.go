package session

import (
	"bytes"
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"localcloud/cloud"
	"localcloud/coap"
	"localcloud/keys"
)

// theID is the id of the device in these tests.
var theID = keys.DeviceID{0xe0, 0x0f, 0xce, 0x68, 1, 2, 3, 4, 5, 6, 7, 8}

// Our first message, the answer to Hello, has the id firstID; our first request the token 1.
const (
	firstID = 0x1001
	askID   = firstID + 1 // of the first message behind it
)

// device is the other end of a Session that is stepped by hand, in time that the test makes.
type device struct {
	t       *testing.T
	s       *Session
	now     time.Time
	id      uint16 // its last message id
	sent    []coap.Message
	effects []Effect
	over    error         // why the session ended
	learnt  coap.Describe // all parts that came
}

func newDevice(t *testing.T, change ...func(*Config)) *device {
	t.Helper()
	cfg := Config{Device: theID, Name: "den-lamp", IP: "192.0.2.7", Rand: bytes.NewReader([]byte{firstID >> 8, firstID&0xff - 1, 0})}
	for _, f := range change {
		f(&cfg)
	}
	d := &device{t: t, now: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC), id: 0x7000}
	d.s = New(d.now, cfg)
	return d
}

// nextID is the id of the device's next message.
func (d *device) nextID() uint16 { d.id++; return d.id }

// step takes out what the session wants after it was stepped.
func (d *device) step(err error) {
	d.t.Helper()
	d.over = err
	for _, b := range d.s.Outbox() {
		m, err := coap.Parse(b)
		if err != nil {
			d.t.Fatalf("the session sends %x: %v", b, err)
		}
		if m.Kind(coap.FromServer) == coap.KindUnknown {
			d.t.Errorf("the session sends what is not in the table: %s", m)
		}
		d.sent = append(d.sent, m)
	}
	for _, e := range d.s.Effects() {
		d.effects = append(d.effects, e)
		if e, ok := e.(Described); ok {
			d.learnt = merge(d.learnt, e.Describe)
		}
	}
}

// say gives the session a message, which may end it: see over.
func (d *device) say(m coap.Message) {
	d.t.Helper()
	b, err := m.Append(nil)
	if err != nil {
		d.t.Fatal(err)
	}
	d.step(d.s.Receive(d.now, b))
}

// send gives the session a message that it must accept.
func (d *device) send(messages ...coap.Message) {
	d.t.Helper()
	for _, m := range messages {
		if d.say(m); d.over != nil {
			d.t.Fatalf("%s ends the session: %v", m, d.over)
		}
	}
}

// want checks that the session sent exactly these messages since it was last looked at.
func (d *device) want(want ...coap.Message) {
	d.t.Helper()
	got := d.sent
	d.sent = nil
	for i := range max(len(got), len(want)) {
		switch {
		case i >= len(got):
			d.t.Errorf("message %d is missing: %s", i, want[i])
		case i >= len(want):
			d.t.Errorf("message %d is too many: %s", i, got[i])
		default:
			g, _ := got[i].Append(nil)
			w, _ := want[i].Append(nil)
			if !bytes.Equal(g, w) {
				d.t.Errorf("message %d\n got %s\nwant %s", i, got[i], want[i])
			}
		}
	}
}

// request returns the one message that the session sent since it was last looked at.
func (d *device) request() coap.Message {
	d.t.Helper()
	if len(d.sent) != 1 {
		d.t.Fatalf("the session sent %v, want one message", d.sent)
	}
	m := d.sent[0]
	d.sent = nil
	return m
}

// advance lets time pass, stepping the session when it wants to be, as its owner does.
func (d *device) advance(by time.Duration) {
	d.t.Helper()
	end := d.now.Add(by)
	for d.over == nil {
		next := d.s.Deadline()
		if next.After(end) || next.IsZero() { // zero: never
			break
		}
		if !next.After(d.now) {
			d.t.Fatalf("deadline %v is not after the step at %v", next, d.now)
		}
		d.now = next
		d.step(d.s.Tick(d.now))
	}
	d.now = end
}

// wantEffects checks which effects there were since the last look.
func (d *device) wantEffects(want ...Effect) {
	d.t.Helper()
	got := d.effects
	d.effects = nil
	if len(got) == 0 && len(want) == 0 {
		return
	}
	if !reflect.DeepEqual(got, want) {
		d.t.Errorf("effects\n got %+v\nwant %+v", got, want)
	}
}

// wantOver checks that the session ended for a reason that is target.
func (d *device) wantOver(target error) {
	d.t.Helper()
	if !errors.Is(d.over, target) {
		d.t.Errorf("the session ended by %v, want %v", d.over, target)
	}
}

// Hellos of the generations, as the protocol reference observed them.
var (
	helloCoreOldest = coap.Hello{ProductID: 0xffff, ProductVersion: 0xffff}
	helloCore       = coap.Hello{ProductID: 0, ProductVersion: 0xffff, HasPlatform: true}
	helloPhoton07   = coap.Hello{ProductID: 6, ProductVersion: 0xffff, HasPlatform: true, PlatformID: 6}
	helloPhoton15   = coap.Hello{ProductID: 6, ProductVersion: 0xffff, Flags: 0x06, HasPlatform: true, PlatformID: 6}
	helloPhoton23   = coap.Hello{ProductID: 6, ProductVersion: 0xffff, Flags: 0x36, HasPlatform: true, PlatformID: 6}
	helloPhoton33   = coap.Hello{
		ProductID: 6, ProductVersion: 0xffff, Flags: 0x36, HasPlatform: true, PlatformID: 6,
		HasSystem: true, SystemVersion: 3302, MaxMessage: 960, MaxBinary: 102400, OTAChunk: 512,
	}
	helloHost62 = coap.Hello{
		ProductID: 3, ProductVersion: 0xffff, Flags: 0x36, HasPlatform: true, PlatformID: 3,
		HasSystem: true, SystemVersion: 6200, MaxMessage: 1152, MaxBinary: 10485760, OTAChunk: 512,
	}
)

func (d *device) hello(h coap.Hello) coap.Message {
	return coap.HelloMessage(coap.NonConfirmable, d.nextID(), h.Append(nil))
}

// greeted returns a device that has said Hello and had its answer.
func greeted(t *testing.T, h coap.Hello) *device {
	t.Helper()
	d := newDevice(t)
	d.send(d.hello(h))
	d.want(coap.HelloMessage(coap.NonConfirmable, firstID, make([]byte, 6)))
	d.wantEffects(Arrived{Hello: h})
	return d
}

// theApp is what devices of these tests can do.
var theApp = coap.Describe{
	HasApplication: true,
	Functions:      []string{"led", "a-function-of-a-very-long-name"},
	Variables: map[string]coap.VariableType{
		"on": coap.Bool, "count": coap.Int, "temp": coap.Double, "name": coap.String, "odd": 7,
	},
	VariableNames: []string{"on", "count", "temp", "name", "odd"},
}

// theSystem is what their system says.
var theSystem = coap.Describe{HasSystem: true, HasPlatform: true, Platform: 6, Modules: []coap.Module{
	{Function: coap.ModuleSystem, Index: 1, Version: 3302, Location: coap.LocationMain, Checked: coap.CheckIntegrity, Passed: coap.CheckIntegrity},
	{Function: coap.ModuleUser, Index: 1, Version: 6, Location: coap.LocationFactory, Checked: coap.CheckDependencies},
	{Function: coap.ModuleNone},
}}

// described returns a device that has said Hello and what it can do.
func described(t *testing.T, h coap.Hello) *device {
	t.Helper()
	d := greeted(t, h)
	d.tell(theApp, coap.DescribeApplication)
	d.tell(theSystem, coap.DescribeSystem)
	d.sent, d.effects = nil, nil
	return d
}

// tell sends a describe unasked.
func (d *device) tell(desc coap.Describe, flags byte) {
	d.t.Helper()
	d.send(coap.DescribePost(d.nextID(), nil, flags, -1, desc.AppendJSON(nil)))
}

// outcome collects the answers to one request.
type outcome[T any] struct {
	t      *testing.T
	values []T
	errs   []error
}

func (o *outcome[T]) done(v T, err error) {
	o.values, o.errs = append(o.values, v), append(o.errs, err)
}

// pending checks that there was no answer yet.
func (o *outcome[T]) pending() {
	o.t.Helper()
	if len(o.errs) != 0 {
		o.t.Errorf("answered already: %v, %v", o.values, o.errs)
	}
}

// want checks that there was one answer and it was v.
func (o *outcome[T]) want(v T) {
	o.t.Helper()
	if len(o.errs) != 1 || o.errs[0] != nil || !reflect.DeepEqual(o.values[0], v) {
		o.t.Errorf("answers %v, errors %v, want one answer %v", o.values, o.errs, v)
	}
}

// wantErr checks that there was one answer and it was an error of this kind.
func (o *outcome[T]) wantErr(kind cloud.Kind) {
	o.t.Helper()
	if len(o.errs) != 1 || o.errs[0] == nil || cloud.KindOf(o.errs[0]) != kind {
		o.t.Errorf("answers %v, errors %v, want one error of kind %q", o.values, o.errs, kind)
	}
}

// call calls a function with the time limit of most callers.
func (d *device) call(function, argument string) *outcome[int32] {
	d.t.Helper()
	o := &outcome[int32]{t: d.t}
	d.s.Call(d.now, d.now.Add(callTimeout), function, argument, o.done)
	d.step(nil)
	return o
}

// variable reads a variable.
func (d *device) variable(name string) *outcome[any] {
	d.t.Helper()
	o := &outcome[any]{t: d.t}
	d.s.Variable(d.now, d.now.Add(callTimeout), name, o.done)
	d.step(nil)
	return o
}

func TestMessageThatCannotBeParsedEndsTheSession(t *testing.T) {
	for _, b := range [][]byte{
		{},
		{0x40},
		{0x80, 0, 0, 1},                       // another version
		{0x4f, 0, 0, 1},                       // a token of 15 bytes
		{0x50, 2, 0, 1, 0xb5, 'e'},            // a path that ends early
		{0x50, 2, 0, 1, 0xb1, 'e', 0xff},      // a payload marker without payload
		{0x50, 2, 0, 1, 0xb1, 'E', 0xb0},      // an event with no name
		{0x50, 2, 0, 1, 0xb1, 'h', 0xff},      // a Hello with nothing in it
		{0x40, 2, 0, 1, 0xb1, 'd', 0xff, '{'}, // a describe that is no JSON
	} {
		d := greeted(t, helloPhoton33)
		err := d.s.Receive(d.now, b)
		if !errors.Is(err, errProtocol) {
			t.Errorf("%x: %v, want a protocol error", b, err)
		}
	}
}

func TestReasonOfTheEndNamesTheMessageButNotItsContent(t *testing.T) {
	d := newDevice(t)
	d.say(eventFrom(d.nextID(), coap.NonConfirmable, "temp", "21"))
	d.wantOver(errFirst)
	if text := d.over.Error(); !strings.Contains(text, "temp") {
		t.Errorf("%q does not name the message", text)
	}
}

func TestDeviceHasTwentySecondsForHello(t *testing.T) {
	d := newDevice(t)
	d.advance(20*time.Second - time.Millisecond)
	d.wantOver(nil)
	d.advance(time.Millisecond)
	d.wantOver(ErrNoHello)
}

func TestSilentDeviceIsPingedAndThenGivenUp(t *testing.T) {
	d := described(t, helloPhoton33)
	d.advance(25*time.Second - time.Millisecond) // a device itself pings after 15 s
	d.want()
	d.advance(time.Millisecond)
	d.want(coap.Ping(askID))
	d.advance(20*time.Second - time.Millisecond)
	d.want()
	d.wantOver(nil)
	d.advance(time.Millisecond)
	d.wantOver(ErrSilent)
}

func TestDeviceThatAnswersItsPingStays(t *testing.T) {
	d := described(t, helloPhoton33)
	for i := range uint16(10) {
		d.advance(quietLimit)
		d.want(coap.Ping(askID + i))
		d.advance(10 * time.Second)
		d.send(coap.Ack(d.nextID())) // on TCP with the device's own next id
	}
	d.wantOver(nil)
}

func TestAnyMessageIsASignOfLife(t *testing.T) {
	d := described(t, helloPhoton33)
	for range 20 {
		d.advance(20 * time.Second)
		d.send(eventFrom(d.nextID(), coap.NonConfirmable, "temp", "21"))
	}
	d.want()
}

func TestCloseFailsEverythingUnderWay(t *testing.T) {
	d := greeted(t, helloPhoton33)
	early := d.call("led", "on") // waits for the describe
	metrics := &outcome[coap.Metrics]{t: t}
	d.s.Metrics(d.now, d.now.Add(callTimeout), metrics.done)
	signal := &outcome[struct{}]{t: t}
	d.s.Signal(d.now, d.now.Add(callTimeout), true, func(err error) { signal.done(struct{}{}, err) })
	ping := &outcome[struct{}]{t: t}
	d.s.Ping(d.now, func(err error) { ping.done(struct{}{}, err) })

	cause := errors.New("cable pulled")
	d.s.Close(cause)
	for _, errs := range [][]error{early.errs, metrics.errs, signal.errs, ping.errs} {
		if len(errs) != 1 || cloud.KindOf(errs[0]) != cloud.Offline || !errors.Is(errs[0], cause) {
			t.Errorf("%v, want one Offline error that wraps the cause", errs)
		}
	}
	d.s.Close(cause)
	early.wantErr(cloud.Offline) // and no second answer
}

func TestMessageMayBeReusedAfterReceive(t *testing.T) {
	d := described(t, helloPhoton33)
	b, err := eventFrom(d.nextID(), coap.NonConfirmable, "temp", "21").Append(nil)
	if err != nil {
		t.Fatal(err)
	}
	d.step(d.s.Receive(d.now, b))
	clear(b)
	if len(d.effects) != 1 {
		t.Fatalf("effects %v", d.effects)
	}
	if ev := d.effects[0].(Published).Event; ev.Name != "temp" || string(ev.Data) != "21" {
		t.Errorf("event %q %q follows the buffer", ev.Name, ev.Data)
	}
}

func TestSessionWithoutRandDrawsItsOwnNumbers(t *testing.T) {
	seen := make(map[uint16]bool)
	for range 8 {
		seen[New(time.Now(), Config{Device: theID}).nextID] = true
	}
	if len(seen) < 2 {
		t.Errorf("8 sessions begin with the ids %v", seen)
	}
}
