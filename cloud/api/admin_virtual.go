package api

import (
	"localcloud/cloud"
	"localcloud/keys"
)

// Trial is a board made of software that connects like a real one, for those
// who have none at hand. The program implements it. Its methods may be called from any goroutine.
type Trial interface {
	// State returns the board's id, zero before there was one, and whether it is turned on.
	State() (id keys.DeviceID, running bool)
	// Start turns it on, as a device of that user, if it is off. It connects after the call.
	Start(owner cloud.UserID) error
	// Stop turns it off and waits until it is. Its device stays registered.
	Stop() error
}

// trialObject is the state of the board made of software.
type trialObject struct {
	Running bool   `json:"running"`
	Device  string `json:"device"` // id; empty: there was none yet
}

// errNoTrial is the answer of a server without such a board.
var errNoTrial = plain(501, "This cloud has no board made of software")

func (s *Server) showTrial(*request) (any, error) {
	if s.Trial == nil {
		return nil, errNoTrial
	}
	id, running := s.Trial.State()
	o := trialObject{Running: running}
	if !id.IsZero() {
		o.Device = id.String()
	}
	return o, nil
}

func (s *Server) startTrial(q *request) (any, error) {
	if s.Trial != nil {
		if err := s.Trial.Start(q.access.User.ID); err != nil {
			return nil, err
		}
	}
	return s.showTrial(q)
}

func (s *Server) stopTrial(q *request) (any, error) {
	if s.Trial != nil {
		if err := s.Trial.Stop(); err != nil {
			return nil, err
		}
	}
	return s.showTrial(q)
}
