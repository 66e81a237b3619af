package api

import (
	"cmp"
	"context"
	"crypto/subtle"
	"net/http"
	"slices"
	"strings"

	"github.com/gorilla/mux"

	"localcloud/cloud"
)

// request is one request as a handler sees it.
type request struct {
	*http.Request
	w       http.ResponseWriter // for event streams only
	args    args                // without access_token
	access  cloud.Access        // who asks; on open routes nobody
	product cloud.Product       // on routes below /v1/products/{product}, where it exists for who asks; else zero
	secret  cloud.Secret        // the token they sent, on open routes not looked at yet
}

// variable returns a variable of the path, unescaped.
func (q *request) variable(name string) string { return unescapePath(mux.Vars(q.Request)[name]) }

// bounded returns a context for what a handler waits for: the request's, but not for ever.
func (s *Server) bounded(q *request) (context.Context, context.CancelFunc) {
	return context.WithTimeout(q.Context(), s.CallTimeout)
}

// answer does what all routes have in common and calls the handler. The token
// may stand in the header, the query or the body, and the first of these
// counts (http-api.md, 2.3). One that is not in the body is checked before the body is read.
// A browser that is logged in brings none of them but a cookie, see ambient.go.
func (s *Server) answer(rt route, w http.ResponseWriter, r *http.Request) (any, error) {
	q := &request{Request: r, w: w, args: args{query: parseForm(r.URL.RawQuery)}}
	inQuery := q.args.take("access_token")
	q.secret = cloud.Secret(cmp.Or(headerToken(r), inQuery))
	early := rt.scope != open && rt.scope != ambient && q.secret != ""
	if early {
		if err := s.authorize(q, rt.scope); err != nil {
			return nil, err
		}
	}
	if err := q.args.readBody(w, r); err != nil {
		return nil, err
	}
	inBody := q.args.take("access_token")
	q.secret = cmp.Or(q.secret, cloud.Secret(inBody))
	if err := s.admit(q, rt.scope, early); err != nil {
		return nil, err
	}
	if strings.HasPrefix(rt.path, productPath) {
		var err error
		if q.product, err = s.findProduct(q); err != nil {
			return nil, err
		}
	}
	return rt.handle(s, q)
}

// admit checks, once the body is read, who may go on to the handler.
func (s *Server) admit(q *request, need cloud.Scope, early bool) error {
	switch {
	case need == open, early:
		return nil
	case need == ambient:
		return s.checkAmbient(q)
	}
	return s.authorize(q, need)
}

// headerToken returns the token of the Authorization header, or "".
func headerToken(r *http.Request) string {
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return ""
	}
	return strings.TrimSpace(token)
}

// authorize finds out who asks and whether their token may do what the route needs.
func (s *Server) authorize(q *request, need cloud.Scope) (err error) {
	secret, err := s.credential(q)
	if err != nil {
		return err
	}
	if q.access, err = s.authenticate(secret); err != nil {
		return err
	}
	return permit(q.access, need)
}

func (s *Server) authenticate(secret cloud.Secret) (cloud.Access, error) {
	if secret == "" {
		return cloud.Access{}, errNoToken
	}
	if subtle.ConstantTimeCompare([]byte(secret.ID()), []byte(s.Control.ID())) == 1 {
		return cloud.Access{User: s.localAdmin()}, nil
	}
	return s.Accounts.Authenticate(secret)
}

// localAdmin is the user that the control secret stands for: the oldest
// admin, or before there is one somebody who owns nothing.
func (s *Server) localAdmin() cloud.User {
	if u, ok := s.Registry.User(cloud.Owner(s.Registry)); ok {
		return u
	}
	return cloud.User{Name: "local", Admin: true}
}

// permit reports why a token may not do what a route needs, if so.
func permit(a cloud.Access, need cloud.Scope) error {
	if need == anyToken {
		return nil
	}
	if !a.Allows(need) || (a.Tied() && !tiedMay(a, need)) {
		return unauthorized("This token may not do that: it needs the scope " + string(need))
	}
	if need == cloud.ScopeAdmin && !a.User.Admin {
		return unauthorized("Only an administrator may do that")
	}
	return nil
}

// tiedMay reports whether a token that is tied to devices may do what is
// needed at all: nothing that reaches further than its devices, so nothing new that
// nobody thought of. It publishes only when that scope was given by name, since such events
// go to other devices too.
func tiedMay(a cloud.Access, need cloud.Scope) bool {
	switch need {
	case cloud.ScopeUserGet, cloud.ScopeEventsGet, cloud.ScopeRelayGet, cloud.ScopeRelaySend:
		return true
	case productsList, productsGet:
		return len(a.OnlyProducts()) > 0
	case cloud.ScopeEventsSend:
		return slices.Contains(a.Scopes, cloud.ScopeEventsSend) || slices.Contains(a.Scopes, cloud.ScopeEvents)
	}
	return strings.HasPrefix(string(need), "devices:") || strings.HasPrefix(string(need), "devices.")
}

// passwordOrToken finds out who asks on routes that take the name and password of a
// user in place of a token.
func (s *Server) passwordOrToken(q *request, need cloud.Scope) (cloud.User, error) {
	if name, password, ok := q.BasicAuth(); ok {
		return s.logInAs(q, name, password)
	}
	err := s.authorize(q, need)
	return q.access.User, err
}
