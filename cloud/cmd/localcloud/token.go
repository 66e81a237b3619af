package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"localcloud/cloud"
	"localcloud/cloud/client"
)

// tokenCmd is "localcloud token".
type tokenCmd struct {
	Create tokenCreateCmd `cmd:"" help:"Make an access token. It is shown once and kept nowhere."`
	List   tokenListCmd   `cmd:"" help:"Show which tokens there are; the tokens themselves cannot be shown."`
	Revoke tokenRevokeCmd `cmd:"" help:"End a token at once, with everything that uses it."`
}

type tokenCreateCmd struct {
	place
	User    string   `required:"" help:"Whose token: it can do what this user may." placeholder:"NAME"`
	Scope   []string `sep:"none" help:"Narrow what it may do; can be repeated. read-only, events, relay:get and relay:send are the common ones, device:ID and product:ID tie it to these; the names of Particle's API (devices.function:call) work too." placeholder:"SCOPE"`
	Expires *span    `help:"How long it lives: 90d, 12h, never. Without it: 90d, and never when there is a --scope." placeholder:"TIME"`
	Note    string   `help:"What it is for, shown in the list." placeholder:"TEXT"`
	JSON    bool     `name:"json" help:"Print JSON."`
}

// Run makes the token.
func (c *tokenCreateCmd) Run(ctx context.Context, t *terminal) error {
	var scopes []cloud.Scope
	for _, s := range c.Scope {
		scope, err := cloud.ParseScope(s)
		if err != nil {
			return usageError{err}
		}
		scopes = append(scopes, scope)
	}
	return c.with(ctx, needData, func(conn *connection) error {
		token, err := conn.CreateToken(ctx, client.Grant{User: c.User, Scopes: scopes, Note: c.Note, Life: (*time.Duration)(c.Expires)})
		switch {
		case err != nil:
			return unknownUser(err)
		case c.JSON:
			return t.json(token)
		}
		base := conn.BaseURL
		if !conn.running {
			base = "http://127.0.0.1:8080"
		}
		t.printf("%s\n", string(token.Secret))
		t.printf("curl -H 'Authorization: Bearer %s' %s/v1/devices\n", string(token.Secret), base)
		return nil
	})
}

type tokenListCmd struct {
	place
	User string `help:"Only this user's." placeholder:"NAME"`
	JSON bool   `name:"json" help:"Print JSON."`
}

// Run shows the tokens.
func (c *tokenListCmd) Run(ctx context.Context, t *terminal) error {
	return c.with(ctx, needData, func(conn *connection) error {
		tokens, err := conn.Tokens(ctx, c.User)
		if err != nil {
			return unknownUser(err)
		}
		return listing[client.Token]{
			[]string{"ID", "USER", "MAY", "EXPIRES", "CLIENT", "NOTE"},
			func(k client.Token) []string {
				return []string{string(k.ID), k.User, scopeText(k.Scopes), expiry(k.Expires) + soon(k.Soon), k.Client, k.Note}
			},
			"There is no token; make one: localcloud token create --user NAME",
		}.show(t, tokens, c.JSON)
	})
}

func scopeText(scopes []cloud.Scope) string {
	if len(scopes) == 0 {
		return "everything"
	}
	var words []string
	for _, s := range scopes {
		words = append(words, string(s))
	}
	return strings.Join(words, ",")
}

func expiry(t *time.Time) string {
	if t == nil || t.IsZero() {
		return "never"
	}
	return t.Local().Format("2006-01-02 15:04")
}

// soon marks a token that needs a successor.
func soon(yes bool) string {
	if yes {
		return " (soon)"
	}
	return ""
}

type tokenRevokeCmd struct {
	place
	ID string `arg:"" help:"Id of the token, or the token itself."`
}

// Run ends the token.
func (c *tokenRevokeCmd) Run(ctx context.Context, t *terminal) error {
	return c.with(ctx, needData, func(conn *connection) error {
		err := conn.RevokeToken(ctx, cloud.TokenID(c.ID))
		if cloud.KindOf(err) == cloud.NotExist { // it may be the token itself
			err = conn.RevokeToken(ctx, cloud.Secret(c.ID).ID())
		}
		if err != nil {
			return fmt.Errorf("%w; see which there are: localcloud token list", err)
		}
		t.printf("the token is revoked\n")
		return nil
	})
}
