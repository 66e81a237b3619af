package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	"localcloud/cloud/cmd/localcloud/internal/rekey"
	"localcloud/keys"
)

type deviceRestoreCmd struct {
	place
	ID       string `arg:"" optional:"" help:"Id of the board; without it the one that is in DFU mode."`
	List     bool   `help:"Show which backups there are, and change nothing."`
	Backup   string `help:"Take this backup; without it the latest of another cloud than this one." placeholder:"NAME"`
	CloudKey string `help:"Without a backup: give the board this server public key (PEM or DER), and no address, so that it looks where its firmware was built to look." placeholder:"FILE"`
	Host     string `help:"With --cloud-key: the address to look at." placeholder:"HOST"`
	DryRun   bool   `help:"Show what would be done, and change nothing."`
	Yes      bool   `short:"y" help:"Do not ask before writing."`
	JSON     bool   `name:"json" help:"With --list: print JSON."`
}

// keptBackup is a backup of a board, as --list prints it.
type keptBackup struct {
	ID       string `json:"id"`
	Platform string `json:"platform"`
	Backup   string `json:"backup"`
	Held     string `json:"held"` // which cloud the board knew, in words
}

// Help is the long text of --help.
func (*deviceRestoreCmd) Help() string {
	return "Gives a board back what it held before device rekey: after that it is on Particle's cloud again, or wherever it was. " +
		"The board is on a USB cable and in DFU mode (blinking yellow)."
}

// Run puts a backup back.
func (c *deviceRestoreCmd) Run(ctx context.Context, t *terminal) error {
	if c.CloudKey != "" && c.Backup != "" || c.Host != "" && c.CloudKey == "" {
		return usagef("--backup and --cloud-key: choose one; --host goes with --cloud-key")
	}
	return c.with(ctx, needData, func(conn *connection) error {
		if c.List {
			return c.list(ctx, t, conn)
		}
		tool := dfuTool(t)
		board, err := chooseBoard(ctx, tool, c.ID)
		if err != nil {
			return err
		}
		cable := onCable{tool, board}
		held, err := rekey.Look(ctx, cable, board.ID, board.Platform)
		if err != nil {
			return err
		}
		plan, what, err := c.plan(ctx, conn, held)
		if err != nil {
			return err
		}
		t.printf("%s %s, in DFU mode\n  it gets back %s\n", board.Platform.Name, board.ID, clean(what))
		for _, change := range plan.Changes {
			t.printf("  to be written: %s (%d bytes at %d)\n", change.What, change.Slot.Size, change.Slot.Address)
		}
		if len(plan.Changes) == 0 {
			t.printf("  it holds all of that already: nothing to write\n")
		}
		if c.DryRun {
			t.printf("Nothing was changed.\n")
			return nil
		}
		if !confirm(t, c.Yes) {
			return errors.New("nothing was changed")
		}
		if err := c.apply(ctx, t, conn, cable, plan); err != nil {
			return err
		}
		restart(context.WithoutCancel(ctx), t, tool, held, board)
		t.printf("It is what it was. It stays in this cloud's list of devices until: localcloud device remove %s\n", board.ID)
		return nil
	})
}

// apply writes. What the board holds now is kept first, unless it is half of something.
func (c *deviceRestoreCmd) apply(ctx context.Context, t *terminal, conn *connection, cable onCable, p rekey.Plan) error {
	kept, err := conn.Boards(ctx)
	if err != nil {
		return err
	}
	steps := rekey.Steps{Say: func(format string, args ...any) { t.printf("  "+format+"\n", args...) }}
	was := kept.Find(p.Held.ID)
	if halfWritten(was) == "" {
		steps.Backup = backupOf(conn, p.Held, kept.Recipient)
	}
	if err := rekey.Apply(ctx, cable, p, steps); err != nil || was.Given == nil {
		return err
	}
	was.Given.Writing = ""
	return conn.SetGiven(context.WithoutCancel(ctx), *was.Given)
}

