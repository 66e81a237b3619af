package store

import (
	"context"
	"errors"
	"reflect"
	"testing"
	"time"

	"localcloud/cloud"
	"localcloud/keys"
)

// world is one data directory, on disk or in memory, and the store that is open on it.
type world struct {
	t      *testing.T
	start  func(Options) (*Store, error)
	onDisk string // its directory, empty for one in memory
	*Store
}

// open opens the world's data, after closing it if it was open: a restart.
func (w *world) open(opts Options) {
	w.t.Helper()
	w.close()
	opts.NoSync = true
	s, err := w.start(opts)
	if err != nil {
		w.t.Fatalf("open: %v", err)
	}
	w.Store = s
}

func (w *world) close() {
	w.t.Helper()
	if w.Store == nil {
		return
	}
	if err := w.Close(); err != nil {
		w.t.Fatalf("close: %v", err)
	}
}

// contract holds for a store on disk and for its twin in memory. The world is open
// with default options when a test begins.
var contract = []struct {
	name string
	hold func(t *testing.T, w *world)
}{
	{"a fresh device has its id, a birthday and no platform", freshDevice},
	{"an error from the change leaves a device as it was", deviceChangeRefused},
	{"a device keeps its id whatever the change does", deviceKeepsID},
	{"devices are ordered by id", devicesOrdered},
	{"devices are found by name in any case, renamed, removed and after a restart", devicesFoundByName},
	{"what the registry returns and takes are copies", registryCopies},
	{"a removed device is gone for good", deviceRemoved},
	{"a device can be made anew after its removal", deviceRemovedAndMade},
	{"every field of device, user, token and settings survives a restart", everyFieldSurvives},
	{"a device that described nothing is not one that did not describe", describedNothing},
	{"updates of one device at the same time all count", updatesAllCount},
	{"a record that could not be read again is refused", unreadableRefused},
	{"a record that is too large is refused", largeRecordRefused},
	{"the first user becomes admin", firstUserAdmin},
	{"a user's name is taken in any case of letters", namesIgnoreCase},
	{"of users with one name added at the same time one gets it", oneNameOneUser},
	{"users come oldest first", usersOldestFirst},
	{"a change of an unknown user is NotExist", unknownUser},
	{"a removed user takes tokens along and leaves devices unclaimed", userRemoved},
	{"a user with more than one commit holds is removed all the same", largeUserRemoved},
	{"tokens come oldest first and by user", tokensOldestFirst},
	{"tokens are stored all or none", tokensAllOrNone},
	{"many tokens are removed, unknown ones do not matter", tokensRemoved},
	{"products are kept by id", productsKept},
	{"a claim code changes one device once", claimRedeemedOnce},
	{"claim codes are few, and go when they are over", claimsBounded},
	{"claim codes go with their user", claimsGoWithTheirUser},
	{"webhooks come oldest first", hooksOldestFirst},
	{"a webhook is changed and removed", hookChanged},
	{"a webhook without an id or an owner is refused", hookRefused},
	{"a removed user takes webhooks along", hooksOfRemovedUser},
	{"settings are the default until they are changed", settingsDefault},
	{"a closed registry refuses changes and can be read", closedRegistry},

	{"events are read in order after an id", eventsInOrder},
	{"every field of an event survives a restart", eventFieldsSurvive},
	{"reading stops when told so", readStops},
	{"reading ends with its context", readEndsWithContext},
	{"reading goes through many pages", readPages},
	{"events of all sizes come back byte for byte", eventsOfAllSizes},
	{"reading may change the log meanwhile", readAndAppend},
	{"an event can be read when it is acknowledged", acknowledgedIsReadable},
	{"acknowledgements come in order and not from Append", acknowledgedInOrder},
	{"the last id is known at once and after a restart", lastKnown},
	{"an id that does not grow is refused", idMustGrow},
	{"an event that is too large is refused and the others are not", largeEventRefused},
	{"many publishers and readers get along", manyPublishers},
	{"Admit waits for room", admitWaits},
	{"Admit ends with its context", admitEndsWithContext},
	{"Close commits what waits", closeCommits},
	{"a closed log refuses everything", closedLog},
	{"usage counts what is there, after a restart too", usageCounts},
	{"the log forgets the oldest beyond its size", retainSize},
	{"the log forgets what is too old by its own time", retainAge},
	{"a clock that jumps makes nothing old", retainClockJump},
	{"ids do not go back though every event was forgotten", retainAll},
	{"a smaller bound takes effect at the restart", retainSmaller},
	{"without bounds nothing is forgotten", retainUnbounded},
	{"a bound that changes takes effect at once", retainChanged},
	{"the bounds of the settings are remembered, those of the start count more", retainRemembered},
}

