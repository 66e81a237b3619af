package api

import (
	"cmp"
	"context"
	"errors"
	"strings"
	"time"

	"localcloud/cloud"
)

// maxLife bounds how long a token that expires can live; more is asked for only by mistake.
const maxLife = 100 * 365 * 24 * time.Hour

// logIn answers POST /oauth/token. Any client may ask, with or without a
// secret: the password is what counts. Arguments in the query are not looked
// at, since addresses end up in logs.
func (s *Server) logIn(q *request) (any, error) {
	if err := s.mayAskForToken(q.Request); err != nil {
		return nil, err
	}
	a := &args{body: q.args.body, err: q.args.err}
	life := s.tokenLife(a, cloud.DefaultTokenLife)
	grant := a.text("grant_type")
	if a.err != nil {
		return nil, badGrant("invalid_request", a.err.Error())
	}
	switch grant {
	case "password":
		return s.grantForPassword(q, a, life)
	case "refresh_token":
		return s.grantForRefresh(a, life)
	case "client_credentials":
		return s.grantForClient(q, a, life)
	case "urn:custom:mfa-otp":
		return nil, badGrant("invalid_grant", "Nobody here logs in with two factors")
	case "":
		return nil, badGrant("invalid_request", "Invalid or missing grant_type parameter")
	}
	return nil, badGrant("unsupported_grant_type", "Invalid or missing grant_type parameter")
}

func (s *Server) grantForPassword(q *request, a *args, life time.Duration) (any, error) {
	name, password, client := a.text("username"), a.text("password"), a.text("client_id")
	if basic, _, ok := q.BasicAuth(); ok && basic != "" {
		client = basic
	}
	if a.err != nil || name == "" || password == "" {
		return nil, badGrant("invalid_request", `Missing parameters. "username" and "password" are required`)
	}
	u, err := s.logInAs(q, name, password)
	if err != nil {
		return nil, err
	}
	return grantAnswer(s.Accounts.Issue(cloud.Grant{User: u.ID, Client: bound(client), Life: life, Refresh: true}))
}

func (s *Server) grantForRefresh(a *args, life time.Duration) (any, error) {
	issued, err := s.Accounts.Renew(cloud.Secret(a.text("refresh_token")), life)
	if errors.Is(err, cloud.ErrTokenInvalid) {
		return nil, badGrant("invalid_grant", "Refresh token is invalid")
	}
	return grantAnswer(issued, err)
}

// grantForClient logs a program in as the user who made its client. The answer
// never says that the token lives for ever: Node-RED's node takes the 0 for a
// number of milliseconds, after which it logs in again.
func (s *Server) grantForClient(q *request, a *args, life time.Duration) (any, error) {
	id, secret := a.text("client_id"), a.text("client_secret")
	if user, password, ok := q.BasicAuth(); ok {
		id, secret = user, password
	}
	scope := a.text("scope")
	if a.err != nil {
		return nil, badGrant("invalid_request", a.err.Error())
	}
	if strings.HasPrefix(scope, "customer=") {
		return nil, badGrant("invalid_scope", "There is no such customer")
	}
	u, err := s.tryLogIn(q, "client "+id, func(context.Context) (cloud.User, error) { return s.Accounts.LogInClient(id, cloud.Secret(secret)) })
	if errors.Is(err, cloud.ErrClient) {
		return nil, badGrant("invalid_client", "Client credentials are invalid")
	}
	if err != nil {
		return nil, err
	}
	return grantAnswer(s.Accounts.Issue(cloud.Grant{User: u.ID, Client: id, Life: cmp.Or(life, cloud.DefaultTokenLife), Refresh: true}))
}

// tokenLife reads expires_in (seconds, 0: never) or expires_at (ISO 8601).
func (s *Server) tokenLife(a *args, absent time.Duration) time.Duration {
	if at := a.text("expires_at"); at != "" && !a.has("expires_in") {
		t, err := time.Parse(time.RFC3339, at)
		life := t.Sub(s.Hub.Clock().Now()).Round(time.Second)
		if err != nil || life <= 0 {
			a.refuse("expires_at", "a time to come, such as 2030-01-31T00:00:00.000Z")
		}
		return min(life, maxLife)
	}
	seconds := a.number("expires_in", int64(absent/time.Second))
	return time.Duration(min(seconds, int64(maxLife/time.Second))) * time.Second
}

// bound cuts a text that is only kept to be shown.
func bound(s string) string { return s[:min(len(s), 128)] }

