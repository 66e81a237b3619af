package api

import (
	"maps"
	"strconv"

	"localcloud/cloud"
)

// policies are the rate limits of the whole cloud.
type policies struct {
	Device cloud.Policy `json:"device"` // for each device that has none of its own
	Server cloud.Policy `json:"server"` // for all devices together

	Products map[int]cloud.Policy `json:"products"` // for all devices of one product together
}

func policiesOf(set cloud.Settings) policies {
	p := policies{set.DevicePolicy, set.ServerPolicy, set.ProductPolicies}
	if p.Products == nil {
		p.Products = map[int]cloud.Policy{}
	}
	return p
}

func (s *Server) showPolicy(*request) (any, error) {
	return policiesOf(s.Registry.Settings()), nil
}

// setProductPolicy changes or removes the rate limit of one product, for live devices too.
func (s *Server) setProductPolicy(q *request) (any, error) {
	id, err := strconv.Atoi(q.variable("product"))
	if err != nil || id < 0 || id > 0xffff {
		return nil, plain(400, "A product id is a number up to 65535")
	}
	policy, err := policyArgument(&q.args, "policy")
	switch {
	case err != nil:
		return nil, err
	case policy == nil && !q.args.has("policy"):
		return nil, plain(400, "Nothing to change: send policy")
	}
	set, err := s.updateSettings(func(set *cloud.Settings) {
		set.ProductPolicies = maps.Clone(set.ProductPolicies)
		if policy == nil {
			delete(set.ProductPolicies, id)
			return
		}
		if set.ProductPolicies == nil {
			set.ProductPolicies = make(map[int]cloud.Policy)
		}
		set.ProductPolicies[id] = *policy
	})
	return policiesOf(set), err
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
	return policiesOf(set), err
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
