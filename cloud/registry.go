package cloud

import (
	"context"
	"errors"
	"iter"
	"time"

	"localcloud/keys"
)

// ErrClosed is the cause of errors of a Registry or a Log that was closed: the cloud is stopping.
var ErrClosed = errors.New("the store is closed")

// Registry is the memory of the cloud: devices, users, tokens, products, claim codes, settings. A
// method that changes something returns once the change is synced to
// disk, except for NoteDevice; reading never touches the disk. What it returns are copies. It
// is safe for concurrent use. Package cloud/store implements it.
type Registry interface {
	Device(id keys.DeviceID) (Device, bool)
	// Devices returns every device, ordered by id.
	Devices() []Device
	// AllDevices yields every device in no order and copies none: what it yields is only to be read, and not to be kept.
	AllDevices() iter.Seq[*Device]
	// DevicesNamed returns the devices of that name, ignoring case, whosever they are, ordered by id. It costs no more when there are many devices.
	DevicesNamed(name string) []Device
	CountDevices() int
	// UpdateDevice changes one device in one step; when it does not exist, change
	// gets a fresh one and exists is false. An error from change leaves all as it was.
	UpdateDevice(id keys.DeviceID, change func(d *Device, exists bool) error) (Device, error)
	// NoteDevice changes what a device says of itself each time it connects: readers see it at once, a crash
	// may lose what was noted in the last seconds. It is NotExist when there is no such device.
	NoteDevice(id keys.DeviceID, change func(d *Device)) (Device, error)
	// RemoveDevice forgets the device, its key included.
	RemoveDevice(id keys.DeviceID) error

	User(id UserID) (User, bool)
	UserByName(name string) (User, bool) // ignores case
	// Users returns every user, the oldest first.
	Users() []User
	// AddUser stores a new user and refuses a name that is taken (Exist). The
	// very first user becomes an admin.
	AddUser(u User) (User, error)
	UpdateUser(id UserID, change func(u *User) error) (User, error)
	// RemoveUser forgets the user, their tokens, claim codes and webhooks; their devices become unclaimed, their products nobody's.
	RemoveUser(id UserID) error

	Token(id TokenID) (Token, bool)
	// Tokens returns the tokens of one user, or of all when user is empty, the oldest first.
	Tokens(user UserID) []Token
	PutTokens(tokens ...Token) error
	RemoveTokens(ids ...TokenID) error

	Product(id int) (Product, bool)
	// Products returns every product, ordered by id.
	Products() []Product
	// UpdateProduct changes one product in one step, as UpdateDevice does.
	UpdateProduct(id int, change func(p *Product, exists bool) error) (Product, error)
	// RemoveProduct forgets a product, but not that devices are in it: see the function RemoveProduct.
	RemoveProduct(id int) error

	// AddClaim stores a claim code. It removes those that are over when c was
	// made, and of its user's the oldest beyond MaxClaims.
	AddClaim(c Claim) error
	// RedeemClaim changes a device by a claim code and forgets the code, in one step. It is
	// NotExist when there is no such code or device; an error from change leaves all as it was.
	RedeemClaim(id ClaimID, device keys.DeviceID, change func(d *Device, c Claim) error) (Device, error)

	Hook(id HookID) (Hook, bool)
	// Hooks returns every webhook, the oldest first.
	Hooks() []Hook
	// AddHook stores a new webhook of a user who exists, and refuses an id that is taken (Exist).
	AddHook(h Hook) error
	// UpdateHook changes one webhook; id, owner and birthday stay what they are.
	UpdateHook(id HookID, change func(h *Hook) error) (Hook, error)
	RemoveHook(id HookID) error

	Settings() Settings
	UpdateSettings(change func(s *Settings) error) (Settings, error)
}

// Settings are the owner's choices that can change while the cloud runs.
type Settings struct {
	DevicePolicy Policy `json:"device_policy"` // for each device that has none of its own
	ServerPolicy Policy `json:"server_policy"` // for all devices together

	// ProductPolicies limit all devices of one product together, by product id.
	ProductPolicies map[int]Policy `json:"product_policies,omitempty"`

	TrustFirstUse bool `json:"trust_first_use"` // take unknown devices in at their first connection

	ClockSet time.Time `json:"clock_set,omitzero"` // the time that the owner last set

	Limits Limits `json:"limits"`  // of what strangers may try
	SignUp bool   `json:"sign_up"` // anyone may make an account

	Hosts []string `json:"hosts,omitempty"` // by which browsers may reach the cloud, besides those it knows itself; see Hosts

	// What the log keeps, where the command line does not say. 0: what is usual; negative: no bound.
	EventsMaxAge   time.Duration `json:"events_max_age,omitempty"`
	EventsMaxBytes int64         `json:"events_max_bytes,omitempty"`

	LogLevel string `json:"log_level,omitempty"` // debug, info, warn or error; empty: as the command line says, else info

	HookTargets []HookTarget `json:"hook_targets,omitempty"` // closed addresses that webhooks may reach all the same
}

// DefaultSettings are those of a new cloud: nothing is ever dropped.
func DefaultSettings() Settings {
	return Settings{DevicePolicy: PolicyWarn(), ServerPolicy: PolicyOff(), Limits: DefaultLimits()}
}

// Log keeps events for a time and a size that the owner sets. It is safe for
// concurrent use. Package cloud/store implements it.
type Log interface {
	// Admit blocks until there is room for one more event in the queue to the
	// disk, or ctx ends. Every Admit that returned nil is followed by one Append.
	Admit(ctx context.Context) error
	// Append queues an event that was admitted; ids must grow from call to call.
	// It never blocks and never calls done itself: done is called later,
	// once, by another goroutine, with nil when the event is synced. One that is
	// Patient may be kept back a moment, for others to share its sync.
	Append(ev *Event, done func(error))
	// Read calls yield with each event that is committed and has an id greater
	// than after, in order of id, until yield returns false.
	Read(ctx context.Context, after EventID, yield func(*Event) bool) error
	// Last returns the greatest id that was ever appended, also before a restart.
	Last() EventID
}
