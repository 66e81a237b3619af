package session

import (
	"bytes"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/plgd-dev/go-coap/v3/message"
	"github.com/plgd-dev/go-coap/v3/message/codes"

	"localcloud/cloud"
	"localcloud/coap"
)

// known checks what the session last said of the device's abilities.
func (d *device) known(functions []string, variables map[string]coap.VariableType, system bool) {
	d.t.Helper()
	learnt := slices.ContainsFunc(d.effects, func(e Effect) bool { _, ok := e.(Described); return ok })
	d.effects = nil
	switch {
	case !learnt:
		d.t.Error("nothing was learnt")
	case !slices.Equal(d.learnt.Functions, functions) || !maps.Equal(d.learnt.Variables, variables) || d.learnt.HasSystem != system:
		d.t.Errorf("learnt %+v, want functions %v, variables %v, system %v", d.learnt, functions, variables, system)
	}
}

// merge puts two parts of a describe together.
func merge(a, b coap.Describe) coap.Describe {
	if b.HasApplication {
		a.HasApplication, a.Functions, a.Variables, a.VariableNames = true, b.Functions, b.Variables, b.VariableNames
	}
	if b.HasSystem {
		b.HasApplication, b.Functions, b.Variables, b.VariableNames = a.HasApplication, a.Functions, a.Variables, a.VariableNames
		return b
	}
	return a
}

// both is application and system in one, as Device OS up to 1.x answers.
func both() coap.Describe { return merge(theApp, theSystem) }

func jsonReply(t coap.Type, id uint16, tok byte, desc coap.Describe) coap.Message {
	return coap.DescribeReply(t, id, tok, -1, desc.AppendJSON(nil))
}

func TestOldFirmwareIsAskedOnceForEverythingWhenItsBurstIsOver(t *testing.T) {
	d := greeted(t, helloPhoton07)
	d.send(coap.TimeRequest(d.nextID(), 1)) // the last of the burst
	d.want(coap.TimeResponse(d.id, 1, uint32(d.now.Unix())), coap.DescribeRequest(askID, 1, 0))
	d.send(jsonReply(coap.Acknowledgement, askID, 1, both()))
	d.known(theApp.Functions, theApp.Variables, true)
	d.advance(20 * time.Second)
	d.want()
	d.wantEffects()
}

func TestFirmwareThatAsksForNoTimeIsAskedAfterASecond(t *testing.T) {
	d := greeted(t, helloPhoton07)
	d.advance(burstWait - time.Millisecond)
	d.want()
	d.advance(time.Millisecond)
	d.want(coap.DescribeRequest(askID, 1, 0))
}

func TestCoreAnswersADescribeInTwoAcknowledgements(t *testing.T) {
	for name, parts := range map[string][2]coap.Describe{
		"system first": {theSystem, theApp}, "application first": {theApp, theSystem},
		"application in both": {both(), theApp}, // a slip up to 0.5.5
	} {
		t.Run(name, func(t *testing.T) {
			d := greeted(t, helloCoreOldest)
			d.advance(burstWait)
			d.want(coap.DescribeRequest(askID, 1, 0))
			d.send(jsonReply(coap.Acknowledgement, askID, 1, parts[0]))
			d.advance(200 * time.Millisecond)
			d.send(jsonReply(coap.Acknowledgement, askID, 1, parts[1]))
			d.known(theApp.Functions, theApp.Variables, true)
			d.advance(20 * time.Second)
			d.want()
			d.wantEffects()
		})
	}
}

func TestCoreThatAnswersOnlyOnceHasSaidAllThereIs(t *testing.T) {
	t.Run("application", func(t *testing.T) {
		d := greeted(t, helloCore)
		d.advance(burstWait)
		d.want(coap.DescribeRequest(askID, 1, 0))
		d.send(jsonReply(coap.Acknowledgement, askID, 1, theApp))
		d.advance(twoPartWait)
		d.known(theApp.Functions, theApp.Variables, true)
		d.call("led", "on")
		d.want(coap.FunctionMessage(askID+1, 2, "led", "on"))
	})
	t.Run("system", func(t *testing.T) {
		d := greeted(t, helloCore)
		d.advance(burstWait)
		d.want(coap.DescribeRequest(askID, 1, 0))
		early := d.call("led", "on")
		d.send(jsonReply(coap.Acknowledgement, askID, 1, theSystem))
		d.advance(twoPartWait - time.Millisecond)
		early.pending()
		d.advance(time.Millisecond)
		early.wantErr(cloud.NotExist)
		if !d.s.describing.known.system {
			t.Errorf("what the system said is forgotten: %+v", d.s.describing.known)
		}
		d.want()
	})
}

