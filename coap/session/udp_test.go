package session

import (
	"bytes"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/plgd-dev/go-coap/v3/message"
	"github.com/plgd-dev/go-coap/v3/message/codes"

	"localcloud/cloud"
	"localcloud/coap"
	"localcloud/coap/link/recording"
	"localcloud/keys"
)

// Hellos over UDP.
var (
	helloArgon33 = coap.Hello{
		ProductID: 12, ProductVersion: 0xffff, Flags: 0xb6, HasPlatform: true, PlatformID: 12, DeviceID: theID[:],
		HasSystem: true, SystemVersion: 3302, MaxMessage: 1152, MaxBinary: 102400, OTAChunk: 512,
	}
	helloBoron62 = coap.Hello{
		ProductID: 13, ProductVersion: 0xffff, Flags: 0xb6, HasPlatform: true, PlatformID: 13, DeviceID: theID[:],
		HasSystem: true, SystemVersion: 6200, MaxMessage: 1152, MaxBinary: 102400, OTAChunk: 512,
	}
	helloElectron07 = coap.Hello{ProductID: 10, ProductVersion: 0xffff, HasPlatform: true, PlatformID: 10, DeviceID: theID[:]}
)

// newUDP returns a device over UDP that has said nothing.
func newUDP(t *testing.T, change ...func(*Config)) *device {
	t.Helper()
	return newDevice(t, append(change, func(c *Config) { c.UDP = true })...)
}

func (d *device) confirmableHello(h coap.Hello) coap.Message {
	return coap.HelloMessage(coap.Confirmable, d.nextID(), h.Append(nil))
}

// greetedUDP returns a device over UDP that was let in.
func greetedUDP(t *testing.T, h coap.Hello) *device {
	t.Helper()
	d := newUDP(t)
	hello := d.confirmableHello(h)
	d.send(hello)
	d.want()
	d.wantEffects(Asked{Device: theID})
	d.admit()
	d.want(coap.Ack(hello.ID), coap.HelloMessage(coap.NonConfirmable, firstID, make([]byte, 6)))
	d.wantEffects(Arrived{Hello: h})
	return d
}

func (d *device) admit() {
	d.t.Helper()
	d.s.Admit(d.now, Config{Device: theID, Name: "den-lamp", IP: "192.0.2.7"})
	d.step(nil)
}

// describedUDP returns one that has described itself, too.
func describedUDP(t *testing.T, h coap.Hello) *device {
	t.Helper()
	d := greetedUDP(t, h)
	d.tell(theApp, coap.DescribeApplication)
	d.tell(theSystem, coap.DescribeSystem)
	d.advance(2 * time.Second)
	d.sent, d.effects = nil, nil
	return d
}

// tick steps the session as its owner does after everything else.
func (d *device) tick() {
	d.t.Helper()
	d.step(d.s.Tick(d.now))
}

func TestHelloIsNotAnsweredUntilTheKeyWasChecked(t *testing.T) {
	d := newUDP(t)
	hello := d.confirmableHello(helloArgon33)
	d.send(hello, hello) // a transmission that joins the first
	d.wantEffects(Asked{Device: theID})
	d.send(coap.Ping(d.nextID()-1), hello)
	d.want()
	d.s.Refuse()
	d.step(nil)
	d.want()
	if d.say(hello); !errors.Is(d.over, errProtocol) {
		t.Errorf("at once again: %v", d.over)
	}
	d.wantEffects()
	d.now = d.now.Add(firstWait)
	d.send(hello) // the next one asks again, as it may be known by now
	d.wantEffects(Asked{Device: theID})
	d.admit()
	d.want(coap.Ack(hello.ID), coap.HelloMessage(coap.NonConfirmable, firstID, make([]byte, 6)))
	d.send(hello) // the acknowledgement was lost
	d.want(coap.Ack(hello.ID))
	d.wantEffects(Arrived{Hello: helloArgon33})
}

