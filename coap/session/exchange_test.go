package session

import (
	"testing"
	"time"

	"localcloud/cloud"
	"localcloud/coap"
)

// token returns the token of a request.
func token(t *testing.T, m coap.Message) byte {
	t.Helper()
	if len(m.Token) != 1 {
		t.Fatalf("%s has no token of one byte", m)
	}
	return m.Token[0]
}

func TestTokensGoRoundAndAreNotUsedTwiceAtOnce(t *testing.T) {
	d := described(t, helloPhoton33)
	slow := d.call("led", "slow")
	d.want(coap.FunctionMessage(askID, 1, "led", "slow"))
	want := byte(1)
	for i := range 600 {
		if want++; want == 1 {
			want++ // is still in use
		}
		got := d.call("led", "fast")
		m := d.request()
		if token(t, m) != want {
			t.Fatalf("call %d has the token %02x, want %02x", i, m.Token, want)
		}
		d.send(coap.FunctionReturn(coap.NonConfirmable, d.nextID(), want, int32(i)))
		got.want(int32(i))
	}
	slow.pending()
	d.send(coap.FunctionReturn(coap.NonConfirmable, d.nextID(), 1, -1))
	slow.want(-1)
}

func TestSixtyFifthRequestAtOnceIsRefused(t *testing.T) {
	d := described(t, helloPhoton33)
	var all []*outcome[int32]
	for range maxInFlight {
		all = append(all, d.call("led", "on"))
	}
	if len(d.sent) != maxInFlight {
		t.Fatalf("%d messages, want %d", len(d.sent), maxInFlight)
	}
	d.sent = nil
	d.call("led", "on").wantErr(cloud.Limited)
	d.variable("temp").wantErr(cloud.Limited)
	signal(d, true).wantErr(cloud.Limited)
	d.want()

	d.send(coap.FunctionReturn(coap.NonConfirmable, d.nextID(), 7, 7)) // one is over, one more fits
	all[6].want(7)
	d.call("led", "on").pending()
	d.want(coap.FunctionMessage(askID+maxInFlight, maxInFlight+1, "led", "on"))
	d.call("led", "on").wantErr(cloud.Limited)
}

func TestTokenOfARequestThatWasGivenUpStaysReserved(t *testing.T) {
	d := described(t, helloPhoton33)
	lost := d.call("led", "lost")
	d.sent = nil
	d.stayAlive(callTimeout)
	lost.wantErr(cloud.Timeout)
	for range 255 { // once round
		got := d.call("led", "on")
		m := d.request()
		if token(t, m) == 1 {
			t.Fatal("the reserved token is used although others are free")
		}
		d.send(coap.FunctionReturn(coap.NonConfirmable, d.nextID(), token(t, m), 0))
		got.want(0)
	}
	d.stayAlive(lateFor)
	d.sent = nil
	for range 256 {
		d.call("led", "on")
		m := d.request()
		d.send(coap.FunctionReturn(coap.NonConfirmable, d.nextID(), token(t, m), 0))
		if token(t, m) == 1 {
			return
		}
	}
	t.Errorf("the token is still reserved after %v", lateFor)
}

func TestLateAnswerFreesItsToken(t *testing.T) {
	d := described(t, helloPhoton33)
	lost := d.call("led", "lost")
	d.stayAlive(callTimeout)
	lost.wantErr(cloud.Timeout)
	d.send(coap.FunctionReturn(coap.Confirmable, d.nextID(), 1, 111))
	if len(d.s.open) != 0 {
		t.Errorf("%d exchanges are still open", len(d.s.open))
	}
	if last := d.sent[len(d.sent)-1]; last.String() != coap.Ack(d.id).String() {
		t.Errorf("the late answer got %s, want its ACK", last)
	}
}

