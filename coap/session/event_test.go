package session

import (
	"errors"
	"strings"
	"testing"

	"github.com/plgd-dev/go-coap/v3/message/codes"

	"localcloud/cloud"
	"localcloud/coap"
)

// eventFrom is a private event as devices publish it.
func eventFrom(id uint16, t coap.Type, name, data string) coap.Message {
	m, err := coap.EventMessage(t, id, coap.Event{
		Name: name, Private: true, Data: []byte(data), HasData: data != "", ContentFormat: -1,
	})
	if err != nil {
		panic(err)
	}
	return m
}

func TestEventInEveryForm(t *testing.T) {
	for name, ev := range map[string]coap.Event{
		"public":       {Name: "temp", Data: []byte("21"), HasData: true, TTL: 60, ContentFormat: -1},
		"private":      {Name: "temp", Private: true, Data: []byte("21"), HasData: true, TTL: 60, ContentFormat: -1},
		"no data":      {Name: "x", TTL: 60, ContentFormat: -1},
		"a ttl":        {Name: "x", TTL: 3600, HasTTL: true, ContentFormat: -1},
		"no ttl":       {Name: "x", TTL: 0, HasTTL: true, ContentFormat: -1},
		"path":         {Name: "weather/us/mn/minneapolis", Data: []byte("t:5F"), HasData: true, TTL: 60, ContentFormat: -1},
		"longest name": {Name: strings.Repeat("n", 64), TTL: 60, ContentFormat: -1},
		"any bytes":    {Name: "b", Data: []byte{0, 1, 0xff, 0}, HasData: true, TTL: 60, ContentFormat: -1},
		"binary":       {Name: "b", Data: []byte{0}, HasData: true, TTL: 60, ContentFormat: coap.FormatBinary},
		"cbor":         {Name: "b", Data: []byte{0xf6}, HasData: true, TTL: 60, ContentFormat: coap.FormatCBOR},
		"vendor":       {Name: "b", Data: []byte{0xf6}, HasData: true, TTL: 60, ContentFormat: 65001},
	} {
		t.Run(name, func(t *testing.T) {
			for _, typ := range []coap.Type{coap.NonConfirmable, coap.Confirmable} {
				d := described(t, helloHost62)
				m, err := coap.EventMessage(typ, d.nextID(), ev)
				if err != nil {
					t.Fatal(err)
				}
				want := ev
				if !want.HasData {
					want.Data = nil
				}
				d.send(m)
				d.want() // the acknowledgement waits for the disk
				d.wantEffects(Published{Event: want, Message: m.ID, Confirmable: typ == coap.Confirmable})
			}
		})
	}
}

func TestPublishIsAcknowledgedWhenItIsCommitted(t *testing.T) {
	d := described(t, helloPhoton33)
	first, second := d.nextID(), d.nextID()
	d.send(eventFrom(first, coap.Confirmable, "a", ""), eventFrom(second, coap.Confirmable, "b", ""))
	d.want()
	d.s.Acknowledge(second, nil)
	d.step(nil)
	d.want(coap.Ack(second))
	d.s.Acknowledge(first, nil)
	d.step(nil)
	d.want(coap.Ack(first))
}

func TestPublishThatFailsIsRefusedWithACode(t *testing.T) {
	for _, c := range []struct {
		err  error
		code codes.Code
	}{
		{cloud.Errorf("publish", cloud.Limited, "too many"), codes.TooManyRequests},
		{cloud.E("publish", cloud.Permission, nil), codes.BadRequest},
		{cloud.E("publish", cloud.Invalid, nil), codes.BadRequest},
		{cloud.E("log", cloud.NoSpace, nil), codes.ServiceUnavailable},
		{errors.New("anything else"), codes.ServiceUnavailable},
	} {
		d := described(t, helloPhoton33)
		d.send(eventFrom(d.nextID(), coap.Confirmable, "a", ""))
		d.s.Acknowledge(d.id, c.err)
		d.step(nil)
		d.want(coap.AckCode(d.id, nil, c.code))
	}
}

