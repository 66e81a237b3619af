package bench

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// UsageOf returns what tells the usage of a process of this machine.
func UsageOf(pid int) func() (Usage, error) {
	dir := fmt.Sprintf("/proc/%d/", pid)
	return func() (Usage, error) {
		stat, err := os.ReadFile(dir + "stat")
		if err != nil {
			return Usage{}, err
		}
		cpu, err := cpuIn(stat)
		if err != nil {
			return Usage{}, err
		}
		rss, err := valueIn(dir+"status", "VmRSS")
		if err != nil {
			return Usage{}, err
		}
		own, err := valueIn(dir+"status", "RssAnon")
		if err != nil {
			return Usage{}, err
		}
		written, err := valueIn(dir+"io", "write_bytes") // also counts pages of mapped files
		if err != nil {
			return Usage{}, err
		}
		return Usage{CPU: cpu, RSS: rss << 10, Own: own << 10, Written: written}, nil
	}
}

// ticks is how many of /proc's units of time are in a second, on every architecture.
const ticks = 100

// cpuIn adds up user and system time: fields 14 and 15 of proc(5) stat. The
// second field is a name in parentheses that may hold anything.
func cpuIn(stat []byte) (time.Duration, error) {
	fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
	if len(fields) < 13 {
		return 0, fmt.Errorf("process status %q", stat)
	}
	user, err1 := strconv.ParseInt(fields[11], 10, 64)
	system, err2 := strconv.ParseInt(fields[12], 10, 64)
	if err1 != nil || err2 != nil {
		return 0, fmt.Errorf("process status %q", stat)
	}
	return time.Duration(user+system) * time.Second / ticks, nil
}

// machineCPU returns the time for which the processors were busy, or were not to
// be had because another virtual machine had them.
func machineCPU() (time.Duration, bool) {
	text, err := os.ReadFile("/proc/stat")
	if err != nil {
		return 0, false
	}
	return busyIn(string(text))
}

// busyIn adds up the first line of proc(5) stat: user, nice, system, idle, iowait, irq, softirq, steal.
func busyIn(stat string) (time.Duration, bool) {
	line, _, _ := strings.Cut(stat, "\n")
	fields := strings.Fields(line)
	if len(fields) < 9 || fields[0] != "cpu" {
		return 0, false
	}
	var sum time.Duration
	for i, field := range fields[1:9] {
		n, err := strconv.ParseInt(field, 10, 64)
		if err != nil {
			return 0, false
		}
		if i != 3 && i != 4 {
			sum += time.Duration(n) * time.Second / ticks
		}
	}
	return sum, true
}

// valueIn returns the number of a line "key: number" of a file.
func valueIn(file, key string) (int64, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(text)) {
		if value, ok := strings.CutPrefix(line, key+":"); ok {
			number, _, _ := strings.Cut(strings.TrimSpace(value), " ")
			return strconv.ParseInt(number, 10, 64)
		}
	}
	return 0, fmt.Errorf("%s has no %s", file, key)
}

// inMemory reports whether a directory is on no disk.
func inMemory(dir string) bool {
	var fs unix.Statfs_t
	if unix.Statfs(dir, &fs) != nil {
		return false
	}
	kind := uint32(fs.Type) // signed, and of another size on each architecture
	return kind == unix.TMPFS_MAGIC || kind == unix.RAMFS_MAGIC
}

// separate keeps a Ctrl-C that is meant for us from the child, whose figures
// are still wanted then, and ends it when we are killed.
func separate(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}
