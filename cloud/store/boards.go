package store

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"localcloud/cloud"
	"localcloud/keys"
)

// Boards keeps, as files, what boards held before they were re-keyed, and what they were given:
//
//	DIR/ID/20261121T181500.000Z.age   a sealed keys.Backup
//	DIR/ID/20261121T181500.000Z.by    whose it is: the id of the user who stored it; none: an administrator's
//	DIR/ID/given.json                 a keys.Given
//
// Files and not Badger: a backup must be readable with the tools of any machine when nothing else is left. It is safe
// for concurrent use as far as two do not change the same board at once.
type Boards struct {
	dir     string
	keysDir string // where the key for backups lies
}

// NewBoards returns the boards in dir; the key that opens their backups is, or will be, in keysDir. Nothing is made before it is needed.
func NewBoards(dir, keysDir string) *Boards { return &Boards{dir: dir, keysDir: keysDir} }

// What is kept of one board.
const (
	maxBackups = 20 // the first and the latest
	maxSealed  = 64 << 10
	givenFile  = "given.json"
	backupTime = "20060102T150405.000Z"
	backupEnd  = ".age"
	backupBy   = ".by"
)

// Recipient returns for whom backups are to be sealed.
func (b *Boards) Recipient() (keys.Recipient, error) {
	key, err := keys.OpenSealKey(b.keysDir)
	if err != nil {
		return "", err
	}
	return key.Recipient(), nil
}

// PutBackup stores a sealed backup, synced, once it has been opened and found to be one of that board. Beyond 20 of a board
// the second oldest goes: the first is what the board was when it came.
func (b *Boards) PutBackup(id keys.DeviceID, sealed []byte) (name string, err error) {
	const op = "backup"
	if len(sealed) > maxSealed {
		return "", cloud.Errorf(op, cloud.Invalid, "it has more than %d bytes", maxSealed)
	}
	key, err := keys.OpenSealKey(b.keysDir)
	if err != nil {
		return "", b.failure(op, err)
	}
	backup, err := keys.OpenBackup(sealed, key)
	switch {
	case err != nil:
		return "", cloud.E(op, cloud.Invalid, err)
	case backup.ID != id:
		return "", cloud.Errorf(op, cloud.Invalid, "it is the backup of another board")
	}
	dir, err := b.make(id)
	if err != nil {
		return "", b.failure(op, err)
	}
	name = time.Now().UTC().Format(backupTime)
	if err := writeFile(filepath.Join(dir, name+backupEnd), sealed); err != nil {
		return "", b.failure(op, err)
	}
	return name, b.failure(op, b.prune(id))
}

// SetBackupOwner notes whose a backup is.
func (b *Boards) SetBackupOwner(id keys.DeviceID, name string, owner cloud.UserID) error {
	return b.failure("backup", writeFile(filepath.Join(b.of(id), name+backupBy), []byte(owner)))
}

// BackupOwner returns whose a backup is, "" when it is nobody's but the administrators'.
func (b *Boards) BackupOwner(id keys.DeviceID, name string) cloud.UserID {
	if _, err := time.Parse(backupTime, name); err != nil {
		return ""
	}
	owner, err := os.ReadFile(filepath.Join(b.of(id), name+backupBy))
	if err != nil {
		return ""
	}
	return cloud.UserID(owner)
}

func (b *Boards) prune(id keys.DeviceID) error {
	names, err := b.Backups(id)
	if err != nil || len(names) <= maxBackups {
		return err
	}
	if err := os.Remove(filepath.Join(b.of(id), names[1]+backupBy)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return os.Remove(filepath.Join(b.of(id), names[1]+backupEnd))
}

// Backups returns the names of a board's backups, the oldest first. The name is the time at which it was stored.
func (b *Boards) Backups(id keys.DeviceID) ([]string, error) {
	entries, err := os.ReadDir(b.of(id))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	var names []string
	for _, e := range entries {
		if name, ok := strings.CutSuffix(e.Name(), backupEnd); ok {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names, b.failure("backup", err)
}

// Backup returns a backup, sealed again for somebody else, who is about to put it back.
func (b *Boards) Backup(id keys.DeviceID, name string, to keys.Recipient) ([]byte, error) {
	const op = "backup"
	if _, err := time.Parse(backupTime, name); err != nil {
		return nil, cloud.Errorf(op, cloud.Invalid, "%q is not the name of a backup", name)
	}
	sealed, err := os.ReadFile(filepath.Join(b.of(id), name+backupEnd))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, cloud.Errorf(op, cloud.NotExist, "there is no backup %s of %s", name, id)
	}
	if err != nil {
		return nil, b.failure(op, err)
	}
	key, err := keys.OpenSealKey(b.keysDir)
	if err != nil {
		return nil, b.failure(op, err)
	}
	backup, err := keys.OpenBackup(sealed, key)
	if err != nil {
		return nil, cloud.E(op, cloud.Other, fmt.Errorf("%s of %s: %w", name, id, err))
	}
	resealed, err := backup.Seal(to)
	if err != nil {
		return nil, cloud.E(op, cloud.Invalid, err)
	}
	return resealed, nil
}

// SetGiven remembers what a board was given.
func (b *Boards) SetGiven(g keys.Given) error {
	const op = "remember board"
	text, err := json.Marshal(g)
	if err != nil {
		return cloud.E(op, cloud.Other, err)
	}
	dir, err := b.make(g.ID)
	if err == nil {
		err = writeFile(filepath.Join(dir, givenFile), append(text, '\n'))
	}
	return b.failure(op, err)
}

// Given returns what boards were given, ordered by id. What cannot be read is left out: it is only advice.
func (b *Boards) Given() []keys.Given {
	files, _ := filepath.Glob(filepath.Join(b.dir, "*", givenFile))
	var list []keys.Given
	for _, file := range files {
		var g keys.Given
		if text, err := os.ReadFile(file); err == nil && json.Unmarshal(text, &g) == nil {
			list = append(list, g)
		}
	}
	return list
}

// IDs returns the boards of which something is kept.
func (b *Boards) IDs() (ids []keys.DeviceID) {
	entries, _ := os.ReadDir(b.dir)
	for _, e := range entries {
		if id, err := keys.ParseDeviceID(e.Name()); err == nil {
			ids = append(ids, id)
		}
	}
	return ids
}

func (b *Boards) of(id keys.DeviceID) string { return filepath.Join(b.dir, id.String()) }

// make makes the directory of a board, if it is not there, so that it lasts.
func (b *Boards) make(id keys.DeviceID) (string, error) {
	dir := b.of(id)
	if _, err := os.Stat(dir); err == nil {
		return dir, nil
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", err
	}
	return dir, errors.Join(syncDir(b.dir), syncDir(filepath.Dir(b.dir)))
}

// failure gives an error of the file system its kind.
func (b *Boards) failure(op string, err error) error {
	switch {
	case err == nil:
		return nil
	case isNoSpace(err):
		return cloud.E(op, cloud.NoSpace, err)
	}
	return cloud.E(op, cloud.Other, err)
}
