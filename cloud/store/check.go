package store

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"

	"github.com/dgraph-io/badger/v4"
	"github.com/dgraph-io/badger/v4/fb"
	"github.com/dgraph-io/badger/v4/pb"
	sst "github.com/dgraph-io/badger/v4/table"
	"github.com/dgraph-io/badger/v4/y"
	"google.golang.org/protobuf/proto"
)

// The end of a table, and of each of its blocks (badger/v4/table, builder.go).
// Numbers are big-endian.
//
//	table: blocks | index | length of index, 4 bytes | checksum of index | length of checksum, 4 bytes
//	block: entries | offsets | number of offsets, 4 bytes | checksum of all that | length of checksum, 4 bytes
//
// Badger trusts what it finds there when it opens a table: a table that was cut off
// ends the process. We read the files, unmapped, before it does.

// checkTables looks at the end and the last block of each table that the database
// has, or at the whole table. Files that are not in its manifest are no part of it: Badger makes
// a table before it notes it, removes it after that, and tidies up when it opens what a kill between the two left behind.
func checkTables(dir string, whole bool) (err error) {
	defer damage(&err)
	tables, err := tablesOf(dir)
	for _, name := range tables {
		if err := checkTable(filepath.Join(dir, name), whole); err != nil {
			return fmt.Errorf("table %s: %w", name, err)
		}
	}
	return err
}

// tablesOf returns the files that the manifest of a database names; none when there is no database.
func tablesOf(dir string) (names []string, err error) {
	manifest, err := os.Open(filepath.Join(dir, badger.ManifestFilename))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, noTables(dir)
	} else if err != nil {
		return nil, err
	}
	defer manifest.Close()
	m, _, err := badger.ReplayManifestFile(manifest, 0, badgerOptions(dir, tuning{logger: slog.New(slog.DiscardHandler)}))
	for id := range m.Tables {
		names = append(names, sst.IDToFilename(id))
	}
	slices.Sort(names)
	return names, err
}

// noTables reports an error if there are tables, which Badger would remove when there is no manifest.
func noTables(dir string) error {
	tables, err := filepath.Glob(filepath.Join(dir, "*.sst"))
	if err == nil && len(tables) > 0 {
		err = fmt.Errorf("there are %d tables and no %s", len(tables), badger.ManifestFilename)
	}
	return err
}

var errTable = errors.New("it is cut off or overwritten")

func checkTable(path string, whole bool) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	checksum, end, err := readChecksum(f, info.Size())
	if err != nil {
		return err
	}
	index, _, err := readBefore(f, end)
	if err != nil {
		return err
	}
	if err := y.VerifyChecksum(index, checksum); err != nil {
		return err
	}
	blocks := fb.GetRootAsTableIndex(index, 0)
	n := blocks.OffsetsLength()
	for i := range n {
		var block fb.BlockOffset
		if !whole && i < n-1 || !blocks.Offsets(&block, i) {
			continue
		}
		if err := checkBlock(f, int64(block.Offset()), int64(block.Len())); err != nil {
			return fmt.Errorf("block %d: %w", i, err)
		}
	}
	return nil
}

func checkBlock(f io.ReaderAt, offset, length int64) error {
	checksum, end, err := readChecksum(f, offset+length)
	if err != nil || end < offset {
		return errors.Join(errTable, err)
	}
	b := make([]byte, end-offset)
	if _, err := f.ReadAt(b, offset); err != nil {
		return err
	}
	return y.VerifyChecksum(b, checksum)
}

// readChecksum reads the checksum that ends at an offset, and returns where it begins.
func readChecksum(f io.ReaderAt, end int64) (*pb.Checksum, int64, error) {
	b, begin, err := readBefore(f, end)
	if err != nil {
		return nil, 0, err
	}
	checksum := &pb.Checksum{}
	if err := proto.Unmarshal(b, checksum); err != nil {
		return nil, 0, err
	}
	return checksum, begin, nil
}

// readBefore reads what is followed by its length, which ends at an offset.
func readBefore(f io.ReaderAt, end int64) (b []byte, begin int64, err error) {
	var length [4]byte
	if end < int64(len(length)) {
		return nil, 0, errTable
	}
	if _, err := f.ReadAt(length[:], end-4); err != nil {
		return nil, 0, err
	}
	n := int64(binary.BigEndian.Uint32(length[:]))
	if n > end-4 {
		return nil, 0, errTable
	}
	b, begin = make([]byte, n), end-4-n
	_, err = f.ReadAt(b, begin)
	return b, begin, err
}
