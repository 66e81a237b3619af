package store

import (
	"bufio"
	"bytes"
	"cmp"
	"compress/gzip"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Snapshots of the registry: DIR/snapshots/registry-NUMBER-TIME.json.gz, where NUMBER is the
// number of the registry's last commit in it, so that their order does not hang on a
// clock. Unpacked it is the SHA-256 of the rest in hex, a newline, and snapshot as JSON.
//
// The number is also in the database. So a database that lost its newest
// commits, as after a power cut on a disk that lies about syncs, is known by its snapshot being newer.
const (
	snapshotsName    = "snapshots"
	snapshotsKept    = 7
	snapshotInterval = time.Minute
	snapshotMost     = 1 << 30 // unpacked: more is no snapshot of ours
)

type snapshot struct {
	Taken   time.Time `json:"taken"`
	Number  uint64    `json:"number"`
	Sum     uint64    `json:"sum"` // see digest
	Records []record  `json:"records"`

	name string
}

// record is one pair of the database, in base64.
type record struct {
	Key   []byte `json:"key"`
	Value []byte `json:"value"`
}

// write writes the snapshot of a registry's database to a file and notes number and sum.
//
// The file is two gzip members, which read as one. The first holds the SHA-256 of the other: it is written as zeros at
// first, and is not compressed, so that its size is known.
func (s *snapshot) write(f *os.File, db kv) error {
	file := bufio.NewWriter(f)
	_, err := file.Write(snapshotHead(make([]byte, sha256.Size)))
	if err != nil {
		return err
	}
	sum, err := s.pack(file, db)
	if err = errors.Join(err, file.Flush()); err != nil {
		return err
	}
	_, err = f.WriteAt(snapshotHead(sum), 0)
	return err
}

// bytes returns what write writes.
func (s *snapshot) bytes(db kv) ([]byte, error) {
	var b bytes.Buffer
	sum, err := s.pack(&b, db)
	return slices.Concat(snapshotHead(sum), b.Bytes()), err
}

// pack writes the second member record by record, as all of it is more than a small machine has to spare, and returns its
// SHA-256.
func (s *snapshot) pack(w io.Writer, db kv) (sum []byte, err error) {
	packed, err := gzip.NewWriterLevel(w, gzip.BestSpeed)
	if err != nil {
		return nil, err
	}
	hash := sha256.New()
	err = s.writeText(io.MultiWriter(packed, hash), db)
	return hash.Sum(nil), errors.Join(err, packed.Close())
}

// snapshotHead is the first member of a snapshot's file; all have one size.
func snapshotHead(sum []byte) []byte {
	var b bytes.Buffer
	w, err := gzip.NewWriterLevel(&b, gzip.NoCompression)
	if err == nil {
		_, err = fmt.Fprintf(w, "%x\n", sum)
	}
	if err = errors.Join(err, w.Close()); err != nil {
		panic(err) // a buffer takes everything
	}
	return b.Bytes()
}

// writeText writes what snapshot is in JSON.
func (s *snapshot) writeText(w io.Writer, db kv) error {
	taken, err := json.Marshal(s.Taken)
	if err != nil {
		return err
	}
	if _, err := fmt.Fprintf(w, `{"taken":%s,"records":[`, taken); err != nil {
		return err
	}
	comma := ""
	var text []byte // of one record, again and again: there may be thousands
	var failed error
	err = db.scan(nil, nil, func(key, value []byte) bool {
		if string(key) == keyNumber {
			n := parseNumbered(value)
			s.Number, s.Sum = n.number, n.sum
		}
		text = appendRecord(append(text[:0], comma...), key, value)
		_, failed = w.Write(text)
		comma = ","
		return failed == nil
	})
	if err = errors.Join(err, failed); err != nil {
		return err
	}
	_, err = fmt.Fprintf(w, `],"number":%d,"sum":%d}`, s.Number, s.Sum)
	return err
}

// appendRecord appends a record in JSON.
func appendRecord(b, key, value []byte) []byte {
	b = base64.StdEncoding.AppendEncode(append(b, `{"key":"`...), key)
	b = base64.StdEncoding.AppendEncode(append(b, `","value":"`...), value)
	return append(b, `"}`...)
}

var errSnapshot = errors.New("it is not a whole snapshot of a registry")

func decodeSnapshot(b []byte) (*snapshot, error) {
	r, err := gzip.NewReader(bytes.NewReader(b))
	if err != nil {
		return nil, err
	}
	b, err = io.ReadAll(io.LimitReader(r, snapshotMost))
	if err != nil {
		return nil, err
	}
	sum, text, _ := bytes.Cut(b, []byte("\n"))
	if actual := sha256.Sum256(text); hex.EncodeToString(actual[:]) != string(sum) {
		return nil, errSnapshot
	}
	s := &snapshot{}
	return s, json.Unmarshal(text, s)
}

// takeSnapshot writes a snapshot of a registry's database and removes the oldest beyond those kept.
func takeSnapshot(dir string, db kv) error {
	s := &snapshot{Taken: time.Now().UTC()}
	dir = filepath.Join(dir, snapshotsName)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	err := makeFile(dir, func(f *os.File) (name string, err error) {
		err = s.write(f, db)
		return fmt.Sprintf("registry-%020d-%s.json.gz", s.Number, s.Taken.Format("20060102T150405Z")), err
	})
	if err != nil {
		return err
	}
	names := snapshotNames(dir)
	for _, old := range names[:max(len(names)-snapshotsKept, 0)] {
		err = errors.Join(err, os.Remove(filepath.Join(dir, old)))
	}
	return err
}

// snapshotNames returns the names of the files, the oldest first.
func snapshotNames(dir string) []string {
	paths, _ := filepath.Glob(filepath.Join(dir, "registry-*.json.gz"))
	for i := range paths {
		paths[i] = filepath.Base(paths[i])
	}
	slices.SortFunc(paths, cmp.Compare)
	return paths
}

// newestNumber returns the highest number that a snapshot's name says, 0 when there is none.
func newestNumber(dir string) (newest uint64) {
	for _, name := range snapshotNames(filepath.Join(dir, snapshotsName)) {
		text, _, _ := strings.Cut(strings.TrimPrefix(name, "registry-"), "-")
		if n, err := strconv.ParseUint(text, 10, 64); err == nil {
			newest = max(newest, n)
		}
	}
	return newest
}

// newestSnapshot returns the newest that is whole, nil when there is none.
func newestSnapshot(dir string, logger *slog.Logger) *snapshot {
	dir = filepath.Join(dir, snapshotsName)
	names := snapshotNames(dir)
	for _, name := range slices.Backward(names) {
		b, err := os.ReadFile(filepath.Join(dir, name))
		var s *snapshot
		if err == nil {
			s, err = decodeSnapshot(b)
		}
		if err == nil {
			s.name = name
			return s
		}
		logger.Warn("a snapshot of the registry is passed over", "name", name, "err", err)
	}
	return nil
}

// restore writes the records into an empty database. The number comes last: until
// it is there, the database counts as older than the snapshot.
func (s *snapshot) restore(db kv) error {
	var ops []op
	for _, r := range s.Records {
		if string(r.Key) != keyNumber {
			ops = append(ops, op{r.Key, append([]byte{}, r.Value...)})
		}
	}
	ops = append(ops, numbered{number: s.Number, sum: s.Sum}.op())
	return commitInParts(db.commit, ops)
}

// writeFile writes a file that is there whole or not at all, also after a power cut.
func writeFile(path string, b []byte) error {
	return makeFile(filepath.Dir(path), func(f *os.File) (string, error) {
		_, err := f.Write(b)
		return filepath.Base(path), err
	})
}

// makeFile makes a file in dir like writeFile. What it holds, and then how it is called, says write.
func makeFile(dir string, write func(f *os.File) (name string, err error)) error {
	f, err := os.CreateTemp(dir, ".new-*") // mode 0600
	if err != nil {
		return err
	}
	name, err := write(f)
	err = errors.Join(err, f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), filepath.Join(dir, name))
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return syncDir(dir)
}

// snapshots takes snapshots of a registry after changes, at most one a minute.
type snapshots struct {
	dir     string
	db      kv
	space   *reserve
	logger  *slog.Logger
	changed chan struct{} // has room for one
	closing chan struct{}
	ended   chan struct{}
}

func (s *snapshots) run() {
	defer close(s.ended)
	for {
		select {
		case <-s.changed:
			s.take()
		case <-s.closing:
			return
		}
		select {
		case <-time.After(snapshotInterval):
		case <-s.closing:
			return
		}
	}
}

func (s *snapshots) take() {
	err := error(nil)
	if !s.space.allowsRemoval() {
		err = s.space.err()
	} else {
		err = takeSnapshot(s.dir, s.db)
	}
	if err != nil {
		s.logger.Warn("no snapshot of the registry could be taken", "err", err)
	}
}

// Close takes the last snapshot when there was a change since the one before. The registry
// is closed by then and its database is not.
func (s *snapshots) Close() error {
	close(s.closing)
	<-s.ended
	select {
	case <-s.changed:
		s.take()
	default:
	}
	return nil
}
