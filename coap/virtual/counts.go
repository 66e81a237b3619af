package virtual

import "sync/atomic"

// Counts is how often something has happened since New.
type Counts struct {
	Attempts    uint64 // to connect
	Connects    uint64 // that came online
	Disconnects uint64 // after having been online

	Refused   uint64 // publishes, because too many waited to be sent
	Missed    uint64 // calls, events and callbacks, because too many waited for the application
	Throttled uint64 // publishes, by the device's own limit
	Reboots   uint64 // by fault, by Reboot and by the server

	// Over UDP.
	Handshakes uint64 // that ended well
	Resumes    uint64 // of a stored session
	Repeated   uint64 // messages, because nothing came back

	// By the device's Faults.
	Dropped, Duplicated, Garbage, Stalls      uint64
	SingleBytes, WrongKeys, HalfOpens         uint64 // connections
	MutedFunctions, MutedPings, IgnoredHellos uint64
	Lost, Moves                               uint64 // over UDP: datagrams, changes of address
}

type counters struct {
	attempts, connects, disconnects, refused, missed, throttled, reboots atomic.Uint64

	handshakes, resumes, repeated atomic.Uint64

	dropped, duplicated, garbage, stalls      atomic.Uint64
	singleBytes, wrongKeys, halfOpens         atomic.Uint64
	mutedFunctions, mutedPings, ignoredHellos atomic.Uint64
	lost, moves                               atomic.Uint64
}

// Counts returns the counters as they are now.
func (d *Device) Counts() Counts {
	n := &d.counters
	return Counts{
		Attempts: n.attempts.Load(), Connects: n.connects.Load(), Disconnects: n.disconnects.Load(),
		Refused: n.refused.Load(), Missed: n.missed.Load(), Throttled: n.throttled.Load(), Reboots: n.reboots.Load(),
		Handshakes: n.handshakes.Load(), Resumes: n.resumes.Load(), Repeated: n.repeated.Load(),
		Lost: n.lost.Load(), Moves: n.moves.Load(),
		Dropped: n.dropped.Load(), Duplicated: n.duplicated.Load(), Garbage: n.garbage.Load(),
		Stalls:      n.stalls.Load(),
		SingleBytes: n.singleBytes.Load(), WrongKeys: n.wrongKeys.Load(), HalfOpens: n.halfOpens.Load(),
		MutedFunctions: n.mutedFunctions.Load(), MutedPings: n.mutedPings.Load(), IgnoredHellos: n.ignoredHellos.Load(),
	}
}
