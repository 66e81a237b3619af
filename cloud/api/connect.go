package api

import (
	"cmp"

	"localcloud/keys"
)

// way is how a board of one kind gets to this cloud: command lines that can be copied.
type way struct {
	Platform  string   `json:"platform"`
	Transport string   `json:"transport"`
	Host      string   `json:"host"`
	Port      uint16   `json:"port"`
	Connect   []string `json:"connect"`      // with localcloud: on this machine, and from another
	Particle  []string `json:"particle_cli"` // with particle-cli and a file of ours
	Restore   []string `json:"restore"`      // the way back
}

// connectLines answers with the command lines by which boards get here, the address of this cloud filled in: that of the
// query ("host"), or the first of this machine. With "platform" there is one kind of board in the answer.
func (s *Server) connectLines(q *request) (any, error) {
	hosts := s.addresses()
	host := q.args.text("host")
	if host == "" && len(hosts) > 0 {
		host = hosts[0]
	}
	if host == "" {
		host = hostOnly(q.Host)
	}
	if err := keys.CheckHost(host); err != nil {
		return nil, plain(400, err.Error())
	}
	platforms := keys.Platforms()
	if name := q.args.text("platform"); name != "" {
		p, err := keys.ParsePlatform(name)
		if err != nil {
			return nil, plain(400, err.Error())
		}
		platforms = []keys.Platform{p}
	}
	listening := s.listening()
	ways := []way{}
	for _, p := range platforms {
		ways = append(ways, newWay(p, host, portNumber(listening["tcp"]), cmp.Or(portOf(listening["http"]), "8080")))
	}
	return map[string]any{"hosts": hosts, "ways": ways}, nil
}

func newWay(p keys.Platform, host string, tcpPort uint16, httpPort string) way {
	port := p.Transport.DefaultPort() // boards on UDP take no other
	if p.Transport == keys.TCP && tcpPort != 0 {
		port = tcpPort
	}
	file := p.Name + "-server.der"
	cloud := " --cloud http://" + host + ":" + httpPort + " --token TOKEN"
	return way{
		Platform: p.Name, Transport: string(p.Transport), Host: host, Port: port,
		Connect: []string{"localcloud device connect --host " + host, "localcloud device connect --host " + host + cloud},
		Particle: []string{
			"localcloud keys export --for " + p.Name + " --host " + host + " --out " + file,
			"particle keys server " + file,
		},
		Restore: []string{"localcloud device restore", "localcloud device restore" + cloud},
	}
}

func portNumber(address string) (n uint16) {
	for _, c := range portOf(address) {
		n = n*10 + uint16(c-'0')
	}
	return n
}
