package main

import (
	"cmp"
	"log/slog"
	"strings"

	"localcloud/cloud"
	"localcloud/cloud/api"
	"localcloud/cloud/store"
)

// tuning makes a running cloud follow the settings that its owner changes meanwhile: how much it logs, and what its event
// log keeps. What the command line says counts at the start. It implements api.Tuning.
type tuning struct {
	start settings
	level *slog.LevelVar
	log   *store.Log
}

// newTuning makes the parts of a cloud begin with what the settings remember. The store has done so for its log.
func newTuning(start settings, s *store.Store) *tuning {
	t := &tuning{start: start, level: start.level, log: s.Events()}
	if t.level == nil {
		t.level = new(slog.LevelVar) // of a logger that nobody can change
	}
	if start.LogLevel == nil {
		t.setLevel(s.Registry().Settings())
	}
	return t
}

func (t *tuning) setLevel(set cloud.Settings) {
	level := slog.LevelInfo
	if t.start.LogLevel != nil {
		level = *t.start.LogLevel
	}
	if set.LogLevel != "" {
		_ = level.UnmarshalText([]byte(set.LogLevel)) // one of four words
	}
	t.level.Set(level)
}

// Follow implements api.Tuning.
func (t *tuning) Follow(set cloud.Settings) {
	t.setLevel(set)
	t.log.SetBounds(cmp.Or(set.EventsMaxAge, t.start.maxAge()), cmp.Or(set.EventsMaxBytes, int64(t.start.EventsMaxSize)))
}

// InForce implements api.Tuning.
func (t *tuning) InForce() api.InForce {
	age, bytes := t.log.Bounds()
	now := api.InForce{LogLevel: strings.ToLower(t.level.Level().String()), MaxAge: age, MaxBytes: bytes}
	for name, given := range map[string]bool{
		"log_level": t.start.LogLevel != nil, "events_max_age": t.start.EventsMaxAge != nil,
		"events_max_bytes": t.start.EventsMaxSize != 0, "trust_first_use": t.start.TrustFirstUse != nil,
	} {
		if given {
			now.Given = append(now.Given, name)
		}
	}
	return now
}

var _ api.Tuning = (*tuning)(nil)
