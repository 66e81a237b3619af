// Package sparkserver reads the data of the older local servers: particle-iot/spark-server (2015) and Brewskey's. It
// changes nothing and keeps no state; what the data means here is for the caller.
//
//	original        Brewskey, files            Brewskey, database (NeDB)
//	default_key.pem data/default_key.pem       data/default_key.pem        the server's private key
//	core_keys/      data/deviceKeys/           data/db/deviceKeys.db       ID.pub.pem
//	core_keys/      data/deviceKeys/           data/db/deviceAttributes.db ID.json: name, owner
//	users/NAME.json data/users/UUID.json       data/db/users.db
//	                data/webhooks/UUID.json    data/db/webhooks.db
package sparkserver

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"localcloud/keys"
)

// Data is what was found.
type Data struct {
	Layout    string // "spark-server" or "Brewskey"
	ServerKey []byte // the private key as it is in its file; nil: none was found
	Users     []User
	Devices   []Device
	Hooks     []Hook
	Skipped   []string // what was found and is not taken, with the reason
}

// User is an account.
type User struct {
	ID, Name   string
	Salt, Hash string // see cloud.OldPassword
	SHA256     bool   // instead of SHA-1
	Admin      bool
}

// Device is a device with its public key; the key is zero when there is none.
type Device struct {
	ID    keys.DeviceID
	Key   keys.PublicKey
	Name  string
	Owner string // a User's ID
}

// Hook is a webhook.
type Hook struct {
	Owner, Event, URL, Method string
	Device                    string
	JSON                      json.RawMessage
	Form, Query, Headers      map[string]string
	Username, Password        string
	NoDefaults, Insecure      bool
	ResponseTemplate          string
	ResponseTopic, ErrorTopic string
}

// maxFile bounds a file of the old server.
const maxFile = 64 << 20

// Read reads the directory of an older server: its root, or its data directory.
func Read(dir string) (Data, error) {
	for _, root := range []string{dir, filepath.Join(dir, "data"), filepath.Join(dir, "js")} {
		for _, layout := range []layout{brewskey, original} {
			if isDir(filepath.Join(root, layout.keys)) || isDir(filepath.Join(root, "db")) && layout.name == brewskey.name {
				r := reader{layout: layout, root: root, devices: map[keys.DeviceID]*Device{}}
				return r.read(dir)
			}
		}
	}
	return Data{}, fmt.Errorf("%s: neither core_keys (spark-server) nor data/deviceKeys or data/db (Brewskey) is there", dir)
}

type layout struct{ name, keys string }

var (
	original = layout{"spark-server", "core_keys"}
	brewskey = layout{"Brewskey", "deviceKeys"}
)

func isDir(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}

type reader struct {
	layout  layout
	root    string
	data    Data
	devices map[keys.DeviceID]*Device
}

func (r *reader) read(dir string) (Data, error) {
	r.data.Layout = r.layout.name
	for _, path := range []string{filepath.Join(r.root, "default_key.pem"), filepath.Join(dir, "default_key.pem")} {
		if b, err := os.ReadFile(path); err == nil {
			r.data.ServerKey = b
			break
		}
	}
	err := r.files(r.layout.keys, r.deviceFile)
	if err == nil {
		err = r.files("users", r.userFile)
	}
	if err == nil {
		err = r.files("webhooks", r.hookFile)
	}
	for _, table := range []struct {
		name string
		take func(string, []byte)
	}{{"users", r.userFile}, {"deviceKeys", r.keyRow}, {"deviceAttributes", r.attributes}, {"webhooks", r.hookFile}} {
		if err == nil {
			err = r.table(table.name, table.take)
		}
	}
	for _, d := range r.devices {
		r.data.Devices = append(r.data.Devices, *d)
	}
	slices.SortFunc(r.data.Devices, func(a, b Device) int { return strings.Compare(a.ID.String(), b.ID.String()) })
	return r.data, err
}

func (r *reader) skip(name, why string) { r.data.Skipped = append(r.data.Skipped, name+": "+why) }

// files calls take for each file of a directory, which need not be there.
func (r *reader) files(name string, take func(name string, b []byte)) error {
	entries, err := os.ReadDir(filepath.Join(r.root, name))
	if os.IsNotExist(err) {
		return nil
	}
	for _, e := range entries {
		if e.Type()&fs.ModeType != 0 || strings.HasPrefix(e.Name(), ".") {
			continue
		}
		b, err := readBounded(filepath.Join(r.root, name, e.Name()))
		if err != nil {
			return err
		}
		take(e.Name(), b)
	}
	return err
}

