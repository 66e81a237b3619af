package store

import (
	"bytes"
	"slices"
	"sync"
)

// memory is a kv without a disk. It starts no goroutine and reads no clock,
// so it is at home in a testing/synctest bubble.
type memory struct {
	mu    sync.RWMutex
	pairs []op // ordered by key; the slices are its own and never change
}

func compareKey(o op, key []byte) int { return bytes.Compare(o.key, key) }

func (m *memory) commit(ops []op) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, o := range ops {
		i, found := slices.BinarySearchFunc(m.pairs, o.key, compareKey)
		switch {
		case o.value == nil && found:
			m.pairs = slices.Delete(m.pairs, i, i+1)
		case o.value == nil:
		case found:
			m.pairs[i].value = bytes.Clone(o.value)
		default:
			m.pairs = slices.Insert(m.pairs, i, op{bytes.Clone(o.key), bytes.Clone(o.value)})
		}
	}
	return nil
}

// scan takes the lock for each pair, so that yield runs without it.
func (m *memory) scan(prefix, from []byte, yield func(key, value []byte) bool) error {
	if bytes.Compare(from, prefix) < 0 {
		from = prefix
	}
	for {
		o, ok := m.next(from)
		if !ok || !bytes.HasPrefix(o.key, prefix) || !yield(o.key, o.value) {
			return nil
		}
		from = append(bytes.Clone(o.key), 0)
	}
}

// all returns the pairs that scan would yield.
func (m *memory) all(prefix, from []byte) (pairs []op) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	if bytes.Compare(from, prefix) < 0 {
		from = prefix
	}
	i, _ := slices.BinarySearchFunc(m.pairs, from, compareKey)
	for ; i < len(m.pairs) && bytes.HasPrefix(m.pairs[i].key, prefix); i++ {
		pairs = append(pairs, m.pairs[i])
	}
	return pairs
}

// next returns the first pair whose key is not less than key.
func (m *memory) next(key []byte) (op, bool) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	i, _ := slices.BinarySearchFunc(m.pairs, key, compareKey)
	if i == len(m.pairs) {
		return op{}, false
	}
	return m.pairs[i], true
}

func (m *memory) drop(prefixes ...[]byte) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.pairs = slices.DeleteFunc(m.pairs, func(o op) bool {
		return slices.ContainsFunc(prefixes, func(p []byte) bool { return bytes.HasPrefix(o.key, p) })
	})
	return nil
}

func (m *memory) Close() error { return nil }
