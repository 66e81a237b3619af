package relay

import (
	"context"
	"net/http"

	"localcloud/cloud"
)

// Settings are what the owner may change while the relay runs. What was changed is remembered, and
// counts more than what the relay was started with.
type Settings struct {
	Read      string `json:"read,omitempty"`       // "open": everybody on the network may watch; "token": who has one
	Legacy    *bool  `json:"legacy,omitempty"`     // see Config
	ByAddress *bool  `json:"by_address,omitempty"` // see Config
}

const (
	readOpen  = "open"
	readToken = "token"
)

// Settings returns the settings that count now, none of them empty.
func (r *Relay) Settings() Settings {
	s := Settings{Read: readOpen, Legacy: &r.Config.Legacy, ByAddress: &r.Config.ByAddress}
	if r.Config.TokenReads {
		s.Read = readToken
	}
	return s.with(r.state.get().Settings)
}

// with returns the settings with what is set in changes.
func (s Settings) with(changes Settings) Settings {
	if changes.Read != "" {
		s.Read = changes.Read
	}
	if changes.Legacy != nil {
		s.Legacy = changes.Legacy
	}
	if changes.ByAddress != nil {
		s.ByAddress = changes.ByAddress
	}
	return s
}

func (r *Relay) tokenReads() bool { return r.Settings().Read != readOpen }
func (r *Relay) legacy() bool     { return *r.Settings().Legacy }
func (r *Relay) byAddress() bool  { return *r.Settings().ByAddress }

// Set changes what is set in changes and leaves the rest; with reset, what was changed before is forgotten first.
// When reading takes a token from now on, who watches without one is cut off.
func (r *Relay) Set(changes Settings, reset bool) error {
	if changes.Read != "" && changes.Read != readOpen && changes.Read != readToken {
		return cloud.Errorf("relay settings", cloud.Invalid, "read is open or token")
	}
	err := r.state.change(func(v *remembered) error {
		if reset {
			v.Settings = Settings{}
		}
		v.Settings = v.Settings.with(changes)
		return nil
	})
	if err != nil {
		return err
	}
	r.tellSettings("settings changed")
	if r.tokenReads() {
		r.doors.shut()
	}
	return nil
}

func (r *Relay) tellSettings(what string) {
	s := r.Settings()
	r.log.Info(what, "read", s.Read, "legacy", *s.Legacy, "by_address", *s.ByAddress)
}

// setSettings is Set by the API.
func (r *Relay) setSettings(_ *http.Request, in input) (any, error) {
	if err := r.Set(in.Settings, in.Reset); err != nil {
		return nil, err
	}
	return r.showSettings(), nil
}

// showSettings answers with the settings that count, and which of them were changed since the relay was set up.
func (r *Relay) showSettings() any {
	return struct {
		Settings
		Changed Settings `json:"changed"`
	}{r.Settings(), r.state.get().Settings}
}

var errTokensOnly = protocolError{closePolicy, "watching takes a token from now on"}

// doors are open to who has no token, until they are shut: that ends who came
// in by them. It is safe for concurrent use.
type doors struct {
	place chan door // one place
}

// door is through which some came in.
type door struct {
	ctx context.Context
	end context.CancelCauseFunc
}

func newDoors() doors {
	d := doors{make(chan door, 1)}
	d.place <- newDoor()
	return d
}

func newDoor() (d door) {
	d.ctx, d.end = context.WithCancelCause(context.Background())
	return d
}

// now returns a context that ends when the doors are shut the next time.
func (d doors) now() context.Context {
	current := <-d.place
	d.place <- current
	return current.ctx
}

func (d doors) shut() {
	old := <-d.place
	d.place <- newDoor()
	old.end(errTokensOnly)
}

// heldBy returns what makes a viewer's context end with another one, too.
func heldBy(other context.Context) func(context.Context) (context.Context, func()) {
	return func(ctx context.Context) (context.Context, func()) {
		ctx, cancel := context.WithCancelCause(ctx)
		stop := context.AfterFunc(other, func() { cancel(context.Cause(other)) })
		return ctx, func() { stop(); cancel(nil) }
	}
}
