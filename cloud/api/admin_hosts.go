package api

import (
	"slices"

	"localcloud/cloud"
)

// hostsObject are the names by which a browser may reach this cloud.
type hostsObject struct {
	Own   []string `json:"own"`   // localhost, this machine's names and addresses as they are now, api.particle.io
	Added []string `json:"added"` // by the owner
}

func (s *Server) hosts() hostsObject {
	o := hostsObject{append(s.Hosts.Own(), cloud.OfficialHost), s.Hosts.Added()}
	if o.Added == nil {
		o.Added = []string{}
	}
	return o
}

func (s *Server) listHosts(*request) (any, error) { return s.hosts(), nil }

// maxHosts bounds what the owner adds.
const maxHosts = 100

// addHost lets browsers reach this cloud by one more name.
func (s *Server) addHost(q *request) (any, error) {
	host, err := cloud.ParseHost(q.args.text("host"))
	if err != nil {
		return nil, err
	}
	_, err = s.Registry.UpdateSettings(func(set *cloud.Settings) error {
		switch {
		case slices.Contains(set.Hosts, host):
			return nil
		case len(set.Hosts) >= maxHosts:
			return plain(409, "There are too many names; remove one first")
		}
		set.Hosts = append(set.Hosts, host)
		return nil
	})
	return s.hosts(), err
}

// removeHost takes a name away that was added.
func (s *Server) removeHost(q *request) (any, error) {
	host, err := cloud.ParseHost(q.variable("host"))
	if err != nil {
		return nil, err
	}
	_, err = s.Registry.UpdateSettings(func(set *cloud.Settings) error {
		i := slices.Index(set.Hosts, host)
		if i < 0 {
			return plain(404, "That name was not added")
		}
		set.Hosts = slices.Delete(set.Hosts, i, i+1)
		return nil
	})
	return s.hosts(), err
}
