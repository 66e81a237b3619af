package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"
	"unicode"

	"golang.org/x/term"
)

// terminal is where a command reads and writes. Only serve and demo write from more than one goroutine, and only to err.
type terminal struct {
	in  io.Reader
	out io.Writer
	err io.Writer
}

// isTerminal reports whether a person sits at the other end of r or w.
func isTerminal(v any) bool {
	f, ok := v.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// json prints v in one line, and for a person in several.
func (t *terminal) json(v any) error {
	e := json.NewEncoder(t.out)
	e.SetEscapeHTML(false)
	if isTerminal(t.out) {
		e.SetIndent("", "  ")
	}
	return e.Encode(v)
}

// list is json for lists: nothing is [], not null.
func list[T any](t *terminal, items []T) error {
	if items == nil {
		items = []T{}
	}
	return t.json(items)
}

// listing is how a command shows a list to people.
type listing[T any] struct {
	header []string
	row    func(T) []string
	none   string // the line in its place when the list is empty; "" is the header alone
}

// show prints the list, as JSON where that is wanted.
func (l listing[T]) show(t *terminal, items []T, asJSON bool) error {
	switch {
	case asJSON:
		return list(t, items)
	case len(items) == 0 && l.none != "":
		t.printf("%s\n", l.none)
		return nil
	}
	var rows [][]string
	for _, item := range items {
		rows = append(rows, l.row(item))
	}
	return t.table(l.header, rows)
}

// table prints rows under a header. What a cell holds is made harmless.
func (t *terminal) table(header []string, rows [][]string) error {
	w := tabwriter.NewWriter(t.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, strings.Join(header, "\t"))
	for _, row := range rows {
		for i, cell := range row {
			if row[i] = clean(cell); row[i] == "" {
				row[i] = "-"
			}
		}
		fmt.Fprintln(w, strings.Join(row, "\t"))
	}
	return w.Flush()
}

func (t *terminal) printf(format string, args ...any) { fmt.Fprintf(t.out, format, args...) }

// clean makes a text that a device or another user wrote harmless on a
// terminal: what is not a printable character is shown as its escape.
func clean(s string) string {
	if strings.IndexFunc(s, hostile) < 0 {
		return s
	}
	var b strings.Builder
	for _, r := range s {
		if hostile(r) {
			q := strconv.QuoteRuneToASCII(r)
			b.WriteString(q[1 : len(q)-1])
			continue
		}
		b.WriteRune(r)
	}
	return b.String()
}

func hostile(r rune) bool { return !unicode.IsPrint(r) || r == unicode.ReplacementChar }

// ago is how long t is past, in one unit.
func ago(t *time.Time) string {
	if t == nil || t.IsZero() {
		return "never"
	}
	return short(time.Since(*t)) + " ago"
}

// short is a duration in one unit.
func short(d time.Duration) string {
	switch {
	case d < 2*time.Minute:
		return fmt.Sprintf("%d s", max(0, int(d.Seconds())))
	case d < 2*time.Hour:
		return fmt.Sprintf("%d min", int(d.Minutes()))
	case d < 48*time.Hour:
		return fmt.Sprintf("%d h", int(d.Hours()))
	}
	return fmt.Sprintf("%d days", int(d.Hours()/24))
}

func yesNo(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}

// maxPassword bounds a line of standard input that holds a password.
const maxPassword = 1024

// password reads a password: one line of standard input, or typed twice.
func (t *terminal) password(fromStdin bool) (string, error) {
	if fromStdin {
		line, err := bufio.NewReader(io.LimitReader(t.in, maxPassword+2)).ReadString('\n')
		if err != nil && err != io.EOF {
			return "", fmt.Errorf("password from standard input: %w", err)
		}
		line = strings.TrimRight(line, "\r\n")
		if line == "" {
			return "", usagef("there is no password on standard input; like this: echo 'a long one' | localcloud ... --password-stdin")
		}
		return line, nil
	}
	f, ok := t.in.(*os.File)
	if !ok || !isTerminal(f) {
		return "", usagef("there is no terminal to ask for a password; give it on standard input with --password-stdin")
	}
	first, err := t.ask(f, "Password: ")
	if err != nil {
		return "", err
	}
	again, err := t.ask(f, "The same again: ")
	if err != nil {
		return "", err
	}
	if first != again {
		return "", usagef("the two passwords differ; nothing was changed")
	}
	return first, nil
}

func (t *terminal) ask(f *os.File, prompt string) (string, error) {
	fmt.Fprint(t.err, prompt)
	b, err := term.ReadPassword(int(f.Fd()))
	fmt.Fprintln(t.err)
	return string(b), err
}
