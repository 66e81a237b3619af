package sink

import (
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"syscall"
	"time"

	"localcloud/cloud"
)

// guard decides which addresses webhooks may reach. A user of this cloud
// makes this machine send requests; it must not be a way to what only the machine
// itself, or the cloud's owner, can reach. So each connection is looked at when
// it is made, with the address it really goes to: whatever DNS said
// before, and after each redirect.
type guard struct {
	allowed func() []cloud.HookTarget
	own     func(netip.AddrPort) bool // a listener of this cloud; nil: unknown
}

// closedError says why an address is closed.
type closedError struct {
	address netip.AddrPort
	what    string
}

// Error implements error. The next step is for the log; a device learns the same, which is no secret.
func (e *closedError) Error() string {
	return fmt.Sprintf("webhooks may not reach %s (%s); the owner of the cloud can allow it: localcloud webhook allow %s", e.address, e.what, e.address)
}

// check returns a closedError for an address that is closed.
func (g *guard) check(a netip.AddrPort) error {
	what := closed(a.Addr())
	if what == "" && g.own != nil && g.own(netip.AddrPortFrom(a.Addr().Unmap(), a.Port())) {
		what = "this cloud itself"
	}
	if what == "" || slices.ContainsFunc(g.allowed(), func(t cloud.HookTarget) bool { return t.Contains(a) }) {
		return nil
	}
	return &closedError{netip.AddrPortFrom(a.Addr().Unmap(), a.Port()), what}
}

var (
	nat64     = netip.MustParsePrefix("64:ff9b::/96")  // IPv4 in the last 4 bytes (RFC 6052)
	sixToFour = netip.MustParsePrefix("2002::/16")     // IPv4 in bytes 2 to 5 (RFC 3056)
	oldMapped = netip.MustParsePrefix("::/96")         // IPv4 in the last 4 bytes (RFC 4291, deprecated)
	thisNet   = netip.MustParsePrefix("0.0.0.0/8")     // this network; Linux takes it for loopback
	metadata6 = netip.MustParsePrefix("fd00:ec2::/32") // where clouds answer for their machines
	broadcast = netip.AddrFrom4([4]byte{255, 255, 255, 255})
)

// closed returns what an address is that webhooks do not reach, or "".
func closed(a netip.Addr) string {
	a = a.Unmap().WithZone("")
	switch {
	case a.IsLoopback():
		return "loopback"
	case a.IsUnspecified(), thisNet.Contains(a):
		return "this host"
	case a.IsLinkLocalUnicast():
		return "link-local"
	case a.IsMulticast(), a == broadcast:
		return "multicast"
	case metadata6.Contains(a):
		return "machine metadata"
	case nat64.Contains(a), oldMapped.Contains(a):
		b := a.As16()
		return closed(netip.AddrFrom4([4]byte(b[12:16])))
	case sixToFour.Contains(a):
		b := a.As16()
		return closed(netip.AddrFrom4([4]byte(b[2:6])))
	}
	return ""
}

// control implements net.Dialer.Control: it is called with each address before the connection is made.
func (g *guard) control(_, address string, _ syscall.RawConn) error {
	a, err := netip.ParseAddrPort(address)
	if err != nil {
		return fmt.Errorf("address %s: %w", address, err)
	}
	return g.check(a)
}

// Bounds of one connection.
const (
	dialTime      = 10 * time.Second
	tlsTime       = 10 * time.Second
	idleTime      = 30 * time.Second
	maxHeaderSize = 64 << 10
	connsPerHost  = 16
)

// newTransport returns a transport behind the guard. It takes no proxy: that would connect for us, unseen.
func (g *guard) newTransport(insecure bool) *http.Transport {
	dialer := &net.Dialer{Timeout: dialTime, KeepAlive: idleTime, Control: g.control}
	return &http.Transport{
		DialContext:            dialer.DialContext,
		TLSClientConfig:        &tls.Config{InsecureSkipVerify: insecure}, // the owner said rejectUnauthorized: false
		TLSHandshakeTimeout:    tlsTime,
		IdleConnTimeout:        idleTime,
		MaxIdleConnsPerHost:    perHook,
		MaxIdleConns:           4 * perHook,
		MaxConnsPerHost:        connsPerHost,
		MaxResponseHeaderBytes: maxHeaderSize,
		ForceAttemptHTTP2:      true,
	}
}

// maxRedirects is how often a target may send a request elsewhere on itself.
const maxRedirects = 5

// sameHost is an http.Client.CheckRedirect: a redirect is followed on the host
// that the hook names and nowhere else; the answer counts as it is otherwise. From http to https of the same name is the same host.
func sameHost(req *http.Request, via []*http.Request) error {
	from, to := via[0].URL, req.URL
	upgrade := from.Scheme == "http" && to.Scheme == "https" && from.Hostname() == to.Hostname() && from.Port() == "" && to.Port() == ""
	if len(via) > maxRedirects || (!upgrade && (from.Scheme != to.Scheme || from.Host != to.Host)) {
		return http.ErrUseLastResponse
	}
	return nil
}
