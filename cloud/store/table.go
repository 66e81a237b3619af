package store

import (
	"bytes"
	"fmt"
	"iter"
)

// table holds the rows of one kind: those on disk, and over them those of
// changes on their way to the disk.
type table[K comparable, V any] struct {
	// Fixed at creation.
	prefix byte
	encode func(V) ([]byte, error)
	decode func([]byte) (V, error)
	id     func(V) K
	suffix func(K) []byte
	copy   func(V) (V, bool)      // see put; nil: always false
	follow func(before, after *V) // told of each committed row that changes; nil: there is none. May be nil itself

	// Written by whoever holds both Registry.turn and Registry.mu, so that either
	// is enough to read. A row never changes once it is here.
	rows map[K]*V

	// Guarded by Registry.turn.
	waiting map[K]uncommitted[V]
}

// uncommitted is the newest state of a row that is not on disk yet.
type uncommitted[V any] struct {
	row    *V     // nil: removed
	change uint64 // number of the change that made it so
}

func newTable[K comparable, V any](prefix byte, encode func(V) ([]byte, error), decode func([]byte) (V, error),
	id func(V) K, suffix func(K) []byte,
) *table[K, V] {
	return &table[K, V]{
		prefix: prefix, encode: encode, decode: decode, id: id, suffix: suffix,
		rows: make(map[K]*V), waiting: make(map[K]uncommitted[V]),
	}
}

func (t *table[K, V]) key(id K) []byte { return append([]byte{t.prefix}, t.suffix(id)...) }

// load fills the rows from the database.
func (t *table[K, V]) load(db kv) error {
	var damage error
	err := db.scan([]byte{t.prefix}, nil, func(key, value []byte) bool {
		row, err := t.decode(value)
		if err == nil && !bytes.Equal(key, t.key(t.id(row))) {
			err = fmt.Errorf("record names another id")
		}
		if err != nil {
			damage = fmt.Errorf("record %q: %w", key, err)
			return false
		}
		t.set(t.id(row), &row)
		return true
	})
	if err != nil {
		return err
	}
	return damage
}

// set puts a committed row in place of the one before; nil removes it.
func (t *table[K, V]) set(id K, row *V) {
	if t.follow != nil {
		t.follow(t.rows[id], row)
	}
	if row == nil {
		delete(t.rows, id)
		return
	}
	t.rows[id] = row
}

// latest returns a row as the change before left it, committed or not. The caller holds the turn.
func (t *table[K, V]) latest(id K) (*V, bool) {
	if w, ok := t.waiting[id]; ok {
		return w.row, w.row != nil
	}
	row, ok := t.rows[id]
	return row, ok
}

// all yields every row like latest. The caller holds the turn.
func (t *table[K, V]) all() iter.Seq[*V] {
	return func(yield func(*V) bool) {
		for id, row := range t.rows {
			if _, changed := t.waiting[id]; !changed && !yield(row) {
				return
			}
		}
		for _, w := range t.waiting {
			if w.row != nil && !yield(w.row) {
				return
			}
		}
	}
}

// edit is one row's part of a change.
type edit interface {
	op() op
	wait(change uint64)   // puts the row over the committed ones
	settle(change uint64) // and takes it away, unless a later change has put another
	reread(db kv) error   // takes the row from the database instead
	publish()             // makes the row a committed one
}

type rowEdit[K comparable, V any] struct {
	table *table[K, V]
	id    K
	row   *V // nil: remove
	value []byte
}

// put returns the edit that stores row. The row that readers will get is
// the one that was read back from what goes to disk: a restart changes nothing, the caller
// shares nothing with it, and what could not be read again is refused now. Where copy knows
// what would be read back, the text is not parsed: a device is stored each time it connects.
func (t *table[K, V]) put(row V) (*rowEdit[K, V], error) {
	value, err := t.encode(row)
	if err != nil {
		return nil, err
	}
	if len(value) > maxValue {
		return nil, errTooLarge
	}
	back, known := t.known(row)
	if !known {
		if back, err = t.decode(value); err != nil {
			return nil, err
		}
	}
	return &rowEdit[K, V]{t, t.id(back), &back, value}, nil
}

// known returns what would be read back, if copy knows.
func (t *table[K, V]) known(row V) (V, bool) {
	if t.copy == nil {
		return row, false
	}
	return t.copy(row)
}

// readBack returns row as it would be read from the disk.
func (t *table[K, V]) readBack(row V) (*V, error) {
	back, known := t.known(row)
	if !known {
		value, err := t.encode(row)
		if err != nil {
			return nil, err
		}
		if back, err = t.decode(value); err != nil {
			return nil, err
		}
	}
	return &back, nil
}

func (t *table[K, V]) remove(id K) *rowEdit[K, V] { return &rowEdit[K, V]{table: t, id: id} }

func (e *rowEdit[K, V]) op() op { return op{e.table.key(e.id), e.value} }

func (e *rowEdit[K, V]) wait(change uint64) {
	e.table.waiting[e.id] = uncommitted[V]{e.row, change}
}

func (e *rowEdit[K, V]) settle(change uint64) {
	if e.table.waiting[e.id].change == change {
		delete(e.table.waiting, e.id)
	}
}

func (e *rowEdit[K, V]) publish() { e.table.set(e.id, e.row) }

func (e *rowEdit[K, V]) reread(db kv) error {
	key := e.table.key(e.id)
	var row *V
	var damage error
	err := db.scan(key, nil, func(k, value []byte) bool {
		if bytes.Equal(k, key) {
			var found V
			found, damage = e.table.decode(value)
			row = &found
		}
		return false
	})
	if err == nil {
		err = damage
	}
	if err == nil {
		e.row = row
	}
	return err
}
