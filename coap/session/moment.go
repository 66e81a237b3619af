package session

import "time"

// moment is a time in a session, in nanoseconds since it began, plus one. It is a third of a time.Time, of which a server keeps
// several for each of its devices.
type moment int64

const (
	never  moment = 0
	outset moment = 1
)

// at returns the moment of a time.
func (s *Session) at(t time.Time) moment { return outset + moment(t.Sub(s.started)) }

// when returns the time of a moment; zero for never.
func (s *Session) when(m moment) time.Time {
	if m == never {
		return time.Time{}
	}
	return s.started.Add(time.Duration(m - outset))
}

// quiet is for how long nothing was heard from the device.
func (s *Session) quiet(now time.Time) time.Duration { return now.Sub(s.when(s.heard)) }
