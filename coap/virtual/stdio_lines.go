package virtual

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

const maxLine = 64 << 10

var errLineTooLong = fmt.Errorf("line of more than %d bytes", maxLine)

// inputLine is a line of the script, or why it could not be read.
type inputLine struct {
	number int // from 1
	text   []byte
	err    error
}

// readLines hands lines over, one by one. The channel is closed at the end of
// in, or at an error, which ends a script's input just the same.
func readLines(ctx context.Context, in io.Reader) <-chan inputLine {
	lines := make(chan inputLine)
	go func() {
		defer close(lines)
		r := bufio.NewReaderSize(in, maxLine+1) // and the end of the line
		for number := 1; ; number++ {
			text, err := readLine(r)
			if text == nil && err != nil && !errors.Is(err, errLineTooLong) {
				return
			}
			select {
			case lines <- inputLine{number, text, err}:
			case <-ctx.Done():
				return
			}
		}
	}()
	return lines
}

// readLine returns the next line without its end, or the last one that has no
// end. Of a line that is too long it returns an error, and goes to its end.
func readLine(r *bufio.Reader) ([]byte, error) {
	text, err := r.ReadSlice('\n')
	if errors.Is(err, bufio.ErrBufferFull) {
		for errors.Is(err, bufio.ErrBufferFull) {
			_, err = r.ReadSlice('\n')
		}
		return nil, errLineTooLong
	}
	if err != nil && len(text) == 0 {
		return nil, err
	}
	return append([]byte{}, bytes.TrimRight(text, "\r\n")...), nil
}

// What is written to a script.
type (
	outOnline struct {
		Ev string `json:"ev"`
		ID string `json:"id"`
	}
	outOffline struct {
		Ev string `json:"ev"`
	}
	outCall struct {
		Ev   string `json:"ev"`
		Name string `json:"name"`
		Arg  string `json:"arg"`
	}
	outEvent struct {
		Ev   string  `json:"ev"`
		Name string  `json:"name"`
		Data *string `json:"data"`
	}
	outPublished struct {
		Ev   string `json:"ev"`
		Name string `json:"name"`
	}
	outSignal struct {
		Ev string `json:"ev"`
		On bool   `json:"on"`
	}
	outError struct {
		Ev    string `json:"ev"`
		Error string `json:"error"`
		Line  int    `json:"line,omitempty"`
	}
)

// lineWriter writes lines on a goroutine of its own, so that a script that does
// not read holds up only who has something to say to it.
type lineWriter struct {
	out   io.Writer
	fail  context.CancelCauseFunc // told when out cannot be written
	lines chan outputLine
	done  chan struct{}
	err   error // once done is closed
}

type outputLine struct {
	text    []byte
	written chan<- struct{} // nil: nobody waits
}

func newLineWriter(out io.Writer, fail context.CancelCauseFunc) *lineWriter {
	return &lineWriter{out: out, fail: fail, lines: make(chan outputLine), done: make(chan struct{})}
}

// work writes each line with one Write, so nothing stays in a buffer. After an
// error it takes lines and drops them.
func (w *lineWriter) work() {
	defer close(w.done)
	for line := range w.lines {
		if w.err == nil {
			if _, err := w.out.Write(line.text); err != nil {
				w.err = fmt.Errorf("virtual: output: %w", err)
				w.fail(w.err)
			}
		}
		if line.written != nil {
			close(line.written)
		}
	}
}

// write hands v over to be written. It waits for the lines before it.
func (w *lineWriter) write(ctx context.Context, v any) { w.hand(ctx, v, nil) }

// writeNow returns when v is written.
func (w *lineWriter) writeNow(ctx context.Context, v any) {
	written := make(chan struct{})
	if !w.hand(ctx, v, written) {
		return
	}
	select {
	case <-written:
	case <-ctx.Done():
	}
}

func (w *lineWriter) hand(ctx context.Context, v any, written chan<- struct{}) bool {
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(v); err != nil { // cannot happen: strings, a number, a bool
		panic("virtual: " + err.Error())
	}
	if ctx.Err() != nil {
		return false // lines may be closed
	}
	select {
	case w.lines <- outputLine{text.Bytes(), written}:
		return true
	case <-ctx.Done():
		return false
	}
}

// close waits until everything is written, or ctx ends. Nobody writes any more.
func (w *lineWriter) close(ctx context.Context) error {
	close(w.lines)
	select {
	case <-w.done:
		return w.err
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
