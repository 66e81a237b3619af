package api

import (
	"context"
	"sync"
	"time"

	"localcloud/cloud"
	"localcloud/keys"
)

// Devices are asked for their vitals every quarter of an hour. One record an hour is
// kept: enough to draw a day, and a hundred devices write to a memory card less than twice a minute.
const (
	keepVitalsEvery = time.Hour
	lookAtVitals    = 5 * time.Minute
)

// keptVitals notes for each device when the record was told that was published last.
type keptVitals struct {
	mu sync.Mutex
	at map[keys.DeviceID]time.Time // guarded by mu
}

func (k *keptVitals) note(id keys.DeviceID, at time.Time) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.at == nil {
		k.at = make(map[keys.DeviceID]time.Time)
	}
	k.at[id] = at
}

// due reports whether it is time for the record of that time.
func (k *keptVitals) due(id keys.DeviceID, at time.Time) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	last, ok := k.at[id]
	return !ok || at.Sub(last) >= keepVitalsEvery
}

// KeepVitals publishes what devices tell of themselves, once an hour for each, so that the
// log has their history. It returns when ctx ends.
func (s *Server) KeepVitals(ctx context.Context) {
	for ticker := time.NewTicker(lookAtVitals); ; {
		select {
		case <-ticker.C:
			for _, d := range s.Registry.Devices() {
				s.keepVitals(ctx, d)
			}
		case <-ctx.Done():
			ticker.Stop()
			return
		}
	}
}

func (s *Server) keepVitals(ctx context.Context, d cloud.Device) {
	v, ok := s.Hub.Vitals(d.ID)
	if !ok || d.Owner == "" || !s.vitals.due(d.ID, v.At) || ctx.Err() != nil {
		return
	}
	if err := s.publishVitals(ctx, d, v); err != nil {
		s.Logger.Debug("vitals are not kept", "device", d.ID.String(), "err", err)
	}
}
