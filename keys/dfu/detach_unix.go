//go:build unix

package dfu

import (
	"os/exec"
	"syscall"
)

// detach puts the program into a process group of its own, so that Ctrl-C on the terminal reaches only us.
func detach(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} }