func TestFirmwareWithDiagnosticsIsAskedForEachPart(t *testing.T) {
	for _, separate := range []bool{false, true} { // piggy-backed up to 1.5, then separate and confirmable
		d := greeted(t, helloPhoton15)
		d.send(coap.TimeRequest(d.nextID(), 1))
		d.want(coap.TimeResponse(d.id, 1, uint32(d.now.Unix())), coap.DescribeRequest(askID, 1, coap.DescribeApplication))
		answer := func(id uint16, tok byte, desc coap.Describe, more ...coap.Message) {
			t.Helper()
			if !separate {
				d.send(jsonReply(coap.Acknowledgement, id, tok, desc))
				d.want(more...)
				return
			}
			d.send(coap.Ack(id))
			d.want()
			d.send(jsonReply(coap.Confirmable, d.nextID(), tok, desc))
			d.want(append([]coap.Message{coap.Ack(d.id)}, more...)...)
		}
		answer(askID, 1, theApp, coap.DescribeRequest(askID+1, 2, coap.DescribeSystem))
		d.known(theApp.Functions, theApp.Variables, false)
		answer(askID+1, 2, theSystem)
		d.known(theApp.Functions, theApp.Variables, true)
		d.advance(20 * time.Second)
		d.want()
	}
}

func TestDescribeThatTheDeviceSendsIsNotAskedFor(t *testing.T) {
	proto := theSystem.AppendProto(nil)
	for name, posts := range map[string][2]coap.Message{
		"2.3, no token": {
			coap.DescribePost(1, nil, coap.DescribeSystem, -1, theSystem.AppendJSON(nil)),
			coap.DescribePost(2, nil, coap.DescribeApplication, -1, theApp.AppendJSON(nil)),
		},
		"3.3, token": {
			coap.DescribePost(1, []byte{9}, coap.DescribeSystem, -1, theSystem.AppendJSON(nil)),
			coap.DescribePost(2, []byte{10}, coap.DescribeApplication, -1, theApp.AppendJSON(nil)),
		},
		"6.2, protobuf": {
			coap.DescribePost(1, []byte{9}, coap.DescribeSystem, coap.FormatBinary, proto),
			coap.DescribePost(2, []byte{10}, coap.DescribeApplication, -1, theApp.AppendJSON(nil)),
		},
	} {
		t.Run(name, func(t *testing.T) {
			d := greeted(t, helloHost62)
			d.send(posts[0])
			d.want(coap.Ack(1))
			d.known(nil, nil, true)
			d.send(coap.TimeRequest(d.nextID(), 1))
			d.want(coap.TimeResponse(d.id, 1, uint32(d.now.Unix()))) // and no question
			d.advance(pushWait - time.Millisecond)                   // the application sets up
			d.want()
			d.send(posts[1])
			d.want(coap.Ack(2))
			d.known(theApp.Functions, theApp.Variables, true)
			d.advance(20 * time.Second)
			d.want()
		})
	}
}

func TestPromisedDescribeThatDoesNotComeIsAskedFor(t *testing.T) {
	d := greeted(t, helloHost62)
	d.tell(theSystem, coap.DescribeSystem)
	d.want(coap.Ack(d.id))
	d.advance(pushWait)
	d.want(coap.DescribeRequest(askID, 1, coap.DescribeApplication))
	d.send(coap.Ack(askID), jsonReply(coap.Confirmable, d.nextID(), 1, theApp))
	d.want(coap.Ack(d.id))
	d.known(theApp.Functions, theApp.Variables, true)
}

func TestNewApplicationReplacesTheOldOne(t *testing.T) {
	d := described(t, helloPhoton33)
	d.tell(coap.Describe{HasApplication: true, Functions: []string{"beep"}}, coap.DescribeApplication)
	d.want(coap.Ack(d.id))
	d.known([]string{"beep"}, nil, true)
	d.call("led", "on").wantErr(cloud.NotExist)
	d.variable("temp").wantErr(cloud.NotExist)
}

func TestApplicationWithoutAnythingIsKnownToHaveNothing(t *testing.T) {
	d := greeted(t, helloPhoton33)
	early := d.call("led", "on")
	d.tell(coap.Describe{HasApplication: true}, coap.DescribeApplication)
	early.wantErr(cloud.NotExist)
}

