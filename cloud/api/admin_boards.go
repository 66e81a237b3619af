package api

import (
	"encoding/base64"

	"localcloud/keys"
)

// Boards keeps what boards held before they were re-keyed, and what they were given. *store.Boards implements it.
type Boards interface {
	// Recipient is for whom backups are sealed before they are sent.
	Recipient() (keys.Recipient, error)
	PutBackup(id keys.DeviceID, sealed []byte) (name string, err error)
	// Backups returns the names of a board's backups, the oldest first.
	Backups(id keys.DeviceID) ([]string, error)
	// Backup returns a backup sealed for somebody else.
	Backup(id keys.DeviceID, name string, to keys.Recipient) ([]byte, error)
	SetGiven(g keys.Given) error
	Given() []keys.Given
	IDs() []keys.DeviceID
}

// boardObject is what is kept of one board.
type boardObject struct {
	ID      string      `json:"id"`
	Given   *keys.Given `json:"given"` // null: it was never re-keyed from here
	Backups []string    `json:"backups"`
}

// listBoards answers with all boards of which something is kept, and for whom a backup has to be sealed.
func (s *Server) listBoards(*request) (any, error) {
	recipient, err := s.Boards.Recipient()
	if err != nil {
		return nil, err
	}
	given := map[keys.DeviceID]*keys.Given{}
	for _, g := range s.Boards.Given() {
		given[g.ID] = &g
	}
	list := []boardObject{}
	for _, id := range s.Boards.IDs() {
		names, err := s.Boards.Backups(id)
		if err != nil {
			return nil, err
		}
		if names == nil {
			names = []string{}
		}
		list = append(list, boardObject{ID: id.String(), Given: given[id], Backups: names})
	}
	return map[string]any{"recipient": recipient, "boards": list}, nil
}

// putBackup stores the sealed backup of a board.
func (s *Server) putBackup(q *request) (any, error) {
	id, err := boardID(q)
	if err != nil {
		return nil, err
	}
	sealed, err := base64.StdEncoding.DecodeString(q.args.text("sealed"))
	if err != nil || len(sealed) == 0 {
		return nil, plain(400, "sealed has to be a sealed backup in base64")
	}
	name, err := s.Boards.PutBackup(id, sealed)
	if err != nil {
		return nil, err
	}
	return created{map[string]any{"name": name}}, nil
}

// getBackup answers with a backup that is sealed for who asks.
func (s *Server) getBackup(q *request) (any, error) {
	id, err := boardID(q)
	if err != nil {
		return nil, err
	}
	sealed, err := s.Boards.Backup(id, q.variable("backup"), keys.Recipient(q.args.text("recipient")))
	if err != nil {
		return nil, err
	}
	return map[string]any{"sealed": base64.StdEncoding.EncodeToString(sealed)}, nil
}

// setGiven remembers what a board was given.
func (s *Server) setGiven(q *request) (any, error) {
	id, err := boardID(q)
	if err != nil {
		return nil, err
	}
	a := &q.args
	platform, err := keys.ParsePlatform(a.text("platform"))
	if err != nil {
		return nil, plain(400, err.Error())
	}
	g := keys.Given{
		ID: id, Platform: platform.Name, Transport: keys.Transport(a.text("transport")), Host: a.text("host"),
		Port: uint16(min(a.number("port", 0), 65535)), ServerKey: keys.Fingerprint(bound(a.text("server_key"))), At: s.Hub.Clock().Now().UTC(),
		Writing: bound(a.text("writing")),
	}
	switch {
	case a.err != nil:
		return nil, a.err
	case g.Transport != keys.TCP && g.Transport != keys.UDP:
		return nil, plain(400, "transport has to be tcp or udp")
	case keys.CheckHost(g.Host) != nil:
		return nil, plain(400, keys.CheckHost(g.Host).Error())
	}
	if err := s.Boards.SetGiven(g); err != nil {
		return nil, err
	}
	return g, nil
}

func boardID(q *request) (keys.DeviceID, error) {
	id, err := keys.ParseDeviceID(q.variable("id"))
	if err != nil {
		return id, plain(400, "The address has to hold a device id of 24 hex digits")
	}
	return id, nil
}
