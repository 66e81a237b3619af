package session

import (
	"fmt"
	"slices"
	"time"

	"github.com/plgd-dev/go-coap/v3/message/codes"

	"localcloud/cloud"
	"localcloud/coap"
)

const (
	describeApp     = coap.DescribeApplication
	describeSystem  = coap.DescribeSystem
	describeMetrics = coap.DescribeMetrics

	// burstWait is how long after Hello we leave the device alone with its
	// first messages before we ask. GET /t, the last of them, ends it sooner.
	burstWait = 1 * time.Second
	// pushWait is how long we wait for a describe that the device promised in
	// its Hello to send by itself; its application may take a while to set up.
	pushWait = 6 * time.Second
	// describeWait bounds one describe request, describeRetry is the pause after one that failed.
	describeWait  = 10 * time.Second
	describeRetry = 30 * time.Second
	// metricsFirst is how long after Hello the diagnostics are asked for.
	metricsFirst = time.Minute
	// twoPartWait is how long a second ACK with the same token may follow (Core, 0.4.4 to 0.6.0).
	twoPartWait = 1 * time.Second
	// maxDescribe bounds a describe that comes in blocks.
	maxDescribe = 64 << 10
)

// describing is what is known of the device's abilities, and the way to know more.
type describing struct {
	known     abilities
	askAt     moment // when we ask for what is missing; never: not planned
	metricsAt moment // when we ask for the diagnostics
	asked     bool   // a request is under way

	arriving *arriving // a describe that the device sends by itself in blocks; nil: none
}

// arriving is the part of a describe that came.
type arriving struct {
	blocks []byte
	next   uint32 // number of the block that comes next
}

// abilities is what a Session needs of a describe for as long as the device is connected.
type abilities struct {
	application, system bool // these parts came
	functions           []string
	variables           map[string]coap.VariableType
}

func (a *abilities) add(part coap.Describe) {
	if part.HasApplication {
		a.application, a.functions, a.variables = true, part.Functions, part.Variables
	}
	a.system = a.system || part.HasSystem
}

func (s *Session) describeAfterHello(now time.Time) {
	s.describing = describing{askAt: s.at(now.Add(burstWait))}
	if s.hello.Flags&coap.FlagDescribePush != 0 {
		s.describing.askAt = s.at(now.Add(pushWait))
	}
	if s.vitals > 0 && s.hello.Flags&coap.FlagDiagnostics != 0 {
		s.describing.metricsAt = s.at(now.Add(metricsFirst))
	}
}

// metricsTick asks for the diagnostics now and then: only they tell how many publishes the board itself refused.
func (s *Session) metricsTick(now time.Time) {
	d := &s.describing
	if d.metricsAt == never || s.at(now) < d.metricsAt {
		return
	}
	d.metricsAt = s.at(now.Add(s.vitalsEvery()))
	s.Metrics(now, now.Add(describeWait), func(m coap.Metrics, err error) {
		if err == nil {
			s.effects = append(s.effects, Described{Describe: coap.Describe{HasMetrics: true, Metrics: m}})
		}
	})
}

// describeAfterBurst is called when the device asked for the time: old firmware is then done with its burst.
func (s *Session) describeAfterBurst(now time.Time) {
	d := &s.describing
	if d.askAt != never && s.hello.Flags&coap.FlagDescribePush == 0 && !d.asked {
		d.askAt = s.at(now)
		s.describeTick(now)
	}
}

func (s *Session) describeDeadline() time.Time {
	d := &s.describing
	next := s.when(d.metricsAt)
	if ask := s.when(d.askAt); !d.asked && d.askAt != never && (next.IsZero() || ask.Before(next)) {
		next = ask
	}
	for _, w := range s.waiting {
		if next.IsZero() || w.deadline.Before(next) {
			next = w.deadline
		}
	}
	return next
}