func TestContract(t *testing.T) {
	for _, c := range contract {
		t.Run(c.name, func(t *testing.T) {
			t.Run("disk", func(t *testing.T) { hold(t, diskWorld(t), c.hold) })
			t.Run("memory", func(t *testing.T) { hold(t, memoryWorld(t), c.hold) })
		})
	}
}

func hold(t *testing.T, w *world, test func(*testing.T, *world)) {
	t.Parallel()
	w.open(Options{})
	test(t, w)
	w.close()
}

func diskWorld(t *testing.T) *world {
	dir := t.TempDir()
	return &world{t: t, onDisk: dir, start: func(o Options) (*Store, error) { return Open(dir, o) }}
}

// memoryWorld keeps its data over a restart, as OpenMemory does not.
func memoryWorld(t *testing.T) *world {
	registry, events := &memory{}, &memory{}
	return &world{t: t, start: func(o Options) (*Store, error) {
		s := &Store{}
		return s, s.start(registry, events, o.withDefaults())
	}}
}

// Words of the tests.

var background = context.Background()

func id(n byte) keys.DeviceID { return keys.DeviceID{0xe0, 11: n} }

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func (w *world) update(n byte, change func(*cloud.Device)) cloud.Device {
	w.t.Helper()
	d, err := w.Registry().UpdateDevice(id(n), func(d *cloud.Device, _ bool) error { change(d); return nil })
	if err != nil {
		w.t.Errorf("UpdateDevice: %v", err)
	}
	return d
}

func (w *world) user(id cloud.UserID, name string, born time.Time) cloud.User {
	w.t.Helper()
	u, err := w.Registry().AddUser(cloud.User{ID: id, Name: name, Created: born})
	if err != nil {
		w.t.Fatalf("AddUser: %v", err)
	}
	return u
}

// append appends events and waits until they are acknowledged. It returns the first error.
func (w *world) append(events ...*cloud.Event) error {
	w.t.Helper()
	answers := make(chan error, len(events))
	for _, ev := range events {
		if err := w.Events().Admit(background); err != nil {
			w.t.Fatalf("Admit: %v", err)
		}
		w.Events().Append(ev, func(err error) { answers <- err })
	}
	var first error
	for range events {
		if err := <-answers; err != nil && first == nil {
			first = err
		}
	}
	return first
}

// fill appends n events of so many bytes of data, a step apart.
func (w *world) fill(n, bytes int, step time.Duration) {
	w.t.Helper()
	at := max(w.Events().Last(), 1)
	for n > 0 {
		var some []*cloud.Event
		for len(some) < min(n, 100) {
			at += cloud.EventID(step.Microseconds())
			some = append(some, &cloud.Event{ID: at, Name: "fill", Data: make([]byte, bytes), PublishedAt: at.Time(), Format: cloud.TextFormat})
		}
		if err := w.append(some...); err != nil {
			w.t.Fatalf("Append: %v", err)
		}
		n -= len(some)
	}
}

// ids returns the ids of all events in the log.
func (w *world) ids() []cloud.EventID {
	w.t.Helper()
	var ids []cloud.EventID
	err := w.Events().Read(background, 0, func(ev *cloud.Event) bool { ids = append(ids, ev.ID); return true })
	if err != nil {
		w.t.Fatalf("Read: %v", err)
	}
	return ids
}

func wantKind(t *testing.T, err error, kind cloud.Kind) {
	t.Helper()
	if err == nil || cloud.KindOf(err) != kind {
		t.Errorf("error %v has kind %v, want %v", err, cloud.KindOf(err), kind)
	}
}

func wantClosed(t *testing.T, err error) {
	t.Helper()
	if !errors.Is(err, ErrClosed) {
		t.Errorf("error %v, want ErrClosed", err)
	}
}

func wantSame(t *testing.T, got, want any) {
	t.Helper()
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}
