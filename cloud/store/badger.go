package store

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"

	"github.com/dgraph-io/badger/v4"
	"github.com/dgraph-io/badger/v4/options"
)

// disk is a kv in a Badger database.
type disk struct {
	db *badger.DB
}

// tuning is what the two databases do not have in common.
type tuning struct {
	memtable int64 // bytes; Badger holds up to three of them
	noSync   bool
	logger   *slog.Logger
}

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

	o.MemTableSize = t.memtable
	o.NumMemtables = 2
	o.NumLevelZeroTables = 2
	o.NumLevelZeroTablesStall = 4
	o.NumCompactors = 2 // the least it takes
	o.BaseTableSize = 2 << 20
	o.TableSizeMultiplier = 1 // a table is built in memory, at twice its size
	o.BaseLevelSize = 8 << 20

	o.ValueThreshold = maxValue + 1
	o.ValueLogFileSize = 16 << 20 // the log stays empty; twice this is its apparent size
	o.Compression = options.None
	o.BlockCacheSize = 0
	o.IndexCacheSize = 1 << 20
	o.BloomFalsePositive = 0 // keys are scanned, hardly ever looked up
	o.ChecksumVerificationMode = options.OnBlockRead
	o.Logger = badgerLogger{t.logger}
	return o
}

// openDisk opens a database. Nothing else may have it open; see lockDir.
func openDisk(dir string, t tuning) (d *disk, err error) {
	defer damage(&err)
	if err := removeEmptyLogs(dir); err != nil {
		return nil, err
	}
	db, err := badger.Open(badgerOptions(dir, t))
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
