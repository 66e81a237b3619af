package relay

import (
	"bufio"
	"cmp"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"localcloud/cloud"
)

// Bounds of recordings.
const (
	maxTapeFile  = 8 << 20 // bytes; then the next file begins
	maxTapes     = 64      // channels that are recorded at once
	maxReplays   = 16
	flushPeriod  = time.Second
	replayStream = "replay" // the stream that a replay goes into
	roomCheck    = 1 << 20  // bytes between two looks at the free space
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

// recorder writes recordings. It is safe for concurrent use.
type recorder struct {
	relay *Relay
	dir   string // empty: nothing can be recorded

	mu      sync.Mutex
	tapes   map[string]context.CancelFunc // by channel
	failed  map[string]string             // why the last recording of a channel ended
	replays int
}

func newRecorder(r *Relay) (*recorder, error) {
	t := &recorder{relay: r, tapes: make(map[string]context.CancelFunc), failed: make(map[string]string)}
	if r.Dir == "" {
		return t, nil
	}
	t.dir = filepath.Join(r.Dir, "recordings")
	return t, os.MkdirAll(t.dir, 0o700)
}

// resume goes on with what is always recorded and what is public.
func (r *Relay) resume() {
	v := r.state.get()
	for _, name := range v.Always {
		if err := r.tape.record(name); err != nil {
			r.log.Warn("not recorded", "channel", name, "err", err)
		}
	}
	for name, p := range v.Public {
		r.turnOn(name, p)
	}
}

// isRecording reports whether a channel is being recorded, and why the last recording of it ended by itself, if it did.
func (t *recorder) isRecording(name string) (yes bool, failed string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.tapes[name] != nil, t.failed[name]
}

// Record begins to record a channel; with always also after every restart.
func (r *Relay) Record(name string, always bool) error {
	if err := r.tape.record(name); err != nil {
		return err
	}
	if !always || slices.Contains(r.state.get().Always, name) {
		return nil
	}
	return r.state.change(func(v *remembered) error { v.Always = append(v.Always, name); return nil })
}

// StopRecord ends the recording of a channel.
func (r *Relay) StopRecord(name string) error {
	always := slices.Contains(r.state.get().Always, name)
	r.tape.mu.Lock()
	stop := r.tape.tapes[name]
	r.tape.mu.Unlock()
	if stop == nil && !always {
		return cloud.Errorf("record", cloud.NotExist, "this channel is not being recorded")
	}
	if stop != nil {
		stop()
	}
	if !always {
		return nil
	}
	return r.state.change(func(v *remembered) error {
		v.Always = slices.DeleteFunc(v.Always, func(other string) bool { return other == name })
		return nil
	})
}

// record begins to record a channel, unless it is being recorded.
func (t *recorder) record(name string) error {
	if t.dir == "" {
		return cloud.Errorf("record", cloud.Unsupported, "this relay has no folder to record into")
	}
	device, stream, _ := strings.Cut(name, "/")
	c := t.relay.channelOf(device, stream)
	if c == nil {
		return cloud.Errorf("record", cloud.Limited, "there are too many channels")
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.tapes[name] != nil {
		return nil
	}
	if len(t.tapes) >= maxTapes {
		return cloud.Errorf("record", cloud.Limited, "%d channels are being recorded already", maxTapes)
	}
	ctx, cancel := context.WithCancel(t.relay.context)
	t.tapes[name] = cancel
	delete(t.failed, name)
	v := c.join(0, nil)
	t.relay.work.Go(func() {
		defer v.leave()
		err := t.run(ctx, c, v)
		cancel()
		t.mu.Lock()
		delete(t.tapes, name)
		if err != nil {
			t.failed[name] = err.Error()
		}
		t.mu.Unlock()
		if err != nil {
			t.relay.log.Warn("recording ended", "channel", name, "err", err)
		}
	})
	return nil
}

// run writes a channel's lines until ctx ends or the disk has no room.
func (t *recorder) run(ctx context.Context, c *channel, v *viewer) (err error) {
	tape := &tape{recorder: t, channel: c}
	defer func() { err = errors.Join(err, tape.close()) }()
	flush := time.NewTicker(flushPeriod)
	defer flush.Stop()
	var batches []batch
	for {
		select {
		case <-v.bell:
		case <-flush.C:
			if err := tape.flush(); err != nil {
				return err
			}
			continue
		case <-ctx.Done():
			return nil
		}
		for {
			var lost uint64
			clear(batches)
			if batches, lost = v.take(batches[:0]); len(batches) == 0 && lost == 0 {
				break
			}
			if err := tape.write(batches, lost); err != nil {
				return err
			}
		}
	}
}

// tape is the file that is being written, for one goroutine.
type tape struct {
	recorder *recorder
	channel  *channel
	file     *os.File // nil: none yet
	out      *bufio.Writer
	size     int64
	checked  int64 // size at the last look at the free space
}

func (t *tape) write(batches []batch, lost uint64) error {
	if t.file != nil && t.size >= maxTapeFile {
		if err := t.close(); err != nil {
			return err
		}
	}
	if t.file == nil || t.size-t.checked >= roomCheck {
		if err := t.recorder.makeRoom(); err != nil {
			return err
		}
		t.checked = t.size
	}
	if t.file == nil {
		if err := t.open(); err != nil {
			return err
		}
	}
	if lost > 0 && len(batches) > 0 {
		t.append(tapeLine{T: batches[0].at, Lost: lost})
	}
	for i := range batches {
		frames := batches[i].frames
		for range batches[i].n {
			var line []byte
			line, frames = cutFrame(frames)
			entry := tapeLine{T: batches[i].at}
			if text := string(line); validText(line) {
				entry.Line = &text
			} else {
				entry.Base64 = base64.StdEncoding.EncodeToString(line)
			}
			t.append(entry)
		}
	}
	return nil
}

// append writes one entry; bufio keeps an error until the next flush.
func (t *tape) append(entry tapeLine) {
	b, _ := json.Marshal(entry) // numbers and text
	n, _ := t.out.Write(append(b, '\n'))
	t.size += int64(n)
}

func (t *tape) open() error {
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
		t.file, t.out, t.size, t.checked = f, bufio.NewWriterSize(f, 32<<10), 0, 0
		return nil
	}
}

func (t *tape) flush() error {
	if t.file == nil {
		return nil
	}
	return t.out.Flush()
}

func (t *tape) close() error {
	if t.file == nil {
		return nil
	}
	err := errors.Join(t.out.Flush(), t.file.Close())
	t.file = nil
	return err
}

// makeRoom removes the oldest recordings until the rest and one more file are within the bound.
func (t *recorder) makeRoom() error {
	if room := t.relay.Room; room != nil && !room() {
		return cloud.Errorf("record", cloud.NoSpace, "the disk has no room for recordings")
	}
	list := t.list()
	total := int64(0)
	for _, r := range list {
		total += r.Bytes
	}
	for len(list) > 1 && total+roomCheck > t.relay.MaxRecord {
		oldest := list[0]
		if err := os.Remove(filepath.Join(t.dir, oldest.File)); err != nil {
			return err
		}
		total -= oldest.Bytes
		list = list[1:]
	}
	return nil
}

// list returns the recordings, the oldest first.
func (t *recorder) list() []Recording {
	out := []Recording{}
	if t.dir == "" {
		return out
	}
	entries, _ := os.ReadDir(t.dir)
	for _, e := range entries {
		r, ok := parseTapeName(e.Name())
		if !ok {
			continue
		}
		if info, err := e.Info(); err == nil {
			r.Bytes = info.Size()
			out = append(out, r)
		}
	}
	slices.SortFunc(out, func(a, b Recording) int {
		return cmp.Or(a.Began.Compare(b.Began), strings.Compare(a.File, b.File))
	})
	return out
}

// open opens a recording by its name, which is never a path.
func (t *recorder) open(name string) (*os.File, Recording, error) {
	r, ok := parseTapeName(name)
	if !ok || t.dir == "" {
		return nil, r, cloud.Errorf("recording", cloud.NotExist, "there is no recording of that name")
	}
	f, err := os.Open(filepath.Join(t.dir, name))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, r, cloud.Errorf("recording", cloud.NotExist, "there is no recording of that name")
	}
	return f, r, err
}

