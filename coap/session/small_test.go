package session

import (
	"testing"
	"time"

	"github.com/plgd-dev/go-coap/v3/message"
	"github.com/plgd-dev/go-coap/v3/message/codes"

	"localcloud/cloud"
	"localcloud/coap"
)

func TestTimeIsReadAtByteSix(t *testing.T) {
	d := described(t, helloPhoton33)
	d.now = d.now.Add(1500 * time.Millisecond)
	d.send(coap.TimeRequest(d.nextID(), 0x98))
	m := d.request()
	if b, _ := m.Append(nil); len(b) != 10 || b[5] != 0xff { // header 4, token 1, marker 1, time 4
		t.Errorf("%x does not have the time at byte 6", b)
	}
	if unix, err := coap.ParseTime(m); err != nil || int64(unix) != d.now.Unix() || m.ID != d.id || string(m.Token) != "\x98" {
		t.Errorf("%s says %d, %v, want %d", m, unix, err, d.now.Unix())
	}
}

func TestPingOfTheDeviceIsAnswered(t *testing.T) {
	d := described(t, helloPhoton33)
	m := coap.Ping(d.nextID())
	d.send(m, m)
	d.want(coap.Ack(m.ID), coap.Ack(m.ID))
}

func ping(d *device) *outcome[struct{}] {
	o := &outcome[struct{}]{t: d.t}
	d.s.Ping(d.now, func(err error) { o.done(struct{}{}, err) })
	d.step(nil)
	return o
}

func TestPingIsAnsweredByAnyMessage(t *testing.T) {
	for name, m := range map[string]coap.Message{
		"its acknowledgement":   coap.Ack(askID),
		"with the device's id":  coap.Ack(0x7654),
		"an event":              eventFrom(0x7654, coap.NonConfirmable, "temp", "21"),
		"its own ping":          coap.Ping(0x7654),
		"an answer, to nothing": coap.FunctionReturn(coap.NonConfirmable, 0x7654, 77, 1),
	} {
		t.Run(name, func(t *testing.T) {
			d := described(t, helloPhoton33)
			got := ping(d)
			d.want(coap.Ping(askID))
			got.pending()
			d.send(m)
			got.want(struct{}{})
		})
	}
}

func TestPingsAtOnceAreOneOnTheWire(t *testing.T) {
	d := described(t, helloPhoton33)
	first, second := ping(d), ping(d)
	d.want(coap.Ping(askID))
	d.send(coap.Ack(askID))
	first.want(struct{}{})
	second.want(struct{}{})
	third := ping(d)
	d.want(coap.Ping(askID + 1))
	third.pending()
}

func signal(d *device, on bool) *outcome[struct{}] {
	o := &outcome[struct{}]{t: d.t}
	d.s.Signal(d.now, d.now.Add(callTimeout), on, func(err error) { o.done(struct{}{}, err) })
	d.step(nil)
	return o
}

func TestSignalIsMatchedByToken(t *testing.T) {
	d := described(t, helloPhoton33)
	on, off := signal(d, true), signal(d, false)
	d.want(coap.SignalMessage(askID, 1, true), coap.SignalMessage(askID+1, 2, false))
	// The ids are the device's own next ones, here those of the other request.
	d.send(coap.AckCode(askID, []byte{2}, codes.Changed))
	off.want(struct{}{})
	on.pending()
	d.send(coap.AckCode(askID+1, []byte{1}, codes.Changed))
	on.want(struct{}{})
}

func TestSignalThatTheDeviceRefuses(t *testing.T) {
	d := described(t, helloPhoton33)
	got := signal(d, true)
	d.send(coap.AckCode(askID, []byte{1}, codes.InternalServerError))
	got.wantErr(cloud.Refused)
}

func TestSignalNeedsNoDescribe(t *testing.T) {
	d := greeted(t, helloCore)
	signal(d, true)
	d.want(coap.SignalMessage(askID, 1, true))
}

func TestSignalTimesOut(t *testing.T) {
	d := described(t, helloPhoton33)
	got := signal(d, true)
	d.sent = nil
	d.stayAlive(callTimeout)
	got.wantErr(cloud.Timeout)
}

func TestGoodbye(t *testing.T) {
	for name, g := range map[string]coap.Goodbye{
		"nothing said": {},
		"sleep":        {Cloud: 6, Sleep: 3600},
		"all of it":    {Cloud: 5, Reset: 140, Sleep: 1, Network: 6},
	} {
		t.Run(name, func(t *testing.T) {
			d := described(t, helloPhoton33)
			d.send(coap.GoodbyeMessage(coap.NonConfirmable, d.nextID(), g))
			d.want()
			d.wantEffects(Left{Goodbye: g})

			d = described(t, helloPhoton33)
			d.send(coap.GoodbyeMessage(coap.Confirmable, d.nextID(), g))
			d.want(coap.Ack(d.id)) // the device waits for it before it sleeps
			d.wantEffects(Left{Goodbye: g})
		})
	}
}

func TestMalformedGoodbyeEndsTheSession(t *testing.T) {
	d := described(t, helloPhoton33)
	m := coap.GoodbyeMessage(coap.NonConfirmable, d.nextID(), coap.Goodbye{Cloud: 6})
	m.Payload = []byte{0x01, 0x80}
	d.say(m)
	d.wantOver(errProtocol)
}

func TestWhatTheServerDoesNotSpeakIsRefusedNeverReset(t *testing.T) {
	path := func(letter string) message.Options {
		return message.Options{{ID: message.URIPath, Value: []byte(letter)}}
	}
	for name, m := range map[string]coap.Message{
		"ledger":           {Code: codes.POST, Token: []byte{9}, Options: path("L"), Payload: []byte{1}},
		"another path":     {Code: codes.GET, Token: []byte{1, 2, 3, 4}, Options: path("q")},
		"another method":   {Code: codes.DELETE, Token: []byte{9}, Options: path("e")},
		"no path":          {Code: codes.POST},
		"empty with token": {Code: codes.Empty, Token: []byte{9}},
		"server's own":     {Code: codes.GET, Token: []byte{9}, Options: path("v")},
	} {
		t.Run(name, func(t *testing.T) {
			d := described(t, helloPhoton33)
			m.Type, m.ID = coap.Confirmable, d.nextID()
			d.send(m, m)
			answer := coap.AckCode(m.ID, m.Token, codes.NotFound)
			d.want(answer, answer)

			m.Type, m.ID = coap.NonConfirmable, d.nextID()
			d.send(m)
			d.want()
			d.wantEffects()
		})
	}
}