func TestBeforeHelloNothingIsSaidButTheTimeToAKnownKey(t *testing.T) {
	ask := func(token ...byte) coap.Message {
		return coap.Message{Code: codes.GET, ID: 0x7001, Token: token, Options: message.Options{{ID: message.URIPath, Value: []byte("t")}}}
	}
	asked := 0
	known := newUDP(t, func(c *Config) { c.Known = func() bool { asked++; return true } })
	known.say(ask(1, 2, 3, 4, 5, 6, 7, 8))
	answer := coap.TimeResponse(0x7001, 0, uint32(known.now.Unix()))
	answer.Token = []byte{1, 2, 3, 4, 5, 6, 7, 8}
	known.want(answer)
	known.id = 0x7001
	for _, m := range []coap.Message{
		coap.Ping(known.nextID()), eventFrom(known.nextID(), coap.Confirmable, "x", ""), coap.Ack(1), coap.ResetMessage(2),
	} {
		if known.say(m); !errors.Is(known.over, errFirst) {
			t.Errorf("%s: %v", m, known.over)
		}
	}
	known.want()
	if asked != 1 {
		t.Errorf("asked %d times", asked)
	}

	for _, f := range []func() bool{nil, func() bool { return false }} {
		unknown := newUDP(t, func(c *Config) { c.Known = f })
		unknown.say(ask(1))
		unknown.want()
	}
}

func TestASessionWithoutHelloEnds(t *testing.T) {
	d := newUDP(t)
	d.advance(anonymousLimit + time.Second)
	d.wantOver(ErrNoHello)
	short := newUDP(t)
	if short.say(coap.HelloMessage(coap.Confirmable, 1, helloPhoton33.Append(nil))); !errors.Is(short.over, errProtocol) {
		t.Errorf("a Hello without id: %v", short.over)
	}
}

func TestMalformedMessagesAreDropped(t *testing.T) {
	d := describedUDP(t, helloArgon33)
	for _, b := range [][]byte{{}, {0x40}, {0x80, 0, 0, 1}, {0x50, 2, 0, 1, 0xb5, 'e'}} {
		if err := d.s.Receive(d.now, b); !errors.Is(err, errProtocol) {
			t.Errorf("%x: %v", b, err)
		}
	}
	d.send(coap.Ping(d.nextID()))
	d.want(coap.Ack(d.id))
}

func TestARequestIsSentFourTimesAndThenGivenUp(t *testing.T) {
	d := describedUDP(t, helloArgon33)
	o := &outcome[int32]{t: t}
	d.s.Call(d.now, d.now.Add(10*time.Minute), "led", "on", o.done)
	d.step(nil)
	d.tick()
	want := d.request()
	last, wait := d.now, time.Duration(0)
	for n := range transmissions - 1 {
		for len(d.sent) == 0 {
			d.now = d.s.Deadline()
			d.tick()
		}
		d.want(want)
		gap := d.now.Sub(last)
		if n == 0 && (gap < firstWait || gap >= firstWait*3/2) || n > 0 && gap != 2*wait {
			t.Errorf("transmission %d after %s", n+2, gap)
		}
		last, wait = d.now, gap
	}
	for len(o.errs) == 0 {
		d.now = d.s.Deadline()
		d.tick()
	}
	if gap := d.now.Sub(last); gap != 2*wait {
		t.Errorf("given up after %s", gap)
	}
	o.wantErr(cloud.Timeout)
	d.wantEffects(Silent{}) // nothing at all came for that long
}

func TestAnAcknowledgedRequestIsNotRepeated(t *testing.T) {
	for name, answer := range map[string]func(d *device, m coap.Message) coap.Message{
		"ACK, the result later": func(_ *device, m coap.Message) coap.Message { return coap.Ack(m.ID) },
		"the result, the ACK is lost": func(d *device, m coap.Message) coap.Message {
			return coap.FunctionReturn(coap.Confirmable, d.nextID(), m.Token[0], 7)
		},
	} {
		t.Run(name, func(t *testing.T) {
			d := describedUDP(t, helloArgon33)
			o := &outcome[int32]{t: t}
			d.s.Call(d.now, d.now.Add(20*time.Second), "led", "on", o.done)
			d.step(nil)
			m := d.request()
			first := answer(d, m)
			d.send(first)
			if first.Type == coap.Confirmable {
				d.want(coap.Ack(first.ID))
			}
			d.advance(15 * time.Second)
			d.want()
			if first.Type == coap.Acknowledgement {
				d.send(coap.FunctionReturn(coap.Confirmable, d.nextID(), m.Token[0], 7))
				d.want(coap.Ack(d.id))
			}
			o.want(7)
			d.send(coap.FunctionReturn(coap.Confirmable, d.id, m.Token[0], 7)) // our ACK was lost
			d.want(coap.Ack(d.id))
		})
	}
}

