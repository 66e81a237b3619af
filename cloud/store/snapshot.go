package store

import (
	"bytes"
	"cmp"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
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

// read fills the snapshot with what a registry's database holds.
func (s *snapshot) read(db kv) error {
	return db.scan(nil, nil, func(key, value []byte) bool {
		if string(key) == keyNumber {
			n := parseNumbered(value)
			s.Number, s.Sum = n.number, n.sum
		}
		s.Records = append(s.Records, record{bytes.Clone(key), append([]byte{}, value...)})
		return true
	})
}

func (s *snapshot) encode() ([]byte, error) {
	text, err := json.Marshal(s)
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	sum := sha256.Sum256(text)
	w := gzip.NewWriter(&b)
	_, err = fmt.Fprintf(w, "%x\n%s", sum, text)
	err = errors.Join(err, w.Close())
	return b.Bytes(), err
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
	if err := s.read(db); err != nil {
		return err
	}
	b, err := s.encode()
	if err != nil {
		return err
	}
	dir = filepath.Join(dir, snapshotsName)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	name := fmt.Sprintf("registry-%020d-%s.json.gz", s.Number, s.Taken.Format("20060102T150405Z"))
	if err := writeFile(filepath.Join(dir, name), b); err != nil {
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
	f, err := os.CreateTemp(filepath.Dir(path), ".new-*") // mode 0600
	if err != nil {
		return err
	}
	_, err = f.Write(b)
	err = errors.Join(err, f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return syncDir(filepath.Dir(path))
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