// download writes a recording as NDJSON, as it is kept, or as CSV: time, line.
func (t *recorder) download(w http.ResponseWriter, name, format string) error {
	if format != "ndjson" && format != "csv" {
		return cloud.Errorf("recording", cloud.Invalid, "the format is ndjson or csv")
	}
	f, _, err := t.open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	h := w.Header()
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Content-Disposition", fmt.Sprintf("attachment; filename=%q", strings.TrimSuffix(name, ".ndjson")+"."+format))
	if format == "ndjson" {
		h.Set("Content-Type", "application/x-ndjson")
		io.Copy(w, f)
		return nil
	}
	h.Set("Content-Type", "text/csv; charset=utf-8")
	out := bufio.NewWriter(w)
	defer out.Flush()
	io.WriteString(out, "time,line\r\n")
	readTape(f, func(e tapeLine) bool {
		_, err := fmt.Fprintf(out, "%s,%s\r\n", time.UnixMilli(e.T).UTC().Format("2006-01-02T15:04:05.000Z"), csvCell(e.text()))
		return err == nil
	})
	return nil
}

// text is the line as a person may read it.
func (e *tapeLine) text() string {
	switch {
	case e.Line != nil:
		return *e.Line
	case e.Base64 != "":
		return "base64:" + e.Base64
	}
	return fmt.Sprintf("(%d lines lost)", e.Lost)
}

