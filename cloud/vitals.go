package cloud

import (
	"context"
	"maps"
	"time"

	"localcloud/keys"
)

// Vitals are a device's diagnostics as it told them last: figures by the names
// that the cloud's API has for them, such as "system.uptime" (seconds) or
// "cloud.publish.rate_limited". Its Device OS says which there are.
type Vitals struct {
	At      time.Time
	Figures map[string]float64
}

// EventVitals is the event by which the cloud tells a device's vitals.
const EventVitals = "spark/device/diagnostics/update"

// Measured notes what the device told of itself. figures belong to the Hub from now on.
func (p *Presence) Measured(figures map[string]float64) {
	now := p.hub.clock.Now()
	p.hub.mu.Lock()
	defer p.hub.mu.Unlock()
	p.meter.vitals = Vitals{At: now, Figures: figures}
}

// Vitals returns what the device told last since the cloud started; false when it has told nothing.
func (h *Hub) Vitals(id keys.DeviceID) (Vitals, bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	m := h.meters[id]
	if m == nil || m.vitals.Figures == nil {
		return Vitals{}, false
	}
	return Vitals{At: m.vitals.At, Figures: maps.Clone(m.vitals.Figures)}, true
}

// Vital returns one figure of what the device told last.
func (h *Hub) Vital(id keys.DeviceID, name string) (float64, bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	m := h.meters[id]
	if m == nil {
		return 0, false
	}
	value, ok := m.vitals.Figures[name]
	return value, ok
}

// AskVitals asks the device for its vitals and notes them; see Conn.
func (h *Hub) AskVitals(ctx context.Context, id keys.DeviceID) (Vitals, error) {
	c, err := h.connection("vitals", id)
	if err != nil {
		return Vitals{}, err
	}
	figures, err := c.Vitals(ctx)
	if err != nil {
		return Vitals{}, err
	}
	v := Vitals{At: h.clock.Now(), Figures: figures}
	h.mu.Lock()
	defer h.mu.Unlock()
	if m := h.meters[id]; m != nil {
		m.vitals = Vitals{At: v.At, Figures: maps.Clone(figures)}
	}
	return v, nil
}
