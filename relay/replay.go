package relay

import (
	"bufio"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"localcloud/cloud"
)

const (
	maxReplays   = 16
	replayStream = "replay" // the stream that a replay goes into
)

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

// csvCell quotes a device's text. A spreadsheet takes what begins with = + - @ for a formula, unless all of it is numbers.
func csvCell(s string) string {
	if s != "" && strings.ContainsRune("=+-@\t\r", rune(s[0])) && !isNumbers(s) {
		s = "'" + s
	}
	return `"` + strings.ReplaceAll(s, `"`, `""`) + `"`
}

// isNumbers reports whether a line is numbers with commas between them, as sketches stream them.
func isNumbers(line string) bool {
	for field := range strings.SplitSeq(line, ",") {
		if _, err := strconv.ParseFloat(strings.TrimSpace(field), 64); err != nil {
			return false
		}
	}
	return true
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
	f, rec, err := r.recorder.open(name)
	if err != nil {
		return "", err
	}
	c := r.use(rec.Device, replayStream)
	if c == nil {
		return "", errors.Join(f.Close(), errChannels)
	}
	r.recorder.mu.Lock()
	full := r.recorder.replays >= maxReplays
	if !full {
		r.recorder.replays++
	}
	r.recorder.mu.Unlock()
	if full {
		r.letGo(c)
		return "", errors.Join(f.Close(), cloud.Errorf("replay", cloud.Limited, "%d replays run already", maxReplays))
	}
	r.work.Go(func() {
		defer f.Close()
		defer r.letGo(c)
		r.replay(c, f, speed)
		r.recorder.mu.Lock()
		defer r.recorder.mu.Unlock()
		r.recorder.replays--
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
			b := batch{n: 1, at: time.Now().UnixMilli(), frames: appendFrame(nil, line), from: c}
			c.publish(b)
			r.merged.publish(b) // for pages that show it beside others
		}
		return r.context.Err() == nil
	})
}