func TestWhenNoTokenIsFreeTheOneReservedLongestGoesFirst(t *testing.T) {
	d := described(t, helloPhoton33)
	for range 4 { // 256 requests that are never answered
		for range maxInFlight {
			d.call("led", "lost")
		}
		d.stayAlive(callTimeout)
	}
	if len(d.s.open) != 256 {
		t.Fatalf("%d tokens are reserved, want all", len(d.s.open))
	}
	d.sent = nil
	var tokens []byte
	var last []*outcome[int32]
	for range maxInFlight {
		last = append(last, d.call("led", "on"))
		tokens = append(tokens, token(t, d.request()))
	}
	used := make(map[byte]bool)
	for _, tok := range tokens {
		if used[tok] || tok < 1 || tok > maxInFlight {
			t.Errorf("tokens % x, want those of the first 64 requests, each once", tokens)
			break
		}
		used[tok] = true
	}
	d.call("led", "on").wantErr(cloud.Limited)
	d.send(coap.FunctionReturn(coap.NonConfirmable, d.nextID(), tokens[5], 5))
	last[5].want(5)
}

func TestIdsWrapAround(t *testing.T) {
	d := described(t, helloPhoton33)
	d.s.nextID = 0xfffe
	for _, id := range []uint16{0xffff, 0, 1} {
		got := d.call("led", "on")
		m := d.request()
		if m.ID != id {
			t.Errorf("id %04x, want %04x", m.ID, id)
		}
		d.send(coap.Ack(id), coap.FunctionReturn(coap.NonConfirmable, d.nextID(), token(t, m), 3))
		got.want(3)
	}
	d.id = 0xfffd // the device's too
	for range 5 {
		d.send(eventFrom(d.nextID(), coap.NonConfirmable, "temp", "21"))
	}
	if len(d.effects) != 5 {
		t.Errorf("%d of 5 events were taken", len(d.effects))
	}
}

func TestDuplicatesAreRecognisedAmongTheLast64Messages(t *testing.T) {
	d := described(t, helloPhoton33)
	first := eventFrom(d.nextID(), coap.NonConfirmable, "first", "")
	d.send(first)
	for range seenIDs - 1 {
		d.send(eventFrom(d.nextID(), coap.NonConfirmable, "temp", "21"))
	}
	d.effects = nil
	d.send(first)
	d.wantEffects()
	d.send(eventFrom(d.nextID(), coap.NonConfirmable, "temp", "21"))
	d.effects = nil
	d.send(first) // pushed out: nobody repeats a message that late
	if len(d.effects) != 1 {
		t.Error("more ids are kept than are meant to be")
	}
}

func TestSameIdLaterIsAnotherMessage(t *testing.T) {
	d := described(t, helloPhoton33)
	m := eventFrom(d.nextID(), coap.Confirmable, "temp", "21")
	d.send(m)
	d.s.Acknowledge(m.ID, nil)
	d.step(nil)
	d.want(coap.Ack(m.ID))
	d.effects = nil
	d.advance(20 * time.Second)
	d.now = d.now.Add(seenFor) // without steps in between: only the age counts
	d.send(m)
	d.want()
	if len(d.effects) != 1 {
		t.Errorf("effects %v, want the event", d.effects)
	}
}

func TestAcknowledgementsAreNoDuplicatesOfRequests(t *testing.T) {
	d := described(t, helloPhoton33)
	got := d.call("led", "on")
	// On TCP ids of the two directions meet, and so do ACKs and messages of the device.
	d.send(eventFrom(askID, coap.NonConfirmable, "temp", "21"))
	d.send(coap.Ack(askID), coap.FunctionReturn(coap.Acknowledgement, askID, 1, 5))
	got.want(5)
}

