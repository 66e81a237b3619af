package store

import (
	"encoding/binary"
	"hash/fnv"
)

// digest is a sum over all pairs of the registry's database but its own two (machine.go). Each commit stores
// it, so that a start notices when pairs are missing or old: Badger opens a database whose manifest
// was cut off without the tables that it does not know of any more, and deletes them.
type digest struct {
	pairs map[string]uint64
	sum   uint64
}

func (d *digest) apply(ops []op) {
	for _, o := range ops {
		if key := string(o.key); key != keyHome && key != keyNumber {
			d.sum ^= d.pairs[key]
			delete(d.pairs, key)
			if o.value != nil {
				d.pairs[key] = pairSum(o)
				d.sum ^= d.pairs[key]
			}
		}
	}
}

func pairSum(o op) uint64 {
	h := fnv.New64a()
	_, _ = h.Write(binary.AppendUvarint(nil, uint64(len(o.key))))
	_, _ = h.Write(o.key)
	_, _ = h.Write(o.value)
	return h.Sum64()
}

func loadDigest(db kv) (*digest, error) {
	d := &digest{pairs: make(map[string]uint64)}
	err := db.scan(nil, nil, func(key, value []byte) bool {
		d.apply([]op{{key, append([]byte{}, value...)}})
		return true
	})
	return d, err
}

// numbered is the record of the last commit.
type numbered struct {
	number, sum uint64
	known       bool // there is a sum
}

// op is 8 bytes of number and 8 of sum, big-endian.
func (n numbered) op() op {
	b := binary.BigEndian.AppendUint64(nil, n.number)
	return op{[]byte(keyNumber), binary.BigEndian.AppendUint64(b, n.sum)}
}

func parseNumbered(b []byte) (n numbered) {
	if len(b) == 16 {
		n = numbered{binary.BigEndian.Uint64(b), binary.BigEndian.Uint64(b[8:]), true}
	}
	return n
}

func loadNumbered(db kv) (n numbered, err error) {
	err = db.scan([]byte(keyNumber), nil, func(_, value []byte) bool {
		n = parseNumbered(value)
		return false
	})
	return n, err
}
