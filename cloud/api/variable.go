package api

import (
	"math"

	"localcloud/cloud"
)

// coreInfo is what the answer with a variable says of its device.
type coreInfo struct {
	Name            *string `json:"name"`
	LastApp         string  `json:"last_app"`
	LastHeard       stamp   `json:"last_heard"`
	Connected       bool    `json:"connected"`
	LastHandshakeAt stamp   `json:"last_handshake_at"`
	DeviceID        string  `json:"deviceID"`
	ProductID       *int    `json:"product_id"`
}

// readVariable reads a variable of a device. The result keeps its JSON type.
func (s *Server) readVariable(q *request) (any, error) {
	d, err := s.device(q)
	if err != nil {
		return nil, err
	}
	name := q.variable("variable")
	ctx, cancel := s.bounded(q)
	defer cancel()
	value, err := s.Hub.Variable(ctx, d.ID, name)
	switch {
	case cloud.KindOf(err) == cloud.NotExist:
		return nil, errNoVariable
	case err != nil:
		return nil, err
	case q.args.text("format") == "raw":
		return rawValue(value)
	}
	o := s.deviceObject(d, s.Hub.Status(d.ID))
	return struct {
		Cmd      string   `json:"cmd"`
		Name     string   `json:"name"`
		Result   any      `json:"result"`
		CoreInfo coreInfo `json:"coreInfo"`
	}{"VarReturn", name, orNullNumber(value), coreInfo{
		Name: o.Name, LastHeard: o.LastHeard, Connected: true, LastHandshakeAt: o.LastHandshakeAt,
		DeviceID: o.ID, ProductID: o.ProductID,
	}}, nil
}

// rawValue is the value as it stands in JSON, a text without its quotes.
func rawValue(value any) (any, error) {
	if s, ok := value.(string); ok {
		return rawText(s), nil
	}
	b, err := encodeJSON(orNullNumber(value))
	return rawText(b), err
}

// orNullNumber turns a double that JSON does not know into null, as JavaScript does.
func orNullNumber(value any) any {
	if f, ok := value.(float64); ok && (math.IsNaN(f) || math.IsInf(f, 0)) {
		return nil
	}
	return value
}