// plan finds what the board shall get back, and says it in words.
func (c *deviceRestoreCmd) plan(ctx context.Context, conn *connection, held rekey.Held) (rekey.Plan, string, error) {
	if c.CloudKey != "" {
		return c.planKey(held)
	}
	backup, name, err := c.backup(ctx, conn, held)
	if err != nil {
		return rekey.Plan{}, "", err
	}
	plan, err := rekey.PlanBack(held, backup)
	slot, slotErr := backup.ServerSlot()
	was := rekey.Held{Server: slot, ServerErr: slotErr}
	return plan, fmt.Sprintf("%s (backup %s)", was.ServerText(rekey.Own{}), name), err
}

func (c *deviceRestoreCmd) planKey(held rekey.Held) (rekey.Plan, string, error) {
	text, err := os.ReadFile(c.CloudKey)
	if err != nil {
		return rekey.Plan{}, "", err
	}
	slot := keys.ServerSlot{Address: keys.Address{Host: c.Host}}
	// Key files of particle-cli hold an address too, behind the key.
	if whole, err := held.Layout.ParseServerSlot(text); err == nil {
		slot = whole
		if c.Host != "" {
			slot.Address = keys.Address{Host: c.Host}
		}
	} else if slot.Key, err = keys.ParseServerKey(text); err != nil {
		return rekey.Plan{}, "", fmt.Errorf("%s: %w", c.CloudKey, err)
	}
	plan, err := rekey.PlanServer(held, slot)
	was := rekey.Held{Server: slot}
	return plan, was.ServerText(rekey.Own{}), err
}

// backup returns the named backup, or the latest one in which the board knew another cloud.
func (c *deviceRestoreCmd) backup(ctx context.Context, conn *connection, held rekey.Held) (keys.Backup, string, error) {
	kept, err := conn.Boards(ctx)
	if err != nil {
		return keys.Backup{}, "", err
	}
	names := kept.Find(held.ID).Backups
	if len(names) == 0 {
		return keys.Backup{}, "", fmt.Errorf("there is no backup of %s here. With a copy of the cloud's public key it goes without: "+
			"localcloud device restore --cloud-key FILE; or with internet: particle keys server", held.ID)
	}
	if c.Backup == "" {
		c.Backup = halfWritten(kept.Find(held.ID))
	}
	if c.Backup != "" {
		b, err := conn.Backup(ctx, held.ID, c.Backup)
		return b, c.Backup, err
	}
	own, err := keysOf(ctx, conn, held.Layout.Transport)
	if err != nil {
		return keys.Backup{}, "", err
	}
	for i := len(names) - 1; i >= 0; i-- {
		b, err := conn.Backup(ctx, held.ID, names[i])
		if err != nil {
			return keys.Backup{}, "", err
		}
		if slot, err := b.ServerSlot(); err == nil && !own.Is(slot.Key) && !slot.Key.IsZero() {
			return b, names[i], nil
		}
	}
	b, err := conn.Backup(ctx, held.ID, names[0])
	return b, names[0], err
}

// list shows the backups.
func (c *deviceRestoreCmd) list(ctx context.Context, t *terminal, conn *connection) error {
	kept, err := conn.Boards(ctx)
	if err != nil {
		return err
	}
	var found []keptBackup
	for _, board := range kept.Boards {
		for _, name := range board.Backups {
			if c.ID != "" && c.ID != board.ID.String() {
				continue
			}
			b, err := conn.Backup(ctx, board.ID, name)
			if err != nil {
				return err
			}
			slot, slotErr := b.ServerSlot()
			was := rekey.Held{Server: slot, ServerErr: slotErr}
			found = append(found, keptBackup{board.ID.String(), b.Platform, name, was.ServerText(rekey.Own{})})
		}
	}
	return listing[keptBackup]{
		[]string{"ID", "BOARD", "BACKUP", "IT HELD"},
		func(b keptBackup) []string { return []string{b.ID, b.Platform, b.Backup, b.Held} },
		"There is no backup of a board yet; device rekey makes one each time before it writes.",
	}.show(t, found, c.JSON)
}
