package virtual

import (
	"fmt"
	"slices"
	"time"

	"localcloud/coap"
)

// Version is a release of Device OS that a Device can behave like.
type Version string

// The releases. OS070 to OS620 were watched on the wire; Core045 is the oldest
// form of all, from the source of Device OS 0.4.9 for the Core.
const (
	Core045 Version = "core-0.4.5"
	OS070   Version = "0.7.0"
	OS152   Version = "1.5.2"
	OS231   Version = "2.3.1"
	OS331   Version = "3.3.1" // the last one for Photon and P1
	OS620   Version = "6.2.0"

	DefaultVersion = OS331
)

// Versions returns all releases, oldest first.
func Versions() []Version {
	var all []Version
	for i := range releases {
		all = append(all, releases[i].name)
	}
	return all
}

// release holds what a release does in its own way.
type release struct {
	name Version

	system     uint32 // number of the system module
	flags      uint16 // of Hello
	longHello  bool   // 3.0: with system version and sizes
	maxMessage int    // bytes of a CoAP message
	maxFrame   int    // bytes of ciphertext that fit the buffer; a longer frame ends the connection
	helloWait  time.Duration
	core       bool // spark_protocol.cpp: other ids and tokens, ACKs echo the id of a ping

	burst      []step
	systemSubs []coap.Subscription // the system's own, which come first

	// describe
	reply      replyForm
	hasMetrics bool
	posts      bool // describes itself unasked
	blockwise  bool // 3.3: POST d has a token, GET d needs a query, long ones come in blocks
	protobuf   bool // 5.5: of the system

	// other answers
	randomToken    bool // the first token after start
	variableApart  bool // an empty ACK, then the value
	leftoverArg    bool // a too long argument: the last one is used again
	tokenNeeded    bool // a function or variable request without a token ends the connection
	emptyMarker    bool // empty data is a payload marker without payload
	updateRefusal  bool // 5.03 with the token, else 4.00 without
	patientPing    bool // an unanswered ping does not matter
	subscribesNON  bool
	privateOnly    bool // all events have path E, a TTL of as few bytes as it takes, and a format
	particleSystem bool // events named particle count as system events
}

// replyForm is how a describe is answered.
type replyForm uint8

const (
	replyTwice replyForm = iota // two ACKs with one token: everything, then the application
	replyInACK
	replyApart // an empty ACK, then a CON
)

// step is a part of what a device says when the server's Hello has come.
type step uint8

const (
	stepDescribeSystem step = iota
	stepClaim
	stepHardware
	stepUpdates
	stepTime
	stepDescribeApplication
	stepSubscribe
)

const (
	flags152 = coap.FlagDiagnostics | coap.FlagImmediateUpdates
	flags231 = flags152 | coap.FlagGoodbye | coap.FlagDescribePush
)

// releases is in the order of time. Read in Device OS at the tags of these
// names; all but the Core were also observed.
//
// A frame must fit the protocol buffer (PROTOCOL_BUFFER_SIZE: 800, 960, 1152)
// less 18 bytes, communication/inc/buffer_message_channel.h create, although
// Hello announces the whole of it. A Core counts the whole.
var releases = [...]release{
	{
		name: Core045, system: 6, maxMessage: 632, maxFrame: 640, helloWait: 2 * time.Second, core: true,
		burst:      []step{stepClaim, stepHardware, stepSubscribe, stepTime},
		systemSubs: []coap.Subscription{{Prefix: "spark"}},
		reply:      replyTwice, leftoverArg: true, emptyMarker: true,
	},
	{
		name: OS070, system: 207, maxMessage: 782, maxFrame: 782, helloWait: 4 * time.Second,
		burst:      []step{stepClaim, stepHardware, stepSubscribe, stepTime},
		systemSubs: []coap.Subscription{{Prefix: "spark"}},
		reply:      replyInACK, leftoverArg: true, emptyMarker: true, patientPing: true,
	},
	{
		name: OS152, system: 1512, flags: flags152, maxMessage: 782, maxFrame: 782, helloWait: 4 * time.Second,
		burst:      []step{stepClaim, stepHardware, stepUpdates, stepSubscribe, stepTime},
		systemSubs: []coap.Subscription{{Prefix: "spark", MyDevices: true}, {Prefix: "particle", MyDevices: true}},
		reply:      replyInACK, hasMetrics: true, variableApart: true, tokenNeeded: true,
		emptyMarker: true, updateRefusal: true, particleSystem: true,
	},
	{
		name: OS231, system: 2302, flags: flags231, maxMessage: 782, maxFrame: 782, helloWait: 4 * time.Second,
		burst: []step{stepDescribeSystem, stepClaim, stepHardware, stepUpdates, stepTime,
			stepDescribeApplication, stepSubscribe},
		systemSubs: []coap.Subscription{{Prefix: "particle", MyDevices: true}, {Prefix: "spark", MyDevices: true}},
		reply:      replyApart, hasMetrics: true, posts: true, randomToken: true, variableApart: true,
		tokenNeeded: true, emptyMarker: true, updateRefusal: true, particleSystem: true,
	},
	{
		name: OS331, system: 3302, flags: flags231, longHello: true, maxMessage: 960, maxFrame: 942, helloWait: 4 * time.Second,
		burst: []step{stepDescribeSystem, stepClaim, stepUpdates, stepTime,
			stepDescribeApplication, stepSubscribe},
		systemSubs: []coap.Subscription{{Prefix: "particle", MyDevices: true}, {Prefix: "spark", MyDevices: true}},
		reply:      replyApart, hasMetrics: true, posts: true, blockwise: true, randomToken: true, variableApart: true,
		tokenNeeded: true, updateRefusal: true, particleSystem: true,
	},
	{
		name: OS620, system: 6200, flags: flags231, longHello: true, maxMessage: 1152, maxFrame: 1134, helloWait: 4 * time.Second,
		burst: []step{stepDescribeSystem, stepClaim, stepTime, stepUpdates,
			stepDescribeApplication, stepSubscribe},
		systemSubs: []coap.Subscription{{Prefix: "particle"}, {Prefix: "spark"}},
		reply:      replyApart, hasMetrics: true, posts: true, blockwise: true, protobuf: true, randomToken: true,
		variableApart: true, tokenNeeded: true, updateRefusal: true, subscribesNON: true, privateOnly: true,
		particleSystem: true,
	},
}

func findRelease(v Version) (*release, error) {
	i := slices.IndexFunc(releases[:], func(r release) bool { return r.name == v })
	if i < 0 {
		return nil, fmt.Errorf("virtual: no Device OS %q, only %q", v, Versions())
	}
	return &releases[i], nil
}