// inBlocks cuts a describe into answers of one block each.
func inBlocks(payload []byte, szx uint8) []coap.Message {
	var all []coap.Message
	for num := uint32(0); len(payload) > 0; num++ {
		n := min(coap.Block{SZX: szx}.Size(), len(payload))
		b := coap.Block{Num: num, More: n < len(payload), SZX: szx}
		all = append(all, coap.Message{
			Type: coap.Confirmable, Code: codes.Content, Payload: payload[:n],
		}.With(message.ETag, []byte{0xaa}).With(message.Block2, b.Append(nil)))
		payload = payload[n:]
	}
	return all
}

// longApp is an application whose describe fills several blocks.
func longApp() coap.Describe {
	desc := coap.Describe{HasApplication: true}
	for i := range 60 {
		desc.Functions = append(desc.Functions, strings.Repeat(string(rune('a'+i%26)), 30)+string(rune('0'+i/26)))
	}
	return desc
}

func TestLongDescribeIsFetchedBlockByBlockInTheDevicesSize(t *testing.T) {
	for _, szx := range []uint8{5, 6} { // Gen 2; Gen 3
		desc := longApp()
		blocks := inBlocks(desc.AppendJSON(nil), szx)
		if len(blocks) < 2 {
			t.Fatal("the describe is too short for this test")
		}
		d := greeted(t, helloPhoton33)
		d.advance(pushWait)
		d.want(coap.DescribeRequest(askID, 1, coap.DescribeApplication))
		for i, b := range blocks {
			ask := uint16(askID + i)
			d.send(coap.Ack(ask))
			b.ID, b.Token = d.nextID(), []byte{byte(i + 1)}
			d.send(b)
			if i+1 < len(blocks) {
				d.want(coap.Ack(b.ID), coap.DescribeBlockRequest(ask+1, byte(i+2), coap.DescribeApplication, uint32(i+1), szx))
				d.wantEffects()
			}
		}
		d.known(desc.Functions, nil, false)
	}
}

func TestDescribeWithAnotherBlockThanAskedIsAskedForAgain(t *testing.T) {
	blocks := inBlocks(longApp().AppendJSON(nil), 5)
	for name, order := range map[string][]int{
		"not the first": {1}, "the first again": {0, 0}, "one left out": {0, 2}, "backwards": {0, 1, 0},
	} {
		t.Run(name, func(t *testing.T) {
			d := greeted(t, helloPhoton33)
			d.advance(pushWait)
			d.sent = nil
			for i, n := range order {
				b := blocks[n]
				b.ID, b.Token = d.nextID(), []byte{byte(i + 1)}
				d.send(b)
			}
			d.wantEffects()
			if last := d.sent[len(d.sent)-1]; last.Type != coap.Acknowledgement {
				t.Errorf("goes on with %s", last)
			}
			d.sent = nil
			d.stayAlive(describeRetry)
			d.wantAsked(coap.DescribeApplication)
		})
	}
}

func TestDescribeInEndlessBlocksIsGivenUp(t *testing.T) {
	d := greeted(t, helloPhoton33)
	d.advance(pushWait)
	d.sent = nil
	for i := 0; ; i++ {
		if i > 2*maxDescribe/1024 {
			t.Fatal("goes on for ever")
		}
		b := coap.Block{Num: uint32(i), More: true, SZX: 6}
		d.send(coap.Message{
			Type: coap.NonConfirmable, Code: codes.Content, ID: d.nextID(), Token: []byte{byte(i + 1)},
			Payload: bytes.Repeat([]byte{'['}, 1024),
		}.With(message.Block2, b.Append(nil)))
		if len(d.sent) == 0 {
			break
		}
		d.sent = nil
	}
	d.wantEffects()
}

func TestEmptyBlocksAreNoDescribe(t *testing.T) {
	d := greeted(t, helloPhoton33)
	d.advance(pushWait)
	d.request()
	d.send(coap.Message{
		Type: coap.NonConfirmable, Code: codes.Content, ID: d.nextID(), Token: []byte{1},
	}.With(message.Block2, coap.Block{More: true, SZX: 6}.Append(nil)))
	d.want()
	d.wantEffects()
}

// stayAlive lets time pass for a device that pings, and drops our answers to that.
func (d *device) stayAlive(for_ time.Duration) {
	d.t.Helper()
	for end := d.now.Add(for_); d.now.Before(end); {
		d.advance(min(15*time.Second, end.Sub(d.now)))
		if d.over != nil {
			d.t.Fatalf("the session ended: %v", d.over)
		}
		d.send(coap.Ping(d.nextID()))
		d.sent = slices.DeleteFunc(d.sent, func(m coap.Message) bool { return m.Type == coap.Acknowledgement })
	}
}

