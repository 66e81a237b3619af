package main

import (
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"localcloud/keys"
	"localcloud/keys/dfu"
)

// roll is the list of --names: who gets a name by id, and who by turn.
type roll struct {
	byID  map[keys.DeviceID]label
	turns []label
}

// readRoll reads lines NAME, or ID,NAME, or ID,NAME,USER. An empty ID, as in ",NAME,USER", means: by turn.
func readRoll(path string) (roll, error) {
	r := roll{byID: map[keys.DeviceID]label{}}
	if path == "" {
		return r, nil
	}
	f, err := os.Open(path)
	if err != nil {
		return r, err
	}
	defer f.Close()
	lines := csv.NewReader(f)
	lines.FieldsPerRecord, lines.TrimLeadingSpace, lines.Comment = -1, true, '#'
	for {
		fields, err := lines.Read()
		if errors.Is(err, io.EOF) {
			return r, nil
		}
		if err == nil {
			err = r.add(fields)
		}
		if err != nil {
			line, _ := lines.FieldPos(0)
			return r, usagef("%s, line %d: %w", path, line, err)
		}
	}
}

func (r *roll) add(fields []string) error {
	for i := range fields {
		fields[i] = strings.TrimSpace(fields[i])
	}
	if len(fields) == 1 {
		fields = []string{"", fields[0]}
	}
	l := label{name: fields[1]}
	if len(fields) == 3 {
		l.user = fields[2]
	}
	switch id, err := keys.ParseDeviceID(fields[0]); {
	case len(fields) > 3:
		return errors.New("more than ID,NAME,USER")
	case strings.EqualFold(fields[0], "id"): // the header
	case l.name == "":
		return errors.New("there is no name")
	case fields[0] == "":
		r.turns = append(r.turns, l)
	case err != nil:
		return err
	default:
		r.byID[id] = l
	}
	return nil
}

// next returns what a board shall be called.
func (r *roll) next(id keys.DeviceID) label {
	if l, ok := r.byID[id]; ok || len(r.turns) == 0 {
		return l
	}
	l := r.turns[0]
	r.turns = r.turns[1:]
	return l
}

// lookForBoards is how often the USB ports are looked at.
const lookForBoards = 500 * time.Millisecond

// many connects one board after another until it is interrupted.
func (c *deviceRekeyCmd) many(ctx context.Context, t *terminal, conn *connection) error {
	names, err := readRoll(c.Names)
	if err != nil {
		return err
	}
	tool := dfuTool(t)
	t.printf("Plug in one board after another, each in DFU mode (blinking yellow). Ctrl-C ends it.\n")
	good, bad := 0, 0
	done := map[string]bool{} // by port and serial number, while it stays in DFU mode
	often := time.NewTicker(lookForBoards)
	defer often.Stop()
	for {
		boards, err := tool.List(ctx)
		if err != nil && ctx.Err() == nil {
			return err
		}
		here := map[string]bool{}
		for _, b := range boards {
			who := b.Path + " " + b.Serial
			if here[who] = true; done[who] || ctx.Err() != nil {
				continue
			}
			done[who] = true
			if c.oneOfMany(ctx, t, conn, tool, b, &names) {
				good++
			} else {
				bad++
			}
		}
		for who := range done {
			if !here[who] {
				delete(done, who) // unplugged, or started: it may come again
			}
		}
		select {
		case <-ctx.Done():
			t.printf("%d boards connected, %d not\n", good, bad)
			if bad > 0 {
				return errSaid
			}
			return nil
		case <-often.C:
		}
	}
}

func (c *deviceRekeyCmd) oneOfMany(ctx context.Context, t *terminal, conn *connection, tool dfu.Tool, b dfu.Board, names *roll) bool {
	if b.ID.IsZero() {
		t.printf("%v\n", errNoID(b))
		return false
	}
	l := names.next(b.ID)
	err := c.one(ctx, t, conn, tool, b, l)
	if err != nil {
		fmt.Fprintf(t.out, "%s: %v\n", b, err)
	}
	return err == nil
}
