package cloud

import "localcloud/keys"

// LinkState is what the session of a device over UDP needs to go on after the cloud was started again. The device goes
// on with it as if nothing had happened; without it, it is away for minutes. Only package coap/session knows what is in it.
type LinkState struct {
	Device   keys.DeviceID
	Secrets  []byte // what seldom changes, keys included; nil in KeepLink: as it was
	Counters []byte // what changes with every message
}

// Links is the memory of such states. Package cloud/store implements it in the log, so that the counters of a device and
// the event that they belong to are stored in one step; see Event.Link. It is safe for concurrent use.
type Links interface {
	// KeepLink stores a state in place of the device's last one. States and events are stored in the order in which
	// they are handed over. It never blocks and never calls done itself: done is called later, once, by another
	// goroutine, with nil when the state is synced. An error says that the state on the disk is the one before, or
	// nobody knows which.
	KeepLink(state LinkState, done func(error))
	// ForgetLink removes the state of a device.
	ForgetLink(id keys.DeviceID)
	// EachLink calls yield with each state that is stored until yield returns false.
	EachLink(yield func(LinkState) bool) error
	// KeepsLinks reports when states have to be handed over, so that they outlive the program.
	KeepsLinks() Keeping
}

// Keeping says when the state of a link has to be handed over.
type Keeping int

const (
	KeptNever  Keeping = iota // states do not outlive the program
	KeptAtStop                // when the cloud stops; after a crash there is none
	KeptAlways                // whenever it changes; what is stored outlives a crash too
)
