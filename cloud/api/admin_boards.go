package api

import (
	"encoding/base64"
	"slices"

	"localcloud/cloud"
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
	// BackupOwner is the user who stored a backup; "" is an administrator.
	BackupOwner(id keys.DeviceID, name string) cloud.UserID
	SetBackupOwner(id keys.DeviceID, name string, owner cloud.UserID) error
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

// A user may re-key boards of their own and those that are nobody's, as they may register keys of them. What a board held
// before is for who stored it, as long as the board is theirs: it is the board's private key. Administrators may do all of it.

// runs reports whether who asks may do what only administrators may.
func (q *request) runs() bool {
	return q.access.User.Admin && q.access.Allows(cloud.ScopeAdmin)
}

// mayRekey refuses a board of somebody else.
func (s *Server) mayRekey(q *request, id keys.DeviceID) error {
	d, exists := s.Registry.Device(id)
	if !within(q.access, id) || (exists && d.Owner != "" && !q.access.Sees(d)) {
		return noDevice(q)
	}
	return nil
}

// mayRead reports whether a backup is for who asks.
func (s *Server) mayRead(q *request, id keys.DeviceID, name string) bool {
	if q.runs() {
		return within(q.access, id)
	}
	d, exists := s.Registry.Device(id)
	return exists && d.Owner == q.access.User.ID && q.access.Sees(d) && s.Boards.BackupOwner(id, name) == q.access.User.ID
}

// listBoards answers with the boards of which something is kept that who asks may see, and for whom a backup has to be sealed.
func (s *Server) listBoards(q *request) (any, error) {
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
		if d, _ := s.Registry.Device(id); !q.runs() && !q.access.Sees(d) || !within(q.access, id) {
			continue
		}
		names, err := s.Boards.Backups(id)
		if err != nil {
			return nil, err
		}
		names = slices.DeleteFunc(names, func(name string) bool { return !s.mayRead(q, id, name) })
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
	if err := s.mayRekey(q, id); err != nil {
		return nil, err
	}
	sealed, err := base64.StdEncoding.DecodeString(q.args.text("sealed"))
	if err != nil || len(sealed) == 0 {
		return nil, plain(400, "sealed has to be a sealed backup in base64")
	}
	name, err := s.Boards.PutBackup(id, sealed)
	if err == nil && !q.runs() {
		err = s.Boards.SetBackupOwner(id, name, q.access.User.ID)
	}
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
	if !q.runs() && !s.mayRead(q, id, q.variable("backup")) {
		return nil, noDevice(q)
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
	if err := s.mayRekey(q, id); err != nil {
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
