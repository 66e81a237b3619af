package store

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/dgraph-io/badger/v4"
	"github.com/dgraph-io/badger/v4/options"
)

// disk is a kv in a Badger database.
type disk struct {
	db *badger.DB
}

// tuning is what Open's options say about a database.
type tuning struct {
	noSync bool
	logger *slog.Logger
}

// Sizes inside Badger. They hang together, since on 32 bits Badger 4.9.6 (that is,
// the allocator of ristretto, up to 2.4.2 at least) writes tables that it cannot read when
// what it allocates for one does not fit into twice the table size: the index of its second
// buffer is shifted out of an int. The store's tests fail with GOARCH=386 then.
//
//   - A table is made of a memtable and of what one commit puts on top, or of
//     a full table: less than 2.5 MB.
//   - A block is allocated with blockSize at once and is begun when the next value does
//     not fit, so at least blockSize - maxValue of it is used: three quarters. It grows, by copies,
//     only for values that are larger than blockSize. 2.5 MB so need 3.3 MB, and there are 4.
//   - Tables of level 0 must not be merged into one of level 0, which has no size: see clearLevel0.
const (
	tableSize = 2 << 20 // of memtables and of tables
	blockSize = 4 * maxValue
)

// badgerOptions tunes Badger for a small board (reference/libraries.md): its
// defaults take some 300 MB and do not run on 32 bits.
//
// Values stay beside their keys in the tree, since space in Badger's value log
// comes back badly; kv.commit is never given one that is too large for it. There is no
// block cache, because uncompressed blocks are read in place from the
// mapped file, and no conflict detection, because one goroutine writes.
func badgerOptions(dir string, t tuning) badger.Options {
	o := badger.DefaultOptions(dir)
	o.SyncWrites = !t.noSync
	o.DetectConflicts = false
	o.MetricsEnabled = false
	o.NumGoroutines = 1

	o.MemTableSize = tableSize
	o.NumMemtables = 2
	o.NumLevelZeroTables = 2
	o.NumLevelZeroTablesStall = 3
	o.NumCompactors = 2 // the least it takes
	o.BaseTableSize = tableSize
	o.TableSizeMultiplier = 1 // on all levels
	o.BaseLevelSize = 8 << 20
	o.BlockSize = blockSize

	o.ValueThreshold = maxValue + 1
	o.ValueLogFileSize = 1 << 20 // the least it takes: the log stays empty; twice this is its apparent size
	o.Compression = options.None
	o.BlockCacheSize = 0
	o.IndexCacheSize = 1 << 20
	o.BloomFalsePositive = 0 // keys are scanned, hardly ever looked up
	o.ChecksumVerificationMode = options.OnBlockRead
	o.Logger = badgerLogger{t.logger}
	return o
}

// clearLevel0 opens a database for the moment that it takes to merge level 0 into the level below, and
// closes it. On 32 bits that has to come before compactors run: the first of them
// merges four tables of level 0 into one of level 0 if it finds so many, which it does only
// after a crash, as it lets no more than three come together otherwise.
func clearLevel0(o badger.Options) error {
	o.NumCompactors = 0
	o.CompactL0OnClose = true
	db, err := badger.Open(o)
	if err != nil {
		return err
	}
	return db.Close()
}

// openDisk opens a database. Nothing else may have it open; see lockDir.
func openDisk(dir string, t tuning) (d *disk, err error) {
	defer damage(&err)
	if err := removeEmptyLogs(dir); err != nil {
		return nil, err
	}
	o := badgerOptions(dir, t)
	if strconv.IntSize == 32 {
		o.CompactL0OnClose = true
		if err := clearLevel0(o); err != nil {
			return nil, err
		}
	}
	db, err := badger.Open(o)
	if err != nil {
		return nil, err
	}
	return &disk{db}, nil
}

// removeEmptyLogs removes log files of no bytes. Badger makes such a file for a
// moment when it begins a log, and again when it removes one that is no longer needed; a process
// that is killed just then leaves it behind, and Badger 4.9.6 does not open a database that has one.
func removeEmptyLogs(dir string) error {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	for _, e := range entries {
		if ending := filepath.Ext(e.Name()); ending != ".mem" && ending != ".vlog" {
			continue
		}
		if info, err := e.Info(); err != nil || info.Size() > 0 {
			continue
		}
		if err := os.Remove(filepath.Join(dir, e.Name())); err != nil {
			return err
		}
	}
	return err
}

// verify reads every table and reports damage. Without it a damaged block
// looks like records that never were.
func (d *disk) verify() (err error) {
	defer damage(&err)
	return d.db.VerifyChecksum()
}

// damage makes an error of a panic: at some kinds of damage Badger panics, which is
// no bug of ours but a broken disk.
func damage(err *error) {
	if p := recover(); p != nil {
		*err = fmt.Errorf("the database is damaged: %v", p)
	}
}

func (d *disk) commit(ops []op) error {
	txn := d.db.NewTransaction(true)
	defer txn.Discard()
	for _, o := range ops {
		var err error
		if o.value == nil {
			err = txn.Delete(o.key)
		} else {
			err = txn.SetEntry(badger.NewEntry(o.key, o.value))
		}
		if err != nil {
			return err
		}
	}
	return txn.Commit()
}

// scan holds a transaction open while it runs, and with it the versions of
// keys that it may still see: it is meant for pages, not for hours.
func (d *disk) scan(prefix, from []byte, yield func(key, value []byte) bool) error {
	return d.db.View(func(txn *badger.Txn) error {
		it := txn.NewIterator(badger.IteratorOptions{Prefix: prefix})
		defer it.Close()
		for it.Seek(from); it.Valid(); it.Next() {
			more := false
			err := it.Item().Value(func(value []byte) error {
				more = yield(it.Item().Key(), value)
				return nil
			})
			if err != nil || !more {
				return err
			}
		}
		return nil
	})
}

func (d *disk) drop(prefixes ...[]byte) error { return d.db.DropPrefix(prefixes...) }

func (d *disk) Close() error { return d.db.Close() }

// badgerLogger brings Badger's messages into ours, one level lower than
// it means them: its errors come back to us as errors as well.
type badgerLogger struct{ logger *slog.Logger }

func (l badgerLogger) Errorf(format string, args ...any)   { l.log(slog.LevelWarn, format, args) }
func (l badgerLogger) Warningf(format string, args ...any) { l.log(slog.LevelWarn, format, args) }
func (l badgerLogger) Infof(format string, args ...any)    { l.log(slog.LevelDebug, format, args) }
func (l badgerLogger) Debugf(format string, args ...any)   { l.log(slog.LevelDebug, format, args) }

func (l badgerLogger) log(level slog.Level, format string, args []any) {
	if l.logger.Enabled(context.Background(), level) {
		text := strings.TrimSpace(fmt.Sprintf(format, args...))
		l.logger.Log(context.Background(), level, "database", "text", text)
	}
}
