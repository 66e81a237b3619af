package api

import (
	"strings"

	"localcloud/cloud"
)

// maxTTL is the longest life of an event, in seconds: devices get it in 3 bytes.
const maxTTL = 1<<24 - 1

// publish takes an event from a user. It answers when the event is in the log.
// An event is private unless the client says that it is not.
func (s *Server) publish(q *request) (any, error) {
	a := &q.args
	ev := cloud.Event{
		Name:    a.text("name"),
		TTL:     uint32(min(a.number("ttl", cloud.DefaultTTL), maxTTL)),
		Source:  cloud.SourceAPI,
		Owner:   q.access.User.ID,
		Product: q.product.ID,
		Private: a.flag("private", true),
		Format:  cloud.TextFormat,
	}
	if data, ok := a.get("data"); ok && data != nil {
		ev.Data = []byte(a.text("data"))
	}
	if a.err != nil {
		return nil, a.err
	}
	if err := checkEvent(ev); err != nil {
		return nil, err
	}
	ctx, cancel := s.bounded(q)
	defer cancel()
	if err := s.Hub.Publish(ctx, ev); err != nil {
		return nil, err
	}
	return done, nil
}

func checkEvent(ev cloud.Event) error {
	if err := cloud.CheckEventName(ev.Name); err != nil {
		return err
	}
	if strings.ContainsFunc(ev.Name, func(r rune) bool { return r < ' ' || r == 0x7f || r == '\ufffd' }) {
		return plain(400, "An event name holds no control characters")
	}
	if len(ev.Data) > cloud.MaxEventData {
		return plain(413, "The data of an event is too long")
	}
	return nil
}