func TestDeadlineIsThatOfTheNextThingToDo(t *testing.T) {
	d := described(t, helloPhoton33)
	at := func(want time.Duration) {
		t.Helper()
		if got := d.s.Deadline().Sub(d.now); got != want {
			t.Errorf("the next step is due in %v, want %v", got, want)
		}
	}
	d.advance(pushWait) // until when a describe might have been asked for
	d.send(coap.Ping(d.nextID()))
	at(quietLimit)
	o := &outcome[int32]{t: t}
	d.s.Call(d.now, d.now.Add(3*time.Second), "led", "on", o.done)
	d.s.Call(d.now, d.now.Add(5*time.Second), "led", "on", o.done)
	at(3 * time.Second)
	d.advance(3 * time.Second)
	o.wantErr(cloud.Timeout)
	at(2 * time.Second)
	d.send(coap.FunctionReturn(coap.NonConfirmable, d.nextID(), 2, 1))
	at(quietLimit)

	early := greeted(t, helloPhoton33)
	early.s.Call(early.now, early.now.Add(2*time.Second), "led", "on", o.done)
	if got := early.s.Deadline().Sub(early.now); got != 2*time.Second {
		t.Errorf("with a request that waits for the describe the next step is due in %v", got)
	}
}

func TestAnswerThatMatchesNothingIsDropped(t *testing.T) {
	d := described(t, helloPhoton33)
	got := d.call("led", "on")
	d.sent = nil
	for _, m := range []coap.Message{
		coap.FunctionReturn(coap.NonConfirmable, 1, 2, 5),  // another token
		{Type: coap.NonConfirmable, Code: 0x44, ID: askID}, // no token, and no acknowledgement
		{Type: coap.NonConfirmable, Code: 0x44, ID: 2, Token: []byte{1, 1}},
		coap.Ack(askID + 1),
	} {
		d.send(m)
	}
	got.pending()
	d.want()
	d.send(coap.FunctionReturn(coap.Confirmable, d.nextID(), 9, 5))
	d.want(coap.Ack(d.id)) // an unknown answer that wants an ACK gets one, or it would come again
}

// An idle device pings for weeks: that takes no room, and the ids that are remembered stay.
func TestPingsAreAnsweredEachAndNotRemembered(t *testing.T) {
	d := described(t, helloPhoton33)
	question := coap.TimeRequest(d.nextID(), 7)
	d.send(question)
	d.sent = nil
	before := len(d.s.answers.ring)
	for range 500 {
		d.advance(15 * time.Second / 100)
		ping := coap.Ping(d.nextID())
		for range 2 {
			d.send(ping)
			d.want(coap.Ack(ping.ID))
		}
	}
	if n := len(d.s.answers.ring); n != before {
		t.Errorf("%d ids are remembered, before there were %d", n, before)
	}
	if _, again := d.s.seen(d.now, question.ID); !again {
		t.Error("the pings made it forget an earlier message")
	}
}

// Pong is Receive, Tick and Outbox for a ping.
func TestPongAnswersWhatIsAPingAndNothingElse(t *testing.T) {
	d := described(t, helloPhoton33)
	d.advance(20 * time.Second)
	b, _ := coap.Ping(d.nextID()).Append(nil)
	if !d.s.Pong(d.now, b) {
		t.Fatal("a ping is none")
	}
	if m, err := coap.Parse(b); err != nil || m.Kind(coap.FromServer) != coap.KindEmptyAck || m.ID != d.id {
		t.Errorf("the answer is %v, %v", m, err)
	}
	if got := d.s.Deadline().Sub(d.now); got != quietLimit {
		t.Errorf("after it we ping in %v", got)
	}
	for _, m := range []coap.Message{coap.Ack(d.nextID()), coap.TimeRequest(d.nextID(), 1)} {
		b, _ := m.Append(nil)
		if was := string(b); d.s.Pong(d.now, b) || string(b) != was {
			t.Errorf("%v was taken for a ping", m)
		}
	}
	var alive outcome[struct{}]
	d.s.Ping(d.now, func(err error) { alive.done(struct{}{}, err) })
	b, _ = coap.Ping(d.nextID()).Append(nil)
	if d.s.Pong(d.now, b) {
		t.Error("somebody waits for a sign of life and does not get it")
	}
}
