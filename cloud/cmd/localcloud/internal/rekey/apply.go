package rekey

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"
)

// Steps are what Apply needs beside the board.
type Steps struct {
	// Backup stores what the board holds and returns the backup's name, once it is on disk. nil: it is kept already.
	Backup func(ctx context.Context) (name string, err error)
	// Register makes the cloud know the board's key. It is not interrupted. nil: nothing to register.
	Register func(ctx context.Context) error
	// Say tells the person what happened, one line without its end.
	Say func(format string, args ...any)
}

// Bounds of what has to end although the person wants to stop.
const (
	undoTime     = 2 * time.Minute
	registerTime = time.Minute
)

// Undone is an error after which the board holds what it held before, and the registry too.
type Undone struct{ Err error }

func (e *Undone) Error() string {
	return fmt.Sprintf("%v; the board holds what it held before, and nothing was registered", e.Err)
}

// Unwrap returns the cause.
func (e *Undone) Unwrap() error { return e.Err }

// Between is an error after which the board holds something of both. The backup has all of what it held before.
type Between struct {
	Err    error  // what went wrong
	Undo   error  // why it could not be undone
	Backup string // empty: an older one, see device restore --list
}

func (e *Between) Error() string {
	return fmt.Sprintf("%v, and it could not be undone (%v): the board is half changed. Its backup %s is safe. "+
		"Plug it in again in DFU mode (blinking yellow), then run the same command again to go on, or to go back: localcloud device restore", e.Err, e.Undo, e.Backup)
}

// Unwrap returns the cause.
func (e *Between) Unwrap() error { return e.Err }

// Apply carries out a plan. It returns nil, an error before anything was written, an *Undone or a *Between.
func Apply(ctx context.Context, board Board, p Plan, s Steps) error {
	backup, err := p.store(ctx, s)
	if err != nil {
		return err
	}
	if err := p.write(ctx, board, s); err != nil {
		return p.undo(ctx, board, backup, err)
	}
	if s.Register != nil {
		// From here on it is quicker to end than to go back.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), registerTime)
		defer cancel()
		if err := s.Register(ctx); err != nil {
			return p.undo(ctx, board, backup, fmt.Errorf("the cloud did not take the board: %w", err))
		}
	}
	return nil
}

func (p Plan) store(ctx context.Context, s Steps) (string, error) {
	if s.Backup == nil || len(p.Changes) == 0 {
		return "", nil
	}
	name, err := s.Backup(ctx)
	if err != nil {
		return "", fmt.Errorf("there is no backup, so nothing was written: %w", err)
	}
	s.Say("backup %s of what it holds is stored, encrypted", name)
	return name, ctx.Err()
}

func (p Plan) write(ctx context.Context, board Board, s Steps) error {
	for _, c := range p.Changes {
		if err := ctx.Err(); err != nil {
			return err
		}
		s.Say("writing %s", c.What)
		if err := writeAndCompare(ctx, board, c, c.New); err != nil {
			return err
		}
	}
	if len(p.Changes) > 0 {
		s.Say("read back and compared: the same")
	}
	return ctx.Err()
}

func writeAndCompare(ctx context.Context, board Board, c Change, data []byte) error {
	if err := board.Write(ctx, c.Slot, data); err != nil {
		return fmt.Errorf("writing %s: %w", c.What, err)
	}
	got, err := board.Read(context.WithoutCancel(ctx), c.Slot)
	if err != nil {
		return fmt.Errorf("reading back %s: %w", c.What, err)
	}
	if !bytes.Equal(got, data) {
		return fmt.Errorf("%s: the board does not hold what was written", c.What)
	}
	return nil
}

// undo writes back what was there, where there is something else now.
func (p Plan) undo(ctx context.Context, board Board, backup string, cause error) error {
	if errors.Is(cause, context.Canceled) {
		cause = errors.New("interrupted")
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), undoTime)
	defer cancel()
	for _, c := range p.Changes {
		if now, err := board.Read(ctx, c.Slot); err == nil && bytes.Equal(now, c.Old) {
			continue
		}
		if err := writeAndCompare(ctx, board, c, c.Old); err != nil {
			return &Between{Err: cause, Undo: err, Backup: backup}
		}
	}
	return &Undone{Err: cause}
}
