package store

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"localcloud/cloud"
)

// Dump returns all that the registry holds at one moment, for RestoreRegistry. It does not stop others from changing it.
func (r *Registry) Dump() ([]byte, error) {
	s := &snapshot{Taken: time.Now().UTC()}
	b, err := s.bytes(r.db)
	if err != nil {
		return nil, cloud.E("dump registry", cloud.Other, err)
	}
	return b, nil
}

// RestoreRegistry makes a registry in a data directory that has none, from what Dump returned.
func RestoreRegistry(dir string, dump []byte) error {
	const op = "restore registry"
	s, err := decodeSnapshot(dump)
	if err != nil {
		return cloud.E(op, cloud.Invalid, errSnapshot)
	}
	path := filepath.Join(dir, registryName)
	if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
		return cloud.Errorf(op, cloud.Exist, "there is a registry in %s", dir)
	}
	db, err := openDisk(path, tuning{logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		return cloud.E(op, cloud.Other, err)
	}
	if err := errors.Join(s.restore(db), db.Close()); err != nil {
		return cloud.E(op, cloud.Other, fmt.Errorf("%s: %w", dir, err))
	}
	return nil
}