func TestRepeatedPublishIsTakenOnceAndAnsweredLikeTheFirst(t *testing.T) {
	for _, err := range []error{nil, cloud.E("publish", cloud.Limited, nil)} {
		d := described(t, helloPhoton33)
		m := eventFrom(d.nextID(), coap.Confirmable, "a", "1")
		d.send(m)
		d.effects = nil
		d.send(m) // before the commit there is nothing to say
		d.want()
		d.s.Acknowledge(m.ID, err)
		d.step(nil)
		answer := d.request()
		d.send(m)
		d.want(answer)
		d.wantEffects()
	}
}

func TestQuestionsByEventAreAnsweredToTheAskerOnly(t *testing.T) {
	answers := map[string]string{"name": "den-lamp", "ip": "192.0.2.7"}
	for _, space := range []string{"spark", "particle"} {
		for what, data := range answers {
			name := space + "/device/" + what
			d := described(t, helloPhoton33)
			d.send(eventFrom(d.nextID(), coap.NonConfirmable, name, ""))
			d.want(eventFrom(askID, coap.NonConfirmable, name, data))
			d.wantEffects() // nobody else hears of it

			d.send(eventFrom(d.nextID(), coap.Confirmable, name, ""))
			d.want(eventFrom(askID+1, coap.NonConfirmable, name, data), coap.Ack(d.id))
			d.wantEffects()
		}
	}
}

func TestRandomIsFortyCharactersAndNeverTheSame(t *testing.T) {
	d := described(t, helloPhoton33)
	seen := make(map[string]bool)
	for range 20 {
		d.send(eventFrom(d.nextID(), coap.NonConfirmable, "particle/device/random", ""))
		ev, err := coap.ParseEvent(d.request())
		if err != nil || ev.Name != "particle/device/random" || len(ev.Data) != 40 || strings.ContainsRune(string(ev.Data), 0) {
			t.Fatalf("answer %+v, %v", ev, err)
		}
		seen[string(ev.Data)] = true
	}
	if len(seen) != 20 {
		t.Errorf("20 answers, %d of them different", len(seen))
	}
	d.wantEffects()
}

func TestRenamedDeviceHearsItsNewName(t *testing.T) {
	d := described(t, helloPhoton33)
	d.s.Rename("attic-lamp")
	d.send(eventFrom(d.nextID(), coap.NonConfirmable, "spark/device/name", ""))
	d.want(eventFrom(askID, coap.NonConfirmable, "spark/device/name", "attic-lamp"))
}

func TestClaimCodeIsASecretUntilTheDeviceMayForgetIt(t *testing.T) {
	code := strings.Repeat("c", 63)
	d := newDevice(t)
	d.send(d.hello(helloPhoton33))
	d.sent, d.effects = nil, nil
	d.send(eventFrom(d.nextID(), coap.NonConfirmable, "spark/device/claim/code", code))
	d.wantEffects(ClaimShown{Code: cloud.ClaimCode(code)}) // no event: nobody hears of it
	d.want()
	d.s.Claimed()
	d.step(nil)
	d.want(eventFrom(askID, coap.NonConfirmable, "spark/device/claim/code/ok", ""))
}

func TestEventThatOnlyLooksLikeAQuestionIsAnEvent(t *testing.T) {
	for _, name := range []string{
		"spark/device/name/x", "sparkle/device/name", "particles/device/name", "my/device/name", "device/name",
		"spark/device/last_reset", "spark/device/ident/0", "particle/device/updates/enabled", "spark",
	} {
		d := described(t, helloPhoton33)
		d.send(eventFrom(d.nextID(), coap.NonConfirmable, name, "d"))
		d.want()
		if len(d.effects) != 1 || d.effects[0].(Published).Event.Name != name {
			t.Errorf("%s: effects %v, want it published", name, d.effects)
		}
	}
}

// offer is Send of an event as the Hub hands it over.
func (d *device) offer(ev cloud.Event) bool {
	d.t.Helper()
	ok := d.s.Send(&ev)
	d.step(nil)
	return ok
}

