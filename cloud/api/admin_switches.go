package api

import (
	"slices"
	"time"

	"localcloud/cloud"
)

// Tuning is what follows the settings while the program runs, besides what the Hub does. The program implements it.
type Tuning interface {
	// Follow makes the program do as the settings say.
	Follow(cloud.Settings)
	// InForce returns what the program does now.
	InForce() InForce
}

// InForce is what the program does, whoever said so.
type InForce struct {
	LogLevel string        // debug, info, warn or error
	MaxAge   time.Duration // of events in the log; negative: any
	MaxBytes int64         // of the log; negative: any
	// Given are the names (in the API) of those that the command line, the environment or the configuration file sets
	// at each start, whatever the settings say.
	Given []string
}

// settingsObject are the owner's switches.
type settingsObject struct {
	TrustFirstUse  bool     `json:"trust_first_use"`
	SignUp         bool     `json:"sign_up"`          // anyone may make an account
	LogLevel       string   `json:"log_level"`        // debug, info, warn or error
	EventsMaxAge   int64    `json:"events_max_age"`   // seconds that the log keeps an event; 0: for ever
	EventsMaxBytes int64    `json:"events_max_bytes"` // of the log; 0: no bound
	Given          []string `json:"given"`            // those that the next start sets again to what it is told
}

// Bounds of settings.
const (
	minKept     = time.Minute
	maxKept     = 100 * 365 * 24 * time.Hour
	minLogBytes = 1 << 20
	maxLogBytes = 1 << 50
)

func (s *Server) settingsObject(set cloud.Settings) settingsObject {
	now := InForce{LogLevel: set.LogLevel, MaxAge: set.EventsMaxAge, MaxBytes: set.EventsMaxBytes}
	if s.Tuning != nil {
		now = s.Tuning.InForce()
	}
	return settingsObject{
		TrustFirstUse: set.TrustFirstUse, SignUp: set.SignUp, LogLevel: now.LogLevel,
		EventsMaxAge: int64(max(now.MaxAge, 0) / time.Second), EventsMaxBytes: max(now.MaxBytes, 0), Given: append([]string{}, now.Given...),
	}
}

func (s *Server) showSettings(*request) (any, error) {
	return s.settingsObject(s.Registry.Settings()), nil
}

// logLevels are the words for how much is logged.
var logLevels = []string{"debug", "info", "warn", "error"}

// setSettings changes the switches that are in the request. They work at once.
func (s *Server) setSettings(q *request) (any, error) {
	next := s.Registry.Settings()
	changes, err := readSwitches(&q.args, &next)
	switch {
	case err != nil:
		return nil, err
	case changes == 0:
		return nil, plain(400, "Nothing to change: send trust_first_use, sign_up, log_level, events_max_age or events_max_bytes")
	}
	set, err := s.updateSettings(func(set *cloud.Settings) {
		set.TrustFirstUse, set.SignUp, set.LogLevel = next.TrustFirstUse, next.SignUp, next.LogLevel
		set.EventsMaxAge, set.EventsMaxBytes = next.EventsMaxAge, next.EventsMaxBytes
	})
	if err != nil {
		return nil, err
	}
	if s.Tuning != nil {
		s.Tuning.Follow(set)
	}
	return s.settingsObject(set), nil
}

// readSwitches takes over what the request says, and counts it.
func readSwitches(a *args, set *cloud.Settings) (changes int, err error) {
	for name, read := range map[string]func(){
		"trust_first_use": func() { set.TrustFirstUse = a.flag("trust_first_use", false) },
		"sign_up":         func() { set.SignUp = a.flag("sign_up", false) },
		"log_level": func() {
			if set.LogLevel = a.text("log_level"); set.LogLevel != "" && !slices.Contains(logLevels, set.LogLevel) {
				a.refuse("log_level", "debug, info, warn or error")
			}
		},
		"events_max_age": func() {
			seconds := boundArgument(a, "events_max_age", int64(minKept/time.Second), int64(maxKept/time.Second), "a number of seconds from 60, or 0 for ever")
			if set.EventsMaxAge = -1; seconds >= 0 {
				set.EventsMaxAge = time.Duration(seconds) * time.Second
			}
		},
		"events_max_bytes": func() {
			set.EventsMaxBytes = boundArgument(a, "events_max_bytes", minLogBytes, maxLogBytes, "a number of bytes from 1048576, or 0 for no bound")
		},
	} {
		if a.has(name) {
			changes++
			read()
		}
	}
	return changes, a.err
}

// boundArgument reads a bound as settings have it: null is what is usual (0), and 0 is none (-1).
func boundArgument(a *args, name string, least, most int64, what string) int64 {
	if a.text(name) == "" {
		return 0
	}
	n := a.number(name, 0)
	switch {
	case n == 0:
		return -1
	case n < least || n > most:
		a.refuse(name, what)
	}
	return n
}
