package api

import (
	"slices"
	"time"

	"localcloud/cloud"
)

// tokenObject is a token as admins see it, and as it is shown once when it is new.
type tokenObject struct {
	Secret  string        `json:"token,omitempty"` // only when it was just made
	ID      cloud.TokenID `json:"id"`
	User    string        `json:"user"`
	Client  string        `json:"client"`
	Note    string        `json:"note"`
	Scopes  []cloud.Scope `json:"scopes"`
	Created stamp         `json:"created"`
	Expires stamp         `json:"expires"`
	Soon    bool          `json:"expires_soon"` // within 14 days
}

func (s *Server) tokenObject(t cloud.Token) tokenObject {
	return tokenObject{
		ID: t.ID, User: s.userName(t.User), Client: t.Client, Note: t.Note, Scopes: orEmpty(t.Scopes),
		Created: stamp(t.Created), Expires: stamp(t.Expires), Soon: s.expiresSoon(t),
	}
}

func (s *Server) listAllTokens(q *request) (any, error) {
	var id cloud.UserID // of all
	if name := q.args.text("user"); name != "" {
		u, err := s.user(name)
		if err != nil {
			return nil, err
		}
		id = u.ID
	}
	list := []tokenObject{}
	for _, t := range s.liveTokens(id) {
		list = append(list, s.tokenObject(t))
	}
	return list, nil
}

// issueToken makes a token for a user.
func (s *Server) issueToken(q *request) (any, error) {
	name := q.args.text("user")
	if q.args.err != nil {
		return nil, q.args.err
	}
	u, err := s.user(name)
	if err != nil {
		return nil, err
	}
	return s.newToken(u.ID, &q.args)
}

// issueOwnToken makes a token for the user who asks. Only a token that may do
// everything makes another: no token gets its user further than it goes itself.
func (s *Server) issueOwnToken(q *request) (any, error) {
	if !q.access.Allows(cloud.ScopeAll) {
		return nil, unauthorized("Only a token that may do everything can make another")
	}
	if err := s.mayAskForToken(q.Request); err != nil {
		return nil, err
	}
	return s.newToken(q.access.User.ID, &q.args)
}

// newToken makes a token as a asks for it. One that may do everything expires
// as log-ins do, one with scopes never, unless expires_in says otherwise.
func (s *Server) newToken(user cloud.UserID, a *args) (any, error) {
	var scopes []cloud.Scope
	for _, text := range a.list("scopes") {
		scope, err := cloud.ParseScope(text)
		if err != nil {
			return nil, err
		}
		scopes = append(scopes, scope)
	}
	life := time.Duration(0)
	if len(scopes) == 0 || slices.Contains(scopes, cloud.ScopeAll) {
		life = cloud.DefaultTokenLife
	}
	life = s.tokenLife(a, life)
	note := a.text("note")
	if a.err != nil {
		return nil, a.err
	}
	issued, err := s.Accounts.Issue(cloud.Grant{User: user, Client: "localcloud", Note: bound(note), Scopes: scopes, Life: life})
	if err != nil {
		return nil, err
	}
	o := s.tokenObject(issued.Token)
	o.Secret = string(issued.Secret)
	return created{o}, nil
}

// revokeAnyToken ends the token with that public id.
func (s *Server) revokeAnyToken(q *request) (any, error) {
	id := cloud.TokenID(q.variable("token"))
	if !s.knows(id) {
		return nil, errNoSuchToken
	}
	return done, s.Accounts.Revoke(id)
}
