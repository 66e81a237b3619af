package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"localcloud/keys"
	"localcloud/keys/dfu"
	"localcloud/keys/listening"
)

type deviceIdentifyCmd struct {
	Port string `help:"Only the board on this serial port, such as /dev/ttyACM0 or COM3." placeholder:"PORT"`
	JSON bool   `name:"json" help:"Print JSON."`
}

// Help is the long text of --help.
func (*deviceIdentifyCmd) Help() string {
	return "Says which boards are plugged in, and what they say of themselves: id, Device OS, MAC address, modem. A board tells all of it in listening mode: hold " +
		"MODE (or SETUP) for three seconds until its light blinks dark blue. In DFU mode (blinking yellow) it tells its id only. It needs no cloud."
}

// pluggedIn is a board on a cable.
type pluggedIn struct {
	Board string `json:"board,omitempty"` // empty: the system does not tell
	Port  string `json:"port,omitempty"`
	State string `json:"state"`
	listening.Identity
}

// States of a board on a cable.
const (
	isListening = "listening"
	isRunning   = "not listening"
	isInDFU     = "DFU mode"
)

// Run shows the boards that are plugged in.
func (c *deviceIdentifyCmd) Run(ctx context.Context, t *terminal) error {
	boards, err := c.boards(ctx)
	switch {
	case err != nil:
		return err
	case c.JSON:
		return list(t, boards)
	case len(boards) == 0:
		return errNothingPlugged
	}
	var rows [][]string
	silent := false
	for _, b := range boards {
		id := b.ID.String()
		if b.ID.IsZero() {
			id = ""
		}
		rows = append(rows, []string{id, b.Board, b.State, b.DeviceOS, b.Port, b.MAC, b.IMEI, b.ICCID, b.Serial})
		silent = silent || b.State == isRunning
	}
	if err := t.table([]string{"ID", "BOARD", "STATE", "DEVICE OS", "PORT", "MAC", "IMEI", "ICCID", "SERIAL"}, rows); err != nil {
		return err
	}
	if silent {
		t.printf("To hear more of one that is not listening: hold MODE (or SETUP) for three seconds until its light blinks dark blue.\n")
	}
	return nil
}

var errNothingPlugged = errors.New("no board is plugged in: take a USB cable that carries data, and see whether the light of the board is on")

func (c *deviceIdentifyCmd) boards(ctx context.Context) (boards []pluggedIn, err error) {
	ports, err := portsOrThis(c.Port)
	if err != nil {
		return nil, err
	}
	for _, p := range ports {
		b, err := askPort(ctx, p)
		if err != nil && (c.Port != "" || !errors.Is(err, listening.ErrGone)) {
			return nil, err
		}
		boards = append(boards, b)
	}
	if c.Port != "" {
		return boards, nil
	}
	inDFU, _ := dfu.Tool{}.List(ctx) // without dfu-util there are none to be seen
	for _, b := range inDFU {
		boards = append(boards, pluggedIn{Board: b.Platform.Name, State: isInDFU, Identity: listening.Identity{ID: b.ID}})
	}
	return boards, nil
}

// portsOrThis returns the port that was named, or those of boards.
func portsOrThis(name string) ([]listening.Port, error) {
	ports, err := listening.Ports()
	if name == "" {
		return ports, err
	}
	for _, p := range ports {
		if p.Name == name {
			return []listening.Port{p}, nil
		}
	}
	return []listening.Port{{Name: name}}, nil
}

// askPort asks the board on a port who it is.
func askPort(ctx context.Context, p listening.Port) (pluggedIn, error) {
	b := pluggedIn{Board: p.Platform.Name, Port: p.Name, State: isListening, Identity: listening.Identity{ID: p.ID}}
	console, err := listening.Open(p.Name)
	if err != nil {
		return b, err
	}
	defer console.Close()
	identity, err := console.Identify(ctx)
	switch {
	case errors.Is(err, listening.ErrSilent):
		b.State = isRunning
		return b, nil
	case err != nil:
		return b, err
	}
	b.Identity = identity
	return b, nil
}

// choosePort returns the one port on which a board is, or the one of the board with the id.
func choosePort(ctx context.Context, name, id string) (listening.Port, error) {
	var wanted keys.DeviceID
	if id != "" {
		var err error
		if wanted, err = keys.ParseDeviceID(id); err != nil {
			return listening.Port{}, usageError{err}
		}
	}
	ports, err := portsOrThis(name)
	if err != nil {
		return listening.Port{}, err
	}
	var names []string
	for _, p := range ports {
		if p.ID == wanted && id != "" {
			return p, nil
		}
		names = append(names, strings.TrimSpace(p.Platform.Name+" on "+p.Name))
	}
	switch {
	case len(ports) == 1 && (ports[0].ID.IsZero() || id == ""):
		return ports[0], nil
	case len(ports) > 1:
		return listening.Port{}, fmt.Errorf("there is more than one board: %s; choose one with --port, or with --id", strings.Join(names, ", "))
	}
	if inDFU, _ := (dfu.Tool{}).List(ctx); len(inDFU) > 0 {
		return listening.Port{}, fmt.Errorf("%s is in DFU mode (blinking yellow): press RESET on it, then hold MODE (or SETUP) for three seconds until its light blinks dark blue", inDFU[0])
	}
	return listening.Port{}, errNothingPlugged
}
