package api

import (
	"cmp"

	"localcloud/cloud"
)

// clientObject is an OAuth client as its user sees it.
type clientObject struct {
	ID          string  `json:"id"`
	Name        string  `json:"name"`
	Type        string  `json:"type"`
	Secret      string  `json:"secret,omitempty"` // only when it was just made
	RedirectURI *string `json:"redirect_uri"`
	Created     stamp   `json:"created_at"`
}

func newClientObject(c cloud.OAuthClient, secret cloud.Secret) clientObject {
	return clientObject{c.ID, c.Name, c.Type, string(secret), orNull(c.RedirectURI), stamp(c.Created)}
}

// clientAnswer is what is said of one client.
func clientAnswer(c cloud.OAuthClient, secret cloud.Secret) map[string]any {
	return map[string]any{"ok": true, "client": newClientObject(c, secret)}
}

func (s *Server) listClients(q *request) (any, error) {
	list := []clientObject{}
	u, _ := s.Registry.User(q.access.User.ID)
	for _, c := range u.Clients {
		list = append(list, newClientObject(c, ""))
	}
	return map[string]any{"ok": true, "clients": list}, nil
}

func (s *Server) showClient(q *request) (any, error) {
	u, _ := s.Registry.User(q.access.User.ID)
	for _, c := range u.Clients {
		if c.ID == q.variable("client") {
			return clientAnswer(c, ""), nil
		}
	}
	return nil, plain(404, "There is no such client")
}

// addClient makes a client, with which a program such as Node-RED logs in as this user.
func (s *Server) addClient(q *request) (any, error) {
	a := &q.args
	c := cloud.OAuthClient{Name: a.text("name"), Type: cmp.Or(a.text("type"), "installed"), RedirectURI: a.text("redirect_uri")}
	if a.err != nil {
		return nil, a.err
	}
	c, secret, err := s.Accounts.AddClient(q.access.User.ID, c)
	if err != nil {
		return nil, err
	}
	return clientAnswer(c, secret), nil
}

func (s *Server) updateClient(q *request) (any, error) {
	a := &q.args
	name, kind, redirect := a.text("name"), a.text("type"), a.text("redirect_uri")
	if a.err != nil {
		return nil, a.err
	}
	c, err := s.Accounts.UpdateClient(q.access.User.ID, q.variable("client"), func(c *cloud.OAuthClient) {
		c.Name, c.Type, c.RedirectURI = cmp.Or(name, c.Name), cmp.Or(kind, c.Type), cmp.Or(redirect, c.RedirectURI)
	})
	if err != nil {
		return nil, err
	}
	return clientAnswer(c, ""), nil
}

func (s *Server) removeClient(q *request) (any, error) {
	return done, s.Accounts.RemoveClient(q.access.User.ID, q.variable("client"))
}
