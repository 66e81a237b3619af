//go:build unix

package bench

import (
	"fmt"
	"time"

	"golang.org/x/sys/unix"
)

// ownCPU returns the CPU time that this process has used.
func ownCPU() time.Duration { return usedBy(unix.RUSAGE_SELF) }

// childrenCPU returns the CPU time of the child processes that have ended.
func childrenCPU() time.Duration { return usedBy(unix.RUSAGE_CHILDREN) }

func usedBy(who int) time.Duration {
	var u unix.Rusage
	if unix.Getrusage(who, &u) != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// spareFiles is what a process needs beside its sockets.
const spareFiles = 200

// allowFiles makes room for n sockets in this process and in its children, and
// otherwise says what is needed.
func allowFiles(n int) error {
	need := uint64(n + spareFiles)
	var have unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &have); err != nil || uint64(have.Cur) >= need {
		return err
	}
	more := have
	more.Cur, more.Max = need, max(have.Max, need) // only root may raise the second
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &more); err != nil {
		return fmt.Errorf("%d connections need %d open files, and only %d are allowed; raise that with: ulimit -n %d (%w)",
			n, need, have.Max, need, err)
	}
	return nil
}