// wantAsked checks that the session asked once for this part of the describe.
func (d *device) wantAsked(flags byte) {
	d.t.Helper()
	m := d.request()
	if got, _ := coap.DescribeFlags(m); m.Kind(coap.FromServer) != coap.KindDescribe || got != flags {
		d.t.Errorf("the session sent %s, want a describe request with flags %d", m, flags)
	}
}

func TestDescribeThatFailsIsAskedForAgainAfterAPause(t *testing.T) {
	for name, c := range map[string]struct {
		answer coap.Message
		fails  time.Duration // this long after the question
	}{
		"refused":  {coap.AckCode(askID, []byte{1}, codes.BadRequest), 0},
		"garbage":  {coap.DescribeReply(coap.Acknowledgement, askID, 1, -1, []byte("hello")), 0},
		"no JSON":  {coap.DescribeReply(coap.Acknowledgement, askID, 1, -1, []byte(`{"f":[`)), 0},
		"no reply": {coap.Ack(askID), describeWait},
	} {
		t.Run(name, func(t *testing.T) {
			d := greeted(t, helloPhoton15)
			d.advance(burstWait)
			d.want(coap.DescribeRequest(askID, 1, coap.DescribeApplication))
			d.send(c.answer)
			d.stayAlive(c.fails)
			d.stayAlive(describeRetry - time.Millisecond)
			early := d.call("led", "on")
			d.want()
			d.stayAlive(time.Millisecond)
			d.want(coap.DescribeRequest(askID+1, 2, coap.DescribeApplication))
			d.send(jsonReply(coap.Acknowledgement, askID+1, 2, theApp))
			d.want(coap.FunctionMessage(askID+2, 3, "led", "on"), coap.DescribeRequest(askID+3, 4, coap.DescribeSystem))
			early.pending()
		})
	}
}

func TestDescribeThatTheDeviceResetsIsAskedForAgain(t *testing.T) {
	d := greeted(t, helloPhoton15)
	d.advance(burstWait)
	d.wantAsked(coap.DescribeApplication)
	d.send(coap.ResetMessage(askID))
	d.stayAlive(describeWait + describeRetry)
	d.wantAsked(coap.DescribeApplication)
}

func TestDescribePostThatMakesNoSenseEndsTheSession(t *testing.T) {
	for _, payload := range []string{"", "hello", "[1]", `{"f":[`, `{"f":7}`} {
		d := greeted(t, helloPhoton33)
		d.say(coap.DescribePost(d.nextID(), nil, coap.DescribeApplication, -1, []byte(payload)))
		d.wantOver(errProtocol)
		d.wantEffects()
	}
}

// postInBlocks cuts a describe that the device sends by itself into one message for each block.
func (d *device) postInBlocks(desc coap.Describe) []coap.Message {
	payload := desc.AppendJSON(nil)
	var all []coap.Message
	for num := uint32(0); len(payload) > 0; num++ {
		n := min(512, len(payload))
		b := coap.Block{Num: num, More: n < len(payload), SZX: 5}
		all = append(all, coap.DescribePost(d.nextID(), []byte{byte(num)}, coap.DescribeApplication, -1, payload[:n]).
			With(message.Block1, b.Append(nil)))
		payload = payload[n:]
	}
	return all
}

func TestDescribePostInBlocks(t *testing.T) {
	d := greeted(t, helloHost62)
	for _, m := range d.postInBlocks(longApp()) {
		d.wantEffects()
		d.send(m)
		d.want(coap.Ack(m.ID))
	}
	d.known(longApp().Functions, nil, false)
}

func TestDescribePostInWrongOrderIsIncomplete(t *testing.T) {
	d := greeted(t, helloHost62)
	blocks := d.postInBlocks(longApp())
	d.send(blocks[1])
	d.want(coap.AckCode(blocks[1].ID, blocks[1].Token, codes.RequestEntityIncomplete))

	blocks = d.postInBlocks(longApp())
	d.send(blocks[0], blocks[2])
	d.want(coap.Ack(blocks[0].ID), coap.AckCode(blocks[2].ID, blocks[2].Token, codes.RequestEntityIncomplete))
	d.wantEffects()

	for _, m := range d.postInBlocks(longApp()) { // from the beginning again
		d.send(m)
		d.want(coap.Ack(m.ID))
	}
	d.known(longApp().Functions, nil, false)
}

