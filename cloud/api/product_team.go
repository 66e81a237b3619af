package api

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"

	"localcloud/cloud"
)

// An API user of a product is a token of the product's owner that is tied to the
// product and never expires. Particle's clients know it by a made-up mail
// address, which is the note of the token.
const (
	apiUserClient = "api-user"
	apiUserDomain = "@api.particle.io"
)

type member struct {
	Username       string         `json:"username"`
	Role           map[string]any `json:"role"`
	IsProgrammatic bool           `json:"is_programmatic"`
	Scopes         []cloud.Scope  `json:"scopes,omitempty"`
	Tokens         []shownToken   `json:"tokens,omitempty"`
}

type shownToken struct {
	Token string `json:"token"`
}

// productScope is what ties a token to a product.
func productScope(p cloud.Product) cloud.Scope { return cloud.Scope(fmt.Sprintf("product:%d", p.ID)) }

// apiUsers returns the tokens that are API users of the product, the oldest first.
func (s *Server) apiUsers(p cloud.Product) []cloud.Token {
	return slices.DeleteFunc(s.Registry.Tokens(""), func(t cloud.Token) bool {
		return t.Client != apiUserClient || !slices.Contains(t.Scopes, productScope(p))
	})
}

// listTeam answers with the product's owner and its API users.
func (s *Server) listTeam(q *request) (any, error) {
	team := []member{}
	if name := s.userName(q.product.Owner); name != "" {
		team = append(team, member{Username: name, Role: map[string]any{"id": "owner", "name": "Owner"}})
	}
	for _, t := range s.apiUsers(q.product) {
		team = append(team, asMember(t))
	}
	return map[string]any{"ok": true, "team": team}, nil
}

func asMember(t cloud.Token) member {
	scopes := slices.DeleteFunc(t.Scopes, func(s cloud.Scope) bool { return strings.HasPrefix(string(s), "product:") })
	return member{Username: t.Note, Role: map[string]any{"id": "api", "name": "API user"}, IsProgrammatic: true, Scopes: scopes}
}

// addMember makes an API user. People are no members here: a product has one owner.
func (s *Server) addMember(q *request) (any, error) {
	if q.args.has("username") {
		return nil, plain(501, "A product has one owner here: people cannot be invited")
	}
	name := strings.Map(func(r rune) rune {
		if (r < 'a' || r > 'z') && (r < '0' || r > '9') {
			return '-'
		}
		return r
	}, strings.ToLower(bound(q.args.text("friendly_name"))))
	if q.args.err == nil && name == "" {
		return nil, plain(400, "friendly_name is missing")
	}
	var b [5]byte
	rand.Read(b[:])
	return s.issueMember(q, name+"+"+hex.EncodeToString(b[:])+apiUserDomain, "")
}

// changeMemberScopes gives an API user other scopes, and with them another token.
func (s *Server) changeMemberScopes(q *request) (any, error) {
	t, err := s.memberToken(q)
	if err != nil {
		return nil, err
	}
	return s.issueMember(q, t.Note, t.ID)
}

// issueMember makes the token of an API user, in place of an old one if there is one.
func (s *Server) issueMember(q *request, username string, old cloud.TokenID) (any, error) {
	var scopes []cloud.Scope
	for _, text := range q.args.list("scopes") {
		scope, err := cloud.ParseScope(text)
		if err != nil {
			return nil, err
		}
		if strings.HasPrefix(text, "product:") || strings.HasPrefix(text, "device:") {
			return nil, plain(400, "scopes: an API user is tied to its product and to nothing else")
		}
		scopes = append(scopes, scope)
	}
	switch {
	case q.args.err != nil:
		return nil, q.args.err
	case len(scopes) == 0:
		return nil, plain(400, "scopes are missing: a list such as [\"events:get\",\"devices:list\"]")
	case q.product.Owner == "":
		return nil, errNoOwner
	}
	issued, err := s.Accounts.Issue(cloud.Grant{
		User: q.product.Owner, Client: apiUserClient, Note: username, Scopes: append(scopes, productScope(q.product)),
	})
	if err == nil && old != "" {
		err = s.Accounts.Revoke(old)
	}
	if err != nil {
		return nil, err
	}
	m := asMember(issued.Token)
	m.Tokens = []shownToken{{string(issued.Secret)}}
	return map[string]any{"ok": true, "created": m}, nil
}

func (s *Server) removeMember(q *request) (any, error) {
	t, err := s.memberToken(q)
	if err != nil {
		return nil, err
	}
	return done, s.Accounts.Revoke(t.ID)
}

// memberToken returns the token of the API user that the path names.
func (s *Server) memberToken(q *request) (cloud.Token, error) {
	for _, t := range s.apiUsers(q.product) {
		if strings.EqualFold(t.Note, q.variable("username")) {
			return t, nil
		}
	}
	return cloud.Token{}, plain(404, "No such member of the team")
}
