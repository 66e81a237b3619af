package api

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"localcloud/cloud"
)

// showStatus answers with the state of the cloud: our figures, and what main adds to them.
func (s *Server) showStatus(*request) (any, error) {
	status := map[string]any{
		"uptime_s": int64(time.Since(s.started) / time.Second),
		"totals":   s.Hub.Totals(),
		"streams":  s.OpenStreams(),
		"devices":  s.Registry.CountDevices(),
		"users":    len(s.Registry.Users()),
	}
	if cloud.Owner(s.Registry) == "" && s.SetupCode != "" {
		status["setup_code"] = s.SetupCode
	}
	warnings := s.warnings()
	if s.Status != nil {
		more, err := objectOf(s.Status())
		if err != nil {
			return nil, err
		}
		for k, v := range more {
			status[k] = v
		}
		theirs, _ := more["warnings"].([]any)
		for _, w := range theirs {
			warnings = append(warnings, fmt.Sprint(w))
		}
	}
	status["warnings"] = warnings
	return status, nil
}

// objectOf returns what v is as a JSON object.
func objectOf(v any) (map[string]any, error) {
	b, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	var object map[string]any
	return object, json.Unmarshal(b, &object)
}

// maxExpiring bounds how many tokens the warnings name.
const maxExpiring = 5

// expiring names the tokens that end within two weeks, those that end first.
func (s *Server) expiring() (list []string) {
	soon := slices.DeleteFunc(s.liveTokens(""), func(t cloud.Token) bool { return !s.expiresSoon(t) })
	slices.SortStableFunc(soon, func(a, b cloud.Token) int { return a.Expires.Compare(b.Expires) })
	for _, t := range soon[:min(len(soon), maxExpiring)] {
		list = append(list, fmt.Sprintf("A token of %s expires on %s (%s, id %s). Make a new one: localcloud token create --user %s",
			s.userName(t.User), t.Expires.UTC().Format("2006-01-02 15:04 UTC"), cloud.Printable(cmp.Or(t.Note, t.Client, "no note")), t.ID, s.userName(t.User)))
	}
	if more := len(soon) - maxExpiring; more > 0 {
		list = append(list, fmt.Sprintf("%d more token(s) expire within two weeks. See which: localcloud token list", more))
	}
	return list
}

// warnings says what the owner should look at, each with the next step.
func (s *Server) warnings() []string {
	list := []string{}
	if len(s.Registry.Users()) == 0 {
		how := "localcloud user add NAME"
		if s.SetupCode != "" {
			how += "; or in the console with the set-up code " + string(s.SetupCode)
		}
		list = append(list, "There is no user yet. Make the first one, the owner: "+how)
	}
	if n := len(s.Knocks.List()); n > 0 {
		list = append(list, fmt.Sprintf("%d device(s) connected and were not let in. See why: localcloud device list --unknown", n))
	}
	list = append(list, s.expiring()...)
	if s.Registry.Settings().TrustFirstUse {
		list = append(list, "Unknown devices are taken in at their first connection. When yours are in, switch that off.")
	}
	switch s.Hub.Clock().Doubt() {
	case cloud.ClockBehind:
		list = append(list, "This machine's clock is behind: it shows a time that is past for this cloud, which goes on by its own. "+
			"Correct the machine's clock, or tell the cloud the time: localcloud clock set TIME")
	case cloud.ClockAhead:
		list = append(list, "This machine's clock is years ahead of the last time this cloud knows, which goes on by its own. "+
			"If the clock is right say so: localcloud clock set now")
	}
	return list
}
