package client

import (
	"context"
	"encoding/base64"
	"net/http"
	"net/url"

	"localcloud/cloud"
	"localcloud/keys"
)

// Boards is what a cloud keeps of boards that were re-keyed, for admins.
type Boards struct {
	Recipient keys.Recipient `json:"recipient"` // for whom backups are sealed
	Boards    []Board        `json:"boards"`
}

// Board is what is kept of one board.
type Board struct {
	ID      keys.DeviceID `json:"id"`
	Given   *keys.Given   `json:"given"`   // nil: it was never re-keyed
	Backups []string      `json:"backups"` // the oldest first
}

// Find returns a board, the zero value if nothing is kept of it.
func (b Boards) Find(id keys.DeviceID) Board {
	for _, board := range b.Boards {
		if board.ID == id {
			return board
		}
	}
	return Board{ID: id}
}

// Boards asks what is kept of all boards.
func (c *Client) Boards(ctx context.Context) (Boards, error) {
	var out Boards
	err := c.do(ctx, call{op: "boards", method: http.MethodGet, path: path("localcloud", "boards"), out: &out})
	return out, err
}

// PutBackup stores what a board holds, sealed before it leaves this machine, and returns the name of the backup.
func (c *Client) PutBackup(ctx context.Context, b keys.Backup, to keys.Recipient) (string, error) {
	sealed, err := b.Seal(to)
	if err != nil {
		return "", err
	}
	var out struct {
		Name string `json:"name"`
	}
	err = c.do(ctx, call{
		op: "backup", method: http.MethodPost, path: path("localcloud", "boards", b.ID.String(), "backups"),
		in: map[string]any{"sealed": base64.StdEncoding.EncodeToString(sealed)}, out: &out,
	})
	return out.Name, err
}

// Backup returns a backup. It travels sealed for a key that is made for this one request.
func (c *Client) Backup(ctx context.Context, id keys.DeviceID, name string) (keys.Backup, error) {
	key, err := keys.NewSealKey()
	if err != nil {
		return keys.Backup{}, err
	}
	var out struct {
		Sealed []byte `json:"sealed"`
	}
	err = c.do(ctx, call{
		op: "backup", method: http.MethodGet, out: &out,
		path: path("localcloud", "boards", id.String(), "backups", name) + "?recipient=" + url.QueryEscape(string(key.Recipient())),
	})
	if err != nil {
		return keys.Backup{}, err
	}
	b, err := keys.OpenBackup(out.Sealed, key)
	if err == nil && b.ID != id {
		return keys.Backup{}, cloud.Errorf("backup", cloud.Other, "the cloud sent the backup of another board")
	}
	return b, err
}

// SetGiven tells the cloud what a board was given.
func (c *Client) SetGiven(ctx context.Context, g keys.Given) error {
	return c.do(ctx, call{op: "remember board", method: http.MethodPut, path: path("localcloud", "boards", g.ID.String(), "given"), in: g})
}
