package store

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"

	"localcloud/cloud"
)

// Two records in the registry's database are not the cloud's but the store's own:
//
//	h  home, JSON
//	n  numbered: the number of commits so far and a sum over all other pairs, in each commit
const (
	keyHome   = "h"
	keyNumber = "n"
)

// home says where the data directory was last open, and which ids of events may have been given.
type home struct {
	Machine string        `json:"machine"`         // hash of the machine's id; empty: unknown
	Boots   uint64        `json:"boots"`           // how often the directory was opened
	IDs     cloud.EventID `json:"ids"`             // no greater id was given
	Exact   bool          `json:"exact"`           // it is the last one: the store was closed. Otherwise a bound ahead of it
	Events  string        `json:"events"`          // the mode of the log then
	Place   string        `json:"place"`           // what tells the directory from a copy; empty: unknown
	Links   string        `json:"links,omitempty"` // mark of the file with states of links; see parked
}

func (h home) op() op { return op{[]byte(keyHome), encodeJSON(h)} }

func loadHome(db kv) (h home, err error) {
	var damage error
	err = db.scan([]byte(keyHome), nil, func(_, value []byte) bool {
		damage = json.Unmarshal(value, &h)
		return false
	})
	if err == nil {
		err = damage
	}
	return h, err
}

// machineID returns what tells this machine from others: a hash of the id that the system has, which is
// a secret of its own, or of one that we keep in the user's directory. Empty: there is none.
func machineID() string {
	for _, path := range []string{"/etc/machine-id", "/var/lib/dbus/machine-id"} {
		if b, err := os.ReadFile(path); err == nil && len(strings.TrimSpace(string(b))) >= 32 {
			return hashed(b)
		}
	}
	dir, err := os.UserConfigDir()
	if err != nil {
		return ""
	}
	path := filepath.Join(dir, "localcloud", "machine-id")
	if b, err := os.ReadFile(path); err == nil && len(b) > 0 {
		return hashed(b)
	}
	id := rand.Text()
	if os.MkdirAll(filepath.Dir(path), 0o700) != nil || writeFile(path, []byte(id)) != nil {
		return ""
	}
	return hashed([]byte(id))
}

func hashed(id []byte) string {
	sum := sha256.Sum256(append([]byte("localcloud machine "), strings.TrimSpace(string(id))...))
	return hex.EncodeToString(sum[:16])
}
