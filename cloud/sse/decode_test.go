package sse

import (
	"bytes"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"time"
)

// read returns all events of a stream as "id|event|data", and what ended it.
func read(r io.Reader) (events []string, err error) {
	s := NewReader(r)
	for {
		ev, err := s.Next()
		if err != nil {
			return events, err
		}
		events = append(events, ev.ID+"|"+ev.Event+"|"+string(ev.Data))
	}
}

func TestReadsWhatTheStandardDescribes(t *testing.T) {
	tests := []struct {
		what, stream string
		want         []string
	}{
		{"one event", "event: e\ndata: 1\n\n", []string{"|e|1"}},
		{"no space after the colon", "event:e\ndata:1\n\n", []string{"|e|1"}},
		{"only one space goes", "data:  1\n\n", []string{"|| 1"}},
		{"CR LF", "event: e\r\ndata: 1\r\n\r\n", []string{"|e|1"}},
		{"CR", "event: e\rdata: 1\r\rdata: 2\r\r", []string{"|e|1", "||2"}},
		{"mixed ends", "data: 1\r\n\ndata: 2\n\r\ndata: 3\r\r\n", []string{"||1", "||2", "||3"}},
		{"byte order mark", "\ufeffdata: 1\n\n", []string{"||1"}},
		{"a second mark is part of a field's name", "\ufeff\ufeffdata: 1\n\n", nil},
		{"preamble, comments, keep-alives", ":ok\n\n\n: x\ndata: 1\n:\n\n\n\n", []string{"||1"}},
		{"several data lines", "data: 1\ndata\ndata: 3\n\n", []string{"||1\n\n3"}},
		{"an empty data line is data", "data:\n\n", []string{"||"}},
		{"no data, no event", "event: e\nid: 4\n\ndata: 1\n\n", []string{"4||1"}},
		{"the last of several names", "event: a\nevent: b\ndata: 1\n\n", []string{"|b|1"}},
		{"data before event", "data: 1\nevent: e\n\n", []string{"|e|1"}},
		{"an id stays", "id: 7\ndata: 1\n\ndata: 2\n\nid\ndata: 3\n\n", []string{"7||1", "7||2", "||3"}},
		{"an id with NUL is none", "id: 7\ndata: 1\n\nid: 8\x00\ndata: 2\n\n", []string{"7||1", "7||2"}},
		{"unknown fields", "x: 1\ndata: 1\nDATA: 2\n data: 3\n\n", []string{"||1"}},
		{"an incomplete event is dropped", "data: 1\n\ndata: 2\n", []string{"||1"}},
		{"nothing", "", nil},
	}
	for _, tt := range tests {
		for name, r := range map[string]io.Reader{
			"at once":      strings.NewReader(tt.stream),
			"byte by byte": iotest.OneByteReader(strings.NewReader(tt.stream)),
		} {
			got, err := read(r)
			if !slices.Equal(got, tt.want) || err != io.EOF {
				t.Errorf("%s, %s: got %q, %v, want %q", tt.what, name, got, err, tt.want)
			}
		}
	}
}

func TestLastIDAndRetry(t *testing.T) {
	s := NewReader(strings.NewReader("id: 1\nretry: 2500\ndata: x\n\nid: 2\nretry: -3\nretry: 1s\nretry:\n\nid: 3\ndata: lost\n"))
	if _, err := s.Next(); err != nil {
		t.Fatal(err)
	}
	if s.LastID() != "1" || s.Retry() != 2500*time.Millisecond {
		t.Errorf("after the first event: id %q, retry %v", s.LastID(), s.Retry())
	}
	if _, err := s.Next(); err != io.EOF {
		t.Fatal(err)
	}
	if s.LastID() != "2" || s.Retry() != 2500*time.Millisecond {
		t.Errorf("at the end: id %q, retry %v; an event without data moves the id, an incomplete one does not", s.LastID(), s.Retry())
	}
}

func TestEventIsThereBeforeTheNextByte(t *testing.T) {
	for _, stream := range []string{"data: 1\n\n", "data: 1\r\r", "data: 1\r\n\r"} {
		r := io.MultiReader(strings.NewReader(stream), iotest.ErrReader(errors.New("it waits for another byte")))
		if ev, err := NewReader(r).Next(); err != nil || string(ev.Data) != "1" {
			t.Errorf("%q: got %q, %v", stream, ev.Data, err)
		}
	}
}

func TestReadErrorEndsTheStreamForGood(t *testing.T) {
	broken := errors.New("connection reset")
	s := NewReader(io.MultiReader(strings.NewReader("data: 1\n\ndata: 2\n"), iotest.ErrReader(broken)))
	if _, err := s.Next(); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if _, err := s.Next(); err != broken {
			t.Errorf("got %v, want %v", err, broken)
		}
	}
}

// endless repeats a text for ever and counts what was taken.
type endless struct {
	text  string
	taken int
}

func (e *endless) Read(b []byte) (int, error) {
	n := copy(b, strings.Repeat(e.text, len(b)/len(e.text)+1))
	n -= n % len(e.text)
	e.taken += n
	return n, nil
}

func TestSizeIsBounded(t *testing.T) {
	for what, text := range map[string]string{
		"one long line": "data: x", "many data lines": "data: x\n", "many empty data lines": "data\n", "a long comment": ":x",
	} {
		e := &endless{text: text}
		s := NewReader(e)
		if _, err := s.Next(); err != ErrTooLong {
			t.Errorf("%s: got %v", what, err)
		}
		taken := e.taken
		if _, err := s.Next(); err != ErrTooLong || e.taken != taken {
			t.Errorf("%s: it went on to read: %v", what, err)
		}
		if taken > 10*MaxEvent {
			t.Errorf("%s: took %d bytes", what, taken)
		}
	}
	line := "data: " + strings.Repeat("x", MaxLine-len("data: ")) + "\n\n"
	if got, err := read(strings.NewReader(line)); len(got) != 1 || err != io.EOF {
		t.Errorf("the longest line that is allowed: %d events, %v", len(got), err)
	}
}

func TestDataIsTheCallers(t *testing.T) {
	s := NewReader(strings.NewReader("data: first\n\ndata: SECOND\n\n"))
	first, _ := s.Next()
	s.Next()
	if string(first.Data) != "first" {
		t.Errorf("the next event overwrote it: %q", first.Data)
	}
}

// FuzzDecode: no stream makes the Reader panic or loop, and it does not
// matter in which pieces it comes.
func FuzzDecode(f *testing.F) {
	f.Add([]byte(":ok\n\nid: 1\nevent: e\ndata: {\"data\":\"1\"}\n\n\n"))
	f.Add([]byte("\ufeffdata: 1\r\n\r\rretry: 5\rid: \x00\n\n"))
	f.Add([]byte("data\ndata:\n\n:\n\n"))
	f.Fuzz(func(t *testing.T, stream []byte) {
		whole, err1 := read(bytes.NewReader(stream))
		pieces, err2 := read(iotest.OneByteReader(bytes.NewReader(stream)))
		if !slices.Equal(whole, pieces) || err1 != err2 {
			t.Errorf("at once %q, %v; byte by byte %q, %v", whole, err1, pieces, err2)
		}
		unix := strings.NewReplacer("\r\n", "\n", "\r", "\n").Replace(string(stream))
		if lf, err := read(strings.NewReader(unix)); !slices.Equal(whole, lf) || err != err1 {
			t.Errorf("%q, with LF only: %q, %v", whole, lf, err)
		}
	})
}
