package cloud

import (
	"context"
	"maps"
	"slices"
	"strings"
	"time"
	"unique"

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

// measured is Vitals in a small form, as each device that is online has some: devices tell the same figures, so they share the
// names, each on a line.
type measured struct {
	at     time.Time
	names  unique.Handle[string]
	values []float64
}

func measure(at time.Time, figures map[string]float64) *measured {
	names := slices.Sorted(maps.Keys(figures))
	m := &measured{at: at, names: unique.Make(strings.Join(names, "\n")), values: make([]float64, len(names))}
	for i, name := range names {
		m.values[i] = figures[name]
	}
	return m
}

func (m *measured) all(yield func(name string, value float64) bool) {
	if len(m.values) == 0 {
		return
	}
	i := 0
	for name := range strings.SplitSeq(m.names.Value(), "\n") {
		if !yield(name, m.values[i]) {
			return
		}
		i++
	}
}

// Measured notes what the device told of itself.
func (p *Presence) Measured(figures map[string]float64) {
	m := measure(p.hub.clock.Now(), figures)
	p.hub.mu.Lock()
	defer p.hub.mu.Unlock()
	p.meter.vitals = m
}

// Vitals returns what the device told last since the cloud started; false when it has told nothing.
func (h *Hub) Vitals(id keys.DeviceID) (Vitals, bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	m := h.meters[id]
	if m == nil || m.vitals == nil {
		return Vitals{}, false
	}
	return Vitals{At: m.vitals.at, Figures: maps.Collect(m.vitals.all)}, true
}

// Vital returns one figure of what the device told last.
func (h *Hub) Vital(id keys.DeviceID, name string) (float64, bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if m := h.meters[id]; m != nil && m.vitals != nil {
		for known, value := range m.vitals.all {
			if known == name {
				return value, true
			}
		}
	}
	return 0, false
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
		m.vitals = measure(v.At, figures)
	}
	return v, nil
}
