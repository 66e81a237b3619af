package api

import (
	"time"
)

// clockObject is the cloud's time, and why the machine's clock is not followed, if so.
type clockObject struct {
	Time  stamp  `json:"time"`
	Doubt string `json:"doubt"` // "", "behind" or "ahead"
}

func (s *Server) showClock(*request) (any, error) {
	c := s.Hub.Clock()
	return clockObject{stamp(c.Now()), c.Doubt()}, nil
}

// setClock makes the time in the request the cloud's.
func (s *Server) setClock(q *request) (any, error) {
	t, err := time.Parse(time.RFC3339, q.args.text("time"))
	if err != nil || t.Year() < 2000 || t.Year() > 2200 {
		return nil, plain(400, "time has to be like 2026-11-21T15:04:05Z")
	}
	if err := s.Hub.SetClock(t); err != nil {
		return nil, err
	}
	return s.showClock(q)
}
