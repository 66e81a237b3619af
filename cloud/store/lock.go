package store

import (
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"localcloud/cloud"
)

// ErrLocked is the cause of Open's error when another process has the data
// directory open.
var ErrLocked = errors.New("a running localcloud has it open")

// dirLock is a data directory taken for this process, until Close or the end
// of the process, however it ends. The file holds the process id, for people.
type dirLock struct{ f *os.File }

func lockDir(dir string) (*dirLock, error) {
	f, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	if err := lockFile(f); err != nil {
		holder := readHolder(f)
		f.Close()
		if !isLockedElsewhere(err) {
			return nil, err
		}
		return nil, cloud.Errorf("data directory "+dir, cloud.Exist, "%w%s; stop it first, or ask it to do this", ErrLocked, holder)
	}
	if err := writeHolder(f); err != nil {
		f.Close()
		return nil, err
	}
	return &dirLock{f}, nil
}

// Close lets go of the directory. Closing the file is not enough: a process that is being started at
// this moment may have a copy of it for an instant, and the lock would live on with that.
func (l *dirLock) Close() error {
	return errors.Join(unlockFile(l.f), l.f.Close())
}

func writeHolder(f *os.File) error {
	if err := f.Truncate(0); err != nil {
		return err
	}
	_, err := f.WriteAt([]byte(strconv.Itoa(os.Getpid())+"\n"), 0)
	return err
}

// readHolder returns " (process N)", or "" when the file does not say.
func readHolder(f *os.File) string {
	var b [16]byte
	n, _ := f.ReadAt(b[:], 0)
	pid := strings.TrimSpace(string(b[:n]))
	if _, err := strconv.Atoi(pid); err != nil {
		return ""
	}
	return " (process " + pid + ")"
}
