package dfu

import (
	"context"
	"errors"
	"os/exec"
	"runtime"
	"strings"
)

// Problem is what can go wrong with a board on a cable.
type Problem string

const (
	Missing    Problem = "dfu-util-missing" // the program is not installed
	Permission Problem = "permission"       // this user may not use the USB device
	NoBoard    Problem = "no-board"         // nothing in DFU mode
	Several    Problem = "several-boards"   // more than one, and none was chosen
	Protected  Problem = "protected"        // the board refuses to show or change its keys
	Gone       Problem = "gone"             // unplugged, or reset, meanwhile
	Failed     Problem = "failed"           // anything else: see Detail
)

// Error is a failure with its next step.
type Error struct {
	Problem Problem
	Detail  string // what dfu-util said, one line; may be empty
}

// Error says what is wrong and what to do.
func (e *Error) Error() string {
	text := e.Problem.what()
	if e.Detail != "" {
		text += " (" + e.Detail + ")"
	}
	if next := e.Problem.next(); next != "" {
		text += "; " + next
	}
	return text
}

// howToDFU is how a board gets into DFU mode.
const howToDFU = "hold MODE (or SETUP), press and let go of RESET, and let go of MODE when the light blinks yellow"

func (p Problem) what() string {
	switch p {
	case Missing:
		return "the program dfu-util is not installed"
	case Permission:
		return "there is a board, but this user may not use it"
	case NoBoard:
		return "no board is in DFU mode"
	case Several:
		return "there is more than one board in DFU mode"
	case Protected:
		return "the board is protected and refuses to show or change its keys"
	case Gone:
		return "the board went away meanwhile"
	}
	return "dfu-util failed"
}

func (p Problem) next() string {
	switch p {
	case Missing:
		switch runtime.GOOS {
		case "darwin":
			return "install it: brew install dfu-util"
		case "windows":
			return "install it from dfu-util.sourceforge.net and put it into the PATH"
		}
		return "install it: sudo apt install dfu-util (or the package of that name of your system)"
	case Permission:
		if runtime.GOOS == "windows" {
			return "give the board the WinUSB driver, such as with the program Zadig"
		}
		return "install the rule for it and plug the board in again: sudo localcloud device udev --install"
	case NoBoard:
		return "plug it in with a cable that carries data, then " + howToDFU
	case Several:
		return "unplug all but one, or choose with --id"
	case Protected:
		return "take the protection off first, while it is still on Particle's cloud: particle device-protection disable"
	case Gone:
		return "plug it in again, put it into DFU mode (" + howToDFU + ") and run the same command again"
	}
	return "unplug the board, plug it in again and put it into DFU mode (" + howToDFU + ")"
}

// Words that dfu-util uses.
var words = []struct {
	text    string
	problem Problem
}{
	{"LIBUSB_ERROR_ACCESS", Permission},
	{"Cannot open DFU device", Permission},
	{"More than one DFU capable USB device found", Several},
	{"No DFU capable USB device", NoBoard},
	{"is not readable", Protected},
	{"is not writeable", Protected},
	{"errVENDOR", Protected},
	{"errWRITE", Protected},
	{"vendor specific error", Protected},
	{"Device is unable to write memory", Protected},
	{"LIBUSB_ERROR_NO_DEVICE", Gone},
	{"LIBUSB_ERROR_NOT_FOUND", Gone},
	{"LIBUSB_ERROR_IO", Gone},
	{"LIBUSB_ERROR_PIPE", Gone},
	{"Lost device", Gone},
}

// problemOf names the problem that dfu-util speaks of, "" for none.
func problemOf(out string) Problem {
	for _, w := range words {
		if strings.Contains(out, w.text) {
			return w.problem
		}
	}
	return ""
}

// explain turns a failed call into an Error.
func explain(out string, err error) error {
	var known *Error
	var exit *exec.ExitError
	switch {
	case errors.As(err, &known), errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return err
	case problemOf(out) == NoBoard:
		return &Error{Problem: Gone} // it was there when it was listed
	case problemOf(out) != "":
		return &Error{Problem: problemOf(out), Detail: lastLine(out)}
	case errors.As(err, &exit) && lastLine(out) != "":
		return &Error{Problem: Failed, Detail: lastLine(out)}
	}
	return &Error{Problem: Failed, Detail: err.Error()}
}

// lastLine is what dfu-util said last, made harmless for a terminal.
func lastLine(out string) string {
	all := lines(out)
	if len(all) == 0 {
		return ""
	}
	line := strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return -1
		}
		return r
	}, all[len(all)-1])
	return strings.TrimPrefix(line, "dfu-util: ")
}
