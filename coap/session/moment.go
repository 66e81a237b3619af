package session

import "time"

// moment is a time in a session, in nanoseconds since it began, plus one. It is a third of a time.Time, of which a server keeps
// several for each of its devices.
type moment int64

const (
	never  moment = 0
	outset moment = 1
)

// momentOf returns the moment of a time in a session that began at started.
func momentOf(started, t time.Time) moment { return outset + moment(t.Sub(started)) }

// since returns the time of a moment in a session that began at started; zero for never.
func (m moment) since(started time.Time) time.Time {
	if m == never {
		return time.Time{}
	}
	return started.Add(time.Duration(m - outset))
}

// at returns the moment of a time.
func (s *Session) at(t time.Time) moment { return momentOf(s.started, t) }

// when returns the time of a moment; zero for never.
func (s *Session) when(m moment) time.Time { return m.since(s.started) }

// quiet is for how long nothing was heard from the device.
func (s *Session) quiet(now time.Time) time.Duration { return now.Sub(s.when(s.heard)) }
