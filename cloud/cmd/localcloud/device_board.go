package main

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"

	"localcloud/cloud"
	"localcloud/cloud/client"
	"localcloud/cloud/cmd/localcloud/internal/rekey"
	"localcloud/keys"
	"localcloud/keys/dfu"
)

// onCable is a board in DFU mode, as package rekey wants it.
type onCable struct {
	tool  dfu.Tool
	board dfu.Board
}

func (b onCable) Read(ctx context.Context, s keys.Slot) ([]byte, error) {
	return b.tool.Read(ctx, b.board, s)
}

func (b onCable) Write(ctx context.Context, s keys.Slot, data []byte) error {
	return b.tool.Write(ctx, b.board, s, data)
}

// dfuTool calls dfu-util and shows its progress to a person.
func dfuTool(t *terminal) dfu.Tool {
	if !isTerminal(t.err) {
		return dfu.Tool{}
	}
	return dfu.Tool{Progress: func(percent int) {
		fmt.Fprintf(t.err, "\r  %3d %%", percent)
		if percent == 100 {
			fmt.Fprint(t.err, "\r         \r")
		}
	}}
}

// chooseBoard returns the one board in DFU mode, or the one that has the id. The id may be that
// of a board whose boot loader does not tell it.
func chooseBoard(ctx context.Context, tool dfu.Tool, id string) (dfu.Board, error) {
	var wanted keys.DeviceID
	if id != "" {
		var err error
		if wanted, err = keys.ParseDeviceID(id); err != nil {
			return dfu.Board{}, usageError{err}
		}
	}
	boards, err := tool.List(ctx)
	if err != nil {
		return dfu.Board{}, err
	}
	if len(boards) == 0 {
		return dfu.Board{}, &dfu.Error{Problem: dfu.NoBoard}
	}
	var silent []dfu.Board
	for _, b := range boards {
		if b.ID == wanted && !wanted.IsZero() {
			return b, nil
		}
		if b.ID.IsZero() {
			silent = append(silent, b)
		}
	}
	switch {
	case !wanted.IsZero() && len(silent) == 1:
		silent[0].ID = wanted
		return silent[0], nil
	case !wanted.IsZero():
		return dfu.Board{}, fmt.Errorf("the board %s is not in DFU mode; there is: %s", wanted, named(boards))
	case len(boards) > 1:
		return dfu.Board{}, &dfu.Error{Problem: dfu.Several, Detail: named(boards)}
	case boards[0].ID.IsZero():
		return dfu.Board{}, errNoID(boards[0])
	}
	return boards[0], nil
}

func errNoID(b dfu.Board) error {
	return usagef("the boot loader of this %s does not tell its id: give it with --id. It is shown by localcloud device identify, "+
		"with the board in listening mode (blinking dark blue)", b.Platform.Name)
}

func named(boards []dfu.Board) string {
	var names []string
	for _, b := range boards {
		names = append(names, b.String())
	}
	return strings.Join(names, ", ")
}

// restart makes a board leave DFU mode, or says what the person has to do.
func restart(ctx context.Context, t *terminal, tool dfu.Tool, held rekey.Held, b dfu.Board) {
	if err := tool.Leave(ctx, b, held.Layout.ServerKey); err != nil {
		t.printf("  %v\n", err)
		return
	}
	t.printf("  the board restarts\n")
}

// backupOf stores what a board holds.
func backupOf(conn *connection, held rekey.Held, to keys.Recipient) func(context.Context) (string, error) {
	return func(ctx context.Context) (string, error) {
		return conn.PutBackup(ctx, held.Backup(conn.now(ctx)), to)
	}
}

// halfWritten is the backup that was made before a command which did not end well, "" when there is none. What the
// board holds now may be half of something, so that backup is the one to go back to.
func halfWritten(b client.Board) string {
	if b.Given == nil {
		return ""
	}
	return b.Given.Writing
}

// confirm asks a person whether to go on. Without one, in scripts, the answer is yes.
func confirm(t *terminal, yes bool) bool {
	in, ok := t.in.(*os.File)
	if yes || !ok || !isTerminal(in) {
		return true
	}
	fmt.Fprint(t.err, "Go on? [Y/n] ")
	line, err := bufio.NewReader(in).ReadString('\n')
	line = strings.ToLower(strings.TrimSpace(line))
	return err == nil && (line == "" || line == "y" || line == "yes")
}

// knownDevice returns what the cloud knows of a device, and false when it does not know it.
func knownDevice(ctx context.Context, conn *connection, id keys.DeviceID) (client.Device, bool) {
	d, err := conn.AnyDevice(ctx, id.String())
	if cloud.KindOf(err) == cloud.Permission { // no administrator's token: their own
		d, err = conn.Device(ctx, id.String())
	}
	return d, err == nil
}

type deviceUdevCmd struct {
	Install bool `help:"Write the rule to its place and load it; needs root."`
}

// Run prints or installs the rule by which the users of a Linux machine may use boards.
func (c *deviceUdevCmd) Run(ctx context.Context, t *terminal) error {
	if !c.Install {
		t.printf("%s", dfu.UdevRules())
		fmt.Fprintf(t.err, "This belongs into %s; to put it there: sudo localcloud device udev --install\n", dfu.UdevFile)
		return nil
	}
	if runtime.GOOS != "linux" {
		return usagef("only Linux has such rules")
	}
	if err := os.WriteFile(dfu.UdevFile, []byte(dfu.UdevRules()), 0o644); err != nil {
		return fmt.Errorf("%w; it needs root: sudo localcloud device udev --install", err)
	}
	for _, args := range [][]string{{"control", "--reload"}, {"trigger", "--subsystem-match=usb"}} {
		if err := exec.CommandContext(ctx, "udevadm", args...).Run(); err != nil {
			t.printf("The rule is in %s; restart the machine, or run as root: udevadm %s\n", dfu.UdevFile, strings.Join(args, " "))
			return nil
		}
	}
	t.printf("The rule is in %s. Unplug the boards and plug them in again.\n", dfu.UdevFile)
	return nil
}