func TestRepeatedBlockIsAcknowledgedAndCountsOnce(t *testing.T) {
	d := greeted(t, helloHost62)
	for _, m := range d.postInBlocks(longApp()) {
		d.send(m, m)
		d.want(coap.Ack(m.ID), coap.Ack(m.ID))
	}
	d.known(longApp().Functions, nil, false)
}

func TestDescribePostIsBounded(t *testing.T) {
	d := greeted(t, helloHost62)
	for num := range uint32(maxDescribe/1024 + 1) {
		m := coap.DescribePost(d.nextID(), []byte{1}, coap.DescribeApplication, -1, make([]byte, 1024)).
			With(message.Block1, coap.Block{Num: num, More: true, SZX: 6}.Append(nil))
		d.send(m)
		if num < maxDescribe/1024 {
			d.want(coap.Ack(m.ID))
		} else {
			d.want(coap.AckCode(m.ID, m.Token, codes.RequestEntityIncomplete))
		}
	}
}

func TestRequestsWaitForTheDescribe(t *testing.T) {
	d := greeted(t, helloPhoton33)
	call, unknown, variable := d.call("led", "on"), d.call("nosuch", ""), d.variable("temp")
	call.pending()
	d.want()
	d.tell(theSystem, coap.DescribeSystem) // not the part that they need
	d.want(coap.Ack(d.id))
	d.tell(theApp, coap.DescribeApplication)
	d.want(coap.Ack(d.id), coap.FunctionMessage(askID, 1, "led", "on"), coap.VariableMessage(askID+1, 2, "temp"))
	unknown.wantErr(cloud.NotExist)
	d.send(coap.FunctionReturn(coap.NonConfirmable, d.nextID(), 1, 1))
	call.want(1)
	variable.pending()
}

func TestRequestTimesOutWhenTheDescribeDoesNotCome(t *testing.T) {
	d := greeted(t, helloPhoton33)
	d.stayAlive(time.Second)
	call := d.call("led", "on")
	d.stayAlive(callTimeout - time.Millisecond)
	call.pending()
	d.advance(time.Millisecond)
	call.wantErr(cloud.Timeout)
}

func TestAtMostSixtyFourRequestsWaitForTheDescribe(t *testing.T) {
	d := greeted(t, helloPhoton33)
	var waiting []*outcome[int32]
	for range maxInFlight {
		waiting = append(waiting, d.call("led", "on"))
	}
	d.call("led", "on").wantErr(cloud.Limited)
	for _, w := range waiting {
		w.pending()
	}
}

func TestMetrics(t *testing.T) {
	want := coap.Metrics{{ID: 6, Value: 2}, {ID: 25, Failed: true, Err: -100}}
	reply := func(typ coap.Type, id uint16) coap.Message {
		return coap.DescribeReply(typ, id, 1, -1, coap.AppendMetrics(nil, want))
	}
	ask := func(d *device) *outcome[coap.Metrics] {
		o := &outcome[coap.Metrics]{t: d.t}
		d.s.Metrics(d.now, d.now.Add(callTimeout), o.done)
		d.step(nil)
		return o
	}
	d := described(t, helloPhoton15) // piggy-backed
	got := ask(d)
	d.want(coap.DescribeRequest(askID, 1, coap.DescribeMetrics))
	d.send(reply(coap.Acknowledgement, askID))
	got.want(want)

	d = described(t, helloPhoton33) // separate, confirmable on TCP too
	got = ask(d)
	d.request()
	d.send(coap.Ack(askID))
	got.pending()
	d.send(reply(coap.Confirmable, d.nextID()))
	got.want(want)
	d.want(coap.Ack(d.id))

	d = described(t, helloPhoton33)
	got = ask(d)
	d.request()
	d.send(coap.AckCode(askID, []byte{1}, codes.BadRequest))
	got.wantErr(cloud.Refused)

	d = described(t, helloPhoton33)
	got = ask(d)
	d.send(jsonReply(coap.Acknowledgement, askID, 1, theApp)) // as 0.7 answers a flag that it does not know
	got.wantErr(cloud.Refused)

	ask(described(t, helloPhoton07)).wantErr(cloud.Unsupported)
}

func TestVitalsThatTheDevicePublishesAreAcknowledgedAndNoApplication(t *testing.T) {
	d := described(t, helloPhoton33)
	m := coap.DescribePost(d.nextID(), []byte{1}, coap.DescribeMetrics, -1, coap.AppendMetrics(nil, coap.Metrics{{ID: 6, Value: 2}}))
	d.send(m)
	d.want(coap.Ack(m.ID))
	d.known(theApp.Functions, theApp.Variables, true)
}