// grantAnswer is a new token as OAuth has it; expires_in is a number, 0 means never.
func grantAnswer(issued cloud.Issued, err error) (any, error) {
	if err != nil {
		return nil, err
	}
	seconds := int64(0)
	if t := issued.Token; !t.Expires.IsZero() {
		seconds = int64(t.Expires.Sub(t.Created) / time.Second)
	}
	return map[string]any{
		"token_type": "bearer", "access_token": string(issued.Secret),
		"expires_in": seconds, "refresh_token": string(issued.Refresh),
	}, nil
}

// tokenRow is a token in the list of its user. What stands for it is the
// public id, which revokes as well as the token does: the token itself is not kept.
type tokenRow struct {
	Token     cloud.TokenID `json:"token"`
	ExpiresAt stamp         `json:"expires_at"`
	Client    string        `json:"client"`
	Note      string        `json:"note,omitempty"`
	Scopes    []cloud.Scope `json:"scopes"`
	Created   stamp         `json:"created_at"`
	Soon      bool          `json:"expires_soon"` // within 14 days
}

func (s *Server) listTokens(q *request) (any, error) {
	u, err := s.passwordOrToken(q, cloud.ScopeTokens)
	if err != nil {
		return nil, err
	}
	list := []tokenRow{}
	for _, t := range s.liveTokens(u.ID) {
		list = append(list, tokenRow{
			Token: t.ID, ExpiresAt: stamp(t.Expires), Client: t.Client, Note: t.Note, Scopes: orEmpty(t.Scopes), Created: stamp(t.Created),
			Soon: s.expiresSoon(t),
		})
	}
	return list, nil
}

// liveTokens returns the access tokens of a user, of all when user is empty, that are good.
func (s *Server) liveTokens(user cloud.UserID) []cloud.Token {
	var live []cloud.Token
	now := s.Hub.Clock().Now()
	for _, t := range s.Registry.Tokens(user) {
		if !t.Refresh && !t.ExpiredAt(now) {
			live = append(live, t)
		}
	}
	return live
}

func orEmpty(scopes []cloud.Scope) []cloud.Scope {
	if scopes == nil {
		return []cloud.Scope{}
	}
	return scopes
}

func (s *Server) currentToken(q *request) (any, error) {
	t, _ := s.Registry.Token(q.access.Token) // the control secret is none: it never expires
	return map[string]any{
		"expires_at": stamp(t.Expires), "client": t.Client, "client_id": t.Client,
		"scopes": orEmpty(q.access.Scopes), "orgs": []string{}, "expires_soon": s.expiresSoon(t),
	}, nil
}

// expiresSoon reports whether the token's user should see to a new one. A
// browser that is logged in just logs in again.
func (s *Server) expiresSoon(t cloud.Token) bool {
	return t.Client != cloud.SessionClient && !t.Expires.IsZero() && t.Expires.Sub(s.Hub.Clock().Now()) < cloud.TokenWarning
}

func (s *Server) revokeCurrentToken(q *request) (any, error) {
	if q.access.Token == "" {
		return nil, plain(400, "The control secret cannot be revoked")
	}
	return done, s.Accounts.Revoke(q.access.Token)
}

// revokeAllTokens ends all tokens of the user, the one they came with too.
func (s *Server) revokeAllTokens(q *request) (any, error) {
	var ids []cloud.TokenID
	for _, t := range s.Registry.Tokens(q.access.User.ID) {
		ids = append(ids, t.ID)
	}
	return done, s.Accounts.Revoke(ids...)
}

// revokeToken ends the token in the path. The token is its own credential. Its
// public id is none: with that, its user has to say who they are, by password
// or by another token. Who may not revoke it learns nothing of it.
func (s *Server) revokeToken(q *request) (any, error) {
	if err := s.mayAskForToken(q.Request); err != nil { // nobody finds out tokens by trying
		return nil, err
	}
	path := q.variable("token")
	if id := cloud.Secret(path).ID(); s.knows(id) {
		return done, s.Accounts.Revoke(id)
	}
	_, _, basic := q.BasicAuth()
	if !basic && q.secret == "" && s.cookieSecret(q.Request) == "" {
		return nil, errNoSuchToken
	}
	u, err := s.passwordOrToken(q, cloud.ScopeTokens)
	if err != nil {
		return nil, err
	}
	t, ok := s.Registry.Token(cloud.TokenID(path))
	if !ok || t.User != u.ID {
		return nil, errNoSuchToken
	}
	return done, s.Accounts.Revoke(t.ID)
}

func (s *Server) knows(id cloud.TokenID) bool {
	_, ok := s.Registry.Token(id)
	return ok
}
