package relay

import (
	"bytes"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

func TestARecordingIsKeptDownloadedAndReplayed(t *testing.T) {
	w := newWorld(t, func(c *Config) { c.Dir = t.TempDir() })
	w.admin(http.MethodPut, "/recordings/kitchen", `{"always":true}`, 200, nil)
	d := w.device(photon)
	d.say("1.5\n=cmd(),\"x\"\n\xff\n")
	w.eventually("the lines are here", func() bool { return w.relay.figures().Lines == 3 })
	w.admin(http.MethodDelete, "/recordings/kitchen", "", 200, nil)
	w.admin(http.MethodDelete, "/recordings/kitchen", "", 404, nil)
	var list []Recording
	w.eventually("the file is written", func() bool {
		w.admin(http.MethodGet, "/recordings", "", 200, &list)
		return len(list) == 1 && list[0].Bytes > 0
	})
	file := list[0].File
	get := func(query string) string {
		status, body, head := w.get(adminPrefix+"/recordings/"+file+query, "Authorization", "Bearer "+boss)
		if status != 200 || !strings.HasPrefix(head.Get("Content-Disposition"), "attachment") {
			t.Errorf("%s: %d %v", query, status, head)
		}
		return body
	}
	var lines []tapeLine
	readTape(strings.NewReader(get("")), func(e tapeLine) bool { lines = append(lines, e); return true })
	if len(lines) != 3 || *lines[0].Line != "1.5" || lines[2].Base64 != "/w==" || time.Since(time.UnixMilli(lines[0].T)) > bound {
		t.Errorf("the lines are %+v", lines)
	}
	rows := strings.Split(get("?format=csv"), "\r\n")
	if len(rows) != 5 || rows[0] != "time,line" || !strings.HasSuffix(rows[1], `,"1.5"`) || !strings.HasSuffix(rows[2], `,"'=cmd(),""x"""`) || !strings.HasSuffix(rows[3], `,"base64:/w=="`) {
		t.Errorf("the rows are %q", rows)
	}
	replayed, tagged := w.watch("/data/kitchen/replay"), w.watch("/relay/lines?channels=kitchen/replay")
	w.admin(http.MethodPost, "/recordings/"+file+"/replay", `{"speed":10}`, 200, nil)
	replayed.wantLines("1.5", "=cmd(),\"x\"", "\xff")
	if got := tagged.line(); !strings.HasPrefix(got, photon+"/replay\t") || !strings.HasSuffix(got, "\t1.5") {
		t.Errorf("tagged it is %q", got)
	}
	w.admin(http.MethodPost, "/recordings/"+file+"/replay", `{"speed":1000}`, 400, nil)
	for _, odd := range []string{"..%2frelay.json", "relay.json", file + ".x", photon + ".1.ndjson"} {
		w.admin(http.MethodGet, "/recordings/"+odd, "", 404, nil)
	}
}

// tapeOf writes a recording of the kitchen's channel without a goroutine.
func tapeOf(w *world) (tp *tape, write func(n int)) {
	c := w.relay.use(photon, "")
	tp = &tape{recorder: w.relay.recorder, channel: c}
	frame := appendFrame(nil, bytes.Repeat([]byte("x"), 60000))
	return tp, func(n int) {
		w.t.Helper()
		for range n {
			if err := tp.write([]batch{{n: 1, at: 1, frames: frame}}, 0); err != nil {
				w.t.Fatal(err)
			}
		}
	}
}

// recorded returns how many bytes recordings take, and the largest of them.
func recorded(w *world) (all, largest int64) {
	for _, r := range w.relay.recorder.list() {
		all += r.Bytes
		largest = max(largest, r.Bytes)
	}
	return all, largest
}

func TestRecordingsRotateWithinTheirBound(t *testing.T) {
	dir := t.TempDir()
	var room atomic.Int64
	room.Store(1 << 40)
	w := newWorld(t, func(c *Config) {
		c.Dir, c.MaxRecord, c.Room = dir, 20<<20, func(int64) int64 { return room.Load() }
	})
	tp, write := tapeOf(w)
	write(500) // 30 MB
	if all, largest := recorded(w); all > 20<<20 || all < 15<<20 || largest > 20<<20/8+1<<20 {
		t.Errorf("together they have %d bytes, the largest has %d", all, largest)
	}
	room.Store(4 << 20) // others need the disk
	write(18)
	if all, _ := recorded(w); all > 4<<20 || all < 1<<20 {
		t.Errorf("together they have %d bytes on a disk with room for 4 MB", all)
	}
	if got := w.relay.Recorded(); got > 4<<20 || got < 1<<20 {
		t.Errorf("the cloud is told of %d bytes", got)
	}
	if err := tp.close(); err != nil {
		t.Fatal(err)
	}
}

func TestARecordingWaitsForRoomAndSaysWhatItMissed(t *testing.T) {
	dir := t.TempDir()
	var room atomic.Int64
	w := newWorld(t, func(c *Config) { c.Dir, c.Room = dir, func(int64) int64 { return room.Load() } })
	tp, write := tapeOf(w)
	write(3)
	if all, _ := recorded(w); all != 0 || w.relay.list()[0].Failed != noRoom {
		t.Errorf("without room %d bytes are recorded, and said is %q", all, w.relay.list()[0].Failed)
	}
	room.Store(1 << 30)
	write(1) // it does not look again at once
	tp.again = time.Time{}
	write(1)
	if err := tp.flush(); err != nil {
		t.Fatal(err)
	}
	names := w.relay.recorder.list()
	text, err := os.ReadFile(filepath.Join(dir, "recordings", names[0].File))
	if lines := strings.Split(string(text), "\n"); err != nil || len(lines) != 3 || lines[0] != `{"t":1,"lost":4}` {
		t.Errorf("%v: %.80q", err, text)
	}
	if got := w.relay.list()[0].Failed; got != "" {
		t.Errorf("with room again: %q", got)
	}

	room.Store(0) // when all of them are not enough, they stay
	if _, err := w.relay.recorder.makeRoom(); err == nil || len(w.relay.recorder.list()) != 1 {
		t.Errorf("on a full disk: %v, %v", err, w.relay.recorder.list())
	}
	room.Store(1 << 30)
	if err := os.Remove(filepath.Join(dir, "recordings", names[0].File)); err != nil { // as another channel does that needs room
		t.Fatal(err)
	}
	if err := tp.flush(); err != nil {
		t.Fatal(err)
	}
	write(1)
	if list := w.relay.recorder.list(); len(list) != 1 {
		t.Errorf("behind a file that was removed: %v", list)
	}
}

func TestAReplayIsWatchedByNameAndNotAmongWhatIsNew(t *testing.T) {
	dir := t.TempDir()
	w := newWorld(t, func(c *Config) { c.Dir = dir })
	file := photon + ".7.ndjson"
	text := ""
	for i := range 3 {
		text += fmt.Sprintf(`{"t":%d,"line":"%d"}`+"\n", 1000+i*1000, i)
	}
	if err := os.WriteFile(filepath.Join(dir, "recordings", file), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	live, tagged, page := w.watch("/data"), w.watch("/relay/lines"), w.watch("/relay/lines?channels=kitchen/replay")
	began := time.Now()
	w.admin(http.MethodPost, "/recordings/"+file+"/replay", `{"speed":10}`, 200, nil)
	for i := range 3 {
		if got := page.line(); !strings.HasPrefix(got, photon+"/replay\t") || !strings.HasSuffix(got, fmt.Sprintf("\t%d", i)) {
			t.Errorf("the line is %q", got)
		}
	}
	if took := time.Since(began); took < 200*time.Millisecond {
		t.Errorf("two seconds are replayed in %v at 10x", took)
	}
	w.dial("POST /devices?stream=replay HTTP/1.0\r\nAuthorization: " + w.nonce(photon) + "\r\n\r\n").wantStatus(400)
	w.device(photon).say("now\n")
	live.wantLines("now")
	if got := tagged.line(); !strings.HasSuffix(got, "\tnow") {
		t.Errorf("among what is new there is %q", got)
	}
}

func TestACellIsNoFormula(t *testing.T) {
	for line, want := range map[string]string{
		"-1.5": `"-1.5"`, "-1.5, +2,3e4": `"-1.5, +2,3e4"`, "": `""`, `a "b"`: `"a ""b"""`, "kitchen=1": `"kitchen=1"`,
		"=1+1": `"'=1+1"`, "@SUM(A1)": `"'@SUM(A1)"`, "-1+cmd|' /C calc'!A0": `"'-1+cmd|' /C calc'!A0"`,
		"-1,cmd|' /C calc'!A0": `"'-1,cmd|' /C calc'!A0"`, "+1,=2": `"'+1,=2"`, "\t=1": "\"'\t=1\"",
	} {
		if got := csvCell(line); got != want {
			t.Errorf("%q is the cell %s, want %s", line, got, want)
		}
	}
}