func readBounded(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if err == nil && info.Size() > maxFile {
		return nil, fmt.Errorf("%s has more than %d bytes", path, maxFile)
	}
	if err != nil {
		return nil, err
	}
	return os.ReadFile(path)
}

// table calls take for each row of an NeDB file: lines of JSON of which the last one of an _id counts.
func (r *reader) table(name string, take func(name string, b []byte)) error {
	b, err := readBounded(filepath.Join(r.root, "db", name+".db"))
	if os.IsNotExist(err) {
		return nil
	}
	if err != nil {
		return err
	}
	rows, order := map[string][]byte{}, []string(nil)
	lines := bufio.NewScanner(bytes.NewReader(b))
	lines.Buffer(nil, maxFile)
	for lines.Scan() {
		var row struct {
			ID      string `json:"_id"`
			Deleted bool   `json:"$$deleted"`
		}
		if json.Unmarshal(lines.Bytes(), &row) != nil || row.ID == "" {
			continue // half a line after a crash, or an index
		}
		if _, there := rows[row.ID]; !there {
			order = append(order, row.ID)
		}
		if rows[row.ID] = bytes.Clone(lines.Bytes()); row.Deleted {
			rows[row.ID] = nil
		}
	}
	for _, id := range order {
		if rows[id] != nil {
			take(name+".db "+id, rows[id])
		}
	}
	return lines.Err()
}

func (r *reader) device(id string) *Device {
	parsed, err := keys.ParseDeviceID(id)
	if err != nil {
		return nil
	}
	if r.devices[parsed] == nil {
		r.devices[parsed] = &Device{ID: parsed}
	}
	return r.devices[parsed]
}

// deviceFile takes ID.pub.pem and ID.json.
func (r *reader) deviceFile(name string, b []byte) {
	if id, ok := strings.CutSuffix(name, ".pub.pem"); ok {
		r.key(name, id, b)
		return
	}
	if strings.HasSuffix(name, ".json") {
		r.attributes(name, b)
		return
	}
	r.skip(name, "neither a public key (.pub.pem) nor attributes (.json)")
}

func (r *reader) key(name, id string, b []byte) {
	d := r.device(id)
	if d == nil {
		r.skip(name, "its name holds no device id")
		return
	}
	key, err := keys.ParsePublicKey(b)
	if err != nil {
		r.skip(name, err.Error())
		return
	}
	d.Key = key
}

func (r *reader) keyRow(name string, b []byte) {
	var row struct{ DeviceID, Key string }
	if json.Unmarshal(b, &row) != nil {
		r.skip(name, "it cannot be read")
		return
	}
	r.key(name, row.DeviceID, []byte(row.Key))
}

func (r *reader) attributes(name string, b []byte) {
	var a struct{ DeviceID, CoreID, Name, OwnerID, Registrar string }
	err := json.Unmarshal(b, &a)
	id := a.DeviceID
	if id == "" {
		id = a.CoreID
	}
	if id == "" {
		id = strings.TrimSuffix(name, ".json")
	}
	d := r.device(id)
	if err != nil || d == nil {
		r.skip(name, "it names no device")
		return
	}
	d.Name, d.Owner = a.Name, a.OwnerID
	if d.Owner == "" {
		d.Owner = a.Registrar
	}
}

func (r *reader) userFile(name string, b []byte) {
	var u struct {
		ID           string `json:"id"`
		UnderID      string `json:"_id"`
		Username     string
		PasswordHash string
		OldHash      string `json:"password_hash"`
		Salt, Role   string
		Tokens       []any `json:"accessTokens"`
		OldTokens    []any `json:"access_tokens"`
	}
	if json.Unmarshal(b, &u) != nil || u.Username == "" {
		r.skip(name, "it is no user")
		return
	}
	user := User{ID: u.ID, Name: u.Username, Salt: u.Salt, Hash: u.PasswordHash, SHA256: true, Admin: u.Role == "administrator"}
	if user.ID == "" {
		user.ID = u.UnderID
	}
	if user.Hash == "" {
		user.Hash, user.SHA256 = u.OldHash, false
	}
	if n := len(u.Tokens) + len(u.OldTokens); n > 0 {
		r.skip("user "+u.Username, fmt.Sprintf("%d access token(s): log in again", n))
	}
	r.data.Users = append(r.data.Users, user)
}