func TestEventsToADeviceAreConfirmableFewAtATimeAndInOrder(t *testing.T) {
	d := describedUDP(t, helloArgon33)
	taken := 0
	for n := range 100 {
		if d.s.Send(&cloud.Event{Name: fmt.Sprintf("n/%02d", n), Data: []byte("x"), Private: true, TTL: 60}) {
			taken++
		}
	}
	d.step(nil)
	if taken != eventsAtOnce+eventsWaiting {
		t.Errorf("%d events were taken", taken)
	}
	for n := 0; n < taken; {
		if under := len(d.sent); under > eventsAtOnce {
			t.Fatalf("%d events under way", under)
		}
		m := d.sent[0]
		d.sent = d.sent[1:]
		ev, err := coap.ParseEvent(m)
		if want := fmt.Sprintf("n/%02d", n); err != nil || m.Type != coap.Confirmable || ev.Name != want {
			t.Fatalf("event %d: %s", n, m)
		}
		n++
		d.send(coap.Ack(m.ID))
	}
	d.want()
}

func TestAnEventThatComesTwiceIsPublishedOnce(t *testing.T) {
	d := describedUDP(t, helloArgon33)
	ev := eventFrom(d.nextID(), coap.Confirmable, "door", "open")
	d.send(ev, ev) // the second joins the commit
	d.want()
	if n := len(d.effects); n != 1 {
		t.Errorf("%d effects", n)
	}
	d.s.Acknowledge(ev.ID, nil)
	d.step(nil)
	d.want(coap.Ack(ev.ID))
	d.send(ev)
	d.want(coap.Ack(ev.ID))

	lost := eventFrom(d.nextID(), coap.Confirmable, "door", "shut")
	d.effects = nil
	d.send(lost)
	d.s.Unanswered(lost.ID) // its owner had no room
	d.send(lost)
	d.want()
	if n := len(d.effects); n != 2 {
		t.Errorf("%d effects", n)
	}
}

// silentFor lets the device say nothing, and returns after how long it was away.
func (d *device) silentFor(most time.Duration) (asked, away time.Duration) {
	d.t.Helper()
	began := d.now
	for d.now.Before(began.Add(most)) {
		next := d.s.Deadline()
		if next.IsZero() {
			break
		}
		d.now = next
		d.tick()
		for _, m := range d.sent {
			if m.Kind(coap.FromServer) == coap.KindPing && asked == 0 {
				asked = d.now.Sub(began)
			}
		}
		d.sent = nil
		for _, e := range d.effects {
			if e == (Silent{}) {
				return asked, d.now.Sub(began)
			}
		}
	}
	return asked, 0
}

func TestADeviceIsAwayWhenItMissedItsKeepAliveAndDoesNotAnswer(t *testing.T) {
	for _, tt := range []struct {
		name      string
		hello     coap.Hello
		keepAlive time.Duration
	}{
		{"Wi-Fi", helloArgon33, 25 * time.Second},
		{"cellular", helloBoron62, 23 * time.Minute},
		{"Electron of 2018", helloElectron07, 23 * time.Minute},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d := describedUDP(t, tt.hello)
			d.send(coap.Ping(d.nextID()))
			d.sent, d.effects = nil, nil
			asked, away := d.silentFor(2 * time.Hour)
			if asked != tt.keepAlive*3/2 {
				t.Errorf("asked after %s", asked)
			}
			if n := away - asked; n < 60*time.Second || n > 90*time.Second {
				t.Errorf("away %s after it was asked", n)
			}
			d.effects = nil
			if !d.s.Deadline().IsZero() {
				t.Errorf("a device that is away is stepped at %s", d.s.Deadline())
			}
			if d.s.Send(&cloud.Event{Name: "x"}) {
				t.Error("an event for a device that is away is taken")
			}
			d.now = d.now.Add(12 * time.Hour)
			d.send(coap.Ping(d.nextID()))
			d.want(coap.Ack(d.id))
			d.wantEffects(Returned{})
			d.call("led", "on").pending()
		})
	}
}

