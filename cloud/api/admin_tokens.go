package api

import (
	"slices"
	"time"

	"localcloud/cloud"
)

// tokenObject is a token as admins see it.
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

// issueToken makes a token for a user. One that may do everything expires as
// log-ins do, one with scopes never, unless expires_in says otherwise.
func (s *Server) issueToken(q *request) (any, error) {
	a := &q.args
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
	name, note := a.text("user"), a.text("note")
	if a.err != nil {
		return nil, a.err
	}
	u, err := s.user(name)
	if err != nil {
		return nil, err
	}
	issued, err := s.Accounts.Issue(cloud.Grant{User: u.ID, Client: "localcloud", Note: bound(note), Scopes: scopes, Life: life})
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
