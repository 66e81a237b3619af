package client

import (
	"context"
	"net/http"
	"time"
)

// User is one account as the API shows it.
type User struct {
	ID      string    `json:"id"`
	Name    string    `json:"name"`
	Admin   bool      `json:"admin"`
	OneTime bool      `json:"one_time,omitempty"` // they have not chosen a password yet
	Created time.Time `json:"created"`
	Devices int       `json:"devices"`

	Password string `json:"password,omitempty"` // only when it was just made for them
}

// Users returns all accounts, the oldest first.
func (c *Client) Users(ctx context.Context) ([]User, error) {
	var users []User
	err := c.do(ctx, call{op: "users", method: http.MethodGet, path: path("localcloud", "users"), out: &users})
	return users, err
}

// AddUser makes an account. The first one of a cloud becomes its owner, whatever admin says.
func (c *Client) AddUser(ctx context.Context, name, password string, admin bool) (User, error) {
	in := map[string]any{"name": name, "password": password, "admin": admin}
	var u User
	err := c.do(ctx, call{op: "add user", method: http.MethodPost, path: path("localcloud", "users"), in: in, out: &u})
	return u, err
}

// AddUserOneTime makes an account with a password that the server makes; it is in
// the answer, and good for nothing but to choose another at the first log-in.
func (c *Client) AddUserOneTime(ctx context.Context, name string, admin bool) (User, error) {
	in := map[string]any{"name": name, "one_time": true, "admin": admin}
	var u User
	err := c.do(ctx, call{op: "add user", method: http.MethodPost, path: path("localcloud", "users"), in: in, out: &u})
	return u, err
}

// PasswordChange says how an account gets another password.
type PasswordChange struct {
	Password     string // empty: the server makes one that is good once
	RevokeTokens bool   // ends everything that is logged in with the account
}

// ChangePassword gives an account another password and returns it when the server made it.
func (c *Client) ChangePassword(ctx context.Context, name string, change PasswordChange) (made string, err error) {
	in := map[string]any{"password": change.Password, "invalidate_tokens": change.RevokeTokens}
	if change.Password == "" {
		in = map[string]any{"one_time": true, "invalidate_tokens": change.RevokeTokens}
	}
	var out struct {
		Password string `json:"password"`
	}
	err = c.do(ctx, call{op: "change password", method: http.MethodPut, path: path("localcloud", "users", name), in: in, out: &out})
	return out.Password, err
}

// SetAdmin makes a user an administrator, or an ordinary user.
func (c *Client) SetAdmin(ctx context.Context, name string, admin bool) error {
	in := map[string]any{"admin": admin}
	return c.do(ctx, call{op: "change role", method: http.MethodPut, path: path("localcloud", "users", name), in: in})
}

// SetPassword gives an account another password.
func (c *Client) SetPassword(ctx context.Context, name, password string) error {
	in := map[string]any{"password": password}
	return c.do(ctx, call{op: "change password", method: http.MethodPut, path: path("localcloud", "users", name), in: in})
}

// RemoveUser deletes an account and its tokens; its devices become unclaimed.
func (c *Client) RemoveUser(ctx context.Context, name string) error {
	return c.do(ctx, call{op: "remove user", method: http.MethodDelete, path: path("localcloud", "users", name)})
}
