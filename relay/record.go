package relay

import (
	"cmp"
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"localcloud/cloud"
)

// Bounds of recordings.
const (
	maxTapeFile = 8 << 20 // bytes; then the next file begins, or after an eighth of what all may take
	maxTapes    = 64      // channels that are recorded at once
	flushPeriod = time.Second
	roomCheck   = 1 << 20 // bytes between two looks for room
	roomPeriod  = 10 * time.Second
	leastRoom   = 256 << 10 // with less for all recordings, nothing is recorded
)

// recorder writes recordings. It is safe for concurrent use.
type recorder struct {
	relay *Relay
	dir   string // empty: nothing can be recorded

	making chan struct{} // one place: who makes room has it
	held   atomic.Int64  // bytes of all recordings at the last look

	mu       sync.Mutex
	tapes    map[string]context.CancelFunc // by channel
	problems map[string]string             // by channel: why it is not recorded, though it should be
	replays  int
}

func newRecorder(r *Relay) (*recorder, error) {
	t := &recorder{relay: r, tapes: make(map[string]context.CancelFunc), problems: make(map[string]string), making: make(chan struct{}, 1)}
	if r.Dir == "" {
		return t, nil
	}
	t.dir = filepath.Join(r.Dir, "recordings")
	if err := os.MkdirAll(t.dir, 0o700); err != nil {
		return nil, err
	}
	for _, old := range t.list() {
		t.held.Add(old.Bytes)
	}
	return t, nil
}

// resume goes on with what is always recorded and what is public.
func (r *Relay) resume() {
	v := r.state.get()
	for _, name := range v.Always {
		if err := r.recorder.record(name); err != nil {
			r.log.Warn("not recorded", "channel", name, "err", err)
		}
	}
	for name, p := range v.Public {
		r.turnOn(name, p)
	}
}

// isRecording reports whether a channel is being recorded, and why nothing is written or the last recording of it ended by itself, if so.
func (t *recorder) isRecording(name string) (yes bool, failed string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.tapes[name] != nil, t.problems[name]
}

// Record begins to record a channel; with always also after every restart.
func (r *Relay) Record(name string, always bool) error {
	if err := r.recorder.record(name); err != nil {
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
	r.recorder.mu.Lock()
	stop := r.recorder.tapes[name]
	r.recorder.mu.Unlock()
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
	c := t.relay.use(device, stream)
	if c == nil {
		return errChannels
	}
	ctx, cancel, err := t.begin(name)
	if ctx == nil {
		t.relay.letGo(c)
		return err
	}
	v := c.join(0, nil)
	t.relay.work.Go(func() {
		defer t.relay.letGo(c)
		defer v.leave()
		err := t.run(ctx, c, v)
		cancel()
		t.mu.Lock()
		delete(t.tapes, name)
		delete(t.problems, name)
		t.mu.Unlock()
		if err != nil {
			t.tell(name, err.Error())
		}
	})
	return nil
}

// begin notes that a channel is being recorded. The context is nil when it is already, or cannot be.
func (t *recorder) begin(name string) (context.Context, context.CancelFunc, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.tapes[name] != nil {
		return nil, nil, nil
	}
	if len(t.tapes) >= maxTapes {
		return nil, nil, cloud.Errorf("record", cloud.Limited, "%d channels are being recorded already", maxTapes)
	}
	ctx, cancel := context.WithCancel(t.relay.context)
	t.tapes[name] = cancel
	delete(t.problems, name)
	return ctx, cancel, nil
}

// run writes a channel's lines until ctx ends or the disk fails.
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
			if err := tape.flush(); err != nil && tape.unless(err) != nil {
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

// makeRoom removes the oldest recordings until the rest and some more are
// within what they may take together, which it returns. What the disk is short of goes the same way. A file
// that is being written may be removed too: who writes it begins another.
func (t *recorder) makeRoom() (most int64, err error) {
	t.making <- struct{}{}
	defer func() { <-t.making }()
	list, held := t.list(), int64(0)
	for _, r := range list {
		held += r.Bytes
	}
	most = t.relay.MaxRecord
	if room := t.relay.Room; room != nil {
		most = min(most, room(held))
	}
	more := min(roomCheck, most/4)
	for _, r := range list {
		if held+more <= most || most <= 0 { // when all of them are not enough, removing them helps nobody
			break
		}
		if os.Remove(filepath.Join(t.dir, r.File)) == nil {
			held -= r.Bytes
		}
	}
	t.held.Store(held)
	if held+more > most || most < leastRoom {
		return 0, cloud.Errorf("record", cloud.NoSpace, noRoom)
	}
	return most, nil
}

// watch gives room back when the disk is short, also while nothing is recorded, until ctx ends.
func (t *recorder) watch(ctx context.Context) {
	look := time.NewTicker(roomPeriod)
	defer look.Stop()
	for {
		select {
		case <-look.C:
			t.makeRoom() // who records finds out by itself
		case <-ctx.Done():
			return
		}
	}
}

// Recorded returns how many bytes all recordings take, as they were when somebody looked last. It does not block.
func (r *Relay) Recorded() int64 { return r.recorder.held.Load() }

// tell notes what is wrong with the recording of a channel; empty: nothing.
func (t *recorder) tell(name, problem string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if problem == t.problems[name] {
		return
	}
	if problem == "" {
		delete(t.problems, name)
		return
	}
	t.problems[name] = problem
	t.relay.log.Warn("not recorded", "channel", name, "why", problem)
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