func (s *Session) describeTick(now time.Time) {
	s.expireWaiting(now)
	s.metricsTick(now)
	d := &s.describing
	if d.askAt == never || s.at(now) < d.askAt || d.asked {
		return
	}
	d.askAt = never
	switch flags := s.missing(); {
	case flags == 0:
	case s.hello.Flags&coap.FlagDiagnostics == 0:
		s.askDescribe(now, 0) // before 0.8: one question for everything
	case flags&describeApp != 0:
		s.askDescribe(now, describeApp)
	default:
		s.askDescribe(now, describeSystem)
	}
}

// missing returns the parts of the describe that are not known yet.
func (s *Session) missing() byte {
	var flags byte
	if !s.describing.known.application {
		flags |= describeApp
	}
	if !s.describing.known.system {
		flags |= describeSystem
	}
	return flags
}

// askDescribe sends one request and goes on with the next missing part when it is answered.
func (s *Session) askDescribe(now time.Time, flags byte) {
	d := &s.describing
	d.asked = true
	s.getDescribe(now, flags, nil, 0, coap.Block{SZX: 6}, func(now time.Time, part coap.Describe, err error) {
		d.asked = false
		if err != nil {
			d.askAt = s.at(now.Add(describeRetry))
			return
		}
		// A part that was asked for and not told does not exist.
		part.HasApplication = part.HasApplication || flags&describeApp != 0
		part.HasSystem = part.HasSystem || flags&describeSystem != 0
		s.learn(now, part)
		if flags != 0 && s.missing() != 0 {
			d.askAt = s.at(now)
			s.describeTick(now)
		}
	})
}

// getDescribe asks for one part of the describe, block by block where it is
// long. done may be called twice when an old Core answers with two ACKs.
func (s *Session) getDescribe(
	now time.Time, flags byte, got []byte, num uint32, block coap.Block, done func(time.Time, coap.Describe, error),
) {
	deadline := now.Add(describeWait)
	fail := func(err error) { done(deadline, coap.Describe{}, err) }
	s.request(deadline, func(id uint16, token byte) coap.Message {
		if num == 0 {
			return coap.DescribeRequest(id, token, flags)
		}
		return coap.DescribeBlockRequest(id, token, flags, num, block.SZX)
	}, func(now time.Time, m coap.Message) bool {
		if err := refusal(m); err != nil {
			done(now, coap.Describe{}, err)
			return false
		}
		b, inBlocks := coap.Block2(m)
		if inBlocks && b.Num != num {
			done(now, coap.Describe{}, cloud.Errorf("describe", cloud.Refused, "block %d where %d was asked for", b.Num, num))
			return false
		}
		got := append(got, m.Payload...)
		if inBlocks && b.More && len(m.Payload) > 0 && len(got) <= maxDescribe {
			s.getDescribe(now, flags, got, num+1, b, done)
			return false
		}
		part, err := s.parseDescribe(m, flags, got)
		done(now, part, err)
		// Without query a Core may answer twice, one part each time.
		if err != nil || flags != 0 || m.Type != coap.Acknowledgement {
			return false
		}
		s.linger(now, m, done)
		return true
	}, fail)
}

// linger keeps the exchange of m open for a second answer. When none comes,
// the device has said all that it ever will.
func (s *Session) linger(now time.Time, m coap.Message, done func(time.Time, coap.Describe, error)) {
	e, until := s.match(m), now.Add(twoPartWait)
	e.deadline = until
	e.fail = func(error) {
		if d := s.describing.known; !s.closed && s.missing() != 0 {
			done(until, coap.Describe{HasApplication: !d.application, HasSystem: !d.system}, nil)
		}
	}
}

func (s *Session) parseDescribe(m coap.Message, flags byte, payload []byte) (coap.Describe, error) {
	format, ok := coap.ContentFormat(m)
	if !ok {
		format = cloud.TextFormat
	}
	d, err := s.words.parse(format, flags, payload)
	if err != nil {
		return coap.Describe{}, cloud.Errorf("describe", cloud.Refused, "%d bytes: %w", len(payload), err)
	}
	return d, nil
}

