package store

import (
	"bytes"
	"errors"

	"localcloud/cloud"
)

// kv is what the registry and the log need of a database: Badger on disk, or memory.
type kv interface {
	// commit applies all of ops or none and returns when they are synced. Of two
	// ops with one key the later wins. It keeps nothing of ops.
	commit(ops []op) error
	// scan calls yield with the pairs whose keys begin with prefix and are not
	// less than from, in order of key, until yield returns false. The
	// slices are valid only during the call. What is committed meanwhile may be seen or not.
	scan(prefix, from []byte, yield func(key, value []byte) bool) error
	// drop removes all keys with one of the prefixes and gives their space back
	// to the machine. It is not atomic: after a crash some may be left. commit must not run meanwhile.
	drop(prefixes ...[]byte) error
	Close() error
}

// op writes one key. A nil value removes it.
type op struct {
	key, value []byte
}

// Bounds of one commit. Badger takes 15 % of a memtable in a transaction (314 kB),
// in at most 3,000 entries.
const (
	maxCommitBytes = 256 << 10
	maxCommitOps   = 2000
	maxValue       = 64 << 10 // see tableSize
	opOverhead     = 16       // what a pair costs beside its bytes
)

func (o op) clone() op { return op{bytes.Clone(o.key), bytes.Clone(o.value)} }

func (o op) size() int { return len(o.key) + len(o.value) + opOverhead }

// ErrClosed is the cause of errors after Close.
var ErrClosed = cloud.ErrClosed

// errTooLarge is the cause when a single record is larger than maxValue.
var errTooLarge = errors.New("the record is larger than 64 kB")

// failure makes an error of a database into one of ours: NoSpace when the disk
// is full, Other for all the rest, as nothing the caller does would help.
func failure(what string, err error) error {
	if err == nil {
		return nil
	}
	var known *cloud.Error
	if errors.As(err, &known) {
		return cloud.E(what, cloud.Other, err) // KindOf looks inside
	}
	if isNoSpace(err) {
		return cloud.E(what, cloud.NoSpace, err)
	}
	return cloud.E(what, cloud.Other, err)
}

// commitInParts commits ops in order, as many at a time as a commit takes, and
// stops at the first error. Only the parts are atomic.
func commitInParts(commit func([]op) error, ops []op) error {
	for len(ops) > 0 {
		n := fitting(ops)
		if err := commit(ops[:n]); err != nil {
			return err
		}
		ops = ops[n:]
	}
	return nil
}

// fitting returns how many of ops fit into one commit, at least one.
func fitting(ops []op) int {
	bytes := 0
	for i, o := range ops {
		bytes += o.size()
		if i > 0 && (i == maxCommitOps || bytes > maxCommitBytes) {
			return i
		}
	}
	return len(ops)
}
