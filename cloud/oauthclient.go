package cloud

import (
	"crypto/rand"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"slices"
	"strings"
	"time"
)

// OAuthClient is a program that logs in by itself as the user who made it,
// with an id and a secret in place of a password (client_credentials).
type OAuthClient struct {
	ID          string    `json:"id"` // such as "node-red-3f9a1c"
	Name        string    `json:"name"`
	Type        string    `json:"type"` // "installed" or "web"; no difference here
	RedirectURI string    `json:"redirect_uri,omitempty"`
	Secret      TokenID   `json:"secret"` // what its secret hashes to
	Created     time.Time `json:"created"`
}

// Bounds of OAuth clients.
const (
	maxClients      = 20 // of one user
	maxClientTokens = 50 // live log-ins of one client: Node-RED makes a new one every 2 hours
	maxClientText   = 256
)

// ErrClient means that there is no such client, or that its secret is another one.
var ErrClient = E("log in", Unauthentic, errors.New("client credentials are invalid"))

// AddClient makes a client of a user. The secret is nowhere else.
func (a *Accounts) AddClient(user UserID, c OAuthClient) (OAuthClient, Secret, error) {
	if err := c.check(); err != nil {
		return OAuthClient{}, "", err
	}
	secret := NewSecret()
	c.ID, c.Secret, c.Created = clientID(c.Name), secret.ID(), a.now()
	_, err := a.registry.UpdateUser(user, func(u *User) error {
		if len(u.Clients) >= maxClients {
			return Errorf("client", Limited, "a user has at most %d clients; remove one first", maxClients)
		}
		u.Clients = append(slices.Clone(u.Clients), c)
		return nil
	})
	return c, secret, err
}

// UpdateClient changes a client of a user; its id and secret stay.
func (a *Accounts) UpdateClient(user UserID, id string, change func(c *OAuthClient)) (OAuthClient, error) {
	var after OAuthClient
	_, err := a.registry.UpdateUser(user, func(u *User) error {
		i := u.client(id)
		if i < 0 {
			return Errorf("client", NotExist, "there is no client %q", Printable(id))
		}
		u.Clients = slices.Clone(u.Clients)
		before := u.Clients[i]
		after = before
		change(&after)
		after.ID, after.Secret, after.Created = before.ID, before.Secret, before.Created
		u.Clients[i] = after
		return after.check()
	})
	return after, err
}

// RemoveClient forgets a client of a user, with the tokens that it got.
func (a *Accounts) RemoveClient(user UserID, id string) error {
	_, err := a.registry.UpdateUser(user, func(u *User) error {
		i := u.client(id)
		if i < 0 {
			return Errorf("client", NotExist, "there is no client %q", Printable(id))
		}
		u.Clients = slices.Delete(slices.Clone(u.Clients), i, i+1)
		return nil
	})
	if err != nil {
		return err
	}
	return a.Revoke(a.clientTokens(user, id)...)
}

// LogInClient returns the user whose client has that id and secret, or ErrClient.
func (a *Accounts) LogInClient(id string, secret Secret) (User, error) {
	for _, u := range a.registry.Users() {
		i := u.client(id)
		if i < 0 || subtle.ConstantTimeCompare([]byte(u.Clients[i].Secret), []byte(secret.ID())) != 1 {
			continue
		}
		tokens := a.clientTokens(u.ID, id)
		return u, a.Revoke(tokens[:max(0, len(tokens)+1-maxClientTokens)]...)
	}
	return User{}, ErrClient
}

// clientTokens returns the access tokens that a client of a user got, the oldest first.
func (a *Accounts) clientTokens(user UserID, id string) (ids []TokenID) {
	for _, t := range a.registry.Tokens(user) {
		if t.Client == id && !t.Refresh {
			ids = append(ids, t.ID)
		}
	}
	return ids
}

func (u *User) client(id string) int {
	return slices.IndexFunc(u.Clients, func(c OAuthClient) bool { return c.ID == id })
}

func (c *OAuthClient) check() error {
	switch {
	case c.Name == "" || len(c.Name) > maxClientText || len(c.RedirectURI) > maxClientText:
		return Errorf("client", Invalid, "a client has a name; name and redirect_uri have at most %d bytes", maxClientText)
	case c.Type != "installed" && c.Type != "web":
		return Errorf("client", Invalid, "the type of a client is installed or web")
	}
	return nil
}

// clientID makes an id that tells which client it is.
func clientID(name string) string {
	word := strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= '0' && r <= '9':
			return r
		}
		return '-'
	}, strings.ToLower(name))
	word = strings.Trim(word[:min(len(word), 32)], "-")
	if word == "" {
		word = "client"
	}
	var b [4]byte
	rand.Read(b[:])
	return word + "-" + hex.EncodeToString(b[:])
}
