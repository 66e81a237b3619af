package store

import (
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync/atomic"

	"localcloud/cloud"
)

// A full disk does not give Badger an error: its files are mapped, so a write
// that finds no block is a SIGBUS, and the process is gone. So we measure what is free
// before every commit and stop long before:
//
//	free ≥ toCommit              all goes on
//	below: the oldest segments   of the log go, if they are enough to get back above
//	below still                  publishes and changes get NoSpace; removals, reads and live delivery go on
//	below toOpen                 no removals either; Open refuses
//
// What shares the log's bound gives way before the log does: share.go.
//
// The distance between the two is room for what Badger does in the background
// with what it was given before. A part of the reserve is held as a file of that size, the
// ballast: if somebody else fills the disk to the last block, it is given up, and
// Badger can end its work and be closed.
//
// What is left: somebody else takes the last block within the milliseconds in which Badger writes a table (it
// makes a sparse file and copies into the mapping). With events as fast as they go Badger does
// little else, and dies in the first or second round of filling a tmpfs; with few events it writes seldom. It happens in
// goroutines of Badger's, where nobody can recover. What was acknowledged is on the disk, and
// the next start says how much room it needs.
//
// Measuring is a system call without I/O, a microsecond or two beside a sync
// of a hundred at least, so there is no reason to trust an older figure.
type reserve struct {
	dir      string
	free     func(dir string) (int64, bool)
	toOpen   int64
	toCommit int64
	ballast  int64 // size of the file; 0: there is none
	held     atomic.Bool
}

const (
	databases     = 2
	reserveMargin = 4 << 20 // for snapshots, the manifests and other small files
	ballastName   = "reserve"
)

// newReserve computes the reserve from the options that the databases are opened with.
func newReserve(dir string, opts Options) *reserve {
	o := badgerOptions(dir, tuning{})
	files := 2 * (o.MemTableSize + o.ValueLogFileSize)
	compaction := o.BaseLevelSize + int64(o.NumLevelZeroTablesStall)*o.BaseTableSize // written before the old tables go
	r := &reserve{dir: dir, free: opts.free, ballast: databases * files}
	r.toOpen = databases*files + reserveMargin
	r.toCommit = r.toOpen + databases*compaction
	if opts.NoSync { // tests: a file of that size for each would take longer than they do
		r.ballast = 0
	}
	info, err := os.Stat(r.path())
	r.held.Store(err == nil && info.Size() >= r.ballast && r.ballast > 0)
	return r
}

func (r *reserve) path() string { return filepath.Join(r.dir, ballastName) }

// left returns what is free, the ballast included. It knows nothing where free space cannot be measured.
func (r *reserve) left() (int64, bool) {
	if r == nil {
		return 0, false
	}
	n, known := r.free(r.dir)
	if r.held.Load() {
		n += r.ballast
	}
	return n, known
}

// lacking returns how many bytes are missing to commit; 0 when there is room.
func (r *reserve) lacking() int64 {
	if n, known := r.left(); known {
		return max(r.toCommit-n, 0)
	}
	return 0
}

// allowsRemoval reports whether there is room for what makes the database smaller in the long run.
func (r *reserve) allowsRemoval() bool {
	n, known := r.left()
	return !known || n >= r.toOpen
}

// canOpen refuses when there is not even room for what Badger does while it opens.
func (r *reserve) canOpen() error {
	if r.allowsRemoval() {
		return nil
	}
	n, _ := r.left()
	return cloud.Errorf("disk of "+r.dir, cloud.NoSpace, "%s are free and %s are needed to start without risk: "+
		"delete something on that disk, or move the data directory to a larger one", megabytes(n), megabytes(r.toOpen))
}

// err is what a commit is refused with.
func (r *reserve) err() error {
	n, _ := r.left()
	return cloud.Errorf("disk", cloud.NoSpace, "%s are free, %s are kept in reserve", megabytes(n), megabytes(r.toCommit))
}

// settle gives the ballast up when the disk is about to be full without us, and makes it when
// there is room. Open, the log's committing goroutine and Close call it, one after the other.
func (r *reserve) settle() error {
	n, known := r.left()
	switch {
	case r == nil || r.ballast == 0 || !known:
		return nil
	case r.held.Load() && n < r.toOpen+r.ballast/2:
		r.held.Store(false)
		return os.Remove(r.path())
	case !r.held.Load() && n >= r.toCommit:
		if err := r.fill(); err != nil {
			return errors.Join(err, ignoreNotExist(os.Remove(r.path())))
		}
		r.held.Store(true)
	}
	return nil
}

// Close gives the ballast up if the databases need the room to be closed.
func (r *reserve) Close() error { return r.settle() }

// fill writes the ballast: noise, as zeros take no room on a file system that compresses.
func (r *reserve) fill() error {
	noise := make([]byte, 1<<20)
	_, _ = rand.NewChaCha8([32]byte{}).Read(noise)
	f, err := os.OpenFile(r.path(), os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	for n := int64(0); n < r.ballast && err == nil; n += int64(len(noise)) {
		_, err = f.Write(noise)
	}
	return errors.Join(err, f.Close())
}

func ignoreNotExist(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

func megabytes(n int64) string { return fmt.Sprintf("%.1f MB", float64(n)/1e6) }

// ownUse returns what the tables in a database's directory take.
func ownUse(dir string) (bytes int64) {
	tables, _ := filepath.Glob(filepath.Join(dir, "*.sst"))
	for _, name := range tables {
		if info, err := os.Stat(name); err == nil {
			bytes += info.Size()
		}
	}
	return bytes
}

// logBytes is the default bound of the log: 1 GB, or a tenth of what is free, if that is less.
func (r *reserve) logBytes() int64 {
	n, known := r.left()
	if !known {
		return DefaultEventsMaxBytes
	}
	n += ownUse(filepath.Join(r.dir, eventsName))
	return min(DefaultEventsMaxBytes, max(n/10, 1<<20))
}
