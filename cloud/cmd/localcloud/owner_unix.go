//go:build unix

package main

import (
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// keepOwner gives the files that root made in a data directory of another user
// to that user: otherwise "sudo localcloud user add" would lock the service out of its own data.
func keepOwner(dir string) error {
	owner, ok := ownerOf(dir)
	if os.Geteuid() != 0 || !ok || owner.Uid == 0 {
		return nil
	}
	return filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if file, ok := ownerOf(path); ok && file.Uid == 0 {
			return os.Lchown(path, int(owner.Uid), int(owner.Gid))
		}
		return nil
	})
}

func ownerOf(path string) (*syscall.Stat_t, bool) {
	info, err := os.Lstat(path)
	if err != nil {
		return nil, false
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	return stat, ok
}
