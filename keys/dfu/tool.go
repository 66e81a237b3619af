package dfu

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"localcloud/keys"
)

// Tool calls dfu-util. The zero value calls the one in the PATH. One call at a time: boards share the bus.
type Tool struct {
	Program  string              // "": dfu-util
	Progress func(percent int)   // of a read or write; may be nil
	Trace    func(args []string) // told of every call before it is made; may be nil
}

// Bounds of one call. A slot takes well under a second; a board that hangs must not hang the command.
const (
	callTime  = 60 * time.Second
	killTime  = 5 * time.Second
	maxOutput = 256 << 10
)

// call runs dfu-util to its end and returns what it printed on both outputs. An interrupt of ctx ends it
// at once, except while it writes: see Write.
func (t Tool) call(ctx context.Context, args ...string) (string, error) {
	program, err := t.find()
	if err != nil {
		return "", err
	}
	if t.Trace != nil {
		t.Trace(args)
	}
	ctx, cancel := context.WithTimeout(ctx, callTime)
	defer cancel()
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Env = append(os.Environ(), "LC_ALL=C")
	cmd.WaitDelay = killTime
	detach(cmd) // Ctrl-C is for us: we end dfu-util when it is safe
	out := &output{progress: t.Progress}
	cmd.Stdout, cmd.Stderr = out, out
	err = cmd.Run()
	if ctx.Err() != nil {
		return out.text.String(), fmt.Errorf("dfu-util: %w", ctx.Err())
	}
	return out.text.String(), err
}

func (t Tool) find() (string, error) {
	name := t.Program
	if name == "" {
		name = "dfu-util"
	}
	path, err := exec.LookPath(name)
	if err != nil {
		return "", &Error{Problem: Missing}
	}
	return path, nil
}

// Read returns what a slot holds.
func (t Tool) Read(ctx context.Context, b Board, s keys.Slot) ([]byte, error) {
	data, err := t.read(ctx, b, s, "")
	var failed *Error
	if errors.As(err, &failed) && failed.Problem == Failed { // boards fail the first read now and then
		data, err = t.read(ctx, b, s, "")
	}
	return data, err
}

func (t Tool) read(ctx context.Context, b Board, s keys.Slot, option string) ([]byte, error) {
	dir, err := os.MkdirTemp("", "localcloud-dfu-") // mode 0700: it may be a private key
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	file := filepath.Join(dir, "slot.bin") // dfu-util refuses one that exists
	where := fmt.Sprintf("%d:%d%s", s.Address, s.Size, option)
	out, err := t.call(ctx, append(b.choose(), "-a", strconv.Itoa(s.Alt), "-s", where, "-U", file)...)
	data, readErr := os.ReadFile(file)
	switch {
	case err != nil && (option == "" || len(data) != s.Size):
		return nil, explain(out, err)
	case readErr != nil:
		return nil, explain(out, readErr)
	case len(data) != s.Size:
		return nil, &Error{Problem: Failed, Detail: fmt.Sprintf("the board gave %d of %d bytes", len(data), s.Size)}
	}
	return data, nil
}

// Write puts data into a slot, all of it. Once it has begun it is not interrupted by ctx: half a slot is worse
// than waiting the second that it takes.
func (t Tool) Write(ctx context.Context, b Board, s keys.Slot, data []byte) error {
	if len(data) != s.Size {
		return fmt.Errorf("dfu: %d bytes for a slot of %d", len(data), s.Size)
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "localcloud-dfu-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	file := filepath.Join(dir, "slot.bin")
	if err := os.WriteFile(file, data, 0o600); err != nil {
		return err
	}
	args := append(b.choose(), "-a", strconv.Itoa(s.Alt), "-s", strconv.Itoa(s.Address), "-D", file)
	if out, err := t.call(context.WithoutCancel(ctx), args...); err != nil {
		return explain(out, err)
	}
	return nil
}

// Leave makes the board leave DFU mode and start its firmware. It reads a byte and asks to leave
// behind it, so that nothing is written. ErrStays: the board is still in DFU mode.
func (t Tool) Leave(ctx context.Context, b Board, s keys.Slot) error {
	s.Size = 1
	t.Progress = nil
	_, err := t.read(ctx, b, s, ":leave")
	if ctx.Err() != nil {
		return err
	}
	// The board goes while dfu-util still talks to it, so its answer means little.
	for range 10 {
		boards, listErr := t.List(ctx)
		if listErr != nil || !contains(boards, b) {
			return listErr
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(300 * time.Millisecond):
		}
	}
	return errors.Join(ErrStays, err)
}

// ErrStays says that a board did not leave DFU mode.
var ErrStays = errors.New("the board stays in DFU mode: press its RESET button")

func contains(boards []Board, b Board) bool {
	for _, other := range boards {
		if other.Platform.DFU == b.Platform.DFU && other.Serial == b.Serial && other.Path == b.Path {
			return true
		}
	}
	return false
}

// output keeps what dfu-util prints and reports the percentages in it.
type output struct {
	text     bytes.Buffer
	progress func(int)
	last     int
}

// Write implements io.Writer.
func (o *output) Write(b []byte) (int, error) {
	if o.text.Len()+len(b) <= maxOutput {
		o.text.Write(b)
	}
	if percent, ok := percentage(b); ok && percent != o.last && o.progress != nil {
		o.last = percent
		o.progress(percent)
	}
	return len(b), nil
}

// percentage finds the last percentage in a piece of a progress bar: "Download\t[====   ]  42%   215 bytes".
func percentage(b []byte) (int, bool) {
	end := bytes.LastIndexByte(b, '%')
	if end < 0 {
		return 0, false
	}
	begin := end
	for begin > 0 && b[begin-1] >= '0' && b[begin-1] <= '9' {
		begin--
	}
	n, err := strconv.Atoi(string(b[begin:end]))
	return n, err == nil && n <= 100
}

// lines splits what was printed, at the carriage returns of progress bars too.
func lines(text string) []string {
	var out []string
	s := bufio.NewScanner(strings.NewReader(strings.ReplaceAll(text, "\r", "\n")))
	s.Buffer(nil, maxOutput)
	for s.Scan() {
		if line := strings.TrimSpace(s.Text()); line != "" {
			out = append(out, line)
		}
	}
	return out
}
