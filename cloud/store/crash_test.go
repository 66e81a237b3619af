package store

import (
	"bufio"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"testing"

	"localcloud/cloud"
)

// The crash test runs this test binary again as a child that writes as fast as
// it can and prints what was acknowledged, one thing a line, and kills it.
const (
	crashDir  = "LOCALCLOUD_STORE_CRASH_DIR"
	crashMost = "LOCALCLOUD_STORE_CRASH_MAX_BYTES"
)

func TestMain(m *testing.M) {
	if dir := os.Getenv(crashDir); dir != "" {
		fmt.Println("child:", crashChild(dir)) // it is meant to be killed
		os.Exit(1)
	}
	os.Exit(m.Run())
}

func crashChild(dir string) error {
	fmt.Println("start 0")
	most, err := strconv.ParseInt(os.Getenv(crashMost), 10, 64)
	if err != nil {
		return err
	}
	s, err := Open(dir, Options{EventsMaxBytes: most, EventsQueue: 100})
	if err != nil {
		return err
	}
	fmt.Println("open", s.Events().Last())
	ended := make(chan error, 2)
	go func() { ended <- updateForEver(s.Registry()) }()
	go func() { ended <- appendForEver(s.Events()) }()
	return <-ended
}

func updateForEver(r *Registry) error {
	for {
		d, err := r.UpdateDevice(id(1), func(d *cloud.Device, _ bool) error { d.ProductVersion++; return nil })
		if err != nil {
			return err
		}
		fmt.Println("device", d.ProductVersion)
	}
}

func appendForEver(l *Log) error {
	for id := l.Last() + 1; ; id += 1000 {
		if err := l.Admit(context.Background()); err != nil {
			return err
		}
		l.Append(sampleEvent(id), func(err error) {
			if err == nil {
				fmt.Println("event", id)
			}
		})
	}
}

// acknowledged is what children have reported.
type acknowledged struct {
	events []cloud.EventID
	device int
	opened cloud.EventID // Last, as the newest child found it
}

// runAndKill lets a child work on dir and kills it when it has printed so many lines.
func (a *acknowledged) runAndKill(t *testing.T, dir string, most int64, lines int) {
	t.Helper()
	child := exec.Command(os.Args[0])
	child.Env = append(os.Environ(), crashDir+"="+dir, crashMost+"="+fmt.Sprint(most))
	child.Stderr = os.Stderr
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	in := bufio.NewScanner(out)
	for n := 1; in.Scan(); n++ { // goes on to what it printed before it died
		a.note(t, in.Text())
		if n == lines {
			if err := child.Process.Kill(); err != nil {
				t.Error(err)
			}
		}
	}
	if err := child.Wait(); err == nil || child.ProcessState.ExitCode() == 1 {
		t.Fatalf("the child ended by itself: %v", err)
	}
}

func (a *acknowledged) note(t *testing.T, line string) {
	t.Helper()
	var what string
	var n uint64
	if _, err := fmt.Sscan(line, &what, &n); err != nil {
		t.Fatalf("the child says %q", line)
	}
	switch what {
	case "event":
		a.events = append(a.events, cloud.EventID(n))
	case "device":
		a.device = int(n)
	case "open":
		a.opened = cloud.EventID(n)
	}
}

func TestKillLosesNothingAcknowledgedAndRepeatsNothing(t *testing.T) {
	for _, test := range []struct {
		name string
		most int64
	}{
		{"all kept", 64 << 20},
		{"the oldest dropped meanwhile", 256 << 10}, // segments of 64 kB, some 600 events
	} {
		t.Run(test.name, func(t *testing.T) {
			// Not parallel: a child that is being started holds a copy of every lock for an instant.
			random := rand.New(rand.NewPCG(2026, uint64(test.most)))
			dir := t.TempDir()
			var a acknowledged
			for round := range 6 {
				lines := 1 + round%3*random.IntN(3000) // each third is killed while it opens
				before := newest(a.events)
				a.runAndKill(t, dir, test.most, lines)
				if a.opened != 0 && a.opened < before {
					t.Errorf("round %d: it begins after id %v, %v was acknowledged", round, a.opened, before)
				}
				a.opened = 0
				a.check(t, dir, test.most)
			}
			if len(a.events) < 3000 {
				t.Errorf("only %d events were acknowledged: the test tests little", len(a.events))
			}
		})
	}
}

func newest(ids []cloud.EventID) cloud.EventID {
	if len(ids) == 0 {
		return 0
	}
	return ids[len(ids)-1]
}

// check opens the directory and compares. The first open drops what is beyond the
// bound, which would disturb the comparison.
func (a *acknowledged) check(t *testing.T, dir string, most int64) {
	t.Helper()
	w := &world{t: t, start: func(o Options) (*Store, error) { return Open(dir, o) }}
	defer w.close()
	w.open(Options{EventsMaxBytes: most})
	w.open(Options{EventsMaxBytes: most})
	got := w.ids()
	if !slices.IsSorted(got) || len(slices.Compact(slices.Clone(got))) != len(got) {
		t.Error("events are twice in the log, or out of order")
	}
	if last := w.Events().Last(); last < newest(a.events) {
		t.Errorf("Last is %v, %v was acknowledged", last, newest(a.events))
	}
	kept := a.events
	if u := w.Events().Usage(); len(got) > 0 && got[0] != 1 { // some were dropped
		i, _ := slices.BinarySearch(kept, got[0])
		kept = kept[i:]
		if u.Bytes < most/2 {
			t.Errorf("too much was dropped: %+v", u)
		}
	}
	var lost []cloud.EventID
	for _, id := range kept {
		if _, found := slices.BinarySearch(got, id); !found {
			lost = append(lost, id)
		}
	}
	if len(lost) > 0 {
		t.Fatalf("%d of %d acknowledged events are lost, from %v to %v; the log holds %v to %v",
			len(lost), len(kept), lost[0], newest(lost), got[0], newest(got))
	}
	if d, _ := w.Registry().Device(id(1)); d.ProductVersion < a.device {
		t.Errorf("update %d of the device was acknowledged, it has %d", a.device, d.ProductVersion)
	}
}
