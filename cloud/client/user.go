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
	Created time.Time `json:"created"`
	Devices int       `json:"devices"`
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

// SetPassword gives an account another password.
func (c *Client) SetPassword(ctx context.Context, name, password string) error {
	in := map[string]any{"password": password}
	return c.do(ctx, call{op: "change password", method: http.MethodPut, path: path("localcloud", "users", name), in: in})
}

// RemoveUser deletes an account and its tokens; its devices become unclaimed.
func (c *Client) RemoveUser(ctx context.Context, name string) error {
	return c.do(ctx, call{op: "remove user", method: http.MethodDelete, path: path("localcloud", "users", name)})
}
