//go:build !linux

package bench

import (
	"os/exec"
	"time"
)

// UsageOf returns what tells the usage of a process of this machine: here nothing does.
func UsageOf(int) func() (Usage, error) { return nil }

func machineCPU() (time.Duration, bool) { return 0, false }

func inMemory(string) bool { return false }

func separate(*exec.Cmd) {}