func TestAPingAnsweredKeepsADeviceHere(t *testing.T) {
	d := describedUDP(t, helloArgon33)
	for range 20 {
		d.now = d.s.Deadline()
		d.tick()
		for _, m := range d.sent {
			d.send(coap.Ack(m.ID))
		}
		d.sent = nil
	}
	d.wantEffects()
}

func TestALongerKeepAliveIsLearned(t *testing.T) {
	d := describedUDP(t, helloArgon33)
	d.now = d.now.Add(5 * time.Minute)
	d.send(coap.Ping(d.nextID())) // Particle.keepAlive(5 min)
	d.sent, d.effects = nil, nil
	if asked, _ := d.silentFor(time.Hour); asked != 7*time.Minute+33*time.Second { // 1.5 times the 5:02 since its last word
		t.Errorf("asked after %s", asked)
	}
}

func TestAfterGoodbyeADeviceIsLeftAloneUntilItSpeaks(t *testing.T) {
	d := describedUDP(t, helloArgon33)
	call := d.call("led", "on")
	d.sent = nil
	g := coap.Goodbye{Cloud: 6}
	bye := coap.GoodbyeMessage(coap.Confirmable, d.nextID(), g)
	d.send(bye)
	d.want(coap.Ack(bye.ID))
	call.wantErr(cloud.Offline)
	d.wantEffects(Left{Goodbye: g})
	d.send(bye)
	d.want(coap.Ack(bye.ID))
	d.send(coap.Ack(1)) // of something that was under way
	d.wantEffects()
	d.advance(8 * time.Hour)
	d.want()
	d.send(eventFrom(d.nextID(), coap.Confirmable, "morning", ""))
	if _, ok := d.effects[0].(Returned); !ok {
		t.Errorf("%+v", d.effects)
	}
}

// What recorded devices said over UDP is answered as their server answered it, byte for byte but for the time of day.
func TestRecordedDevicesOverUDPGetTheAnswersThatTheyAccepted(t *testing.T) {
	eachRecording(t, "udp-*.txt", 3, func(t *testing.T, r recording.Recording) {
		id, err := keys.ParseDeviceID(r.DeviceID)
		if err != nil {
			t.Fatal(err)
		}
		d := newUDP(t)
		answers := make(map[uint16][]byte) // ours, by the id of what they answer
		compared := 0
		for _, datagram := range r.Datagrams {
			for _, rec := range datagram.Records {
				m, err := coap.Parse(rec.Plain)
				if rec.Type == 22 || rec.Plain == nil || err != nil {
					continue
				}
				if datagram.From == recording.Server {
					if ours, ok := answers[m.ID]; ok && m.Type == coap.Acknowledgement {
						compared++
						if m.Code == codes.Content { // the time
							ours, rec.Plain = ours[:len(ours)-4], rec.Plain[:len(rec.Plain)-4]
						}
						if !bytes.Equal(ours, rec.Plain) {
							t.Errorf("datagram %d: ours %x, theirs %x", datagram.Number, ours, rec.Plain)
						}
					}
					continue
				}
				d.say(m)
				for _, e := range d.effects {
					switch e := e.(type) {
					case Asked:
						d.s.Admit(d.now, Config{Device: id})
					case Published:
						d.s.Acknowledge(e.Message, nil)
					}
				}
				d.effects = nil
				d.step(nil)
				for _, a := range d.sent {
					if a.Type == coap.Acknowledgement {
						answers[a.ID], _ = a.Append(nil)
					}
				}
				d.sent, d.effects = nil, nil
			}
		}
		if compared < 12 {
			t.Errorf("only %d answers were compared", compared)
		}
		if known := d.s.describing.known; !known.application || !known.system || len(d.s.Subscriptions()) != 2 { // pre/ and mine/
			t.Errorf("described %v, %v; %d subscriptions", known.application, known.system, len(d.s.Subscriptions()))
		}
	})
}