func TestEventToTheDevice(t *testing.T) {
	for name, c := range map[string]struct {
		hello coap.Hello
		event cloud.Event
		want  coap.Event
	}{
		"public": {
			helloPhoton33, cloud.Event{Name: "pre/one", Data: []byte("x"), TTL: 60, Format: cloud.TextFormat},
			coap.Event{Name: "pre/one", Data: []byte("x"), ContentFormat: -1},
		},
		"private, ttl": {
			helloPhoton33, cloud.Event{Name: "mine", Private: true, TTL: 3600, Format: cloud.TextFormat},
			coap.Event{Name: "mine", Private: true, TTL: 3600, HasTTL: true, ContentFormat: -1},
		},
		"no content format before 6.2": {
			helloPhoton33, cloud.Event{Name: "b", Data: []byte{1}, TTL: 60, Format: cloud.CBORFormat},
			coap.Event{Name: "b", Data: []byte{1}, ContentFormat: -1},
		},
		"no content format when the version is not known": {
			helloPhoton23, cloud.Event{Name: "b", Data: []byte{1}, TTL: 60, Format: cloud.JSONFormat},
			coap.Event{Name: "b", Data: []byte{1}, ContentFormat: -1},
		},
		"content format from 6.2 on": {
			helloHost62, cloud.Event{Name: "b", Data: []byte{1}, TTL: 60, Format: cloud.CBORFormat},
			coap.Event{Name: "b", Data: []byte{1}, ContentFormat: coap.FormatCBOR},
		},
		"text to 6.2": {
			helloHost62, cloud.Event{Name: "b", Data: []byte("1"), TTL: 60, Format: cloud.TextFormat},
			coap.Event{Name: "b", Data: []byte("1"), ContentFormat: -1},
		},
	} {
		t.Run(name, func(t *testing.T) {
			d := described(t, c.hello)
			if !d.offer(c.event) {
				t.Error("not sent")
			}
			want, err := coap.EventMessage(coap.NonConfirmable, askID, c.want)
			if err != nil {
				t.Fatal(err)
			}
			d.want(want)
		})
	}
}

func TestEventToTheDeviceKeepsToTheLimitsOfTheGeneration(t *testing.T) {
	for _, c := range []struct {
		hello      coap.Hello
		name, data int
	}{
		{helloCore, 63, 512}, {helloPhoton07, 63, 512}, {helloPhoton23, 64, 622}, {helloPhoton33, 50, 864}, {helloHost62, 64, 1024},
	} {
		d := described(t, c.hello)
		name, data := strings.Repeat("n", c.name), []byte(strings.Repeat("d", c.data))
		if !d.offer(cloud.Event{Name: name, Data: data, TTL: 3600, Format: cloud.TextFormat}) {
			t.Errorf("platform %d: the longest that fits is not sent", c.hello.PlatformID)
		}
		m := d.request()
		if b, _ := m.Append(nil); len(b) > d.s.limits().MaxMessage {
			t.Errorf("a message of %d bytes, the device takes %d", len(b), d.s.limits().MaxMessage)
		}
		if d.offer(cloud.Event{Name: name + "n", Data: data, TTL: 3600}) || d.offer(cloud.Event{Name: name, Data: append(data, 'd'), TTL: 3600}) {
			t.Errorf("platform %d: what is too long is sent", c.hello.PlatformID)
		}
		d.want()
	}
}

func TestEventBeforeHelloIsNotSent(t *testing.T) {
	d := newDevice(t)
	if d.offer(cloud.Event{Name: "a", TTL: 60}) {
		t.Error("sent")
	}
	d.want()
}

func TestEventThatNoMessageHoldsIsNotSent(t *testing.T) {
	d := described(t, helloPhoton33)
	if d.offer(cloud.Event{Name: "a", TTL: 1 << 24}) || d.offer(cloud.Event{Name: ""}) {
		t.Error("sent")
	}
	d.want()
}

func TestEventWithoutNameEndsTheSession(t *testing.T) {
	d := described(t, helloPhoton33)
	m := eventFrom(d.nextID(), coap.NonConfirmable, "x", "1")
	m.Options = m.Options[:1]
	d.say(m)
	d.wantOver(errProtocol)
}
