package api

import (
	"localcloud/cloud"
)

// policies are the rate limits of the whole cloud.
type policies struct {
	Device cloud.Policy `json:"device"` // for each device that has none of its own
	Server cloud.Policy `json:"server"` // for all devices together
}

func (s *Server) showPolicy(*request) (any, error) {
	set := s.Registry.Settings()
	return policies{set.DevicePolicy, set.ServerPolicy}, nil
}

// setPolicy changes the rate limits that are in the request, for live devices too.
func (s *Server) setPolicy(q *request) (any, error) {
	device, err1 := policyArgument(&q.args, "device")
	server, err2 := policyArgument(&q.args, "server")
	switch {
	case err1 != nil:
		return nil, err1
	case err2 != nil:
		return nil, err2
	case device == nil && server == nil:
		return nil, plain(400, "Nothing to change: send device or server")
	}
	set, err := s.updateSettings(func(set *cloud.Settings) {
		if device != nil {
			set.DevicePolicy = *device
		}
		if server != nil {
			set.ServerPolicy = *server
		}
	})
	return policies{set.DevicePolicy, set.ServerPolicy}, err
}

// policyArgument reads a policy, nil when it is null or not there.
func policyArgument(a *args, name string) (*cloud.Policy, error) {
	text := a.text(name)
	if text == "" || a.err != nil {
		return nil, a.err
	}
	p, err := cloud.ParsePolicy(text)
	return &p, err
}

func (s *Server) updateSettings(change func(*cloud.Settings)) (cloud.Settings, error) {
	set, err := s.Registry.UpdateSettings(func(set *cloud.Settings) error { change(set); return nil })
	if err == nil {
		s.Hub.SettingsChanged(set)
	}
	return set, err
}

// settingsObject are the owner's switches.
type settingsObject struct {
	TrustFirstUse bool `json:"trust_first_use"`
}

func (s *Server) showSettings(*request) (any, error) {
	return settingsObject{s.Registry.Settings().TrustFirstUse}, nil
}

func (s *Server) setSettings(q *request) (any, error) {
	if !q.args.has("trust_first_use") {
		return nil, plain(400, "Nothing to change: send trust_first_use")
	}
	trust := q.args.flag("trust_first_use", false)
	if q.args.err != nil {
		return nil, q.args.err
	}
	set, err := s.updateSettings(func(set *cloud.Settings) { set.TrustFirstUse = trust })
	return settingsObject{set.TrustFirstUse}, err
}