// learn takes one part in, and lets requests go that waited for it.
func (s *Session) learn(now time.Time, part coap.Describe) {
	d := &s.describing
	s.changed()
	d.known.add(part)
	if s.missing() == 0 {
		d.askAt = never
	}
	s.effects = append(s.effects, Described{Describe: part})
	if !d.known.application {
		return
	}
	waiting := s.waiting
	s.waiting = nil
	for _, w := range waiting {
		w.run(now)
	}
}

// onDescribe takes a describe that the device sends by itself (Device OS 2.0 and later).
func (s *Session) onDescribe(now time.Time, m coap.Message) error {
	d := &s.describing
	payload := slices.Clone(m.Payload) // what is parsed outlives the link's buffer
	if b, ok := coap.Block1(m); ok {
		if b.Num == 0 {
			d.arriving = &arriving{}
		}
		a := d.arriving
		if a == nil || b.Num != a.next || len(a.blocks)+len(payload) > maxDescribe {
			s.reply(m, coap.AckCode(m.ID, m.Token, codes.RequestEntityIncomplete))
			return nil
		}
		a.blocks = append(a.blocks, payload...)
		a.next++
		if b.More {
			s.reply(m, coap.Ack(m.ID))
			return nil
		}
		payload, d.arriving = a.blocks, nil
	}
	flags, _ := coap.DescribeFlags(m)
	part, err := s.parseDescribe(m, flags, payload)
	if err != nil {
		return fmt.Errorf("describe: %w", err)
	}
	if m.Type == coap.Confirmable {
		s.reply(m, coap.Ack(m.ID))
	}
	s.learn(now, part)
	return nil
}

// waiter is a request that cannot be made before the device was described.
type waiter struct {
	deadline time.Time
	run      func(now time.Time)
	fail     func(error)
}

// whenDescribed runs f once the application part is known: now, or when it
// comes. When it has not come at the deadline, fail gets a Timeout.
func (s *Session) whenDescribed(now, deadline time.Time, fail func(error), f func(now time.Time)) {
	switch {
	case s.describing.known.application:
		f(now)
	case len(s.waiting) >= maxInFlight:
		fail(cloud.Errorf("", cloud.Limited, "%d requests wait for the device's describe", len(s.waiting)))
	default:
		s.waiting = append(s.waiting, waiter{deadline, f, fail})
	}
}

// expireWaiting gives up requests that waited too long for the describe.
func (s *Session) expireWaiting(now time.Time) {
	var late []waiter
	s.waiting = slices.DeleteFunc(s.waiting, func(w waiter) bool {
		over := !now.Before(w.deadline)
		if over {
			late = append(late, w)
		}
		return over
	})
	for _, w := range late {
		w.fail(cloud.Errorf("", cloud.Timeout, "the device has not described itself"))
	}
}

// Metrics asks for the device's diagnostics. done is called once.
func (s *Session) Metrics(now, deadline time.Time, done func(coap.Metrics, error)) {
	fail := func(err error) { done(coap.Metrics{}, err) }
	if s.hello.Flags&coap.FlagDiagnostics == 0 {
		fail(cloud.Errorf("", cloud.Unsupported, "this Device OS has no diagnostics"))
		return
	}
	s.request(deadline, func(id uint16, token byte) coap.Message {
		return coap.DescribeRequest(id, token, describeMetrics)
	}, func(_ time.Time, m coap.Message) bool {
		if err := refusal(m); err != nil {
			fail(err)
			return false
		}
		metrics, err := coap.ParseMetrics(m.Payload)
		if err != nil {
			err = cloud.E("", cloud.Refused, err)
		}
		done(metrics, err)
		return false
	}, fail)
}

// knowsFunction reports whether the device described a function of that name.
func (s *Session) knowsFunction(name string) bool {
	return slices.Contains(s.describing.known.functions, name)
}
