package cloud

import (
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strings"
)

// OfficialHost is where Particle's own tools look for the cloud. A network
// whose name server sends it here may use us by that name.
const OfficialHost = "api.particle.io"

// Hosts are the names and addresses by which a browser may reach this cloud
// with what it sends by itself: a cookie. A page of somebody else's that has its own
// name lead here (DNS rebinding) is none of them. It is safe for concurrent use.
type Hosts struct {
	registry Registry
	own      func() []string
}

// NewHosts returns the Hosts of a cloud. own returns the names and addresses
// of this machine as it is now; nil: there are none.
func NewHosts(registry Registry, own func() []string) *Hosts {
	if own == nil {
		own = func() []string { return nil }
	}
	return &Hosts{registry: registry, own: own}
}

// Own returns the hosts that need not be added: localhost, this machine's names and addresses.
func (h *Hosts) Own() []string {
	own := []string{"localhost"}
	for _, name := range h.own() {
		if name = hostName(name); name != "" && !slices.Contains(own, name) {
			own = append(own, name)
		}
	}
	return own
}

// Added returns the hosts that the owner added.
func (h *Hosts) Added() []string { return h.registry.Settings().Hosts }

// Knows reports whether a Host header, with or without a port, names this cloud.
func (h *Hosts) Knows(host string) bool {
	name := hostName(host)
	if name == "" {
		return false
	}
	return name == OfficialHost || slices.Contains(h.Own(), name) || slices.Contains(h.Added(), name)
}

// CheckHost reports why a request with this Host header may not lean on what
// a browser sends by itself, if so (Permission); the error names the command that allows it.
func (h *Hosts) CheckHost(host string) error {
	switch name := hostName(host); {
	case h.Knows(host):
		return nil
	case name == "":
		return Errorf("", Permission, "the request names no host")
	default:
		return Errorf("", Permission, "this cloud does not know itself by the name %q; "+
			"if you gave it that name, say so on the server: localcloud host add %s", name, name)
	}
}

// CheckOrigin reports why a request did not come from a page of this cloud, if
// so (Permission). origin and site are the headers Origin and
// Sec-Fetch-Site; both are empty for programs and for plain GETs of old browsers.
func CheckOrigin(host, origin, site string) error {
	if site != "" && site != "same-origin" && site != "none" {
		return Errorf("", Permission, "the request came from a page of another address (Sec-Fetch-Site: %s)", Printable(site))
	}
	if origin == "" {
		return nil
	}
	u, err := url.Parse(origin)
	if err != nil || u.Host == "" || !strings.EqualFold(withPort(u.Host, u.Scheme), withPort(host, u.Scheme)) {
		return Errorf("", Permission, "the request came from a page of another address (Origin: %s)", Printable(origin))
	}
	return nil
}

// withPort adds the port that a scheme has of itself.
func withPort(host, scheme string) string {
	if _, _, err := net.SplitHostPort(host); err == nil {
		return host
	}
	port := "80"
	if scheme == "https" {
		port = "443"
	}
	return net.JoinHostPort(strings.Trim(host, "[]"), port)
}

// ParseHost checks a host that the owner adds and returns it as it is kept: a
// name in lower case without a port, or an address.
func ParseHost(text string) (string, error) {
	name := hostName(text)
	if name == "" || strings.Contains(text, "/") {
		return "", Errorf("host", Invalid, "%q is not a name or an address, such as cloud.example or 192.168.1.5", Printable(text))
	}
	return name, nil
}

// hostName returns a host without port, brackets, zone and final dot, in lower
// case; "" when it can be none.
func hostName(host string) string {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	host = strings.TrimSuffix(strings.ToLower(strings.Trim(host, "[]")), ".")
	if ip, err := netip.ParseAddr(host); err == nil {
		return ip.WithZone("").Unmap().String()
	}
	if host == "" || len(host) > 253 || strings.ContainsFunc(host, notInName) {
		return ""
	}
	return host
}

func notInName(r rune) bool {
	return !(r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || r == '-' || r == '.' || r == '_')
}

// Printable makes a text of a stranger fit for an error: short, and of
// printable ASCII alone.
func Printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return '?'
		}
		return r
	}, s[:min(len(s), 100)])
}
