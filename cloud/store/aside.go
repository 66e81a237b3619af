package store

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Names below the data directory.
const (
	registryName = "registry"
	eventsName   = "events"
	damagedMark  = ".damaged-"
	damagedTime  = "20060102T150405.000000Z"
	attemptsName = "opening-" // and the name of the database: how often we died while we opened it
)

const (
	asideKept    = 3 // damaged logs that stay; registries that were set aside are never removed
	attemptsMost = 3 // deaths in a row while a database is opened, which a power cut does not do
)

// damagedError says that a database is broken, and not just in use, forbidden or of a newer program.
type damagedError struct{ err error }

func (e *damagedError) Error() string { return e.err.Error() }
func (e *damagedError) Unwrap() error { return e.err }

// damaged wraps an error of a database that cannot be opened, unless another open may go better.
func damaged(err error) error {
	for _, other := range []error{
		fs.ErrPermission, syscall.EMFILE, syscall.ENFILE, syscall.ENOMEM, syscall.ENOTDIR, syscall.EROFS,
		errRecordVersion,
	} {
		if errors.Is(err, other) {
			return err
		}
	}
	if err == nil || isNoSpace(err) {
		return err
	}
	return &damagedError{err}
}

func isDamaged(err error) bool {
	var d *damagedError
	return errors.As(err, &d)
}

// openSafely opens a database and says whether it is damaged. Badger
// panics at some kinds of damage, in goroutines of its own too, which nobody can recover. So the tables
// are looked at before (check.go), and when the process died here several times, that counts as damage.
func openSafely(dir, name string, whole bool, open func(dir string) (*disk, error)) (*disk, error) {
	path := filepath.Join(dir, name)
	attempts := filepath.Join(dir, attemptsName+name)
	if info, err := os.Stat(path); err == nil && !info.IsDir() {
		return nil, fmt.Errorf("%s is not a directory", path)
	}
	n := readNumber(attempts)
	if n >= attemptsMost {
		return nil, errors.Join(&damagedError{fmt.Errorf("localcloud died %d times in a row while it opened it", n)}, os.Remove(attempts))
	}
	if err := os.WriteFile(attempts, []byte(strconv.Itoa(n+1)), 0o600); err != nil {
		return nil, err
	}
	d, err := openChecked(path, whole, open)
	return d, errors.Join(err, os.Remove(attempts))
}

func openChecked(path string, whole bool, open func(dir string) (*disk, error)) (*disk, error) {
	if err := checkTables(path, whole); err != nil {
		return nil, damaged(err)
	}
	d, err := open(path)
	return d, damaged(err)
}

// readNumber returns what a file says, 0 when it says nothing.
func readNumber(path string) int {
	b, _ := os.ReadFile(path)
	n, _ := strconv.Atoi(string(b))
	return n
}

// setAside renames a damaged database and returns its new name.
func setAside(dir, name string, cause error, logger *slog.Logger) (string, error) {
	aside := name + damagedMark + time.Now().UTC().Format(damagedTime)
	if err := os.Rename(filepath.Join(dir, name), filepath.Join(dir, aside)); err != nil {
		return "", fmt.Errorf("%w; it could not be set aside: %w", cause, err)
	}
	logger.Error("a damaged database is set aside", "database", name, "now", aside, "err", cause)
	return aside, syncDir(dir)
}

// asides returns the names of all that was ever set aside and is still there, the oldest first.
func asides(dir string) []string {
	var names []string
	entries, _ := os.ReadDir(dir)
	for _, e := range entries {
		if strings.Contains(e.Name(), damagedMark) {
			names = append(names, e.Name())
		}
	}
	return names
}

// removeOldAsides keeps damaged logs from filling the disk.
func removeOldAsides(dir string, logger *slog.Logger) {
	logs := slices.DeleteFunc(asides(dir), func(n string) bool { return !strings.HasPrefix(n, eventsName+damagedMark) })
	for len(logs) > asideKept {
		logger.Warn("an old damaged log of events is removed", "name", logs[0], "err", os.RemoveAll(filepath.Join(dir, logs[0])))
		logs = logs[1:]
	}
}