// csvCell quotes a device's text. A spreadsheet takes what begins with = + - @ for a formula, unless it is a number.
func csvCell(s string) string {
	if s != "" && strings.ContainsRune("=+-@\t\r", rune(s[0])) {
		if _, err := strconv.ParseFloat(strings.SplitN(s, ",", 2)[0], 64); err != nil {
			s = "'" + s
		}
	}
	return `"` + strings.ReplaceAll(s, `"`, `""`) + `"`
}

// readTape calls yield with each entry of a recording until it returns false. Damaged lines are passed over.
func readTape(f io.Reader, yield func(tapeLine) bool) {
	in := bufio.NewScanner(f)
	in.Buffer(nil, 4*maxMessage)
	for in.Scan() {
		var e tapeLine
		if json.Unmarshal(in.Bytes(), &e) == nil && !yield(e) {
			return
		}
	}
}

// Replay sends a recording once more, into the stream "replay" of its device,
// at a speed from 0.1 to 100 (0: 1). It returns the channel's name at once.
func (r *Relay) Replay(name string, speed float64) (channel string, err error) {
	if speed == 0 {
		speed = 1
	}
	if speed < 0.1 || speed > 100 {
		return "", cloud.Errorf("replay", cloud.Invalid, "the speed is 0.1 to 100")
	}
	f, rec, err := r.tape.open(name)
	if err != nil {
		return "", err
	}
	c := r.channelOf(rec.Device, replayStream)
	r.tape.mu.Lock()
	full := r.tape.replays >= maxReplays || c == nil
	if !full {
		r.tape.replays++
	}
	r.tape.mu.Unlock()
	if full {
		return "", errors.Join(f.Close(), cloud.Errorf("replay", cloud.Limited, "%d replays run already", maxReplays))
	}
	r.work.Go(func() {
		defer f.Close()
		r.replay(c, f, speed)
		r.tape.mu.Lock()
		defer r.tape.mu.Unlock()
		r.tape.replays--
	})
	return c.name(), nil
}

// replay publishes the entries of a recording at their pace.
func (r *Relay) replay(c *channel, f io.Reader, speed float64) {
	began, first := time.Now(), int64(0)
	readTape(f, func(e tapeLine) bool {
		if first == 0 {
			first = e.T
		}
		due := began.Add(time.Duration(float64(e.T-first) / speed * float64(time.Millisecond)))
		if wait := time.Until(due); wait > 0 && !r.pause(wait) {
			return false
		}
		line := []byte(e.text())
		if e.Base64 != "" {
			line, _ = base64.StdEncoding.DecodeString(e.Base64)
		}
		if e.Lost == 0 && len(line) > 0 {
			c.publish(batch{n: 1, at: time.Now().UnixMilli(), frames: appendFrame(nil, line), from: c})
		}
		return r.context.Err() == nil
	})
}
