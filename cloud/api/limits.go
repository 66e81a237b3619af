package api

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/netip"

	"localcloud/cloud"
)

// clientAddress returns the address that a request came from, without its port.
func clientAddress(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr
	}
	if ip, err := netip.ParseAddr(host); err == nil {
		return ip.WithZone("").Unmap().String()
	}
	return host
}

// isLocal reports whether a request came from this machine. Then its address
// says nothing about who asks: it may be a proxy that stands for many.
func isLocal(r *http.Request) bool {
	ip, err := netip.ParseAddr(clientAddress(r))
	return err == nil && ip.IsLoopback()
}

// logInAs returns the user with that name and password, unless too many
// log-ins have failed.
func (s *Server) logInAs(q *request, name, password string) (cloud.User, error) {
	return s.tryLogIn(q, name, func(ctx context.Context) (cloud.User, error) { return s.Accounts.LogIn(ctx, name, password) })
}

// tryLogIn lets somebody try to be the user, and counts how it ends.
func (s *Server) tryLogIn(q *request, name string, try func(context.Context) (cloud.User, error)) (cloud.User, error) {
	address := clientAddress(q.Request)
	if err := s.guard.MayLogIn(address, name); err != nil {
		return cloud.User{}, err
	}
	ctx, cancel := s.bounded(q)
	defer cancel()
	u, err := try(ctx)
	if err == nil || errors.Is(err, cloud.ErrOneTime) || cloud.KindOf(err) == cloud.Unauthentic {
		s.guard.LoggedIn(address, name, cloud.KindOf(err) != cloud.Unauthentic)
	}
	return u, err
}

// mayAskForToken reports why an address may not ask for a token now, if so.
func (s *Server) mayAskForToken(r *http.Request) error {
	if isLocal(r) {
		return nil
	}
	return s.guard.MayAskForToken(clientAddress(r))
}

// openStream counts one more event stream of an address, until close.
func (s *Server) openStream(r *http.Request) (close func(), err error) {
	if isLocal(r) {
		return func() {}, nil
	}
	address := clientAddress(r)
	return func() { s.guard.CloseStream(address) }, s.guard.OpenStream(address)
}

func (s *Server) showLimits(*request) (any, error) { return s.Registry.Settings().Limits, nil }

// maxLimit bounds each number of the limits.
const maxLimit = 1_000_000

// setLimits changes the limits that are in the request, at once; 0 and "off" mean no limit.
func (s *Server) setLimits(q *request) (any, error) {
	limits := s.Registry.Settings().Limits
	changed := false
	for name, field := range map[string]*int{
		"log_ins": &limits.LogIns, "lock_minutes": &limits.LockMinutes, "token_requests": &limits.TokenRequests,
		"stream_opens": &limits.StreamOpens, "streams": &limits.Streams,
	} {
		if !q.args.has(name) {
			continue
		}
		changed = true
		if q.args.text(name) == "off" {
			*field = 0
			continue
		}
		n := q.args.number(name, 0)
		if n > maxLimit {
			return nil, plain(400, name+" has to be at most a million")
		}
		*field = int(n)
	}
	if q.args.err != nil {
		return nil, q.args.err
	}
	if !changed {
		return nil, plain(400, "Nothing to change: send log_ins, lock_minutes, token_requests, stream_opens or streams")
	}
	set, err := s.updateSettings(func(set *cloud.Settings) { set.Limits = limits })
	return set.Limits, err
}
