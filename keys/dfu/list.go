package dfu

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"localcloud/keys"
)

// Board is a board in DFU mode.
type Board struct {
	Platform keys.Platform
	Serial   string        // as USB tells it; boot loaders before 2018 say the same for all boards
	Path     string        // where it is plugged in, such as "1-2.4"
	ID       keys.DeviceID // from the serial number, zero when it is none
	twin     bool          // another board in the list says the same serial number
}

// String names a board for people.
func (b Board) String() string {
	if b.ID.IsZero() {
		return fmt.Sprintf("a %s on USB port %s", b.Platform.Name, b.Path)
	}
	return fmt.Sprintf("%s %s", b.Platform.Name, b.ID)
}

// choose returns the arguments by which dfu-util finds this board and no other.
func (b Board) choose() []string {
	args := []string{"-d", b.Platform.DFU.String()}
	if b.Serial != "" && b.Serial != "UNKNOWN" {
		args = append(args, "-S", b.Serial)
	}
	if b.twin {
		args = append(args, "-p", b.Path)
	}
	return args
}

// List returns the boards in DFU mode that are boards of ours, each once. Without any it returns none and no error.
func (t Tool) List(ctx context.Context) ([]Board, error) {
	t.Progress = nil
	out, err := t.call(ctx, "-l")
	boards := parseList(out)
	if len(boards) > 0 {
		return boards, nil
	}
	var known *Error
	switch problem := problemOf(out); {
	case problem == Permission:
		return nil, &Error{Problem: Permission, Detail: lastLine(out)}
	case err == nil || problem == NoBoard:
		return nil, nil
	case errors.As(err, &known), ctx.Err() != nil:
		return nil, err
	}
	return nil, explain(out, err)
}

// One line of dfu-util --list; there is one for each alternate setting.
//
//	Found DFU: [2b04:d006] ver=0250, devnum=9, cfg=1, intf=0, path="1-2", alt=1, name="@DCT Flash ...", serial="3f00..."
var foundLine = regexp.MustCompile(`^Found DFU: \[([0-9a-fA-F]{4}):([0-9a-fA-F]{4})\](.*)$`)

var (
	pathField   = regexp.MustCompile(`\bpath="([^"]*)"`)
	serialField = regexp.MustCompile(`\bserial="([^"]*)"`)
)

func parseList(out string) (boards []Board) {
	for _, line := range lines(out) {
		found := foundLine.FindStringSubmatch(line)
		if found == nil {
			continue
		}
		platform, ok := keys.PlatformByDFU(keys.USBID{Vendor: hex16(found[1]), Product: hex16(found[2])})
		if !ok {
			continue
		}
		b := Board{Platform: platform, Path: field(pathField, found[3]), Serial: field(serialField, found[3])}
		if id, err := keys.ParseDeviceID(b.Serial); err == nil {
			b.ID = id
		}
		if !contains(boards, b) {
			boards = append(boards, b)
		}
	}
	for i, b := range boards {
		boards[i].twin = slices.ContainsFunc(slices.Concat(boards[:i], boards[i+1:]), func(other Board) bool {
			return other.Platform.DFU == b.Platform.DFU && other.Serial == b.Serial
		})
	}
	return boards
}

func hex16(s string) uint16 {
	n, _ := strconv.ParseUint(s, 16, 16)
	return uint16(n)
}

func field(re *regexp.Regexp, s string) string {
	if m := re.FindStringSubmatch(s); m != nil {
		return strings.TrimSpace(m[1])
	}
	return ""
}
