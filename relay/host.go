package relay

import (
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"strings"

	"localcloud/cloud"
)

// A page of somebody else's can have its own name lead to this machine (DNS
// rebinding) and would then read whatever needs no token. So such requests need a
// Host that we know. An address is always one: rebinding needs a name. Devices
// are not asked: sketches send odd Hosts or none.

// checkOwnHost is CheckHost of a relay that nobody told more names: localhost, and this machine's own.
func checkOwnHost(host string) error {
	name := strings.ToLower(strings.TrimSuffix(host, "."))
	own, _ := os.Hostname()
	own = strings.ToLower(own)
	if name == "localhost" || own != "" && (name == own || name == own+".local") {
		return nil
	}
	return cloud.Errorf("", cloud.Permission, "the relay does not know itself by the name %q; use its address", printable(host))
}

// checkBrowser says why a request without a token may not read, if so.
func (r *Relay) checkBrowser(q *http.Request) error {
	host := q.Host
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	host = strings.Trim(host, "[]")
	if _, err := netip.ParseAddr(host); err != nil && host != "" { // no Host at all: no browser
		if err := r.CheckHost(host); err != nil {
			return err
		}
	}
	origin := q.Header.Get("Origin")
	if origin == "" {
		return nil
	}
	if u, err := url.Parse(origin); err != nil || !strings.EqualFold(u.Host, q.Host) {
		return cloud.Errorf("", cloud.Permission, "a page of %q may not read here without a token", printable(origin))
	}
	return nil
}
