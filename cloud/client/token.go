package client

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"time"

	"localcloud/cloud"
)

// Token is what the API shows of a token; the secret itself is not kept anywhere.
type Token struct {
	ID      cloud.TokenID `json:"id"`
	User    string        `json:"user"`
	Client  string        `json:"client"`
	Note    string        `json:"note"`
	Scopes  []cloud.Scope `json:"scopes"`
	Created time.Time     `json:"created"`
	Expires *time.Time    `json:"expires"` // nil: never
	Soon    bool          `json:"expires_soon,omitempty"`
}

// Grant describes a token to make.
type Grant struct {
	User   string        // by name
	Scopes []cloud.Scope // empty: everything the user may do
	Note   string
	Life   *time.Duration // 0: never expires; nil: as the server thinks right
}

// NewToken is a token that was just made, with its secret.
type NewToken struct {
	Secret cloud.Secret
	Token
}

// MarshalJSON writes the object that the API answers, secret included.
func (t NewToken) MarshalJSON() ([]byte, error) { return withSecret(t.Token, t.Secret) }

// Tokens returns the tokens of one user, or of all when user is empty.
func (c *Client) Tokens(ctx context.Context, user string) ([]Token, error) {
	p := path("localcloud", "tokens")
	if user != "" {
		p += "?" + url.Values{"user": {user}}.Encode()
	}
	var tokens []Token
	err := c.do(ctx, call{op: "tokens", method: http.MethodGet, path: p, out: &tokens})
	return tokens, err
}

// CreateToken makes a token for a user.
func (c *Client) CreateToken(ctx context.Context, g Grant) (NewToken, error) {
	in := map[string]any{"user": g.User, "note": g.Note}
	if g.Life != nil {
		in["expires_in"] = int64(*g.Life / time.Second)
	}
	if len(g.Scopes) > 0 {
		in["scopes"] = g.Scopes
	}
	var out struct {
		Secret cloud.Secret `json:"token"`
		Token
	}
	err := c.do(ctx, call{op: "create token", method: http.MethodPost, path: path("localcloud", "tokens"), in: in, out: &out})
	return NewToken{Secret: out.Secret, Token: out.Token}, err
}

// RevokeToken ends a token at once, with all that it holds open.
func (c *Client) RevokeToken(ctx context.Context, id cloud.TokenID) error {
	return c.do(ctx, call{op: "revoke token", method: http.MethodDelete, path: path("localcloud", "tokens", string(id))})
}

// withSecret adds the secret to the object: a Token never holds it, so that it is never shown by accident.
func withSecret(t Token, secret cloud.Secret) ([]byte, error) {
	return json.Marshal(struct {
		Secret string `json:"token"`
		Token
	}{string(secret), t})
}
