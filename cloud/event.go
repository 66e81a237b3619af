package cloud

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"localcloud/keys"
)

// EventID numbers an event: microseconds since 1970 at which the cloud took
// it, made larger where needed so that ids never repeat and never go back. It is the
// `id:` of an event stream and the key of the log.
type EventID uint64

// EventIDAt returns the smallest id an event taken at t can have.
func EventIDAt(t time.Time) EventID { return EventID(max(t.UnixMicro(), 0)) }

// Time returns the moment the id stands for.
func (id EventID) Time() time.Time { return time.UnixMicro(int64(id)).UTC() }

// String returns the id in decimal, as event streams carry it.
func (id EventID) String() string { return strconv.FormatUint(uint64(id), 10) }

// ParseEventID reads what String wrote.
func ParseEventID(s string) (EventID, error) {
	n, err := strconv.ParseUint(s, 10, 64)
	if err != nil {
		return 0, Errorf("event id", Invalid, "%q is not an event id", s)
	}
	return EventID(n), nil
}

// Bounds of an event as Device OS and the official cloud know them.
const (
	MaxEventName = 64    // bytes
	MaxEventData = 16384 // bytes (Device OS 6.3); a device's own limit is often lower
	DefaultTTL   = 60    // seconds
)

// ContentFormat values of events (RFC 7252 section 12.3). TextFormat is what
// an event without the option has.
const (
	TextFormat = -1
	BinFormat  = 42
	JSONFormat = 50
	CBORFormat = 60
)

// Event is one published event. It is immutable once the Hub has taken it:
// everyone who gets it shares it.
type Event struct {
	ID          EventID
	Name        string        // 1 to 64 bytes; may hold anything a device sends
	Data        []byte        // nil means no data, which clients see as null
	TTL         uint32        // seconds
	PublishedAt time.Time     // when the cloud took it
	Device      keys.DeviceID // zero: published through the API or by the cloud
	Source      string        // the coreid of an event without device: "001" or "particle-internal"
	Owner       UserID        // whose event it is; empty while its device is unclaimed
	Product     int           // in which its device is, or that a user published it to; 0: none
	Private     bool          // only for its owner; public means: for every user of this server
	Format      int           // content format, TextFormat when absent

	// Patient, on the way to the log, says that nobody waits until the event is synced: a device that asks for no
	// acknowledgement, a status. It is no part of the event.
	Patient bool

	// Link, on the way from a device to the log, holds the counters of the device's link: stored in one step with the
	// event. nil: none. It is no part of the event.
	Link []byte
}

// Sources of events that no device published.
const (
	SourceAPI   = "001"               // a user, by POST /v1/devices/events
	SourceCloud = "particle-internal" // the cloud itself, such as answers of webhooks
)

// CoreID returns what clients know as coreid: the device id, or the source.
func (ev *Event) CoreID() string {
	if ev.Device.IsZero() {
		return ev.Source
	}
	return ev.Device.String()
}

// String returns the event in one line, for logs. The data is not part of it.
func (ev *Event) String() string {
	return fmt.Sprintf("event %q from %s, %d bytes", ev.Name, ev.CoreID(), len(ev.Data))
}

// IsReserved reports whether only the system may publish this name: it begins
// with "spark" or "particle", ignoring case (http-api.md, 4.4). Such
// events reach users but are never forwarded to other devices.
func IsReserved(name string) bool {
	return hasPrefixFold(name, "spark") || hasPrefixFold(name, "particle")
}

// IsCloudOnly reports whether the name is one that only the cloud itself
// says, so that a device which publishes it is lying about its state.
func IsCloudOnly(name string) bool {
	for _, p := range []string{
		EventStatus, "spark/flash/", "spark/device/app-hash", "spark/device/diagnostics/",
		EventLimited, "hook-sent/", "hook-response/", "hook-error/",
	} {
		if hasPrefixFold(name, p) {
			return true
		}
	}
	return false
}

// EventDevicesRequest is what a device publishes to find the relay.
const EventDevicesRequest = "devicesRequest"

// Names of events that the cloud itself publishes.
const (
	EventStatus  = "spark/status"          // "online" or "offline"
	EventAppHash = "spark/device/app-hash" // SHA-256 of the user module
	EventLimited = "spark/device/limited"  // the policy that drops a device's events
)

// CheckEventName reports why name cannot be published by a user, if so.
func CheckEventName(name string) error {
	switch {
	case name == "":
		return Errorf("publish", Invalid, "event name is empty")
	case len(name) > MaxEventName:
		return Errorf("publish", Invalid, "event name is longer than %d bytes", MaxEventName)
	case IsReserved(name):
		return Errorf("publish", Invalid, "event names that begin with spark or particle are reserved")
	}
	return nil
}

func hasPrefixFold(s, prefix string) bool {
	return len(s) >= len(prefix) && strings.EqualFold(s[:len(prefix)], prefix)
}
