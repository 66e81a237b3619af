package relay

import (
	"bufio"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"syscall"
	"time"

	"localcloud/cloud"
)

// Recording is one file: the lines of one channel for a while.
type Recording struct {
	File   string    `json:"file"`
	Device string    `json:"device"`
	Stream string    `json:"stream,omitempty"`
	Began  time.Time `json:"began"`
	Bytes  int64     `json:"bytes"`
}

// A recording is a file of lines, each a JSON object:
//
//	{"t":<milliseconds since 1970>,"line":"<text>"}
//	{"t":...,"base64":"..."}      where the line is not UTF-8
//	{"t":...,"lost":<lines>}      where the disk was too slow
//
// Its name is DEVICE[.STREAM].BEGIN.ndjson, BEGIN in milliseconds since 1970.
type tapeLine struct {
	T      int64   `json:"t"`
	Line   *string `json:"line,omitempty"`
	Base64 string  `json:"base64,omitempty"`
	Lost   uint64  `json:"lost,omitempty"`
}

var tapeName = regexp.MustCompile(`^([0-9a-f]{24})(?:\.([A-Za-z0-9_-]{1,32}))?\.(\d{1,15})\.ndjson$`)

func parseTapeName(name string) (r Recording, ok bool) {
	m := tapeName.FindStringSubmatch(name)
	if m == nil {
		return r, false
	}
	ms, err := strconv.ParseInt(m[3], 10, 64)
	return Recording{File: name, Device: m[1], Stream: m[2], Began: time.UnixMilli(ms).UTC()}, err == nil
}

// tape writes the recording of one channel, for one goroutine. While there is no room it counts what it misses.
type tape struct {
	recorder *recorder
	channel  *channel
	file     *os.File // nil: none yet
	out      *bufio.Writer
	size     int64
	full     int64  // size at which the next file begins
	checked  int64  // size at the last look for room
	waiting  uint64 // lines in out
	missed   uint64
	again    time.Time // when to look for room again
}

// write writes lines, and before them how many were lost.
func (t *tape) write(batches []batch, lost uint64) error {
	if err := t.ready(); err != nil {
		for i := range batches {
			t.missed += uint64(batches[i].n)
		}
		t.missed += lost
		return t.unless(err)
	}
	if lost += t.missed; lost > 0 && len(batches) > 0 {
		t.append(tapeLine{T: batches[0].at, Lost: lost})
		t.missed = 0
	}
	for i := range batches {
		frames := batches[i].frames
		for range batches[i].n {
			var line []byte
			line, frames = cutFrame(frames)
			t.append(entryOf(line, batches[i].at))
		}
	}
	return nil
}

// unless returns an error, unless it is that there is no room: that one is told, and the recording goes on when there is.
func (t *tape) unless(err error) error {
	if cloud.KindOf(err) != cloud.NoSpace && !errors.Is(err, syscall.ENOSPC) {
		return err
	}
	t.recorder.tell(t.channel.name(), noRoom)
	t.again = time.Now().Add(flushPeriod)
	return nil
}

const noRoom = "there is no room for recordings now"

// ready sees to it that there is a file with room.
func (t *tape) ready() error {
	if t.file != nil && t.size >= t.full {
		if err := t.close(); err != nil {
			return err
		}
	}
	if time.Now().Before(t.again) {
		return cloud.Errorf("record", cloud.NoSpace, noRoom)
	}
	if t.file != nil && t.size-t.checked < roomCheck {
		return nil
	}
	most, err := t.recorder.makeRoom()
	if err == nil {
		err = t.flush() // which also finds out whether the file has just been removed
	}
	if err != nil {
		return err
	}
	t.checked = t.size
	if t.file == nil {
		return t.open(most)
	}
	return nil
}

func entryOf(line []byte, at int64) tapeLine {
	if text := string(line); validText(line) {
		return tapeLine{T: at, Line: &text}
	}
	return tapeLine{T: at, Base64: base64.StdEncoding.EncodeToString(line)}
}

// append writes one entry; bufio keeps an error until the next flush.
func (t *tape) append(entry tapeLine) {
	b, _ := json.Marshal(entry) // numbers and text
	n, _ := t.out.Write(append(b, '\n'))
	t.size += int64(n)
	t.waiting++
}

// open begins a file, when all recordings may take most bytes.
func (t *tape) open(most int64) error {
	name := t.channel.device
	if t.channel.stream != "" {
		name += "." + t.channel.stream
	}
	for ms := time.Now().UnixMilli(); ; ms++ {
		path := filepath.Join(t.recorder.dir, name+"."+strconv.FormatInt(ms, 10)+".ndjson")
		f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
		if errors.Is(err, fs.ErrExist) {
			continue
		}
		if err != nil {
			return err
		}
		t.file, t.out = f, bufio.NewWriterSize(f, 32<<10)
		t.size, t.checked, t.full = 0, 0, min(maxTapeFile, most/8)
		t.recorder.tell(t.channel.name(), "")
		return nil
	}
}

// flush writes what waits. A file that was removed to make room is given up: the next line begins another.
func (t *tape) flush() error {
	if t.file == nil {
		return nil
	}
	if err := t.out.Flush(); err != nil {
		t.missed += t.waiting
		t.file.Close()
		t.file, t.waiting = nil, 0
		return err
	}
	t.waiting = 0
	if _, err := os.Stat(t.file.Name()); errors.Is(err, fs.ErrNotExist) {
		return t.close()
	}
	return nil
}

func (t *tape) close() error {
	if t.file == nil {
		return nil
	}
	err := errors.Join(t.out.Flush(), t.file.Close())
	t.file, t.waiting = nil, 0
	return err
}
