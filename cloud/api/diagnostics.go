package api

import (
	"context"
	"encoding/json"
	"strings"
	"time"

	"localcloud/cloud"
)

// maxVitals is how many records one answer holds, the oldest first.
const maxVitals = 1000

// vitalsRecord is what a device told of itself at one time, as Particle's
// diagnostics have it (http-api.md, 3.4).
type vitalsRecord struct {
	UpdatedAt stamp           `json:"updated_at"`
	DeviceID  string          `json:"deviceID"`
	Payload   json.RawMessage `json:"payload"`
}

// payload nests the figures by the parts of their names, and adds what the cloud itself knows.
func (s *Server) payload(d cloud.Device, v cloud.Vitals) (json.RawMessage, error) {
	device := map[string]any{}
	for name, value := range v.Figures {
		parts := strings.Split(name, ".")
		at := device
		for _, part := range parts[:len(parts)-1] {
			inner, ok := at[part].(map[string]any)
			if !ok {
				inner = map[string]any{}
				at[part] = inner
			}
			at = inner
		}
		at[parts[len(parts)-1]] = value
	}
	now := s.Hub.Status(d.ID)
	service := map[string]any{
		"device": map[string]any{"status": "ok"},
		"cloud":  map[string]any{"publish": map[string]any{"sent": now.Events, "limited": now.Limited}},
	}
	if now.Online {
		service["cloud"].(map[string]any)["uptime"] = int64(s.Hub.Clock().Now().Sub(now.Since) / time.Second)
	}
	return encodeJSON(map[string]any{"device": device, "service": service})
}

// lastVitals answers with what the device told last.
func (s *Server) lastVitals(q *request) (any, error) {
	d, err := s.device(q)
	if err != nil {
		return nil, err
	}
	v, ok := s.Hub.Vitals(d.ID)
	if !ok {
		return nil, plain(404, "No diagnostics yet: the device has told none since this server started")
	}
	payload, err := s.payload(d, v)
	return map[string]any{"diagnostics": vitalsRecord{stamp(v.At), d.ID.String(), payload}}, err
}

// listVitals answers with the records that are in the event log, as JSON or as a table (CSV).
func (s *Server) listVitals(q *request) (any, error) {
	d, err := s.device(q)
	if err != nil {
		return nil, err
	}
	list, err := s.vitalsOf(q, d)
	if err == nil && wantsCSV(q.Request) {
		return vitalsTable(list)
	}
	return map[string]any{"diagnostics": list}, err
}

// vitalsOf reads the log for the records of a device that who asks may see.
func (s *Server) vitalsOf(q *request, d cloud.Device) ([]vitalsRecord, error) {
	from, to := dateArgument(&q.args, "start_date"), dateArgument(&q.args, "end_date")
	if q.args.err != nil {
		return nil, q.args.err
	}
	ctx, cancel := s.bounded(q)
	defer cancel()
	f := q.access.Filter(s.Registry)
	f.Device, f.Product, f.Prefix = d.ID, q.product.ID, cloud.EventVitals
	sub := s.Hub.Subscribe(f, cloud.NewQueue(1))
	defer s.Hub.Unsubscribe(sub)
	list := []vitalsRecord{}
	err := s.Hub.Replay(ctx, sub, cloud.EventIDAt(from), func(ev *cloud.Event) bool {
		if !to.IsZero() && ev.PublishedAt.After(to) {
			return false
		}
		if json.Valid(ev.Data) {
			list = append(list, vitalsRecord{stamp(ev.PublishedAt), d.ID.String(), ev.Data})
		}
		return len(list) < maxVitals
	})
	return list, err
}

// dateArgument reads a time, zero when it is not there.
func dateArgument(a *args, name string) time.Time {
	text := a.text(name)
	if text == "" {
		return time.Time{}
	}
	for _, layout := range []string{time.RFC3339, "2006-01-02"} {
		if t, err := time.Parse(layout, text); err == nil {
			return t
		}
	}
	a.refuse(name, "a time such as 2026-01-31T00:00:00Z")
	return time.Time{}
}

// updateVitals asks the device for its diagnostics now, and publishes them to its owner.
func (s *Server) updateVitals(q *request) (any, error) {
	d, err := s.device(q)
	if err != nil {
		return nil, err
	}
	ctx, cancel := s.bounded(q)
	defer cancel()
	v, err := s.Hub.AskVitals(ctx, d.ID)
	if err != nil {
		return nil, err
	}
	return accepted{done}, s.publishVitals(ctx, d, v)
}

// publishVitals tells the owner, and the log, what the device told of itself.
func (s *Server) publishVitals(ctx context.Context, d cloud.Device, v cloud.Vitals) error {
	payload, err := s.payload(d, v)
	if err != nil {
		return err
	}
	s.vitals.note(d.ID, v.At)
	return s.Hub.Publish(ctx, cloud.Event{
		Name: cloud.EventVitals, Data: payload, Device: d.ID, Owner: d.Owner, Product: d.Product, Private: true, Format: cloud.TextFormat,
	})
}

// vitalsMetadata names the figures that the device tells.
func (s *Server) vitalsMetadata(q *request) (any, error) {
	d, err := s.device(q)
	if err != nil {
		return nil, err
	}
	v, _ := s.Hub.Vitals(d.ID)
	names := map[string]any{}
	for name := range v.Figures {
		names[name] = map[string]any{"title": name}
	}
	return map[string]any{"diagnostics_metadata": names}, nil
}
