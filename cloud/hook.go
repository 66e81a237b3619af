package cloud

import (
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"time"

	"localcloud/keys"
)

// HookID identifies a webhook: 24 hex digits.
type HookID string

// NewHookID draws an id.
func NewHookID() HookID {
	var b [12]byte
	rand.Read(b[:])
	return HookID(hex.EncodeToString(b[:]))
}

// Hook is a webhook: what is sent where when an event comes. Every text of
// the request and both topics are mustache templates. A hook is never changed in place: what
// the registry returns shares its maps with other readers.
type Hook struct {
	ID       HookID    `json:"id"`
	Owner    UserID    `json:"owner"`             // whose events fire it, and who gets the answers
	Product  int       `json:"product,omitempty"` // fired by the devices of this product instead; 0: none
	Created  time.Time `json:"created"`
	Updated  time.Time `json:"updated"`
	Name     string    `json:"name,omitempty"`
	Disabled bool      `json:"disabled,omitempty"`

	// What fires it.
	Event  string        `json:"event"`  // beginning of the name, case matters
	Device keys.DeviceID `json:"device"` // this device only; zero: any

	// The request. At most one of JSON, Form and Body is there.
	URL     string            `json:"url"`
	Method  string            `json:"method"`         // GET, POST, PUT or DELETE
	JSON    json.RawMessage   `json:"json,omitempty"` // an object whose texts are templates, or one template as a string
	Form    map[string]string `json:"form,omitempty"`
	Body    string            `json:"body,omitempty"`
	Query   map[string]string `json:"query,omitempty"`
	Headers map[string]string `json:"headers,omitempty"`
	Auth    HookAuth          `json:"auth,omitzero"`

	NoDefaults bool `json:"no_defaults,omitempty"` // leave event, data, coreid and published_at out
	Insecure   bool `json:"insecure,omitempty"`    // take any certificate: rejectUnauthorized is false

	// The answer.
	ResponseTemplate   json.RawMessage `json:"response_template,omitempty"` // like JSON; empty: the answer as it is
	ResponseTopic      string          `json:"response_topic,omitempty"`    // empty: hook-response/EVENT
	ErrorResponseTopic string          `json:"error_response_topic,omitempty"`
	Unchunked          bool            `json:"unchunked,omitempty"` // in one event
	DataURL            bool            `json:"data_url,omitempty"`  // as a data: URL, for answers that are no text
}

// HookAuth is what a hook shows its target: a name and a password, or a token.
type HookAuth struct {
	Username string `json:"username,omitempty"`
	Password string `json:"password,omitempty"`
	Bearer   string `json:"bearer,omitempty"`
}

// Clone returns a copy that shares nothing with h.
func (h Hook) Clone() Hook {
	h.JSON, h.ResponseTemplate = slices.Clone(h.JSON), slices.Clone(h.ResponseTemplate)
	h.Form, h.Query, h.Headers = maps.Clone(h.Form), maps.Clone(h.Query), maps.Clone(h.Headers)
	return h
}

// Scopes of the integrations of the API.
const (
	ScopeHooksCreate Scope = "integrations:create"
	ScopeHooksList   Scope = "integrations:list"
	ScopeHooksGet    Scope = "integrations:get"
	ScopeHooksUpdate Scope = "integrations:update"
	ScopeHooksRemove Scope = "integrations:remove"
	ScopeHooksTest   Scope = "integrations:test"
)

// HookTarget is an address, or a network, that webhooks may reach although
// it is closed to them by default: loopback, link-local, and the like.
type HookTarget struct {
	net  netip.Prefix
	port uint16 // 0: every port
}

// ParseHookTarget reads "127.0.0.1", "127.0.0.1:1880", "[::1]:1880", "169.254.0.0/16" or "localhost", with or without a port.
func ParseHookTarget(s string) (HookTarget, error) {
	text, port := s, uint16(0)
	if host, rest, ok := strings.Cut(s, "localhost"); ok && host == "" {
		text = "127.0.0.1" + rest
	}
	if ap, err := netip.ParseAddrPort(text); err == nil {
		text, port = ap.Addr().String(), ap.Port()
	}
	if a, err := netip.ParseAddr(strings.Trim(text, "[]")); err == nil {
		a = a.Unmap().WithZone("")
		return HookTarget{netip.PrefixFrom(a, a.BitLen()), port}, nil
	}
	if p, err := netip.ParsePrefix(text); err == nil && !p.Addr().Is4In6() {
		return HookTarget{p.Masked(), 0}, nil
	}
	return HookTarget{}, Errorf("webhook target", Invalid, "%q is no address; it looks like 127.0.0.1, 127.0.0.1:1880, [::1]:1880 or 127.0.0.0/8", s)
}

// Contains reports whether the target is, or has in it, that address.
func (t HookTarget) Contains(a netip.AddrPort) bool {
	return t.net.Contains(a.Addr().Unmap().WithZone("")) && (t.port == 0 || t.port == a.Port())
}

// String returns what ParseHookTarget reads.
func (t HookTarget) String() string {
	switch {
	case !t.net.IsSingleIP():
		return t.net.String()
	case t.port == 0:
		return t.net.Addr().String()
	}
	return netip.AddrPortFrom(t.net.Addr(), t.port).String()
}

// MarshalText implements encoding.TextMarshaler.
func (t HookTarget) MarshalText() ([]byte, error) { return []byte(t.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (t *HookTarget) UnmarshalText(b []byte) (err error) {
	*t, err = ParseHookTarget(string(b))
	return err
}

// HookResult is how a delivery ended.
type HookResult string

// Results of a delivery.
const (
	HookDelivered HookResult = "success"
	HookRetried   HookResult = "retry"   // failed, and is tried again
	HookSkipped   HookResult = "skipped" // not tried, since too many failed before; tried again later
	HookFailed    HookResult = "error"   // failed, and nobody tries again: a dead letter
	HookDropped   HookResult = "dropped" // given up without a try: too much waits, or the cloud was off for too long; a dead letter
)

// HookDelivery is one try to deliver an event by a webhook.
type HookDelivery struct {
	Time     time.Time  `json:"time"`
	Hook     HookID     `json:"hook"`
	Event    string     `json:"event"`
	EventID  EventID    `json:"event_id,string"`
	CoreID   string     `json:"coreid"`
	Data     string     `json:"data"`             // of the event, its beginning
	Attempt  int        `json:"attempt"`          // from 1
	Request  string     `json:"request"`          // method and address, without the query
	Status   int        `json:"status,omitempty"` // of the answer; 0: none came
	Response string     `json:"response"`         // the beginning of the answer
	Took     float64    `json:"took_s"`           // seconds
	Result   HookResult `json:"result"`
	Error    string     `json:"error,omitempty"`
}

// HookCounts are a webhook's figures since the cloud started.
type HookCounts struct {
	Delivered uint64 `json:"success"`
	Failed    uint64 `json:"error"`   // tries that failed
	Skipped   uint64 `json:"skipped"` // tries that were put off, since too many failed before
	Dead      uint64 `json:"dead"`    // events that are given up, those before the start included that are still remembered
	Waiting   int    `json:"waiting"` // events that wait now, those for another try included
	Asleep    bool   `json:"asleep"`  // too many failed in a row: one try a minute
}

// HookRecord is what is remembered of a webhook's deliveries, the newest first.
type HookRecord struct {
	Counts HookCounts     `json:"counts"`
	Latest []HookDelivery `json:"latest"` // whatever their result
	Dead   []HookDelivery `json:"dead"`   // the last try of events that are given up; kept over a restart
}
