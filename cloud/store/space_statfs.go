//go:build linux || darwin || freebsd

package store

import "golang.org/x/sys/unix"

// freeSpace returns how many bytes this user may still write to the file system of dir.
func freeSpace(dir string) (int64, bool) {
	var s unix.Statfs_t
	if err := unix.Statfs(dir, &s); err != nil {
		return 0, false
	}
	return max(int64(s.Bavail), 0) * int64(s.Bsize), true
}
